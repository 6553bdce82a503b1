"""DICOMweb (PS3.18): search a PACS for mammograms, fetch an exam with her earlier ones, send files back."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import pydicom
from dicomweb_client.web import DICOMwebClient
from pydicom.uid import BreastProjectionXRayImageStorageForPresentation as TomoProjection
from pydicom.uid import BreastProjectionXRayImageStorageForProcessing as TomoProjectionForProcessing
from pydicom.uid import BreastTomosynthesisImageStorage as Tomosynthesis

from ..atomic_file import errors_named
from ..imaging.decoder import Decoder, Unreadable
from ..imaging.limits import MAX_FILE_BYTES
from ..imaging.load import default_decoder
from ..imaging.unpacking import MIN_FREE_BYTES
from ..patient import SameWoman
from ..temporary import temporary_folder
from .access import PacsAccess, PacsError
from .multipart import boundary_of, write_part
from .session import BoundedSession, bounded_blocks, failures_told
from .study import (
    INSTANCE_UID,
    MODALITIES,
    MODALITY,
    SERIES_UID,
    SOP_CLASS,
    Item,
    Study,
    read_study,
    read_text,
    read_uid,
    read_values,
)

MG = "MG"  # PS3.3 C.7.3.1.1.1
MAX_STUDIES = 200  # of one search
MAX_SEARCH_SECONDS = 300.0  # of one search, where the PACS does not say which studies have mammograms
MAX_SERIES = 200  # of mammograms in one study
MAX_IMAGES = 500  # of one fetch, the earlier exams included
MAX_FETCHED_BYTES = 4 << 30  # of one fetch
MAX_FETCH_SECONDS = 1800.0
MAX_PUSHED_BYTES = 256 << 20  # of one file, which is in memory while it is sent
TELL_SECONDS = 1.0  # between two reports of a fetch
PRIORS = 2  # unless more or fewer are asked for
_NOT_READ = frozenset({Tomosynthesis, TomoProjection, TomoProjectionForProcessing})
_WILDCARD = re.compile(r"[*?\\]")

Report = Callable[[int, int], None]  # files done, of how many


@dataclass(frozen=True)
class Fetched:
    """What was fetched: a folder that `imaging.load_exam` opens, and what a reader must know about it.

    own_files: how many are of the study itself, the first ones by name; the others are of her earlier exams.
    """

    folder: Path
    study: Study
    priors: tuple[Study, ...]
    files: int
    own_files: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Image:
    """An image on the PACS, by its UIDs."""

    study: Study
    series: str
    uid: str


class _TooMany(PacsError):
    """More studies fit than are listed."""


class PacsClient:
    """A DICOMweb client of one PACS. Every failure is a PacsError. A context manager, which closes the connection."""

    def __init__(self, access: PacsAccess, decoder: Decoder | None = None):
        self._access, self._decoder = access, decoder
        self._session = BoundedSession(access)
        self._client = DICOMwebClient(access.root, self._session)
        self._client.host = access.host  # which it sends as Host: with the port, as HTTP wants it
        self._client.set_http_retry_params(retry=False)

    def __enter__(self) -> PacsClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._session.close()

    def search(
        self, *, patient_id: str = "", name: str = "", since: date | None = None, until: date | None = None
    ) -> list[Study]:
        """Return the studies with mammograms that fit all that is given, newest first; undated ones last.

        patient_id: exact. name: the beginning of it as DICOM writes it (family^given), or with * and ?. since, until:
        study dates, both included. Raises PacsError for more than MAX_STUDIES, and for a search for everything.
        """
        if not (patient_id.strip() or name.strip() or since or until):
            raise PacsError("Nothing to search for. Give a patient ID, a name or dates.", "patient_id", "name", "since")
        if _WILDCARD.search(patient_id):
            raise PacsError("A patient ID is searched as it is, so it cannot hold *, ? or \\. Search for the name.")
        if since and until and since > until:
            raise PacsError("The first date is after the last one. Exchange them.", "since", "until")
        filters = {"ModalitiesInStudy": MG}
        if patient_id.strip():
            filters["PatientID"] = _sent(patient_id)
        if name.strip():
            filters["PatientName"] = _sent(name) if _WILDCARD.search(name) else f"{_sent(name)}*"
        if since or until:
            filters["StudyDate"] = "-".join(_date(day) for day in (since, until))
        found = self._studies(filters, patient_id.strip())
        return [study for study in found if not study.date or _date(since) <= study.date <= (_date(until) or "9")]

    def study(self, uid: str) -> Study:
        """Return a study by its StudyInstanceUID. Raises PacsError where there is none with mammograms."""
        if read_uid({"0": {"Value": [uid]}}, "0") is None:
            raise PacsError("This is no StudyInstanceUID, which has digits and points only. Search for the study.")
        found = [study for study in self._studies({"StudyInstanceUID": uid}) if study.uid == uid]
        if len(found) != 1:
            raise PacsError(f"The PACS at {self._access.host} has no such study with mammograms (MG). Search for it.")
        return found[0]

    def fetch(
        self, study: Study, folder: Path | None = None, *, priors: int = PRIORS, report: Report = lambda done, of: None
    ) -> Fetched:
        """Write the mammograms of a study and of her earlier ones into a folder, all of them or none.

        folder: a new or empty one (default: a private temporary folder, deleted when the process ends). priors: how
        many earlier exams at most, newest first. Images are as the PACS stores them. Raises PacsError, and OSError
        where a file cannot be written.
        """
        if folder is not None and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise PacsError(f"{folder.name} is not empty. Name a new folder.", "out")
        chosen, notes = self._priors(study, priors) if priors else ([], [])
        listed = [self._images(each) for each in (study, *chosen)]
        images = [image for found, _ in listed for image in found]
        left = sum(count for _, count in listed)
        if left:
            notes.append(f"{left} tomosynthesis image(s) stay on the PACS; only two-dimensional views are read.")
        if not listed[0][0]:
            raise PacsError("The study has no two-dimensional mammogram (MG). Choose another one.")
        if len(images) > MAX_IMAGES:
            raise PacsError(f"{len(images):,} images; at most {MAX_IMAGES} are fetched. Take fewer priors.", "priors")
        target = temporary_folder("pacs") if folder is None else folder
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = temporary_folder("pacs", target.parent)  # on the same disk; deleted also where this process is killed
        try:
            self._write_all(images, part, report)
            target.rmdir()  # it is empty; Windows renames nothing onto a folder
            part.rename(target)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            if folder is None:
                shutil.rmtree(target, ignore_errors=True)
            raise
        return Fetched(target, study, tuple(chosen), len(images), len(listed[0][0]), tuple(notes))

    def push(self, paths: Sequence[Path], report: Report = lambda done, of: None) -> int:
        """Send DICOM files to the PACS (STOW-RS), one after the other, and return how many it stored: all.

        Raises PacsError for the first that cannot be read or that the PACS refuses; those before it are stored, which
        the message says.
        """
        for done, path in enumerate(paths):
            report(done, len(paths))
            try:
                self._push_file(path)
            except PacsError as error:
                raise PacsError(f"{error} {done} of {len(paths)} files are stored.", *error.remedies) from None
        report(len(paths), len(paths))
        return len(paths)

    def _studies(self, filters: dict[str, str], patient_id: str = "") -> list[Study]:
        """The studies with mammograms of a search, newest first. patient_id: leave out what is another's."""
        wanted = ["ModalitiesInStudy", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyDescription"]
        wanted.append("NumberOfStudyRelatedInstances")
        with failures_told(self._access.host):
            items = self._client.search_for_studies(limit=MAX_STUDIES + 1, fields=wanted, search_filters=filters)
            items = _items(items)
        if len(items) > MAX_STUDIES:
            raise _TooMany(f"More than {MAX_STUDIES} studies fit. Search for fewer: by patient ID or dates.")
        found, deadline = {}, time.monotonic() + MAX_SEARCH_SECONDS
        for item in items:
            if time.monotonic() > deadline:
                raise PacsError(
                    f"The PACS at {self._access.host} answers too slowly for so many studies. Search for fewer."
                )
            study = read_study(item)
            other = study and patient_id and study.identity.patient_id != patient_id
            if study is not None and not other and self._has_mammograms(item, study):
                found[study.uid] = study
        return sorted(found.values(), key=lambda study: study.date, reverse=True)

    def _has_mammograms(self, item: Item, study: Study) -> bool:
        """Whether a study has series of mammograms. Some PACS do not say it of a study, so its series are asked."""
        modalities = read_values(item, MODALITIES)
        return MG in modalities if modalities else bool(self._series(study))

    def _series(self, study: Study) -> list[str]:
        """The UIDs of the series of mammograms in a study."""
        filters = {"Modality": MG}
        with failures_told(self._access.host):
            items = _items(self._client.search_for_series(study.uid, limit=MAX_SERIES + 1, search_filters=filters))
        if len(items) > MAX_SERIES:
            raise PacsError(f"The study of {study.day} has more than {MAX_SERIES} series. Export it from the PACS.")
        found = [read_uid(item, SERIES_UID) for item in items if read_text(item, MODALITY) in ("", MG)]
        return list(dict.fromkeys(uid for uid in found if uid))

    def _images(self, study: Study) -> tuple[list[_Image], int]:
        """The mammograms of a study that can be read, and how many tomosynthesis images there are besides."""
        found, left = dict[str, _Image](), 0
        for series in self._series(study):
            with failures_told(self._access.host):
                items = _items(self._client.search_for_instances(study.uid, series, limit=MAX_IMAGES + 1))
            if len(items) + len(found) > MAX_IMAGES:
                raise PacsError(
                    f"The study of {study.day} has more than {MAX_IMAGES} images. Export what you need from the PACS."
                )
            for item in items:
                uid = read_uid(item, INSTANCE_UID)
                if uid is None:
                    raise PacsError(f"The PACS lists an image without a UID in the study of {study.day}. Export it.")
                if read_text(item, SOP_CLASS) in _NOT_READ:
                    left += 1
                else:
                    found[uid] = _Image(study, series, uid)
        return list(found.values()), left

    def _priors(self, study: Study, most: int) -> tuple[list[Study], list[str]]:
        """Her earlier exams, newest first, and what a reader must know about the choice."""
        if not study.date:
            return [], ["The study has no date, so it is not known which exams are earlier; none was fetched."]
        if not study.identity.known or _WILDCARD.search(study.identity.patient_id):
            return [], ["The patient ID of the study names nobody, so no earlier exam was fetched."]
        patient_id = study.identity.patient_id
        try:
            found = self._studies({"ModalitiesInStudy": MG, "PatientID": _sent(patient_id)}, patient_id)
        except _TooMany:
            return [], [
                f"The PACS lists more than {MAX_STUDIES} studies for the patient ID, so no earlier exam was fetched."
            ]
        hers = [other for other in found if study.identity.same_woman(other.identity) is not SameWoman.NO]
        notes = []
        if sum(other.date == study.date for other in hers if other.uid != study.uid):
            notes.append(f"There is another study of {study.day} with mammograms; it was not fetched.")
        if any(not other.date for other in hers):
            notes.append("There is a study without a date; it was not fetched.")
        earlier = [other for other in hers if other.date and other.date < study.date]
        if len(earlier) > most:
            notes.append(f"{len(earlier) - most} older exam(s) stay on the PACS.")
        return earlier[:most], notes

    def _write_all(self, images: Sequence[_Image], folder: Path, report: Report) -> None:
        """Write images into a folder, and check whose they are."""
        deadline, room = time.monotonic() + MAX_FETCH_SECONDS, MAX_FETCHED_BYTES
        paths = []
        for done, image in enumerate(images):
            report(done, len(images))
            path = folder / f"{done:04d}.dcm"
            with failures_told(self._access.host), errors_named(path):
                room -= self._write(image, path, room, deadline, partial(report, done, len(images)))
            paths.append(path)
        headers = (self._decoder or default_decoder()).headers(paths)
        for image, header in zip(images, headers, strict=True):
            if isinstance(header, Unreadable):
                continue  # `load_exam` says why
            patient = str(header.get("patient_id") or "").strip()
            of_another = header.get("study_uid") != image.study.uid or patient != image.study.identity.patient_id
            if of_another or header.get("instance_uid") != image.uid:
                what = "an image of another study or patient than" if of_another else "another image of the study than"
                raise PacsError(
                    f"The PACS at {self._access.host} sent {what} it listed. Nothing was kept. Tell its administrator."
                )
        report(len(images), len(images))

    def _write(self, image: _Image, path: Path, room: int, deadline: float, tell: Callable[[], None]) -> int:
        """Write an image to a file and return its bytes.

        room: how many there may be. deadline: of `time.monotonic`. tell: called again and again; may raise.
        """
        address = f"{self._access.root}/studies/{image.study.uid}/series/{image.series}/instances/{image.uid}"
        accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'  # as it is stored
        response = self._session.get(address, headers={"Accept": accept}, stream=True)
        boundary = boundary_of(response.headers.get("Content-Type", ""))
        if boundary is None:
            response.close()
            raise PacsError(f"The PACS at {self._access.host} sends no DICOM files. Check that it offers WADO-RS.")
        if shutil.disk_usage(path.parent).free < MIN_FREE_BYTES:
            response.close()
            raise PacsError("The disk is full. Free some space, then fetch again.")
        with open(path, "xb", opener=_private) as file:
            blocks = bounded_blocks(response, min(room, MAX_FILE_BYTES), deadline)
            write_part(_telling(blocks, tell), boundary, file)
            return file.tell()

    def _push_file(self, path: Path) -> None:
        if path.stat().st_size > MAX_PUSHED_BYTES:
            raise PacsError(f"{path.name}: larger than {MAX_PUSHED_BYTES >> 20} MB, the limit for one file.")
        try:
            uid = str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
        except OSError:
            raise
        except Exception:  # pydicom raises many kinds for damaged files
            raise PacsError(f"{path.name}: no DICOM file with a UID. Give DICOM files.") from None
        boundary = uuid4().hex
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join([head, path.read_bytes(), f"\r\n--{boundary}--".encode()])  # byte for byte as in the file
        content = f'multipart/related; type="application/dicom"; boundary="{boundary}"'
        with failures_told(self._access.host):
            response = self._session.post(f"{self._access.root}/studies", data=body, headers={"Content-Type": content})
            answer = response.json() if response.content else {}
            (answer,) = _items(answer if isinstance(answer, list) else [answer])
            stored = [read_text(item, "00081155") for item in _sequence(answer, "00081199")]
            failed = [read_text(item, "00081197") for item in _sequence(answer, "00081198")]
        if uid not in stored:
            codes = [f" (failure {int(code):04X})" for code in failed if code.isascii() and code.isdecimal()]
            raise PacsError(
                f"{path.name}: the PACS at {self._access.host} did not store it{''.join(codes[:1])}. See its log."
            )


def _telling(blocks: Iterator[bytes], tell: Callable[[], None]) -> Iterator[bytes]:
    """Yield blocks, and call `tell` each TELL_SECONDS: whoever asked to stop is heard while a slow image arrives."""
    told = time.monotonic()
    for block in blocks:
        if time.monotonic() - told >= TELL_SECONDS:
            tell()
            told = time.monotonic()
        yield block


def _sequence(item: Item, tag: str) -> list[Item]:
    """The items of a sequence; none where it is absent."""
    attribute = item.get(tag)
    return _items(attribute.get("Value", [])) if isinstance(attribute, dict) else []


def _date(day: date | None) -> str:
    """A day as DICOM writes it, "" for none. The format %Y leaves out leading zeros of a year."""
    return day.isoformat().replace("-", "") if day else ""


def _sent(text: str) -> str:
    """What is searched for, with the wildcard ? for letters that an address encodes: Orthanc 1.10 does not decode them.

    What then fits too much is left out of the answer by the patient ID; a name finds a little more.
    """
    return re.sub(r"[^A-Za-z0-9._~*-]", "?", text.strip())


def _items(answer: Any) -> list[Item]:
    """The data sets of an answer. Raises TypeError for another one than a list of data sets."""
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise TypeError("no list of data sets")
    return answer


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
