"""What a site's own labels have made of a model's scores: probabilities, and a threshold with a guarantee."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..exam import SIDES, Laterality
from ..tasks import Task
from .prediction import Answer, CalledBack

OUTSIDE = (
    "{}: the score is outside the range that the calibration of this site has seen, so its probability is extrapolated."
)


class SiteCalibration(NamedTuple):
    """A calibration to the site, as a predictor applies it.

    apply: scores (..., classes), 0..1, to probabilities; of a binary task (...,), rising. outside: where scores are
    outside the range that it has seen, bool. prevalence: the share of
    positives among its cases, None for a task that is not binary. by: whose scores, "head" or "prompt". phantoms:
    whether its cases were phantoms, so that it is for phantoms alone; else it is for women alone.
    """

    task: Task
    apply: Callable[[np.ndarray], np.ndarray]
    outside: Callable[[np.ndarray], np.ndarray]
    prevalence: float | None
    by: str
    phantoms: bool


class SiteThreshold(NamedTuple):
    """A threshold of the site, as a predictor applies it.

    threshold: of scores as the model gives them, before any calibration; a breast above it is called back. by,
    phantoms: as for a calibration. guarantee, found: sentences on what is guaranteed, and on what is found among the
    women called back.
    """

    threshold: float
    by: str
    phantoms: bool
    guarantee: str
    found: str


class SiteScores(NamedTuple):
    """All that a site has made of the scores of a model: task -> what is applied to it."""

    calibrations: Mapping[str, SiteCalibration] = {}
    thresholds: Mapping[str, SiteThreshold] = {}


def called_back(
    answers: Sequence[Answer], thresholds: Mapping[str, SiteThreshold], phantom: bool
) -> dict[str, CalledBack]:
    """Return for each task with a threshold which breasts are above it.

    answers: of breasts, as the model gives them. phantom: whether the exam is a phantom's.
    """
    called = {}
    for task, site in thresholds.items():
        scores = {
            answer.laterality: answer.probability
            for answer in answers
            if (answer.task, answer.by) == (task, site.by) and answer.laterality is not None
        }
        if scores and site.phantoms is phantom:
            sides = tuple(side for side, score in scores.items() if score > site.threshold)
            called[task] = CalledBack(site.threshold, sides, site.guarantee, site.found)
    return called


def calibrated_answers(
    answers: Sequence[Answer], calibrations: Mapping[str, SiteCalibration], phantom: bool
) -> tuple[list[Answer], frozenset[str], dict[str, float], list[str]]:
    """Return the answers with those of calibrated tasks calibrated, the names of these tasks, and their prevalence.

    Also a sentence for each task of which a score is outside the range that its calibration has seen. answers: of
    breasts for a task of the breast; those of the exam follow from them. phantom: whether the exam is a phantom's.
    """
    here: dict[str, float | None] = {}
    notes: list[str] = []
    changed: dict[tuple[str, str, Laterality | None], list[float]] = {}
    for name, found in calibrations.items():
        for side in (*SIDES, None):
            rows = [a.probability for a in answers if (a.task, a.by, a.laterality) == (name, found.by, side)]
            if rows and found.phantoms is phantom:
                here[name] = found.prevalence
                if np.any(found.outside(np.array(rows))):
                    notes.append(OUTSIDE.format(found.task.title))
                changed[name, found.by, side] = np.ravel(found.apply(np.array(rows))).tolist()
    calibrated = []
    for answer in answers:
        key = answer.task, answer.by, answer.laterality
        calibrated.append(answer._replace(probability=changed[key].pop(0)) if key in changed else answer)
    shares = {name: share for name, share in here.items() if share is not None}
    return calibrated, frozenset(here), shares, list(dict.fromkeys(notes))
