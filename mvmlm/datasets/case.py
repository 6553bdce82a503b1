"""An exam of a data set: its images, findings, labels and split."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..exam import Laterality, ViewName
from ..report.findings import ExamFindings

SPLITS = ("train", "validation", "test")
SHARES = (0.7, 0.1, 0.2)  # of patients, where a data set has no official split

NOT_UNDERSTOOD = "not understood"  # why a word is not used that no adapter knows


class DatasetError(ValueError):
    """A data set that cannot be read; the text names the file or column that is missing."""


class FindingBox(NamedTuple):
    """The box of a finding in DICOM pixels of its view; left and top included, right and bottom excluded."""

    kind: str
    left: float
    top: float
    right: float
    bottom: float

    def scaled(self, columns: float, rows: float) -> FindingBox:
        """Return the box in a picture that was multiplied by so much along its columns and rows."""
        return FindingBox(self.kind, self.left * columns, self.top * rows, self.right * columns, self.bottom * rows)


@dataclass(frozen=True)
class Image:
    """An image file of an exam.

    path: relative to the data set's folder; it is the whole path that tells one file from another. name: None where
    only the file itself gives its view. boxes: in the pixels of the file as it is stored. width_over_height: of the
    true picture, where the file holds it stretched to another shape; the loader undoes that. side: that of the table,
    for a picture whose projection the table does not give.
    """

    path: str
    name: ViewName | None
    boxes: tuple[FindingBox, ...] = ()
    width_over_height: float | None = None
    side: Laterality | None = None


class UnreadWord(NamedTuple):
    """A word of a table that became no finding, label or other field: its column, and why it is not used."""

    column: str
    word: str
    reason: str = NOT_UNDERSTOOD


class Disagreement(NamedTuple):
    """Rows that say different words of one thing, where all the words are kept.

    subject: which breast of which exam. between: what disagrees, such as "CC and MLO" or "the mass and calc tables".
    """

    subject: str
    column: str
    words: tuple[str, ...]
    between: str = "rows"

    def __str__(self) -> str:
        return f"{self.subject} {self.column}: {self.between} say {' and '.join(self.words)}"


@dataclass(frozen=True)
class Case:
    """One exam.

    breast_labels, exam_labels: class index of each task that the tables give. risk: (years of follow-up, whether cancer
    was found at their end). split: the official one, or None. contradictions: sentences on rows that disagree so that
    the field is left unknown. disagreements: rows that disagree and are kept as such. unread: every word of the tables
    that is used for nothing. refused: sentences on files that the tables name and that are not used. silent: why
    nothing can be reported of a breast, for each such breast. rows: how many rows of the tables the exam was made of.
    unused_rows: how many further rows of the exam are used for nothing, by why.
    """

    exam: str
    patient: str
    images: tuple[Image, ...]
    findings: ExamFindings
    breast_labels: Mapping[Laterality, Mapping[str, int]] = field(default_factory=dict)
    exam_labels: Mapping[str, int] = field(default_factory=dict)
    risk: tuple[float, bool] | None = None
    split: str | None = None
    contradictions: tuple[str, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    unread: tuple[UnreadWord, ...] = ()
    refused: tuple[str, ...] = ()
    silent: Mapping[Laterality, str] = field(default_factory=dict)
    rows: int = 0
    unused_rows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class SkippedRow:
    """A row, exam or file that is not used: its name in the table, and the reason.

    rows: how many rows of the tables it has; 0 for a file. unused_rows: the same by why, where that differs.
    """

    name: str
    reason: str
    rows: int = 1
    unused_rows: Mapping[str, int] = field(default_factory=dict)


def split_of(case: Case) -> str:
    """Return the official split, else one that depends on the patient's ID alone, so that it never changes."""
    if case.split is not None:
        return case.split
    number = int(hashlib.sha256(case.patient.encode()).hexdigest()[:8], 16) / 2**32  # uniform in 0..1
    train, validation, _ = SHARES
    return SPLITS[0] if number < train else SPLITS[1] if number < train + validation else SPLITS[2]
