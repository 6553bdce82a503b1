"""The four ways from a score to a probability, from one parameter to as many as the data ask for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated

import numpy as np
from pydantic import Field

from .cases import check_share
from .estimates import Unit
from .logistic import fit_nonnegative, logit, sigmoid
from .plain_values import STRICT

NEAREST = 1e-6  # probabilities come no nearer to 0 and 1


class Method(str, Enum):
    """How a score becomes a probability, the simplest first. s is the score.

    SHIFT: logit p = c + logit s. PLATT: logit p = c + a logit s (Platt, 1999, on the logit). BETA: logit p = c + a ln s
    - b ln(1 - s) (Kull, Silva Filho and Flach, "Beta calibration", 2017). ISOTONIC: the non-decreasing step function of
    the largest likelihood (pool adjacent violators; Zadrozny and Elkan, 2002), with straight lines between the steps.
    """

    SHIFT = "shift"
    PLATT = "platt"
    BETA = "beta"
    ISOTONIC = "isotonic"


#: how many numbers a method has; ISOTONIC has knots
PARAMETERS = {Method.SHIFT: 1, Method.PLATT: 2, Method.BETA: 3, Method.ISOTONIC: 0}


@dataclass(frozen=True)
class ScoreCurve:
    """A non-decreasing curve from scores to probabilities.

    parameters: SHIFT (c,), PLATT (c, a), BETA (c, a, b), a and b not negative. knots: of ISOTONIC, (score, probability)
    from left to right; a score left or right of all has the probability of the nearest. Raises ValueError for others.
    """

    __pydantic_config__ = STRICT

    method: Method
    parameters: Annotated[tuple[float, ...], Field(max_length=3)] = ()
    knots: Annotated[tuple[tuple[Unit, Unit], ...], Field(max_length=1_000_000)] = ()

    def __post_init__(self) -> None:
        expected = PARAMETERS[self.method]
        if len(self.parameters) != expected:
            raise ValueError(f"parameters: {len(self.parameters)} numbers, {self.method.value} has {expected}")
        if not np.isfinite(self.parameters).all() or min(self.parameters[1:], default=0) < 0:
            raise ValueError("parameters: a slope is negative or not finite")
        if bool(self.knots) != (self.method is Method.ISOTONIC):
            raise ValueError(f"knots: {len(self.knots)}, only {Method.ISOTONIC.value} has them")
        if self.knots:
            scores, probabilities = np.array(self.knots).T
            if not ((np.diff(scores) > 0).all() and (np.diff(probabilities) >= 0).all()):
                raise ValueError("knots: the scores must ascend, and the probabilities must not fall")

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Return the probabilities of scores 0..1, of the same shape, in NEAREST..1 - NEAREST.

        Raises ValueError for a score out of range.
        """
        scores = np.asarray(scores, float)
        check_share("scores", scores)
        if self.method is Method.ISOTONIC:
            return np.clip(np.interp(scores, *np.array(self.knots).T), NEAREST, 1 - NEAREST)
        linear = self.parameters[0] + _features(self.method, scores.reshape(-1)) @ np.array(self.parameters[1:])
        if self.method is Method.SHIFT:
            linear = linear + logit(scores.reshape(-1), NEAREST)
        return np.clip(sigmoid(linear), NEAREST, 1 - NEAREST).reshape(scores.shape)


def fit_curve(method: Method, scores: np.ndarray, labels: np.ndarray) -> ScoreCurve:
    """Return the curve of this method with the largest likelihood. scores: (n,) 0..1. labels: (n,) 0 or 1, both."""
    if method is Method.ISOTONIC:
        return ScoreCurve(method, knots=_isotonic_knots(scores, labels))
    offset = logit(scores, NEAREST) if method is Method.SHIFT else 0.0
    found = fit_nonnegative(_features(method, scores), labels, offset)
    return ScoreCurve(method, tuple(found.tolist()))


def _features(method: Method, scores: np.ndarray) -> np.ndarray:
    """What a method's slopes multiply, (n, slopes)."""
    if method is Method.PLATT:
        return logit(scores, NEAREST)[:, None]
    clipped = np.clip(scores, NEAREST, 1 - NEAREST)
    return (
        np.column_stack([np.log(clipped), -np.log1p(-clipped)]) if method is Method.BETA else np.empty((len(scores), 0))
    )


def _isotonic_knots(scores: np.ndarray, labels: np.ndarray) -> tuple[tuple[float, float], ...]:
    """The first and last score of each step with its probability.

    Equal scores are one point with the mean of their labels. A step has no probability nearer to 0 or 1 than
    1 / (n + 2), as n cases cannot show a smaller one (Laplace's rule of succession).
    """
    points, first = np.unique(scores, return_inverse=True)
    weights = np.bincount(first)
    steps = pool_adjacent_violators(np.bincount(first, labels) / weights, weights)
    least = 1 / (len(scores) + 2)
    knots, start = [], 0
    for length, value in steps:
        ends = dict.fromkeys((float(points[start]), float(points[start + length - 1])))
        knots += [(score, min(max(value, least), 1 - least)) for score in ends]
        start += length
    return tuple(knots)


def pool_adjacent_violators(values: np.ndarray, weights: np.ndarray) -> list[tuple[int, float]]:
    """Return the non-decreasing sequence nearest to `values` in weighted squares, as steps (length, value).

    values, weights: (n,), the weights above 0. Ayer et al., "An empirical distribution function for sampling with
    incomplete information" (1955).
    """
    steps: list[tuple[int, float, float]] = []  # length, weight, value
    for value, weight in zip(values.tolist(), weights.tolist()):
        length = 1
        while steps and steps[-1][2] >= value:
            before_length, before_weight, before_value = steps.pop()
            value = (before_value * before_weight + value * weight) / (before_weight + weight)
            length, weight = length + before_length, weight + before_weight
        steps.append((length, weight, value))
    return [(length, value) for length, _, value in steps]
