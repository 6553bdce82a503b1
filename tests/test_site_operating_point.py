"""A threshold with a guaranteed recall, sensitivity or specificity: exact, at the level of women, and kept in simulations."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mvmlm.evaluation.estimates import wilson_interval
from mvmlm.site.binomial import binomial_tails, fewest_cases, most_allowed
from mvmlm.site.cases import LabelledScores, Source, TooFewCases
from mvmlm.site.logistic import sigmoid
from mvmlm.site.operating_point import CertifiedThreshold, Goal, by_woman, certified_threshold

SOURCE = Source("demo", "sha256 of the weights", "malignancy")
DELTA = 0.1
GOALS = [(Goal.RECALL, 0.035), (Goal.RECALL, 0.2), (Goal.SENSITIVITY, 0.9), (Goal.SPECIFICITY, 0.9)]


def women(n=812, prevalence=0.1, seed=0, digits=None):
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < prevalence).astype(float)
    scores = sigmoid(rng.normal(-2 + 2.5 * labels, 1))
    return LabelledScores(scores if digits is None else np.round(scores, digits), labels, np.arange(n))


def test_binomial_tails_are_those_of_scipy():
    for cases, share in ((1, 0.5), (12, 0.1), (812, 0.035), (20_000, 0.9)):
        expected = stats.binom.cdf(np.arange(cases + 1), cases, share)
        assert binomial_tails(cases, share) == pytest.approx(expected, rel=1e-8, abs=1e-14)


def test_the_most_allowed_count_is_the_last_with_a_small_p_value():
    for cases, limit in ((64, 0.1), (65, 0.035), (812, 0.035), (5000, 0.5)):
        allowed = most_allowed(cases, limit, DELTA)
        assert stats.binom.cdf(allowed, cases, limit) <= DELTA < stats.binom.cdf(allowed + 1, cases, limit)
    assert most_allowed(64, 0.035, DELTA) == -1


def test_the_fewest_cases_are_those_where_no_error_would_do():
    for limit in (0.01, 0.035, 0.1, 0.5):
        needed = fewest_cases(limit, DELTA)
        assert most_allowed(needed, limit, DELTA) >= 0 > most_allowed(needed - 1, limit, DELTA)
    assert (fewest_cases(0.035, DELTA), fewest_cases(0.1, DELTA), fewest_cases(0.9, DELTA)) == (65, 22, 1)


@pytest.mark.parametrize("goal, limit", GOALS)
@pytest.mark.parametrize("digits", [None, 1])
def test_the_threshold_is_the_last_that_a_fixed_sequence_of_exact_tests_rejects(goal, limit, digits):
    """Learn then Test written out: every threshold tested with scipy's p-value, from the safe end, until one fails."""
    cases = women(digits=digits)
    counted = {Goal.RECALL: cases.labels >= 0, Goal.SENSITIVITY: cases.labels == 1, Goal.SPECIFICITY: cases.labels == 0}
    scores = cases.scores[counted[goal]]
    between = np.unique(np.r_[0, cases.scores, 1])
    candidates = (between[:-1] + between[1:]) / 2
    last = None
    for threshold in candidates if goal is Goal.SENSITIVITY else candidates[::-1]:
        errors = (scores <= threshold).sum() if goal is Goal.SENSITIVITY else (scores > threshold).sum()
        share = limit if goal is Goal.RECALL else 1 - limit
        if stats.binomtest(int(errors), len(scores), share, alternative="less").pvalue > DELTA:
            break
        last = threshold
    found = certified_threshold(cases, goal, limit, SOURCE)
    assert found.threshold == pytest.approx(last)
    assert (found.calls_back(cases.scores) == (cases.scores > last)).all()


@pytest.mark.parametrize("goal, limit", GOALS)
def test_the_guarantee_is_broken_at_no_more_sites_than_promised(goal, limit):
    """300 sites of 500 women whose truth is known: women of a huge population, called back by each site's threshold."""
    everybody = women(400_000, 0.15, seed=99)
    ordered = {
        Goal.RECALL: np.sort(everybody.scores),
        Goal.SENSITIVITY: np.sort(everybody.scores[everybody.labels == 1]),
        Goal.SPECIFICITY: np.sort(everybody.scores[everybody.labels == 0]),
    }[goal]
    broken = tight = 0
    for seed in range(300):
        threshold = certified_threshold(women(500, 0.15, seed=seed), goal, limit, SOURCE).threshold
        below = np.searchsorted(ordered, threshold, "right") / len(ordered)
        figure = below if goal is Goal.SPECIFICITY else 1 - below
        broken += figure > limit if goal is Goal.RECALL else figure < limit
        tight += abs(figure - limit) < 0.1
    assert stats.binomtest(int(broken), 300, DELTA, alternative="greater").pvalue > 0.01, f"{broken} of 300"
    assert broken > 3, "so careful that it promises less than it could"
    assert tight > 250


