"""Areas, kappa, calibration and net benefit are those of scikit-learn and of published examples."""

import itertools
from math import isnan, log

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import norm
from sklearn import metrics as sklearn_metrics
from sklearn.linear_model import LogisticRegression

from mvmlm.evaluation.bootstrap import of_whole
from mvmlm.evaluation.calibration import brier, calibration_curve, recalibration, scaled_brier, weighted_recalibration
from mvmlm.evaluation.decision_curve import net_benefit
from mvmlm.evaluation.discrimination import (
    auc,
    average_precision,
    delong,
    delong_interval,
    partial_auc,
    weighted_auc,
    weighted_average_precision,
    weighted_macro_auc,
    weighted_partial_auc,
)
from mvmlm.evaluation.ordinal import KappaWeights, confusion_matrix, kappa, weighted_kappa

#: ratings of 109 CT pictures, "definitely normal" to "definitely abnormal" (Hanley and McNeil, 1982, table I)
RATINGS = {0: (33, 6, 6, 11, 2), 1: (3, 2, 2, 11, 33)}


@pytest.fixture(scope="module", params=[1, 8], ids=["ties", "few ties"])
def scored(request):
    """400 labels, their probabilities, and weights 0 to 3 of the cases."""
    rng = np.random.default_rng(request.param)
    labels = rng.random(400) < 0.2
    logits = np.round(rng.normal(-1.5, 1, 400) + 1.2 * labels, request.param)
    return labels.astype(float), 1 / (1 + np.exp(-logits)), rng.integers(0, 4, 400).astype(float)


def ct_ratings():
    labels = np.repeat([0, 1], [sum(RATINGS[0]), sum(RATINGS[1])])
    return labels, np.concatenate([np.repeat(np.arange(5), RATINGS[label]) for label in (0, 1)])


def test_areas_are_those_of_scikit_learn(scored):
    labels, scores, _ = scored
    assert auc(labels, scores) == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores))
    assert average_precision(labels, scores) == pytest.approx(sklearn_metrics.average_precision_score(labels, scores))
    for highest in (0.05, 0.2, 1.0):
        found = partial_auc(labels, scores, highest)
        expected = (
            sklearn_metrics.roc_auc_score(labels, scores, max_fpr=highest) if highest < 1 else auc(labels, scores)
        )
        assert found.standardised == pytest.approx(expected)
        x, y, _ = sklearn_metrics.roc_curve(labels, scores, drop_intermediate=False)
        inside = np.append(x[x < highest], highest)
        raw = sklearn_metrics.auc(inside, np.append(y[x < highest], np.interp(highest, x, y)))
        assert found.raw == pytest.approx(raw, abs=1e-9)


def test_weights_of_the_cases_are_those_of_scikit_learn(scored):
    labels, scores, weights = scored
    for metric, expected in (
        (weighted_auc(labels, scores), sklearn_metrics.roc_auc_score),
        (weighted_average_precision(labels, scores), sklearn_metrics.average_precision_score),
    ):
        found = metric(np.stack([weights, weights[::-1]]))
        for row, case_weights in enumerate((weights, weights[::-1])):
            assert found[row] == pytest.approx(expected(labels, scores, sample_weight=case_weights))
    partial = weighted_partial_auc(labels, scores, 0.1, standardised=True)(weights[None])[0]
    assert partial == pytest.approx(sklearn_metrics.roc_auc_score(labels, scores, max_fpr=0.1, sample_weight=weights))


def test_weight_of_a_case_is_how_often_it_occurs(scored):
    labels, scores, weights = scored
    rows = np.repeat(np.arange(len(labels)), weights.astype(int))
    classes = np.stack([scores, 1 - scores, scores**2], 1)
    steps = np.arange(len(labels)) % 3
    for metric, repeated in (
        (
            weighted_partial_auc(labels, scores, 0.2, standardised=False),
            partial_auc(labels[rows], scores[rows], 0.2).raw,
        ),
        (weighted_macro_auc(steps, classes), of_whole(weighted_macro_auc(steps[rows], classes[rows]), len(rows))),
        (
            weighted_kappa(steps, classes.argmax(1), 3, KappaWeights.LINEAR),
            kappa(steps[rows], classes.argmax(1)[rows], 3, KappaWeights.LINEAR),
        ),
    ):
        assert metric(weights[None])[0] == pytest.approx(repeated)
    fit = recalibration(labels[rows], scores[rows])
    assert weighted_recalibration(labels, scores)(weights[None])[0] == pytest.approx([fit.slope, fit.intercept])


