"""The model's answers as findings, from which the report writer makes a draft for a reader to correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..exam import Laterality
from ..report.findings import ExamFindings, Finding, Findings, soften_denials
from ..report.lexicon import KINDS
from ..tasks import TASK

if TYPE_CHECKING:
    from .prediction import Prediction

MIN_PROBABILITY = 0.5  # of a finding that the draft states


def draft_findings(prediction: Prediction) -> ExamFindings:
    """Return the findings that are more probable than not, the BI-RADS category and the density of each read breast."""
    return ExamFindings(
        right=_breast_findings(prediction, Laterality.RIGHT), left=_breast_findings(prediction, Laterality.LEFT)
    )


def _breast_findings(prediction: Prediction, side: Laterality) -> Findings | None:
    if side not in prediction.encoding.sides:
        return None
    learned = {*KINDS} - prediction.not_learned
    probabilities = {
        answer.task: answer.probability
        for answer in prediction.answers
        if answer.laterality is side and answer.by == "head" and answer.task in learned
    }
    present = tuple(Finding(kind) for kind in KINDS if probabilities.get(kind, 0) >= MIN_PROBABILITY)
    absent = frozenset(kind for kind, probability in probabilities.items() if probability < MIN_PROBABILITY)
    density, birads = _most_probable(prediction, "density", None), _most_probable(prediction, "birads", side)
    return soften_denials(Findings(density, present, absent, birads))


def _most_probable(prediction: Prediction, task: str, side: Laterality | None) -> str | None:
    """The most probable class by the head of a task; None where no head answers it, or one at chance."""
    probabilities = {
        answer.class_: answer.probability
        for answer in prediction.answers
        if (answer.task, answer.laterality, answer.by) == (task, side, "head") and task not in prediction.not_learned
    }
    return max(TASK[task].classes, key=lambda class_: probabilities[class_]) if probabilities else None
