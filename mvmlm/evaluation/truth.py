"""What is true of an exam and what a model answered, and many of both -> the cases of each task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..exam import Laterality
from ..inference.prediction import Prediction
from ..tasks import TASKS, Kind, Level, Task
from .cases import TEST, CaseKey, TaskCases

TRUTH_COLUMN = {"malignancy": "malignant"}  # where the truth table's column is not the task's name
FACT_COLUMN = {"density": "density", "age": "age_years", "lesion_size": "mass_size_mm"}  # the column of a fact
LESION_KINDS = ("mass", "calcification", "asymmetry", "distortion")

Label = int | tuple[float, int]  # a class index, or years and event
TruthRow = Mapping[str, Any]
Side = Laterality | None  # None: the exam


class ExamTruth(NamedTuple):
    """What is true of an exam.

    labels: of each task, and side for a task of the breast. facts: of each side, by the names in `cases.FACTS`.
    """

    exam: str
    patient: str
    labels: Mapping[tuple[str, Side], Label]
    facts: Mapping[Side, Mapping[str, str]]
    split: str = TEST


class AnsweredExam(NamedTuple):
    """An exam with what a model answered. scores: of each task, "head" or "prompt", and side: one for each class."""

    truth: ExamTruth
    model: str
    scores: Mapping[tuple[str, str, Side], Sequence[float]]


def scores_of(prediction: Prediction) -> dict[tuple[str, str, Side], list[float]]:
    """Return the scores of a prediction, as in `AnsweredExam`."""
    scores: dict[tuple[str, str, Side], list[float]] = {}
    for answer in prediction.answers:
        scores.setdefault((answer.task, answer.by, answer.laterality), []).append(answer.probability)
    return scores


def cases_by_answer(exams: Iterable[AnsweredExam], tasks: Sequence[Task] = TASKS) -> list[tuple[str, TaskCases]]:
    """Return the cases of each task, model, split and way of answering, "head" or "prompt"."""
    found: dict[tuple[str, str, str, str], list[tuple[CaseKey, Label, Sequence[float], Mapping[str, str]]]] = {}
    for truth, model, scores in exams:
        for (task, side), label in truth.labels.items():
            for by in ("head", "prompt"):
                if given := scores.get((task, by, side)):
                    key = CaseKey(truth.patient, truth.exam, side.value if side else "")
                    case = (key, label, given, truth.facts.get(side, {}))
                    found.setdefault((task, by, model, truth.split), []).append(case)
    by_name = {task.name: task for task in tasks}
    ordered = sorted(found, key=lambda group: list(by_name).index(group[0]))
    return [
        (by, _task_cases(by_name[name], model, split, found[name, by, model, split]))
        for name, by, model, split in ordered
    ]


def _task_cases(
    task: Task, model: str, split: str, cases: Sequence[tuple[CaseKey, Label, Sequence[float], Mapping[str, str]]]
) -> TaskCases:
    keys, labels, scores, facts = zip(*cases, strict=True)
    return TaskCases(task, model, split, keys[0].level, keys, np.array(labels), np.array(scores), facts)


def truth_of_rows(rows: Sequence[TruthRow]) -> ExamTruth:
    """Return what the truth rows of an exam say, one for each breast, with the columns of the phantoms' findings.csv.

    Those are `exam`, `laterality`, one column for each task, `risk_years`, `cancer`, and `patient` where an exam is not
    the only one of its patient. There is no label for risk where the cancer is in the images already (0 years).
    """
    first = rows[0]
    labels: dict[tuple[str, Side], Label] = {}
    for task in TASKS:
        for side, row in _rows_by_side(task, rows):
            if (label := _label(task, row)) is not None:
                labels[task.name, side] = label
    facts: dict[Side, dict[str, str]] = {Laterality(row["laterality"]): _facts(row) for row in rows}
    facts[None] = {name: text for name, text in _facts(first).items() if not name.startswith("lesion")}
    return ExamTruth(str(first["exam"]), str(first.get("patient") or first["exam"]), labels, facts)


def _rows_by_side(task: Task, rows: Sequence[TruthRow]) -> list[tuple[Side, TruthRow]]:
    if task.level is Level.EXAM:
        return [(None, rows[0])]
    return [(Laterality(row["laterality"]), row) for row in rows]


def _label(task: Task, row: TruthRow) -> Label | None:
    if task.kind is Kind.SURVIVAL:
        years = float(row["risk_years"])
        return (years, int(row["cancer"])) if years > 0 else None
    value = row[TRUTH_COLUMN.get(task.name, task.name)]
    return int(value) if task.kind is Kind.BINARY else task.classes.index(str(value))


def _facts(row: TruthRow) -> dict[str, str]:
    facts = {name: str(row[column]) for name, column in FACT_COLUMN.items() if row.get(column) not in (None, "")}
    kinds = [kind for kind in LESION_KINDS if str(row.get(kind) or 0) == "1"]
    return facts | ({"lesion_type": lesion_type(kinds)} if kinds else {})


def lesion_type(kinds: Sequence[str]) -> str:
    """Return the fact of a breast with findings of these kinds."""
    return " and ".join(kinds)