def test_undefined_areas_are_nan():
    for labels in ([], [1, 1], [0, 0]):
        scores = np.linspace(0, 1, len(labels))
        assert isnan(auc(labels, scores)) and isnan(partial_auc(labels, scores, 0.1).raw)
        assert isnan(delong(labels, scores, scores)[1]) and isnan(delong_interval(labels, scores).low)
    assert isnan(average_precision([0, 0], [0.1, 0.2])) and average_precision([1, 1], [0.1, 0.2]) == 1
    with pytest.raises(ValueError, match="highest=0"):
        partial_auc([0, 1], [0, 1], 0)


def test_delong_interval_is_that_of_stata_for_the_ct_ratings():
    """Stata's manual, [R] roctab: ROC area 0.8932, standard error 0.0307, 95 % interval 0.83295 to 0.95339."""
    found = delong_interval(*ct_ratings())
    assert found == pytest.approx((0.89317, 0.83295, 0.95339), abs=5e-6)
    assert (found.high - found.low) / 2 / 1.959964 == pytest.approx(0.0307, abs=5e-5)


def test_delong_by_midranks_is_the_definition_by_pairs():
    rng = np.random.default_rng(4)
    labels = rng.random(70) < 0.4
    a, b = (np.round(rng.normal(0, 1, 70) + labels * shift, 1) for shift in (1.0, 0.5))

    def placements(scores):
        higher = np.array([[(x > y) + 0.5 * (x == y) for y in scores[~labels]] for x in scores[labels]])
        return higher.mean(1), higher.mean(0)

    (a10, a01), (b10, b01) = placements(a), placements(b)
    covariance = np.cov(a10, b10) / labels.sum() + np.cov(a01, b01) / (~labels).sum()
    z = (a10.mean() - b10.mean()) / np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    difference, p = delong(labels, a, b)
    assert difference == pytest.approx(a10.mean() - b10.mean())
    assert p == pytest.approx(2 * norm.sf(abs(z)))
    assert delong_interval(labels, a).low == pytest.approx(a10.mean() - 1.959964 * covariance[0, 0] ** 0.5, abs=1e-6)


def test_a_perfect_auc_has_no_interval_by_delong():
    found = delong_interval([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9])
    assert found.value == 1 and isnan(found.low) and isnan(found.high)


@pytest.mark.parametrize(
    "weights, name", [(KappaWeights.NONE, None), (KappaWeights.LINEAR, "linear"), (KappaWeights.QUADRATIC, "quadratic")]
)
def test_kappa_is_that_of_scikit_learn(weights, name):
    rng = np.random.default_rng(2)
    labels, predicted = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    predicted[:120] = labels[:120]
    found = kappa(labels, predicted, 4, weights)
    assert found == pytest.approx(sklearn_metrics.cohen_kappa_score(labels, predicted, weights=name))
    assert (confusion_matrix(labels, predicted, 4) == sklearn_metrics.confusion_matrix(labels, predicted)).all()
    assert isnan(kappa([2, 2], [2, 2], 4, weights)), "no disagreement is expected by chance"


def test_recalibration_is_the_logistic_regression_of_scikit_learn(scored):
    labels, probabilities, _ = scored
    logits = np.log(probabilities / (1 - probabilities))
    fit = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logits[:, None], labels)
    found = recalibration(labels, probabilities)
    assert found.slope == pytest.approx(fit.coef_[0, 0], abs=1e-4)
    assert found.intercept == pytest.approx(fit.intercept_[0], abs=1e-4)
    expected = brentq(lambda shift: (1 / (1 + np.exp(-(logits + shift)))).sum() - labels.sum(), -5, 5)
    assert found.in_the_large == pytest.approx(expected, abs=1e-8)


