"""Measures of many maps -> what they say of a model's maps, with 95 % intervals that resample patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..tasks import Task
from .bootstrap import WeightedMetric, intervals
from .estimates import Estimate, ratio

#: column of a row of `protocols.maps.MapRow` -> what its mean is called
MEASURES = {
    "pointing": "pointing game",
    "by_chance": "pointing game, by chance",
    "inside": "share of the map inside the box",
    "overlap": "IoU above half of the maximum",
    "deletion": "deletion, area under the curve",
    "insertion": "insertion, area under the curve",
    "similarity": "rank correlation with shuffled weights",
}


class MapResult(NamedTuple):
    """What the maps of a model's task reach. measures: the mean of each measure by name, NaN where undefined."""

    task: str
    title: str
    model: str
    views: int
    patients: int
    measures: tuple[tuple[str, Estimate], ...]


def map_results(
    model: str, rows: Sequence[Mapping[str, Any]], tasks: Sequence[Task], seed: int
) -> tuple[MapResult, ...]:
    """Return the result of each task that has rows, with the columns of MEASURES, task and patient."""
    found = []
    for task in tasks:
        own = [row for row in rows if row["task"] == task.name]
        if own:
            patients = np.array([row["patient"] for row in own])
            values = {title: np.array([row[name] for row in own], float) for name, title in MEASURES.items()}
            estimates = intervals({title: _mean(of_rows) for title, of_rows in values.items()}, patients, seed)
            found.append(
                MapResult(task.name, task.title, model, len(own), len(set(patients)), tuple(estimates.items()))
            )
    return tuple(found)


def _mean(values: np.ndarray) -> WeightedMetric:
    known = ~np.isnan(values)
    return lambda weights: ratio(weights[:, known] @ values[known], weights[:, known].sum(1))
