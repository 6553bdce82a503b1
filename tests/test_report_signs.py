"""Signs behind a finding: "mass (-)", "calcification: neg" and "calcification (+)"."""

import pytest

from mvmlm.report.findings import Finding, Findings
from mvmlm.report.parser import parse_report

MASS = Findings(present=(Finding("mass"),))


def denied(*kinds, present=()):
    return Findings(absent=frozenset(kinds), present=tuple(map(Finding, present)))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Mass: -", denied("mass")),
        ("Mass -.", denied("mass")),
        ("Calcifications -", denied("calcification")),
        ("Calcifications: –", denied("calcification")),
        ("Mass (-). Calcification (+).", denied("mass", present=["calcification"])),
        ("Mass (+), calcification (-)", denied("calcification", present=["mass"])),
        ("Mass +, calcification -", denied("calcification", present=["mass"])),
        ("Mass (-) Calcification (-) Distortion (+)", denied("mass", "calcification", present=["distortion"])),
        ("Mass - Calcification - Distortion -", denied("mass", "calcification", "distortion")),
        ("Masses, calcifications, distortion: -", denied("mass", "calcification", "distortion")),
        ("Mass: -\nCalcifications: +\nDistortion: neg", denied("mass", "distortion", present=["calcification"])),
        ("Mass neg.", denied("mass")),
        ("Mass: neg, calcification: pos", denied("mass", present=["calcification"])),
        ("Mass (neg)", denied("mass")),
        ("Mass [-]", denied("mass")),
        ("Masses: negative; distortion: -ve", denied("mass", "distortion")),
        ("Calcifications: positive", denied(present=["calcification"])),
        ("Calcification (positive)", denied(present=["calcification"])),
        ("Calcification: +ve", denied(present=["calcification"])),
        ("Skin thickening (-), mass (-)", denied("skin thickening", "mass")),
        ("- Mass -\n- Calcifications +", denied("mass", present=["calcification"])),
        ("Findings: mass (-)", denied("mass")),
        ("Mass: - BI-RADS 1", Findings(absent=frozenset({"mass"}), birads="1")),
        ("Mass - BI-RADS 4", Findings(present=(Finding("mass", birads="4"),))),
    ],
)
def test_a_sign_behind_a_finding_denies_or_affirms_it(text, expected):
    assert parse_report(text) == expected


@pytest.mark.parametrize(
    "text", ["- Mass", "- mass", "– Mass", "• Mass", "Findings:\n- Mass", "Findings: - mass", "Mass +", "Mass (+)"]
)
def test_a_bullet_in_front_is_no_sign(text):
    assert parse_report(text) == MASS


@pytest.mark.parametrize(
    "text",
    [
        "Mass - oval, 12 mm", "Mass (+), oval, 12 mm", "Mass: 12 mm - oval", "Mass -\noval, 12 mm", "Mass - 12 mm, oval.",
        "- Mass - 12 mm - oval", "Oval mass - 12 mm -", "Mass: positive, oval, 12 mm",
    ],
)  # fmt: skip
def test_a_dash_before_a_description_is_no_sign(text):
    assert parse_report(text) == Findings(present=(Finding("mass", shape="oval", size_mm=12),))


@pytest.mark.parametrize("text", ["Mass +/-", "Mass: -/+", "Mass (+/-)", "Mass (±)", "Mass + calcification -"])
def test_signs_that_can_be_read_in_two_ways_are_neither(text):
    found = parse_report(text)
    assert not found.present and "mass" not in found.absent


@pytest.mark.parametrize("text", ["Spiculated mass (-)", "Mass in the upper outer quadrant: -"])
def test_a_sign_behind_one_sort_does_not_deny_the_kind(text):
    assert parse_report(text) == Findings()
