"""How far a heading that names a breast reaches, and the breast of what stands behind another one's name."""

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Findings
from mvmlm.report.parser import read_report

R, L = Laterality.RIGHT, Laterality.LEFT

#: sentences that name the left breast under the heading of the right one
NAMES_THE_OTHER = [
    "The left breast shows a mass.",
    "Left breast unremarkable.",
    "The left side is clear.",
    "On the left there is a round mass.",
    "There is an oval mass in the left breast.",
    "Lt breast: normal appearance on the left side.",
    "Left breast mass has resolved.",
    "Both breasts show scattered masses.",
    "The contralateral breast shows a mass.",
    "The other breast contains a mass.",
    "The mass is not seen in the left breast.",
    "LCC view shows a mass.",
    "A mass in the left axillary tail.",
    "The right breast is denser than the left.",
    "Left implant is intact.",
]


@pytest.mark.parametrize("between", NAMES_THE_OTHER)
@pytest.mark.parametrize("heading", ["Right breast: no mass. ", "RIGHT BREAST:\nNo mass.\n"])
@pytest.mark.parametrize("behind", ["Distortion is seen.", "Grouped calcifications are seen, no asymmetry."])
def test_a_sentence_on_the_other_breast_ends_the_reach_of_a_heading(heading, between, behind):
    report = read_report(f"{heading}{between} {behind}")
    kinds = {f.kind for f in report.breasts[R].present} | (report.breasts[R].absent - {"mass"})
    assert not kinds & {"calcification", "distortion", "asymmetry"}
    assert report.breasts[R].absent == {"mass"}


@pytest.mark.parametrize(
    "between",
    [
        "The contralateral breast shows a mass.",
        "The other breast contains a mass.",
        "The left mass has resolved.",
        "The left breast mass is no longer seen.",
    ],
)
def test_what_follows_a_breast_without_a_name_is_of_no_breast(between):
    report = read_report(f"There is no mass in the right breast. {between} Distortion is seen.")
    assert report.breasts[R] == Findings(absent=frozenset({"mass"}))
    assert [finding.kind for finding in report.unsided.present] == ["distortion"]


@pytest.mark.parametrize(
    "text",
    [
        "Right breast: no mass. Compared with the left breast, distortion is seen.",
        "Right breast: no mass. A marker was left in place. Distortion is seen.",
        "Left breast: no mass. The left breast is dense. Right breast: distortion is seen.",
        "Right breast: no mass. Left breast: no mass. Right breast: distortion is seen.",
        "RIGHT BREAST:\nNo mass. Left breast is dense.\nRIGHT BREAST:\nDistortion is seen.",
    ],
)
def test_a_heading_still_reaches_where_no_other_breast_is_named(text):
    assert [finding.kind for finding in read_report(text).breasts[R].present] == ["distortion"]
