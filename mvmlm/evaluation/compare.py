"""Is the new head better than the old one? Both on the same test cases: intervals by patient, DeLong's test, calibration, subgroups."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..tasks import Kind, Task
from .report import auc, concordance, kappa, macro_auc, with_interval

FEWEST_OF_GROUP = 20
FEWEST_TO_SAY = 20  # test cases below which the numbers say little
GRID = np.linspace(0, 1, 51)


def delong(labels: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """-> AUC of `a` minus AUC of `b`, and the two-sided p of no difference (DeLong et al., 1988; ranks as Sun and Xu, 2014).

    Takes the cases as independent, which the two breasts of a woman are not: read it beside the interval by patient.
    """
    labels = np.asarray(labels, bool)
    m, n = int(labels.sum()), int((~labels).sum())
    if m < 2 or n < 2:
        return float("nan"), float("nan")
    placements = []
    for scores in (a, b):
        positive, negative = np.asarray(scores, float)[labels], np.asarray(scores, float)[~labels]
        won = (positive[:, None] > negative[None]) + 0.5 * (positive[:, None] == negative[None])
        placements.append((won.mean(1), won.mean(0)))
    (a10, a01), (b10, b01) = placements
    difference = float(a10.mean() - b10.mean())
    variance = np.var(a10 - b10, ddof=1) / m + np.var(a01 - b01, ddof=1) / n
    if variance <= 0:
        return difference, 1.0 if difference == 0 else 0.0
    return difference, math.erfc(abs(difference) / math.sqrt(variance) / math.sqrt(2))


def main_metric(task: Task, labels: np.ndarray, shares: np.ndarray) -> float:
    """The number to compare by: AUC, macro AUC or C-index. labels (n,) or (n, 2), shares (n, classes)."""
    if task.kind is Kind.SURVIVAL:
        return concordance(labels[:, 0], labels[:, 1], shares[:, -1])
    return auc(labels, shares[:, 0]) if task.kind is Kind.BINARY else macro_auc(labels, shares)


METRIC = {Kind.BINARY: "AUC", Kind.MULTICLASS: "macro AUC", Kind.SURVIVAL: "C-index"}


def compared(
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


def roc_band(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, seed: int, draws: int = 200) -> dict:
    """The ROC curve on GRID with a pointwise 95 % band, resampling patients."""
    rng, rows_of = np.random.default_rng(seed), [np.flatnonzero(patients == p) for p in np.unique(patients)]
    curves = []
    for _ in range(draws):
        rows = np.concatenate([rows_of[i] for i in rng.integers(0, len(rows_of), len(rows_of))])
        if 0 < labels[rows].sum() < len(rows):
            curves.append(_roc(labels[rows], scores[rows]))
    if not curves or not 0 < labels.sum() < len(labels):
        return {}
    low, high = np.percentile(curves, [2.5, 97.5], 0)
    return {"x": GRID.tolist(), "y": _roc(labels, scores).tolist(), "low": low.tolist(), "high": high.tolist()}


def _roc(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    order = np.argsort(-scores, kind="stable")
    hits, ordered = labels[order].astype(bool), scores[order]
    ends = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)  # ties move together
    sensitivity = np.concatenate([[0], np.cumsum(hits)[ends] / max(hits.sum(), 1)])
    false_alarms = np.concatenate([[0], np.cumsum(~hits)[ends] / max((~hits).sum(), 1)])
    return np.interp(GRID, false_alarms, sensitivity)


def threshold_at(labels: np.ndarray, scores: np.ndarray, specificity: float) -> float:
    """The lowest threshold whose specificity on these (training) cases is at least the wanted one."""
    negatives = np.sort(scores[labels == 0])
    return float(negatives[min(math.ceil(specificity * len(negatives)), len(negatives)) - 1]) if len(negatives) else 0.5


def operating_point(labels: np.ndarray, scores: np.ndarray, threshold: float) -> dict:
    """Sensitivity, specificity and the four counts; a score above the threshold is a call."""
    called, present = scores > threshold, labels == 1
    counts = {
        "true positive": int((called & present).sum()), "false positive": int((called & ~present).sum()),
        "false negative": int((~called & present).sum()), "true negative": int((~called & ~present).sum()),
    }  # fmt: skip
    return {
        "threshold": threshold, "counts": counts, "sensitivity": _number(called[present].mean() if present.any() else float("nan")),
        "specificity": _number((~called[~present]).mean() if (~present).any() else float("nan")),
    }  # fmt: skip


def calibration(labels: np.ndarray, shares: np.ndarray, bins: int = 5) -> dict:
    """Of cases with a similar probability, how many had it: equal-count bins, and the expected calibration error."""
    order = np.array_split(np.argsort(shares, kind="stable"), min(bins, max(1, len(shares) // 5)))
    rows = [(float(shares[part].mean()), float(labels[part].mean()), len(part)) for part in order if len(part)]
    error = sum(n * abs(said - found) for said, found, n in rows) / max(len(shares), 1)
    return {"said": [r[0] for r in rows], "found": [r[1] for r in rows], "cases": [r[2] for r in rows], "error": error}


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


def _number(value: float) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
