"""The report parser guesses nothing: what may turn a finding, a size or a side around is said, and not taken."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.parser import read_report

R, L = Laterality.RIGHT, Laterality.LEFT
MASS, CALCIFICATION = Finding("mass"), Finding("calcification")


@pytest.mark.parametrize(
    "text",
    [
        # a word that is not known in a place from which it may deny, doubt or plan
        "Neg mass.", "Zero masses.", "0 masses.", "Mass: unknown.", "Mass: N", "Mass improbable.", "Sans mass.",
        "Callback for calcifications.", "Patient is concerned about a mass.", "Ten percent of masses are missed.",
        "The mass was aspirated.", "Complaint: mass.", "Excluding a mass.",
        # of another picture, another time or another reader
        "MRI demonstrated a 9 mm mass.", "Mass seen on ultrasound.", "Outside mammogram showed a mass.",
        "In 2019, no mass was seen.", "In 2019 a mass was seen.", "A mass was noted at the last visit.",
        "Per patient, there is a mass.", "According to the referring physician there is a mass.",
        "Distortion has decreased and is now gone.", "There had been a mass.",
        # doubts
        "Mass (?)", "(?) mass", "Mass was considered but is unlikely.",
        "Mass/asymmetry.", "Mass and/or asymmetry.", "It may be that there is a mass.",
        # signs
        "Mass (+/-)", "(-) mass", "Mass [ ]", "[ ] mass [x] calcifications",
        # denials of a part only
        "There is no evidence that the mass has changed.", "Mammography does not detect all masses.",
        "No mass elsewhere.", "No mass in the rest of the breast.", "No masses that are new.",
        # taken back
        "There is a mass, correction, no mass.", "There is a mass scratch that.", "There is a mass. Scratch that.",
    ],
)  # fmt: skip
def test_what_may_turn_a_finding_round_is_said_and_not_taken(text):
    report = read_report(text)
    assert report.findings == Findings()
    assert all(sentence.not_understood for sentence in report.sentences)


@pytest.mark.parametrize(
    "text, size",
    [
        ("A .8 cm mass.", 8), ("Mass 3 mm x 2 cm.", 20), ("Mass 12 x 9 x 7mm.", 12), ("Mass has increased to 12 mm.", 12),
        ("Mass at 2:00, 12 mm.", 12), ("Mass with spiculated margins measuring 12 mm.", 12), ("Mass 12 mm by 9 mm.", 12),
        ("A 1/2 cm mass.", None), ("A 1 1/2 cm mass.", None), ("Mass 1.200 mm.", None), ("Mass: 12/15 mm.", None),
        ("Mass between 5 and 7 mm.", None), ("Mass 5 or 6 mm.", None), ("Mass 8, 10 and 12 mm.", None),
        ("The mass has grown by 5 mm.", None), ("The mass has decreased about 4 mm.", None), ("Mass 5 mm larger.", None),
        ("A 4 mm increase in size of the mass.", None), ("Mass decreased from 12 mm.", None), ("Mass at 3 cm.", None),
        ("Mass at 10:00, FN 5 cm.", None), ("Mass, distance from the nipple 5 cm.", None), ("Mass 4 mm under the skin.", None),
        ("Mass at a depth of 4 cm.", None), ("Mass within 5 mm of the skin.", None), ("Mass with a margin of 3 mm.", None),
        ("Mass with skin thickening of 4 mm.", None), ("Mass with a 5 mm clip.", None),
    ],
)  # fmt: skip
def test_a_length_is_a_size_only_where_it_is_the_findings(text, size):
    report = read_report(text)
    assert [finding.size_mm for finding in report.findings.present] == [size]
    digits = "".join(c for c in text if c.isdigit())
    assert size or any(set(digits) & set(sentence.not_understood) for sentence in report.sentences)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("NO MASSES.CALCIFICATIONS PRESENT.", Findings(absent={"mass"}, present=(CALCIFICATION,))),
        ("No masses, only calcifications.", Findings(absent={"mass"}, present=(CALCIFICATION,))),
        ("Mass with possible calcifications.", Findings(present=(MASS,), possible=(CALCIFICATION,))),
        ("There appears to be a mass.", Findings(possible=(MASS,))),
        ("Dubious mass.", Findings(possible=(MASS,))), ("Mass not certain.", Findings(possible=(MASS,))),
        ("No masses, calcifications present.", Findings(absent={"mass"})),
        ("No masses and calcifications are seen.", Findings(absent={"mass"})),
        ("There is an 8 mm mass. No mass elsewhere.", Findings(present=(Finding("mass", size_mm=8),))),
        ("Two masses, 8 mm and 11 mm.", Findings(present=(Finding("mass", size_mm=8), Finding("mass", size_mm=11)))),
        ("Mass 9 mm, and there is a clip at 3 o'clock.", Findings(present=(Finding("mass", size_mm=9),))),
        ("Lesion 1: 12 mm mass", Findings(present=(Finding("mass", size_mm=12),))),
        ("No mass is seen. Nor are there any calcifications.", Findings(absent={"mass", "calcification"})),
        ("Density B/C.", Findings()), ("Density B to C.", Findings()),
        ("Predominantly fatty mass.", Findings(present=(MASS,))), ("Dense mass.", Findings(present=(MASS,))),
        ("Masses, calcifications and distortion are all absent.",
         Findings(absent={"mass", "calcification", "distortion"})),
    ],
)  # fmt: skip
def test_what_is_open_in_a_list_or_of_two_readings_is_not_guessed(text, expected):
    assert read_report(text).findings == expected


@pytest.mark.parametrize(
    "text",
    ["Mass left of midline.", "Left on the image, a mass is seen.", "What is left is a mass.", "Mass, R/L.",
     "The mass was left in place.", "Right now there is a mass.", "Mass to the right of the clip."],
)  # fmt: skip
def test_right_and_left_that_name_no_breast_are_said(text):
    report = read_report(f"Left breast: no distortion. {text}")
    assert all(not findings.present for findings in (*report.breasts.values(), report.unsided))
    assert report.sentences[-1].why


@pytest.mark.parametrize("text, side", [("(R) mass", R), ("L - mass", L), ("RCC: mass", R), ("Lt UOQ mass", L)])
def test_abbreviated_sides(text, side):
    report = read_report(text)
    assert [finding.kind for finding in report.breasts[side].present] == ["mass"]


@pytest.mark.parametrize(
    "addendum, blocked",
    [
        ("ADDENDUM: In error, the side should read left breast.", True), ("Addendum: laterality is reversed.", True),
        ("Addendum: Mass is left-sided.", True), ("Amended report: left mass.", True),
        ("Addendum: Please disregard the above.", True), ("Addendum: the mass resolved on additional views.", True),
        ("Addendum: no mass seen on the MLO view.", True), ("Addendum: Size should be 21 mm.", True),
        ("Addendum dated 3/4/2020: The size should be 21 mm.", True),
        ("Addendum: There is also a distortion in the left breast.", False),
        ("Addendum: Results were given to the patient.", False), ("Addendum: The mass is 21 mm.", False),
    ],
)  # fmt: skip
def test_an_addendum_that_may_correct_the_report_blocks_it(addendum, blocked):
    report = read_report(f"Right breast: 12 mm mass. {addendum}")
    assert bool(report.problem) == blocked and (not blocked or "Write the report anew" in report.problem)


def test_an_addendum_that_denies_a_finding_on_all_views_replaces_it():
    report = read_report("Right breast: 12 mm mass. Addendum: no mass seen on additional views.")
    assert not report.findings.present and report.findings.absent == {"mass"} and not report.problem


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Mass has not been ruled out.", Findings(possible=(Finding("mass"),))),
        ("A mass is believed to be present.", Findings(possible=(Finding("mass"),))),
        ("A mass appears to be present.", Findings(possible=(Finding("mass"),))),
        ("Almost no calcifications.", Findings()),
        ("Focal asymmetry, not persisting on compression.", Findings()),
        ("Non-persistent asymmetry.", Findings()),
        ("There is asymmetry of the breasts.", Findings()),
        ("Mass, previously not seen.", Findings(present=(Finding("mass"),))),
        ("Mass of the supero-external quadrant.", Findings(present=(Finding("mass", place="upper outer"),))),
        ("Mass at posterior depth measuring 6 mm.", Findings(present=(Finding("mass", depth="posterior", size_mm=6),))),
    ],
)
def test_doubts_denials_in_part_and_words_of_other_things_are_heard(text, expected):
    assert read_report(text).findings == expected
