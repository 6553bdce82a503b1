"""Comparison of a new head with the one it would replace, on the same test cases."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NotRequired, TypedDict

import numpy as np

from ..tasks import Kind, Task
from .bootstrap import bootstrap_interval
from .calibration import CalibrationCurve
from .metrics import (
    OperatingPoint,
    RocCurve,
    auc,
    concordance,
    delong,
    kappa,
    macro_auc,
    none_if_nan,
    operating_point,
    roc_band,
)

FEWEST_OF_GROUP = 20  # cases below which a subgroup is not reported
FEWEST_CASES = 30  # test cases below which there is no interval and no curve, and so no verdict
FEWEST_OF_CLASS = 10  # test cases of the rarer class, or cancers, below which it carries a warning
METRIC_NAME = {Kind.BINARY: "AUC", Kind.MULTICLASS: "macro AUC", Kind.SURVIVAL: "C-index"}

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
    roc: NotRequired[dict[str, RocCurve]]
    operating: NotRequired[OperatingPoint]
    calibration: NotRequired[CalibrationComparison]
    confusion: NotRequired[list[list[int]]]
    kappa: NotRequired[float | None]


def main_metric(task: Task, labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Return the metric that heads are compared by: AUC, macro AUC or C-index.

    labels: (n,) class indices, or (n, 2) years and event for survival. probabilities: (n, classes).
    """
    if task.kind is Kind.SURVIVAL:
        return concordance(labels[:, 0], labels[:, 1], probabilities[:, -1])
    return auc(labels, probabilities[:, 0]) if task.kind is Kind.BINARY else macro_auc(labels, probabilities)


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

    labels: as in `main_metric`. candidate, current: probabilities (n, classes); current is None where no head answers
    the task. patients: (n,) the patient of each case, which intervals resample. facts: of each case, such as density or
    vendor, for subgroups. threshold: the operating point, chosen on training cases; binary tasks only.
    """
    comparison: Comparison = {
        "metric": METRIC_NAME[task.kind],
        "cases": len(labels),
        "patients": len(set(patients.tolist())),
        "warnings": _warnings(task, labels),
        "verdict": "nothing to compare with: the weights have no head for this task",
        "new": _interval(lambda rows: main_metric(task, labels[rows], candidate[rows]), patients, seed),
        "groups": _compare_groups(task, labels, candidate, current, facts),
    }
    if current is not None:
        _add_difference(comparison, task, labels, candidate, current, patients, seed)
    if task.kind is Kind.BINARY and len(labels) >= FEWEST_CASES:
        heads = {"new": candidate} | ({"old": current} if current is not None else {})
        comparison["roc"] = {name: roc_band(labels, scores[:, 0], patients, seed) for name, scores in heads.items()}
    if task.kind is Kind.BINARY and threshold is not None:
        comparison["operating"] = operating_point(labels, candidate[:, 0], threshold)
    if task.kind is Kind.MULTICLASS:
        predicted = candidate.argmax(1)
        confusion = np.zeros((len(task.classes), len(task.classes)), int)
        np.add.at(confusion, (labels.astype(int), predicted), 1)
        comparison["confusion"] = confusion.tolist()
        comparison["kappa"] = none_if_nan(kappa(labels, predicted, len(task.classes), task.ordered))
    return comparison


def _add_difference(
    comparison: Comparison, task: Task, labels: np.ndarray, candidate: np.ndarray, current: np.ndarray,
    patients: np.ndarray, seed: int,
) -> None:  # fmt: skip
    """Add the current head's metric, the difference and the verdict."""
    comparison["old"] = _interval(lambda rows: main_metric(task, labels[rows], current[rows]), patients, seed)
    difference = _interval(
        lambda rows: main_metric(task, labels[rows], candidate[rows]) - main_metric(task, labels[rows], current[rows]),
        patients,
        seed,
    )
    comparison["difference"] = difference
    comparison["verdict"] = _verdict(difference, len(labels))
    if task.kind is Kind.BINARY and len(labels) >= FEWEST_CASES:
        comparison["delong_p"] = none_if_nan(delong(labels, candidate[:, 0], current[:, 0])[1])


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
        for group, rows in _subgroups(facts)
    ]


def _subgroups(facts: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each subgroup that is large enough: its name such as "density: C", and its rows (n,) bool."""
    for fact in dict.fromkeys(name for case in facts for name in case):
        values = np.array([case.get(fact) or "" for case in facts])
        for value in sorted(set(values.tolist()) - {""}):
            rows = values == value
            if rows.sum() >= FEWEST_OF_GROUP:
                yield f"{fact}: {value}", rows


def _interval(metric: Callable[[np.ndarray], float], patients: np.ndarray, seed: int) -> Interval:
    if not len(patients):
        return [None, None, None]
    if len(patients) < FEWEST_CASES:
        return [none_if_nan(metric(np.arange(len(patients)))), None, None]
    return [none_if_nan(value) for value in bootstrap_interval(metric, patients, seed)]
