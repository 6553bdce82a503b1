"""Thresholds come from validation cases, and recall rates call the highest scores back, equal scores together."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as sklearn_confusion

from mvmlm.evaluation.cases import CaseKey, TaskCases
from mvmlm.evaluation.operating_points import (
    Goal,
    HeldOutCases,
    ValidationCases,
    apply_threshold,
    choose_threshold,
    recall_rate_points,
    recall_threshold,
    weighted_at_recall_rates,
)
from mvmlm.evaluation.subgroups import group_name, subgroup_results
from mvmlm.tasks import TASK


def at_rate(labels, scores, rate):
    (point,) = recall_rate_points(np.array(labels), np.array(scores, float), np.arange(len(labels)), [rate], 0, 20)
    return point.threshold, *(share.value for share in point.rates)


def test_the_highest_scores_are_called_back_up_to_the_rate():
    labels, scores = [1, 1, 0, 1, 0, 0, 0, 0, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]
    assert at_rate(labels, scores, 0.3) == pytest.approx((0.6, 0.3, 2 / 3, 6 / 7, 2 / 3))
    assert at_rate(labels, scores, 0.399) == at_rate(labels, scores, 0.3), "a fourth exam would be too many"
    assert at_rate(labels, scores, 1.0)[:3] == (-np.inf, 1, 1)


def test_equal_scores_are_called_back_together_or_not_at_all():
    labels, scores = [1, 1, 0, 0], [0.9, 0.5, 0.5, 0.1]
    threshold, reached, sensitivity, specificity, ppv = at_rate(labels, scores, 0.5)
    assert (threshold, reached, sensitivity, specificity, ppv) == (0.5, 0.25, 0.5, 1, 1)
    assert at_rate(labels, scores, 0.75) == pytest.approx((0.1, 0.75, 1, 0.5, 2 / 3))
    nobody = at_rate(labels, [0.5] * 4, 0.9)
    assert nobody[1:4] == (0, 0, 1) and np.isnan(nobody[4]), "no call, no predictive value"


def test_the_threshold_of_a_recall_rate_gives_that_rate():
    scores = np.round(np.random.default_rng(0).random(1000), 2)
    for rate in (0.015, 0.024, 0.035, 0.1):
        threshold = recall_threshold(scores, rate)
        assert (scores > threshold).mean() <= rate < (scores >= threshold).mean()


def test_each_resample_has_its_own_threshold():
    labels, scores = np.array([1, 0, 1, 0]), np.array([4.0, 3, 2, 1])
    weights = np.array([[1.0, 1, 1, 1], [0, 2, 1, 1], [3, 0, 1, 0]])
    found = weighted_at_recall_rates(labels, scores, [0.5])(weights)[:, 0]
    expected = [[0.5, 0.5, 0.5, 0.5], [0.5, 0, 1 / 3, 0], [0, 0, np.nan, np.nan]]
    assert found == pytest.approx(np.array(expected), nan_ok=True)


@pytest.fixture(scope="module")
def splits():
    rng = np.random.default_rng(3)
    parts = []
    for start in (0, 500):
        labels = (rng.random(500) < 0.2).astype(int)
        parts.append(
            (labels, np.round(rng.normal(0, 1, 500) + labels, 1), np.array([f"p{start + i}" for i in range(500)]))
        )
    return ValidationCases(*parts[0]), HeldOutCases(*parts[1])


@pytest.mark.parametrize("measure", ["specificity", "sensitivity"])
def test_a_threshold_reaches_its_goal_where_it_was_chosen_and_not_much_more(splits, measure):
    validation, _ = splits
    chosen = choose_threshold(validation, Goal(measure, 0.85))

    def reached(threshold):
        tn, fp, fn, tp = sklearn_confusion(validation.labels, validation.scores > threshold).ravel()
        return tn / (tn + fp) if measure == "specificity" else tp / (tp + fn)

    towards = -0.1 if measure == "specificity" else 0.1
    assert reached(chosen.value) >= 0.85 > reached(chosen.value + towards)


def test_rates_of_the_held_out_cases_are_those_of_scikit_learn(splits):
    validation, held_out = splits
    chosen = choose_threshold(validation, Goal("specificity", 0.9))
    rates = apply_threshold(chosen, held_out, 0, 300)
    tn, fp, fn, tp = sklearn_confusion(held_out.labels, held_out.scores > chosen.value).ravel()
    expected = ((tp + fp) / 500, tp / (tp + fn), tn / (tn + fp), tp / (tp + fp))
    assert [share.value for share in rates] == pytest.approx(expected)
    for share, cases in zip(rates, (500, tp + fn, tn + fp, tp + fp), strict=True):
        wide = 2 * 1.96 * np.sqrt(share.value * (1 - share.value) / cases)
        assert share.high - share.low == pytest.approx(wide, rel=0.25), "the interval of a share of independent cases"


def test_a_threshold_is_not_applied_to_a_patient_on_whom_it_was_chosen(splits):
    validation, held_out = splits
    chosen = choose_threshold(validation, Goal("specificity", 0.9))
    mixed = HeldOutCases(held_out.labels, held_out.scores, np.array(["p7", *held_out.patients[1:]]))
    with pytest.raises(ValueError, match="1 patients are among those on whom the threshold was chosen"):
        apply_threshold(chosen, mixed, 0, 10)


def test_no_threshold_is_chosen_without_the_cases_that_its_goal_counts():
    healthy = ValidationCases(np.zeros(3), np.arange(3.0), np.arange(3))
    with pytest.raises(ValueError, match="no validation case with label 1"):
        choose_threshold(healthy, Goal("sensitivity", 0.9))
    with pytest.raises(ValueError, match="expected specificity or sensitivity"):
        choose_threshold(healthy, Goal("accuracy", 0.9))


@pytest.mark.parametrize("fact", ["age", "lesion_size"])
def test_a_number_that_is_not_finite_is_in_no_group(fact):
    assert {group_name(fact, text) for text in ("nan", "inf", "-inf", "1e400")} == {""}


def test_a_subgroup_that_is_too_small_is_listed_with_the_reason():
    rng = np.random.default_rng(0)
    labels = (np.arange(100) % 4 == 0).astype(int)
    facts = [{"density": "A" if i < 12 else "B" if i < 40 else "C", "age": str(35 + i // 2)} for i in range(100)]
    for i in np.flatnonzero(labels):
        facts[i] |= {"lesion_type": "mass" if i % 8 else "calcification", "lesion_size": str(5 + i // 4)}
    keys = tuple(CaseKey(f"p{i}", f"e{i}") for i in range(100))
    scores = (labels + rng.normal(0, 1, 100))[:, None]
    cases = TaskCases(TASK["malignancy"], "m", "test", keys[0].level, keys, labels, scores, tuple(facts))
    found = {group.name: group for group in subgroup_results(cases, 0, 50)}
    assert found["density: A"].reason == "12 exams, 3 positive: too few" and found["density: A"].estimate is None
    assert found["density: B"].reason == "28 exams, 7 positive: too few"
    assert found["density: C"].estimate.low < found["density: C"].estimate.value and found["density: C"].reason == ""
    assert {name for name in found if name.startswith("age")} == {
        "age: 39 and below", "age: 40 to 49", "age: 50 to 59", "age: 60 to 69", "age: 70 to 79", "age: 80 and over",
    }  # fmt: skip
    mass = found["lesion_type: mass"]
    assert (mass.cases, mass.positives) == (75 + 12, 12), "cases with this lesion beside all without one"
    assert {name for name in found if "size" in name} == {
        "lesion_size: 10 mm and less", "lesion_size: 10+ to 20 mm", "lesion_size: 20+ mm",
    }  # fmt: skip


def test_a_small_group_of_a_task_with_several_classes_is_too_few():
    rng = np.random.default_rng(0)
    keys = tuple(CaseKey(f"p{i}", f"e{i}") for i in range(60))
    facts = tuple({"vendor": "X" if i < 15 else "Y"} for i in range(60))
    labels, scores = rng.integers(0, 4, 60), rng.dirichlet(np.ones(4), 60)
    cases = TaskCases(TASK["density"], "m", "test", keys[0].level, keys, labels, scores, facts)
    small, large = subgroup_results(cases, 0, 20)
    assert (small.name, small.reason, small.estimate) == ("vendor: X", "15 exams: too few", None)
    assert large.name == "vendor: Y" and 0 <= large.estimate.low <= large.estimate.high <= 1
