"""Logistic regression with non-negative coefficients, by Newton's method."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

#: weight of a normal prior on the coefficients (not on the intercept), standard deviation 32. It matters only where
#: the features separate the classes, and then keeps the coefficients finite.
PENALTY = 1e-3
_STEPS, _HALVINGS, _TOLERANCE = 100, 30, 1e-10


def logit(probabilities: np.ndarray, nearest: float = 1e-6) -> np.ndarray:
    """Return log odds of probabilities, which are clipped to `nearest`..1 - `nearest` first."""
    clipped = np.clip(probabilities, nearest, 1 - nearest)
    return np.log(clipped) - np.log1p(-clipped)


def sigmoid(values: np.ndarray) -> np.ndarray:
    """Return probabilities of log odds."""
    return 0.5 * (1 + np.tanh(0.5 * values))


def fit_logistic(
    features: np.ndarray, labels: np.ndarray, offset: np.ndarray | float = 0.0, weights: np.ndarray | float = 1.0
) -> np.ndarray:
    """Return the maximum likelihood intercept and coefficients, (1 + k,), of any sign.

    features: (n, k), k may be 0. labels: (n,) 0 or 1, both occurring. offset: added to the linear predictor. weights:
    of the cases, 0 or more. The likelihood has the weak prior of PENALTY.
    """
    return _fit(features, labels, offset, weights)[0]


def fit_nonnegative(
    features: np.ndarray, labels: np.ndarray, offset: np.ndarray | float = 0.0, weights: np.ndarray | float = 1.0
) -> np.ndarray:
    """Return the maximum likelihood intercept and coefficients, (1 + k,), with coefficients of 0 or more.

    The arguments are those of `fit_logistic`. As the likelihood is concave, the fit without bounds is the answer where
    it keeps them. Otherwise some coefficients are 0, and of all such fits that keep the bounds the likeliest is it.
    """
    number = features.shape[1]
    best, best_loss = np.zeros(number + 1), np.inf
    for size in range(number, -1, -1):
        for kept in combinations(range(number), size):
            fitted, loss = _fit(features[:, list(kept)], labels, offset, weights)
            if (fitted[1:] >= 0).all() and loss < best_loss:
                best, best_loss = np.zeros(number + 1), loss
                best[[0, *(index + 1 for index in kept)]] = fitted
        if size == number and np.isfinite(best_loss):
            break
    return best


def minimum(
    start: np.ndarray,
    loss: Callable[[np.ndarray], float],
    derivatives: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Return where a convex function is least, by Newton steps that are halved until they lower it.

    start: (p,). derivatives: the gradient (p,) and the matrix of second derivatives (p, p).
    """
    found, current = start, loss(start)
    for _ in range(_STEPS):
        gradient, curvature = derivatives(found)
        step = np.linalg.lstsq(curvature, gradient, rcond=None)[0]
        for _ in range(_HALVINGS):
            lowered = loss(found - step)
            if lowered <= current:
                break
            step = step / 2
        else:
            break
        found, gained, current = found - step, current - lowered, lowered
        if gained <= _TOLERANCE * (1 + abs(current)) and np.abs(step).max() <= 1e-6 * (1 + np.abs(found).max()):
            break
    return found


def _fit(
    features: np.ndarray, labels: np.ndarray, offset: np.ndarray | float, weights: np.ndarray | float
) -> tuple[np.ndarray, float]:
    """The fit without bounds, and its negative log likelihood with the prior's part."""
    columns = np.column_stack([np.ones(len(labels)), features])
    weights, offset = np.broadcast_to(weights, len(labels)), np.broadcast_to(offset, len(labels))
    penalty = np.r_[0.0, np.full(columns.shape[1] - 1, PENALTY)]

    def loss(parameters: np.ndarray) -> float:
        predictor = columns @ parameters + offset
        return float(weights @ (np.logaddexp(0, predictor) - labels * predictor) + 0.5 * penalty @ parameters**2)

    def derivatives(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        predicted = sigmoid(columns @ parameters + offset)
        gradient = columns.T @ (weights * (predicted - labels)) + penalty * parameters
        return gradient, (columns * (weights * predicted * (1 - predicted))[:, None]).T @ columns + np.diag(penalty)

    start = np.zeros(columns.shape[1])
    share = np.average(labels, weights=weights)
    start[0] = np.log(share / (1 - share)) - np.average(offset, weights=weights)
    found = minimum(start, loss, derivatives)
    return found, loss(found)
