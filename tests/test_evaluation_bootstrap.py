"""Intervals resample whole patients, exactly as drawing patients one by one does."""

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from mvmlm.evaluation.bootstrap import (
    array_interval,
    bootstrap_interval,
    bounds,
    difference,
    intervals,
    of_rows,
    resampled_rows,
    resampled_values,
    resampled_weights,
)
from mvmlm.evaluation.curves import net_benefit_band, precision_band, reliability_band, roc_band
from mvmlm.evaluation.discrimination import auc, average_precision, weighted_auc, weighted_average_precision


@pytest.fixture(scope="module")
def breasts():
    """Labels, two models' scores and the patients of 120 breasts; some patients have one breast, some three."""
    rng = np.random.default_rng(7)
    patients = np.array([f"p{number}" for number in rng.integers(0, 60, 120)])
    labels = (rng.random(120) < 0.3).astype(float)
    good, fair = (labels * gain + rng.normal(0, 1, 120) for gain in (1.5, 0.7))
    return labels, np.round(good, 1), np.round(fair, 1), patients


def rows_drawn_patient_by_patient(patients, seed, draws):
    """The textbook way, with the same stream of random numbers."""
    rows_of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    rng = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.concatenate([rows_of[index] for index in rng.integers(0, len(rows_of), len(rows_of))])


def test_weights_are_whole_patients_drawn_with_replacement(breasts, monkeypatch):
    patients = breasts[3]
    monkeypatch.setattr("mvmlm.evaluation.bootstrap.BLOCK_VALUES", 700)  # blocks of five resamples
    weights = np.concatenate(list(resampled_weights(patients, 3, 23)))
    assert weights.shape == (23, 120)
    for drawn, row in zip(rows_drawn_patient_by_patient(patients, 3, 23), weights, strict=True):
        assert (np.bincount(drawn, minlength=120) == row).all()
    for drawn, row in zip(resampled_rows(patients, 3, 23), weights, strict=True):
        assert (np.bincount(drawn, minlength=120) == row).all()


def test_interval_is_that_of_patients_drawn_one_by_one(breasts):
    labels, good, _, patients = breasts
    drawn = [auc(labels[rows], good[rows]) for rows in rows_drawn_patient_by_patient(patients, 1, 300)]
    found = intervals({"AUC": weighted_auc(labels, good)}, patients, 1, 300)["AUC"]
    assert found == pytest.approx((auc(labels, good), *np.percentile(drawn, (2.5, 97.5))))


def test_interval_of_single_cases_is_that_of_scipy():
    values = np.random.default_rng(0).normal(size=80)
    ours = array_interval(lambda weights: weights @ values / weights.sum(1), np.arange(80), 0, 4000)
    expected = scipy_bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert [float(bound) for bound in ours[1:]] == pytest.approx([expected.low, expected.high], abs=0.015)


def test_a_metric_of_rows_and_its_weights_have_the_same_interval(breasts):
    labels, good, _, patients = breasts
    for metric, weighted in ((auc, weighted_auc), (average_precision, weighted_average_precision)):
        slow = of_rows(lambda rows, metric=metric: metric(labels[rows], good[rows]))
        found = intervals({"slow": slow, "quick": weighted(labels, good)}, patients, 2, 60)
        assert found["slow"] == pytest.approx(found["quick"])


def test_difference_of_two_models_comes_from_the_same_resamples(breasts):
    labels, good, fair, patients = breasts
    better, worse = weighted_auc(labels, good), weighted_auc(labels, fair)
    values = resampled_values({"a": better, "b": worse, "a - b": difference(better, worse)}, patients, 5, 400)
    assert values["a - b"] == pytest.approx(values["a"] - values["b"])
    paired = intervals({"difference": difference(better, better)}, patients, 5, 100)["difference"]
    assert paired == (0, 0, 0), "a model does not differ from itself in any resample"


def test_copies_of_a_patients_rows_do_not_narrow_the_interval(breasts):
    labels, good, _, _ = breasts
    each = np.arange(len(labels))
    single = intervals({"AUC": weighted_auc(labels, good)}, each, 1, 200)["AUC"]
    twice = intervals({"AUC": weighted_auc(np.repeat(labels, 2), np.repeat(good, 2))}, np.repeat(each, 2), 1, 200)[
        "AUC"
    ]
    assert single == pytest.approx(twice)


def test_progress_rises_to_one_and_what_it_raises_ends_the_work(breasts, monkeypatch):
    labels, good, _, patients = breasts
    monkeypatch.setattr("mvmlm.evaluation.bootstrap.BLOCK_VALUES", 1200)
    shares = []
    resampled_values({"AUC": weighted_auc(labels, good)}, patients, 0, 35, shares.append)
    assert shares == pytest.approx([10 / 35, 20 / 35, 30 / 35, 1])

    def stop(share):
        shares.append(share)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resampled_values({"AUC": weighted_auc(labels, good)}, patients, 0, 35, stop)
    assert len(shares) == 5


def test_undefined_resamples_are_left_out_and_none_is_no_interval():
    low, high = bounds(np.array([[np.nan, 1.0], [np.nan, 2.0], [np.nan, np.nan]]))
    assert np.isnan(low[0]) and np.isnan(high[0]) and 1 <= low[1] < high[1] <= 2
    assert np.isnan(bootstrap_interval(lambda rows: float("nan"), np.arange(3), 0)).all()
    assert np.isnan(intervals({"AUC": weighted_auc([], [])}, np.array([]), 0)["AUC"]).all()


def test_bands_hold_their_curves(breasts):
    labels, good, _, patients = breasts
    probabilities = 1 / (1 + np.exp(1 - good))
    thresholds = np.array([0.1, 0.3])
    curves = {
        "roc": roc_band(labels, good, patients, 1),
        "precision": precision_band(labels, good, patients, 1, 200),
        "reliability": reliability_band(labels, probabilities, patients, 5, 1, 200),
        "net benefit": net_benefit_band(labels, probabilities, patients, thresholds, 1, 200),
    }
    for name, curve in curves.items():
        low, y, high = (np.array(curve[part]) for part in ("low", "y", "high"))
        assert len(y) == len(curve["x"]) and (low <= high).all(), name
        assert ((low <= y + 1e-9) & (y <= high + 1e-9)).mean() > 0.9, name
    assert roc_band(np.ones(4), np.arange(4.0), np.arange(4), 1) == {}


def test_precision_is_read_at_the_highest_threshold_that_reaches_a_sensitivity():
    labels, scores = np.array([1, 0, 1, 0, 0]), np.array([5.0, 4, 3, 2, 1])
    curve = precision_band(labels, scores, np.arange(5), 0, 20)
    at = dict(zip(np.round(curve["x"], 2), curve["y"], strict=True))
    assert at[0.5] == 1 and at[0.52] == pytest.approx(2 / 3) and at[1.0] == pytest.approx(2 / 3)
