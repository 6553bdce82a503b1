"""Whose exam it is: when two exams are one woman's, which IDs name nobody, which dates are none."""

from dataclasses import replace

import pytest

from mvmlm.patient import PatientIdentity, SameWoman, is_placeholder_id, sound_date

ANNA = PatientIdentity("4711", "HOSPITAL", "19600102", "F")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, SameWoman.YES),
        ({"patient_id": " 4711 "}, SameWoman.YES),
        ({"patient_id": "4712"}, SameWoman.NO),
        ({"patient_id": "P4711"}, SameWoman.NO),
        ({"issuer": "OTHER"}, SameWoman.NO),
        ({"birth_date": "19610102"}, SameWoman.NO),
        ({"sex": "M"}, SameWoman.NO),
        ({"patient_id": ""}, SameWoman.UNSURE),
        ({"patient_id": "ANONYMOUS"}, SameWoman.UNSURE),
        ({"issuer": ""}, SameWoman.UNSURE),
        ({"birth_date": ""}, SameWoman.UNSURE),
        ({"birth_date": "19000101"}, SameWoman.UNSURE),
        ({"sex": ""}, SameWoman.UNSURE),
        ({"patient_id": "UNKNOWN", "birth_date": "19610102"}, SameWoman.NO),
    ],
)
def test_two_exams_are_one_womans_only_when_every_field_agrees(change, expected):
    other = replace(ANNA, **change)
    assert ANNA.same_woman(other) is expected and other.same_woman(ANNA) is expected


def test_a_field_that_is_absent_on_both_sides_agrees():
    assert PatientIdentity("4711").same_woman(PatientIdentity("4711")) is SameWoman.YES
    assert PatientIdentity("4711", birth_date="00000000").same_woman(PatientIdentity("4711")) is SameWoman.YES


def test_ids_that_differ_only_in_capital_and_small_letters_are_unsure():
    upper, lower = replace(ANNA, patient_id="Ab4711"), replace(ANNA, patient_id="aB4711")
    assert upper.same_woman(lower) is SameWoman.UNSURE
    assert upper.same_woman(replace(lower, birth_date="19610102")) is SameWoman.NO


def test_two_nobodies_are_not_one_woman():
    for nobody in ("", "ANONYMOUS", "0000"):
        assert PatientIdentity(nobody).same_woman(PatientIdentity(nobody)) is SameWoman.UNSURE


@pytest.mark.parametrize(
    "patient_id",
    ["", " ", "ANONYMOUS", "anonymized", "Anonymous^Patient", "UNKNOWN", "Unknown ID", "UNBEKANNT", "inconnu", "0", "0000",
     "000-00-0000", "9999999", "XXXX", "N/A", "none", "NULL", "No Name", "no_id", "-", "???", "12345678", "123456", "-1",
     "DE-IDENTIFIED", "ANON000", "test patient", "not given", "ANON", "ANON_0000"],
)  # fmt: skip
def test_an_id_that_names_nobody(patient_id):
    assert is_placeholder_id(patient_id)


@pytest.mark.parametrize(
    "patient_id", ["p1", "1", "4711", "ANON0017", "Mass-Test_P_00820", "exam-00001", "A", "100", "TEST7"]
)
def test_an_id_that_names_somebody(patient_id):
    assert not is_placeholder_id(patient_id)


@pytest.mark.parametrize(
    "text",
    ["", None, "0000", "00000000", "19000101", "20990101", "yesterday", "20201301", "20200230", "2020", "19700101"],
)
def test_a_date_that_is_no_day_of_an_exam(text):
    assert sound_date(text) == ""


def test_a_day_in_either_form_of_the_standard_is_a_date():
    assert sound_date("20200131") == sound_date("2020.01.31") == sound_date(" 2020-01-31 ") == "20200131"
