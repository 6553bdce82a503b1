"""Reports as forms: answers behind headings, ticks, numbers of findings, and categories alone."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.parser import read_report

R, L = Laterality.RIGHT, Laterality.LEFT


def said(report):
    return " ".join(sentence.not_understood for sentence in report.sentences).strip()


def test_the_answer_no_in_front_of_a_heading_ends_its_line():
    text = "RIGHT\nMass: yes\nShape: oval\nCalcifications: no\nLEFT\nMass: no\nCalcifications: yes\nType: punctate"
    breasts = read_report(text).breasts
    assert breasts[R] == Findings(present=(Finding("mass", shape="oval"),), absent=frozenset({"calcification"}))
    assert breasts[L].absent == {"mass"} and breasts[L].first("calcification")
    assert read_report("No mass in the\nleft breast").breasts[L].absent == {"mass"}


@pytest.mark.parametrize(
    "text",
    [
        "☐ mass ☒ calcification",
        "✓ mass ✗ calcification",
        "Mass ✗",
        "mass: ∅",
        "Masses not evaluated.",
        "Mass: n.a. Calcifications: not assessed.",
        "mass/calcifications/distortion: none/none/present",
        "mass, calcifications, distortion - no, yes, no",
        "CALCIFICATIONS: There are no suspicious ones.",
        "Masses: no suspicious.",
        "Findings absent: masses.",
        "Findings previous exam: mass.",
        "Findings unlikely: mass.",
        "NEGATIVE: mass, calcifications",
        "mass s calcifications",
        "A mass or cyst.",
        "Either a mass or a cyst.",
        "A cyst or a mass.",
        "A mass may be missed in dense tissue.",
        "A mass could be obscured by dense tissue.",
    ],
)
def test_an_answer_that_may_be_no_is_neither_a_finding_nor_a_denial_and_is_said(text):
    report = read_report(text)
    assert report.findings == Findings() and said(report)


@pytest.mark.parametrize(
    "text, present, absent",
    [
        ("Mass No. 2 is at 3 o'clock.", (Finding("mass", clock=3),), ()),
        ("Mass no. 2: 12 mm.", (Finding("mass", size_mm=12),), ()),
        ("Calcifications: No. 3 mm mass.", (Finding("mass", size_mm=3),), ("calcification",)),
        ("Mass: No. 2 calcifications.", (Finding("calcification"),) * 2, ("mass",)),
        ("Mass absent of calcification.", (Finding("mass"),), ("calcification",)),
        ("• Mass 12 mm • No calcifications", (Finding("mass", size_mm=12),), ("calcification",)),
        ("Mass, size not stated.", (Finding("mass"),), ()),
        ("Left breast - mass - 12 mm - 3 o'clock", (Finding("mass", size_mm=12, clock=3),), ()),
        ("Mass at 3 o'clock - 5 o'clock.", (Finding("mass"),), ()),
        ("Mass at 2:00-3:00, 11 mm.", (Finding("mass", size_mm=11),), ()),
        ("Mass 10 mm -> 12 mm.", (Finding("mass", size_mm=12),), ()),
        ("Mass 10 → 12 mm.", (Finding("mass", size_mm=12),), ()),
        ("Mass now 12 mm versus 10 mm.", (Finding("mass", size_mm=12),), ()),
        ("Mass with a 5 mm satellite.", (Finding("mass"),), ()),
        ("Mass with 5 mm spiculations.", (Finding("mass", margin="spiculated"),), ()),
        ("The mass is not in the right breast.", (), ()),
        ("Mass medial to the scar.", (Finding("mass"),), ()),
        ("The medial margin of the mass is spiculated.", (Finding("mass", margin="spiculated"),), ()),
        ("Mass with spiculated margins laterally.", (Finding("mass", margin="spiculated", place="outer"),), ()),
        (
            "Mass with circumscribed margins medially and spiculated margins laterally.",
            (Finding("mass", margin="circumscribed", also=(("margin", "spiculated"),)),),
            (),
        ),
        ("Mass lateral to the nipple.", (Finding("mass", place="outer"),), ()),
        ("No enlarged lymph nodes.", (), ("axillary adenopathy",)),
        ("Lymph nodes are not enlarged.", (), ()),
    ],
)
def test_a_number_of_a_finding_is_no_denial_and_a_dash_behind_an_hour_no_range(text, present, absent):
    assert read_report(text).findings == Findings(present=present, absent=frozenset(absent))


@pytest.mark.parametrize("text", ["Right: 0. Left: 1.", "Right: 0\nLeft: 4", "Impression: 4", "BI-RADS:\n4"])
def test_a_number_behind_a_heading_is_never_lost_silently(text):
    assert all(number in said(read_report(text)) for number in text if number.isdecimal())


def test_the_number_of_a_list_is_none():
    assert not said(read_report("1. Right breast mass, BI-RADS 4. 2. Left breast: no mass."))
    report = read_report("Right breast: 1. Mass 5 mm. 2. Calcifications. Left breast: 1. No mass.")
    assert not said(report) and report.breasts[L].absent == {"mass"} and len(report.breasts[R].present) == 2


@pytest.mark.parametrize("text", ["Right: neg. Left: mass 9 mm.", "Right breast neg.\nLeft breast: mass 9 mm."])
def test_a_breast_that_is_neg_is_negative(text):
    report = read_report(text)
    assert report.breasts[R].birads == "1" and report.breasts[L].present == (Finding("mass", size_mm=9),)
    assert not said(report)


@pytest.mark.parametrize("text", ["Right mass: neg.", "Neg mass right.", "Right breast: neg mass."])
def test_neg_beside_a_finding_is_no_category(text):
    assert all(found.birads is None and not found.present for found in read_report(text).breasts.values())


@pytest.mark.parametrize("word", ["Associated skin thickening.", "There is associated nipple retraction."])
def test_what_is_associated_is_in_the_breast_of_the_finding_before_it(word):
    report = read_report(f"Oval mass in the right breast. {word} No mass in the left breast.")
    assert len(report.breasts[R].features) == 1 and report.unsided == Findings()


@pytest.mark.parametrize(
    "text",
    [
        "Findings right breast: mass. Findings left breast: no mass.",
        "Report right: mass\nReport left: no mass",
        "Findings, right breast:\nMass.\nFindings, left breast:\nNo mass.",
        "Impression right breast: mass.\nImpression left breast: no mass.",
    ],
)
def test_a_breast_in_a_heading_of_findings_is_never_lost(text):
    breasts = read_report(text).breasts
    assert breasts[R].present == (Finding("mass"),) and breasts[L].absent == {"mass"}


@pytest.mark.parametrize(
    "text, absent, open_one",
    [
        ("no mass no calcifications skin thickening is seen", {"mass", "calcification"}, "skin thickening"),
        ("no mass calcifications present", {"mass"}, "calcifications"),
        ("no mass or calcifications, distortion", {"mass", "calcification"}, "distortion"),
        ("no mass (calcifications)", {"mass"}, "calcifications"),
        ("No mass or calcifications, asymmetry or distortion.",
         {"mass", "calcification", "asymmetry", "distortion"}, ""),
        ("No mass, calcifications, distortion.", {"mass", "calcification", "distortion"}, ""),
    ],
)  # fmt: skip
def test_what_may_stand_behind_the_list_of_a_denial_is_neither_denied_nor_taken(text, absent, open_one):
    report = read_report(text)
    assert report.findings == Findings(absent=frozenset(absent)) and said(report) == open_one


@pytest.mark.parametrize(
    "text, present, absent",
    [
        ("mass with out calcifications", ("mass",), ("calcification",)),
        ("mass w/ calcifications", ("calcification", "mass"), ()),
        ("calcifications, associated mass not seen", ("calcification",), ("mass",)),
        ("distortion with central lucency and no mass", ("distortion",), ("mass",)),
        ("mass with a round lucency", ("mass",), ()),
    ],
)
def test_what_stands_beside_a_finding_keeps_its_meaning(text, present, absent):
    found = read_report(text).findings
    assert found == Findings(present=tuple(map(Finding, present)), absent=frozenset(absent))


@pytest.mark.parametrize("text", ["BI-RADS 4-B.", "BI-RADS 4 (B).", "BI-RADS 4 b.", "BIRADS4b"])
def test_the_letter_of_a_category_is_never_lost(text):
    assert read_report(text).findings.birads == "4B"
    assert read_report("BI-RADS 4 a.").findings.birads == "4A"
    assert read_report("BI-RADS 4 - a mass is seen.").findings.first("mass").birads == "4"


def test_none_on_a_side_of_a_feature_denies_it_there_and_words_in_a_denial_of_change_are_said():
    report = read_report("No nipple retraction on the right. None on the left, 5 mm.")
    assert report.breasts[L].absent == {"nipple retraction"}
    assert said(read_report("No zylinder change in the round mass.")) == "zylinder"
    assert not said(read_report("No significant interval change in the round mass."))
