"""Risks of years 1 to 5 become those of the site, with follow-up that ended early."""

import json

import numpy as np
import pytest

from mvmlm.site import estimates
from mvmlm.site.cases import FollowedRisks, Source, TooFewCases
from mvmlm.site.censoring import known_outcomes, still_followed
from mvmlm.site.logistic import PENALTY, logit
from mvmlm.site.survival import (
    RiskCalibration,
    RiskMethod,
    RisksBeforeAfter,
    recalibrate_risks,
    risks_before_after,
)

SOURCE = Source("demo", "sha256 of the weights", "risk")


def follow_up(n=3000, factor=1.0, power=1.0, seed=0, censored=True):
    """Women with known hazards, followed for a random time; the model's hazards are factor * hazard ** power."""
    rng = np.random.default_rng(seed)
    hazards = 0.01 * np.exp(rng.normal(0, 0.8, n))
    until_event = rng.exponential(1 / hazards)
    until_end = rng.uniform(0.5, 9, n) if censored else np.full(n, 9.0)
    said = factor * 0.01 * (hazards / 0.01) ** power
    risks = 1 - np.exp(-said[:, None] * np.arange(1, 6))
    return FollowedRisks(risks, np.minimum(until_event, until_end), until_event <= until_end, np.arange(n) // 2)


def test_the_probability_of_being_followed_is_kaplan_meier_in_plain_loops():
    """By hand at equal times too: an event at a time leaves before those whose follow-up ends then."""
    assert still_followed(
        np.array([1, 1, 2, 2, 3.0]), np.array([1, 0, 0, 1, 0]), np.array([0.5, 1, 1.5, 2, 2.5, 3])
    ) == pytest.approx([1, 1, 3 / 4, 3 / 4, 3 / 8, 3 / 8])
    rng = np.random.default_rng(0)
    for _ in range(20):
        years, events = rng.integers(1, 7, 30).astype(float), rng.integers(0, 2, 30)
        for at in range(1, 8):
            expected = 1.0
            for time in range(1, at):
                at_risk = sum(y > time or (y == time and not e) for y, e in zip(years, events))
                ended = sum(y == time and not e for y, e in zip(years, events))
                expected *= 1 - ended / at_risk if at_risk else 1
            if expected > 0:
                assert still_followed(years, events, np.array([float(at)]))[0] == pytest.approx(expected)


def test_weighted_outcomes_estimate_what_complete_follow_up_shows():
    """The same women with and without ended follow-up; leaving out the unknown would say more events."""
    complete, ended = follow_up(20_000, censored=False, seed=1), follow_up(20_000, seed=1)
    truth = [(complete.seen() & (complete.years <= year)).mean() for year in range(1, 6)]
    outcomes, weights = known_outcomes(ended.years, ended.events, 5)
    assert (weights * outcomes).mean(0) == pytest.approx(truth, rel=0.08)
    assert weights.mean(0) == pytest.approx(np.ones(5), abs=0.02)
    naive = outcomes[weights[:, 4] > 0, 4].mean()
    assert naive > 1.2 * truth[4]


def test_weights_without_ended_follow_up_are_1():
    followed = follow_up(200, censored=False)
    outcomes, weights = known_outcomes(followed.years, followed.events, 5)
    assert (weights == 1).all() and outcomes.sum() == sum((followed.years <= year).sum() for year in range(1, 6))


def test_a_weighted_fit_is_the_logistic_regression_of_scikit_learn_on_all_years_together():
    from sklearn.linear_model import LogisticRegression

    followed = follow_up(4000, factor=2.0, power=2.5)
    found = recalibrate_risks(followed, SOURCE)
    assert found.method is RiskMethod.SLOPE
    outcomes, weights = known_outcomes(followed.years, followed.events, 5)
    model = LogisticRegression(C=1 / PENALTY, tol=1e-10)
    model.fit(logit(followed.risks).reshape(-1, 1), outcomes.reshape(-1), sample_weight=weights.reshape(-1))
    assert [found.intercept, found.slope] == pytest.approx([model.intercept_[0], model.coef_[0, 0]], rel=1e-3)
    assert found.slope < 0.6


def test_a_shift_is_chosen_and_makes_expected_events_of_observed_ones():
    followed = follow_up(4000, factor=3.0)
    found = recalibrate_risks(followed, SOURCE)
    assert found.method is RiskMethod.SHIFT and found.slope == 1
    assert found.intercept == pytest.approx(-np.log(3), abs=0.2)
    outcomes, weights = known_outcomes(followed.years, followed.events, 5)
    expected = weights * found.apply(followed.risks)
    assert expected.sum() == pytest.approx((weights * outcomes).sum(), rel=1e-6)


@pytest.mark.parametrize("slope", [0.0, 0.4, 1.0, 3.0])
def test_curves_never_fall_over_the_years(slope):
    method = RiskMethod.SHIFT if slope == 1 else RiskMethod.SLOPE
    found = RiskCalibration(SOURCE, method, -0.7, slope, 5, 100, 20, 100, 0.0, 1.0)
    rng = np.random.default_rng(0)
    risks = rng.random((300, 5))  # also curves that fall
    risks[0], risks[1] = 0, 1
    after = found.apply(risks)
    assert (np.diff(after, axis=1) >= 0).all() and (after > 0).all() and (after < 1).all()
    assert found.apply(risks[5]).tolist() == after[5].tolist()


def test_recalibration_mends_risks_that_are_too_high_in_every_year(monkeypatch):
    monkeypatch.setattr(estimates, "RESAMPLES", 300)
    found = risks_before_after(follow_up(4000, factor=3.0))
    for ratio in found.ratios:
        assert ratio.before.high < 0.6 and ratio.after.low < 1 < ratio.after.high
    assert found.brier.difference.high < 0
    assert RisksBeforeAfter.from_json(json.loads(json.dumps(found.to_json()))) == found


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda f: f.rows(~f.seen() | (np.cumsum(f.seen()) <= 7)), "too few cases: 7 events within 5 years"),
        (lambda f: f.rows(f.seen() | (f.years < 5)), "too few cases: 0 exams followed for 5 years without an event"),
        (
            lambda f: FollowedRisks(f.risks, f.years, f.events, np.where(f.seen(), 0, f.patients)),
            "too few cases: the events within 5 years are of 1 women, at least 5 are needed",
        ),
    ],
)
def test_too_few_events_or_too_short_a_follow_up_are_refused(change, message):
    for function in (lambda cases: recalibrate_risks(cases, SOURCE), risks_before_after):
        with pytest.raises(TooFewCases, match=message):
            function(change(follow_up(1000)))


