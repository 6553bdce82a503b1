"""Percentile intervals by the cluster bootstrap: whole patients (or exams) are resampled, never single breasts.

A resample is a weight for each case: how often its patient was drawn. A metric of weights is computed for many
resamples at once. Efron, "Bootstrap methods: another look at the jackknife" (1979); clusters as in Rutter, "Bootstrap
estimation of diagnostic accuracy with patient-clustered data" (2000).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from .estimates import PERCENTILES, Estimate

RESAMPLES = 1000
BLOCK_VALUES = 2**19  # weights that are held at once

#: weights (resamples, n) of the cases -> values (resamples,) or (resamples, points)
WeightedMetric = Callable[[np.ndarray], np.ndarray]
#: called with the share that is done, 0..1; what it raises ends the work
Progress = Callable[[float], None]


def resampled_weights(clusters: np.ndarray, seed: int, draws: int) -> Iterator[np.ndarray]:
    """Yield blocks (resamples, n) of weights, `draws` resamples in all: how often each case's cluster was drawn.

    Each resample draws as many clusters as there are, with replacement. clusters: (n,) the cluster of each case;
    nothing is yielded for n = 0.
    """
    if not len(clusters):
        return
    names, cluster_of_case = np.unique(clusters, return_inverse=True)
    rng, count = np.random.default_rng(seed), len(names)
    at_once = max(1, BLOCK_VALUES // len(clusters))
    for start in range(0, draws, at_once):
        size = min(at_once, draws - start)
        drawn = rng.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)
        yield counts.astype(float)[:, cluster_of_case]


def resampled_rows(clusters: np.ndarray, seed: int, draws: int) -> Iterator[np.ndarray]:
    """Yield the row indices of the resamples of `resampled_weights`, in rising order."""
    rows = np.arange(len(clusters))
    for block in resampled_weights(clusters, seed, draws):
        for weights in block:
            yield np.repeat(rows, weights.astype(int))


def of_whole(metric: WeightedMetric, cases: int) -> np.ndarray:
    """Return a metric's value of all cases, each once: () or (points,)."""
    return metric(np.ones((1, cases)))[0]


def of_rows(metric: Callable[[np.ndarray], float]) -> WeightedMetric:
    """Return a metric of row indices as a metric of weights. It is computed resample by resample, so it is slow."""

    def values(weights: np.ndarray) -> np.ndarray:
        rows = np.arange(weights.shape[1])
        return np.array([metric(np.repeat(rows, row.astype(int))) for row in weights])

    return values


def resampled_values(
    metrics: Mapping[str, WeightedMetric],
    clusters: np.ndarray,
    seed: int,
    draws: int | None = None,
    progress: Progress = lambda share: None,
) -> dict[str, np.ndarray]:
    """Return each metric's values (draws,) or (draws, points) of the same resamples.

    clusters: (n,) the cluster of each case. draws: RESAMPLES without it. progress: called after each block.
    """
    draws = RESAMPLES if draws is None else draws
    found: dict[str, list[np.ndarray]] = {name: [] for name in metrics}
    done = 0
    for weights in resampled_weights(clusters, seed, draws):
        for name, metric in metrics.items():
            found[name].append(metric(weights))
        done += len(weights)
        progress(done / draws)
    return {name: np.concatenate(parts) if parts else np.full(1, np.nan) for name, parts in found.items()}


def bounds(resampled: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds (low, high) of the 95 % interval of values (draws, ...), by percentiles.

    A resample whose value is NaN is left out; the bounds are NaN where every value is.
    """
    flat = resampled.reshape(len(resampled), -1)
    known = ~np.isnan(flat).all(0)
    found = np.full((2, flat.shape[1]), np.nan)
    if known.any():
        found[:, known] = np.nanpercentile(flat[:, known], PERCENTILES, axis=0)
    low, high = found.reshape(2, *resampled.shape[1:])
    return low, high


def array_interval(
    metric: WeightedMetric, clusters: np.ndarray, seed: int, draws: int, progress: Progress = lambda share: None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the value, low and high of a metric with several values, each an array of that shape."""
    low, high = bounds(resampled_values({"": metric}, clusters, seed, draws, progress)[""])
    return of_whole(metric, len(clusters)), low, high


def intervals(
    metrics: Mapping[str, WeightedMetric],
    clusters: np.ndarray,
    seed: int,
    draws: int | None = None,
    progress: Progress = lambda share: None,
) -> dict[str, Estimate]:
    """Return each metric's value with its 95 % interval, all from the same resamples.

    So the interval of a difference of two metrics is that of a paired comparison. The arguments are those of
    `resampled_values`.
    """
    found = {}
    for name, values in resampled_values(metrics, clusters, seed, draws, progress).items():
        low, high = bounds(values)
        found[name] = Estimate(float(of_whole(metrics[name], len(clusters))), float(low), float(high))
    return found


def difference(first: WeightedMetric, second: WeightedMetric) -> WeightedMetric:
    """Return the first metric less the second, resample by resample."""
    return lambda weights: first(weights) - second(weights)


def bootstrap_interval(metric: Callable[[np.ndarray], float], clusters: np.ndarray, seed: int) -> Estimate:
    """Return the value and 95 % interval of a metric of row indices; `intervals` is quicker where it has weights.

    A resample whose value is NaN is left out. clusters: (n,) the cluster of each row. The bounds are NaN where every
    resample's value is.
    """
    return intervals({"": of_rows(metric)}, clusters, seed)[""]
