"""Agreement of class indices: the confusion matrix and Cohen's kappa."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import WeightedMetric, of_whole
from .estimates import ratio


class KappaWeights(str, Enum):
    """How much a disagreement counts: all alike, by the steps between the classes, or by their square."""

    NONE = "unweighted"
    LINEAR = "linear weights"
    QUADRATIC = "quadratic weights"

    @classmethod
    def of(cls, ordered: bool) -> KappaWeights:
        """Return quadratic weights where the classes are steps of a scale, else none."""
        return cls.QUADRATIC if ordered else cls.NONE


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, classes: int) -> np.ndarray:
    """Return how many cases have each pair of class indices (classes, classes); rows: labels, columns: predictions."""
    table = np.zeros((classes, classes), int)
    np.add.at(table, (np.asarray(labels, int), np.asarray(predicted, int)), 1)
    return table


def weighted_kappa(labels: ArrayLike, predicted: ArrayLike, classes: int, weights: KappaWeights) -> WeightedMetric:
    """Return `kappa` as a function of case weights (resamples, n)."""
    cell = np.asarray(labels, int) * classes + np.asarray(predicted, int)
    in_cell = (cell[:, None] == np.arange(classes**2)).astype(float)
    steps = np.abs(np.arange(classes)[:, None] - np.arange(classes)[None])
    if weights is KappaWeights.NONE:
        steps = (steps > 0).astype(int)
    cost = steps**2 if weights is KappaWeights.QUADRATIC else steps

    def values(case_weights: np.ndarray) -> np.ndarray:
        table = (case_weights @ in_cell).reshape(-1, classes, classes)
        rows, columns = table.sum(2), table.sum(1)
        by_chance = ratio(np.einsum("ri,ij,rj->r", rows, cost, columns), rows.sum(1))
        return 1 - ratio((table * cost).sum((1, 2)), by_chance)

    return values


def kappa(labels: ArrayLike, predicted: ArrayLike, classes: int, weights: KappaWeights) -> float:
    """Return Cohen's kappa of two raters' class indices (Cohen, 1960), or with weights (Cohen, 1968).

    NaN without labels, and if the agreement expected by chance is already 1.
    """
    return float(of_whole(weighted_kappa(labels, predicted, classes, weights), np.size(labels)))
