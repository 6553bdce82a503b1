"""Figures of the exams of one period and one group, and their comparison with the reference period."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from .estimates import Count, Share, share_of
from .exact_tests import (
    differs_from,
    distance_interval,
    events_interval,
    kolmogorov_smirnov,
    more_often,
    quantile_interval,
)
from .plain_values import STRICT

FEWEST = 20  # exams below which a figure is "too few"

By = Literal["all", "vendor", "density"]
What = Literal["unlike", "scores", "events"]
WHAT: tuple[What, ...] = ("unlike", "scores", "events")


@dataclass(frozen=True)
class Within:
    """A figure with its 95 % interval."""

    __pydantic_config__ = STRICT

    value: Annotated[float, Field(ge=0)]
    low: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Events:
    """Positive labels against what the calibrated probabilities of the same exams add up to.

    exams: those with a label and a probability. ratio: observed by expected; its interval takes the observed as a
    Poisson count. Where labels come in for suspicious exams first, the ratio is too high until the others have theirs.
    """

    __pydantic_config__ = STRICT

    exams: Count
    observed: Count
    expected: Annotated[float, Field(gt=0)]
    ratio: Within


@dataclass(frozen=True)
class PeriodFigures:
    """The figures of a period's exams of one group.

    period: a month as "2026-09", "before" for the reference period, or "since" for all after it. by, group: "all" and
    "", or the vendor or density that the exams have in common. unlike: the share of exams unlike known mammograms, of
    those where this is measured. lower, median, upper: quartiles of the score. distance: the Kolmogorov-Smirnov
    distance of the scores from those of the same group in the reference period, 0..1; its interval is of at least 95 %.
    None is "too few": fewer than FEWEST such exams, or labels, in the period or, for the distance, in the reference.
    """

    __pydantic_config__ = STRICT

    period: str
    by: By
    group: str
    exams: Count
    unlike: Share | None
    lower: Within | None
    median: Within | None
    upper: Within | None
    distance: Within | None
    events: Events | None


@dataclass(frozen=True, eq=False)
class GroupExams:
    """The exams of a group as arrays (n,): score 0..1; probability, label and whether it is unlike, NaN: not known."""

    scores: np.ndarray
    probabilities: np.ndarray
    labels: np.ndarray
    unlike: np.ndarray

    def __len__(self) -> int:
        return len(self.scores)

    def rows(self, mask: np.ndarray) -> GroupExams:
        """Return the exams where a mask (n,) is True."""
        return GroupExams(self.scores[mask], self.probabilities[mask], self.labels[mask], self.unlike[mask])


def figures_of(exams: GroupExams, reference: GroupExams | None, period: str, by: By, group: str) -> PeriodFigures:
    """Return the figures of a period. reference: the same group's exams before; None for the reference itself."""
    few = len(exams) < FEWEST
    quartiles = [None if few else Within(*quantile_interval(exams.scores, share)) for share in (0.25, 0.5, 0.75)]
    return PeriodFigures(
        period, by, group, len(exams),
        unlike=_unlike(exams),
        lower=quartiles[0], median=quartiles[1], upper=quartiles[2],
        distance=None if few or reference is None or len(reference) < FEWEST else _distance(exams, reference),
        events=_events(exams),
    )  # fmt: skip


def p_values(exams: GroupExams, reference: GroupExams) -> dict[What, float]:
    """Return the p-value of each test of a period's exams that can be made, by name.

    "unlike": the share of unlike exams is not higher than in the reference. "scores": the scores are distributed as in
    the reference. "events": the probabilities are right; tested only where every exam has a label and a probability,
    because labels that come in early are no random choice, and because each exam is to be tested once.
    """
    found = dict[What, float]()
    if len(exams) >= FEWEST and len(reference) >= FEWEST:
        found["scores"] = kolmogorov_smirnov(exams.scores, reference.scores)[1]
    unlike, before = _unlike(exams), _unlike(reference)
    if unlike and before:
        found["unlike"] = more_often(unlike.count, unlike.cases, before.count, before.cases)
    events = _events(exams)
    if events is not None and events.exams == len(exams):
        found["events"] = differs_from(events.observed, events.expected)
    return found


def _unlike(exams: GroupExams) -> Share | None:
    measured = exams.unlike[~np.isnan(exams.unlike)]
    return share_of(int(measured.sum()), len(measured)) if len(measured) >= FEWEST else None


def _distance(exams: GroupExams, reference: GroupExams) -> Within:
    distance, _ = kolmogorov_smirnov(exams.scores, reference.scores)
    return Within(distance, *distance_interval(distance, len(exams), len(reference)))


def _events(exams: GroupExams) -> Events | None:
    known = ~np.isnan(exams.labels) & ~np.isnan(exams.probabilities)
    expected = math.fsum(exams.probabilities[known])
    if known.sum() < FEWEST or expected <= 0:
        return None
    observed = int(exams.labels[known].sum())
    ratio = Within(observed / expected, *(bound / expected for bound in events_interval(observed)))
    return Events(int(known.sum()), observed, expected, ratio)
