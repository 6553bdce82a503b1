"""Scores with labels of a site -> the curve that turns the model's scores into probabilities at that site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import numpy as np
from pydantic import Field

from .cases import FOLDS, LabelledScores, Source, TooFewCases
from .estimates import Count, Unit
from .plain_values import STRICT, from_plain, to_plain
from .score_curve import Method, ScoreCurve, fit_curve

#: positives, and negatives, that a method needs. Ten for each parameter (Peduzzi et al., 1996). ISOTONIC has as many
#: parameters as the data ask for: 100 of each class are the fewest for which calibration can be judged at all (Vergouwe
#: et al., 2005), and below some thousand cases it loses to the others (Niculescu-Mizil and Caruana, 2005).
FEWEST = {Method.SHIFT: 10, Method.PLATT: 20, Method.BETA: 30, Method.ISOTONIC: 100}
FEWEST_FOR_ISOTONIC = 1_000  # cases of both classes

M = TypeVar("M")


@dataclass(frozen=True)
class HeldOutLoss:
    """The mean log loss of a method's held-out predictions."""

    __pydantic_config__ = STRICT

    method: Method
    log_loss: Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Calibration:
    """A curve with what it was learned from.

    cases, positives, patients: of the site. lowest, highest: the scores seen. compared: the methods that the counts
    allow, the simplest first; the curve is of one of them.
    """

    __pydantic_config__ = STRICT

    source: Source
    curve: ScoreCurve
    cases: Count
    positives: Count
    patients: Count
    lowest: Unit
    highest: Unit
    compared: Annotated[tuple[HeldOutLoss, ...], Field(min_length=1, max_length=len(Method))]

    def __post_init__(self) -> None:
        if self.lowest > self.highest:
            raise ValueError("lowest: above highest")
        if max(self.positives, self.patients) > self.cases:
            raise ValueError("cases: fewer than the positives or the patients")
        if self.curve.method not in [loss.method for loss in self.compared]:
            raise ValueError("compared: without the method of the curve")

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Return the probabilities of scores 0..1: of the same shape, finite, between 0 and 1, both excluded.

        A higher score never has a lower probability.
        """
        return self.curve.apply(scores)

    def outside(self, scores: np.ndarray) -> np.ndarray:
        """Return where scores are outside the range seen, so that their probability is extrapolated; bool."""
        scores = np.asarray(scores, float)
        return (scores < self.lowest) | (scores > self.highest)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return to_plain(self)

    @classmethod
    def from_json(cls, data: Any) -> Calibration:
        """Return the calibration that `to_json` wrote. Raises ValueError with the field that is wrong."""
        return from_plain(cls, data, "calibration")


def allowed_methods(positives: int, negatives: int) -> tuple[Method, ...]:
    """Return the methods that these counts of cases are enough for, the simplest first. See FEWEST."""
    rarer, all_cases = min(positives, negatives), positives + negatives
    return tuple(
        method
        for method in Method
        if rarer >= FEWEST[method] and (method is not Method.ISOTONIC or all_cases >= FEWEST_FOR_ISOTONIC)
    )


def recalibrate(cases: LabelledScores, source: Source, seed: int = 0) -> Calibration:
    """Return the calibration of a model's scores to the cases of a site.

    Cases without a label are left out. seed: of the folds. The method is chosen by cross-fitting over patients.
    Raises TooFewCases with fewer than 10 positives or negatives, or where these are of fewer than FOLDS women.
    """
    known = cases.known()
    methods = methods_for(known)
    method, losses = choose_method(known, methods, seed)
    return Calibration(
        source=source,
        curve=fit_curve(method, known.scores, known.labels),
        cases=len(known),
        positives=int(known.labels.sum()),
        patients=len(np.unique(known.patients)),
        lowest=float(known.scores.min()),
        highest=float(known.scores.max()),
        compared=tuple(HeldOutLoss(*item) for item in losses.items()),
    )


def methods_for(cases: LabelledScores) -> tuple[Method, ...]:
    """Return the methods that these cases with labels are enough for. Raises TooFewCases where none is."""
    fewest = FEWEST[Method.SHIFT]
    for name, of_class in (("positives", cases.labels == 1), ("negatives", cases.labels == 0)):
        number, women = int(of_class.sum()), len(np.unique(cases.patients[of_class]))
        if number < fewest:
            raise TooFewCases(f"too few cases: {number} {name}, at least {fewest} are needed")
        if women < FOLDS:
            raise TooFewCases(f"too few cases: the {name} are of {women} women, at least {FOLDS} are needed")
    positives = int(cases.labels.sum())
    return allowed_methods(positives, len(cases) - positives)


def choose_method(cases: LabelledScores, methods: tuple[Method, ...], seed: int) -> tuple[Method, dict[Method, float]]:
    """Return the method to use, by `simplest_of_best`, and the mean log loss of each method's held-out predictions."""
    folds = cases.folds(seed)
    losses = {method: log_losses(cases.labels, _held_out(cases, method, folds)) for method in methods}
    means = {method: float(values.mean()) for method, values in losses.items()}
    return simplest_of_best(losses, cases.patients), means


def cross_fitted(cases: LabelledScores, seed: int = 0) -> np.ndarray:
    """Return a probability for each case from a calibration that saw no case of her patient, (n,).

    cases: all with labels. The method is chosen again without each fold. Raises TooFewCases as `recalibrate` does.
    """
    methods, folds = methods_for(cases), cases.folds(seed)
    found = np.empty(len(cases))
    for fold in range(FOLDS):
        train = cases.rows(folds != fold)
        method, _ = choose_method(train, methods, seed)
        found[folds == fold] = fit_curve(method, train.scores, train.labels).apply(cases.scores[folds == fold])
    return found


def simplest_of_best(losses: Mapping[M, np.ndarray], patients: np.ndarray) -> M:
    """Return the method to use, by the losses of its held-out predictions, (n,) for each method, the simplest first.

    A method takes the place of a simpler one only where its sum of losses is lower by more than one standard error of
    the difference over patients (the rule of Breiman et al., 1984); less is a tie.
    """
    methods = list(losses)
    chosen = methods[0]
    for method in methods[1:]:
        gain = losses[chosen] - losses[method]
        if gain.sum() > _standard_error_of_sum(gain, patients):
            chosen = method
    return chosen


def log_losses(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the log loss of each case in nats, (n,). probabilities: (n,) between 0 and 1, both excluded."""
    return -np.where(labels == 1, np.log(probabilities), np.log1p(-probabilities))


def _held_out(cases: LabelledScores, method: Method, folds: np.ndarray) -> np.ndarray:
    """The probability of each case from a curve that was fitted without its fold, (n,)."""
    found = np.empty(len(cases))
    for fold in np.unique(folds):
        curve = fit_curve(method, cases.scores[folds != fold], cases.labels[folds != fold])
        found[folds == fold] = curve.apply(cases.scores[folds == fold])
    return found


def _standard_error_of_sum(values: np.ndarray, patients: np.ndarray) -> float:
    """The standard error of a sum over cases, with patients as the independent units."""
    sums = np.bincount(patients, values)[np.unique(patients)]
    return float(np.sqrt(len(sums)) * sums.std(ddof=1)) if len(sums) > 1 else 0.0
