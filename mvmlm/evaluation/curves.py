"""Curves with pointwise 95 % bands that resample patients: ROC, precision-recall, reliability and net benefit.

labels: (n,) 0 or 1. scores, probabilities: (n,). patients: (n,) the patient of each case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypedDict

import numpy as np

from .bootstrap import WeightedMetric, array_interval
from .calibration import calibration_bins
from .decision_curve import weighted_net_benefit
from .discrimination import ranked_counts
from .estimates import ratio

FALSE_POSITIVE_RATES = np.linspace(0, 1, 51)  # where ROC curves are sampled
SENSITIVITIES = np.linspace(0.02, 1, 50)  # where precision-recall curves are sampled
RESAMPLES = 200


class Curve(TypedDict, total=False):
    """A sampled curve with its pointwise 95 % band. Empty if undefined."""

    x: list[float]
    y: list[float]
    low: list[float]
    high: list[float]


def roc_band(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, seed: int, draws: int = RESAMPLES) -> Curve:
    """Return the ROC curve at FALSE_POSITIVE_RATES: sensitivity by false positive rate."""
    return _band(FALSE_POSITIVE_RATES, _weighted_roc(labels, scores), labels, patients, seed, draws)


def precision_band(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, seed: int, draws: int) -> Curve:
    """Return the precision at the highest threshold that reaches each of SENSITIVITIES."""
    return _band(SENSITIVITIES, _weighted_precision(labels, scores), labels, patients, seed, draws)


def reliability_band(
    labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray, bins: int, seed: int, draws: int
) -> Curve:
    """Return the share of positives by mean predicted probability, in bins of equal count."""
    rows_of_bins = calibration_bins(probabilities, bins)
    within = np.zeros((len(labels), len(rows_of_bins)))
    for index, rows in enumerate(rows_of_bins):
        within[rows, index] = 1
    positives = within * np.asarray(labels, float)[:, None]
    predicted = np.array([probabilities[rows].mean() for rows in rows_of_bins])
    return _band(predicted, lambda w: ratio(w @ positives, w @ within), labels, patients, seed, draws)


def net_benefit_band(
    labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray, thresholds: np.ndarray, seed: int, draws: int
) -> Curve:
    """Return the net benefit by threshold; of treating everybody with probabilities that are all 1."""
    metric = weighted_net_benefit(labels, probabilities, thresholds)
    return _band(thresholds, metric, labels, patients, seed, draws)


def _band(
    x: np.ndarray, metric: WeightedMetric, labels: np.ndarray, patients: np.ndarray, seed: int, draws: int
) -> Curve:
    """A curve and its band; empty where one of the two classes is missing."""
    if not 0 < np.sum(labels) < len(labels):
        return {}
    y, low, high = array_interval(metric, patients, seed, draws)
    return {"x": x.tolist(), "y": y.tolist(), "low": low.tolist(), "high": high.tolist()}


def _weighted_roc(labels: np.ndarray, scores: np.ndarray) -> WeightedMetric:
    def curve(false_positive_rate: np.ndarray, sensitivity: np.ndarray, precision: np.ndarray) -> np.ndarray:
        return np.interp(FALSE_POSITIVE_RATES, false_positive_rate, sensitivity)

    return _by_resample(labels, scores, curve, len(FALSE_POSITIVE_RATES))


def _weighted_precision(labels: np.ndarray, scores: np.ndarray) -> WeightedMetric:
    def curve(false_positive_rate: np.ndarray, sensitivity: np.ndarray, precision: np.ndarray) -> np.ndarray:
        reached = np.searchsorted(sensitivity, SENSITIVITIES - 1e-9)
        return precision[np.minimum(reached, len(precision) - 1)]

    return _by_resample(labels, scores, curve, len(SENSITIVITIES))


def _by_resample(
    labels: np.ndarray,
    scores: np.ndarray,
    curve: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    points: int,
) -> WeightedMetric:
    """A metric (resamples, points) of each resample's rates; NaN where one of the two classes was not drawn."""
    counts = ranked_counts(labels, scores)

    def values(weights: np.ndarray) -> np.ndarray:
        found = counts(weights)
        precision = ratio(found.true, found.called, undefined=1.0)
        rates = zip(found.false_positive_rate, found.sensitivity, precision, strict=True)
        none = np.full(points, np.nan)
        return np.array([none if np.isnan(row[0][0] + row[1][0]) else curve(*row) for row in rates])

    return values
