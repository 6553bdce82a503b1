"""Risks of years 1 to 5 with follow-up of a site -> the curve that makes the risks hold at that site."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from .cases import FOLDS, FollowedRisks, Source, TooFewCases, check_share, folds_of_patients
from .censoring import known_outcomes
from .estimates import Change, Count, Unit, changes
from .logistic import fit_nonnegative, logit, sigmoid
from .plain_values import STRICT, from_plain, to_plain
from .recalibration import log_losses, simplest_of_best
from .score_curve import NEAREST


class RiskMethod(str, Enum):
    """How risks are changed, the simplest first: logit p = c + logit s, or logit p = c + a logit s, a not negative.

    c and a are the same for every year. So a curve that does not fall over the years does not fall afterwards, and the
    events of all years teach both. For small risks a shift of the logit multiplies the hazard by a constant.
    """

    SHIFT = "shift"
    SLOPE = "shift and slope"


#: events, and exams followed to the last year, that a method needs: ten for each parameter (Peduzzi et al., 1996)
FEWEST_FOLLOWED = {RiskMethod.SHIFT: 10, RiskMethod.SLOPE: 20}


@dataclass(frozen=True)
class RiskCalibration:
    """A recalibration of cumulative risks with what it was learned from.

    intercept, slope: c and a of `RiskMethod`; the slope of a shift is 1. exams, events, patients: of the site; events
    within the last year. horizon: the last year. lowest, highest: the risks of the last year that were seen.
    """

    __pydantic_config__ = STRICT

    source: Source
    method: RiskMethod
    intercept: float
    slope: Annotated[float, Field(ge=0)]
    horizon: Annotated[int, Field(ge=1, le=50)]
    exams: Count
    events: Count
    patients: Count
    lowest: Unit
    highest: Unit

    def __post_init__(self) -> None:
        if self.method is RiskMethod.SHIFT and self.slope != 1:
            raise ValueError("slope: not 1, which it is of a shift")
        if self.lowest > self.highest:
            raise ValueError("lowest: above highest")

    def apply(self, risks: np.ndarray) -> np.ndarray:
        """Return recalibrated risks, (..., years), between 0 and 1, both excluded, that do not fall over the years.

        risks: (..., years) cumulative probabilities 0..1. Where one is lower than that of the year before, that one
        holds. Raises ValueError for another number of years or a value out of range.
        """
        risks = np.asarray(risks, float)
        check_share("risks", risks)
        if risks.shape[-1:] != (self.horizon,):
            raise ValueError(f"risks: {risks.shape[-1:]} years. Give the {self.horizon} years of this calibration.")
        return _recalibrated(risks, self.intercept, self.slope)

    def outside(self, risks: np.ndarray) -> np.ndarray:
        """Return where the last year's risk is outside the range seen, (...,) bool."""
        last = np.asarray(risks, float)[..., -1]
        return (last < self.lowest) | (last > self.highest)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return to_plain(self)

    @classmethod
    def from_json(cls, data: Any) -> RiskCalibration:
        """Return the calibration that `to_json` wrote. Raises ValueError with the field that is wrong."""
        return from_plain(cls, data, "risk calibration")


