"""The report made from the form: each section, both sides, what is missing by name, and no word that nobody gave."""

import random
from dataclasses import replace

import pytest

from mvmlm.exam import STANDARD_VIEWS, Acquisition, Exam, Laterality, Projection, ViewName
from mvmlm.reading.location import FindingLocation
from mvmlm.reading.reading import Mark, MarkedFinding, Reading
from mvmlm.reading.report_content import content_of
from mvmlm.reading.typed_report import read_typed_report
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.lexicon import ASSESSMENTS, KINDS
from mvmlm.report.template import (
    NOT_GIVEN,
    RESEARCH_ONLY,
    ReportContent,
    ReportedFinding,
    write_template,
)
from tests.random_findings import random_finding

R, L = Laterality.RIGHT, Laterality.LEFT
R_CC, L_CC, R_MLO, L_MLO = STANDARD_VIEWS
TITLES = [
    "MAMMOGRAM",
    "INDICATION",
    "COMPARISON",
    "BREAST COMPOSITION",
    "FINDINGS",
    "ASSESSMENT",
    "RECOMMENDATION",
]
MASS = Finding(
    "mass", shape="irregular", margin="spiculated", mass_density="high", size_mm=12, place="upper outer", clock=2,
    depth="middle", features=("skin thickening",), birads="4B",
)  # fmt: skip


def sections(text):
    """Title -> its lines; those on the findings also by breast."""
    found = {block.split("\n")[0]: block.split("\n")[1:] for block in text.split("\n\n")}
    lines = found["FINDINGS"]
    left = lines.index("Left breast:")
    assert lines[0] == "Right breast:", "right first, as the pictures hang"
    return found | {"right": lines[1:left], "left": lines[left + 1 :]}


def box(view, label="mass"):
    return Mark(view, "box", label, ((1, 1), (5, 5)))


@pytest.fixture
def exam(phantom):
    return phantom.exam


def test_with_nothing_given_every_section_says_so():
    text = write_template(ReportContent())
    found = sections(text)
    assert list(found)[: len(TITLES)] == TITLES and text.endswith(RESEARCH_ONLY)
    for title in ({*TITLES} - {"MAMMOGRAM", "FINDINGS"}) | {"right", "left"}:
        assert found[title] == [NOT_GIVEN], title
    assert found["MAMMOGRAM"] == [f"Views: {NOT_GIVEN}."]


def test_a_finding_has_its_size_place_views_and_assessment_on_its_own_side():
    content = ReportContent(views=STANDARD_VIEWS, findings=(ReportedFinding(L, "mass", MASS, 1, (L_CC, L_MLO)),))
    found = sections(write_template(content))
    assert found["left"][0] == (
        "1. Irregular mass, spiculated margin, high density, 12 mm, upper outer quadrant, 2 o’clock, middle third, "
        "with skin thickening, BI-RADS 4B. Marked on L CC, L MLO."
    )
    assert found["right"] == [NOT_GIVEN]
    assert "mass" not in "".join(found["right"]).lower()


def test_several_findings_keep_their_numbers_and_sides():
    calcification = Finding("calcification", morphology="amorphous", distribution="grouped", size_mm=7.5)
    content = ReportContent(
        views=STANDARD_VIEWS,
        findings=(
            ReportedFinding(L, "mass", MASS, 3, (L_CC,)),
            ReportedFinding(R, "calcification", calcification, 1, (R_MLO,)),
            ReportedFinding(L, "asymmetry", Finding("asymmetry", asymmetry="focal asymmetry"), 4),
        ),
    )
    found = sections(write_template(content))
    assert [line[0] for line in found["left"]] == ["3", "4", "["]
    assert found["right"][0].startswith("1. Amorphous calcifications, grouped distribution, 7.5 mm. ")
    assert found["left"][1] == ("4. Focal asymmetry. [not marked on a view] [size not given] [place not given]")


