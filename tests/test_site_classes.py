"""Class probabilities such as those of density become those of the site."""

import json

import numpy as np
import pytest

from mvmlm.site.cases import LabelledClasses, Source, TooFewCases
from mvmlm.site.class_calibration import (
    ClassCalibration,
    ClassesBeforeAfter,
    ClassMethod,
    classes_before_after,
    recalibrate_classes,
)
from mvmlm.site.logistic import PENALTY

SOURCE = Source("demo", "sha256 of the weights", "density")


def site(n=800, scale=1.0, shifts=(0, 0, 0, 0), seed=0):
    """Labels drawn from softmax(scale * log p + shifts), where p are the model's probabilities."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet([0.8, 2.0, 2.0, 0.8], n) * 0.98 + 0.005
    true = np.exp(scale * np.log(probabilities) + np.array(shifts))
    true /= true.sum(1, keepdims=True)
    labels = (rng.random(n)[:, None] > np.cumsum(true, 1)).sum(1).clip(max=3)
    return LabelledClasses(probabilities, labels, np.arange(n) // 2)


def test_a_temperature_is_found_and_is_enough_where_the_classes_are_as_frequent_as_said():
    found = recalibrate_classes(site(scale=0.5), SOURCE)
    assert found.method is ClassMethod.TEMPERATURE and found.shifts == (0, 0, 0, 0)
    assert found.scale == pytest.approx(0.5, abs=0.1)


def test_shifts_are_found_where_a_site_calls_breasts_denser():
    found = recalibrate_classes(site(3000, scale=0.8, shifts=(0, 0.5, 1.5, 2.0)), SOURCE)
    assert found.method is ClassMethod.SHIFTED
    assert found.scale == pytest.approx(0.8, abs=0.1) and found.shifts == pytest.approx((0, 0.5, 1.5, 2.0), abs=0.3)


def test_the_fit_is_the_best_of_a_general_optimiser():
    from scipy.optimize import minimize

    cases = site(2000, scale=0.8, shifts=(0, 0.5, 1.5, 2.0))
    logs = np.log(cases.probabilities)

    def loss(p):
        terms = p[0] * logs + np.r_[0, p[1:]]
        chosen = terms[np.arange(len(cases)), cases.labels]
        return np.sum(np.logaddexp.reduce(terms, axis=1) - chosen) + PENALTY / 2 * p @ p

    best = minimize(loss, np.array([1.0, 0, 0, 0]), tol=1e-12)
    found = recalibrate_classes(cases, SOURCE)
    assert [found.scale, *found.shifts[1:]] == pytest.approx(best.x, abs=1e-3)


def test_probabilities_add_up_to_1_and_keep_the_order_of_a_temperature():
    found = ClassCalibration(SOURCE, ClassMethod.TEMPERATURE, 0.4, (0.0,) * 4, (20,) * 4, 40)
    probabilities = np.array([[0.7, 0.2, 0.1, 0.0], [0.25, 0.25, 0.25, 0.25]])
    after = found.apply(probabilities)
    assert after.sum(1) == pytest.approx([1, 1]) and (np.diff(after[0]) < 0).all() and after[0, 0] < 0.7
    assert after[1] == pytest.approx([0.25] * 4)
    assert found.apply(probabilities[0]).tolist() == after[0].tolist()


def test_a_model_that_is_upside_down_gets_no_negative_scale():
    found = recalibrate_classes(site(800, scale=-1.0), SOURCE)
    assert found.scale == 0
    assert found.apply(np.array([0.9, 0.1, 0, 0])).tolist() == found.apply(np.array([0, 0, 0.1, 0.9])).tolist()


def test_classes_that_are_separated_and_a_class_that_is_missing_give_finite_numbers():
    cases = site(200)
    perfect = LabelledClasses(np.eye(4)[cases.labels], cases.labels, cases.patients)
    assert np.isfinite(recalibrate_classes(perfect, SOURCE).apply(np.eye(4))).all()
    without_d = cases.rows(cases.labels < 3)
    found = recalibrate_classes(without_d, SOURCE)
    assert found.method is ClassMethod.TEMPERATURE and found.cases[3] == 0


def test_too_few_cases_are_refused():
    with pytest.raises(TooFewCases, match="too few cases: 30, at least 40 are needed for 4 classes"):
        recalibrate_classes(site(30), SOURCE)
    few_women = site(60)
    with pytest.raises(TooFewCases, match="they are of 4 women, at least 5 are needed"):
        recalibrate_classes(LabelledClasses(few_women.probabilities, few_women.labels, np.arange(60) % 4), SOURCE)


def test_cases_and_json_that_are_wrong_are_refused():
    with pytest.raises(ValueError, match="labels: a value is no index of the 4 classes"):
        LabelledClasses(np.full((2, 4), 0.25), [0, 4], [1, 2])
    with pytest.raises(ValueError, match="probabilities: a value is not in 0..1"):
        LabelledClasses(np.full((2, 4), np.nan), [0, 1], [1, 2])
    found = recalibrate_classes(site(), SOURCE)
    assert ClassCalibration.from_json(json.loads(json.dumps(found.to_json()))) == found
    for key, value in (("scale", -1), ("shifts", [0, 0]), ("shifts", [1, 0, 0, 0]), ("method", "vector"), ("extra", 1)):
        with pytest.raises(ValueError, match="^class calibration: "):
            ClassCalibration.from_json(found.to_json() | {key: value})
    with pytest.raises(ValueError, match="Give the 4 classes"):
        found.apply(np.full((2, 3), 1 / 3))


def test_before_and_after_are_of_calibrations_that_did_not_see_the_woman():
    rng = np.random.default_rng(3)
    true = rng.dirichlet([2, 3, 3, 2], 400)
    labels = np.array([rng.choice(4, p=row) for row in true])
    sharp = true**3 / (true**3).sum(1, keepdims=True)
    women = np.repeat(np.arange(200), 2)
    change = classes_before_after(LabelledClasses(sharp, labels, women), 1)
    assert change.log_loss.after.value < change.log_loss.before.value - 0.05
    assert change.brier.difference.high < 0 and (change.cases, change.patients) == (400, 200)
    assert change.accuracy.before.value == pytest.approx((sharp.argmax(1) == labels).mean())
    assert change.log_loss.before.value == pytest.approx(-np.log(sharp[np.arange(400), labels]).mean())
    assert ClassesBeforeAfter.from_json(change.to_json()) == change
    alone = rng.permutation(labels)  # nothing to learn but the shares of the classes
    nothing = classes_before_after(LabelledClasses(np.full((400, 4), 0.25), alone, women), 1)
    assert nothing.log_loss.after.value >= -np.log(0.25) - 0.1
