"""Words that say less than they seem: margins circumscribed in part, and "no evidence of malignancy" beside a finding."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding
from mvmlm.report.parser import parse_report, read_report

R, L = Laterality.RIGHT, Laterality.LEFT


@pytest.mark.parametrize(
    "text",
    [
        "Mass with partially circumscribed margins.",
        "Mass with partly circumscribed margins.",
        "A mostly circumscribed mass is seen.",
        "Mass, largely circumscribed.",
        "Mass with incompletely circumscribed margins.",
        "A predominantly well-circumscribed mass.",
        "The mass is partially well defined.",
        "Mass with mainly circumscribed borders.",
        "Mass with margins circumscribed in part.",
        "Mass with nearly circumscribed margins.",
        "The margins of the mass are partly well circumscribed.",
        "A partially-circumscribed mass.",
    ],
)
def test_a_margin_circumscribed_in_part_is_none_and_is_said(text):
    report = read_report(text)
    assert [finding.kind for finding in report.findings.present] == ["mass"]
    assert report.findings.present[0].margin is None
    assert "circumscribed" in report.sentences[0].not_understood or "defined" in report.sentences[0].not_understood


@pytest.mark.parametrize(
    "text, margin, also",
    [
        ("Mass with partially obscured margins.", "obscured", ()),
        ("Mass with partially circumscribed, partially obscured margins.", "circumscribed", (("margin", "obscured"),)),
        ("A partly circumscribed and partly indistinct mass.", "circumscribed", (("margin", "indistinct"),)),
        ("A well circumscribed mass.", "circumscribed", ()),
    ],
)
def test_a_margin_told_in_all_its_parts_is_read(text, margin, also):
    report = read_report(text)
    assert report.findings.present == (Finding("mass", margin=margin, also=also),)
    assert not report.sentences[0].not_understood


@pytest.mark.parametrize(
    "text",
    [
        "Stable oval mass. No mammographic evidence of malignancy.",
        "No evidence of malignancy. There is an oval mass.",
        "Left oval mass. No mammographic evidence of malignancy.",
        "Left breast: oval mass. Right breast: no mass.\nIMPRESSION: No mammographic evidence of malignancy.",
        "Left breast: oval mass. BI-RADS 2. Right breast: no mass.\nIMPRESSION: No evidence of malignancy.",
        "Possible mass. No mammographic evidence of malignancy.",
        "Grouped calcifications, unchanged. Negative mammogram.",
        "There is skin thickening. No evidence of cancer.",
        "Oval mass in both breasts. No radiographic evidence of malignancy.",
        "Two oval masses. Negative.",
        "Left mass, BI-RADS 2. No evidence of malignancy in the left breast.",
        "Focal asymmetry, probably overlapping tissue. Normal mammogram.",
    ],
)
def test_no_evidence_of_malignancy_beside_a_finding_is_no_category_and_is_said(text):
    report = read_report(text)
    assert "1" not in (report.unsided.birads, report.findings.birads)
    assert all(found.birads != "1" for found in report.breasts.values())
    words = ("evidence", "Negative", "Normal mammogram")
    assert any(word in sentence.not_understood for sentence in report.sentences for word in words)
    if "Right" not in text:
        assert parse_report(text.replace("BI-RADS 2. ", "")).birads is None


@pytest.mark.parametrize(
    "text",
    [
        "No mammographic evidence of malignancy.",
        "No mass. No mammographic evidence of malignancy.",
        "Right breast: no mass. No evidence of malignancy. Left breast: oval mass.",
        "Left breast: oval mass. Right breast: negative.",
        "The left mass has resolved. No evidence of malignancy in the right breast.",
    ],
)
def test_no_evidence_of_malignancy_without_a_finding_is_category_1(text):
    report = read_report(text)
    assert "1" in (report.unsided.birads, report.breasts[R].birads if R in report.breasts else None)


def test_a_category_in_figures_goes_before_no_evidence_of_malignancy():
    assert parse_report("Stable oval mass. No mammographic evidence of malignancy. BI-RADS 2.").birads == "2"
    assert parse_report("Oval mass. Negative. BI-RADS 1.").birads == "1"
