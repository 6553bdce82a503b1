"""How far two readers agree: Cohen's kappa for each question that both answered."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..reading.form import form_questions
from ..store.store import Store
from .metrics import kappa


class Agreement(NamedTuple):
    """One question: how many answers both gave, in which share they are equal, and kappa (quadratic weights where the answers are a scale)."""

    title: str
    answers: int
    equal: float
    kappa: float | None


def reader_agreement(store: Store, a: str, b: str) -> list[Agreement]:
    """Signed first readings of the same exams by readers `a` and `b`; the questions in the form's order."""
    pairs = store.readings.paired_answers(a, b)
    found = []
    for question in form_questions(store.tasks):
        own = [(x, y) for field, x, y in pairs if field == question.name]
        if not question.choices:
            continue
        if question.name == "birads":  # 0 asks for more pictures: no step of the scale
            own = [pair for pair in own if "0" not in pair]
        place = {stored: index for index, (_, stored) in enumerate(question.choices)}
        if not own:
            continue
        first, second = (np.array([place[value] for value in side]) for side in zip(*own))
        value = kappa(first, second, len(place), question.ordered)
        found.append(
            Agreement(question.title, len(own), float((first == second).mean()), None if np.isnan(value) else value)
        )
    return found
