"""The watch over a site's exams: its figures, its sentences, its alarms, and how rarely it is alarmed for nothing."""

import json
from datetime import date, timedelta

import numpy as np
import pytest
from scipy import stats

from mvmlm.site.cases import TooFewCases
from mvmlm.site.drift import ERROR, MONTHS, DriftReport, WatchedExam, watch
from mvmlm.site.drift_figures import FEWEST, WHAT, GroupExams, p_values
from mvmlm.site.exact_tests import (
    differs_from,
    distance_interval,
    events_interval,
    kolmogorov_smirnov,
    more_often,
    quantile_interval,
)
from mvmlm.site.logistic import sigmoid

END, TODAY = date(2026, 6, 30), date(2027, 1, 15)


def exam(day, score=0.1, probability=None, unlike=False, label=None, vendor="HOLOGIC", density="B"):
    return WatchedExam(day, vendor, density, score, probability, unlike, label)


def month_of(exams, month, **values):
    """So many exams in a month of 2026 with scores spread evenly over 0..1, or as given."""
    spread = (np.arange(exams) + 0.5) / exams
    return [exam(date(2026, month, 1 + k % 28), **({"score": float(spread[k])} | values)) for k in range(exams)]


def random_exams(rng, n, start=date(2026, 1, 1), days=545, shift=0.0, unlike=0.03, calibrated=True):
    odds = rng.normal(-2 + shift, 1.2, n)
    labels = rng.random(n) < sigmoid(odds if calibrated else odds + 1.5)
    offsets = np.sort(rng.integers(0, days, n))
    vendors, densities = rng.choice(["GE", "HOLOGIC"], n), rng.choice(list("ABCD"), n, p=[0.1, 0.4, 0.4, 0.1])
    strange = rng.random(n) < unlike
    return [
        exam(start + timedelta(days=int(offsets[k])), float(sigmoid(odds[k])), float(sigmoid(odds[k])), bool(strange[k]), int(labels[k]), str(vendors[k]), str(densities[k]))
        for k in range(n)
    ]  # fmt: skip


def test_fisher_s_test_is_that_of_scipy():
    rng = np.random.default_rng(0)
    for _ in range(200):
        n, m = rng.integers(1, 60, 2)
        k, before = rng.integers(0, n + 1), rng.integers(0, m + 1)
        expected = stats.fisher_exact([[k, n - k], [before, m - before]], alternative="greater").pvalue
        assert more_often(int(k), int(n), int(before), int(m)) == pytest.approx(expected, rel=1e-9)


def test_the_kolmogorov_smirnov_test_is_the_exact_one_of_scipy():
    rng = np.random.default_rng(1)
    for m, n in ((1, 4), (7, 5), (20, 30), (30, 30), (60, 300), (100, 700), (251, 90)):
        first, second = rng.normal(size=m), rng.normal(0.3, 1.1, n)
        expected = stats.ks_2samp(first, second, method="exact")
        found = kolmogorov_smirnov(first, second)
        assert found == pytest.approx((expected.statistic, expected.pvalue), rel=1e-7)
        assert kolmogorov_smirnov(second, first) == found


def test_samples_that_hardly_overlap_have_a_p_value_of_almost_nothing():
    assert kolmogorov_smirnov(np.zeros(300), np.ones(400))[0] == 1
    assert 0 <= kolmogorov_smirnov(np.zeros(300), np.ones(400))[1] < 1e-9
    assert kolmogorov_smirnov(np.zeros(30), np.ones(40))[1] == pytest.approx(
        2 / stats.binom(70, 0.5).pmf(30) / 2**70, rel=1e-3
    )
    assert kolmogorov_smirnov(np.full(30, 0.5), np.full(40, 0.5)) == (0, 1)


def test_a_p_value_far_out_is_an_upper_bound():
    rng = np.random.default_rng(2)
    first, second = rng.normal(size=200), rng.normal(1.0, 1, 300)
    exact = stats.ks_2samp(first, second, method="exact").pvalue
    assert exact <= kolmogorov_smirnov(first, second)[1] < 1e-9