def test_an_estimated_place_is_called_estimated_and_gives_way_to_the_readers_own():
    estimated = ReportedFinding(R, "mass", Finding("mass"), 1, (R_CC,), "outer, anterior third")
    line = sections(write_template(ReportContent(findings=(estimated,))))["right"][0]
    assert "[place estimated from the marks: outer, anterior third]" in line
    given = replace(estimated, finding=Finding("mass", place="retroareolar"))
    line = sections(write_template(ReportContent(findings=(given,))))["right"][0]
    assert line.startswith("1. Mass, retroareolar.") and "estimated" not in line


def test_what_is_denied_and_what_is_not_said_are_told_apart():
    content = ReportContent(absent={R: frozenset(KINDS), L: frozenset({"mass", "calcification"})})
    found = sections(write_template(content))
    assert found["right"] == ["No mass, calcifications, asymmetry or architectural distortion."]
    assert found["left"] == [
        "No mass or calcifications.",
        "[not stated: asymmetry, architectural distortion]",
    ]


def test_an_assessment_keeps_its_scale_and_a_side_without_one_says_so():
    for value in ASSESSMENTS:
        right, left = sections(write_template(ReportContent(assessments={L: value})))["ASSESSMENT"]
        assert right == f"Right breast: {NOT_GIVEN}" and left.startswith(f"Left breast: BI-RADS {value}, ")
    both = ReportContent(assessments={L: "4B"}, breast_opinions={L: "abnormal"})
    assert sections(write_template(both))["ASSESSMENT"][1] == (
        "Left breast: abnormal; BI-RADS 4B, moderate suspicion for malignancy."
    )
    seen = ReportedFinding(L, "mass", MASS, 1, (L_CC,), suspicion=4)
    assert "BI-RADS 4B, suspicion 4 of 5." in write_template(ReportContent(findings=(seen,))), "neither is converted"


def test_a_screening_opinion_stands_first_with_the_views_to_repeat(exam):
    recall = Reading({(None, "opinion"): "recall", (L, "breast_opinion"): "abnormal", (R, "breast_opinion"): "normal"})
    assert sections(write_template(content_of(recall, exam)))["ASSESSMENT"] == [
        "Opinion: recall.",
        "Right breast: normal.",
        "Left breast: abnormal.",
    ]
    again = Reading({(None, "opinion"): "technical recall", (R, "repeat_mlo"): "cut off", (L, "repeat_cc"): "blurred"})
    assert sections(write_template(content_of(again, exam)))["ASSESSMENT"] == [
        "Opinion: technical recall.",
        "To repeat: L CC (blurred), R MLO (cut off).",
    ]
    assert sections(write_template(content_of(Reading({(None, "opinion"): "normal"}), exam)))["ASSESSMENT"] == [
        "Opinion: normal."
    ]


def test_a_recommendation_never_follows_from_an_assessment_by_itself():
    found = sections(write_template(ReportContent(assessments={R: "5"})))
    assert found["RECOMMENDATION"] == found["INDICATION"] == [NOT_GIVEN]


@pytest.mark.parametrize(
    ("fields", "recommended", "right"),
    [
        ({(None, "opinion"): "normal", (R, "breast_opinion"): "normal"}, "Routine screening.", "Normal: no finding"),
        (
            {(None, "opinion"): "technical recall", (R, "repeat_mlo"): "cut off", (L, "repeat_cc"): "blurred"},
            "Repeat L CC, R MLO.",
            NOT_GIVEN,
        ),
        ({(None, "opinion"): "technical recall"}, NOT_GIVEN, NOT_GIVEN),
        (
            {(None, "opinion"): "recall", (L, "breast_opinion"): "symptoms only", (R, "breast_opinion"): "normal"},
            "Recall for assessment of the left breast.",
            "Normal: no finding",
        ),
        (
            {(None, "opinion"): "recall", (L, "breast_opinion"): "abnormal", (R, "breast_opinion"): "abnormal"},
            "Recall for assessment of the right and left breasts.",
            NOT_GIVEN,
        ),
        ({(None, "opinion"): "recall"}, NOT_GIVEN, NOT_GIVEN),
    ],
)
def test_a_screening_opinion_says_what_is_recommended(exam, fields, recommended, right):
    found = sections(write_template(content_of(Reading(fields), exam)))
    assert found["RECOMMENDATION"] == [recommended] and found["INDICATION"] == ["Screening."]
    assert found["right"][0].startswith(right)
    assert found["COMPARISON"] == ["[no earlier mammogram is here]"]


