"""Findings and their marks: drawn, moved, named, linked and deleted, each without touching another one."""

import pytest

from mvmlm.exam import Laterality, Projection, ViewName
from mvmlm.reading.marking import (
    DrawnMark,
    add_findings,
    delete_finding,
    link_findings,
    marks_of,
    name_finding,
    redraw_marks,
    unlink_view,
    without_views,
)
from mvmlm.reading.merge import Conflict
from mvmlm.reading.reading import Mark, MarkedFinding, Reading
from mvmlm.report.findings import Finding

R, L = Laterality.RIGHT, Laterality.LEFT
R_CC, R_MLO = ViewName(R, Projection.CC), ViewName(R, Projection.MLO)
CC = Mark(R_CC, "box", "other", ((10.0, 20.0), (30.5, 44.25)))
MLO = Mark(R_MLO, "point", "other", ((5.0, 5.0),))
LEFT = Mark(ViewName(L, Projection.CC), "point", "other", ((7.0, 8.0),))
MASS = Finding("mass", shape="irregular", margin="spiculated", size_mm=12, depth="middle")


def drawn(*marks):
    """A reading after these were drawn, one after the other."""
    return redraw_marks(Reading(), {}, {str(number): DrawnMark(mark) for number, mark in enumerate(marks)})


def described():
    """Finding 1, a described mass in CC, and finding 2, a mark in MLO of no kind yet."""
    reading = name_finding(drawn(CC, MLO), 1, "mass")
    finding = reading.findings[1]
    return Reading(reading.fields, {**reading.findings, 1: MarkedFinding(R, "mass", MASS, finding.marks)})


def test_a_new_mark_is_a_finding_of_no_kind_and_answers_nothing():
    reading = drawn(CC, MLO, LEFT)
    assert [finding.laterality for finding in reading.findings.values()] == [R, R, L] and list(reading.findings) == [
        1,
        2,
        3,
    ]
    assert {finding.label for finding in reading.findings.values()} == {"other"} and reading.fields == {}


def test_a_mark_that_moves_stays_with_its_finding_and_keeps_its_kind():
    moved = CC._replace(points=((12.0, 20.0), (32.5, 44.25)))
    reading = redraw_marks(described(), {"a": DrawnMark(CC, 1)}, {"a": DrawnMark(moved, 1)})
    assert reading.findings[1] == MarkedFinding(R, "mass", MASS, (moved._replace(label="mass"),))


def test_another_mark_in_the_place_of_a_deleted_one_is_another_finding():
    """Both in one message: the viewer waits a moment before it reports."""
    other = CC._replace(points=((50.0, 60.0), (70.0, 90.0)))
    reading = redraw_marks(described(), {"a": DrawnMark(CC, 1)}, {"b": DrawnMark(other)})
    assert list(reading.findings) == [2, 3] and reading.findings[3] == MarkedFinding(R, "other", None, (other,))


def test_of_two_marks_at_one_place_the_one_on_screen_is_deleted():
    reading = drawn(MLO, MLO)
    both = {"a": DrawnMark(MLO, 1), "b": DrawnMark(MLO, 2)}
    assert list(redraw_marks(reading, both, {"a": both["a"]}).findings) == [1]
    assert list(redraw_marks(reading, both, {"b": both["b"]}).findings) == [2]


def test_a_mark_that_is_gone_stays_gone_and_one_that_was_moved_twice_is_a_conflict():
    assert redraw_marks(Reading(), {"a": DrawnMark(CC, 1)}, {}) == Reading()
    with pytest.raises(Conflict, match="a mark on R CC"):
        redraw_marks(Reading(), {"a": DrawnMark(CC, 1)}, {"a": DrawnMark(CC._replace(points=((1, 2), (3, 4))), 1)})


def test_a_finding_in_two_views_loses_one_mark_and_then_the_other():
    reading = link_findings(described(), 2, 1)
    one = redraw_marks(reading, {"a": DrawnMark(CC, 1), "b": DrawnMark(MLO, 1)}, {"b": DrawnMark(MLO, 1)})
    assert marks_of(one) == (MLO._replace(label="mass"),) and one.findings[1].descriptors == MASS
    none = redraw_marks(one, {"b": DrawnMark(MLO, 1)}, {})
    assert none == Reading(), "nobody answered that a mass is present"