@dataclass(frozen=True)
class RisksBeforeAfter:
    """Figures of the risks as they are, and of cross-fitted risks of the same exams.

    brier: of the last year, with weights for ended follow-up (Graf et al., 1999). ratios: for each year the observed
    events by the expected ones; above 1 is risks that are too low.
    """

    __pydantic_config__ = STRICT

    exams: Count
    events: Count
    patients: Count
    brier: Change
    ratios: tuple[Change, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return to_plain(self)

    @classmethod
    def from_json(cls, data: Any) -> RisksBeforeAfter:
        """Return what `to_json` wrote. Raises ValueError with the field that is wrong."""
        return from_plain(cls, data, "before and after")


def recalibrate_risks(followed: FollowedRisks, source: Source, seed: int = 0) -> RiskCalibration:
    """Return the recalibration of a model's risks to the follow-up of a site.

    Ended follow-up is weighted as in `censoring.known_outcomes`. The method is chosen by cross-fitting over patients,
    by `recalibration.simplest_of_best`. seed: of the folds. Raises TooFewCases with fewer than 10 events or 10 exams
    that were followed to the last year without one, or where these are of fewer than FOLDS women.
    """
    method = _choose(followed, _methods_for(followed), seed)
    intercept, slope = _fit(followed, method)
    return RiskCalibration(
        source, method, intercept, slope, followed.horizon, len(followed), int(followed.seen().sum()),
        len(np.unique(followed.patients)), float(followed.risks[:, -1].min()), float(followed.risks[:, -1].max()),
    )  # fmt: skip


def risks_before_after(followed: FollowedRisks, seed: int = 0) -> RisksBeforeAfter:
    """Return how recalibration changes a site's risks, each from a calibration that saw no exam of the woman.

    The intervals resample patients, 1,000 times. seed: of folds and resamples. Raises TooFewCases as
    `recalibrate_risks` does.
    """
    methods = _methods_for(followed)
    folds = folds_of_patients(followed.patients, followed.seen(), seed)
    after = np.empty_like(followed.risks)
    for fold in range(FOLDS):
        train = followed.rows(folds != fold)
        after[folds == fold] = _recalibrated(followed.risks[folds == fold], *_fit(train, _choose(train, methods, seed)))

    def metrics(rows: np.ndarray, risks: np.ndarray) -> np.ndarray:
        outcomes, weights = known_outcomes(followed.years[rows], followed.events[rows], followed.horizon)
        brier = np.mean(weights[:, -1] * (outcomes[:, -1] - risks[:, -1]) ** 2)
        return np.array([brier, *(weights * outcomes).sum(0) / risks.sum(0)])

    before = np.clip(followed.risks, NEAREST, 1 - NEAREST)
    brier, *ratios = changes(metrics, before, after, followed.patients, seed)
    patients = len(np.unique(followed.patients))
    return RisksBeforeAfter(len(followed), int(followed.seen().sum()), patients, brier, tuple(ratios))


def _methods_for(followed: FollowedRisks) -> tuple[RiskMethod, ...]:
    seen, through = followed.seen(), followed.years >= followed.horizon
    fewest = FEWEST_FOLLOWED[RiskMethod.SHIFT]
    groups = {
        f"events within {followed.horizon} years": seen,
        f"exams followed for {followed.horizon} years without an event": through & ~seen,
    }
    for name, rows in groups.items():
        number, women = int(rows.sum()), len(np.unique(followed.patients[rows]))
        if number < fewest:
            raise TooFewCases(f"too few cases: {number} {name}, at least {fewest} are needed")
        if women < FOLDS:
            raise TooFewCases(f"too few cases: the {name} are of {women} women, at least {FOLDS} are needed")
    rarer = min(int(rows.sum()) for rows in groups.values())
    return tuple(method for method in RiskMethod if rarer >= FEWEST_FOLLOWED[method])


def _choose(followed: FollowedRisks, methods: tuple[RiskMethod, ...], seed: int) -> RiskMethod:
    folds = folds_of_patients(followed.patients, followed.seen(), seed)
    outcomes, weights = known_outcomes(followed.years, followed.events, followed.horizon)
    losses = {}
    for method in methods:
        held_out = np.empty_like(followed.risks)
        for fold in range(FOLDS):
            fitted = _fit(followed.rows(folds != fold), method)
            held_out[folds == fold] = _recalibrated(followed.risks[folds == fold], *fitted)
        losses[method] = (weights * log_losses(outcomes, held_out)).sum(1)
    return simplest_of_best(losses, followed.patients)


def _fit(followed: FollowedRisks, method: RiskMethod) -> tuple[float, float]:
    """Intercept and slope of the weighted likelihood of all years together."""
    outcomes, weights = known_outcomes(followed.years, followed.events, followed.horizon)
    odds = logit(np.maximum.accumulate(followed.risks, axis=1), NEAREST).reshape(-1)
    if method is RiskMethod.SHIFT:
        found = fit_nonnegative(np.empty((len(odds), 0)), outcomes.reshape(-1), odds, weights.reshape(-1))
        return float(found[0]), 1.0
    intercept, slope = fit_nonnegative(odds[:, None], outcomes.reshape(-1), 0.0, weights.reshape(-1))
    return float(intercept), float(slope)


def _recalibrated(risks: np.ndarray, intercept: float, slope: float) -> np.ndarray:
    odds = logit(np.maximum.accumulate(risks, axis=-1), NEAREST)
    return np.clip(sigmoid(intercept + slope * odds), NEAREST, 1 - NEAREST)
