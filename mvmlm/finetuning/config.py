"""The configuration of a fine-tuning run, as plain data; needs no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

from ..store.records import Filter

FEWEST_CASES = 12  # labelled training cases from which a head can be fine-tuned
DEPTHS = {
    "linear": "linear (seconds)",
    "mlp": "one hidden layer (seconds)",
    "stage": "linear, and the last image stage with it (minutes)",
}


@dataclass(frozen=True)
class FinetuneConfig:
    """What to fine-tune, and on which labels.

    depth: one of DEPTHS. reader: whose readings give the labels; None is the consensus, else the newest signed first
    reading. exam_filter: which exams. specificity: where the operating point is set, on training cases, between 0 and
    1. name: of the new head; empty for the task and a number. Raises ValueError for a depth or specificity out of
    range.
    """

    task: str
    depth: str = "linear"
    reader: str | None = None
    exam_filter: Filter = Filter()
    specificity: float = 0.9
    seed: int = 1
    name: str = ""

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            raise ValueError(f"depth={self.depth!r}: expected one of {', '.join(DEPTHS)}")
        if not 0 < self.specificity < 1:
            raise ValueError(f"specificity={self.specificity}: expected a number between 0 and 1")

    def to_json(self) -> dict:
        """Return plain JSON values."""
        return asdict(self) | {"exam_filter": self.exam_filter._asdict()}

    @classmethod
    def from_json(cls, data: dict) -> FinetuneConfig:
        """Return the configuration that `to_json` wrote."""
        return cls(**{**data, "exam_filter": Filter(**data.get("exam_filter", {}))})


class CaseCount(NamedTuple):
    """The number of labelled cases and of their patients in the training and test splits.

    unit: what a case is, "breasts" or "exams". classes: of each class its name and its cases in both splits. missing:
    what the training cases lack, as a sentence; "" where a head can be fine-tuned. phantoms_left_out: labelled exams of
    phantoms that are not counted, since exams of women have labels too.
    """

    train: int
    train_patients: int
    test: int
    test_patients: int
    unit: str = "breasts"
    classes: tuple[tuple[str, int, int], ...] = ()
    missing: str = ""
    phantoms_left_out: int = 0


class NotEnoughCases(ValueError):
    """There are too few labelled cases to fine-tune. The message says how many are missing."""


class Stopped(Exception):
    """The job was asked to stop before it had a result."""
