"""Metrics of predictions against labels, and their 95 % intervals by resampling whole patients."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

RESAMPLES = 1000


def auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under the ROC curve by ranks, ties counted half (Mann-Whitney). NaN where a class is missing."""
    labels = np.asarray(labels).astype(bool)
    positives, negatives = int(labels.sum()), int((~labels).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(np.asarray(scores, float), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def macro_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean one-against-rest AUC over the classes that occur; labels (n,) indices, scores (n, classes)."""
    values = [auc(labels == index, scores[:, index]) for index in range(scores.shape[1])]
    values = [value for value in values if not np.isnan(value)]
    return float(np.mean(values)) if values else float("nan")


def concordance(years: np.ndarray, events: np.ndarray, scores: np.ndarray) -> float:
    """Harrell's C: of pairs whose order is known, the share in which the earlier event has the higher score."""
    years, events, scores = (np.asarray(a, float) for a in (years, events, scores))
    known = (years[:, None] < years[None, :]) & (events[:, None] == 1)
    if not known.any():
        return float("nan")
    higher = (scores[:, None] > scores[None, :]) + 0.5 * (scores[:, None] == scores[None, :])
    return float(higher[known].mean())


def kappa(labels: np.ndarray, predicted: np.ndarray, classes: int, ordered: bool = True) -> float:
    """Cohen's kappa of two (n,) class indices, with quadratic weights (Cohen, 1968) where the classes are steps of a scale.

    NaN where chance alone agrees fully.
    """
    table = np.zeros((classes, classes))
    np.add.at(table, (np.asarray(labels, int), np.asarray(predicted, int)), 1)
    apart = np.abs(np.arange(classes)[:, None] - np.arange(classes)[None])
    weight = apart**2 if ordered else (apart > 0).astype(float)
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    by_chance = (weight * expected).sum()
    return float(1 - (weight * table).sum() / by_chance) if by_chance else float("nan")


def auc_by_year(years: np.ndarray, events: np.ndarray, scores: np.ndarray, year: int) -> float:
    """AUC of "cancer within `year` years" among the women for whom that is known; scores (n,) of that year."""
    years, events, scores = (np.asarray(a, float) for a in (years, events, scores))
    known = (events == 1) | (years >= year)
    return auc((events[known] == 1) & (years[known] <= year), scores[known])


def with_interval(metric: Callable[[np.ndarray], float], clusters: np.ndarray, seed: int) -> tuple[float, float, float]:
    """metric takes row indices -> value with its 95 % interval, resampling whole clusters (exams)."""
    rows_of = [np.flatnonzero(clusters == cluster) for cluster in np.unique(clusters)]
    rng = np.random.default_rng(seed)
    draws = [
        metric(np.concatenate([rows_of[i] for i in rng.integers(0, len(rows_of), len(rows_of))]))
        for _ in range(RESAMPLES)
    ]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return metric(np.arange(len(clusters))), float(low), float(high)


GRID = np.linspace(0, 1, 51)


def delong(labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """-> AUC of `a` minus AUC of `b`, and the two-sided p of no difference (DeLong et al., 1988; ranks as Sun and Xu, 2014).

    Takes the cases as independent, which the two breasts of a woman are not: read it beside the interval by patient.
    """
    labels = np.asarray(labels, bool)
    m, n = int(labels.sum()), int((~labels).sum())
    if m < 2 or n < 2:
        return float("nan"), float("nan")
    placements = []
    for scores in (a, b):
        positive, negative = np.asarray(scores, float)[labels], np.asarray(scores, float)[~labels]
        won = (positive[:, None] > negative[None]) + 0.5 * (positive[:, None] == negative[None])
        placements.append((won.mean(1), won.mean(0)))
    (a10, a01), (b10, b01) = placements
    difference = float(a10.mean() - b10.mean())
    variance = np.var(a10 - b10, ddof=1) / m + np.var(a01 - b01, ddof=1) / n
    if variance <= 0:
        return difference, 1.0 if difference == 0 else 0.0
    return difference, math.erfc(abs(difference) / math.sqrt(variance) / math.sqrt(2))


def roc_band(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, seed: int, draws: int = 200) -> dict:
    """The ROC curve on GRID with a pointwise 95 % band, resampling patients."""
    rng, rows_of = np.random.default_rng(seed), [np.flatnonzero(patients == p) for p in np.unique(patients)]
    curves = []
    for _ in range(draws):
        rows = np.concatenate([rows_of[i] for i in rng.integers(0, len(rows_of), len(rows_of))])
        if 0 < labels[rows].sum() < len(rows):
            curves.append(_roc(labels[rows], scores[rows]))
    if not curves or not 0 < labels.sum() < len(labels):
        return {}
    low, high = np.percentile(curves, [2.5, 97.5], 0)
    return {"x": GRID.tolist(), "y": _roc(labels, scores).tolist(), "low": low.tolist(), "high": high.tolist()}


def _roc(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    order = np.argsort(-scores, kind="stable")
    hits, ordered = labels[order].astype(bool), scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # ties move together
    sensitivity = np.concatenate([[0], np.cumsum(hits)[ends] / max(hits.sum(), 1)])
    false_alarms = np.concatenate([[0], np.cumsum(~hits)[ends] / max((~hits).sum(), 1)])
    return np.interp(GRID, false_alarms, sensitivity)


def threshold_at(labels: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    """The lowest threshold whose specificity on these (training) cases is at least the wanted one."""
    negatives = np.sort(scores[labels == 0])
    return float(negatives[min(math.ceil(specificity * len(negatives)), len(negatives)) - 1]) if len(negatives) else 0.5


def operating_point(labels: np.ndarray, scores: np.ndarray, threshold: float) -> dict:
    """Sensitivity, specificity and the four counts; a score above the threshold is a call."""
    called, present = scores > threshold, labels == 1
    counts = {
        "true positive": int((called & present).sum()), "false positive": int((called & ~present).sum()),
        "false negative": int((~called & present).sum()), "true negative": int((~called & ~present).sum()),
    }  # fmt: skip
    return {
        "threshold": threshold, "counts": counts, "sensitivity": _number(called[present].mean() if present.any() else float("nan")),
        "specificity": _number((~called[~present]).mean() if (~present).any() else float("nan")),
    }  # fmt: skip


def _number(value: float) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