def test_poisson_tails_are_those_of_scipy_and_byar_s_interval_is_close_to_the_exact_one():
    for count, expected in ((0, 3.0), (12, 5.2), (5, 5.0), (1, 20.0), (200, 150.0)):
        tails = stats.poisson.cdf(count, expected), stats.poisson.sf(count - 1, expected)
        assert differs_from(count, expected) == pytest.approx(min(1, 2 * min(tails)), rel=1e-6)
    assert 0 <= differs_from(84, 4.2) < 1e-12, "so far out that only rounding is left"
    for count in (0, 1, 2, 7, 50):
        low, high = events_interval(count)
        assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * count + 2) / 2, rel=0.01)
        assert low == pytest.approx(stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0, rel=0.1, abs=0.02)


@pytest.mark.parametrize("share, fewest", [(0.25, 13), (0.5, 6), (0.75, 13)])
def test_quantile_intervals_hold_for_any_distribution(share, fewest):
    with pytest.raises(ValueError, match="too few for an interval"):
        quantile_interval(np.arange(fewest - 1.0), share)
    rng = np.random.default_rng(3)
    true, held = stats.expon.ppf(share), 0
    for _ in range(2000):
        value, low, high = quantile_interval(rng.exponential(size=25), share)
        held += low <= true <= high
        assert low <= value <= high
    assert held >= 0.945 * 2000
    assert quantile_interval(np.arange(fewest + 0.0), share)[1] >= 0


def test_distance_intervals_hold():
    rng = np.random.default_rng(4)
    true = 2 * stats.norm.cdf(0.25) - 1  # of two normals half a standard deviation apart
    held = 0
    for _ in range(300):
        distance, _ = kolmogorov_smirnov(rng.normal(size=40), rng.normal(0.5, 1, 200))
        low, high = distance_interval(distance, 40, 200)
        held += low <= true <= high
    assert held >= 0.95 * 300


def test_figures_of_a_month_are_those_of_its_exams():
    before = month_of(100, 3, probability=0.2, label=0) + month_of(20, 4, unlike=True)
    now = month_of(34, 9, probability=0.25, label=0) + month_of(6, 9, probability=0.25, label=1, unlike=True)
    report = watch(before + now, END, TODAY)
    reference, september, since = (f for f in report.figures if f.by == "all")
    assert (reference.period, september.period, since.period) == ("before", "2026-09", "since")
    assert (september.exams, september.unlike.count, september.unlike.share) == (40, 6, 0.15)
    assert september.unlike.low < 0.15 < september.unlike.high
    scores = [e.score for e in now]
    quartiles = [figure.value for figure in (september.lower, september.median, september.upper)]
    assert quartiles == pytest.approx(np.quantile(scores, [0.25, 0.5, 0.75]))
    assert (september.events.exams, september.events.observed, september.events.expected) == (40, 6, 10.0)
    assert september.events.ratio.value == pytest.approx(0.6)
    assert september.events.ratio.low < 0.6 < 1 < september.events.ratio.high
    assert september.distance.value == pytest.approx(stats.ks_2samp(scores, [e.score for e in before]).statistic)
    assert reference.distance is None


def test_figures_are_given_by_month_vendor_and_density():
    exams = random_exams(np.random.default_rng(5), 900)
    report = watch(exams, END, TODAY)
    for by, group, chosen in (
        ("all", "", exams),
        ("vendor", "GE", [e for e in exams if e.vendor == "GE"]),
        ("density", "C", [e for e in exams if e.density == "C"]),
    ):
        figures = {f.period: f for f in report.figures if (f.by, f.group) == (by, group)}
        for period, figure in figures.items():
            if period == "before":
                expected = [e for e in chosen if e.day <= END]
            elif period == "since":
                expected = [e for e in chosen if e.day > END]
            else:
                expected = [e for e in chosen if e.day > END and f"{e.day:%Y-%m}" == period]
            assert figure.exams == len(expected)
            if len(expected) >= FEWEST:
                assert figure.unlike.count == sum(e.unlike for e in expected)
    assert {(f.by, f.group) for f in report.figures} == {
        ("all", ""), ("vendor", "GE"), ("vendor", "HOLOGIC"), *(("density", letter) for letter in "ABCD"),
    }  # fmt: skip


def test_a_reference_that_ends_within_a_month_takes_its_exams_up_to_that_day():
    exams = month_of(120, 3) + month_of(60, 9)
    report = watch(exams, date(2026, 9, 14), TODAY)
    before, september, since = (f for f in report.figures if f.by == "all")
    late = sum(e.day > date(2026, 9, 14) for e in exams)
    assert 0 < late < 60
    assert (before.exams, september.exams, since.exams) == (180 - late, late, late)


