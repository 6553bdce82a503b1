"""A figure with its 95 % interval: any figure by resampling patients, a share of cases by Wilson."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from ..evaluation.bootstrap import PERCENTILES, RESAMPLES, resampled_rows
from ..evaluation.estimates import none_if_nan, wilson_interval
from .plain_values import STRICT

Count = Annotated[int, Field(ge=0)]
Unit = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval; None where undefined."""

    __pydantic_config__ = STRICT

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Change:
    """A figure before and after recalibration, and after minus before."""

    __pydantic_config__ = STRICT

    before: Estimate
    after: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Share:
    """A share of cases, 0..1, with its 95 % interval by Wilson."""

    __pydantic_config__ = STRICT

    count: Count
    cases: Annotated[int, Field(ge=1)]
    share: Unit
    low: Unit
    high: Unit

    def __post_init__(self) -> None:
        if self.count > self.cases:
            raise ValueError("count: above cases")


def share_of(count: int, cases: int) -> Share | None:
    """Return the share of `count` in `cases`; None without cases."""
    return Share(count, cases, count / cases, *wilson_interval(count, cases)) if cases else None


def changes(
    metrics: Callable[[np.ndarray, np.ndarray], np.ndarray],
    before: np.ndarray,
    after: np.ndarray,
    patients: np.ndarray,
    seed: int,
) -> list[Change]:
    """Return the change of each metric, with percentile intervals that resample patients.

    metrics: (row indices, predictions of these rows) -> (m,) values; NaN where undefined, and then left out of the
    interval. before, after: (n, ...) predictions of the same cases. patients: (n,) the woman of each case.
    """

    def both(rows: np.ndarray) -> np.ndarray:
        values = np.array([metrics(rows, before[rows]), metrics(rows, after[rows])])
        return np.vstack([values, values[1] - values[0]])

    values = both(np.arange(len(patients)))
    drawn = np.array([both(rows) for rows in resampled_rows(patients, seed, RESAMPLES)])
    return [
        Change(*(_estimate(values[kind, index], drawn[:, kind, index]) for kind in range(3)))
        for index in range(values.shape[1])
    ]


def _estimate(value: float, drawn: np.ndarray) -> Estimate:
    known = drawn[~np.isnan(drawn)]
    low, high = np.percentile(known, PERCENTILES) if len(known) else (np.nan, np.nan)
    return Estimate(none_if_nan(value), none_if_nan(low), none_if_nan(high))
