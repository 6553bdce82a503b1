"""The metrics of a task's kind, as functions of case weights.

labels: (n,) class indices, 0 or 1 for a binary task, or (n, 2) years and event for survival. scores: (n, classes).
"""

from __future__ import annotations

import numpy as np

from ..tasks import Kind, Task
from .bootstrap import WeightedMetric, of_whole
from .discrimination import weighted_auc, weighted_macro_auc
from .ordinal import KappaWeights, weighted_kappa
from .survival import weighted_auc_by_year, weighted_concordance

MAIN_METRIC = {Kind.BINARY: "AUC", Kind.MULTICLASS: "macro AUC", Kind.SURVIVAL: "C-index"}


def weighted_main_metric(task: Task, labels: np.ndarray, scores: np.ndarray) -> WeightedMetric:
    """Return the metric that heads and models are compared by: AUC, macro AUC or C-index."""
    if task.kind is Kind.SURVIVAL:
        return weighted_concordance(labels[:, 0], labels[:, 1], scores[:, -1])
    return weighted_auc(labels, scores[:, 0]) if task.kind is Kind.BINARY else weighted_macro_auc(labels, scores)


def main_metric(task: Task, labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the value of `weighted_main_metric`."""
    return float(of_whole(weighted_main_metric(task, labels, scores), len(labels)))


def weighted_metrics(task: Task, labels: np.ndarray, scores: np.ndarray) -> dict[str, WeightedMetric]:
    """Return the metrics of a task's kind by name; the first is the main one."""
    metrics = {MAIN_METRIC[task.kind]: weighted_main_metric(task, labels, scores)}
    if task.kind is Kind.MULTICLASS:
        weights = KappaWeights.of(task.ordered)
        metrics["kappa"] = weighted_kappa(labels, scores.argmax(1), len(task.classes), weights)
    if task.kind is Kind.SURVIVAL:
        for index, year in enumerate(task.classes):
            metrics[f"AUC {year} y"] = weighted_auc_by_year(labels[:, 0], labels[:, 1], scores[:, index], int(year))
    return metrics


def positive_cases(task: Task, labels: np.ndarray) -> int:
    """Return how many cases are positive, or have the event; all of a task with several classes."""
    if task.kind is Kind.MULTICLASS:
        return len(labels)
    return int((labels if task.kind is Kind.BINARY else labels[:, 1]).sum())