def test_recalibration_names_what_was_done_to_the_probabilities():
    rng = np.random.default_rng(0)
    logits = rng.normal(-1, 1.5, 200_000)
    labels = (rng.random(200_000) < 1 / (1 + np.exp(-logits))).astype(float)
    too_extreme = recalibration(labels, 1 / (1 + np.exp(-2 * logits)))
    assert too_extreme.slope == pytest.approx(0.5, abs=0.01) and too_extreme.intercept == pytest.approx(0, abs=0.03)
    too_high = recalibration(labels, 1 / (1 + np.exp(-(logits + log(2)))))
    assert too_high.in_the_large == pytest.approx(-log(2), abs=0.02) and too_high.slope == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    "labels, probabilities",
    [([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]), ([0, 1, 0, 1], [0.5] * 4), ([1, 1], [0.2, 0.3]), ([], [])],
    ids=["separated", "one probability", "one class", "no cases"],
)
def test_a_slope_that_does_not_exist_is_nan(labels, probabilities):
    assert isnan(recalibration(np.array(labels), np.array(probabilities)).slope)


def test_probabilities_of_zero_and_one_have_a_calibration():
    labels, probabilities = np.array([0, 1, 0, 1, 1, 0] * 5), np.array([0.0, 1.0, 0.3, 0.6, 0.2, 0.5] * 5)
    assert all(np.isfinite(recalibration(labels, probabilities)))


def test_brier_score_is_that_of_scikit_learn(scored):
    labels, probabilities, _ = scored
    found = brier(labels, probabilities)
    assert found == pytest.approx(sklearn_metrics.brier_score_loss(labels, probabilities))
    constant = np.full(len(labels), labels.mean())
    assert scaled_brier(labels, constant) == pytest.approx(0) and scaled_brier(labels, labels) == 1
    assert scaled_brier(labels, probabilities) == pytest.approx(1 - found / brier(labels, constant))


def test_the_calibration_error_of_equal_probabilities_does_not_depend_on_the_order_of_the_cases():
    labels = np.repeat([1.0, 0.0], [100, 200])
    assert calibration_curve(labels, np.full(300, 1 / 3)) == {
        "said": [pytest.approx(1 / 3)], "found": [pytest.approx(1 / 3)], "cases": [300], "error": pytest.approx(0),
    }  # fmt: skip
    rng = np.random.default_rng(3)
    levels = rng.choice([0.1, 0.3, 0.5, 0.7, 0.9], 2000)
    drawn = (rng.random(2000) < levels).astype(float)
    by_label = np.argsort(-drawn, kind="stable")
    expected = calibration_curve(drawn, levels)
    assert calibration_curve(drawn[by_label], levels[by_label])["error"] == pytest.approx(expected["error"])
    assert len(expected["cases"]) == 5 and sum(expected["cases"]) == 2000


def test_calibration_error_is_the_mean_distance_over_bins_of_equal_count():
    probabilities = np.repeat([0.1, 0.4], 10)
    labels = np.concatenate([np.arange(10) < 3, np.arange(10) < 1]).astype(float)
    curve = calibration_curve(labels, probabilities, bins=2)
    assert curve["error"] == pytest.approx((0.2 + 0.3) / 2) and curve["cases"] == [10, 10]
    assert curve["found"] == pytest.approx([0.3, 0.1]) and curve["said"] == pytest.approx([0.1, 0.4])


def test_net_benefit_is_that_of_a_small_table_by_hand():
    """At 20 % a false positive costs 0.25 of a true one: (2 - 3 x 0.25) / 10, and of all (3 - 7 x 0.25) / 10."""
    labels = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0])
    probabilities = np.array([0.9, 0.2, 0.1, 0.8, 0.3, 0.2, 0.15, 0.1, 0.05, 0.0])
    found = net_benefit(labels, probabilities, np.array([0.0, 0.2, 0.5]))
    assert found.model == pytest.approx([3 / 10, (2 - 3 * 0.25) / 10, (1 - 1 * 1) / 10])
    assert found.treat_all == pytest.approx([3 / 10, (3 - 7 * 0.25) / 10, (3 - 7) / 10])
    with pytest.raises(ValueError, match="thresholds"):
        net_benefit(labels, probabilities, np.array([1.0]))


def test_auc_of_all_orders_of_a_small_table_is_the_share_of_pairs():
    for scores in itertools.product((1, 2, 3), repeat=4):
        pairs = [(scores[p] > scores[n]) + 0.5 * (scores[p] == scores[n]) for p in (0, 1) for n in (2, 3)]
        assert auc([1, 1, 0, 0], scores) == pytest.approx(np.mean(pairs))
