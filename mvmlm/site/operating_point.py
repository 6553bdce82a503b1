"""Scores with labels of a site -> the threshold for which a recall, sensitivity or specificity is guaranteed.

Learn then Test (Angelopoulos, Bates, Candès, Jordan and Lei, "Learn then test: calibrating predictive algorithms to
achieve risk control", 2021; Annals of Applied Statistics, 2025): for each threshold the hypothesis that the share of
errors is above the limit is tested with the exact binomial p-value. The thresholds are tested in a fixed order, from
the one without errors on, until one is not rejected, each at the full level. As errors only grow along this order, the
guarantee also holds where the scores themselves are the thresholds, and the last threshold that is rejected is the last
with at most `binomial.most_allowed` errors.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from ..tasks import TASK
from .binomial import fewest_cases, most_allowed
from .cases import LabelledScores, Source, TooFewCases
from .estimates import Count, Share, Unit, share_of
from .plain_values import STRICT, from_plain, to_plain

CONFIDENCE = 0.9

Open = Annotated[float, Field(gt=0, lt=1)]


class Goal(str, Enum):
    """What is guaranteed.

    RECALL: at most this share of all women is called back. SENSITIVITY: at least this share of the women with the
    finding. SPECIFICITY: at least this share of the women without it is not called back.
    """

    RECALL = "recall"
    SENSITIVITY = "sensitivity"
    SPECIFICITY = "specificity"


@dataclass(frozen=True)
class CertifiedThreshold:
    """A threshold, what is guaranteed for it, and what it does to the women of the site.

    A woman is called back if the highest score of her breasts is above the threshold. The guarantee holds for women
    like these: those whom the same site examines in the same way. recall: of all women. sensitivity, specificity: of
    the women with, without the finding. ppv: the share with the finding of the women called back whose label is known;
    it belongs to the site's share of positives. The intervals of these shares are two-sided and of 95 %, so they are
    wider than the guarantee. None: no such women.
    """

    __pydantic_config__ = STRICT

    source: Source
    threshold: Unit
    goal: Goal
    limit: Open
    confidence: Open
    women: Count
    positives: Count
    negatives: Count
    recall: Share
    sensitivity: Share | None
    specificity: Share | None
    ppv: Share | None

    def __post_init__(self) -> None:
        if self.positives + self.negatives > self.women:
            raise ValueError("women: fewer than positives and negatives")

    @property
    def guarantee(self) -> str:
        """What is guaranteed, in one sentence."""
        confidence, limit, finding = _percent(self.confidence), _percent(self.limit), _finding(self.source.task)
        if self.goal is Goal.RECALL:
            what = f"at most {limit} of women like these {self.women:,} are called back"
        elif self.goal is Goal.SENSITIVITY:
            what = f"at least {limit} of women with {finding} like these {self.positives:,} are called back"
        else:
            what = f"at least {limit} of women without {finding} like these {self.negatives:,} are not called back"
        return f"With {confidence} confidence {what}."

    @property
    def shares(self) -> dict[str, Share]:
        """What it does to the women of the site, where there are such women; see the class."""
        known = {
            "recall": self.recall,
            "sensitivity": self.sensitivity,
            "specificity": self.specificity,
            "PPV": self.ppv,
        }
        return {name: share for name, share in known.items() if share is not None}

    @property
    def found_among_called(self) -> str:
        """The positive predictive value in one sentence: the counts, and the 95 % interval in 100 women."""
        finding = _finding(self.source.task)
        if self.ppv is None:
            return "No woman whose label is known is called back."
        low, high = (f"{100 * share:.0f}" for share in (self.ppv.low, self.ppv.high))
        found = f"{self.ppv.count:,} have" if self.ppv.count else "none has"
        often = f"{low} to {high} in 100 such women (95 % interval)"
        return f"Of {self.ppv.cases:,} women called back {found} {finding}: {often}."

    def calls_back(self, scores: np.ndarray) -> np.ndarray:
        """Return where a score, 0..1, is above the threshold; bool, of the same shape."""
        return np.asarray(scores, float) > self.threshold

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return to_plain(self)

    @classmethod
    def from_json(cls, data: Any) -> CertifiedThreshold:
        """Return the operating point that `to_json` wrote. Raises ValueError with the field that is wrong."""
        return from_plain(cls, data, "operating point")


def certified_threshold(
    cases: LabelledScores, goal: Goal, limit: float, source: Source, confidence: float = CONFIDENCE
) -> CertifiedThreshold:
    """Return the threshold that keeps the goal with this confidence, and of all such the one that is best otherwise.

    cases: breasts or exams that the model did not learn from, of one exam for each woman: at most two rows. Labels may
    be unknown; RECALL needs none. limit: 0.035 is a recall of at most 3.5 %, 0.9 a sensitivity or specificity of at
    least 90 %. The best is the highest threshold for SENSITIVITY, and the lowest for the others. Each woman counts
    once, with the highest of her scores; she is positive if one of her labels is. Raises ValueError for a limit or
    confidence out of range or more rows of a woman, and TooFewCases with the number of women needed.
    """
    for name, value in (("limit", limit), ("confidence", confidence)):
        if not 0 < value < 1:
            raise ValueError(f"{name}={value}: expected a share between 0 and 1, both excluded")
    scores, labels = by_woman(cases)
    counted = scores if goal is Goal.RECALL else scores[labels == (1 if goal is Goal.SENSITIVITY else 0)]
    error_limit = limit if goal is Goal.RECALL else 1 - limit
    allowed = most_allowed(len(counted), error_limit, 1 - confidence)
    if allowed < 0:
        raise TooFewCases(_too_few(goal, limit, confidence, len(counted), fewest_cases(error_limit, 1 - confidence)))
    threshold = _highest(scores, counted, allowed) if goal is Goal.SENSITIVITY else _lowest(scores, counted, allowed)
    called, positive, negative = scores > threshold, labels == 1, labels == 0
    recall = share_of(int(called.sum()), len(scores))
    assert recall is not None
    return CertifiedThreshold(
        source, threshold, goal, limit, confidence, len(scores), int(positive.sum()), int(negative.sum()),
        recall=recall,
        sensitivity=share_of(int((called & positive).sum()), int(positive.sum())),
        specificity=share_of(int((~called & negative).sum()), int(negative.sum())),
        ppv=share_of(int((called & positive).sum()), int((called & (positive | negative)).sum())),
    )  # fmt: skip


def by_woman(cases: LabelledScores) -> tuple[np.ndarray, np.ndarray]:
    """Return the highest score of each woman and whether a label of hers is positive, both (women,).

    The label is NaN where none is positive and one is unknown. Raises ValueError for more than two rows of a woman.
    """
    women = cases.patients.max(initial=-1) + 1
    rows = np.bincount(cases.patients, minlength=women)
    if (rows > 2).any():
        raise ValueError(f"patients: a woman has {rows.max()} cases. Keep one exam of each woman, at most two breasts.")
    scores, positive, unknown = np.full(women, -np.inf), np.zeros(women), np.zeros(women, bool)
    np.maximum.at(scores, cases.patients, cases.scores)
    np.maximum.at(positive, cases.patients, np.nan_to_num(cases.labels))
    np.logical_or.at(unknown, cases.patients, np.isnan(cases.labels))
    return scores, np.where(unknown & (positive == 0), np.nan, positive)


def _highest(scores: np.ndarray, counted: np.ndarray, allowed: int) -> float:
    """The highest threshold that is not above more than `allowed` of the counted scores. Raises ValueError at 0."""
    lowest_called = float(np.sort(counted)[allowed])
    if lowest_called == 0:
        raise ValueError("scores: too many of the women with the finding have the score 0, which no threshold finds.")
    return _between(float(scores[scores < lowest_called].max(initial=0.0)), lowest_called)


def _lowest(scores: np.ndarray, counted: np.ndarray, allowed: int) -> float:
    """The lowest threshold that at most `allowed` of the counted scores are above."""
    highest_left = float(np.sort(counted)[::-1][allowed])
    return _between(highest_left, float(scores[scores > highest_left].min(initial=1.0)))


def _between(below: float, above: float) -> float:
    """Halfway between two neighbouring scores, so that scores computed in another precision stay on their side."""
    middle = (below + above) / 2
    return middle if below <= middle < above else below


def _too_few(goal: Goal, limit: float, confidence: float, women: int, needed: int) -> str:
    whose = {Goal.RECALL: "women", Goal.SENSITIVITY: "women with the finding", Goal.SPECIFICITY: "women without it"}
    most = "at most" if goal is Goal.RECALL else "at least"
    return (
        f"too few cases: {women:,} {whose[goal]}, at least {needed:,} are needed for a {goal.value} of {most} "
        f"{_percent(limit)} with {_percent(confidence)} confidence"
    )


def _finding(task: str) -> str:
    return TASK[task].title.lower() if task in TASK else task


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"
