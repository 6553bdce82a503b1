"""What a threshold gives: sensitivity, specificity and predictive value, at a chosen threshold and at recall rates.

A threshold is chosen on the cases of the validation split and applied to others. The two kinds of cases are two types,
and `apply_threshold` refuses a patient on whom the threshold was chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from .bootstrap import Progress, WeightedMetric, array_interval
from .discrimination import ranked_counts
from .estimates import Estimate, ratio

#: shares of women called back: those of the best one, three and ten algorithms of the RSNA challenge together, whose
#: sensitivities were 48.6, 60.7 and 67.8 % (Radiology 2025;316:e241447), and 10 %
RECALL_RATES = (0.015, 0.024, 0.035, 0.10)
TOLERANCE = 1e-9  # of a share, for rounding


class OperatingPoint(TypedDict):
    """Sensitivity and specificity (None where undefined) at a threshold, and the four counts by name."""

    threshold: float
    counts: dict[str, int]
    sensitivity: float | None
    specificity: float | None


def threshold_at(labels: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    """Return the lowest threshold with at least this specificity on these (training) cases; 0.5 without negatives."""
    negatives = np.sort(scores[labels == 0])
    return float(negatives[min(math.ceil(specificity * len(negatives)), len(negatives)) - 1]) if len(negatives) else 0.5


def threshold_for_sensitivity(labels: np.ndarray, scores: np.ndarray, sensitivity: float) -> float:
    """Return the highest threshold with at least this sensitivity on these cases; -inf where no lower score exists."""
    positives = np.sort(scores[labels == 1])[::-1]
    if not len(positives):
        return 0.5
    reached = positives[min(max(math.ceil(sensitivity * len(positives) - TOLERANCE), 1), len(positives)) - 1]
    below = scores[scores < reached]
    return float(below.max()) if len(below) else -math.inf


def operating_point(labels: np.ndarray, scores: np.ndarray, threshold: float) -> OperatingPoint:
    """Return sensitivity, specificity and counts; a score above the threshold is positive."""
    called, present = scores > threshold, labels == 1
    counts = {
        "true positive": int((called & present).sum()), "false positive": int((called & ~present).sum()),
        "false negative": int((~called & present).sum()), "true negative": int((~called & ~present).sum()),
    }  # fmt: skip
    return {
        "threshold": threshold,
        "counts": counts,
        "sensitivity": float(called[present].mean()) if present.any() else None,
        "specificity": float((~called[~present]).mean()) if (~present).any() else None,
    }


@dataclass(frozen=True, eq=False)
class ValidationCases:
    """The cases on which a threshold may be chosen. labels: 0 or 1; scores, patients: (n,)."""

    labels: np.ndarray
    scores: np.ndarray
    patients: np.ndarray


@dataclass(frozen=True, eq=False)
class HeldOutCases:
    """The cases that a threshold is applied to, of other patients. labels: 0 or 1; scores, patients: (n,)."""

    labels: np.ndarray
    scores: np.ndarray
    patients: np.ndarray


@dataclass(frozen=True)
class Goal:
    """What a threshold is chosen for: at least this share, 0..1. measure: "specificity" or "sensitivity"."""

    measure: str
    share: float

    def __str__(self) -> str:
        return f"{self.measure} of at least {100 * self.share:g} % on validation cases"


GOALS = (Goal("specificity", 0.9), Goal("sensitivity", 0.9))


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold and where it came from; only `choose_threshold` makes one.

    value: a score above it is positive. patients: those on whom it was chosen.
    """

    value: float
    goal: Goal
    patients: frozenset[str]


class Rates(NamedTuple):
    """Shares at a threshold, each with its 95 % interval. recall_rate: the share of all cases that are called back."""

    recall_rate: Estimate
    sensitivity: Estimate
    specificity: Estimate
    ppv: Estimate


class RecallRatePoint(NamedTuple):
    """What calling back a share of the cases gives.

    rate: the share that may be called back. threshold: a score above it is called back.
    """

    rate: float
    threshold: float
    rates: Rates


