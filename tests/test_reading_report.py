"""Typed reports: which breast a sentence is about, what is taken from it and what is left out."""

import random
from dataclasses import replace

import pytest

from app.read.report_preview import plan_report
from mvmlm.exam import Laterality
from mvmlm.reading.edit import set_descriptor
from mvmlm.reading.reading import MarkedFinding, Reading
from mvmlm.reading.typed_report import SideClash, read_typed_report
from mvmlm.report.finding_columns import columns_of_finding, finding_from_columns
from mvmlm.report.findings import ExamFindings, Finding, Findings
from mvmlm.report.writer import write_exam_report

R, L = Laterality.RIGHT, Laterality.LEFT
MASS = Findings(present=(Finding("mass"),))
NO_MASS = Findings(absent=frozenset({"mass"}))


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Left breast: mass.", {L: MASS}),
        ("LEFT: mass", {L: MASS}),
        ("L: mass", {L: MASS}),
        ("Lt. breast: mass", {L: MASS}),
        ("L breast mass", {L: MASS}),
        ("In the left breast there is a mass.", {L: MASS}),
        ("There is a left-sided mass.", {L: MASS}),
        ("Right breast:\nNo mass.\nLeft breast:\nMass.", {R: NO_MASS, L: MASS}),
        ("RIGHT BREAST\n\nNo mass.\n\nLEFT BREAST\n\nMass.", {R: NO_MASS, L: MASS}),
        ("Mass in the left breast. No mass in the right breast.", {R: NO_MASS, L: MASS}),
        ("Bilateral: no mass", {R: NO_MASS, L: NO_MASS}),
        ("No mass in both breasts.", {R: NO_MASS, L: NO_MASS}),
        ("Left breast: a mass is not seen.", {L: NO_MASS}),
        ("Left breast: no change of the mass.", {L: MASS}),
        ("Mass in the left breast. BI-RADS 5.", {L: Findings(present=(Finding("mass"),), birads="5")}),
    ],
)
def test_a_report_names_its_breasts(text, expected):
    report = read_typed_report(text)
    assert dict(report.breasts) == expected and report.left_out == ()


@pytest.mark.parametrize(
    "text, why",
    [
        ("Mass. BI-RADS 4.", "names no breast"),
        ("No mass in the right breast. Mass in the left breast. BI-RADS 4.", "names no breast"),
        ("Right breast: no mass. Left breast: mass. Impression: BI-RADS 4.", "names no breast"),
        ("Right breast: no mass.\n\nLeft breast: mass.\n\nBI-RADS 4.", "names no breast"),
        ("Mass in the right breast, not in the left breast.", "names both breasts"),
        ("Left breast: mass, larger than the mass on the right.", "another breast than the heading"),
        ("Left breast: no mass. Mass in the contralateral breast.", "without naming it"),
        ("Left breast: a mass is unlikely.", "in words that are not understood"),
        ("Left breast: no new mass.", "denies something, but only one sort"),
        ("Left breast: mass. BI-RADS 4. BI-RADS 5.", "the report says 4 and 5"),
        ("Left breast: mass. No mass.", "it is there, and that it is not"),
        ("Density B. Density C.", "the report says B and C"),
    ],
)
def test_what_is_not_clear_is_left_out_with_the_reason(text, why):
    assert any(why in reason for _, reason in read_typed_report(text).left_out)
    assert all(sentence and meaning for sentence, meaning, _ in read_typed_report(text).understood)


def test_words_that_were_not_understood_are_named():
    ((_, meaning, rest),) = read_typed_report("Left breast: suspicious mass of 1.2 cm, 2 o’clock").understood
    assert meaning == "left mass present (size mm 12, clock 2)" and rest == "suspicious"


@pytest.mark.parametrize("chosen, text", [(R, "Left breast: mass."), (L, "Bilateral masses and mass."), (R, "L: mass")])
def test_a_clash_with_the_chosen_breast_blocks(chosen, text):
    with pytest.raises(SideClash, match="Nothing was taken"):
        read_typed_report(text, chosen)
    assert read_typed_report("Mass.", chosen).breasts == {chosen: MASS}


def test_reports_of_our_own_writer_are_read_back_whole():
    rng = random.Random(4)
    mass = Finding(
        "mass", "irregular", "spiculated", size_mm=12, place="upper outer", clock=2, features=("skin thickening",)
    )
    exam = ExamFindings(
        Findings(None, (mass,), frozenset({"calcification"}), "4B"), Findings(None, (), frozenset({"mass"}), "1")
    )
    for _ in range(200):
        text = write_exam_report(exam, rng)
        report = read_typed_report(text)
        assert report.breasts == {R: exam.right, L: exam.left}, text
        assert all(rest == "" for _, _, rest in report.understood), (text, report.understood)


def test_gaps_of_any_length_change_nothing_and_take_no_time():
    """A pattern that looks for the end of a gap from each of its places would keep the whole app busy for hours."""
    gap = " \t" * 100_000
    report = read_typed_report(
        f"Left breast:{gap}mass.{gap}\n{gap}\n" + "\n" * 100_000 + f"Right breast:{gap}no{gap}mass."
    )
    assert dict(report.breasts) == {L: MASS, R: NO_MASS} and report.left_out == ()
    assert report.understood[1][0] == "no mass"


def test_a_report_longer_than_any_is_not_begun():
    plan = plan_report(Reading(), "Left breast: mass. " * 6000, None)
    assert (
        plan.problem == "This report has more than 100,000 letters. Take it in parts."
        and not plan.adds
        and not plan.replaces
    )


def test_the_form_keeps_the_words_it_has_no_field_for():
    described = Finding("mass", "oval", "indistinct", size_mm=8.5, subtlety=2,
                        also=(("margin", "spiculated"),), either=(("shape", "round"),))  # fmt: skip
    reading = Reading({}, {1: MarkedFinding(Laterality.LEFT, "mass", described)})
    assert set_descriptor(reading, 1, "depth", "middle").findings[1].descriptors == replace(described, depth="middle")
    other = set_descriptor(reading, 1, "margin", "obscured").findings[1].descriptors
    assert other.words("margin") == ("obscured",) and other.other_words("shape") == described.other_words("shape")


def test_several_words_of_a_field_pass_through_the_columns_of_a_table():
    described = Finding("mass", "oval", "indistinct", size_mm=8.5,
                        also=(("margin", "spiculated"),), either=(("shape", "round"),))  # fmt: skip
    columns = columns_of_finding(described)
    assert columns["mass_margin"] == "indistinct and spiculated" and columns["mass_size_mm"] == "8.5"
    assert finding_from_columns("mass", columns.get) == described