def test_the_kind_is_an_answer_and_goes_with_its_last_finding():
    reading = name_finding(drawn(CC, MLO), 1, "calcification")
    assert reading.fields == {(R, "calcification"): "1"}
    reading = name_finding(reading, 1, "mass")
    assert reading.fields == {(R, "mass"): "1"} and reading.findings[1].marks[0].label == "mass"
    reading = name_finding(reading, 2, "mass")
    assert delete_finding(reading, 2).fields == {(R, "mass"): "1"}
    assert name_finding(Reading({(R, "mass"): "0"}, drawn(CC).findings), 1, "mass").fields == {(R, "mass"): "1"}
    absent = Reading({(R, "mass"): "0"}, reading.findings)
    assert delete_finding(delete_finding(absent, 1), 2).fields == {(R, "mass"): "0"}, "an answer of the reader"


def test_another_kind_keeps_what_both_have():
    reading = name_finding(described(), 1, "asymmetry")
    assert reading.findings[1].descriptors == Finding("asymmetry", asymmetry="asymmetry", size_mm=12, depth="middle")
    assert name_finding(reading, 1, "distortion").findings[1].descriptors == Finding(
        "distortion", size_mm=12, depth="middle"
    )
    assert name_finding(reading, 1, "other").findings[1].descriptors is None
    for label in ("lump", ""):
        with pytest.raises(ValueError, match="expected one of mass"):
            name_finding(reading, 1, label)


def test_the_second_view_joins_the_finding_with_its_kind_and_descriptors():
    joined = MarkedFinding(R, "mass", MASS, (CC._replace(label="mass"), MLO._replace(label="mass")))
    assert link_findings(described(), 2, 1) == Reading({(R, "mass"): "1"}, {1: joined})
    turned = MarkedFinding(R, "mass", MASS, joined.marks[::-1])
    assert link_findings(described(), 1, 2).findings == {2: turned}, "the one without a kind takes the other's"


def test_linked_masses_complete_each_other_and_overwrite_nothing():
    second = MarkedFinding(R, "mass", Finding("mass", shape="oval", mass_density="high"), (MLO,))
    reading = Reading({(R, "mass"): "1"}, {**described().findings, 2: second})
    linked = link_findings(reading, 2, 1).findings[1].descriptors
    assert linked == Finding(
        "mass", shape="irregular", margin="spiculated", mass_density="high", size_mm=12, depth="middle"
    )
    other_kind = name_finding(reading, 2, "calcification")
    linked = link_findings(other_kind, 2, 1)
    assert linked.findings[1].descriptors == MASS and linked.fields == {(R, "mass"): "1"}


def test_findings_of_two_breasts_are_never_linked():
    reading = drawn(CC, LEFT)
    with pytest.raises(ValueError, match="different breasts"):
        link_findings(reading, 2, 1)
    with pytest.raises(KeyError):
        link_findings(reading, 1, 9)


def test_a_view_is_unlinked_as_a_finding_of_its_own():
    reading = unlink_view(link_findings(described(), 2, 1), 1, R_MLO)
    assert reading.findings[1].marks == (CC._replace(label="mass"),) and reading.findings[1].descriptors == MASS
    assert reading.findings[2] == MarkedFinding(R, "mass", Finding("mass"), (MLO._replace(label="mass"),))
    with pytest.raises(ValueError, match="R MLO and on another view"):
        unlink_view(reading, 1, R_MLO)
    with pytest.raises(ValueError, match="on another view"):
        unlink_view(reading, 1, R_CC)


def test_findings_marked_before_a_read_join_it_once():
    before, stored = described(), Reading({(None, "density"): "B"}, {4: MarkedFinding(R, "other", None, (MLO,))})
    reading = add_findings(stored, before)
    assert list(reading.findings) == [1, 4] and reading.findings[1] == before.findings[1]
    assert reading.fields == {(None, "density"): "B", (R, "mass"): "1"}
    assert add_findings(reading, before) == reading
    taken = add_findings(Reading({}, {1: MarkedFinding(L, "other", None, (LEFT,))}), before)
    assert list(taken.findings) == [1, 2, 3] and taken.findings[3] == before.findings[1]


def test_a_picture_that_is_no_view_any_more_takes_its_marks_with_it():
    assert marks_of(without_views(described(), {R_CC})) == (MLO,)
    assert without_views(described(), {R_CC}).fields == {}
