"""Metrics, their intervals, the comparison of two heads, and the table of an evaluation."""

import itertools
from math import erfc, sqrt

import numpy as np
import pytest

from mvmlm.evaluation import bootstrap
from mvmlm.evaluation.bootstrap import bootstrap_interval
from mvmlm.evaluation.calibration import calibration_curve
from mvmlm.evaluation.compare import compare_heads
from mvmlm.evaluation.curves import roc_band
from mvmlm.evaluation.discrimination import auc, delong, macro_auc
from mvmlm.evaluation.operating_points import operating_point, threshold_at
from mvmlm.evaluation.ordinal import KappaWeights, kappa
from mvmlm.evaluation.report import evaluate, markdown_table
from mvmlm.evaluation.survival import auc_by_year, concordance
from mvmlm.phantom import phantom_exams
from mvmlm.phantom.truth import truth_rows
from mvmlm.tasks import TASK


def test_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    labels, scores = rng.random(60) < 0.4, np.round(rng.random(60), 1)
    pairs = [(a > b) + 0.5 * (a == b) for a in scores[labels] for b in scores[~labels]]
    assert auc(labels, scores) == pytest.approx(np.mean(pairs))
    assert np.isnan(auc([1, 1], [0.2, 0.3]))


def test_macro_auc_skips_classes_that_do_not_occur():
    labels = np.array([0, 0, 1, 1])
    scores = np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.2, 0.8, 0], [0.1, 0.9, 0]])
    assert macro_auc(labels, scores) == 1


def test_concordance_compares_only_pairs_whose_order_is_known():
    years, events = [1, 2, 3, 4], [1, 0, 1, 0]
    assert concordance(years, events, [4, 3, 2, 1]) == 1
    assert concordance(years, events, [1, 0, 2, 3]) == pytest.approx(1 / 4)


def pairs_in_order(years, events, scores):
    """Harrell's index in plain loops, with the rule of scikit-survival for equal times."""
    points, pairs = 0.0, 0
    for i, j in itertools.permutations(range(len(years)), 2):
        if events[i] and (years[i] < years[j] or (years[i] == years[j] and not events[j])):
            pairs += 1
            points += 1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0
    return points / pairs if pairs else float("nan")


def test_concordance_of_equal_times_counts_the_event_as_the_earlier_one():
    years, events, scores = [1.0, 1.0, 1.0, 2.0], [1, 0, 0, 0], [0.5, 0.9, 0.8, 0.1]
    assert concordance(years, events, scores) == pytest.approx(1 / 3)
    assert np.isnan(concordance([1, 1], [1, 1], [0.1, 0.2])), "two events at one time have no order"
    rng = np.random.default_rng(5)
    for _ in range(200):
        years, events = rng.integers(1, 5, 8).astype(float), rng.integers(0, 2, 8)
        scores = rng.integers(0, 4, 8) / 4
        expected = pairs_in_order(years, events, scores)
        assert concordance(years, events, scores) == pytest.approx(expected, nan_ok=True)


def test_concordance_is_that_of_scikit_survival():
    sksurv = pytest.importorskip("sksurv.metrics")
    rng = np.random.default_rng(6)
    for _ in range(100):
        years, events = rng.integers(1, 6, 12).astype(float), rng.integers(0, 2, 12).astype(bool)
        events[years == years.min()] = True
        scores = rng.integers(0, 5, 12) / 5
        if len(set(years)) > 1:
            expected = sksurv.concordance_index_censored(events, years, scores)[0]
            assert concordance(years, events, scores) == pytest.approx(expected)


def test_the_roc_band_is_that_of_resampled_patients():
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 2, 80)
    scores = labels * 0.4 + rng.normal(0, 0.5, 80)
    patients = np.repeat(np.arange(40), 2)
    curve = roc_band(labels, scores, patients, 1)
    low, middle, high = (np.array(curve[name]) for name in ("low", "y", "high"))
    inner = slice(5, 40)
    assert (low <= high).all() and (high - low)[inner].mean() > 0.1, "a band without resampling has no width"
    assert (low[inner] <= middle[inner] + 0.1).all() and (middle[inner] <= high[inner] + 0.1).all()
    single = roc_band(labels, scores, np.arange(80), 1)
    copies = roc_band(np.repeat(labels, 2), np.repeat(scores, 2), np.repeat(np.arange(80), 2), 1)
    assert np.allclose(single["low"], copies["low"]), "copies of a patient's row must not narrow the band"


def test_kappa_is_one_for_agreement_and_zero_for_chance():
    levels, steps, alike = np.array([0, 1, 2, 3] * 5), KappaWeights.QUADRATIC, KappaWeights.NONE
    assert kappa(levels, levels, 4, steps) == 1 and kappa(levels, levels[::-1], 4, steps) == pytest.approx(-1)
    assert kappa([0, 0, 1, 1], [0, 1, 0, 1], 2, steps) == pytest.approx(0)
    assert kappa([0, 1, 2], [0, 1, 1], 3, steps) > kappa([0, 1, 2], [2, 1, 2], 3, steps), "two levels off weighs more"
    assert kappa([0, 1, 2], [0, 1, 1], 3, alike) == kappa([0, 1, 2], [0, 1, 0], 3, alike), "equal or not"
    assert np.isnan(kappa([], [], 3, steps))


