"""The net benefit of acting on a probability, by the threshold at which one would act.

Vickers and Elkin, "Decision curve analysis" (2006).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .bootstrap import WeightedMetric, of_whole
from .estimates import ratio

THRESHOLDS = np.round(np.arange(0.005, 0.5001, 0.005), 3)  # of a decision curve


class NetBenefit(NamedTuple):
    """The net benefit at each threshold, in true positives per case: of the model, and of treating everybody.

    Treating nobody has a net benefit of 0. Arrays (thresholds,).
    """

    model: np.ndarray
    treat_all: np.ndarray


def net_benefit(labels: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray) -> NetBenefit:
    """Return the net benefit: true less false positives, these weighted by the odds of the threshold, per case.

    labels, probabilities: (n,). thresholds: 0 to below 1; a probability that is not below one is positive. NaN without
    cases. Raises ValueError for another threshold.
    """
    every = np.ones(len(labels))
    model, treat_all = (
        of_whole(weighted_net_benefit(labels, scores, thresholds), len(labels)) for scores in (probabilities, every)
    )
    return NetBenefit(model, treat_all)


def weighted_net_benefit(labels: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray) -> WeightedMetric:
    """Return the net benefit (resamples, thresholds) as a function of case weights (resamples, n)."""
    thresholds = np.asarray(thresholds, float)
    if len(thresholds) and not (thresholds.min() >= 0 and thresholds.max() < 1):
        raise ValueError(f"thresholds={thresholds.min():g} to {thresholds.max():g}: expected 0 to below 1")
    worth = np.where(np.asarray(labels).astype(bool)[:, None], 1.0, -thresholds / (1 - thresholds))
    gained = np.where(np.asarray(probabilities, float)[:, None] >= thresholds, worth, 0.0)
    return lambda weights: ratio(weights @ gained, weights.sum(1, keepdims=True))
