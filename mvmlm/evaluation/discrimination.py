"""How well scores tell cases with from cases without: areas under curves, and DeLong's variance and test.

Arrays are (n,) unless a shape is given; an undefined value is NaN. A function `weighted_…` returns the same metric as a
function of case weights (resamples, n), for `bootstrap.intervals`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import WeightedMetric, of_whole
from .estimates import Estimate, midranks, normal_quantile, ratio


class RankedCounts(NamedTuple):
    """The weight of what is called positive at each threshold, from the highest down; the first calls nothing.

    thresholds: (points,), the first infinite; a score that is not below the threshold is positive. false, true:
    (resamples, points), falsely and rightly called.
    """

    thresholds: np.ndarray
    false: np.ndarray
    true: np.ndarray

    @property
    def false_positive_rate(self) -> np.ndarray:
        """(resamples, points), NaN without negatives."""
        return ratio(self.false, self.false[:, -1:])

    @property
    def sensitivity(self) -> np.ndarray:
        """(resamples, points), NaN without positives."""
        return ratio(self.true, self.true[:, -1:])

    @property
    def called(self) -> np.ndarray:
        """The weight of what is called positive (resamples, points)."""
        return self.false + self.true


def ranked_counts(labels: ArrayLike, scores: ArrayLike) -> Callable[[np.ndarray], RankedCounts]:
    """Return a function from weights (resamples, n) to the counts at every threshold.

    Equal scores are called positive together.
    """
    positive, scores = np.asarray(labels).astype(bool), np.asarray(scores, float)
    order = np.argsort(-scores, kind="stable")
    hits, ordered = positive[order], scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1) if len(ordered) else np.array([], int)
    thresholds = np.append(np.inf, ordered[ends])

    def counts(weights: np.ndarray) -> RankedCounts:
        called, true = (np.zeros((len(weights), len(ends) + 1)) for _ in range(2))
        sorted_weights = weights[:, order]
        called[:, 1:] = np.cumsum(sorted_weights, 1)[:, ends]
        true[:, 1:] = np.cumsum(sorted_weights * hits, 1)[:, ends]
        return RankedCounts(thresholds, called - true, true)

    return counts


def weighted_auc(labels: ArrayLike, scores: ArrayLike) -> WeightedMetric:
    """Return `auc` as a function of weights."""
    positive, scores = np.asarray(labels).astype(bool), np.asarray(scores, float)
    cases, controls = np.flatnonzero(positive), np.flatnonzero(~positive)
    controls = controls[np.argsort(scores[controls], kind="stable")]
    lower, not_higher = (np.searchsorted(scores[controls], scores[cases], side) for side in ("left", "right"))

    def values(weights: np.ndarray) -> np.ndarray:
        below = np.zeros((len(weights), len(controls) + 1))
        np.cumsum(weights[:, controls], 1, out=below[:, 1:])
        of_cases = weights[:, cases]
        in_order = (of_cases * (below[:, lower] + below[:, not_higher])).sum(1) / 2
        return ratio(in_order, of_cases.sum(1) * below[:, -1])

    return values


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve by ranks, ties counted half (Hanley and McNeil, 1982).

    NaN where one of the two classes is missing.
    """
    return float(of_whole(weighted_auc(labels, scores), np.size(labels)))


def weighted_macro_auc(labels: np.ndarray, scores: np.ndarray) -> WeightedMetric:
    """Return `macro_auc` as a function of weights."""
    metrics = [weighted_auc(labels == index, scores[:, index]) for index in range(scores.shape[1])]

    def values(weights: np.ndarray) -> np.ndarray:
        by_class = np.array([metric(weights) for metric in metrics])
        return ratio(np.nansum(by_class, 0), (~np.isnan(by_class)).sum(0))

    return values


def macro_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the unweighted mean of the one-against-rest AUCs of the classes that occur.

    labels: (n,) class indices. scores: (n, classes).
    """
    return float(of_whole(weighted_macro_auc(labels, scores), len(labels)))


def weighted_average_precision(labels: ArrayLike, scores: ArrayLike) -> WeightedMetric:
    """Return `average_precision` as a function of weights."""
    counts = ranked_counts(labels, scores)

    def values(weights: np.ndarray) -> np.ndarray:
        found = counts(weights)
        precision = ratio(found.true[:, 1:], found.called[:, 1:], undefined=0.0)
        return ratio((np.diff(found.true, axis=1) * precision).sum(1), found.true[:, -1])

    return values


def weighted_probabilistic_f1(labels: ArrayLike, scores: ArrayLike) -> WeightedMetric:
    """Return the probabilistic F1 score of scores of 0..1: each counts as a true or false positive by its share.

    Yacouby and Axman, "Probabilistic extension of precision, recall, and F1 score" (2020), as the RSNA challenge of
    2022 ranked models.
    """
    positive, values = np.asarray(labels) == 1, np.asarray(scores, float)

    def f1(weights: np.ndarray) -> np.ndarray:
        found, called = weights @ (values * positive), weights @ values
        return ratio(2 * found, called + weights @ positive.astype(float))

    return f1


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the precision-recall curve as a sum of steps; equal scores are one step.

    Its value for scores without meaning is the share of positives. NaN without positives.
    """
    return float(of_whole(weighted_average_precision(labels, scores), np.size(labels)))