def test_auc_by_year_counts_only_women_for_whom_it_is_known():
    years, events, scores = [1.5, 0.5, 4.0, 4.0], [1, 0, 0, 1], [0.9, 1.0, 0.1, 0.2]
    assert auc_by_year(years, events, scores, 2) == 1, "the woman lost after half a year is left out"
    assert auc_by_year(years, events, scores, 4) == 1 and np.isnan(auc_by_year(years, events, scores, 1))


def test_intervals_resample_whole_exams():
    values = np.repeat([0.0, 1.0], 50)
    value, low, high = bootstrap_interval(lambda rows: values[rows].mean(), np.repeat([1, 2], 50), seed=0)
    assert value == 0.5 and (low, high) == (0, 1), "with two exams the interval is as wide as it can be"


def test_delong_agrees_with_resampling():
    rng = np.random.default_rng(5)
    labels = rng.random(300) < 0.4
    a, b = labels + rng.normal(0, 1, 300), labels + rng.normal(0, 1.4, 300)
    difference, p = delong(labels, a, b)
    draws = []
    for _ in range(1500):
        rows = rng.integers(0, 300, 300)
        draws.append(auc(labels[rows], a[rows]) - auc(labels[rows], b[rows]))
    z = difference / np.std(draws)
    assert difference == pytest.approx(auc(labels, a) - auc(labels, b))
    assert p == pytest.approx(erfc(abs(z) / sqrt(2)), abs=0.03)
    assert delong(labels, a, a) == (0.0, 1.0)


@pytest.fixture(scope="module")
def scored():
    """300 test cases of 150 patients: labels, a good head's and a random head's probabilities, patients and facts."""
    rng = np.random.default_rng(0)
    labels = (rng.random(300) < 0.3).astype(np.float32)
    good = (0.5 + 0.4 * (labels - 0.5) + 0.1 * rng.normal(size=300))[:, None]
    patients = np.array([f"p{i // 2}" for i in range(300)])
    facts = tuple({"density": "ABCD"[i % 4], "vendor": "A" if i % 40 else "B"} for i in range(300))
    return labels, good, rng.random((300, 1)), patients, facts


def test_an_equal_head_is_not_shown_to_be_better_and_a_better_one_is(scored):
    labels, good, noise, patients, facts = scored
    equal = compare_heads(TASK["mass"], labels, good, good, patients, facts, 0.5, 1)
    assert equal["verdict"] == "not shown to be better"
    better = compare_heads(TASK["mass"], labels, good, noise, patients, facts, 0.5, 1)
    assert better["verdict"].startswith("better") and better["difference"][1] > 0 and better["delong_p"] < 1e-4
    assert {row["group"] for row in better["groups"]} == {
        "density: A", "density: B", "density: C", "density: D", "vendor: A",
    }, "a group of 8 is reported"  # fmt: skip


def test_fewer_than_thirty_test_cases_have_no_interval_and_no_verdict(scored):
    few, enough = (compare_heads(TASK["mass"], *(values[:count] for values in scored), 0.5, 1) for count in (29, 30))
    assert few["verdict"] == "not shown to be better: 29 test cases are too few, 30 are needed"
    for name in ("new", "old", "difference"):
        value, low, high = few[name]
        assert value is not None and low is high is None and None not in enough[name]
    assert "roc" not in few and "delong_p" not in few and few["operating"] and "roc" in enough
    assert any("too few" in warning for warning in few["warnings"])


@pytest.mark.parametrize("task", ["mass", "density", "risk"])
def test_without_test_cases_no_head_is_shown_to_be_better(task):
    task = TASK[task]
    labels = np.zeros((0, 2) if task.name == "risk" else 0, np.float32)
    nothing = np.zeros((0, len(task.classes)), np.float32)
    found = compare_heads(task, labels, nothing, nothing, np.array([]), (), 0.5, 1)
    assert found["verdict"] == "not shown to be better: 0 test cases are too few, 30 are needed"
    assert found["new"] == [None, None, None] and "Only 0 test cases" in found["warnings"][0]


def test_the_operating_point_keeps_its_specificity_where_it_was_chosen():
    rng = np.random.default_rng(0)
    labels, scores = (rng.random(400) < 0.3).astype(float), rng.random(400)
    scores += labels
    for specificity in (0.5, 0.9, 0.99):
        point = operating_point(labels, scores, threshold_at(labels, scores, specificity))
        assert point["specificity"] >= specificity and sum(point["counts"].values()) == 400


def test_the_calibration_error_is_the_distance_from_what_is_observed():
    labels = (np.random.default_rng(0).random(400) < 0.3).astype(float)
    assert calibration_curve(labels, np.full(400, labels.mean() + 0.1))["error"] == pytest.approx(0.1, abs=0.02)


def test_the_table_has_a_line_for_every_task(small_predictor, monkeypatch):
    monkeypatch.setattr(bootstrap, "RESAMPLES", 50)
    pairs = [(small_predictor.predict(p.exam), truth_rows(p)) for p in phantom_exams(6, seed=61, rows=192)]
    results = evaluate(pairs)
    assert {(r.task, r.by) for r in results} >= {("density", "head"), ("birads", "prompt")}
    text = markdown_table(results)
    assert "95 % interval" in text and len(text.splitlines()) == len(results) + 2
