"""Predictions and true labels of many exams -> each task's metrics with 95 % intervals that resample exams."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..inference.prediction import Prediction
from ..tasks import TASK, TASKS, Task
from .bootstrap import intervals
from .cases import TaskCases
from .task_metrics import weighted_metrics
from .truth import AnsweredExam, TruthRow, cases_by_answer, scores_of, truth_of_rows


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

    pairs: a prediction, and the truth rows of that exam, see `truth.truth_of_rows`. seed: of the resampling.
    """
    return evaluate_answers(_answered(pairs), seed)


def evaluate_answers(exams: Iterable[AnsweredExam], seed: int = 0) -> list[MetricResult]:
    """Return `evaluate` of answers."""
    return [
        MetricResult(cases.task.name, by, name, *estimate, len(cases), int(cases.positive.sum()))
        for by, cases in cases_by_answer(exams)
        for name, estimate in intervals(
            weighted_metrics(cases.task, cases.labels, cases.scores), cases.patients, seed
        ).items()
        if not np.isnan(estimate.value)
    ]


def _answered(pairs: Iterable[tuple[Prediction, Sequence[TruthRow]]]) -> Iterator[AnsweredExam]:
    for prediction, rows in pairs:
        yield AnsweredExam(truth_of_rows(rows), f"{prediction.model} {prediction.version}", scores_of(prediction))


def model_cases(exams: Iterable[AnsweredExam], tasks: Sequence[Task] = TASKS) -> tuple[TaskCases, ...]:
    """Return the cases of every task that was answered, for `predictions_csv.write_predictions`.

    Answers by prompts are those of a model of their own.
    """
    return tuple(
        replace(cases, model=f"{cases.model}, prompts") if by == "prompt" else cases
        for by, cases in cases_by_answer(exams, tasks)
    )


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
