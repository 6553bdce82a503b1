"""An addendum above its report: it goes before what stands below it, as one behind the report does."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding
from mvmlm.report.parser import parse_report, read_report

R = Laterality.RIGHT


@pytest.mark.parametrize(
    "text",
    [
        "ADDENDUM 1/2/2020: The right mass measures 19 mm. BI-RADS 4C.\n\nFINDINGS: Right oval mass 9 mm. BI-RADS 4A.",
        "ADDENDUM: The right mass measures 19 mm. BI-RADS 4C.\nEXAM: Mammogram.\nFINDINGS: Right oval mass 9 mm.\n"
        "IMPRESSION: BI-RADS 4A.",
        "ADDENDUM:\n\nThe right mass measures 19 mm. BI-RADS 4C.\n\nRIGHT BREAST:\nOval mass, 9 mm. BI-RADS 4A.",
        "FINDINGS: Right oval mass 9 mm. BI-RADS 4A.\n\nADDENDUM:\n\nThe right mass measures 19 mm.\n\nBI-RADS 4C.",
    ],
)
def test_an_addendum_overrides_the_report_on_either_side_of_it(text):
    found = read_report(text).breasts[R]
    assert found.present == (Finding("mass", shape="oval", size_mm=19),) and found.birads == "4C"
    assert parse_report(text) == found


def test_a_denial_in_an_addendum_above_the_report_takes_the_finding_out():
    report = read_report("ADDENDUM: There is no mass in the right breast.\n\nFINDINGS: Right mass 9 mm.")
    assert report.breasts[R].absent == {"mass"} and not report.contradictions


@pytest.mark.parametrize(
    "addendum",
    ["It is the left breast, not the right.", "The left breast was inadvertently described as the right breast."],
)
def test_an_addendum_above_the_report_that_moves_it_blocks_it(addendum):
    assert "names another breast" in read_report(f"ADDENDUM: {addendum}\n\nFINDINGS: Right mass 9 mm.").problem


@pytest.mark.parametrize(
    "heading",
    ["***ADDENDUM***\n", "--- Addendum ---\n", "Addendum begins. ", "SUPPLEMENTAL REPORT: ", "SECOND ADDENDUM: ",
     "REVISED REPORT: ", "LATE ENTRY: ", "**Addendum:** ", "# Addendum\n"],
)  # fmt: skip
def test_an_addendum_is_known_by_each_of_its_headings(heading):
    report = read_report(f"Right breast mass, 9 mm.\n{heading}The right mass measures 19 mm.")
    assert report.breasts[R].present == (Finding("mass", size_mm=19),) and not report.problem


def test_headings_in_stars_and_lines_are_headings():
    for text in (
        "**RIGHT BREAST**\nMass.\n=== LEFT BREAST ===\nNo mass.",
        "# Findings\n## Right\n- mass\n## Left\n- none",
    ):
        breasts = read_report(text).breasts
        assert breasts[R].present == (Finding("mass"),) and breasts[Laterality.LEFT].absent == {"mass"}


def test_an_addendum_on_what_is_denied_above_it_replaces_it_or_blocks_the_report():
    found = read_report("No mass in the right breast. ADDENDUM: On review there is a mass in the right breast, 6 mm.")
    assert found.breasts[R].present == (Finding("mass", size_mm=6),)
    report = read_report("No mass in the right breast. ADDENDUM: A concern about a mass is raised.")
    assert "may correct" in report.problem
    assert not read_report("No mass in the right breast. ADDENDUM: Dr. X agrees that there is no mass.").problem


def test_two_sizes_of_the_same_mass_contradict():
    report = read_report("Right breast mass, 9 mm. The mass is oval and measures 19 mm.")
    assert report.breasts[R].present == (Finding("mass", shape="oval"),)
    assert report.contradictions == (("right mass", "the report says 9 and 19 mm"),)
