"""Scores of a site become probabilities there: the methods, their choice, what is refused, and the figures after it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mvmlm.site import estimates, recalibration
from mvmlm.site.before_after import BeforeAfter, before_and_after, calibration_figures
from mvmlm.site.cases import FOLDS, LabelledScores, Source, TooFewCases, folds_of_patients
from mvmlm.site.logistic import PENALTY, fit_logistic, fit_nonnegative, logit, sigmoid
from mvmlm.site.recalibration import Calibration, allowed_methods, cross_fitted, recalibrate
from mvmlm.site.score_curve import Method, ScoreCurve, fit_curve

SOURCE = Source("demo", "sha256 of the weights", "malignancy")


def site(n=600, slope=0.5, shift=1.0, seed=0, breasts=2):
    """Cases whose true log odds are known; the model's are `slope` times that plus `shift`."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1.5, 1.5, n)
    labels = rng.random(n) < sigmoid(odds)
    return LabelledScores(sigmoid(slope * odds + shift), labels, np.arange(n) // breasts)


@pytest.fixture(scope="module")
def sklearn_logistic():
    from sklearn.linear_model import LogisticRegression

    def fit(features, labels, weights=None, penalty=0.0):
        model = LogisticRegression(C=1 / penalty if penalty else np.inf, tol=1e-10, max_iter=10_000)
        model.fit(features, labels, sample_weight=weights)
        return np.r_[model.intercept_, model.coef_[0]]

    return fit


def test_platt_is_the_logistic_regression_of_scikit_learn_on_the_logit(sklearn_logistic):
    cases = site()
    odds = logit(cases.scores)[:, None]
    found = fit_curve(Method.PLATT, cases.scores, cases.labels).parameters
    assert found == pytest.approx(sklearn_logistic(odds, cases.labels), rel=1e-3), "without penalty"
    assert found == pytest.approx(sklearn_logistic(odds, cases.labels, penalty=PENALTY), rel=1e-5)


def test_weighted_fit_is_that_of_scikit_learn(sklearn_logistic):
    rng = np.random.default_rng(1)
    features, weights = rng.normal(size=(200, 3)), rng.random(200) * 3
    labels = rng.random(200) < sigmoid(features @ [1.0, -2.0, 0.5] - 1)
    expected = sklearn_logistic(features, labels, weights, penalty=PENALTY)
    assert fit_logistic(features, labels, weights=weights) == pytest.approx(expected, abs=1e-5)


def test_beta_calibration_is_the_logistic_regression_on_both_logarithms_where_both_coefficients_are_positive(
    sklearn_logistic,
):
    cases = site()
    features = np.column_stack([np.log(cases.scores), -np.log(1 - cases.scores)])
    expected = sklearn_logistic(features, cases.labels, penalty=PENALTY)
    assert (expected[1:] > 0).all()
    assert fit_curve(Method.BETA, cases.scores, cases.labels).parameters == pytest.approx(expected, rel=1e-4)


def test_beta_calibration_refits_without_a_coefficient_that_would_be_negative(sklearn_logistic):
    """Kull, Silva Filho and Flach, section 4: a negative coefficient becomes 0 and the other is fitted again."""
    rng = np.random.default_rng(3)
    scores = rng.random(500)
    labels = rng.random(500) < 0.2 + 0.6 * (scores > 0.7) + 0.1 * (scores < 0.2)
    features = np.column_stack([np.log(scores), -np.log(1 - scores)])
    free = sklearn_logistic(features, labels)
    assert free[1] < 0 < free[2]
    intercept, a, b = fit_curve(Method.BETA, scores, labels).parameters
    assert a == 0
    assert [intercept, b] == pytest.approx(sklearn_logistic(features[:, 1:], labels, penalty=PENALTY), rel=1e-4)


def test_beta_calibration_of_one_one_and_zero_changes_nothing():
    scores = np.linspace(0.001, 0.999, 99)
    assert ScoreCurve(Method.BETA, (0.0, 1.0, 1.0)).apply(scores) == pytest.approx(scores)
    assert ScoreCurve(Method.PLATT, (0.0, 1.0)).apply(scores) == pytest.approx(scores)
    assert ScoreCurve(Method.SHIFT, (0.0,)).apply(scores) == pytest.approx(scores)


def test_isotonic_is_that_of_scikit_learn_between_and_at_equal_scores_too():
    from sklearn.isotonic import IsotonicRegression

    rng = np.random.default_rng(4)
    scores = np.round(rng.random(400), 2)  # many are equal
    labels = (rng.random(400) < scores**2).astype(float)
    asked = np.linspace(0, 1, 1_001)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(scores, labels)
    steps = np.clip(theirs.y_thresholds_, 1 / 402, 1 - 1 / 402)  # no probability that 400 cases cannot show
    assert steps.min() > theirs.y_thresholds_.min() == 0
    expected = np.interp(asked, theirs.X_thresholds_, steps)
    assert fit_curve(Method.ISOTONIC, scores, labels).apply(asked) == pytest.approx(expected)


def test_isotonic_without_steps_of_0_and_1_is_exactly_that_of_scikit_learn():
    from sklearn.isotonic import IsotonicRegression

    scores = np.array([0.1, 0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.5, 0.7, 0.7])
    labels = np.array([1, 0, 0, 1, 0, 1, 0, 1, 1, 0.0])
    asked = np.linspace(0, 1, 101)
    expected = IsotonicRegression(out_of_bounds="clip").fit(scores, labels).predict(asked)
    assert fit_curve(Method.ISOTONIC, scores, labels).apply(asked) == pytest.approx(expected)


def test_shift_makes_the_probabilities_add_up_to_the_positives():
    cases = site(slope=1.0, shift=2.0)
    curve = fit_curve(Method.SHIFT, cases.scores, cases.labels)
    assert curve.apply(cases.scores).sum() == pytest.approx(cases.labels.sum())
    assert curve.parameters[0] == pytest.approx(-2.0, abs=0.3)


@pytest.mark.parametrize("method", Method)
@pytest.mark.parametrize("seed", range(5))
def test_every_curve_is_monotone_finite_and_away_from_0_and_1(method, seed):
    rng = np.random.default_rng(seed)
    scores = rng.random(60) ** rng.integers(1, 5)
    labels = (rng.random(60) < (scores if seed % 2 else 1 - scores)).astype(float)  # also a score that is upside down
    labels[:2] = 0, 1
    asked = np.concatenate([[0.0], np.sort(rng.random(500)), [1.0]])
    found = fit_curve(method, scores, labels).apply(asked)
    assert np.isfinite(found).all() and (found > 0).all() and (found < 1).all()
    assert (np.diff(found) >= 0).all()


@pytest.mark.parametrize("method", Method)
def test_classes_that_the_score_separates_give_finite_parameters(method):
    scores = np.linspace(0.01, 0.99, 60)
    found = fit_curve(method, scores, (scores > 0.5).astype(float)).apply(np.array([0.0, 0.4, 0.6, 1.0]))
    assert (np.diff(found) >= 0).all() and found[0] < 0.05 and found[-1] > 0.95 and found.min() > 0 and found.max() < 1


def test_nonnegative_fit_is_the_best_of_all_that_keep_the_bounds():
    from scipy.optimize import minimize

    rng = np.random.default_rng(5)
    for _ in range(10):
        features = rng.normal(size=(80, 2))
        labels = (rng.random(80) < sigmoid(features @ rng.normal(size=2))).astype(float)
        labels[:2] = 0, 1

        def loss(p, features=features, labels=labels):
            linear = p[0] + features @ p[1:]
            return np.sum(np.logaddexp(0, linear) - labels * linear) + PENALTY / 2 * p[1:] @ p[1:]

        best = minimize(loss, np.zeros(3), bounds=[(None, None), (0, None), (0, None)], tol=1e-12)
        assert fit_nonnegative(features, labels) == pytest.approx(best.x, abs=1e-3)


def test_which_methods_are_allowed_depends_on_the_rarer_class():
    assert allowed_methods(9, 1000) == () == allowed_methods(1000, 9)
    assert allowed_methods(10, 1000) == (Method.SHIFT,)
    assert allowed_methods(20, 30) == (Method.SHIFT, Method.PLATT)
    assert allowed_methods(30, 900) == (Method.SHIFT, Method.PLATT, Method.BETA)
    assert Method.ISOTONIC not in allowed_methods(99, 5000)
    assert Method.ISOTONIC not in allowed_methods(100, 899)
    assert Method.ISOTONIC in allowed_methods(100, 900)


def few(positives, negatives, women=None):
    n = positives + negatives
    labels = np.r_[np.ones(positives), np.zeros(negatives)]
    return LabelledScores(np.linspace(0.1, 0.9, n), labels, np.arange(n) % (women or n))


@pytest.mark.parametrize(
    "cases, message",
    [
        (few(7, 200), "too few cases: 7 positives, at least 10 are needed"),
        (few(50, 3), "too few cases: 3 negatives, at least 10 are needed"),
        (few(12, 12, women=4), "too few cases: the positives are of 4 women, at least 5 are needed"),
        (few(0, 0), "too few cases: 0 positives, at least 10 are needed"),
    ],
)
@pytest.mark.parametrize("function", [lambda cases: recalibrate(cases, SOURCE), before_and_after])
def test_too_few_cases_are_refused_with_their_number(cases, message, function):
    with pytest.raises(TooFewCases) as raised:
        function(cases)
    assert str(raised.value) == message


def test_unknown_labels_are_left_out():
    known = site(200)
    labels = np.r_[known.labels, np.full(50, np.nan)]
    more = LabelledScores(np.r_[known.scores, np.full(50, 0.999)], labels, np.r_[known.patients, np.arange(50) + 1000])
    assert recalibrate(more, SOURCE) == recalibrate(known, SOURCE)


def test_cases_of_a_patient_are_always_in_one_fold_and_both_classes_in_each():
    rng = np.random.default_rng(6)
    for seed in range(20):
        patients, positive = rng.integers(0, 60, 200), rng.random(200) < 0.15
        folds = folds_of_patients(patients, positive, seed)
        for patient in np.unique(patients):
            assert len(set(folds[patients == patient])) == 1
        assert set(folds[positive]) == set(range(FOLDS)) == set(folds[~positive])


def test_the_fewest_women_leave_both_classes_in_every_training_set():
    """Five women with negatives among many with positives only: no training set may lack the negatives."""
    patients = np.r_[np.arange(100), np.arange(95, 105)]
    positive = np.r_[np.ones(100, bool), np.zeros(10, bool)]
    for seed in range(30):
        folds = folds_of_patients(patients, positive, seed)
        assert all((~positive[folds != fold]).sum() >= 8 for fold in range(FOLDS))


def test_a_shift_is_chosen_where_only_the_prevalence_differs():
    chosen = [recalibrate(site(1500, 1.0, 1.5, seed), SOURCE).curve.method for seed in range(10)]
    assert chosen.count(Method.SHIFT) >= 8


def test_a_slope_is_chosen_where_the_model_is_too_sure():
    assert all(recalibrate(site(1500, 3.0, 0.0, seed), SOURCE).curve.method is Method.PLATT for seed in range(5))


def test_isotonic_is_chosen_where_the_relation_has_a_step():
    rng = np.random.default_rng(7)
    scores = rng.random(4000)
    labels = rng.random(4000) < np.select([scores < 0.4, scores < 0.6], [0.05, 0.5], 0.55)
    assert recalibrate(LabelledScores(scores, labels, np.arange(4000)), SOURCE).curve.method is Method.ISOTONIC


def test_a_calibration_knows_what_it_was_learned_from_and_flags_other_scores():
    cases = site()
    found = recalibrate(cases, SOURCE)
    assert (found.source, found.cases, found.positives, found.patients) == (SOURCE, 600, cases.labels.sum(), 300)
    inside = np.array([cases.scores.min(), cases.scores.max()])
    assert found.outside(inside).tolist() == [False, False]
    assert found.outside(np.array([0.0, 1.0])).tolist() == [True, True]
    assert [loss.method for loss in found.compared] == [Method.SHIFT, Method.PLATT, Method.BETA]
    assert all(0 < loss.log_loss < 1 for loss in found.compared)


@pytest.mark.parametrize("scores", [[0.5, np.nan], [1.01], [-0.1], [np.inf]])
def test_a_score_out_of_range_is_refused(scores):
    with pytest.raises(ValueError, match="scores: a value is not in 0..1"):
        recalibrate(site(), SOURCE).apply(np.array(scores))
    with pytest.raises(ValueError, match="scores: a value is not in 0..1"):
        LabelledScores(scores, np.zeros(len(scores)), np.arange(len(scores)))


def test_cases_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="different lengths: scores 2, labels 1, patients 2"):
        LabelledScores([0.1, 0.2], [1], [1, 2])
    with pytest.raises(ValueError, match="labels: a value is neither 0 nor 1"):
        LabelledScores([0.1, 0.2], [1, 2], [1, 2])


