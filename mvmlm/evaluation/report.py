"""Predictions and true labels of many exams -> each task's metrics with 95 % intervals that resample exams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..exam import Laterality
from ..inference.prediction import Prediction
from ..tasks import TASK, TASKS, Kind, Level, Task
from .bootstrap import intervals
from .task_metrics import positive_cases, weighted_metrics

TRUTH_COLUMN = {"malignancy": "malignant"}  # where the truth table's column is not the task's name

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


class _Case(NamedTuple):
    """A breast or an exam: its exam's index, its label (class index, or years and event) and its probabilities."""

    exam: int
    label: int | tuple[float, int]
    scores: list[float]


def evaluate(pairs: Iterable[tuple[Prediction, Sequence[TruthRow]]], seed: int = 0) -> list[MetricResult]:
    """Return the metrics of every task that was answered, by head and by prompts.

    pairs: a prediction, and the truth rows of that exam, one for each breast, with the columns of the phantoms'
    findings.csv (`laterality`, one column for each task, `risk_years`, `cancer`). seed: of the resampling.
    """
    collected: dict[tuple[str, str], list[_Case]] = {}
    for exam, (prediction, truth) in enumerate(pairs):
        probabilities: dict[tuple[str, str, Laterality | None], list[float]] = {}
        for answer in prediction.answers:
            probabilities.setdefault((answer.task, answer.by, answer.laterality), []).append(answer.probability)
        for task in TASKS:
            for by in ("head", "prompt"):
                for side, row in _truth_by_side(task, truth):
                    if scores := probabilities.get((task.name, by, side)):
                        case = _Case(exam, _label(task, row), scores)
                        collected.setdefault((task.name, by), []).append(case)
    return [
        result
        for (name, by), cases in collected.items()
        for result in _results(TASK[name], by, _countable(TASK[name], cases), seed)
    ]


def _truth_by_side(task: Task, truth: Sequence[TruthRow]) -> list[tuple[Laterality | None, TruthRow]]:
    if task.level is Level.EXAM:
        return [(None, truth[0])]
    return [(Laterality(row["laterality"]), row) for row in truth]


def _label(task: Task, row: TruthRow) -> int | tuple[float, int]:
    if task.kind is Kind.SURVIVAL:
        return (float(row["risk_years"]), int(row["cancer"]))
    value = row[TRUTH_COLUMN.get(task.name, task.name)]
    return int(value) if task.kind is Kind.BINARY else task.classes.index(str(value))


def _countable(task: Task, cases: list[_Case]) -> list[_Case]:
    """The cases that count: for risk not those whose cancer is in the images already (0 years)."""
    if task.kind is not Kind.SURVIVAL:
        return cases
    return [case for case in cases if isinstance(case.label, tuple) and case.label[0] > 0]


def _results(task: Task, by: str, cases: list[_Case], seed: int) -> list[MetricResult]:
    """Every metric of the task's kind that the labels define; the first is the main one."""
    if not cases:
        return []
    exams = np.array([case.exam for case in cases])
    labels, scores = np.array([case.label for case in cases]), np.array([case.scores for case in cases])
    found = intervals(weighted_metrics(task, labels, scores), exams, seed)
    return [
        MetricResult(task.name, by, name, *estimate, len(cases), positive_cases(task, labels))
        for name, estimate in found.items()
        if not np.isnan(estimate.value)
    ]


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
