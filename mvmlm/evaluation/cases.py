"""The cases of one task: what was said of them, what was true, whose they are, and at which level.

A case is a view, a breast, an exam or a woman. `at_level` goes up by the highest score: one woman, one answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple

import numpy as np

from ..tasks import Kind, Task

TEST, VALIDATION = "test", "validation"
#: what may be known of a case; those of LESION_FACTS only of a case with a lesion
FACTS = ("density", "age", "vendor", "views", "lesion_type", "lesion_size")
NUMBER_FACTS = ("age", "lesion_size")  # in years, in mm
LESION_FACTS = ("lesion_type", "lesion_size")


class CaseLevel(str, Enum):
    """What one case is, the finest first."""

    VIEW = "view"
    BREAST = "breast"
    EXAM = "exam"
    WOMAN = "woman"

    def counted(self, cases: int) -> str:
        """Return a number of them in words, such as "1 breast" or "1,200 women"."""
        if cases == 1:
            return f"1 {self.value}"
        return f"{cases:,} {'women' if self is CaseLevel.WOMAN else f'{self.value}s'}"

    def is_finer_than(self, other: CaseLevel) -> bool:
        """Return whether several cases of this level may make up one of the other."""
        order = list(CaseLevel)
        return order.index(self) < order.index(other)


class CaseKey(NamedTuple):
    """Which case it is. laterality: "R" or "L"; it and `view` are "" at higher levels, as `exam` is for a woman."""

    patient: str
    exam: str
    laterality: str = ""
    view: str = ""

    @property
    def level(self) -> CaseLevel:
        """What the case is."""
        if self.view:
            return CaseLevel.VIEW
        if self.laterality:
            return CaseLevel.BREAST
        return CaseLevel.EXAM if self.exam else CaseLevel.WOMAN

    def at(self, level: CaseLevel) -> CaseKey:
        """Return the key of the case of a higher level that this one belongs to."""
        return {
            CaseLevel.VIEW: self,
            CaseLevel.BREAST: self._replace(view=""),
            CaseLevel.EXAM: self._replace(view="", laterality=""),
            CaseLevel.WOMAN: CaseKey(self.patient, ""),
        }[level]


@dataclass(frozen=True, eq=False)
class TaskCases:
    """The n cases that one model answered for one task.

    split: "test" or "validation". labels: (n,) class indices, 0 or 1 for a binary task, or (n, 2) years and event for
    survival. scores: (n, classes), higher for more likely; probabilities where they are calibrated. facts: of each
    case, by the names in FACTS.
    """

    task: Task
    model: str
    split: str
    level: CaseLevel
    keys: tuple[CaseKey, ...]
    labels: np.ndarray
    scores: np.ndarray
    facts: tuple[Mapping[str, str], ...]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def patients(self) -> np.ndarray:
        """The patient (n,) of each case, which intervals resample."""
        return np.array([key.patient for key in self.keys])

    @property
    def positive(self) -> np.ndarray:
        """Whether each case is positive, or has the event (n,) bool; all are for a task with several classes."""
        if self.task.kind is Kind.MULTICLASS:
            return np.ones(len(self), bool)
        return (self.labels if self.task.kind is Kind.BINARY else self.labels[:, 1]) == 1

    @property
    def one_case_a_patient(self) -> bool:
        """Whether no patient has two cases, so that cases are independent."""
        return len(set(self.patients.tolist())) == len(self)

    def chosen(self, rows: np.ndarray) -> TaskCases:
        """Return some of the cases. rows: (n,) bool, or indices."""
        kept = np.arange(len(self))[rows]
        return replace(
            self,
            keys=tuple(self.keys[row] for row in kept),
            labels=self.labels[kept],
            scores=self.scores[kept],
            facts=tuple(self.facts[row] for row in kept),
        )


def at_level(cases: TaskCases, level: CaseLevel) -> TaskCases:
    """Return the cases of a higher level, such as exams from breasts; the same cases where theirs is not lower.

    A binary task and the years of risk keep the highest score of each class, an ordered task the scores of the case
    with the highest expected class. The label is the highest one, or the earliest event, else the longest follow-up.
    Facts are kept where the cases agree; those of a lesion where the positive cases agree. A task whose classes have no
    order has no highest one: its cases stay as they are. Risk stays at exams where women are wanted, since its years
    count from each exam.
    """
    if cases.task.kind is Kind.SURVIVAL and level is CaseLevel.WOMAN:
        level = CaseLevel.EXAM
    if not cases.level.is_finer_than(level) or cases.task.nominal:
        return cases
    rows_of: dict[CaseKey, list[int]] = {}
    for row, key in enumerate(cases.keys):
        rows_of.setdefault(key.at(level), []).append(row)
    groups = list(rows_of.values())
    return replace(
        cases,
        level=level,
        keys=tuple(rows_of),
        labels=np.array([_highest_label(cases.labels[rows]) for rows in groups]).reshape(-1, *cases.labels.shape[1:]),
        scores=np.array([_highest_scores(cases.task, cases.scores[rows]) for rows in groups]).reshape(
            -1, cases.scores.shape[1]
        ),
        facts=tuple(_shared_facts([cases.facts[row] for row in rows], cases.positive[rows]) for rows in groups),
    )


def _highest_scores(task: Task, scores: np.ndarray) -> np.ndarray:
    if not task.ordered:
        return scores.max(0)
    return scores[(scores * np.arange(1, scores.shape[1] + 1)).sum(1).argmax()]


def _highest_label(labels: np.ndarray) -> np.ndarray | float:
    if labels.ndim == 1:
        return labels.max()
    events = labels[labels[:, 1] == 1]
    return events[events[:, 0].argmin()] if len(events) else labels[labels[:, 0].argmax()]


def _shared_facts(facts: Sequence[Mapping[str, str]], positive: np.ndarray) -> dict[str, str]:
    """The facts on which cases agree; where some are positive, the facts of a lesion are those of the positive ones."""
    found = {}
    for name in dict.fromkeys(name for of_case in facts for name in of_case):
        counted = [f for f, has in zip(facts, positive) if has or name not in LESION_FACTS or not positive.any()]
        values = {of_case[name] for of_case in counted if of_case.get(name)}
        if len(values) == 1:
            found[name] = values.pop()
    return found