def weighted_partial_auc(labels: ArrayLike, scores: ArrayLike, highest: float, standardised: bool) -> WeightedMetric:
    """Return `partial_auc` as a function of weights. standardised: which of its two values."""
    if not 0 < highest <= 1:
        raise ValueError(f"highest={highest}: expected a false positive rate above 0, at most 1")
    counts = ranked_counts(labels, scores)

    def values(weights: np.ndarray) -> np.ndarray:
        found = counts(weights)
        rate, sensitivity = found.false_positive_rate, found.sensitivity
        start, end = rate[:, :-1], np.minimum(rate[:, 1:], highest)
        width = np.maximum(end - start, 0)
        rise = np.diff(sensitivity, axis=1) * ratio(width, np.diff(rate, axis=1), undefined=1.0)
        both_classes = (found.false[:, -1] > 0) & (found.true[:, -1] > 0)
        area = np.where(both_classes, (width * (sensitivity[:, :-1] + rise / 2)).sum(1), np.nan)
        lowest = highest**2 / 2
        return (1 + (area - lowest) / (highest - lowest)) / 2 if standardised else area

    return values


class PartialAuc(NamedTuple):
    """The area under the part of a ROC curve.

    raw: of at most the highest false positive rate. standardised: 0.5 for scores without meaning, 1 for perfect ones
    (McClish, "Analyzing a portion of the ROC curve", 1989).
    """

    raw: float
    standardised: float


def partial_auc(labels: ArrayLike, scores: ArrayLike, highest: float) -> PartialAuc:
    """Return the area under the ROC curve over false positive rates from 0 to `highest`, with straight lines between
    its points.

    NaN where one of the two classes is missing. Raises ValueError for a rate that is not in 0..1.
    """
    raw, standardised = (
        of_whole(weighted_partial_auc(labels, scores, highest, kind), np.size(labels)) for kind in (False, True)
    )
    return PartialAuc(float(raw), float(standardised))


def delong_interval(labels: ArrayLike, scores: ArrayLike) -> Estimate:
    """Return the AUC with its 95 % interval by DeLong's variance and the normal distribution, cut to 0..1.

    It takes the cases as independent, which the two breasts of a woman are not. The bounds are NaN with fewer than two
    cases of a class, and where the variance is 0, as with an AUC of 1.
    """
    positive = np.asarray(labels).astype(bool)
    value, variance = auc(positive, scores), _difference_variance(positive, scores)
    if not variance > 0:
        return Estimate(value, math.nan, math.nan)
    half = normal_quantile() * math.sqrt(variance)
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))


def delong(labels: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Return AUC of `a` minus AUC of `b`, and the two-sided p of no difference (DeLong, DeLong, Clarke-Pearson, 1988).

    a, b: scores of the same cases. The test takes the cases as independent, which the two breasts of a woman are not,
    so it is reported beside the interval that resamples patients. NaN with fewer than two cases of a class.
    """
    positive = np.asarray(labels).astype(bool)
    variance = _difference_variance(positive, a, b)
    if math.isnan(variance):
        return math.nan, math.nan
    difference = auc(positive, a) - auc(positive, b)
    if variance <= 0:
        return difference, 1.0 if difference == 0 else 0.0
    return difference, math.erfc(abs(difference) / math.sqrt(variance) / math.sqrt(2))


def _difference_variance(positive: np.ndarray, a: ArrayLike, b: ArrayLike | None = None) -> float:
    """DeLong's variance of the AUC of `a`, or of its difference to that of `b`; NaN below two cases of a class."""
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        return math.nan
    of_cases, of_controls = _components(positive, np.asarray(a, float))
    if b is not None:
        others = _components(positive, np.asarray(b, float))
        of_cases, of_controls = of_cases - others[0], of_controls - others[1]
    return float(np.var(of_cases, ddof=1) / m + np.var(of_controls, ddof=1) / n)


def _components(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's structural components V10 of the positives (m,) and V01 of the negatives (n,), by midranks.

    Sun and Xu, "Fast implementation of DeLong's algorithm" (2014).
    """
    cases, controls = scores[positive], scores[~positive]
    among_all = midranks(np.concatenate([cases, controls]))
    m, n = len(cases), len(controls)
    return (among_all[:m] - midranks(cases)) / n, 1 - (among_all[m:] - midranks(controls)) / m
