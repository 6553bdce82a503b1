"""Predictions + labels -> metrics with confidence intervals. Intervals resample exams, not breasts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..exam import Laterality
from ..inference.prediction import Prediction
from ..tasks import TASK, TASKS, Kind, Level
from .metrics import auc, auc_by_year, concordance, kappa, macro_auc, with_interval

TRUTH_COLUMN = {"malignancy": "malignant"}  # where the truth table's column is not the task's name


class Result(NamedTuple):
    """A metric with its 95 % bootstrap interval; cases and positives say how much it rests on."""

    task: str
    by: str
    metric: str
    value: float
    low: float
    high: float
    cases: int
    positives: int


def evaluate(pairs: Iterable[tuple[Prediction, Sequence[Mapping]]], seed: int = 0) -> list[Result]:
    """pairs: a prediction and the truth rows of that exam, one a breast (the columns of `phantom` findings.csv)."""
    collected: dict[tuple[str, str], list] = {}
    for number, (prediction, truth) in enumerate(pairs):
        for task in TASKS:
            for by in ("head", "prompt"):
                for side, row in _cases(task, truth):
                    scores = [
                        a.probability
                        for a in prediction.answers
                        if (a.task, a.by, a.laterality) == (task.name, by, side)
                    ]
                    if scores:
                        collected.setdefault((task.name, by), []).append((number, _label(task, row), scores))
    return [
        result
        for (name, by), cases in collected.items()
        for result in _results(TASK[name], by, _usable(TASK[name], cases), seed)
    ]


def _cases(task, truth):
    if task.level is Level.EXAM:
        return [(None, truth[0])]
    return [(Laterality(row["laterality"]), row) for row in truth]


def _label(task, row):
    if task.kind is Kind.SURVIVAL:
        return (float(row["risk_years"]), int(row["cancer"]))
    value = row[TRUTH_COLUMN.get(task.name, task.name)]
    return int(value) if task.kind is Kind.BINARY else task.classes.index(str(value))


def _usable(task, cases):
    """A cancer that is in the pictures now is no risk: such exams do not count for it."""
    return [case for case in cases if case[1][0] > 0] if task.kind is Kind.SURVIVAL else cases


def _results(task, by, cases, seed) -> list[Result]:
    """Every metric of the task's kind that the labels allow; the first is the one to compare by."""
    if not cases:
        return []
    clusters = np.array([case[0] for case in cases])
    labels, scores = np.array([case[1] for case in cases]), np.array([case[2] for case in cases])
    positives = len(labels)
    if task.kind is Kind.SURVIVAL:
        positives = int(labels[:, 1].sum())
        metrics = {"C-index": lambda rows: concordance(labels[rows, 0], labels[rows, 1], scores[rows, -1])}
        for index, year in enumerate(task.classes):
            metrics[f"AUC {year} y"] = lambda rows, i=index, y=int(year): auc_by_year(
                labels[rows, 0], labels[rows, 1], scores[rows, i], y
            )
    elif task.kind is Kind.BINARY:
        positives = int(labels.sum())
        metrics = {"AUC": lambda rows: auc(labels[rows], scores[rows, 0])}
    else:
        metrics = {
            "macro AUC": lambda rows: macro_auc(labels[rows], scores[rows]),
            "kappa": lambda rows: kappa(labels[rows], scores[rows].argmax(1), len(task.classes)),
        }
    everything = np.arange(len(cases))
    return [
        Result(task.name, by, name, *with_interval(metric, clusters, seed), len(cases), positives)
        for name, metric in metrics.items() if not np.isnan(metric(everything))
    ]  # fmt: skip


def table(results: Sequence[Result]) -> str:
    """The results as a Markdown table that also reads well in a terminal."""
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
