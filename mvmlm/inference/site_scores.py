"""Scores of a model as probabilities at a site, where the site's own labels have calibrated them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..tasks import Kind, Level, Task
from .prediction import Answer


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
