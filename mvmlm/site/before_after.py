"""How good a site's probabilities are before and after recalibration, on cases that the calibration did not see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evaluation.calibration import calibration_curve
from .cases import LabelledScores
from .estimates import Change, Count, changes
from .logistic import fit_logistic, logit
from .plain_values import STRICT, from_plain, to_plain
from .recalibration import cross_fitted, log_losses
from .score_curve import NEAREST


@dataclass(frozen=True)
class BeforeAfter:
    """The figures of a model's scores as they are, and of cross-fitted probabilities of the same cases.

    brier: mean squared difference of probability and label (Brier, 1950). log_loss: in nats. ece: expected calibration
    error in bins of equal count (`evaluation.calibration`); the bins make it larger than 0 also for a perfect model.
    slope: of the labels on the log odds of the probabilities, 1 is ideal, lower is too extreme (Cox, 1958).
    intercept: of the same with the slope fixed at 1, 0 is ideal, lower is probabilities that are too high (Van Calster
    et al., 2019).
    """

    __pydantic_config__ = STRICT

    cases: Count
    positives: Count
    patients: Count
    brier: Change
    log_loss: Change
    ece: Change
    slope: Change
    intercept: Change

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return to_plain(self)

    @classmethod
    def from_json(cls, data: Any) -> BeforeAfter:
        """Return what `to_json` wrote. Raises ValueError with the field that is wrong."""
        return from_plain(cls, data, "before and after")


def before_and_after(cases: LabelledScores, seed: int = 0) -> BeforeAfter:
    """Return how recalibration changes the probabilities of a site's cases.

    Cases without a label are left out. Each case's new probability is of a calibration, choice of the method included,
    that saw no case of her patient. The intervals resample patients, 1,000 times; the calibrations are not fitted anew.
    seed: of folds and resamples. Raises TooFewCases as `recalibrate` does.
    """
    known = cases.known()
    labels = known.labels

    def metrics(rows: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        return calibration_figures(labels[rows], probabilities)

    before, after = np.clip(known.scores, NEAREST, 1 - NEAREST), cross_fitted(known, seed)
    return BeforeAfter(
        len(known),
        int(labels.sum()),
        len(np.unique(known.patients)),
        *changes(metrics, before, after, known.patients, seed),
    )


def calibration_figures(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return Brier score, log loss, calibration error, calibration slope and intercept, (5,).

    labels: (n,) 0 or 1. probabilities: (n,) between 0 and 1, both excluded. Slope and intercept are NaN without both
    classes, the slope also where all probabilities are equal.
    """
    slope = intercept = np.nan
    if 0 < labels.sum() < len(labels):
        odds = logit(probabilities, NEAREST)
        intercept = fit_logistic(np.empty((len(labels), 0)), labels, odds)[0]
        slope = fit_logistic(odds[:, None], labels)[1] if np.ptp(odds) > 0 else np.nan
    brier, log_loss = np.mean((probabilities - labels) ** 2), np.mean(log_losses(labels, probabilities))
    return np.array([brier, log_loss, calibration_curve(labels, probabilities)["error"], slope, intercept])