@pytest.mark.parametrize("method", Method)
def test_json_gives_back_the_same_calibration(method):
    cases = site(2000)
    found = replace(recalibrate(cases, SOURCE), curve=fit_curve(method, cases.scores, cases.labels))
    again = Calibration.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert again.apply(cases.scores).tolist() == found.apply(cases.scores).tolist()


def changed(place, value):
    def change(data):
        *path, last = place.split(".")
        for name in path:
            data = data[int(name) if name.isdigit() else name]
        data[last] = value

    return change


@pytest.mark.parametrize(
    "change, problem",
    [
        (changed("curve.method", "spline"), "curve.method"),
        (changed("curve.parameters", [0.1, -0.5]), "negative or not finite"),
        (changed("curve.parameters", [0.1]), "1 numbers, platt has 2"),
        (changed("curve.parameters", [0.1, "2"]), "curve.parameters.1"),
        (changed("curve.parameters", [0.1, float("nan")]), "curve.parameters.1"),
        (changed("curve.knots", [[0.1, 0.2]]), "only isotonic has them"),
        (changed("cases", -1), "cases"),
        (changed("cases", 3), "fewer than the positives"),
        (changed("cases", 600.5), "cases"),
        (changed("lowest", 0.99999), "above highest"),
        (changed("highest", 1.5), "highest"),
        (changed("source.weights", ""), "source.weights"),
        (changed("compared", []), "compared"),
        (changed("surplus", 1), "surplus"),
        (lambda data: data.pop("source"), "source"),
    ],
)
def test_json_that_is_wrong_is_refused_with_the_place(change, problem):
    data = recalibrate(site(), SOURCE).to_json()
    change(data)
    with pytest.raises(ValueError, match=r"^calibration: ") as raised:
        Calibration.from_json(data)
    assert problem in str(raised.value)


