"""CSAW-CC: only the exam that found the cancer is labelled malignant, and the follow-up says what is known."""

import pytest

from mvmlm.exam import Laterality
from tests.dataset_tables import CSAW_HEADER, csaw_cc, csaw_row, put, read_cases

R, L = Laterality


@pytest.fixture
def found(tmp_path):
    csaw_cc(tmp_path)
    return read_cases("csaw-cc", tmp_path)


def test_the_exam_that_found_the_cancer_is_malignant_on_its_side_only(found):
    assert found["1 2012"].breast_labels == {R: {"malignancy": 0}, L: {"malignancy": 1}}
    assert found["1 2010"].breast_labels == {R: {"malignancy": 0}, L: {"malignancy": 0}}


def test_whether_an_interval_cancer_could_be_seen_is_not_known(found):
    assert found["2 2011"].breast_labels == {R: {}, L: {"malignancy": 0}}


def test_an_exam_two_years_before_the_cancer_shows_none(found):
    assert found["3 2011"].breast_labels == {R: {"malignancy": 0}, L: {"malignancy": 0}}


def test_a_cancer_without_a_time_gives_no_label_on_its_side(found):
    assert found["5 2011"].breast_labels == {R: {"malignancy": 0}, L: {}}
    assert found["5 2011"].risk is None


def test_women_without_cancer_are_labelled_so(found):
    assert found["4 2014"].breast_labels == {R: {"malignancy": 0}, L: {"malignancy": 0}}


@pytest.mark.parametrize("exam, risk", [
    ("1 2010", (2.0, True)), ("1 2012", None),  # the cancer is there
    ("2 2009", (2.0, False)), ("2 2011", None),  # found some time within the two years after 2011
    ("3 2010", (3.0, False)), ("3 2011", (2.0, False)),  # none within two years of the last exam
    ("4 2011", (3.0, False)), ("4 2014", None),
])  # fmt: skip
def test_the_follow_up_says_no_more_than_the_table_does(found, exam, risk):
    assert found[exam].risk == risk


def test_times_that_disagree_are_listed_and_give_no_label(tmp_path):
    rows = csaw_row("9", 2010, "1", "Left", "1", "Left") + csaw_row("9", 2010, "1", "Left", "2", "Left", "MLO")
    put(tmp_path, "CSAW-CC_breast_cancer_screening_data.csv", CSAW_HEADER + rows)
    case = read_cases("csaw-cc", tmp_path)["9 2010"]
    assert case.breast_labels == {L: {}} and case.contradictions == ("9 2010 rad_timing: rows say 1 and 2",)