def test_a_group_that_is_not_known_is_called_so():
    exams = month_of(120, 3) + month_of(30, 9, vendor="", density="")
    groups = {(f.by, f.group) for f in watch(exams, END, TODAY).figures}
    assert ("vendor", "unknown") in groups and ("density", "unknown") in groups


def test_fewer_exams_than_needed_are_too_few_and_labels_too():
    exams = month_of(120, 3) + month_of(FEWEST - 1, 9) + month_of(FEWEST, 10)
    figures = {f.period: f for f in watch(exams, END, TODAY).figures if f.by == "all"}
    few = figures["2026-09"]
    assert few.exams == FEWEST - 1
    assert [few.unlike, few.lower, few.median, few.upper, few.distance, few.events] == [None] * 6
    assert figures["2026-10"].median is not None and figures["2026-10"].events is None


def test_sentences_name_the_counts_and_what_was_before():
    before = month_of(97, 3) + month_of(3, 4, unlike=True)
    now = month_of(68, 9) + month_of(12, 9, unlike=True)
    report = watch(before + now, END, TODAY)
    assert "In 2026-09 12 of 80 exams (15 %) were unlike known mammograms; before 3 %." in report.sentences
    assert report.sentences[0].startswith("No alarm in 1 month. Where nothing changes, one comes")
    assert "In 2026-09 the median score of 80 exams was 0.5 (middle half 0.25 to 0.75); before 0.5." in report.sentences
    assert "In 2026-09 too few exams have a label and a calibrated probability." in report.sentences
    few = watch(before + month_of(5, 9), END, TODAY).sentences
    assert "In 2026-09 there were 5 exams, too few to say more." in few
    only_reference = watch(before, END, TODAY)
    assert len(only_reference.sentences) == 1


def test_an_alarm_says_what_changed_where_and_when():
    rng = np.random.default_rng(6)
    exams = random_exams(rng, 400, days=180)
    strange = random_exams(rng, 90, date(2026, 9, 1), 30, unlike=0.3)
    report = watch(exams + strange, END, TODAY)
    assert {alarm.what for alarm in report.alarms} == {"unlike"}
    assert all(alarm.period == "2026-09" for alarm in report.alarms)
    assert report.alarms[0].by == "all"
    count = sum(e.unlike for e in strange)
    assert report.sentences[0].startswith(
        f"In 2026-09 {count} of 90 exams ({100 * count / 90:.0f} %) were unlike known"
    )
    assert report.sentences[0].endswith("That is more than chance explains.")


@pytest.mark.parametrize(
    "change, what", [({"shift": 1.2}, "scores"), ({"calibrated": False}, "events"), ({"unlike": 0.25}, "unlike")]
)
def test_each_kind_of_drift_is_found_and_called_by_its_name(change, what):
    found = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        exams = random_exams(rng, 500, days=180) + random_exams(rng, 100, date(2026, 9, 1), 30, **change)
        found += what in {alarm.what for alarm in watch(exams, END, TODAY).alarms}
    assert found >= 8


def test_drift_of_one_vendor_is_alarmed_for_that_vendor():
    rng = np.random.default_rng(8)
    later = [e for e in random_exams(rng, 140, date(2026, 9, 1), 30, shift=1.5) if e.vendor == "GE"]
    later += [e for e in random_exams(rng, 140, date(2026, 9, 1), 30) if e.vendor == "HOLOGIC"]
    alarms = watch(random_exams(rng, 600, days=180) + later, END, TODAY).alarms
    assert "GE" in {alarm.group for alarm in alarms if alarm.by == "vendor"}
    assert "HOLOGIC" not in {alarm.group for alarm in alarms}


def test_without_drift_at_most_one_series_in_twenty_has_an_alarm(monkeypatch):
    """150 sites with labels and all groups that are watched to the end; the watch is of 8 months, to be quick."""
    monkeypatch.setattr("mvmlm.site.drift.MONTHS", 8)
    alarmed = 0
    for seed in range(150):
        rng = np.random.default_rng(1_000 + seed)
        report = watch(random_exams(rng, 600, days=424), END, date(2027, 3, 1))
        alarmed += bool(report.alarms)
        assert len(report.tested) == 8
    assert alarmed <= 0.05 * 150


