"""Sentences as radiologists dictate them are read right, or said to be not understood (tests/data/SENTENCES.md)."""

import pytest

from mvmlm.evaluation.estimates import wilson_interval
from mvmlm.report.findings import Finding, Findings
from scripts import score_sentences as scoring

#: the share of sentences that may be not right; all sets are used for mending by now
NOT_READ = {"sentences_fourth": 0.02, "sentences_fifth": 0.012}
MASS = Findings(present=(Finding("mass", shape="round"),))


@pytest.fixture(scope="module", params=scoring.FILES, ids=lambda path: path.stem)
def scored(request):
    found = scoring.cases(request.param)
    return [(case, scoring.score(case, scoring.read(case.text))) for case in found]


@pytest.fixture
def not_read(request, scored):
    return NOT_READ.get(request.node.callspec.id, 0.01)


def test_no_denial_is_read_as_a_finding(scored):
    assert [(case.text, score.denials_as_findings) for case, score in scored if score.denials_as_findings] == []


def test_no_finding_is_read_as_a_denial(scored):
    assert [(case.text, score.findings_as_denials) for case, score in scored if score.findings_as_denials] == []


def test_nothing_is_lost_without_a_word(scored):
    assert [case.text for case, score in scored if score.verdict == "silent"] == []


def test_the_sentences_are_read_right(scored, not_read):
    wrong = [(case.text, score.verdict) for case, score in scored if score.verdict != "right"]
    assert len(wrong) <= not_read * len(scored), wrong


def test_the_sets_are_large_and_the_halves_share_no_sentence():
    texts = {path.stem: {case.text for case in scoring.cases(path)} for path in scoring.FILES}
    assert len(texts) == 6 and min(map(len, texts.values())) >= 180
    assert not texts["sentences_tuning"] & texts["sentences_heldout"]


def score_of(expect: dict, sides: dict, kind="presence", **reading):
    return scoring.score(scoring.Case(kind, "", (expect,)), scoring.Reading(sides, **reading))


@pytest.mark.parametrize(
    "expect, sides, kind, risen, fallen",
    [
        ({"absent": ["mass"]}, {"unsided": MASS}, "denial", ("mass",), ()),
        ({"not_suspicious": ["mass"]}, {"unsided": Findings(possible=(Finding("mass"),))}, "denial", ("mass",), ()),
        ({"past": True}, {"unsided": MASS}, "history", ("mass",), ()),
        ({"absent": ["skin thickening"]}, {"unsided": Findings(features=("skin thickening",))}, "feature", ("skin thickening",), ()),
        ({"right": {"present": [{"kind": "mass"}]}, "left": {"absent": ["mass"]}}, {"right": MASS, "left": MASS}, "side", ("mass",), ()),
        ({"present": [{"kind": "mass"}]}, {"unsided": Findings(absent=frozenset({"mass"}))}, "presence", (), ("mass",)),
        ({"possible": [{"kind": "mass"}]}, {"unsided": Findings(not_suspicious=frozenset({"mass"}))}, "uncertainty", (), ("mass",)),
    ],
)  # fmt: skip
def test_the_score_finds_a_reading_turned_round(expect, sides, kind, risen, fallen):
    score = score_of(expect, sides, kind, said=True)
    assert score == ("wrong", risen, fallen)


@pytest.mark.parametrize(
    "expect, sides, reading, verdict",
    [
        ({"present": [{"kind": "mass", "shape": "round"}]}, {"unsided": MASS}, {}, "right"),
        ({"present": [{"kind": "mass", "shape": {"any": ["round", None]}}]}, {"unsided": MASS}, {}, "right"),
        ({"sides": "left", "present": [{"kind": "mass", "shape": "round"}]}, {"right": MASS}, {}, "wrong"),
        ({"sides": "left", "present": [{"kind": "mass", "shape": "round"}]}, {"unsided": MASS}, {}, "wrong"),
        ({"present": [{"kind": "mass", "shape": "oval"}]}, {"unsided": MASS}, {"said": True}, "wrong"),
        ({"possible": [{"kind": "mass", "shape": "round"}]}, {"unsided": MASS}, {"said": True}, "wrong"),
        ({"absent": ["mass"]}, {"unsided": Findings(not_suspicious=frozenset({"mass"}))}, {}, "wrong"),
        ({"present": [{"kind": "mass", "shape": "round", "size_mm": 9}]}, {"unsided": MASS}, {}, "silent"),
        ({"present": [{"kind": "mass", "shape": "round", "size_mm": 9}]}, {"unsided": MASS}, {"said": True}, "said"),
        ({"present": [{"kind": "mass", "shape": "round"}] * 2}, {"unsided": MASS}, {}, "silent"),
        ({"not_understood": True}, {}, {}, "silent"),
        ({"not_understood": True}, {}, {"said": True}, "right"),
        ({"past": True}, {}, {}, "silent"),
        ({"density": "C"}, {}, {"density": "D"}, "wrong"),
        ({"birads": "2"}, {"unsided": Findings(birads="4")}, {"said": True}, "wrong"),
        ({"present": [{"kind": "mass", "shape": "round"}]}, {"unsided": MASS}, {"silent": ("Cyst.",)}, "silent"),
        ({"refused": True}, {"left": MASS}, {"said": True}, "wrong"),
        ({"refused": True}, {}, {"refused": True}, "right"),
    ],
)
def test_the_score_tells_right_from_lost_and_wrong(expect, sides, reading, verdict):
    assert score_of(expect, sides, **reading).verdict == verdict


def test_interval_of_a_share():
    low, high = wilson_interval(95, 100)
    assert (round(low, 3), round(high, 3)) == (0.888, 0.978)
    assert wilson_interval(10, 10)[1] == 1
