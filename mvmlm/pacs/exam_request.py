"""An exam that a visitor of the pages wants from the PACS: a file that lives as long as its job, then a stored exam.

A job is pseudonymous, and the UID of a study is not: so the UID lies beside the job, as the uploads of an import do.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from ..imaging.decoder import Decoder
from ..messages import without_quotations
from ..store.archive import import_exams
from ..store.database import StoreError
from ..store.import_outcomes import DATE, HIDDEN, ImportOutcome
from ..store.records import ProgressCallback, part_of_progress
from ..store.store import Store
from ..store.uploads import queue_with_uploads, uploads_of_job
from ..temporary import short_lived_folder
from .access import ADDRESS, PacsAccess, PacsError, named_access, with_variables
from .client import Fetched, PacsClient

KIND = "pacs"  # of the job
_FILE = "study.json"
_FETCHED, _OWN_STORED = 0.8, 0.9  # shares of the job


class NotFetched(StoreError):
    """An exam cannot be fetched or stored. The message says why, without patient data."""


class StoredFetch(NamedTuple):
    """The number of the exam that was asked for, and the message and notes of its job, without patient data.

    exam: None where the job was stopped before.
    """

    exam: int | None
    message: str
    notes: list[str] = []


class _Stopped(Exception):
    """The fetch is to be stopped."""


def queue_fetch(store: Store, access: PacsAccess, study_uid: str, who: str, owner: str) -> int:
    """Queue the fetch of a study and her earlier ones; return the job's number, the old one where it waits already.

    Raises StoreError as `queue_with_uploads`.
    """
    asked = {"address": access.root, "study": study_uid}
    for job in store.jobs.unfinished():
        if (job.kind, job.owner, job.cancel) == (KIND, owner, False) and _request(store, job.settings) == asked:
            return job.id
    with short_lived_folder("pacs") as folder:
        path = folder / _FILE
        path.touch(mode=0o600)
        path.write_text(json.dumps(asked), encoding="utf-8")
        return queue_with_uploads(store, KIND, folder, {"who": who}, who, owner)


def _request(store: Store, settings: dict) -> dict[str, str] | None:
    """What a waiting job asks for; None where it has just ended."""
    try:
        (path,) = uploads_of_job(store, settings)
        return json.loads(path.read_text(encoding="utf-8"))
    except (StoreError, OSError, ValueError):
        return None


def fetch_and_store(
    request: Path,
    store: Store,
    decoder: Decoder,
    who: str,
    report: ProgressCallback,
    environment: Mapping[str, str] = os.environ,
) -> StoredFetch:
    """Fetch the study of a request and her earlier ones, and store them as copies without names.

    report: called with the share done and a message; returns True to stop. environment: names the PACS. Raises
    NotFetched.
    """
    with short_lived_folder("pacs") as folder:
        try:
            fetched = _fetch(request, folder / "exam", decoder, part_of_progress(report, 0, _FETCHED), environment)
        except PacsError as error:
            raise NotFetched(_without_days(with_variables(error))) from None
        except _Stopped:
            return StoredFetch(None, "stopped before the exam was there; nothing of it is kept")
        files, count = sorted(fetched.folder.iterdir()), fetched.own_files
        known = set(store.worklist.numbers())
        own = _store(store, files[:count], decoder, who, part_of_progress(report, _FETCHED, _OWN_STORED))
        if not own or not any(one.number for one in own) and report(_OWN_STORED, "storing the exam"):
            return StoredFetch(None, "stopped before the exam was stored; nothing of it is kept")
        exam = _only_exam(store, own)
        earlier = _store(store, files[count:], decoder, who, part_of_progress(report, _OWN_STORED, 1))
    numbers = {outcome.number for outcome in earlier} - {None, exam}
    words = f"{len(numbers) or 'no'} earlier exam{'s' if len(numbers) > 1 else ''}"
    notes = [_without_days(note) for note in fetched.notes]
    for which, outcomes in (("", own), ("of the earlier exams, ", earlier)):
        notes += [f"{which}{one.place}: {one.note or one.why}" for one in outcomes if one.note or one.number is None]
    name = store.exams.get(exam).name
    if exam in known:
        notes.insert(0, f"{name} stays as it is: images that came to the PACS since it was stored are not in it.")
        return StoredFetch(exam, f"{name} was stored before and stays as it is, with {words}", notes)
    return StoredFetch(exam, f"{name} is stored, with {words}", notes)


def _fetch(
    request: Path, folder: Path, decoder: Decoder, report: ProgressCallback, environment: Mapping[str, str]
) -> Fetched:
    def report_image(done: int, of: int) -> None:
        if report(done / of, f"{done} of {of} images fetched"):
            raise _Stopped

    asked = json.loads(request.read_text(encoding="utf-8"))
    if report(0.0, "asking the PACS"):
        raise _Stopped
    with PacsClient(_access(asked["address"], environment), decoder) as client:
        return client.fetch(client.study(asked["study"]), folder, report=report_image)


def _access(address: str, environment: Mapping[str, str]) -> PacsAccess:
    """The PACS of this process, which must be the one that was asked: the worker may be another program's."""
    access = named_access(environment)
    if access is None or access.root != address:
        raise PacsError(
            f"The program that runs the jobs of this data folder has no {ADDRESS}, or another one. Stop the other "
            "programs that use the folder, and start the app again."
        )
    return access


def _store(
    store: Store, files: list[Path], decoder: Decoder, who: str, report: ProgressCallback
) -> list[ImportOutcome]:
    """Store copies of the exams among files as an import does; none where it is to be stopped."""
    return list(import_exams(store, files, decoder, who, copy=True, report_progress=report)) if files else []


def _only_exam(store: Store, outcomes: list[ImportOutcome]) -> int:
    """The number of the exam that the images of one study became. Raises NotFetched."""
    numbers = sorted({outcome.number for outcome in outcomes if outcome.number is not None})
    if len(numbers) > 1:
        names = ", ".join(store.exams.get(number).name for number in numbers)
        raise NotFetched(
            f"By their headers the images of the study are of several exams, which are stored apart: {names}. Look at "
            "the study on the PACS before you read one of them."
        )
    if not numbers:
        reasons = dict.fromkeys(outcome.why for outcome in outcomes)
        why = "; ".join(reason.rstrip(".") for reason in reasons)
        raise NotFetched(f"The exam was fetched and cannot be stored: {why}. Look at it on the PACS.")
    return numbers[0]


def _without_days(text: str) -> str:
    """A sentence of the client as a job may hold it."""
    return DATE.sub(HIDDEN, without_quotations(text))
