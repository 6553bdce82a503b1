"""Tests and intervals that hold also for few cases, so that many tests together keep their level."""

from __future__ import annotations

import math

import numpy as np

from .binomial import binomial_tails, log_factorials

ERROR = 0.05  # of the intervals
_Z = 1.959964  # of the normal distribution, two-sided


def more_often(count: int, cases: int, earlier_count: int, earlier_cases: int) -> float:
    """Return the one-sided p-value that a share is higher than an earlier one, by Fisher's exact test."""
    everything, positives = cases + earlier_cases, count + earlier_count
    factorials = log_factorials(everything)

    def log_ways(among: int, chosen: np.ndarray | int) -> np.ndarray:
        return factorials[among] - factorials[chosen] - factorials[among - np.asarray(chosen)]

    counts = np.arange(count, min(cases, positives) + 1)
    log_mass = log_ways(positives, counts) + log_ways(everything - positives, cases - counts)
    return float(min(1.0, np.exp(log_mass - log_ways(everything, cases)).sum()))


def differs_from(count: int, expected: float) -> float:
    """Return the two-sided p-value of a count of independent events whose probabilities add up to `expected`.

    Twice the smaller tail of the Poisson distribution. Tails of sums of events with different probabilities are never
    larger, from one event off the mean on (Hoeffding, 1956; Anderson and Samuels, 1967).
    """
    counts = np.arange(count + 1)
    mass = np.exp(counts * math.log(expected) - expected - log_factorials(count))
    lower, upper = float(mass.sum()), max(0.0, float(1 - mass[:-1].sum()))  # rounding may pass 0
    return min(1.0, 2 * min(lower, upper))


def events_interval(count: int) -> tuple[float, float]:
    """Return the 95 % interval of the mean of a Poisson count, by Byar's approximation (Breslow and Day, 1987)."""
    low = count * (1 - 1 / (9 * count) - _Z / (3 * math.sqrt(count))) ** 3 if count else 0.0
    above = count + 1
    return low, above * (1 - 1 / (9 * above) + _Z / (3 * math.sqrt(above))) ** 3


def quantile_interval(values: np.ndarray, share: float) -> tuple[float, float, float]:
    """Return a quantile and its 95 % interval (value, low, high) without an assumption on the distribution.

    The bounds are values of the sample, by the binomial distribution of how many lie below the quantile. values: (n,).
    Raises ValueError where n is too small for such bounds: 6 values are needed for the median, 13 for the quartiles.
    """
    ordered, tails = np.sort(values), binomial_tails(len(values), share)
    low = int(np.searchsorted(tails, ERROR / 2, "right"))  # so P(X < low) <= 2.5 %
    high = int(np.searchsorted(tails, 1 - ERROR / 2, "left")) + 1  # and P(X >= high) <= 2.5 %
    if low < 1 or high > len(values):
        raise ValueError(f"values: {len(values)}, too few for an interval of the {share:g} quantile")
    return float(np.quantile(ordered, share)), float(ordered[low - 1]), float(ordered[high - 1])


def kolmogorov_smirnov(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Return the largest distance of two samples' distribution functions, 0..1, and the p-value of no difference.

    first: (m,), second: (n,), both not empty. The p-value is the share of the orders of m + n different values whose
    distance is at least as large (Hodges, "The significance probability of the Smirnov two-sample test", 1958). Equal
    values make it larger than need be, never smaller. Far below any level of interest it is an upper bound.
    """
    if len(first) > len(second):
        first, second = second, first
    m, n = len(first), len(second)
    values = np.unique(np.concatenate([first, second]))
    below_first = np.searchsorted(np.sort(first), values, "right")
    below_second = np.searchsorted(np.sort(second), values, "right")
    largest = int(np.abs(below_first * n - below_second * m).max())  # the distance times m n, a whole number
    distance = largest / (m * n)
    bound = 4 * math.exp(-2 * m * n * (distance / (math.sqrt(m) + math.sqrt(n))) ** 2)  # of Massart, 1990, twice
    return distance, bound if bound < 1e-9 else max(0.0, 1 - _share_of_orders_within(m, n, largest))


def distance_interval(distance: float, m: int, n: int) -> tuple[float, float]:
    """Return an interval of the true distance of two distributions, of at least 95 %, from samples of m and n values.

    By the inequality of Dvoretzky, Kiefer and Wolfowitz with the constant of Massart (1990) for each sample.
    """
    margin = sum(math.sqrt(math.log(4 / ERROR) / (2 * size)) for size in (m, n))
    return max(0.0, distance - margin), min(1.0, distance + margin)


def _share_of_orders_within(m: int, n: int, largest: int) -> float:
    """The share of the orders of m + n values, m <= n, whose distance times m n stays below `largest`.

    An order is a path over a grid whose cell (i, j) is i values of the first sample and j of the second passed. The
    paths to (i, j) come from (i - 1, j) or (i, j - 1), so along a row their number is a running sum. Logarithms.
    """
    row = np.where(np.arange(n + 1) * m < largest, 0.0, -np.inf)  # i = 0: one path to each cell
    for i in range(1, m + 1):
        low = max(0, (i * n - largest) // m + 1)
        high = min(n, -(-(i * n + largest) // m) - 1)
        if low > high:
            return 0.0
        following = np.full(n + 1, -np.inf)
        following[low : high + 1] = np.logaddexp.accumulate(row[low : high + 1])
        row = following
    factorials = log_factorials(m + n)
    return float(math.exp(row[n] - (factorials[m + n] - factorials[m] - factorials[n])))