@pytest.mark.parametrize("goal, limit", GOALS)
def test_it_agrees_with_mapie(goal, limit):
    """As many errors as mapie allows, or one more: mapie rounds n times the measured risk up and may count one more."""
    control = pytest.importorskip("mapie.risk_control")
    cases = women(seed=3)
    between = np.unique(cases.scores)
    grid = (between[:-1] + between[1:]) / 2
    risks = {Goal.RECALL: "predicted_positive_fraction", Goal.SENSITIVITY: "recall", Goal.SPECIFICITY: "fpr"}
    theirs = control.BinaryClassificationController(
        lambda scores: np.column_stack([1 - scores[:, 0], scores[:, 0]]),
        risk=risks[goal],
        target_level=1 - limit if goal is Goal.SPECIFICITY else limit,
        confidence_level=0.9,
        best_predict_param_choice="recall" if goal is Goal.RECALL else "auto",
        list_predict_params=grid if goal is Goal.SENSITIVITY else grid[::-1],
        fwer_method="fixed_sequence",
    ).calibrate(cases.scores[:, None], cases.labels.astype(int))
    valid = theirs.valid_predict_params

    def errors(threshold):
        called = cases.scores > threshold
        wrong = {
            Goal.RECALL: called,
            Goal.SENSITIVITY: ~called & (cases.labels == 1),
            Goal.SPECIFICITY: called & (cases.labels == 0),
        }
        return int(wrong[goal].sum())

    last = max(valid) if goal is Goal.SENSITIVITY else min(valid)
    assert errors(certified_threshold(cases, goal, limit, SOURCE).threshold) - errors(last) in (0, 1)


def test_one_woman_has_one_answer_from_her_highest_breast():
    cases = LabelledScores(
        [0.1, 0.8, 0.3, 0.2, 0.5, 0.6, 0.4], [0, 1, 0, 0, np.nan, 0, np.nan], ["a", "a", "b", "b", "c", "c", "d"]
    )
    scores, labels = by_woman(cases)
    assert scores.tolist() == [0.8, 0.3, 0.6, 0.4]
    assert np.array_equal(labels, [1, 0, np.nan, np.nan], equal_nan=True)


def test_two_breasts_are_no_more_women():
    cases = women(400)
    both = LabelledScores(
        np.r_[cases.scores, cases.scores / 2], np.r_[cases.labels, np.zeros(400)], np.r_[cases.patients, cases.patients]
    )
    assert certified_threshold(both, *GOALS[0], SOURCE) == certified_threshold(cases, *GOALS[0], SOURCE)


def test_several_exams_of_a_woman_are_refused():
    cases = LabelledScores([0.1] * 30, [0] * 30, ["the same"] * 3 + list(range(27)))
    with pytest.raises(ValueError, match="a woman has 3 cases. Keep one exam of each woman, at most two breasts."):
        certified_threshold(cases, Goal.RECALL, 0.2, SOURCE)


def test_a_recall_needs_no_labels():
    cases = women()
    unlabelled = LabelledScores(cases.scores, np.full(len(cases), np.nan), cases.patients)
    found = certified_threshold(unlabelled, Goal.RECALL, 0.035, SOURCE)
    assert found.threshold == certified_threshold(cases, Goal.RECALL, 0.035, SOURCE).threshold
    assert (found.sensitivity, found.specificity, found.ppv, found.positives) == (None, None, None, 0)
    assert found.found_among_called == "No woman whose label is known is called back."


@pytest.mark.parametrize(
    "goal, limit, n, message",
    [
        (
            Goal.RECALL,
            0.035,
            64,
            "too few cases: 64 women, at least 65 are needed for a recall of at most 3.5 % with 90 % confidence",
        ),
        (
            Goal.SENSITIVITY,
            0.95,
            200,
            "women with the finding, at least 45 are needed for a sensitivity of at least 95 %",
        ),
        (Goal.SPECIFICITY, 0.99, 100, "women without it, at least 230 are needed for a specificity of at least 99 %"),
        (Goal.RECALL, 0.035, 0, "too few cases: 0 women, at least 65"),
    ],
)
def test_too_few_women_are_refused_with_the_number_needed(goal, limit, n, message):
    with pytest.raises(TooFewCases, match=message):
        certified_threshold(women(n), goal, limit, SOURCE)


