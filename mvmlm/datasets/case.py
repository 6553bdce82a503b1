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


class DatasetError(ValueError):
    """A data set that cannot be read; the text names the file or column that is missing."""


class FindingBox(NamedTuple):
    """The box of a finding in DICOM pixels of its view; left and top included, right and bottom excluded."""

    kind: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Image:
    """An image file of an exam.

    path: relative to the data set's folder. name: None where only the file itself gives its view.
    """

    path: str
    name: ViewName | None
    boxes: tuple[FindingBox, ...] = ()


@dataclass(frozen=True)
class Case:
    """One exam.

    breast_labels, exam_labels: class index of each task that the tables give. risk: (years of follow-up, whether cancer
    was found at their end). split: the official one, or None. contradictions: sentences on rows that disagree.
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


@dataclass(frozen=True)
class SkippedRow:
    """A row or exam that is not used: its name in the table, and the reason."""

    name: str
    reason: str


def split_of(case: Case) -> str:
    """Return the official split, else one that depends on the patient's ID alone, so that it never changes."""
    if case.split is not None:
        return case.split
    number = int(hashlib.sha256(case.patient.encode()).hexdigest()[:8], 16) / 2**32  # uniform in 0..1
    train, validation, _ = SHARES
    return SPLITS[0] if number < train else SPLITS[1] if number < train + validation else SPLITS[2]
