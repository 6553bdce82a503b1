"""Percentile intervals by the cluster bootstrap: whole patients (or exams) are resampled, never single breasts.

Efron, "Bootstrap methods: another look at the jackknife" (1979); clusters as in Rutter, "Bootstrap estimation of
diagnostic accuracy with patient-clustered data" (2000).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)  # of a 95 % interval


def resampled_rows(clusters: np.ndarray, seed: int, draws: int) -> Iterator[np.ndarray]:
    """Yield the row indices of `draws` resamples, each of as many clusters as there are, drawn with replacement.

    clusters: (n,) the cluster of each row; nothing is yielded for n = 0.
    """
    rows_of = [np.flatnonzero(clusters == cluster) for cluster in np.unique(clusters)]
    rng = np.random.default_rng(seed)
    for _ in range(draws if rows_of else 0):
        yield np.concatenate([rows_of[index] for index in rng.integers(0, len(rows_of), len(rows_of))])


def bootstrap_interval(
    metric: Callable[[np.ndarray], float], clusters: np.ndarray, seed: int
) -> tuple[float, float, float]:
    """Return a metric's value and its 95 % interval (value, low, high).

    metric: row indices -> value; a resample whose value is NaN is left out. clusters: (n,) the cluster of each row. The
    bounds are NaN where every resample's value is.
    """
    values = np.array([metric(rows) for rows in resampled_rows(clusters, seed, RESAMPLES)])
    low, high = np.nanpercentile(values, PERCENTILES) if not np.isnan(values).all() else (np.nan, np.nan)
    return metric(np.arange(len(clusters))), float(low), float(high)
