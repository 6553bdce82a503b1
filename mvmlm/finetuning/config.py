"""What is to be taught, as plain data: the page, the command line, the store's jobs and `finetune.py` speak of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

from ..store.records import Filter

DEPTHS = {
    "linear": "linear (seconds)",
    "mlp": "one hidden layer (seconds)",
    "stage": "linear, and the last image stage with it (minutes)",
}


@dataclass(frozen=True)
class FinetuneConfig:
    """reader None: the consensus, else the newest signed first reading. exam_filter: which exams.

    specificity: where the operating point is set, on training cases.
    """

    task: str
    depth: str = "linear"
    reader: str | None = None
    exam_filter: Filter = Filter()
    specificity: float = 0.9
    seed: int = 1
    name: str = ""

    def __post_init__(self):
        if self.depth not in DEPTHS:
            raise ValueError(f"depth={self.depth!r}: expected {' or '.join(DEPTHS)}")
        if not 0 < self.specificity < 1:
            raise ValueError(f"specificity={self.specificity}: expected a share between 0 and 1")

    def to_json(self) -> dict:
        """Plain JSON values."""
        return asdict(self) | {"exam_filter": self.exam_filter._asdict()}

    @classmethod
    def from_json(cls, data: dict) -> FinetuneConfig:
        """The inverse of `plain`."""
        return cls(**{**data, "exam_filter": Filter(**data.get("exam_filter", {}))})


class CaseCount(NamedTuple):
    """How many labelled cases, of how many patients, a lesson has before anything is encoded."""

    train: int
    train_patients: int
    test: int
    test_patients: int

    def __str__(self) -> str:
        return f"{self.train} cases of {self.train_patients} patients teach, {self.test} of {self.test_patients} compare (never trained on)."


ProgressCallback = Callable[[float, str], bool]  # share done, what -> whether to stop


class NotEnough(ValueError):
    """The labelled cases cannot teach this; the text says what is missing."""


class Stopped(Exception):
    """Somebody asked the job to stop before there was anything to keep."""
