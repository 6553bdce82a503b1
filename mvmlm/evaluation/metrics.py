"""Metrics of predictions against labels. Arrays are (n,) unless a shape is given; an undefined value is NaN."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import PERCENTILES, resampled_rows

FALSE_POSITIVE_RATES = np.linspace(0, 1, 51)  # where ROC curves are sampled
ROC_RESAMPLES = 200


class RocCurve(TypedDict, total=False):
    """A sampled ROC curve: false positive rate, sensitivity and its 95 % band. Empty if undefined."""

    x: list[float]
    y: list[float]
    low: list[float]
    high: list[float]


class OperatingPoint(TypedDict):
    """Sensitivity and specificity (None where undefined) at a threshold, and the four counts by name."""

    threshold: float
    counts: dict[str, int]
    sensitivity: float | None
    specificity: float | None


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve by ranks, ties counted half (Hanley and McNeil, 1982).

    NaN where one of the two classes is missing.
    """
    positive = np.asarray(labels).astype(bool)
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(np.asarray(scores, float), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positive].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def macro_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the unweighted mean of the one-against-rest AUCs of the classes that occur.

    labels: (n,) class indices. scores: (n, classes).
    """
    values = [auc(labels == index, scores[:, index]) for index in range(scores.shape[1])]
    values = [value for value in values if not np.isnan(value)]
    return float(np.mean(values)) if values else float("nan")


def concordance(years: ArrayLike, events: ArrayLike, scores: ArrayLike) -> float:
    """Return Harrell's C-index (Harrell et al., 1982).

    Of the pairs whose order is known, it is the share in which the earlier event has the higher score; ties of scores
    count half.

    At equal times a woman with the event is before one whose follow-up ended then; two events at the same time have no
    order. years: until the event or the end of follow-up. events: 1 where the event was seen. NaN without a comparable
    pair.
    """
    years, events, scores = (np.asarray(values, float) for values in (years, events, scores))
    later = years[:, None] < years[None, :]
    censored_then = (years[:, None] == years[None, :]) & (events[None, :] != 1)
    comparable = (later | censored_then) & (events[:, None] == 1)
    if not comparable.any():
        return float("nan")
    higher = (scores[:, None] > scores[None, :]) + 0.5 * (scores[:, None] == scores[None, :])
    return float(higher[comparable].mean())


def kappa(labels: ArrayLike, predicted: ArrayLike, classes: int, ordered: bool = True) -> float:
    """Return Cohen's kappa of two raters' class indices (Cohen, 1960), or with quadratic weights (Cohen, 1968).

    ordered: the classes are steps of a scale, so the weights are quadratic. NaN without labels, and if the agreement
    expected by chance is already 1.
    """
    if not np.size(labels):
        return float("nan")
    table = np.zeros((classes, classes))
    np.add.at(table, (np.asarray(labels, int), np.asarray(predicted, int)), 1)
    distance = np.abs(np.arange(classes)[:, None] - np.arange(classes)[None])
    weight = distance**2 if ordered else (distance > 0).astype(float)
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    by_chance = (weight * expected).sum()
    return float(1 - (weight * table).sum() / by_chance) if by_chance else float("nan")


def auc_by_year(years: ArrayLike, events: ArrayLike, scores: ArrayLike, year: int) -> float:
    """Return the AUC of "cancer within `year` years" (cumulative cases, dynamic controls: Heagerty and Zheng, 2005).

    Women whose follow-up ended earlier without cancer are left out. scores: the predicted probability for that year.
    """
    years, events, scores = (np.asarray(values, float) for values in (years, events, scores))
    known = (events == 1) | (years >= year)
    return auc((events[known] == 1) & (years[known] <= year), scores[known])


def delong(labels: ArrayLike, a: ArrayLike, b: ArrayLike) -> tuple[float, float]:
    """Return AUC of `a` minus AUC of `b`, and the two-sided p of no difference (DeLong, DeLong, Clarke-Pearson, 1988).

    a, b: scores of the same cases. The test takes the cases as independent, which the two breasts of a woman are not,
    so it is reported beside the interval that resamples patients. NaN with fewer than two cases of a class.
    """
    positive = np.asarray(labels, bool)
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        return float("nan"), float("nan")
    (a10, a01), (b10, b01) = (_placements(positive, np.asarray(scores, float)) for scores in (a, b))
    difference = float(a10.mean() - b10.mean())
    variance = np.var(a10 - b10, ddof=1) / m + np.var(a01 - b01, ddof=1) / n
    if variance <= 0:
        return difference, 1.0 if difference == 0 else 0.0
    return difference, math.erfc(abs(difference) / math.sqrt(variance) / math.sqrt(2))


def _placements(positive: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """DeLong's structural components V10 of the positives (m,) and V01 of the negatives (n,)."""
    cases, controls = scores[positive], scores[~positive]
    higher = (cases[:, None] > controls[None]) + 0.5 * (cases[:, None] == controls[None])
    return higher.mean(1), higher.mean(0)


