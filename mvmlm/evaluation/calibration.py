"""Reliability of predicted probabilities.

Arrays are (n,): labels 0 or 1, probabilities 0..1. An undefined value is NaN. A function `weighted_…` returns the same
metric as a function of case weights (resamples, n), for `bootstrap.intervals`. Van Calster et al., "A calibration
hierarchy for risk models was defined" (2016), names the measures.
"""

from __future__ import annotations

import math
from typing import NamedTuple, TypedDict

import numpy as np

from .bootstrap import WeightedMetric, of_whole
from .estimates import ratio

BINS = 5
FEWEST_OF_BIN = 5
SMALLEST = 1e-9  # a probability of 0 or 1 is moved by this, so that its logit is finite
STEPS, CONVERGED = 100, 1e-8  # of Newton's method; the largest change of a coefficient
HIGHEST_EXPONENT = 500.0  # far below where exp is infinite
LONGEST_STEP = 2.0  # of a coefficient, with logits of mean 0 and standard deviation 1


class CalibrationCurve(TypedDict):
    """For each bin the mean predicted probability, the share of positives and the cases; the calibration error.

    The keys are those of stored head records.
    """

    said: list[float]
    found: list[float]
    cases: list[int]
    error: float


def calibration_bins(probabilities: np.ndarray, bins: int) -> list[np.ndarray]:
    """Return the rows of each bin: equal counts in the order of the probabilities, at most `bins`, none empty.

    Equal probabilities are in one bin, so that the order of the cases does not matter.
    """
    bins = min(bins, max(1, len(probabilities) // FEWEST_OF_BIN))
    order = np.argsort(probabilities, kind="stable")
    ranked = np.asarray(probabilities)[order]
    ends = np.cumsum([len(rows) for rows in np.array_split(order, bins)])[:-1]
    ends = np.unique(np.searchsorted(ranked, ranked[ends - 1], side="right"))
    return [rows for rows in np.split(order, ends) if len(rows)]


def calibration_curve(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> CalibrationCurve:
    """Return the reliability of a binary task's probabilities in at most `bins` bins of equal count.

    error: the expected calibration error (Naeini et al., 2015) over these bins, 0..1.
    """
    rows_of_bins = calibration_bins(probabilities, bins)
    return {
        "said": [float(probabilities[rows].mean()) for rows in rows_of_bins],
        "found": [float(labels[rows].mean()) for rows in rows_of_bins],
        "cases": [len(rows) for rows in rows_of_bins],
        "error": float(of_whole(weighted_calibration_error(labels, probabilities, bins), len(labels))),
    }


def weighted_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int) -> WeightedMetric:
    """Return the error of `calibration_curve` as a function of weights; a resample keeps the bins of all cases."""
    rows_of_bins = calibration_bins(probabilities, bins)
    surplus = np.zeros((len(labels), len(rows_of_bins)))
    for index, rows in enumerate(rows_of_bins):
        surplus[rows, index] = labels[rows] - probabilities[rows]
    return lambda weights: ratio(np.abs(weights @ surplus).sum(1), weights.sum(1), undefined=0.0)


def weighted_brier(labels: np.ndarray, probabilities: np.ndarray) -> WeightedMetric:
    """Return `brier` as a function of weights."""
    squares = (np.asarray(labels, float) - probabilities) ** 2
    return lambda weights: ratio(weights @ squares, weights.sum(1))


def brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the mean squared distance of the probabilities from the labels (Brier, 1950)."""
    return float(of_whole(weighted_brier(labels, probabilities), len(labels)))


def weighted_scaled_brier(labels: np.ndarray, probabilities: np.ndarray) -> WeightedMetric:
    """Return `scaled_brier` as a function of weights."""
    plain, labels = weighted_brier(labels, probabilities), np.asarray(labels, float)

    def values(weights: np.ndarray) -> np.ndarray:
        share = ratio(weights @ labels, weights.sum(1))
        return 1 - ratio(plain(weights), share * (1 - share))

    return values


def scaled_brier(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return 1 minus the Brier score as a share of that of the share of positives (Steyerberg et al., 2010).

    1 is perfect, 0 no better than that constant. NaN where one of the two classes is missing.
    """
    return float(of_whole(weighted_scaled_brier(labels, probabilities), len(labels)))


class Recalibration(NamedTuple):
    """The logistic regression of the labels on the logits of the probabilities.

    slope: 1 where the probabilities spread rightly, below it where they are too extreme. intercept: 0 where, with that
    slope, they are right on average. in_the_large: the intercept with a slope of 1; above 0 the probabilities are too
    low.
    """

    slope: float
    intercept: float
    in_the_large: float


def recalibration(labels: np.ndarray, probabilities: np.ndarray) -> Recalibration:
    """Return the calibration slope and intercepts (Cox, "Two further applications of a model", 1958).

    NaN where one of the two classes is missing; the slope and its intercept also where the probabilities separate the
    classes, or are all equal.
    """
    slope, intercept = of_whole(weighted_recalibration(labels, probabilities), len(labels))
    in_the_large = of_whole(weighted_in_the_large(labels, probabilities), len(labels))
    return Recalibration(float(slope), float(intercept), float(in_the_large))


def weighted_recalibration(labels: np.ndarray, probabilities: np.ndarray) -> WeightedMetric:
    """Return the slope and intercept of `recalibration` (resamples, 2) as a function of weights."""
    positive, logits = np.asarray(labels).astype(bool), _logits(probabilities)
    spread = logits.std() if len(logits) else 0.0
    centre = logits.mean() if len(logits) else 0.0
    scaled = (logits - centre) / spread if spread > 0 else np.zeros_like(logits)
    every, start = np.ones((1, len(logits))), np.zeros(2)
    if _overlaps(positive, scaled, every).all():
        start = np.nan_to_num(_logistic_fit(positive, scaled, every, start)[0])

    def values(weights: np.ndarray) -> np.ndarray:
        found = np.full((len(weights), 2), math.nan)
        fits = _overlaps(positive, scaled, weights)
        if fits.any():
            slope, intercept = _logistic_fit(positive, scaled, weights[fits], start).T
            found[fits] = np.stack([slope / spread, intercept - slope * centre / spread], 1)
        return found

    return values


def weighted_in_the_large(labels: np.ndarray, probabilities: np.ndarray) -> WeightedMetric:
    """Return the calibration-in-the-large of `recalibration` as a function of weights."""
    positive, logits = np.asarray(labels).astype(bool), _logits(probabilities)
    every = np.ones((1, len(logits)))
    start = float(_shift(positive, logits, every, 0.0)[0]) if 0 < positive.sum() < len(positive) else 0.0

    def values(weights: np.ndarray) -> np.ndarray:
        found = np.full(len(weights), math.nan)
        both = ((weights @ positive) > 0) & ((weights @ ~positive) > 0)
        if both.any():
            found[both] = _shift(positive, logits, weights[both], start)
        return found

    return values


def _shift(positive: np.ndarray, logits: np.ndarray, weights: np.ndarray, start: float) -> np.ndarray:
    """The intercept (resamples,) of the logistic regression with a slope of 1, by Newton's method from `start`."""
    shift, found = np.full(len(weights), start), weights @ positive
    for _ in range(STEPS):
        predicted = _expit(logits + shift[:, None])
        weighted = weights * predicted
        expected = weighted.sum(1)
        step = ratio(found - expected, expected - np.einsum("rn,rn->r", weighted, predicted))
        step = np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        shift += step
        if not (np.abs(step) >= CONVERGED).any():
            break
    return shift


def _logistic_fit(positive: np.ndarray, scaled: np.ndarray, weights: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Slope and intercept (resamples, 2) of the logistic regression without penalty, by Newton's method; NaN where it
    does not settle. start: (2,) where it begins."""
    slope, intercept = np.repeat(start[:, None], len(weights), 1)
    powers = np.stack([scaled**2, scaled, np.ones_like(scaled)], 1)
    found = weights @ (powers[:, 1:] * positive[:, None])
    step = np.full((2, len(weights)), math.inf)
    for _ in range(STEPS):
        predicted = _expit(slope[:, None] * scaled + intercept[:, None])
        weighted = weights * predicted
        down, across = (found - weighted @ powers[:, 1:]).T
        np.subtract(1, predicted, out=predicted)
        a, b, c = (np.multiply(weighted, predicted, out=weighted) @ powers).T
        determinant = a * c - b * b
        step = np.stack([ratio(c * down - b * across, determinant), ratio(a * across - b * down, determinant)])
        step = np.clip(step, -LONGEST_STEP, LONGEST_STEP)
        slope, intercept = slope + step[0], intercept + step[1]
        if not (np.abs(step) >= CONVERGED).any():
            break
    settled = (np.abs(step) < CONVERGED).all(0)
    return np.where(settled[:, None], np.stack([slope, intercept], 1), math.nan)


def _overlaps(positive: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Whether no value separates the classes of a resample (resamples,); only then the regression has a solution."""
    if not positive.any() or positive.all():
        return np.zeros(len(weights), bool)
    lowest, highest, drawn = [], [], np.ones(len(weights), bool)
    for of_class in (positive, ~positive):
        rows = np.flatnonzero(of_class)
        rows = rows[np.argsort(values[rows], kind="stable")]
        present = weights[:, rows] > 0
        drawn &= present.any(1)
        lowest.append(values[rows[present.argmax(1)]])
        highest.append(values[rows[len(rows) - 1 - present[:, ::-1].argmax(1)]])
    return drawn & (highest[1] > lowest[0]) & (highest[0] > lowest[1])


def _logits(probabilities: np.ndarray) -> np.ndarray:
    inside = np.clip(np.asarray(probabilities, float), SMALLEST, 1 - SMALLEST)
    return np.log(inside / (1 - inside))


def _expit(logits: np.ndarray) -> np.ndarray:
    """The probabilities of logits, which are overwritten."""
    np.negative(logits, out=logits)
    np.exp(np.minimum(logits, HIGHEST_EXPONENT, out=logits), out=logits)
    logits += 1
    return np.reciprocal(logits, out=logits)
