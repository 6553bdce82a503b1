"""The site's cases that everything here is computed from: scores with labels, and risks with follow-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from .plain_values import STRICT

FOLDS = 5

Name = Annotated[str, Field(min_length=1, max_length=200)]


class TooFewCases(ValueError):
    """The site has too few cases for what was asked; the message says how many it has and how many are needed."""


@dataclass(frozen=True)
class Source:
    """Whose scores they are: the model's name, the checksum of its weights and the name of the task."""

    __pydantic_config__ = STRICT

    model: Name
    weights: Name
    task: Name


@dataclass(frozen=True, eq=False)
class LabelledScores:
    """Scores of a binary task with the labels of the same cases. Each is a sequence of n values, kept as an array.

    scores: 0..1, of breasts or exams. labels: 1 positive, 0 negative, NaN or None unknown. patients: the woman of each
    case, any text or number. Raises ValueError for another length or a value out of range.
    """

    scores: np.ndarray
    labels: np.ndarray
    patients: np.ndarray

    def __post_init__(self) -> None:
        scores, labels = (np.array(values, float).reshape(-1) for values in (self.scores, self.labels))
        patients = _patient_numbers(self.patients)
        _check_lengths(scores=scores, labels=labels, patients=patients)
        check_share("scores", scores)
        if not np.isin(labels[~np.isnan(labels)], (0, 1)).all():
            raise ValueError(
                "labels: a value is neither 0 nor 1. Give 1 for positive, 0 for negative, NaN for unknown."
            )
        for name, values in (("scores", scores), ("labels", labels), ("patients", patients)):
            object.__setattr__(self, name, values)

    def __len__(self) -> int:
        return len(self.scores)

    def rows(self, rows: np.ndarray) -> LabelledScores:
        """Return the cases of these row indices, or where this mask is True."""
        return LabelledScores(self.scores[rows], self.labels[rows], self.patients[rows])

    def known(self) -> LabelledScores:
        """Return the cases whose label is known."""
        return self.rows(~np.isnan(self.labels))

    def folds(self, seed: int) -> np.ndarray:
        """Return the fold of each case, (n,) 0 to FOLDS - 1; see `folds_of_patients`."""
        return folds_of_patients(self.patients, self.labels == 1, seed)


@dataclass(frozen=True, eq=False)
class LabelledClasses:
    """Probabilities of a task with several classes, such as density, with the classes that are true. n cases.

    probabilities: (n, classes), 0..1. labels: (n,) index of the true class. patients: (n,) the woman of each case.
    Raises ValueError for another shape or a value out of range.
    """

    probabilities: np.ndarray
    labels: np.ndarray
    patients: np.ndarray

    def __post_init__(self) -> None:
        probabilities, labels = np.array(self.probabilities, float), np.array(self.labels).reshape(-1)
        patients = _patient_numbers(self.patients)
        if probabilities.ndim != 2 or probabilities.shape[1] < 2:
            raise ValueError(f"probabilities: shape {probabilities.shape}. Give a row for each case, a column a class.")
        _check_lengths(probabilities=probabilities, labels=labels, patients=patients)
        check_share("probabilities", probabilities)
        if not np.isin(labels, np.arange(probabilities.shape[1])).all():
            raise ValueError(f"labels: a value is no index of the {probabilities.shape[1]} classes. Give 0, 1, ...")
        values = {"probabilities": probabilities, "labels": labels.astype(int), "patients": patients}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def classes(self) -> int:
        """The number of classes."""
        return self.probabilities.shape[1]

    def rows(self, rows: np.ndarray) -> LabelledClasses:
        """Return the cases of these row indices, or where this mask is True."""
        return LabelledClasses(self.probabilities[rows], self.labels[rows], self.patients[rows])

    def folds(self, seed: int) -> np.ndarray:
        """Return the fold of each case, (n,); see `folds_of_patients`. The rarest class is spread over all folds."""
        rarest = np.bincount(self.labels, minlength=self.classes).argmin()
        return folds_of_patients(self.patients, self.labels == rarest, seed)


@dataclass(frozen=True, eq=False)
class FollowedRisks:
    """Predicted risks with what follow-up found. n is the number of exams.

    risks: (n, years) cumulative probabilities of an event within 1, 2, ... years, 0..1. years: (n,) until the event or
    the end of follow-up. events: (n,) 1 where the event was seen. patients: (n,) the woman of each exam. Raises
    ValueError for another shape or a value out of range.
    """

    risks: np.ndarray
    years: np.ndarray
    events: np.ndarray
    patients: np.ndarray

    def __post_init__(self) -> None:
        risks = np.array(self.risks, float)
        years, events = (np.array(values, float).reshape(-1) for values in (self.years, self.events))
        patients = _patient_numbers(self.patients)
        if risks.ndim != 2 or not risks.shape[1]:
            raise ValueError(f"risks: shape {risks.shape}. Give a row for each exam and a column for each year.")
        _check_lengths(risks=risks, years=years, events=events, patients=patients)
        check_share("risks", risks)
        if not (np.isfinite(years) & (years > 0)).all():
            raise ValueError("years: a value is not above 0. Leave out exams whose images show the cancer already.")
        if not np.isin(events, (0, 1)).all():
            raise ValueError("events: a value is neither 0 nor 1. Give 1 where the event was seen, else 0.")
        values = {"risks": risks, "years": years, "events": events, "patients": patients}
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.years)

    @property
    def horizon(self) -> int:
        """The last year of the risks."""
        return self.risks.shape[1]

    def rows(self, rows: np.ndarray) -> FollowedRisks:
        """Return the exams of these row indices, or where this mask is True."""
        return FollowedRisks(self.risks[rows], self.years[rows], self.events[rows], self.patients[rows])

    def seen(self) -> np.ndarray:
        """Return where the event was seen up to the last year, (n,) bool."""
        return (self.events == 1) & (self.years <= self.horizon)


def folds_of_patients(patients: np.ndarray, positive: np.ndarray, seed: int) -> np.ndarray:
    """Return a fold 0 to FOLDS - 1 for each case, (n,): all cases of a patient in one.

    Patients are dealt out in turn: in random order those with positive cases only, then those with both, then the
    others. So both classes are spread over all folds. patients: (n,). positive: (n,) bool.
    """
    rng = np.random.default_rng(seed)
    with_positive, with_negative = np.unique(patients[positive]), np.unique(patients[~positive])
    groups = (
        np.setdiff1d(with_positive, with_negative),
        np.intersect1d(with_positive, with_negative),
        np.setdiff1d(with_negative, with_positive),
    )
    dealt = np.concatenate([rng.permutation(group) for group in groups])
    fold_of = dict(zip(dealt.tolist(), (np.arange(len(dealt)) % FOLDS).tolist()))
    return np.array([fold_of[patient] for patient in patients.tolist()], int)


def check_share(name: str, values: np.ndarray) -> None:
    """Raise ValueError where a value is not in 0..1, or NaN."""
    if not ((values >= 0) & (values <= 1)).all():  # also False for NaN
        raise ValueError(f"{name}: a value is not in 0..1. Give probabilities, or scores mapped to 0..1.")


def _patient_numbers(patients: object) -> np.ndarray:
    """A number for each patient in place of what names her."""
    return np.unique(np.asarray(patients).reshape(-1), return_inverse=True)[1]


def _check_lengths(**arrays: np.ndarray) -> None:
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"different lengths: {found}. Give one value of each for every case.")
