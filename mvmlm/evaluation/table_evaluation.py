"""A predictions table -> its evaluation: each task and model by itself, and models against each other."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from .. import __version__
from ..tasks import Kind
from .bootstrap import Progress, WeightedMetric, bounds, difference, intervals, of_whole, resampled_values
from .cases import TEST, VALIDATION, CaseLevel, TaskCases, at_level
from .curves import Curve, net_benefit_band, precision_band, reliability_band, roc_band
from .decision_curve import THRESHOLDS
from .discrimination import delong, delong_interval
from .estimates import Estimate, none_if_nan
from .evaluation_report import Confusion, EvaluationReport, Measure, ModelComparison, RateRow, TaskResult
from .operating_points import (
    GOALS,
    RECALL_RATES,
    HeldOutCases,
    ValidationCases,
    apply_threshold,
    choose_threshold,
    recall_rate_points,
)
from .ordinal import confusion_matrix
from .predictions_csv import PredictionsTable
from .subgroups import FEWEST_OF_CLASS, FEWEST_OF_GROUP, subgroup_results
from .task_metrics import MAIN_METRIC, REPORT_BINS, are_probabilities, report_metrics, weighted_main_metric

DRAWS = 2000  # resamples of patients
MOST_COMPARED = 6  # models of a task of which every two are compared


def evaluate_table(
    table: PredictionsTable,
    level: CaseLevel,
    command: str,
    seed: int = 0,
    draws: int = DRAWS,
    progress: Progress = lambda share: None,
) -> EvaluationReport:
    """Return the evaluation of the test cases of a table.

    level: at which cases are counted; a table that does not go so far down is taken as it is. command: recorded.
    draws: how many resamples of patients give the intervals. progress: called with the share that is done, 0..1; what
    it raises ends the work.
    """
    of_level = [at_level(cases, level) for cases in table.cases]
    tests = [cases for cases in of_level if cases.split == TEST]
    pairs, problems = _pairs(tests)
    steps = len(tests) + len(pairs)
    results, comparisons = [], []
    for number, cases in enumerate(tests):
        validation = [c for c in of_level if (c.task, c.model, c.split) == (cases.task, cases.model, VALIDATION)]
        results.append(_task_result(cases, validation, seed, draws, _part(progress, number, steps)))
    for number, (first, second) in enumerate(pairs, len(tests)):
        comparisons.append(_comparison(first, second, seed, draws, _part(progress, number, steps)))
    progress(1.0)
    return EvaluationReport(
        data=table.name,
        sha256=table.sha256,
        models=tuple(dict.fromkeys(cases.model for cases in tests)),
        code_version=__version__,
        command=command,
        seed=seed,
        resamples=draws,
        level=level,
        problems=(*table.problems, *problems),
        results=tuple(results),
        comparisons=tuple(comparisons),
    )


def _pairs(tests: Sequence[TaskCases]) -> tuple[list[tuple[TaskCases, TaskCases]], list[str]]:
    """The models that are compared in each task, and a sentence on what is not compared."""
    of_task: dict[tuple[str, CaseLevel], list[TaskCases]] = {}
    for cases in tests:
        of_task.setdefault((cases.task.name, cases.level), []).append(cases)
    pairs, problems = [], []
    for group in of_task.values():
        if len(group) > MOST_COMPARED:
            first = group[0]
            pairs += [(first, other) for other in group[1:]]
            problems.append(f"{first.task.title} has {len(group)} models: each is compared with {first.model} alone")
        else:
            pairs += itertools.combinations(group, 2)
    levels: dict[str, list[CaseLevel]] = {}
    for name, level in of_task:
        levels.setdefault(name, []).append(level)
    for name, several in levels.items():
        if len(several) > 1:
            listed = " and ".join(level.value for level in several)
            problems.append(f"{name} is answered by {listed}: models of different levels are not compared")
    return pairs, [*problems, *filter(None, itertools.starmap(_contradiction, pairs))]


def _contradiction(first: TaskCases, second: TaskCases) -> str:
    """That two models come with different labels of the same cases, a sentence; "" where they do not."""
    label_of = dict(zip(second.keys, second.labels))
    rows = [row for row, key in enumerate(first.keys) if key in label_of]
    different = sum(not np.array_equal(first.labels[row], label_of[first.keys[row]]) for row in rows)
    if not different:
        return ""
    return (
        f"{first.task.title}: {first.model} and {second.model} have different labels of "
        f"{first.level.counted(different)}; each is measured by its own, and these are left out of their comparison"
    )


def _part(progress: Progress, number: int, steps: int) -> Progress:
    return lambda share: progress((number + share) / steps)


def _task_result(
    cases: TaskCases, validation: list[TaskCases], seed: int, draws: int, progress: Progress
) -> TaskResult:
    task, binary = cases.task, cases.task.kind is Kind.BINARY
    metrics = report_metrics(task, cases.labels, cases.scores)
    measures = _measures(metrics, cases.patients, seed, draws, lambda share: progress(0.5 * share))
    notes, rates, curves = list[str](), list[RateRow](), dict[str, Curve]()
    if binary:
        if cases.one_case_a_patient:
            by_delong = Measure("AUC, interval by DeLong", delong_interval(cases.labels, cases.scores[:, 0]))
            measures = (measures[0], by_delong, *measures[1:])
        rates += _recall_rates(cases, seed, draws)
        progress(0.6)
        rates += _chosen_thresholds(cases, validation, seed, draws, notes)
        curves = _curves(cases, seed, draws)
        progress(0.9)
        if "calibration" not in curves:
            notes.append("The scores are no probabilities of 0 to 1, so there is no calibration and no net benefit.")
    if binary and not 0 < cases.positive.sum() < len(cases):
        notes.append("All test cases have the same label, so most numbers are undefined.")
    notes += _few_cases(cases)
    return TaskResult(
        task.name, task.title, cases.model, cases.level, len(cases), int(cases.positive.sum()),
        len(set(cases.patients.tolist())), measures, tuple(rates), curves, subgroup_results(cases, seed, draws),
        _confusion(cases), tuple(notes), len(cases) < FEWEST_OF_GROUP or bool(_few_cases(cases)),
    )  # fmt: skip


def _few_cases(cases: TaskCases) -> list[str]:
    """A sentence where one class, or the cancers of a follow-up, are so few that no interval can be trusted."""
    if cases.task.kind is Kind.MULTICLASS:
        return []
    positives = int(cases.positive.sum())
    counted = {"positive": positives} | ({"negative": len(cases) - positives} if cases.task.kind is Kind.BINARY else {})
    few = [f"{count} {name}" for name, count in counted.items() if 0 < count < FEWEST_OF_CLASS]
    if not few:
        return []
    return [f"Only {' and '.join(few)}: resampling gives intervals that are too narrow. Do not report them."]


def _measures(
    metrics: Mapping[tuple[str, ...], WeightedMetric], patients: np.ndarray, seed: int, draws: int, progress: Progress
) -> tuple[Measure, ...]:
    """The metrics with their intervals from the same resamples; one with several values gives several measures."""
    by_name = {", ".join(names): metric for names, metric in metrics.items()}
    resampled = resampled_values(by_name, patients, seed, draws, progress)
    found = []
    for names, metric in metrics.items():
        low, high = (np.atleast_1d(bound) for bound in bounds(resampled[", ".join(names)]))
        values = np.atleast_1d(of_whole(metric, len(patients)))
        for name, *numbers in zip(names, values.tolist(), low.tolist(), high.tolist(), strict=True):
            found.append(Measure(name, Estimate(*numbers)))
    return tuple(found)


def _recall_rates(cases: TaskCases, seed: int, draws: int) -> list[RateRow]:
    """The rates where a share of the exams is called back, or of the women where cases are women."""
    exams = at_level(cases, CaseLevel.EXAM)
    positives = int(exams.positive.sum())
    return [
        RateRow(
            f"at most {100 * point.rate:g} % called back", point.threshold, exams.level, len(exams), positives,
            point.rates,
        )
        for point in recall_rate_points(
            exams.labels, exams.scores[:, 0], exams.patients, RECALL_RATES, seed, draws
        )
    ]  # fmt: skip


def _chosen_thresholds(
    cases: TaskCases, validation: list[TaskCases], seed: int, draws: int, notes: list[str]
) -> list[RateRow]:
    """The rates at thresholds that were chosen on the validation cases; `notes` gets why there are none."""
    if not validation:
        notes.append("There are no validation cases, so no threshold was chosen.")
        return []
    (chosen_on,) = validation
    if chosen_on.level is not cases.level:
        notes.append(
            f"A validation case is {_one(chosen_on.level)} and a test case {_one(cases.level)}, so no threshold was "
            "chosen."
        )
        return []
    held_out = HeldOutCases(cases.labels, cases.scores[:, 0], cases.patients)
    found = []
    for goal in GOALS:
        try:
            threshold = choose_threshold(
                ValidationCases(chosen_on.labels, chosen_on.scores[:, 0], chosen_on.patients), goal
            )
        except ValueError as error:
            notes.append(f"{str(error)[:1].upper()}{str(error)[1:]}.")
            continue
        rates = apply_threshold(threshold, held_out, seed, draws)
        positives = int(cases.positive.sum())
        found.append(RateRow(str(goal), threshold.value, cases.level, len(cases), positives, rates))
    return found


def _one(level: CaseLevel) -> str:
    return f"{'an' if level is CaseLevel.EXAM else 'a'} {level.value}"


def _curves(cases: TaskCases, seed: int, draws: int) -> dict[str, Curve]:
    labels, scores, patients = cases.labels, cases.scores[:, 0], cases.patients
    found = {
        "ROC": roc_band(labels, scores, patients, seed, draws),
        "precision-recall": precision_band(labels, scores, patients, seed, draws),
    }
    if are_probabilities(scores):
        every = np.ones(len(cases))
        found["calibration"] = reliability_band(labels, scores, patients, REPORT_BINS, seed, draws)
        found["net benefit"] = net_benefit_band(labels, scores, patients, THRESHOLDS, seed, draws)
        found["net benefit of calling all"] = net_benefit_band(labels, every, patients, THRESHOLDS, seed, draws)
    return found


def _confusion(cases: TaskCases) -> Confusion | None:
    if cases.task.kind is not Kind.MULTICLASS:
        return None
    counts = confusion_matrix(cases.labels, cases.scores.argmax(1), len(cases.task.classes))
    return Confusion(cases.task.classes, tuple(map(tuple, counts.tolist())))


def _comparison(first: TaskCases, second: TaskCases, seed: int, draws: int, progress: Progress) -> ModelComparison:
    """The difference of two models on the cases that both answered and that have one label."""
    row_of = {key: row for row, key in enumerate(second.keys)}
    rows = [(row, row_of[key]) for row, key in enumerate(first.keys) if key in row_of]
    rows = [(a, b) for a, b in rows if np.array_equal(first.labels[a], second.labels[b])]
    a, b = (cases.chosen(np.array([pair[side] for pair in rows], int)) for side, cases in enumerate((first, second)))
    task, metric = a.task, MAIN_METRIC[a.task.kind]
    of_a, of_b = (weighted_main_metric(task, cases.labels, cases.scores) for cases in (a, b))
    found = intervals({metric: difference(of_a, of_b)}, a.patients, seed, draws, progress)[metric]
    delong_p = None
    if task.kind is Kind.BINARY and a.one_case_a_patient and len(a):
        delong_p = none_if_nan(delong(a.labels, a.scores[:, 0], b.scores[:, 0])[1])
    return ModelComparison(
        task.name, task.title, first.model, second.model, metric, a.level, len(a),
        len({*first.keys, *second.keys}) - len(a), found, delong_p,
    )  # fmt: skip
