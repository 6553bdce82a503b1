"""Rows of a site's exams -> figures by month, vendor and density, and an alarm where they are no longer as before.

False alarms are controlled over the whole watch: where nothing changes, an alarm ever comes within MONTHS months after
the reference period with a probability of at most ERROR. Each finished month may use ERROR / MONTHS of it, and shares
that equally among the tests of its groups with enough exams, also those whose labels are still to come (Bonferroni).
The tests are valid for few exams, and that months, groups and the reference depend on each other does not matter. After
MONTHS months figures go on without alarms: choose a new reference period. The promise is for exams that are complete
when their month is over; those that are added later make the month be tested again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, NamedTuple

import numpy as np
from pydantic import Field

from .cases import TooFewCases, check_share
from .drift_figures import FEWEST, WHAT, By, GroupExams, PeriodFigures, What, figures_of, p_values
from .drift_sentences import sentence_of
from .estimates import Unit
from .plain_values import STRICT, from_plain, to_plain

FEWEST_BEFORE = 100  # exams of a reference period
MONTHS = 60  # after the reference period in which alarms are given
ERROR = 0.05  # the probability of any alarm in these months where nothing changes


@dataclass(frozen=True)
class WatchedExam:
    """One exam. vendor, density: "" unknown. probability: calibrated, None without a calibration. label: 1, 0 or None.

    score: of one model and task throughout, 0..1. unlike: whether the exam is unlike known mammograms, None where that
    is not measured.
    """

    day: date
    vendor: str
    density: str
    score: float
    probability: float | None
    unlike: bool | None
    label: int | None


@dataclass(frozen=True)
class Alarm:
    """A month and group whose exams are not as before, more than chance explains. what: which test says it."""

    __pydantic_config__ = STRICT

    period: str
    by: By
    group: str
    what: What
    p_value: Unit
    sentence: str


@dataclass(frozen=True)
class DriftReport:
    """The figures and alarms of a watch.

    reference_end: the last day of the reference period. figures: of all exams, then of each vendor and each density;
    within these "before", the months in order, and "since". tested: the months that alarms could be given for.
    """

    __pydantic_config__ = STRICT

    reference_end: date
    figures: tuple[PeriodFigures, ...]
    alarms: tuple[Alarm, ...]
    tested: Annotated[tuple[str, ...], Field(max_length=MONTHS)]

    def __post_init__(self) -> None:
        periods = [figures.period for figures in self.figures if figures.by == "all"]
        if len(periods) < 2 or (periods[0], periods[-1]) != ("before", "since"):
            raise ValueError("figures: those of all exams do not go from before to since")

    @property
    def groups(self) -> tuple[tuple[By, str], ...]:
        """The groups of exams: ("all", ""), then each vendor and density."""
        return tuple(dict.fromkeys((figures.by, figures.group) for figures in self.figures))

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a reader should know: each alarm, or that there is none, and the newest month of all exams."""
        alarms = [alarm.sentence for alarm in self.alarms]
        watched = f"{len(self.tested)} month{'s' * (len(self.tested) != 1)}"
        none = (
            f"No alarm in {watched}. Where nothing changes, one comes within {MONTHS} months with a probability of at "
            f"most {100 * ERROR:.0f} %."
        )
        before, *months, _ = (figures for figures in self.figures if figures.by == "all")
        newest = [sentence_of(what, months[-1], before) for what in WHAT] if months else []
        return tuple(dict.fromkeys([*(alarms or [none]), *newest]))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return to_plain(self)

    @classmethod
    def from_json(cls, data: Any) -> DriftReport:
        """Return the report that `to_json` wrote. Raises ValueError with the field that is wrong."""
        return from_plain(cls, data, "drift report")


def watch(exams: Sequence[WatchedExam], reference_end: date, today: date) -> DriftReport:
    """Return the figures of a site's exams and the alarms.

    exams: in any order. reference_end: exams up to this day are the reference; keep it from call to call. today: its
    month is not finished, so it has figures and no alarm. Raises TooFewCases with fewer than FEWEST_BEFORE exams in the
    reference, and ValueError for a value out of range.
    """
    rows = _arrays(exams)
    months = np.array([_month(exam.day) for exam in exams], int)
    before = np.array([exam.day <= reference_end for exam in exams], bool)
    if before.sum() < FEWEST_BEFORE:
        raise TooFewCases(
            f"too few cases: {before.sum()} exams until {reference_end}, at least {FEWEST_BEFORE} are needed before"
        )
    last_tested = min(_month(today), _month(reference_end + timedelta(days=1)) + MONTHS) - 1
    figures, tests = [], dict[int, list[_Test]]()
    for by, group, mask in _groups(exams):
        reference = rows.rows(before & mask)
        own = figures_of(reference, None, "before", by, group)
        figures.append(own)
        for month in np.unique(months[~before]).tolist():
            of_month = rows.rows(~before & mask & (months == month))
            figures.append(figures_of(of_month, reference, _name(month), by, group))
            if month <= last_tested and len(of_month) >= FEWEST:
                tests.setdefault(month, []).append(_Test(figures[-1], own, p_values(of_month, reference)))
        figures.append(figures_of(rows.rows(~before & mask), reference, "since", by, group))
    alarms = [alarm for month in sorted(tests) for alarm in _alarms(tests[month])]
    return DriftReport(reference_end, tuple(figures), tuple(alarms), tuple(_name(month) for month in sorted(tests)))


class _Test(NamedTuple):
    """A group's figures in a month and before, and the p-values of their comparison."""

    figures: PeriodFigures
    before: PeriodFigures
    p_values: dict[What, float]


def _alarms(tests: list[_Test]) -> list[Alarm]:
    """The alarms of one month from the tests of its groups, the smallest p-value first."""
    level = ERROR / MONTHS / (len(tests) * len(WHAT))
    found = [
        (p_value, what, figures, before)
        for figures, before, p_values_of_group in tests
        for what, p_value in p_values_of_group.items()
        if p_value <= level
    ]
    return [
        Alarm(
            figures.period, figures.by, figures.group, what, p_value,
            f"{sentence_of(what, figures, before)} That is more than chance explains.",
        )
        for p_value, what, figures, before in sorted(found, key=lambda alarm: alarm[0])
    ]  # fmt: skip


def _groups(exams: Sequence[WatchedExam]) -> list[tuple[By, str, np.ndarray]]:
    """All exams, and those of each vendor and density, as masks (n,)."""
    found: list[tuple[By, str, np.ndarray]] = [("all", "", np.ones(len(exams), bool))]
    vendors = np.array([exam.vendor or "unknown" for exam in exams])
    densities = np.array([exam.density or "unknown" for exam in exams])
    found += [("vendor", str(name), vendors == name) for name in np.unique(vendors)]
    found += [("density", str(name), densities == name) for name in np.unique(densities)]
    return found


def _arrays(exams: Sequence[WatchedExam]) -> GroupExams:
    scores = np.array([exam.score for exam in exams], float)
    probabilities = np.array([exam.probability for exam in exams], float)
    labels = np.array([exam.label for exam in exams], float)
    check_share("score", scores)
    check_share("probability", probabilities[~np.isnan(probabilities)])
    if not np.isin(labels[~np.isnan(labels)], (0, 1)).all():
        raise ValueError("label: a value is neither 0 nor 1. Give 1 for positive, 0 for negative, None for unknown.")
    return GroupExams(scores, probabilities, labels, np.array([exam.unlike for exam in exams], float))


def _month(day: date) -> int:
    return 12 * day.year + day.month - 1


def _name(month: int) -> str:
    return f"{month // 12}-{month % 12 + 1:02d}"
