"""What an import says about each file and exam: with names at a terminal, without patient data where it is stored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from ..exam import Exam, FileMark, SetAside
from ..imaging.files import ExamGroup, Listing, NoExam
from ..messages import without_quotations

#: endings that say what a file is; any other one may be part of a name, an ID or a UID
ENDINGS = frozenset(
    [
        ".bmp",
        ".csv",
        ".dcm",
        ".dicom",
        ".doc",
        ".docx",
        ".gz",
        ".htm",
        ".html",
        ".ima",
        ".jp2",
        ".jpeg",
        ".jpg",
        ".json",
        ".nii",
        ".pdf",
        ".png",
        ".tar",
        ".tif",
        ".tiff",
        ".txt",
        ".xls",
        ".xlsx",
        ".xml",
        ".zip",
    ]
)
NAMING_FIELDS = re.compile("patient|study|series|birth|issuer|accession|description|date|uid|institution|operator")
DATE = re.compile(r"\b(?:19|20)\d\d[-./]?\d\d[-./]?\d\d\b")
VIEW = re.compile(r"[RL]?[_ ]?(CC|MLO)", re.IGNORECASE)
SHORTEST_NAME = 3  # characters; shorter ones would be found inside ordinary sentences
HIDDEN = "…"


class ImportOutcome(NamedTuple):
    """One exam or file of an import.

    title: the exam or the file by its name. number: of the exam in the store, None where it was not stored. reason: why
    it was not. place: the exam or file by its number, and `why` the reason, both without patient data, for a job.
    note: what a reader must know about whose exam it is. marks: what a reader must know about its files, without
    patient data: `file` is a number.
    """

    title: str
    number: int | None
    reason: str
    place: str
    why: str
    note: str = ""
    marks: tuple[FileMark, ...] = ()


class OutcomeWriter:
    """Makes the outcomes of one import, and numbers its files by name and its exams in their order."""

    def __init__(self, listing: Listing):
        files = {item.file for item in listing.set_aside} | {f.name for group in listing.groups for f in group.files}
        self._number = {name: number for number, name in enumerate(sorted(files), 1)}
        self._exams = len(listing.groups)
        self._names = _names(files, listing.groups)

    def stored(self, index: int, group: ExamGroup, number: int, note: str, exam: Exam) -> ImportOutcome:
        """Return the outcome of the exam of a group, by its index, that has this number in the store."""
        marks = tuple(
            FileMark(mark.code, self._place_of_file(mark.file), self.without_names(mark.text))
            for mark in exam.marks
            if mark.file in self._number and mark not in exam.questions  # a question is a reason of a file not used
        )
        return ImportOutcome(group.title, number, "", self._place_of_exam(index), "", note, marks)

    def refused(self, index: int, group: ExamGroup, error: Exception) -> ImportOutcome:
        """Return the outcome of a group that could not be stored."""
        why = str(error)
        if isinstance(error, NoExam):  # its message names files
            files = {file.name for file in group.files}
            reasons = dict.fromkeys(item.reason for item in error.set_aside if item.file in files)
            why = f"no picture could be read ({'; '.join(reasons)})" if reasons else why
        return ImportOutcome(group.title, None, str(error), self._place_of_exam(index), self.without_names(why))

    def not_used(self, item: SetAside) -> ImportOutcome:
        """Return the outcome of a file that is not used."""
        return ImportOutcome(
            item.file, None, item.reason, self._place_of_file(item.file), self.without_names(item.reason)
        )

    def not_used_of(self, exam: Exam, group: ExamGroup) -> Iterator[ImportOutcome]:
        """Yield the outcomes of the files of a stored exam that are not kept with it."""
        files = {file.name for file in group.files}
        for item in exam.set_aside:
            if item.file in files:
                yield self.not_used(item)
        for view in exam.extra:
            if view.questions:
                reason = " ".join(question.text for question in view.questions)
            elif view.name in exam.views:
                reason = f"not kept: {view.name} occurs more than once, and the other picture is kept"
            else:
                reason = "not kept: not one of the four standard views, CC and MLO of both breasts"
            yield self.not_used(SetAside(view.file, reason, "not-kept"))

    def without_names(self, text: str) -> str:
        """Return the text without names of files, IDs, dates, and what the headers say about patient and study."""
        if self._names is not None:
            text = self._names.sub(HIDDEN, text)
        return DATE.sub(HIDDEN, without_quotations(text))

    def _place_of_exam(self, index: int) -> str:
        return f"exam {index + 1} of {self._exams}"

    def _place_of_file(self, name: str) -> str:
        ending = PurePosixPath(name).suffix.lower()
        known = f" ({ending})" if ending in ENDINGS else ""
        return f"file {self._number[name]} of {len(self._number)} by name{known}"


def _names(files: Iterable[str], groups: Iterable[ExamGroup]) -> re.Pattern[str] | None:
    """What finds every name of a file, and every value of a header that may say who the patient is."""
    names = set()
    for file in files:
        for part in PurePosixPath(file.replace("\\", "/")).parts:
            names |= {part, PurePosixPath(part).stem}
        names.add(file)
    for group in groups:
        names |= {*group.key, group.date}
        for member in group.files:
            for field, value in member.header.items():
                if isinstance(value, str) and NAMING_FIELDS.search(field):
                    names.add(value)
    names = {name for name in names if len(name) >= SHORTEST_NAME and not VIEW.fullmatch(name)} - {"pictures"}
    if not names:
        return None
    longest_first = sorted(map(re.escape, names), key=len, reverse=True)
    return re.compile(rf"(?<!\w)(?:{'|'.join(longest_first)})(?!\w)", re.IGNORECASE)
