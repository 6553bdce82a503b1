"""Comparison of a new head with the one it would replace, on the same test cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NotRequired, TypedDict

import numpy as np

from ..tasks import Kind, Task
from .bootstrap import WeightedMetric, difference, intervals, of_whole
from .calibration import CalibrationCurve
from .curves import Curve, roc_band
from .discrimination import delong
from .estimates import none_if_nan
from .operating_points import OperatingPoint, operating_point
from .ordinal import KappaWeights, confusion_matrix, kappa
from .subgroups import FEWEST_OF_CLASS, FEWEST_OF_GROUP, subgroup_rows
from .task_metrics import MAIN_METRIC, main_metric, weighted_main_metric

FEWEST_CASES = 30  # test cases below which there is no interval and no curve, and so no verdict

Interval = list[float | None]  # value, low, high; None where undefined


class GroupComparison(TypedDict):
    """The main metric of both heads in a subgroup of the test cases; None where undefined or without a current head."""

    group: str
    cases: int
    new: float | None
    old: float | None


class CalibrationComparison(TypedDict):
    """The reliability of cross-validated probabilities before and after calibration."""

    before: CalibrationCurve
    after: CalibrationCurve


class Comparison(TypedDict):
    """The comparison as plain JSON values; stored as `comparison` in a head's record.

    new, old, difference: the main metric (`metric`) of the candidate, of the current head, and their difference, each
    with its 95 % interval. Binary tasks also have the curves, the operating point, DeLong's p and the calibration;
    multiclass tasks the confusion matrix (rows: labels, columns: predictions) and kappa. Fewer than FEWEST_CASES cases
    have no interval, no curve and no p.
    """

    metric: str
    cases: int
    patients: int
    warnings: list[str]
    verdict: str
    new: Interval
    groups: list[GroupComparison]
    old: NotRequired[Interval]
    difference: NotRequired[Interval]
    delong_p: NotRequired[float | None]
    roc: NotRequired[dict[str, Curve]]
    operating: NotRequired[OperatingPoint]
    calibration: NotRequired[CalibrationComparison]
    confusion: NotRequired[list[list[int]]]
    kappa: NotRequired[float | None]


def compare_heads(
    task: Task,
    labels: np.ndarray,
    candidate: np.ndarray,
    current: np.ndarray | None,
    patients: np.ndarray,
    facts: Sequence[Mapping[str, str]],
    threshold: float | None,
    seed: int,
) -> Comparison:
    """Compare a candidate head with the current one on the same n test cases.

    labels: (n,) class indices, or (n, 2) years and event for survival. candidate, current: probabilities (n, classes);
    current is None where no head answers the task. patients: (n,) the patient of each case, which intervals resample.
    facts: of each case, such as density or vendor, for subgroups. threshold: the operating point, chosen on training
    cases; binary tasks only.
    """
    comparison: Comparison = {
        "metric": MAIN_METRIC[task.kind],
        "cases": len(labels),
        "patients": len(set(patients.tolist())),
        "warnings": _warnings(task, labels),
        "verdict": "nothing to compare with: the weights have no head for this task",
        "groups": _compare_groups(task, labels, candidate, current, facts),
        **_main_intervals(task, labels, candidate, current, patients, seed),
    }
    if current is not None:
        comparison["verdict"] = _verdict(comparison["difference"], len(labels))
        if task.kind is Kind.BINARY and len(labels) >= FEWEST_CASES:
            comparison["delong_p"] = none_if_nan(delong(labels, candidate[:, 0], current[:, 0])[1])
    if task.kind is Kind.BINARY and len(labels) >= FEWEST_CASES:
        heads = {"new": candidate} | ({"old": current} if current is not None else {})
        comparison["roc"] = {name: roc_band(labels, scores[:, 0], patients, seed) for name, scores in heads.items()}
    if task.kind is Kind.BINARY and threshold is not None:
        comparison["operating"] = operating_point(labels, candidate[:, 0], threshold)
    if task.kind is Kind.MULTICLASS:
        predicted, classes = candidate.argmax(1), len(task.classes)
        comparison["confusion"] = confusion_matrix(labels, predicted, classes).tolist()
        comparison["kappa"] = none_if_nan(kappa(labels, predicted, classes, KappaWeights.of(task.ordered)))
    return comparison


class _MainIntervals(TypedDict):
    new: Interval
    old: NotRequired[Interval]
    difference: NotRequired[Interval]


def _main_intervals(
    task: Task, labels: np.ndarray, candidate: np.ndarray, current: np.ndarray | None, patients: np.ndarray, seed: int
) -> _MainIntervals:
    """The main metric of both heads and their difference, from the same resamples."""
    new = weighted_main_metric(task, labels, candidate)
    if current is None:
        return {"new": _intervals({"new": new}, patients, seed)["new"]}
    old = weighted_main_metric(task, labels, current)
    found = _intervals({"new": new, "old": old, "difference": difference(new, old)}, patients, seed)
    return {"new": found["new"], "old": found["old"], "difference": found["difference"]}


def too_few(cases: int) -> str:
    """Return the verdict on so few test cases that there is no interval."""
    return f"not shown to be better: {cases} test cases are too few, {FEWEST_CASES} are needed"


def _verdict(difference: Interval, cases: int) -> str:
    value, low, high = difference
    if cases < FEWEST_CASES:
        return too_few(cases)
    if value is None or low is None or high is None:
        return "not shown to be better: the test cases do not allow a comparison"
    if low > 0:
        return "better on the test cases"
    return "worse on the test cases" if high < 0 else "not shown to be better"


def _warnings(task: Task, labels: np.ndarray) -> list[str]:
    warnings = []
    if len(labels) < FEWEST_CASES:
        warnings.append(f"Only {len(labels)} test cases: too few for an interval, or to say which head is better.")
    if task.kind is Kind.BINARY and len(labels):
        positives = int(labels.sum())
        rarer = min(positives, len(labels) - positives)
        if rarer < FEWEST_OF_CLASS:
            warnings.append(
                f"Only {rarer} of the rarer class among the test cases: "
                "the interval is wide and may still be too narrow."
            )
    if task.kind is Kind.MULTICLASS:
        absent = [name for index, name in enumerate(task.classes) if not (labels == index).any()]
        if absent:
            warnings.append(f"No test case of class {', '.join(absent)}, so the comparison leaves it out.")
    if task.kind is Kind.SURVIVAL and len(labels) and labels[:, 1].sum() < FEWEST_OF_CLASS:
        warnings.append(f"Only {int(labels[:, 1].sum())} cancers in the follow-up of the test cases.")
    return warnings


def _compare_groups(
    task: Task, labels: np.ndarray, candidate: np.ndarray, current: np.ndarray | None,
    facts: Sequence[Mapping[str, str]],
) -> list[GroupComparison]:  # fmt: skip
    def metric(probabilities: np.ndarray, rows: np.ndarray) -> float | None:
        return none_if_nan(main_metric(task, labels[rows], probabilities[rows]))

    return [
        {
            "group": group,
            "cases": int(rows.sum()),
            "new": metric(candidate, rows),
            "old": metric(current, rows) if current is not None else None,
        }
        for group, rows in subgroup_rows(facts)
        if rows.sum() >= FEWEST_OF_GROUP
    ]


def _intervals(metrics: Mapping[str, WeightedMetric], patients: np.ndarray, seed: int) -> dict[str, Interval]:
    """Each metric with its interval; none without cases, and no bounds below FEWEST_CASES."""
    if not len(patients):
        return {name: [None, None, None] for name in metrics}
    if len(patients) < FEWEST_CASES:
        return {name: [none_if_nan(float(of_whole(m, len(patients)))), None, None] for name, m in metrics.items()}
    found = intervals(metrics, patients, seed)
    return {name: [none_if_nan(value) for value in estimate] for name, estimate in found.items()}
