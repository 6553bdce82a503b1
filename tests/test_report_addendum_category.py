"""Which category a breast has: that of an addendum, and that of a sentence of its own under the breast's heading."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding
from mvmlm.report.parser import read_report

R, L = Laterality.RIGHT, Laterality.LEFT


@pytest.mark.parametrize(
    "text, category",
    [
        ("Right mass 12 mm. BI-RADS 4A.\nADDENDUM: right mass 21 mm, BI-RADS 4C", "4C"),
        ("Right mass 12 mm. BI-RADS 4A.\nADDENDUM: The right mass measures 21 mm, BI-RADS 4C.", "4C"),
        ("Right mass 12 mm. BI-RADS 4C.\nADDENDUM: right mass 12 mm, BI-RADS 3.", "3"),
        ("Right mass 12 mm. BI-RADS 4A.\nADDENDUM: BI-RADS 4C", "4C"),
        ("Right mass 12 mm, BI-RADS 4A.\nADDENDUM: BI-RADS 4C", "4C"),
        ("Right mass 12 mm. BI-RADS 4A.\nADDENDUM: right mass, category 4C.", "4C"),
        ("Right breast: mass 12 mm. BI-RADS 4A.\nADDENDUM: Right breast: mass 21 mm, BI-RADS 4C", "4C"),
        ("Right mass. BI-RADS 2.\nADDENDUM: right grouped calcifications, BI-RADS 4B.", "4B"),
        ("Right mass. BI-RADS 4C.\nADDENDUM: also right punctate calcifications, BI-RADS 2.", "4C"),
        ("Right breast: BI-RADS 0.\nADDENDUM: right mass, BI-RADS 5.", "5"),
        ("Right mass. BI-RADS 0.\nAddendum 3/4/2019: right mass 9 mm, BI-RADS 2.", "2"),
        ("Right mass. Probably benign.\nADDENDUM: right mass 21 mm, BI-RADS 4C", "4C"),
    ],
)
def test_the_category_of_an_addendum_goes_before_the_one_above_it(text, category):
    report = read_report(text)
    assert report.breasts[R].birads == category and not report.contradictions
    assert all(finding.birads in (None, category, "2") for finding in report.breasts[R].present)


@pytest.mark.parametrize(
    "text",
    [
        "Right: neg. Left: mass 2.3cm UOQ irreg spic. BIRADS 5",
        "Left: mass 2.3 cm, UOQ, irreg. BI-RADS 5.",
        "Left breast: mass, 23 mm, spic. Category 5.",
        "Left: 23 mm mass, upper outer quad. BIRADS 5",
        "LEFT: MASS 23 MM IRREG. BIRADS 5",
        "left: mass 23 mm spic. birads 5",
        "Left: mass 23 mm; BI-RADS 5",
        "Left: mass 23 mm circ. ACR 5",
        "Left: mass 23 mm.\nBI-RADS 5",
        "Left: mass 23 mm indist. Assessment: BI-RADS 5.",
        "Left breast: mass 23 mm spic.BIRADS 5",
    ],
)
def test_a_category_in_a_sentence_of_its_own_is_that_of_the_breast(text):
    left = read_report(text).breasts[L]
    assert left.birads == "5" and left.present[0].birads is None and left.present[0].size_mm == 23


def test_a_category_behind_a_finding_stays_the_findings():
    left = read_report("Left: irreg. mass, 23 mm, BI-RADS 5.").breasts[L]
    assert left.birads is None and left.present == (Finding("mass", shape="irregular", size_mm=23, birads="5"),)


@pytest.mark.parametrize(
    "addendum, exam, right",
    [
        ("right mass 12 mm, BI-RADS 4C.", "4C", None),
        ("Right breast BI-RADS 4C.", "4C", "4C"),
        ("Right breast BI-RADS 4A.", "4A", "4A"),
        ("Right breast BI-RADS 2.", None, "2"),
    ],
)
def test_the_category_of_one_breast_in_an_addendum_goes_before_the_exams(addendum, exam, right):
    report = read_report(f"Right mass 12 mm. Left no mass.\nIMPRESSION: BI-RADS 4A.\nADDENDUM: {addendum}")
    assert report.unsided.birads == exam and report.breasts[R].birads == right
    assert bool(report.contradictions) is (exam is None)