@pytest.mark.parametrize("data", [None, [], "text", 5, {"a": object()}])
def test_json_of_something_else_is_refused(data):
    with pytest.raises(ValueError, match=r"^calibration: "):
        Calibration.from_json(data)


@pytest.mark.parametrize("knots", [[[0.2, 0.1], [0.1, 0.2]], [[0.1, 0.2], [0.2, 0.1]], []])
def test_knots_that_are_no_rising_curve_are_refused(knots):
    with pytest.raises(ValueError, match="knots"):
        ScoreCurve(Method.ISOTONIC, knots=tuple(map(tuple, knots)))


def test_a_cross_fitted_probability_does_not_depend_on_the_labels_of_its_woman(monkeypatch):
    """Her labels are turned around, within the folds that they had: her own probabilities stay."""
    cases = site(300, breasts=3)
    fixed = cases.folds(0)
    monkeypatch.setattr(recalibration.LabelledScores, "folds", lambda self, seed: fixed[: len(self)])
    before = cross_fitted(cases)
    hers = cases.patients == 17
    turned = LabelledScores(cases.scores, np.where(hers, 1 - cases.labels, cases.labels), cases.patients)
    after = cross_fitted(turned)
    assert before[hers].tolist() == after[hers].tolist()
    assert before[fixed != fixed[hers][0]].tolist() != after[fixed != fixed[hers][0]].tolist()


