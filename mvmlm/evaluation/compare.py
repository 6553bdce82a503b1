"""Is the new head better than the old one? Both on the same test cases: intervals by patient, DeLong's test, calibration, subgroups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..tasks import Kind, Task
from .metrics import _number, auc, concordance, delong, kappa, macro_auc, operating_point, roc_band, with_interval

FEWEST_OF_GROUP = 20
FEWEST_TO_SAY = 20  # test cases below which the numbers say little


def main_metric(task: Task, labels: np.ndarray, shares: np.ndarray) -> float:
    """The number to compare by: AUC, macro AUC or C-index. labels (n,) or (n, 2), shares (n, classes)."""
    if task.kind is Kind.SURVIVAL:
        return concordance(labels[:, 0], labels[:, 1], shares[:, -1])
    return auc(labels, shares[:, 0]) if task.kind is Kind.BINARY else macro_auc(labels, shares)


METRIC = {Kind.BINARY: "AUC", Kind.MULTICLASS: "macro AUC", Kind.SURVIVAL: "C-index"}


def compare_heads(
    task: Task,
    labels: np.ndarray,
    new: np.ndarray,
    old: np.ndarray | None,
    patients: np.ndarray,
    groups: Sequence[Mapping[str, str]],
    threshold: float | None,
    seed: int,
) -> dict:
    """Everything the page shows, as plain JSON values. new, old: (n, classes) probabilities; groups: facts of each case.

    threshold: the operating point, chosen on training cases. NaN is None.
    """
    n = len(labels)
    result: dict = {
        "metric": METRIC[task.kind],
        "cases": n,
        "patients": len(set(patients.tolist())),
        "warnings": _warnings(task, labels),
    }
    result["new"] = _triple(lambda rows: main_metric(task, labels[rows], new[rows]), patients, seed)
    if old is not None:
        result["old"] = _triple(lambda rows: main_metric(task, labels[rows], old[rows]), patients, seed)
        difference = _triple(
            lambda rows: main_metric(task, labels[rows], new[rows]) - main_metric(task, labels[rows], old[rows]),
            patients,
            seed,
        )
        result["difference"] = difference
        if task.kind is Kind.BINARY:
            result["delong_p"] = _number(delong(labels, new[:, 0], old[:, 0])[1])
        result["verdict"] = _verdict(difference)
    else:
        result["verdict"] = "nothing to compare with: the weights have no head for this task"
    if task.kind is Kind.BINARY:
        result["roc"] = {
            which: roc_band(labels, shares[:, 0], patients, seed)
            for which, shares in (("new", new), ("old", old))
            if shares is not None
        }
        if threshold is not None:
            result["operating"] = operating_point(labels, new[:, 0], threshold)
    if task.kind is Kind.MULTICLASS:
        chosen = new.argmax(1)
        table = np.zeros((len(task.classes), len(task.classes)), int)
        np.add.at(table, (labels.astype(int), chosen), 1)
        result["confusion"], result["kappa"] = (
            table.tolist(),
            _number(kappa(labels, chosen, len(task.classes), task.ordered)),
        )
    result["groups"] = [
        {"group": f"{what}: {value}", "cases": int(rows.sum()), "new": _number(main_metric(task, labels[rows], new[rows])),
         "old": _number(main_metric(task, labels[rows], old[rows])) if old is not None else None}
        for what, value, rows in _groups(groups)
    ]  # fmt: skip
    return result


def _verdict(difference: Sequence[float | None]) -> str:
    value, low, high = difference
    if value is None or low is None:
        return "not shown to be better: the test cases do not allow a comparison"
    if low > 0:
        return "better on the test cases"
    return "worse on the test cases" if high < 0 else "not shown to be better"


def _warnings(task: Task, labels: np.ndarray) -> list[str]:
    said = []
    if len(labels) < FEWEST_TO_SAY:
        said.append(f"Only {len(labels)} test cases: too few to say which head is better.")
    if task.kind is Kind.BINARY and len(labels):
        positives = int(labels.sum())
        fewer = min(positives, len(labels) - positives)
        if fewer < 10:
            said.append(
                f"Only {fewer} of the rarer class among the test cases: the interval is wide and may still be too narrow."
            )
    if task.kind is Kind.MULTICLASS:
        lacking = [c for index, c in enumerate(task.classes) if not (labels == index).any()]
        if lacking:
            said.append(f"No test case of class {', '.join(lacking)}: nothing is said of it.")
    if task.kind is Kind.SURVIVAL and len(labels) and labels[:, 1].sum() < 10:
        said.append(f"Only {int(labels[:, 1].sum())} cancers in the follow-up of the test cases.")
    return said


def _groups(facts: Sequence[Mapping[str, str]]):
    for what in dict.fromkeys(key for fact in facts for key in fact):
        values = np.array([fact.get(what) or "" for fact in facts])
        for value in sorted(set(values.tolist()) - {""}):
            rows = values == value
            if rows.sum() >= FEWEST_OF_GROUP:
                yield what, value, rows


def _triple(metric, clusters, seed) -> list[float | None]:
    if not len(clusters):
        return [None, None, None]
    with np.errstate(all="ignore"):
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", RuntimeWarning
            )  # every resample may lack a class: then the interval is None
            return [_number(value) for value in with_interval(metric, clusters, seed)]
