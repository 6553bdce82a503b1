"""Exact binomial probabilities."""

from __future__ import annotations

import math

import numpy as np


def binomial_tails(cases: int, share: float) -> np.ndarray:
    """Return P(X <= k) for k = 0 to `cases`, (cases + 1,), of X successes in `cases` trials of probability `share`."""
    counts = np.arange(cases + 1)
    factorials = log_factorials(cases)
    ways = factorials[cases] - factorials - factorials[::-1]
    log_mass = ways + counts * math.log(share) + (cases - counts) * math.log1p(-share)
    return np.minimum(np.cumsum(np.exp(log_mass)), 1.0)


def log_factorials(largest: int) -> np.ndarray:
    """Return the logarithms of 0! to `largest`!, (largest + 1,)."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, largest + 1)))])


def most_allowed(cases: int, limit: float, error: float) -> int:
    """Return the largest count in `cases` that shows a true share of at most `limit`; -1 where not even 0 does.

    A count k shows it where the exact one-sided p-value P(X <= k), at a true share of `limit`, is at most `error`.
    """
    return int(np.searchsorted(binomial_tails(cases, limit), error, "right")) - 1


def fewest_cases(limit: float, error: float) -> int:
    """Return the smallest number of cases in which a count of 0 shows a true share of at most `limit`."""
    return math.ceil(math.log(error) / math.log1p(-limit) - 1e-9)
