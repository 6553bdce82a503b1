"""Predictions and true labels of many exams -> each task's metrics with 95 % intervals that resample exams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..exam import Laterality
from ..inference.prediction import Prediction
from ..tasks import TASK, TASKS, Kind, Level, Task
from .bootstrap import intervals
from .cases import TEST, CaseKey, TaskCases
from .task_metrics import weighted_metrics

TRUTH_COLUMN = {"malignancy": "malignant"}  # where the truth table's column is not the task's name
FACT_COLUMN = {"density": "density", "age": "age_years"}  # the truth table's column of a fact

TruthRow = Mapping[str, Any]


class MetricResult(NamedTuple):
    """A task's metric with its 95 % interval. by: "head" or "prompt". cases, positives: what it was computed from."""

    task: str
    by: str
    metric: str
    value: float
    low: float
    high: float
    cases: int
    positives: int


def evaluate(pairs: Iterable[tuple[Prediction, Sequence[TruthRow]]], seed: int = 0) -> list[MetricResult]:
    """Return the metrics of every task that was answered, by head and by prompts; the first of a task is the main one.

    pairs: as for `prediction_cases`. seed: of the resampling.
    """
    return [
        MetricResult(cases.task.name, by, name, *estimate, len(cases), int(cases.positive.sum()))
        for by, cases in _collect(pairs)
        for name, estimate in intervals(
            weighted_metrics(cases.task, cases.labels, cases.scores), cases.patients, seed
        ).items()
        if not np.isnan(estimate.value)
    ]


def prediction_cases(pairs: Iterable[tuple[Prediction, Sequence[TruthRow]]]) -> tuple[TaskCases, ...]:
    """Return the cases of every task that was answered, for `predictions_csv.write_predictions`.

    pairs: a prediction, and the truth rows of that exam, one for each breast, with the columns of the phantoms'
    findings.csv (`exam`, `laterality`, one column for each task, `risk_years`, `cancer`), and `patient` where an exam
    is not the only one of its patient. Answers by prompts are those of a model of their own.
    """
    return tuple(
        replace(cases, model=f"{cases.model}, prompts") if by == "prompt" else cases for by, cases in _collect(pairs)
    )


def _collect(pairs: Iterable[tuple[Prediction, Sequence[TruthRow]]]) -> list[tuple[str, TaskCases]]:
    """The cases of each task and way of answering, "head" or "prompt"."""
    found: dict[tuple[str, str], list[_Case]] = {}
    model = ""
    for prediction, truth in pairs:
        model = f"{prediction.model} {prediction.version}"
        answers: dict[tuple[str, str, Laterality | None], list[float]] = {}
        for answer in prediction.answers:
            answers.setdefault((answer.task, answer.by, answer.laterality), []).append(answer.probability)
        for task in TASKS:
            for by in ("head", "prompt"):
                for side, row in _truth_by_side(task, truth):
                    scores, label = answers.get((task.name, by, side)), _label(task, row)
                    if scores and label is not None:
                        found.setdefault((task.name, by), []).append(_Case(_key(row, side), label, scores, _facts(row)))
    return [(by, _task_cases(TASK[name], model, cases)) for (name, by), cases in found.items()]


class _Case(NamedTuple):
    """A breast or an exam: its label (class index, or years and event), its probabilities and what is known of it."""

    key: CaseKey
    label: int | tuple[float, int]
    scores: list[float]
    facts: dict[str, str]


def _task_cases(task: Task, model: str, cases: Sequence[_Case]) -> TaskCases:
    keys, labels, scores, facts = zip(*cases, strict=True)
    return TaskCases(task, model, TEST, keys[0].level, keys, np.array(labels), np.array(scores), facts)


def _key(row: TruthRow, side: Laterality | None) -> CaseKey:
    return CaseKey(str(row.get("patient") or row["exam"]), str(row["exam"]), side.value if side else "")


def _facts(row: TruthRow) -> dict[str, str]:
    return {name: str(row[column]) for name, column in FACT_COLUMN.items() if row.get(column) not in (None, "")}


def _truth_by_side(task: Task, truth: Sequence[TruthRow]) -> list[tuple[Laterality | None, TruthRow]]:
    if task.level is Level.EXAM:
        return [(None, truth[0])]
    return [(Laterality(row["laterality"]), row) for row in truth]


def _label(task: Task, row: TruthRow) -> int | tuple[float, int] | None:
    """The label of a case; None for risk where the cancer is in the images already (0 years)."""
    if task.kind is Kind.SURVIVAL:
        years = float(row["risk_years"])
        return (years, int(row["cancer"])) if years > 0 else None
    value = row[TRUTH_COLUMN.get(task.name, task.name)]
    return int(value) if task.kind is Kind.BINARY else task.classes.index(str(value))


def markdown_table(results: Sequence[MetricResult]) -> str:
    """Return the results as a Markdown table that also reads well in a terminal."""
    lines = [
        f"| {'task':30} | {'by':6} | {'metric':9} | value (95 % interval) | cases | positives |",
        "|" + "|".join("-" * n for n in (32, 8, 11, 23, 7, 11)) + "|",
    ]
    for r in results:
        interval = f"{r.value:.3f} ({r.low:.3f}–{r.high:.3f})"
        lines.append(
            f"| {TASK[r.task].title:30} | {r.by:6} | {r.metric:9} | {interval:21} | {r.cases:5} | {r.positives:9} |"
        )
    return "\n".join(lines)
