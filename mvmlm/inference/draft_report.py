"""The model's answers as findings, so that `report.py` can put them into words: a draft for a reader to correct, never a reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..report.findings import ExamFindings, Finding, Findings
from ..report.lexicon import KINDS
from ..tasks import TASK

if TYPE_CHECKING:
    from .prediction import Prediction

PRESENT = 0.5


def answered_findings(prediction: Prediction) -> ExamFindings:
    """What the heads find likelier than not, for each breast that was read: findings, suspicion level, density."""
    density = _likeliest(prediction, "density", None)
    sides = {}
    for side in prediction.encoding.sides:
        shares = {
            a.task: a.probability
            for a in prediction.answers
            if a.laterality is side and a.by == "head" and a.task in KINDS
        }
        present = tuple(Finding(kind) for kind in KINDS if shares.get(kind, 0) >= PRESENT)
        absent = frozenset(kind for kind, share in shares.items() if share < PRESENT)
        sides[side.word] = Findings(density, present, absent, _likeliest(prediction, "birads", side))
    return ExamFindings(**sides)


def _likeliest(prediction: Prediction, task: str, side) -> str | None:
    shares = {
        a.class_: a.probability for a in prediction.answers if (a.task, a.laterality, a.by) == (task, side, "head")
    }
    return max(TASK[task].classes, key=shares.get) if shares else None
