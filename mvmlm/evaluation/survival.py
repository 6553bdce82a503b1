"""How well scores order women by the time until cancer, where follow-up ends early for some.

Arrays are (n,); an undefined value is NaN. years: until the event or the end of follow-up. events: 1 where the event
was seen. At equal times a woman with the event is before one whose follow-up ended then, and two events have no order.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import WeightedMetric, of_whole
from .discrimination import weighted_auc
from .estimates import ratio

PAIRS_AT_ONCE = 2**21  # of an event and another woman; a block of 16 MB


class _FollowUp:
    """Women sorted by time, events first at equal times, with the women after each event."""

    def __init__(self, years: ArrayLike, events: ArrayLike, scores: ArrayLike):
        years, seen = np.asarray(years, float), np.asarray(events, float) == 1
        self.order = np.lexsort((~seen, years))
        self.years, self.seen = years[self.order], seen[self.order]
        self.scores = np.asarray(scores, float)[self.order]
        self.events = np.flatnonzero(self.seen)
        _, first, time_of, counts = np.unique(self.years, return_index=True, return_inverse=True, return_counts=True)
        events_at = np.bincount(time_of, weights=self.seen, minlength=len(first)).astype(int)
        self.end_of_time = (first + counts)[time_of]  # where the next time starts, (n,)
        self.later = (first + events_at)[time_of[self.events]]  # where the women start who come after each event

    def pair_sums(self, weights: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The weight of the pairs in order and of all comparable pairs, (resamples, chosen events).

        weights: (resamples, n) in sorted order. chosen: indices into `events`.
        """
        after = np.zeros((len(weights), weights.shape[1] + 1))
        after[:, :-1] = np.cumsum(weights[:, ::-1], 1)[:, ::-1]
        in_order = np.empty((len(weights), len(chosen)))
        for part in self._parts(len(chosen)):
            events = chosen[part]
            start = int(self.later[events].min())
            own, others = self.scores[self.events[events], None], self.scores[None, start:]
            higher = np.where(own > others, 1.0, np.where(own == others, 0.5, 0.0))
            higher *= np.arange(start, len(self.scores)) >= self.later[events, None]
            in_order[:, part] = weights[:, start:] @ higher.T
        return in_order, after[:, self.later[chosen]]

    def _parts(self, events: int) -> Iterator[slice]:
        size = max(1, PAIRS_AT_ONCE // max(len(self.scores), 1))
        return (slice(start, start + size) for start in range(0, events, size))

    def not_censored(self, weights: np.ndarray) -> np.ndarray:
        """The Kaplan-Meier estimate of follow-up beyond each woman's time, (resamples, n).

        At equal times the events come first, so they are not at risk of the end of follow-up.
        """
        at_risk = np.cumsum(weights[:, ::-1], 1)[:, ::-1]
        steps = 1 - ratio(weights * ~self.seen, at_risk, undefined=0.0)
        return np.cumprod(steps, 1)[:, self.end_of_time - 1]


def weighted_concordance(years: ArrayLike, events: ArrayLike, scores: ArrayLike) -> WeightedMetric:
    """Return `concordance` as a function of case weights (resamples, n)."""
    women = _FollowUp(years, events, scores)
    every = np.arange(len(women.events))

    def values(weights: np.ndarray) -> np.ndarray:
        weights = weights[:, women.order]
        in_order, comparable = women.pair_sums(weights, every)
        own = weights[:, women.events]
        return ratio((own * in_order).sum(1), (own * comparable).sum(1))

    return values


def concordance(years: ArrayLike, events: ArrayLike, scores: ArrayLike) -> float:
    """Return Harrell's C-index (Harrell et al., 1982).

    Of the pairs whose order is known, it is the share in which the earlier event has the higher score; ties of scores
    count half. NaN without a comparable pair. Memory does not grow with the number of pairs.
    """
    return float(of_whole(weighted_concordance(years, events, scores), np.size(years)))


def weighted_uno_concordance(years: ArrayLike, events: ArrayLike, scores: ArrayLike, tau: float) -> WeightedMetric:
    """Return `uno_concordance` as a function of case weights; each resample has its own censoring weights."""
    women = _FollowUp(years, events, scores)
    early = np.flatnonzero(women.years[women.events] < tau)
    rows = women.events[early]

    def values(weights: np.ndarray) -> np.ndarray:
        weights = weights[:, women.order]
        in_order, comparable = women.pair_sums(weights, early)
        own, follow_up = weights[:, rows], women.not_censored(weights)[:, rows]
        undefined = ((own > 0) & (follow_up <= 0)).any(1)
        own = own * ratio(np.ones_like(own), follow_up**2, undefined=0.0)
        found = ratio((own * in_order).sum(1), (own * comparable).sum(1))
        return np.where(undefined, math.nan, found)

    return values


def uno_concordance(years: ArrayLike, events: ArrayLike, scores: ArrayLike, tau: float) -> float:
    """Return Uno's C (Uno et al., "On the C-statistics", 2011), which does not depend on how long follow-up was.

    It is `concordance` of the events before the time `tau`, each weighted by the inverse squared probability of
    follow-up beyond its time (Kaplan-Meier). NaN without a comparable pair, and where that probability is 0: then
    choose an earlier tau.
    """
    return float(of_whole(weighted_uno_concordance(years, events, scores, tau), np.size(years)))


def weighted_auc_by_year(years: ArrayLike, events: ArrayLike, scores: ArrayLike, year: int) -> WeightedMetric:
    """Return `auc_by_year` as a function of case weights (resamples, n)."""
    years, events, scores = (np.asarray(values, float) for values in (years, events, scores))
    known = np.flatnonzero((events == 1) | (years >= year))
    metric = weighted_auc((events[known] == 1) & (years[known] <= year), scores[known])
    return lambda weights: metric(weights[:, known])


def auc_by_year(years: ArrayLike, events: ArrayLike, scores: ArrayLike, year: int) -> float:
    """Return the AUC of "cancer within `year` years" (cumulative cases, dynamic controls: Heagerty and Zheng, 2005).

    Women whose follow-up ended earlier without cancer are left out. scores: the predicted probability for that year.
    """
    return float(of_whole(weighted_auc_by_year(years, events, scores, year), np.size(years)))
