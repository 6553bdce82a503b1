"""The metrics of a task's kind, as functions of case weights.

labels: (n,) class indices, 0 or 1 for a binary task, or (n, 2) years and event for survival. scores: (n, classes).
"""

from __future__ import annotations

import numpy as np

from ..tasks import Kind, Task
from .bootstrap import WeightedMetric, of_whole
from .calibration import (
    weighted_brier,
    weighted_calibration_error,
    weighted_in_the_large,
    weighted_recalibration,
    weighted_scaled_brier,
)
from .discrimination import (
    weighted_auc,
    weighted_average_precision,
    weighted_macro_auc,
    weighted_partial_auc,
    weighted_probabilistic_f1,
)
from .estimates import ratio
from .ordinal import KappaWeights, weighted_kappa
from .survival import weighted_auc_by_year, weighted_concordance, weighted_uno_concordance

PARTIAL_RATE = 0.2  # the highest false positive rate of the partial AUC
REPORT_BINS = 10  # of the calibration of an evaluation
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


def report_metrics(task: Task, labels: np.ndarray, scores: np.ndarray) -> dict[tuple[str, ...], WeightedMetric]:
    """Return all metrics of a task's kind; one with several values has as many names. The first is the main one."""
    full_name = {"kappa": f"kappa, {KappaWeights.of(task.ordered).value}"}
    found: dict[tuple[str, ...], WeightedMetric] = {
        (full_name.get(name, name),): metric for name, metric in weighted_metrics(task, labels, scores).items()
    }
    if task.kind is Kind.BINARY:
        found |= _binary_metrics(labels, scores[:, 0])
    elif task.kind is Kind.MULTICLASS:
        right = (scores.argmax(1) == labels).astype(float)
        found[("accuracy",)] = lambda weights: ratio(weights @ right, weights.sum(1))
        if task.ordered:
            found[(f"kappa, {KappaWeights.LINEAR.value}",)] = weighted_kappa(
                labels, scores.argmax(1), len(task.classes), KappaWeights.LINEAR
            )
    else:
        tau = float(task.classes[-1])
        found[(f"Uno's C, before {tau:g} y",)] = weighted_uno_concordance(
            labels[:, 0], labels[:, 1], scores[:, -1], tau
        )
    return found


def _binary_metrics(labels: np.ndarray, scores: np.ndarray) -> dict[tuple[str, ...], WeightedMetric]:
    partial = f"partial AUC to {PARTIAL_RATE:g}"
    found: dict[tuple[str, ...], WeightedMetric] = {
        (partial,): weighted_partial_auc(labels, scores, PARTIAL_RATE, standardised=False),
        (f"{partial}, standardised",): weighted_partial_auc(labels, scores, PARTIAL_RATE, standardised=True),
        ("average precision",): weighted_average_precision(labels, scores),
    }
    if are_probabilities(scores):
        found[("probabilistic F1",)] = weighted_probabilistic_f1(labels, scores)
        found[("Brier score",)] = weighted_brier(labels, scores)
        found[("scaled Brier score",)] = weighted_scaled_brier(labels, scores)
        found[("calibration slope", "calibration intercept")] = weighted_recalibration(labels, scores)
        found[("calibration in the large",)] = weighted_in_the_large(labels, scores)
        found[(f"calibration error, {REPORT_BINS} bins",)] = weighted_calibration_error(labels, scores, REPORT_BINS)
    return found


def are_probabilities(scores: np.ndarray) -> bool:
    """Return whether all scores lie in 0..1, so that they can be calibrated."""
    return bool(((scores >= 0) & (scores <= 1)).all())