def test_exams_that_do_not_fit_together_are_refused():
    risks = np.full((2, 5), 0.1)
    with pytest.raises(ValueError, match="years: a value is not above 0. Leave out exams whose images show"):
        FollowedRisks(risks, [0, 2], [1, 0], [1, 2])
    with pytest.raises(ValueError, match="events: a value is neither"):
        FollowedRisks(risks, [1, 2], [1, 3], [1, 2])
    with pytest.raises(ValueError, match="risks: a value is not in 0..1"):
        FollowedRisks(risks * 20, [1, 2], [1, 0], [1, 2])
    with pytest.raises(ValueError, match="risks: shape"):
        FollowedRisks(risks[:, 0], [1, 2], [1, 0], [1, 2])
    with pytest.raises(ValueError, match="different lengths"):
        FollowedRisks(risks, [1, 2, 3], [1, 0, 0], [1, 2, 3])


def test_json_gives_back_the_same_calibration_and_refuses_others():
    followed = follow_up(2000, factor=2.0)
    found = recalibrate_risks(followed, SOURCE)
    assert RiskCalibration.from_json(json.loads(json.dumps(found.to_json()))) == found
    assert found.outside(np.array([[0.0] * 5, [1.0] * 5])).tolist() == [True, True]
    assert not found.outside(followed.risks).any()
    for key, value in (("slope", 0.5), ("slope", -1), ("horizon", 0), ("method", "by year"), ("intercept", None)):
        with pytest.raises(ValueError, match="^risk calibration: "):
            RiskCalibration.from_json(found.to_json() | {key: value})
    with pytest.raises(ValueError, match="Give the 5 years"):
        found.apply(followed.risks[:, :3])
