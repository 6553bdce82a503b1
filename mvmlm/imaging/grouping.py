"""Files -> exams: which files are one exam of one woman, by their headers, or by folders and names of pictures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path, PurePosixPath

from ..exam import FileMark
from ..messages import quoted
from ..patient import PatientIdentity, SameWoman, sound_date
from .file_header import FileHeader
from .view_words import without_view_words

PICTURES = "pictures"  # the first part of the key of a group of PNG, TIFF or JPEG
MOST_DAYS_APART = 31  # of the study and the acquisition of one exam


@dataclass(frozen=True)
class FoundFile:
    """A file that holds a picture: its name for the reader, its path, and its header."""

    name: str
    path: Path
    header: FileHeader

    @property
    def identity(self) -> PatientIdentity:
        """Whose it is, as its header says."""
        fields = (self.header.get(key) for key in ("patient_id", "issuer", "birth_date", "sex"))
        return PatientIdentity(*(str(field or "") for field in fields))


@dataclass(frozen=True)
class ExamGroup:
    """The files of one exam: one patient and study, or one folder of pictures.

    key: (PatientID, StudyInstanceUID), the second part longer where several exams share both; or (PICTURES, folder).
    date: YYYYMMDD, or "" where no sound one is given. identity: whose it is; a field that only some files give counts.
    notes: what the reader must know about how the files were put together.
    """

    key: tuple[str, str]
    title: str
    date: str
    files: tuple[FoundFile, ...]
    identity: PatientIdentity = PatientIdentity()
    notes: tuple[FileMark, ...] = ()


def exam_date(header: FileHeader) -> str:
    """Return the day of an exam as YYYYMMDD: StudyDate, or AcquisitionDate where that is none; else ""."""
    return sound_date(header.get("study_date")) or sound_date(header.get("acquisition_date"))


def format_date(date: str) -> str:
    """Return a DICOM date YYYYMMDD as YYYY-MM-DD, anything else as it is."""
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 and date.isdigit() else date


def group_files(files: Iterable[FoundFile]) -> tuple[ExamGroup, ...]:
    """Return the exams among files, in the order of their first files."""
    together: dict[tuple[str, str, str], list[FoundFile]] = {}
    for file in files:
        header, folder = file.header, str(PurePosixPath(file.name).parent)
        if header["kind"] == "picture":
            key = (PICTURES, folder, "")
        else:
            study = header.get("study_uid") or ""
            nobody = not study and not file.identity.known
            key = (header.get("patient_id") or "", study, folder if nobody else "")
        together.setdefault(key, []).append(file)
    groups: list[ExamGroup] = []
    for (first, second, _), members in together.items():
        groups += _pictures(second, members) if first == PICTURES else _studies((first, second), members)
    return tuple(groups)


def _studies(key: tuple[str, str], files: list[FoundFile]) -> list[ExamGroup]:
    """The exams among files with one PatientID and StudyInstanceUID; they differ in issuer, birth date, sex or day."""
    exams: list[list[FoundFile]] = []
    for file in files:
        fitting = (exam for exam in exams if all(_may_be_one_exam(file, other) for other in exam))
        exam = next(fitting, None)
        if exam is None:
            exams.append([file])
        else:
            exam.append(file)
    groups = []
    for exam in exams:
        identity, day = _identity(exam), max(exam_date(file.header) for file in exam)
        study = key[1]
        if len(exams) > 1:
            other = identity.normalised()
            study = "/".join([study, day, other.issuer, other.birth_date, other.sex])
        title = f"patient {key[0] or 'without ID'}" + (f", study of {format_date(day)}" if day else "")
        groups.append(ExamGroup((key[0], study), title, day, tuple(exam), identity, tuple(_notes(exam, day))))
    return groups


def _may_be_one_exam(a: FoundFile, b: FoundFile) -> bool:
    days = {exam_date(a.header), exam_date(b.header)} - {""}
    return len(days) < 2 and a.identity.same_woman(b.identity) is not SameWoman.NO


def _identity(files: list[FoundFile]) -> PatientIdentity:
    found = [file.identity for file in files]
    first = [next((value for value in values if value), "") for values in zip(*map(_fields, found), strict=True)]
    return PatientIdentity(*first)


def _fields(identity: PatientIdentity) -> tuple[str, str, str, str]:
    return identity.patient_id, identity.issuer, identity.birth_date, identity.sex


def _notes(files: list[FoundFile], day: str) -> list[FileMark]:
    """What the reader must know about the files of one exam."""
    notes = []
    for file in files:
        study = (file.header.get("study_date") or "").strip()
        acquired = sound_date(file.header.get("acquisition_date"))
        if study and not sound_date(study):
            used = (
                f"AcquisitionDate, {format_date(acquired)}, is used." if acquired else "The exam is taken as undated."
            )
            notes.append(
                FileMark("odd-date", file.name, f"StudyDate is {quoted(study)}, which is no day of an exam. {used}")
            )
        elif study and acquired and _days_apart(sound_date(study), acquired) > MOST_DAYS_APART:
            dates = f"StudyDate is {format_date(sound_date(study))}, AcquisitionDate {format_date(acquired)}."
            notes.append(FileMark("date-conflict", file.name, f"{dates} StudyDate is used."))
    first, identities = files[0], {file.identity.normalised() for file in files}
    if not first.identity.known and not first.header.get("study_uid"):
        text = "The files name neither the patient nor the study. They are taken for one exam because of their folder."
        notes.append(FileMark("no-identity", first.name, text))
    elif any(a.same_woman(b) is SameWoman.UNSURE for a, b in combinations(identities, 2)):
        text = "Some of these files give less of the patient's issuer, birth date and sex than others. "
        notes.append(FileMark("identity-incomplete", first.name, text + "They are one exam by patient ID and study."))
    return notes


def _days_apart(a: str, b: str) -> int:
    days = [date(int(day[:4]), int(day[4:6]), int(day[6:])) for day in (a, b)]
    return abs((days[0] - days[1]).days)


def _pictures(folder: str, files: list[FoundFile]) -> list[ExamGroup]:
    """The exams among the pictures of one folder, by what their names say besides the view."""
    by_rest: dict[str, list[FoundFile]] = {}
    for file in files:
        by_rest.setdefault(without_view_words(PurePosixPath(file.name).stem), []).append(file)
    rests = [rest for rest in by_rest if rest]
    title = "pictures" if folder == "." else f"pictures in {folder}"
    if len(rests) < 2 or _is_counter(rests, by_rest):
        notes = []
        if len(rests) > 1:
            text = "The names of these pictures differ in more than the view. "
            advice = "If they are of different women, open them apart."
            notes.append(FileMark("names-differ", files[0].name, text + advice))
        return [ExamGroup((PICTURES, folder), title, "", tuple(files), notes=tuple(notes))]
    unnamed = by_rest.pop("", [])
    groups = [
        ExamGroup((PICTURES, f"{folder}/{rest}"), f"{title} named {rest}", "", tuple(by_rest[rest])) for rest in by_rest
    ]
    return [*groups, *([ExamGroup((PICTURES, folder), title, "", tuple(unnamed))] if unnamed else [])]


def _is_counter(rests: list[str], by_rest: dict[str, list[FoundFile]]) -> bool:
    """Whether the names differ only in a running number: each picture has its own, and none is left out."""
    numbers = [re.findall(r"\d+", rest)[-1:] for rest in rests]
    letters = {re.sub(r"\d+(?=\D*$)", "", rest) for rest in rests}
    if len(letters) > 1 or not all(numbers) or any(len(by_rest[rest]) > 1 for rest in rests):
        return False
    values = sorted(int(number[0]) for number in numbers)
    return values[-1] - values[0] == len(values) - 1
