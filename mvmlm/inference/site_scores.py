"""What a site's own labels have made of a model's scores: probabilities, and a threshold with a guarantee."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..tasks import Kind, Level, Task
from .prediction import Answer, CalledBack


class SiteCalibration(NamedTuple):
    """A calibration to the site, as a predictor applies it.

    task: a binary task of the breast. apply: scores, 0..1, to probabilities; rising. prevalence: the share of positives
    among its cases. by: whose scores, "head" or "prompt". phantoms: whether its cases were phantoms, so that it is for
    phantoms alone; else it is for women alone.
    """

    task: Task
    apply: Callable[[np.ndarray], np.ndarray]
    prevalence: float
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
) -> tuple[list[Answer], dict[str, float]]:
    """Return the answers with those of calibrated tasks calibrated, and the prevalence of each such task.

    answers: of breasts; those of the exam follow from them. phantom: whether the exam is a phantom's.
    """
    fitting = {
        name: found
        for name, found in calibrations.items()
        if found.phantoms is phantom and found.task.kind is Kind.BINARY and found.task.level is Level.BREAST
    }
    changed, here = [], {}
    for answer in answers:
        found = fitting.get(answer.task)
        if found is not None and answer.by == found.by:
            here[answer.task] = found.prevalence
            answer = answer._replace(probability=float(found.apply(np.array([answer.probability]))[0]))
        changed.append(answer)
    return changed, here
