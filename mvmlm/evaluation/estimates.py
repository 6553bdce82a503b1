"""A value with its 95 % interval, and the arithmetic that the metrics share."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

LEVEL = 0.95  # of every interval
PERCENTILES = (100 * (1 - LEVEL) / 2, 100 * (1 + LEVEL) / 2)


class Estimate(NamedTuple):
    """A value and the bounds of its 95 % interval; NaN where undefined."""

    value: float
    low: float
    high: float


def ratio(numerator: np.ndarray, denominator: np.ndarray, undefined: float = math.nan) -> np.ndarray:
    """Return numerator / denominator, element by element; `undefined` where the denominator is 0."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    return np.divide(numerator, denominator, out=np.full(shape, undefined), where=np.asarray(denominator) != 0)


def midranks(values: np.ndarray) -> np.ndarray:
    """Return the rank (n,) of each value, from 1; equal values share the mean of their ranks."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def normal_quantile() -> float:
    """Return how many standard errors an interval by the normal distribution reaches to either side: 1.96."""
    return NormalDist().inv_cdf((1 + LEVEL) / 2)


def wilson_interval(count: int, cases: int, level: float = LEVEL) -> tuple[float, float]:
    """Return the interval (low, high) of a share of cases, 0..1, by Wilson, "Probable inference" (1927)."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share, square = count / cases, z * z / cases
    centre, half = share + square / 2, z * math.sqrt(share * (1 - share) / cases + square / cases / 4)
    return max(0.0, (centre - half) / (1 + square)), min(1.0, (centre + half) / (1 + square))


def none_if_nan(value: float) -> float | None:
    """Return the value as JSON can hold it: None for NaN."""
    return None if math.isnan(value) else float(value)
