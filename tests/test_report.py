import random

from mvmlm.exam import Laterality
from mvmlm.report import ASSESSMENT_WORDS, Asymmetry, Calcification, Distortion, Findings, Mass, write_report

NORMAL = Findings("B", birads=1)
FULL = Findings(
    "C",
    mass=Mass("irregular", "spiculated", 14, "upper outer"),
    calcification=Calcification("fine pleomorphic", "grouped", "upper outer"),
    asymmetry=Asymmetry("focal asymmetry", "lower inner"),
    distortion=Distortion("upper inner"),
    birads=5,
)


def wordings(findings, n=400, side=None):
    return [write_report(findings, random.Random(seed), side) for seed in range(n)]


def test_the_same_seed_gives_the_same_words():
    assert wordings(FULL, 20) == wordings(FULL, 20)


def test_there_are_many_wordings():
    assert len(set(wordings(FULL))) > 350
    assert len(set(wordings(NORMAL))) > 150


def test_nothing_that_is_not_in_the_fields_is_said():
    for said in wordings(NORMAL):
        for word in ("spiculated", "irregular", "quadrant", " mm ", "there is a mass", "suspicious abnormality", "BI-RADS 4"):
            assert word not in said
    for said in wordings(Findings(mass=Mass())):
        for word in ("round", "oval", "irregular", "margin", "quadrant", " mm ", "dense", "fatty", "BI-RADS"):
            assert word not in said


def test_outcomes_are_never_said():
    for said in wordings(FULL) + wordings(NORMAL):
        for word in ("biopsy", "cancer", "invasive", "carcinoma"):
            assert word not in said.lower()


def test_a_present_finding_is_never_denied():
    for said in wordings(FULL):
        for words in ("no mass", "no calcifications", "no asymmetry", "no architectural", "no suspicious", "no focal"):
            assert words not in said


def test_the_side_is_named_only_when_given():
    assert not any("left" in said or "right" in said for said in wordings(FULL))
    told = wordings(FULL, side=Laterality.LEFT)
    assert any("left" in said for said in told) and not any("right" in said for said in told)


def test_every_assessment_has_words():
    assert set(ASSESSMENT_WORDS) == {1, 2, 3, 4, 5}
