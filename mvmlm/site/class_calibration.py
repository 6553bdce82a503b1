"""Probabilities of classes such as those of breast density, with labels of a site -> probabilities that hold there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from .cases import FOLDS, LabelledClasses, Source, TooFewCases, check_share
from .estimates import Change, Count, changes
from .logistic import PENALTY, minimum
from .plain_values import STRICT, from_plain, to_plain
from .recalibration import simplest_of_best
from .score_curve import NEAREST

#: cases of each class that a method needs: ten for each parameter that the class is fitted with
FEWEST_OF_CLASS = 10

Finite = Annotated[float, Field(allow_inf_nan=False)]


class ClassMethod(str, Enum):
    """How probabilities of classes are changed, the simplest first.

    TEMPERATURE: p proportional to s ** a (temperature scaling: Guo et al., 2017). SHIFTED: p proportional to
    exp(b) s ** a with a b of each class (bias-corrected temperature scaling: Alexandari, Kundaje and Shrikumar, 2020).
    """

    TEMPERATURE = "temperature"
    SHIFTED = "temperature and shifts"


@dataclass(frozen=True)
class ClassCalibration:
    """A recalibration of class probabilities with what it was learned from.

    scale: a of `ClassMethod`, not negative; below 1 it makes the probabilities less extreme. shifts: b of each class,
    the first 0. cases: of each class.
    """

    __pydantic_config__ = STRICT

    source: Source
    method: ClassMethod
    scale: Annotated[float, Field(ge=0)]
    shifts: Annotated[tuple[Finite, ...], Field(min_length=2, max_length=100)]
    cases: Annotated[tuple[Count, ...], Field(min_length=2, max_length=100)]
    patients: Count

    def __post_init__(self) -> None:
        if len(self.cases) != len(self.shifts):
            raise ValueError(f"cases: of {len(self.cases)} classes, shifts of {len(self.shifts)}")
        if self.shifts[0] != 0 or (self.method is ClassMethod.TEMPERATURE and any(self.shifts)):
            raise ValueError("shifts: the first is 0, and all are without shifts in the method")

    def apply(self, probabilities: np.ndarray) -> np.ndarray:
        """Return recalibrated probabilities, (..., classes), that add up to 1.

        probabilities: (..., classes), 0..1. Raises ValueError for another number of classes or a value out of range.
        """
        probabilities = np.asarray(probabilities, float)
        check_share("probabilities", probabilities)
        if probabilities.shape[-1:] != (len(self.shifts),):
            raise ValueError(f"probabilities: {probabilities.shape[-1:]} classes. Give the {len(self.shifts)} classes.")
        return _softmax(self.scale * _logs(probabilities) + np.array(self.shifts))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return to_plain(self)

    @classmethod
    def from_json(cls, data: Any) -> ClassCalibration:
        """Return the calibration that `to_json` wrote. Raises ValueError with the field that is wrong."""
        return from_plain(cls, data, "class calibration")


def recalibrate_classes(cases: LabelledClasses, source: Source, seed: int = 0) -> ClassCalibration:
    """Return the recalibration of a model's class probabilities to the cases of a site.

    SHIFTED is considered where each class has FEWEST_OF_CLASS cases, and taken by `recalibration.simplest_of_best`.
    seed: of the folds. Raises TooFewCases with fewer than FEWEST_OF_CLASS cases for each class on average, or of fewer
    than FOLDS women.
    """
    counts = np.bincount(cases.labels, minlength=cases.classes)
    needed, women = FEWEST_OF_CLASS * cases.classes, len(np.unique(cases.patients))
    if len(cases) < needed:
        raise TooFewCases(f"too few cases: {len(cases)}, at least {needed} are needed for {cases.classes} classes")
    if women < FOLDS:
        raise TooFewCases(f"too few cases: they are of {women} women, at least {FOLDS} are needed")
    method = _chosen(cases, seed)
    scale, shifts = _fit(cases, method)
    return ClassCalibration(source, method, scale, tuple(shifts.tolist()), tuple(counts.tolist()), women)


@dataclass(frozen=True)
class ClassesBeforeAfter:
    """Figures of the probabilities as they are, and of cross-fitted ones of the same cases.

    brier: the squared differences of the classes' probabilities and what is true, added up (Brier, 1950). log_loss: in
    nats. accuracy: the share of cases whose most probable class is the true one.
    """

    __pydantic_config__ = STRICT

    cases: Count
    patients: Count
    brier: Change
    log_loss: Change
    accuracy: Change

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return to_plain(self)

    @classmethod
    def from_json(cls, data: Any) -> ClassesBeforeAfter:
        """Return what `to_json` wrote. Raises ValueError with the field that is wrong."""
        return from_plain(cls, data, "before and after")


def classes_before_after(cases: LabelledClasses, seed: int = 0) -> ClassesBeforeAfter:
    """Return how recalibration changes the class probabilities of a site's cases.

    Each case's new probabilities are of a calibration, choice of the method included, that saw no case of her patient.
    The intervals resample patients, 1,000 times. seed: of folds and resamples.
    """
    true = np.eye(cases.classes)[cases.labels]
    folds, after = cases.folds(seed), np.empty_like(cases.probabilities)
    for fold in np.unique(folds):
        out = folds == fold
        learned = cases.rows(~out)
        scale, shifts = _fit(learned, _chosen(learned, seed))
        after[out] = _softmax(scale * _logs(cases.probabilities[out]) + shifts)

    def metrics(rows: np.ndarray, found: np.ndarray) -> np.ndarray:
        own = true[rows]
        log_loss = -np.log(np.maximum((found * own).sum(1), NEAREST)).mean()
        return np.array([((found - own) ** 2).sum(1).mean(), log_loss, (found.argmax(1) == own.argmax(1)).mean()])

    return ClassesBeforeAfter(
        len(cases),
        len(np.unique(cases.patients)),
        *changes(metrics, cases.probabilities, after, cases.patients, seed),
    )


def _chosen(cases: LabelledClasses, seed: int) -> ClassMethod:
    """The method for some cases, by cross-fitting among them."""
    counts = np.bincount(cases.labels, minlength=cases.classes)
    methods = [ClassMethod.TEMPERATURE] + [ClassMethod.SHIFTED] * bool(counts.min() >= FEWEST_OF_CLASS)
    folds = cases.folds(seed)
    losses = {method: _held_out_losses(cases, method, folds) for method in methods}
    return simplest_of_best(losses, cases.patients)


def _held_out_losses(cases: LabelledClasses, method: ClassMethod, folds: np.ndarray) -> np.ndarray:
    """The log loss of each case from a fit without its fold, (n,)."""
    losses = np.empty(len(cases))
    for fold in np.unique(folds):
        out = folds == fold
        scale, shifts = _fit(cases.rows(~out), method)
        found = _softmax(scale * _logs(cases.probabilities[out]) + shifts)
        losses[out] = -np.log(np.maximum(np.take_along_axis(found, cases.labels[out][:, None], 1)[:, 0], NEAREST))
    return losses


def _fit(cases: LabelledClasses, method: ClassMethod) -> tuple[float, np.ndarray]:
    """Scale and shifts of the largest likelihood with a weak prior, the scale not negative."""
    logs, number = _logs(cases.probabilities), cases.classes
    # what each parameter adds to each class's term, (n, classes, parameters)
    shifts = np.broadcast_to(np.eye(number)[:, 1:], (len(cases), number, number - 1))
    features = np.concatenate([logs[:, :, None], shifts], axis=2) if method is ClassMethod.SHIFTED else logs[:, :, None]
    found = _multinomial(features, cases.labels)
    if found[0] < 0:  # the likelihood is concave, so the best scale that is not negative is 0
        found = np.concatenate([[0.0], _multinomial(features[:, :, 1:], cases.labels)])
    return float(found[0]), np.concatenate([[0.0], found[1:], np.zeros(number - len(found))])


def _multinomial(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The parameters (p,) of a multinomial logistic regression. features: (n, classes, p). labels: (n,) indices."""
    if not features.shape[2]:
        return np.empty(0)
    one_hot = np.eye(features.shape[1])[labels]

    def loss(parameters: np.ndarray) -> float:
        terms = features @ parameters
        log_sum = np.logaddexp.reduce(terms, axis=1)
        return float((log_sum - (one_hot * terms).sum(1)).sum() + 0.5 * PENALTY * parameters @ parameters)

    def derivatives(parameters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = _softmax(features @ parameters)
        gradient = np.einsum("nk,nkp->p", found - one_hot, features) + PENALTY * parameters
        centred = features - np.einsum("nk,nkp->np", found, features)[:, None]
        curvature = np.einsum("nk,nkp,nkq->pq", found, centred, centred, optimize=True)
        return gradient, curvature + PENALTY * np.eye(len(parameters))

    return minimum(np.zeros(features.shape[2]), loss, derivatives)


def _logs(probabilities: np.ndarray) -> np.ndarray:
    return np.log(np.clip(probabilities, NEAREST, 1))


def _softmax(terms: np.ndarray) -> np.ndarray:
    powers = np.exp(terms - terms.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