def roc_band(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, seed: int) -> RocCurve:
    """Return the ROC curve at FALSE_POSITIVE_RATES with a pointwise 95 % band that resamples patients."""
    curves = [
        _sensitivities(labels[rows], scores[rows])
        for rows in resampled_rows(patients, seed, ROC_RESAMPLES)
        if 0 < labels[rows].sum() < len(rows)
    ]
    if not curves or not 0 < labels.sum() < len(labels):
        return {}
    low, high = np.percentile(curves, PERCENTILES, 0)
    return {
        "x": FALSE_POSITIVE_RATES.tolist(), "y": _sensitivities(labels, scores).tolist(),
        "low": low.tolist(), "high": high.tolist(),
    }  # fmt: skip


def _sensitivities(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """The sensitivity at each of FALSE_POSITIVE_RATES, (51,)."""
    order = np.argsort(-scores, kind="stable")
    hits, ordered = labels[order].astype(bool), scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # equal scores cross the threshold together
    sensitivity = np.concatenate([[0], np.cumsum(hits)[ends] / max(hits.sum(), 1)])
    false_positive_rate = np.concatenate([[0], np.cumsum(~hits)[ends] / max((~hits).sum(), 1)])
    return np.interp(FALSE_POSITIVE_RATES, false_positive_rate, sensitivity)


def threshold_at(labels: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    """Return the lowest threshold with at least this specificity on these (training) cases; 0.5 without negatives."""
    negatives = np.sort(scores[labels == 0])
    return float(negatives[min(math.ceil(specificity * len(negatives)), len(negatives)) - 1]) if len(negatives) else 0.5


def operating_point(labels: np.ndarray, scores: np.ndarray, threshold: float) -> OperatingPoint:
    """Return sensitivity, specificity and counts; a score above the threshold is positive."""
    called, present = scores > threshold, labels == 1
    counts = {
        "true positive": int((called & present).sum()), "false positive": int((called & ~present).sum()),
        "false negative": int((~called & present).sum()), "true negative": int((~called & ~present).sum()),
    }  # fmt: skip
    return {
        "threshold": threshold,
        "counts": counts,
        "sensitivity": float(called[present].mean()) if present.any() else None,
        "specificity": float((~called[~present]).mean()) if (~present).any() else None,
    }


def wilson_interval(count: int, cases: int, level: float = 0.95) -> tuple[float, float]:
    """Return the interval (low, high) of a share of cases, 0..1, by Wilson, "Probable inference" (1927)."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, square = count / cases, z * z / cases
    centre, half = share + square / 2, z * math.sqrt(share * (1 - share) / cases + square / cases / 4)
    return max(0.0, (centre - half) / (1 + square)), min(1.0, (centre + half) / (1 + square))


def none_if_nan(value: float) -> float | None:
    """Return the value as JSON can hold it: None for NaN."""
    return None if math.isnan(value) else float(value)