def test_the_number_needed_is_enough_where_no_woman_would_be_missed():
    n = fewest_cases(0.1, DELTA)
    cases = LabelledScores(
        np.r_[np.linspace(0.5, 0.9, n), np.linspace(0, 0.6, 100)], np.r_[np.ones(n), np.zeros(100)], np.arange(n + 100)
    )
    found = certified_threshold(cases, Goal.SENSITIVITY, 0.9, SOURCE)
    assert found.sensitivity.share == 1 and found.threshold < 0.5


def test_scores_at_the_ends_keep_the_threshold_in_0_to_1():
    """All at 1: nobody can be called back without calling all. Positives at 0: no threshold finds them."""
    n = 100
    found = certified_threshold(LabelledScores([1.0] * n, [0] * n, np.arange(n)), Goal.RECALL, 0.035, SOURCE)
    assert found.threshold == 1 and found.recall.count == 0
    found = certified_threshold(LabelledScores([1.0] * n, [1] * n, np.arange(n)), Goal.SENSITIVITY, 0.9, SOURCE)
    assert found.recall.count == n
    with pytest.raises(ValueError, match="too many of the women with the finding have the score 0"):
        certified_threshold(LabelledScores([0.0] * n, [1] * n, np.arange(n)), Goal.SENSITIVITY, 0.9, SOURCE)


@pytest.mark.parametrize("limit, confidence", [(0, 0.9), (1, 0.9), (0.1, 1.0), (0.1, 0), (np.nan, 0.9)])
def test_a_limit_or_confidence_out_of_range_is_refused(limit, confidence):
    with pytest.raises(ValueError, match="expected a share between 0 and 1"):
        certified_threshold(women(), Goal.RECALL, limit, SOURCE, confidence)


def test_more_confidence_calls_back_no_more_women():
    counts = [certified_threshold(women(), Goal.RECALL, 0.1, SOURCE, c).recall.count for c in (0.5, 0.8, 0.9, 0.99)]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def test_the_sentences_say_what_is_guaranteed_for_whom():
    cases = women()
    positives = int(cases.labels.sum())
    said = [certified_threshold(cases, goal, limit, SOURCE).guarantee for goal, limit in GOALS]
    assert said[0] == "With 90 % confidence at most 3.5 % of women like these 812 are called back."
    assert (
        said[2]
        == f"With 90 % confidence at least 90 % of women with malignancy like these {positives} are called back."
    )
    assert (
        said[3]
        == f"With 90 % confidence at least 90 % of women without malignancy like these {812 - positives} are not called back."
    )
    found = certified_threshold(cases, Goal.SENSITIVITY, 0.9, SOURCE)
    called, with_it = found.ppv.cases, found.ppv.count
    low, high = (f"{100 * end:.0f}" for end in wilson_interval(with_it, called))
    assert (
        found.found_among_called
        == f"Of {called} women called back {with_it} have malignancy: {low} to {high} in 100 such women (95 % interval)."
    )


def test_measured_shares_are_counts_of_women_with_wilson_intervals():
    cases = women()
    found = certified_threshold(cases, Goal.SENSITIVITY, 0.9, SOURCE)
    called, positive = cases.scores > found.threshold, cases.labels == 1
    for share, count, of in (
        (found.recall, called.sum(), len(cases)),
        (found.sensitivity, (called & positive).sum(), positive.sum()),
        (found.specificity, (~called & ~positive).sum(), (~positive).sum()),
        (found.ppv, (called & positive).sum(), called.sum()),
    ):
        assert (share.count, share.cases, share.share) == (count, of, count / of)
        assert (share.low, share.high) == wilson_interval(count, of)


def test_json_gives_back_the_same_operating_point_and_refuses_others():
    found = certified_threshold(women(), Goal.SENSITIVITY, 0.9, SOURCE)
    assert CertifiedThreshold.from_json(json.loads(json.dumps(found.to_json()))) == found
    bare = replace(found, sensitivity=None, ppv=None)
    assert CertifiedThreshold.from_json(bare.to_json()) == bare
    wrong = [
        ("threshold", 1.2),
        ("goal", "ppv"),
        ("limit", 1),
        ("confidence", 0.0),
        ("recall", None),
        ("recall", found.to_json()["recall"] | {"count": 9_999}),
        ("women", 5),
    ]
    for key, value in wrong:
        with pytest.raises(ValueError, match="^operating point: "):
            CertifiedThreshold.from_json(found.to_json() | {key: value})
