import numpy as np
import pytest

from mvmlm.evaluation.bootstrap import bootstrap_interval
from mvmlm.evaluation.metrics import auc, auc_by_year, concordance, kappa, macro_auc
from mvmlm.evaluation.report import evaluate, markdown_table
from mvmlm.phantom import phantom_exams
from mvmlm.phantom.truth import truth_rows


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


def test_kappa_is_one_for_agreement_and_nothing_for_chance():
    levels = np.array([0, 1, 2, 3] * 5)
    assert kappa(levels, levels, 4) == 1 and kappa(levels, levels[::-1], 4) == pytest.approx(-1)
    assert kappa([0, 0, 1, 1], [0, 1, 0, 1], 2) == pytest.approx(0)
    assert kappa([0, 1, 2], [0, 1, 1], 3) > kappa([0, 1, 2], [2, 1, 2], 3), "two levels off weighs more than one"
    assert kappa([0, 1, 2], [0, 1, 1], 3, ordered=False) == kappa([0, 1, 2], [0, 1, 0], 3, ordered=False), (
        "classes of no scale are alike or not"
    )


def test_a_year_counts_only_women_for_whom_it_is_known():
    years, events, scores = [1.5, 0.5, 4.0, 4.0], [1, 0, 0, 1], [0.9, 1.0, 0.1, 0.2]
    assert auc_by_year(years, events, scores, 2) == 1, "the woman lost after half a year is left out"
    assert auc_by_year(years, events, scores, 4) == 1 and np.isnan(auc_by_year(years, events, scores, 1))


def test_intervals_resample_whole_exams():
    values = np.repeat([0.0, 1.0], 50)
    value, low, high = bootstrap_interval(lambda rows: values[rows].mean(), np.repeat([1, 2], 50), seed=0)
    assert value == 0.5 and (low, high) == (0, 1), "with two exams the interval is as wide as it can be"


def test_the_table_has_a_line_for_every_task(predictor):
    pairs = [(predictor.predict(p.exam), truth_rows(p)) for p in phantom_exams(6, seed=61, rows=192)]
    results = evaluate(pairs)
    assert {(r.task, r.by) for r in results} >= {("density", "head"), ("birads", "prompt")}
    text = markdown_table(results)
    assert "95 % interval" in text and len(text.splitlines()) == len(results) + 2
