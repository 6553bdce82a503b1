"""Several findings of a kind: how many there are, which words are whose, and which one a later sentence is about."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding
from mvmlm.report.parser import parse_report, read_report

R = Laterality.RIGHT


def masses(*words):
    return tuple(sorted((Finding("mass", **values) for values in words), key=repr))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Two masses, one oval and one round.", ({"shape": "oval"}, {"shape": "round"})),
        ("An oval and a round mass are seen.", ({"shape": "oval"}, {"shape": "round"})),
        ("A 5 mm and an 8 mm mass.", ({"size_mm": 5}, {"size_mm": 8})),
        ("A mass anteriorly and another posteriorly.", ({"depth": "anterior"}, {"depth": "posterior"})),
        ("A mass is at 3 o'clock and a second one at 9 o'clock.", ({"clock": 3}, {"clock": 9})),
        ("One mass is oval and the other is irregular.", ({"shape": "oval"}, {"shape": "irregular"})),
        ("Two masses, one is spiculated.", ({"margin": "spiculated"}, {})),
        ("Two masses, one of which is spiculated.", ({"margin": "spiculated"}, {})),
        ("Three masses, one at 3 o'clock.", ({"clock": 3}, {}, {})),
        ("Three masses, up to 15 mm.", ({"size_mm": 15}, {}, {})),
        (
            "Two masses: one at 3 o'clock anteriorly, one at 9 o'clock posteriorly.",
            ({"clock": 3, "depth": "anterior"}, {"clock": 9, "depth": "posterior"}),
        ),
        (
            "Two oval masses, one 8 mm in the upper outer quadrant and the other 5 mm, retroareolar.",
            (
                {"shape": "oval", "size_mm": 8, "place": "upper outer"},
                {"shape": "oval", "size_mm": 5, "place": "retroareolar"},
            ),
        ),
        (
            "Three oval masses, the largest 12 mm at 3 o'clock.",
            ({"shape": "oval", "size_mm": 12, "clock": 3}, {"shape": "oval"}, {"shape": "oval"}),
        ),
        ("Mass 8 mm and second mass 5 mm posteriorly.", ({"size_mm": 8}, {"size_mm": 5, "depth": "posterior"})),
        ("Two oval masses. The masses are circumscribed.", ({"shape": "oval", "margin": "circumscribed"},) * 2),
        ("Two oval masses. They are circumscribed.", ({"shape": "oval", "margin": "circumscribed"},) * 2),
        ("Two masses are seen. The mass at 3 o'clock is oval.", ({"clock": 3, "shape": "oval"}, {})),
        ("Mass at 3 o'clock. Mass at 9 o'clock. The mass at 3 o'clock is oval.",
         ({"clock": 3, "shape": "oval"}, {"clock": 9})),
    ],
)  # fmt: skip
def test_each_of_several_findings_has_its_own_words(text, expected):
    report = read_report(text)
    assert report.findings.present == masses(*expected)
    assert not report.contradictions and not any(sentence.not_understood for sentence in report.sentences)


def test_a_finding_that_is_told_beside_the_first_is_one():
    found = parse_report("A mass of 3 cm. A second mass of 8 mm lies 2 cm anterior to the first.").present
    assert found == masses({"size_mm": 30}, {"size_mm": 8})


@pytest.mark.parametrize(
    "text",
    ["Up to four masses.", "At least two masses.", "Less than five masses.", "About ten masses.", "2 to 3 masses."],
)
def test_a_number_that_is_none_is_said_and_not_taken(text):
    report = read_report(text)
    assert report.findings.present == masses({}) and report.sentences[0].not_understood


@pytest.mark.parametrize(
    "text",
    [
        "A 2 cm mass. A 1 cm mass. The larger mass is irregular.",
        "A round mass. An oval mass. It is 9 mm.",
        "An oval mass, 9 mm. A round mass, 4 mm.\nADDENDUM: The mass measures 19 mm.",
    ],
)
def test_a_sentence_on_one_of_several_that_it_does_not_name_is_said_and_not_taken(text):
    report = read_report(text)
    assert len(report.findings.present) == 2
    (contradiction,) = report.contradictions
    assert contradiction[1].startswith("the report does not say which of several it means: ")
    assert contradiction[1].endswith(("irregular", "9 mm"))


@pytest.mark.parametrize(
    "addendum, expected",
    [
        ("There is also a 5 mm round mass.", ({"shape": "oval", "size_mm": 9}, {"shape": "round", "size_mm": 5})),
        ("A second mass of 5 mm is seen.", ({"shape": "oval", "size_mm": 9}, {"size_mm": 5})),
        ("There is a 5 mm mass.", ({"shape": "oval", "size_mm": 9}, {"size_mm": 5})),
        ("The mass measures 19 mm.", ({"shape": "oval", "size_mm": 19},)),
        ("Right mass 19 mm.", ({"shape": "oval", "size_mm": 19},)),
        ("Correction: a 19 mm mass.", ({"shape": "oval", "size_mm": 19},)),
    ],
)
def test_an_addendum_on_a_further_finding_leaves_the_one_above_it(addendum, expected):
    report = read_report(f"Oval mass in the right breast, 9 mm.\nADDENDUM: {addendum}")
    assert report.breasts[R].present == masses(*expected)


def test_what_describes_the_inner_one_of_two_findings_is_never_given_to_the_outer_one():
    report = read_report("Mass with round or irregular calcifications.")
    assert parse_report("Mass with spiculated calcifications.").first("mass") == Finding("mass")
    assert report.findings.first("mass") == Finding("mass") and "irregular" in report.sentences[0].not_understood


@pytest.mark.parametrize("text", ["Finding #2: calcifications.", "Finding 2: calcifications.", "2: calcifications."])
def test_the_number_of_a_finding_is_not_how_many_there_are(text):
    assert parse_report(text).present == (Finding("calcification"),)