def test_each_test_keeps_its_level():
    """What the promise for the whole watch rests on: a p-value of at most x comes with a probability of at most x."""
    rng = np.random.default_rng(9)
    found = {what: [] for what in WHAT}
    for _ in range(1_500):
        chances = rng.beta(1, 8, 140)
        exams = GroupExams(
            np.round(chances, 2), chances, (rng.random(140) < chances).astype(float), rng.random(140) < 0.1
        )
        recent = np.arange(140) >= 100
        for what, p_value in p_values(exams.rows(recent), exams.rows(~recent)).items():
            found[what].append(p_value)
    for what, values in found.items():
        for level in (0.01, 0.05, 0.2):
            below = int((np.array(values) <= level).sum())
            assert stats.binomtest(below, len(values), level, alternative="greater").pvalue > 0.001, what


def test_the_levels_of_all_tests_of_all_months_add_up_to_the_error(monkeypatch):
    """Every test of every group in 70 months is given a p-value just above its share, then just below."""
    exams = (
        month_of(120, 3)
        + [exam(END + timedelta(days=1 + k), vendor="GE" if k % 2 else "HOLOGIC") for k in range(70 * 31)] * 2
    )
    groups = 4  # all, two vendors, one density; one vendor has no reference
    level = ERROR / MONTHS / (groups * len(WHAT))
    for p_value, alarmed in ((level * 1.001, False), (level * 0.999, True)):
        monkeypatch.setattr("mvmlm.site.drift.p_values", lambda exams, reference, p=p_value: dict.fromkeys(WHAT, p))
        report = watch(exams, END, date(2035, 1, 1))
        assert (len(report.alarms) > 0) is alarmed
        assert len(report.tested) == MONTHS
    assert sum(1 for _ in report.alarms) * level <= ERROR * 1.001


def test_a_month_that_is_not_over_has_figures_and_no_alarm():
    strange = month_of(60, 9, unlike=True)
    for today, alarmed in ((date(2026, 9, 30), False), (date(2026, 10, 1), True)):
        report = watch(month_of(120, 3) + strange, END, today)
        assert bool(report.alarms) is alarmed
        assert report.tested == (("2026-09",) if alarmed else ())
        assert any(f.period == "2026-09" and f.unlike.share == 1 for f in report.figures)


def test_labels_are_tested_only_when_all_have_come_in():
    before = month_of(120, 3)
    all_known = month_of(60, 9, probability=0.05, label=1)
    some_known = all_known[:-1] + [exam(date(2026, 9, 9), 0.99, 0.05)]
    assert "events" in {alarm.what for alarm in watch(before + all_known, END, TODAY).alarms}
    assert "events" not in {alarm.what for alarm in watch(before + some_known, END, TODAY).alarms}
    assert watch(before + some_known, END, TODAY).figures[1].events.observed == 59


def test_a_reference_that_is_too_small_is_refused():
    with pytest.raises(TooFewCases, match="too few cases: 99 exams until 2026-06-30, at least 100 are needed before"):
        watch(month_of(99, 3), END, TODAY)
    with pytest.raises(TooFewCases):
        watch([], END, TODAY)


@pytest.mark.parametrize("values", [{"score": 1.5}, {"score": np.nan}, {"probability": -0.1}, {"label": 2}])
def test_a_value_out_of_range_is_refused_with_its_name(values):
    with pytest.raises(ValueError, match=f"^{next(iter(values))}: a value is"):
        watch(month_of(120, 3) + month_of(1, 9, **values), END, TODAY)


def test_the_order_of_the_exams_does_not_matter():
    exams = random_exams(np.random.default_rng(10), 500)
    assert watch(exams[::-1], END, TODAY) == watch(exams, END, TODAY)


def test_json_gives_back_the_same_report_and_refuses_others():
    rng = np.random.default_rng(11)
    report = watch(
        random_exams(rng, 300, days=180) + random_exams(rng, 90, date(2026, 9, 1), 30, unlike=0.4), END, TODAY
    )
    assert report.alarms
    data = json.loads(json.dumps(report.to_json()))
    assert DriftReport.from_json(data) == report
    assert DriftReport.from_json(data).sentences == report.sentences
    for key, value in (
        ("reference_end", "yesterday"),
        ("figures", None),
        ("figures", data["figures"][1:]),
        ("alarms", [{}]),
        ("more", 1),
    ):
        with pytest.raises(ValueError, match="^drift report: "):
            DriftReport.from_json(data | {key: value})
