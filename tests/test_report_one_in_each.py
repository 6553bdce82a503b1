"""A sentence that names one finding with a place in each breast: "mass in the right breast at 3:00 and left at 4:00"."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding
from mvmlm.report.parser import read_report

R, L = Laterality.RIGHT, Laterality.LEFT


@pytest.mark.parametrize(
    "text",
    [
        "Mass in the right breast at 3:00 and left breast at 4:00.",
        "Mass in the right breast at 3:00 and in the left breast at 4:00.",
        "A mass is seen in the right breast at 3 o'clock and in the left breast at 4 o'clock.",
        "Masses in the right breast at 3:00 and the left breast at 4:00.",
        "There are masses in the right breast at 3 o'clock and left breast at 4 o'clock.",
        "Mass at 3:00 in the right breast and 4:00 in the left breast.",
        "Mass at 3:00 in the right breast and at 4:00 in the left breast.",
        "Mass in the left breast at 4:00 and right breast at 3:00.",
        "Mass in the right breast at 3:00, and left breast at 4:00.",
        "There is a mass in the right breast at 3:00 and one in the left breast at 4:00.",
        "Mass in the right at 3:00 and left at 4:00.",
    ],
)
def test_a_finding_with_a_place_in_each_breast_is_one_of_each(text):
    report = read_report(text)
    assert report.breasts[R].present == (Finding("mass", clock=3),)
    assert report.breasts[L].present == (Finding("mass", clock=4),)


@pytest.mark.parametrize(
    "text",
    [
        "No mass in the right breast at 3:00 and left breast at 4:00.",
        "Possible mass in the right breast at 3:00 and left breast at 4:00.",
        "Mass in the right breast at 3:00 and left breast biopsy at 4:00.",
        "Two masses in the right breast at 3:00 and left breast at 4:00.",
        "Mass with calcifications in the right breast at 3:00 and left breast at 4:00.",
        "The previous mass in the right breast at 3:00 and left breast at 4:00.",
    ],
)
def test_one_that_may_be_read_in_two_ways_is_not_taken_apart(text):
    report = read_report(text)
    assert not any(found.present or found.absent for found in report.breasts.values()) and not report.unsided.present
