"""Orders of risk: Harrell's and Uno's C, by pairs, by lifelines and by numbers of scikit-survival."""

import tracemalloc
from math import isnan

import numpy as np
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index

from mvmlm.evaluation.bootstrap import of_rows
from mvmlm.evaluation.survival import (
    auc_by_year,
    concordance,
    uno_concordance,
    weighted_auc_by_year,
    weighted_concordance,
    weighted_uno_concordance,
)

YEARS = np.array([0.5, 1, 1, 1.5, 2, 2, 2, 2.5, 3, 3, 3.5, 4, 4, 4, 4.5, 5, 5, 5, 5, 5])
EVENTS = np.array([1, 0, 1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0, 0, 0])
SCORES = np.array([
    0.9, 0.4, 0.8, 0.35, 0.5, 0.6, 0.3, 0.2, 0.6, 0.6, 0.1, 0.55, 0.3, 0.15, 0.25, 0.2, 0.45, 0.05, 0.5, 0.1,
])  # fmt: skip


def random_women(seed, count=40):
    rng = np.random.default_rng(seed)
    return rng.integers(1, 8, count).astype(float), rng.integers(0, 2, count), rng.integers(0, 9, count) / 9


def test_concordance_is_that_of_lifelines():
    for seed in range(30):
        years, events, scores = random_women(seed)
        assert concordance(years, events, scores) == pytest.approx(concordance_index(years, -scores, events))


def test_concordances_are_those_of_scikit_survival_with_equal_times_and_scores():
    """scikit-survival 0.28.0: concordance_index_censored, and concordance_index_ipcw with the women as both samples."""
    assert concordance(YEARS, EVENTS, SCORES) == pytest.approx(0.8090909090909091)
    for tau, expected in ((2.5, 0.8118190505484594), (4.0, 0.8372844433611794), (4.5, 0.7835849769459516)):
        assert uno_concordance(YEARS, EVENTS, SCORES, tau) == pytest.approx(expected)


def test_uno_concordance_weighs_pairs_by_the_follow_up_of_lifelines():
    rng = np.random.default_rng(3)
    event, end = rng.exponential(5, 50), rng.uniform(0, 8, 50)
    years, events, scores = np.minimum(event, end), event <= end, rng.normal(size=50)
    followed = KaplanMeierFitter().fit(years, ~events)
    weight = 1 / followed.predict(years).to_numpy() ** 2
    pairs = [(i, j) for i in range(50) for j in range(50) if events[i] and years[i] < min(years[j], 4.0)]
    expected = sum(weight[i] * (scores[i] > scores[j]) for i, j in pairs) / sum(weight[i] for i, _ in pairs)
    assert uno_concordance(years, events, scores, 4.0) == pytest.approx(expected)


def test_uno_concordance_without_censoring_is_that_of_harrell():
    years, _, scores = random_women(1)
    every = np.ones(len(years))
    assert uno_concordance(years, every, scores, 100.0) == pytest.approx(concordance(years, every, scores))


def test_uno_concordance_is_undefined_where_nobody_was_followed_beyond_an_event():
    years, events = [1.0, 2.0, 3.0, 3.0], [1, 0, 1, 0]
    assert isnan(uno_concordance(years, events, [4, 3, 2, 1], 3.5)), "the event at 3 is never seen beyond follow-up"
    assert uno_concordance(years, events, [4, 3, 2, 1], 3.0) == 1
    assert isnan(uno_concordance([], [], [], 5.0)) and isnan(concordance([], [], []))


@pytest.mark.parametrize(
    "weighted, plain",
    [
        (weighted_concordance, concordance),
        (lambda y, e, s: weighted_uno_concordance(y, e, s, 5.0), lambda y, e, s: uno_concordance(y, e, s, 5.0)),
        (lambda y, e, s: weighted_auc_by_year(y, e, s, 4), lambda y, e, s: auc_by_year(y, e, s, 4)),
    ],
    ids=["Harrell", "Uno", "AUC of a year"],
)
def test_weight_of_a_woman_is_how_often_she_is_drawn(weighted, plain):
    years, events, scores = random_women(8)
    weights = np.random.default_rng(0).integers(0, 3, (20, len(years))).astype(float)
    expected = of_rows(lambda rows: plain(years[rows], events[rows], scores[rows]))(weights)
    assert weighted(years, events, scores)(weights) == pytest.approx(expected, nan_ok=True)


def test_concordance_of_twenty_thousand_women_does_not_hold_all_pairs():
    rng = np.random.default_rng(0)
    years, events, scores = rng.random(20_000), rng.random(20_000) < 0.05, rng.random(20_000)
    tracemalloc.start()
    value = concordance(years, events, scores)
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert value == pytest.approx(0.5, abs=0.02) and highest < 150 * 2**20, f"{highest >> 20} MB"
