"""The breast of a report's findings: a side in a history, technique, comparison or plan is none of theirs."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.parser import read_report

NO_SIDE = [
    "CLINICAL HISTORY: 54-year-old woman with left breast pain. FINDINGS: No mass is seen.",
    "Indication: lump in the left breast.\nNo mass is seen.",
    "INDICATION: Left breast: pain.\nNo mass is seen.",
    "HISTORY:\nLeft breast: pain.\n\nNo mass is seen.",
    "INDICATION: Left breast\nNo mass is seen.",
    "EXAM: Left mammogram\nNo mass is seen.",
    "EXAM:\nLeft mammogram\n\nNo mass is seen.",
    "54-year-old woman with left breast pain. No mass is seen.",
    "The patient has a lump in the left breast. No mass is seen.",
    "Left breast pain. No mass is seen.",
    "Technique: Left breast ultrasound. Findings: No mass is seen.",
    "Technique: views of the left breast. No mass is seen.",
    "Comparison: left mammogram 2019. No mass is seen.",
    "Comparison is made with the left mammogram of 2019. No mass is seen.",
    "Compared with the left mammogram of 2019, no mass is seen.",
    "In this woman with left breast pain, no mass is seen.",
    "FINDINGS: No mass is seen. RECOMMENDATION: Left breast ultrasound.",
    "No mass is seen. Recommend ultrasound of the left breast.",
    "No mass is seen. Ultrasound of the left breast is recommended.",
    "FINDINGS: No mass is seen. HISTORY: pain in the left breast.",
    "A marker was placed on the left breast. No mass is seen.",
    "Family history: mother with cancer of the left breast. No mass is seen.",
    "Status post left lumpectomy. No mass is seen.",
]


@pytest.mark.parametrize("text", [*NO_SIDE, "Left breast pain: no mass is seen."])
def test_a_side_outside_the_findings_never_sets_the_breast_of_a_denial(text):
    report = read_report(text)
    assert report.unsided == Findings(absent=frozenset({"mass"}))
    assert set(report.breasts.values()) <= {Findings()}


@pytest.mark.parametrize("text", NO_SIDE)
def test_a_side_outside_the_findings_never_sets_the_breast_of_a_finding(text):
    report = read_report(text.replace("No mass is", "An oval mass is").replace("no mass is", "an oval mass is"))
    assert report.unsided == Findings(present=(Finding("mass", shape="oval"),))
    assert set(report.breasts.values()) <= {Findings()}


@pytest.mark.parametrize(
    "text, sides",
    [
        ("Reason for exam: lump in right breast. Bilateral mammogram shows no mass.", {"right", "left"}),
        ("History: left breast pain. Right breast: oval mass. No calcifications.", {"right"}),
        ("Comparison: left mammogram 2019.\nRight breast:\nNo mass.", {"right"}),
        ("HISTORY:\n\nRIGHT BREAST:\nNo mass.", {"right"}),
        ("Ultrasound of the left breast: no mass. No calcifications.", {"left"}),
        ("Left mammogram. No mass.", {"left"}),
        ("For the left breast, no mass is seen.", {"left"}),
    ],
)
def test_a_side_of_the_findings_still_sets_the_breast(text, sides):
    report = read_report(text)
    assert {side.word for side, found in report.breasts.items() if found != Findings()} == sides
    assert ("calcification" in report.unsided.absent) == text.startswith("Ultrasound")


def test_the_mass_behind_a_history_is_of_no_breast():
    assert read_report("History: left breast pain. Findings: The mass is oval.").unsided.present[0].shape == "oval"
    assert not read_report("In the left breast there is a mass. The mass is oval.").unsided.present


def test_a_denial_in_one_breast_or_the_other_is_one_in_both():
    for text in (
        "No mass is seen in the right breast or the left breast.",
        "There is no mass in the left or right breast.",
    ):
        found = read_report(text).breasts
        assert set(found) == set(Laterality) and set(found.values()) == {Findings(absent=frozenset({"mass"}))}
    for text in ("A mass is seen in the right or left breast.", "No change in the mass in the right or left breast."):
        assert not any(found.present for found in read_report(text).breasts.values())


def test_a_description_with_and_stays_with_its_breast():
    found = read_report("The left breast mass is round and circumscribed, while the right breast mass is oval.").breasts
    assert found[Laterality.LEFT].present == (Finding("mass", shape="round", margin="circumscribed"),)
    assert found[Laterality.RIGHT].present == (Finding("mass", shape="oval"),)


@pytest.mark.parametrize(
    "text, of_the_exam, of_the_left",
    [
        ("Right breast: No mass.\nLeft breast: Oval mass.\nAssessment: BI-RADS 4B.", "4B", None),
        ("Right breast: No mass.\nLeft breast: Oval mass.\nBI-RADS assessment: 4B.", "4B", None),
        ("Right breast: No mass. Assessment: BI-RADS 1.\nLeft breast: Oval mass. Assessment: BI-RADS 4B.", None, "4B"),
        ("Right: No mass.\nLeft: Oval mass.\nLeft: Assessment: BI-RADS 4B.", None, "4B"),
        ("Left breast: Oval mass.\nAssessment: BI-RADS 4B.", None, "4B"),
    ],
)
def test_an_assessment_behind_both_breasts_is_the_exams(text, of_the_exam, of_the_left):
    report = read_report(text)
    assert report.unsided.birads == of_the_exam
    assert report.breasts[Laterality.LEFT].birads == of_the_left


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Mass at the nine o'clock position.", Findings(present=(Finding("mass", clock=9),))),
        ("Mass at twelve o'clock.", Findings(present=(Finding("mass", clock=12),))),
        ("The mass now measures 7 mm compared with 11 mm previously.", Findings(present=(Finding("mass", size_mm=7),))),
        ("It is uncertain whether there is a mass.", Findings(possible=(Finding("mass"),))),
        ("It is unclear if there are calcifications.", Findings(possible=(Finding("calcification"),))),
        ("We are pleased to tell you that your mammogram shows no evidence of malignancy.", Findings(birads="1")),
    ],
)
def test_further_ways_to_tell_an_hour_a_size_a_doubt_and_a_result(text, expected):
    assert read_report(text).findings == expected


def test_the_mass_is_in_the_breast_of_the_sentence_that_names_one():
    told = (
        "There is a mass in the left breast. The right breast has calcifications. They are grouped. The mass is oval."
    )
    found = read_report(told).breasts
    assert found[Laterality.LEFT].present == (Finding("mass", shape="oval"),)
    assert found[Laterality.RIGHT].present == (Finding("calcification", distribution="grouped"),)


@pytest.mark.parametrize("text", ["The mass was right at the nipple.", "No mass is left."])
def test_right_and_left_that_name_no_breast_give_none(text):
    assert all(found == Findings() for found in read_report(text).breasts.values())


@pytest.mark.parametrize(
    "summary",
    ["IMPRESSION: Right breast: Oval mass 9 mm.", "IMPRESSION:\nRIGHT BREAST:\nMass.", "Impression, right: 9 mm mass."],
)
def test_a_summary_by_breasts_repeats_the_findings(summary):
    found = read_report(f"FINDINGS: Right breast: Oval mass 9 mm.\n{summary}").breasts
    assert found[Laterality.RIGHT].present == (Finding("mass", shape="oval", size_mm=9),)
