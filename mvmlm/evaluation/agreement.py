"""Agreement of two readers: Cohen's kappa for each question that both answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..reading.form import form_questions
from ..tasks import Task
from .estimates import none_if_nan
from .ordinal import KappaWeights, kappa


class Agreement(NamedTuple):
    """The agreement on one question.

    answers: how many answers both readers gave. equal: the share of equal answers, 0..1. kappa: with quadratic weights
    where the answers are steps of a scale; None where both gave a single answer throughout.
    """

    title: str
    answers: int
    equal: float
    kappa: float | None


def reader_agreement(pairs: Iterable[tuple[str, str, str]], tasks: Sequence[Task]) -> list[Agreement]:
    """Return the agreement on each question that both readers answered, in the form's order.

    pairs: (field, answer of the first reader, answer of the second reader) for the same exam and side, as
    `store.comparisons.paired_answers` returns them. tasks: those of the form. Questions with typed text are left out,
    and so is a BI-RADS assessment of 0, which is no step of the scale.
    """
    by_field: dict[str, list[tuple[str, str]]] = {}
    for field, first, second in pairs:
        if not (field == "birads" and "0" in (first, second)):
            by_field.setdefault(field, []).append((first, second))
    found = []
    for question in form_questions(tasks):
        if not question.choices or question.name not in by_field:
            continue
        answers = by_field[question.name]
        index = {stored: number for number, (_, stored) in enumerate(question.choices)}
        first_reader, second_reader = np.array([[index[answer] for answer in pair] for pair in answers]).T
        value = kappa(first_reader, second_reader, len(index), KappaWeights.of(question.ordered))
        equal = float((first_reader == second_reader).mean())
        found.append(Agreement(question.title, len(answers), equal, none_if_nan(value)))
    return found