def choose_threshold(cases: ValidationCases, goal: Goal) -> ChosenThreshold:
    """Return the threshold that reaches a goal on the validation cases. Raises ValueError for an unknown measure and
    where the cases lack the class that the goal counts."""
    needed = {"specificity": 0, "sensitivity": 1}.get(goal.measure)
    if needed is None:
        raise ValueError(f"goal {goal.measure!r}: expected specificity or sensitivity")
    if not (cases.labels == needed).any():
        raise ValueError(f"no validation case with label {needed}, so no threshold has a {goal.measure}")
    choose = threshold_at if needed == 0 else threshold_for_sensitivity
    value = choose(cases.labels, cases.scores, goal.share)
    return ChosenThreshold(value, goal, frozenset(map(str, cases.patients)))


def apply_threshold(
    threshold: ChosenThreshold, cases: HeldOutCases, seed: int, draws: int, progress: Progress = lambda share: None
) -> Rates:
    """Return what a threshold gives on other cases, with intervals that resample patients.

    The threshold is fixed, so the intervals hold for it and not for choosing it anew. Raises ValueError for a patient
    on whom the threshold was chosen.
    """
    both = threshold.patients & set(map(str, cases.patients))
    if both:
        raise ValueError(
            f"{len(both)} patients are among those on whom the threshold was chosen. Take them out of one split."
        )
    metric = _weighted_rates(cases.labels, cases.scores > threshold.value)
    return _rates(*array_interval(metric, cases.patients, seed, draws, progress))


def _weighted_rates(labels: np.ndarray, called: np.ndarray) -> WeightedMetric:
    """The four `Rates` of fixed calls (resamples, 4)."""
    positive, called = np.asarray(labels, float), np.asarray(called, float)
    every, both = np.ones_like(called), positive * called
    counted = np.stack([called, both, (1 - positive) * (1 - called), both], 1)
    of = np.stack([every, positive, 1 - positive, called], 1)
    return lambda weights: ratio(weights @ counted, weights @ of)


def _rates(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> Rates:
    return Rates(*(Estimate(*map(float, row)) for row in zip(values, low, high, strict=True)))


def weighted_at_recall_rates(labels: ArrayLike, scores: ArrayLike, rates: Sequence[float]) -> WeightedMetric:
    """Return what calling back shares of the cases gives, as a function of weights -> (resamples, rates, 4), the last
    in the order of `Rates`; each resample has its own thresholds."""
    counts = ranked_counts(labels, scores)

    def values(weights: np.ndarray) -> np.ndarray:
        found = counts(weights)
        last = np.stack([_last_within(found.called, rate) for rate in rates], 1)
        false, true, called = (np.take_along_axis(part, last, 1) for part in (found.false, found.true, found.called))
        shares = [
            ratio(called, found.called[:, -1:]),
            ratio(true, found.true[:, -1:]),
            1 - ratio(false, found.false[:, -1:]),
            ratio(true, called),
        ]
        return np.stack(shares, 2)

    return values


def _last_within(called: np.ndarray, rate: float) -> np.ndarray:
    """The last point (resamples,) at which at most this share is called back; called: (resamples, points)."""
    return (called <= (rate + TOLERANCE) * called[:, -1:]).sum(1) - 1


def recall_rate_points(
    labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, rates: Sequence[float], seed: int, draws: int,
    progress: Progress = lambda share: None,
) -> list[RecallRatePoint]:  # fmt: skip
    """Return what calling back the cases of the highest scores gives, at most a share `rate` of all cases.

    Equal scores are called back together or not at all, so the recall rate that is reached may be lower than the one
    that is allowed. Intervals resample patients and choose each resample's threshold anew. One case is one exam or one
    woman: labels, scores, patients (n,), n > 0.
    """
    metric = weighted_at_recall_rates(labels, scores, rates)
    values, low, high = array_interval(metric, patients, seed, draws, progress)
    return [
        RecallRatePoint(rate, recall_threshold(scores, rate), _rates(values[index], low[index], high[index]))
        for index, rate in enumerate(rates)
    ]


def recall_threshold(scores: np.ndarray, rate: float) -> float:
    """Return the threshold above which at most a share `rate` of the scores (n,) lies; -inf for all of them."""
    counts = ranked_counts(np.ones(len(scores)), scores)(np.ones((1, len(scores))))
    return float(np.append(counts.thresholds, -np.inf)[_last_within(counts.called, rate)[0] + 1])
