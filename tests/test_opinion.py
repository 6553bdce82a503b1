"""What an opinion lacks, what contradicts it, and when two readings disagree."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.reading.opinion import Opinion, ReadingScale, disagreements, give_opinion
from mvmlm.reading.reading import Reading
from tests.test_store import mass

R, L = Laterality.RIGHT, Laterality.LEFT


def screening(opinion, right="normal", left="normal", **more):
    """A reading with an opinion; `R_birads="5"` is a further answer."""
    fields = {(None, "opinion"): opinion}
    if opinion != "technical recall":
        fields |= {(R, "breast_opinion"): right, (L, "breast_opinion"): left}
    return Reading(fields | assessed(**more).fields)


def assessed(**answers):
    return Reading({(Laterality(name[0]), name[2:]): value for name, value in answers.items()})


@pytest.mark.parametrize(
    ("reading", "problem"),
    [
        (screening("normal"), ""),
        (screening("normal", R_birads="1", L_birads="2"), ""),
        (screening("normal", R_birads="5"), "right breast: normal, but BI-RADS 5"),
        (screening("normal", L_birads="0"), "left breast: normal, but BI-RADS 0"),
        (screening("normal", L_birads="3"), "left breast: normal, but BI-RADS 3"),
        (screening("recall", "symptoms only", R_birads="4A"), "right breast: symptoms only, but BI-RADS 4A"),
        (screening("recall", "symptoms only", R_birads="1"), ""),
        (screening("recall", "abnormal", R_birads="2"), "right breast: abnormal, but BI-RADS 2"),
        (screening("recall"), "both breasts are normal"),
        (screening("recall", "abnormal"), "abnormal needs a finding"),
        (screening("technical recall"), "tick the views"),
        (screening("technical recall", R_repeat_cc="blurred", R_birads="0"), ""),
        (screening("normal", R_repeat_cc="blurred"), "the opinion is not technical recall"),
    ],
)
def test_an_opinion_that_contradicts_itself_or_an_assessment_is_named(reading, problem):
    said = reading.contradictions()
    assert any(problem in sentence for sentence in said) if problem else said == []


def test_normal_on_the_diagnostic_scale_takes_the_place_of_a_screening_opinion():
    recall = screening("recall", "symptoms only", L_note="lump")
    assert give_opinion(recall, Opinion.NORMAL, ReadingScale.DIAGNOSTIC).fields == {
        (R, "birads"): "1",
        (L, "birads"): "1",
        (L, "note"): "lump",
    }


@pytest.mark.parametrize(
    ("one", "other", "words"),
    [
        (screening("normal"), screening("normal"), ""),
        (screening("normal"), screening("recall", "symptoms only"), "normal and recall"),
        (screening("recall", "symptoms only"), screening("recall", "normal", "symptoms only"), "right breast"),
        (screening("technical recall", R_repeat_cc="blurred"), screening("technical recall", R_repeat_cc="other"), ""),
        (
            screening("technical recall", R_repeat_cc="blurred"),
            screening("technical recall", L_repeat_cc="blurred"),
            "views to repeat",
        ),
        (assessed(R_birads="1", L_birads="2"), assessed(R_birads="1", L_birads="2"), ""),
        (assessed(R_birads="1", L_birads="2"), assessed(R_birads="1", L_birads="3"), "left breast: BI-RADS 2 and 3"),
        (assessed(R_birads="1"), assessed(R_birads="1", L_birads="5"), "left breast: BI-RADS not given and 5"),
        (assessed(R_birads="1"), assessed(L_birads="1"), "right breast: BI-RADS 1 and not given"),
        (screening("normal"), assessed(R_birads="5"), "they cannot be compared"),
        (screening("normal"), assessed(R_density="B"), ""),
        (assessed(R_mass="1", R_note="a"), assessed(R_mass="0", R_note="b"), "right mass: 1 and 0"),
        (Reading({}, {1: mass()}), Reading(), ""),
    ],
)
def test_two_readings_disagree_where_somebody_has_to_decide(one, other, words):
    for said in (disagreements(one, other), disagreements(other, one)):
        assert len(said) >= 1 if words else said == []
    assert any(words in sentence for sentence in disagreements(one, other)) or not words