def test_a_breast_without_a_view_is_not_reported_on():
    found = sections(write_template(ReportContent(views=(L_CC, L_MLO), missing=(R_CC, R_MLO))))
    assert found["right"] == ["[no view of this breast]"]
    assert found["MAMMOGRAM"] == ["Views: L CC, L MLO.", "Not there: R CC, R MLO."]


def test_a_reading_becomes_its_report(exam):
    reading = Reading(
        {(None, "density"): "B", (R, "mass"): "0", (L, "mass"): "1", (L, "calcification"): "1", (L, "birads"): "4B",
         (L, "malignancy"): "1", (None, "note"): "Ask for the priors."},
        {2: MarkedFinding(L, "mass", MASS, (box(L_CC), box(L_MLO), box(L_CC)))},
    )  # fmt: skip
    place = FindingLocation("upper outer", 2, "middle", {}, True)
    text = write_template(content_of(reading, exam, {2: place}, "exam-00012", "Reader: AB, first read, draft."))
    found = sections(text)
    assert found["MAMMOGRAM"][-1] == "Views: R CC, L CC, R MLO, L MLO." and "exam-00012" in found["MAMMOGRAM"][0]
    assert found["BREAST COMPOSITION"] == ["There are scattered areas of fibroglandular density (density B)."]
    assert found["right"][0] == "No mass."
    assert "Marked on L CC, L MLO." in found["left"][0]
    assert found["left"][1].startswith("Calcifications. [not marked on a view] [size not given]")
    assert found["NOTES"] == ["Ask for the priors."] and "Reader: AB, first read, draft." in text
    assert "cancer" not in text, "what was found out later is no part of a report"


def test_an_earlier_exam_is_named_and_not_said_to_have_been_compared(exam):
    dated = {name: replace(view, acquisition=Acquisition(date="20240512")) for name, view in exam.views.items()}
    content = content_of(Reading(), Exam(dict(exam.views), prior=Exam(dated)))
    assert content.comparison == "[there to compare: mammogram of 2024-05-12]"
    assert content_of(Reading(), Exam(dict(exam.views))).comparison == "[no earlier mammogram is here]"
    one = {**dated, R_CC: replace(dated[R_CC], acquisition=Acquisition(date="20200101"))}
    assert "without a date" in content_of(Reading(), Exam(dict(exam.views), prior=Exam(one))).comparison


@pytest.mark.parametrize("seed", range(60))
def test_a_report_that_is_typed_back_gives_the_same_reading(exam, seed):
    """What the template says of each breast is what is understood of it: no word too many, and no other side."""
    rng = random.Random(seed)
    reading = Reading({(None, "density"): rng.choice("ABCD")})
    fields, findings = dict(reading.fields), {}
    for side in Laterality:
        fields[side, "birads"] = rng.choice(("0", "2", "3", "4A", "5"))
        for kind in KINDS:
            if rng.random() < 0.4:
                marks = (box(ViewName(side, Projection.CC), kind),) if rng.random() < 0.5 else ()
                found = replace(random_finding(rng, [kind]), also=(), either=(), subtlety=None)
                findings[len(findings) + 1] = MarkedFinding(side, kind, found, marks)
                fields[side, kind] = "1"
            elif rng.random() < 0.5:
                fields[side, kind] = "0"
    reading = Reading(fields, findings)
    back = read_typed_report(write_template(content_of(reading, exam, {}, "exam-00012", "Reader: AB.")))
    assert back.density == reading.answer("density")
    for side in Laterality:
        present = tuple(found.descriptors for found in findings.values() if found.laterality is side)
        absent = frozenset(kind for kind in KINDS if fields.get((side, kind)) == "0")
        assert back.breasts[side] == Findings(None, present, absent, fields[side, "birads"])