def test_the_figures_are_those_of_scikit_learn(sklearn_logistic):
    from sklearn.metrics import brier_score_loss, log_loss

    cases = site()
    brier, loss, _, slope, intercept = calibration_figures(cases.labels, cases.scores)
    assert brier == pytest.approx(brier_score_loss(cases.labels, cases.scores))
    assert loss == pytest.approx(log_loss(cases.labels, cases.scores))
    assert slope == pytest.approx(sklearn_logistic(logit(cases.scores)[:, None], cases.labels)[1], rel=1e-3)
    assert sigmoid(logit(cases.scores) + intercept).sum() == pytest.approx(cases.labels.sum())


def test_figures_without_both_classes_or_with_one_probability_are_undefined_where_they_must_be():
    assert np.isnan(calibration_figures(np.ones(20), np.full(20, 0.7))[3:]).all()
    figures = calibration_figures(np.r_[np.ones(5), np.zeros(15)], np.full(20, 0.25))
    assert np.isnan(figures[3]) and figures[4] == pytest.approx(0, abs=1e-6)


def test_recalibration_mends_a_model_that_is_off_and_says_by_how_much(monkeypatch):
    monkeypatch.setattr(estimates, "RESAMPLES", 300)
    found = before_and_after(site(900, slope=2.5, shift=3.0))
    assert found.cases == 900 and found.patients == 450
    assert found.slope.before.high < 0.6 and found.slope.after.low < 1 < found.slope.after.high
    assert found.intercept.before.high < -1 and found.intercept.after.low < 0 < found.intercept.after.high
    for figure in (found.brier, found.log_loss, found.ece):
        assert figure.after.value < figure.before.value and figure.difference.high < 0
        assert figure.before.low < figure.before.value < figure.before.high
        assert figure.difference.value == pytest.approx(figure.after.value - figure.before.value)
    assert BeforeAfter.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_intervals_resample_patients_and_not_cases(monkeypatch):
    """Each case four times is no more knowledge: with one patient for the four the interval stays as wide."""
    monkeypatch.setattr(estimates, "RESAMPLES", 300)
    cases = site(150, breasts=1)
    again = [np.tile(values, 4) for values in (cases.scores, cases.labels)]
    single = before_and_after(cases).brier.before
    repeated = before_and_after(LabelledScores(*again, np.tile(cases.patients, 4))).brier.before
    as_new = before_and_after(LabelledScores(*again, np.arange(600))).brier.before
    assert repeated.high - repeated.low == pytest.approx(single.high - single.low, rel=0.1)
    assert as_new.high - as_new.low < 0.6 * (single.high - single.low)
