# ruff: noqa: F811 (fixtures of another module)
"""What a reader does with findings at their marks, in the list and in the editor, called without a browser."""

import gradio as gr
import pytest

from app.viewer.component import four_up_viewer
from mvmlm.exam import Laterality, ViewName
from mvmlm.reading.reading import Reading
from mvmlm.report.findings import Finding
from mvmlm.report.lexicon import LEXICON
from tests.test_app import ANN
from tests.test_read_events import BOX, on_pictures, page, phantom_visit, room  # noqa: F401

R, L = Laterality.RIGHT, Laterality.LEFT
CC = BOX | {"id": "cc", "label": "other"}
MLO = CC | {"id": "mlo", "view": "R_MLO"}
LEFT = CC | {"id": "left", "view": "L_CC"}


def edit(room, visit, do, finding, **more):
    """The visit and the updates after an edit that the viewer sent."""
    sent = {"exam": visit.pixel_token, "do": do, "finding": finding} | more
    return room.changed(room.form.edit_at_mark(visit.token, visit, gr.EventData(None, sent), ANN))


def marked(room, visit, *marks):
    """The visit after marks were drawn, one after the other."""
    for number in range(len(marks)):
        before = [mark | {"finding": n} for n, mark in enumerate(marks[:number], 1)]
        _, visit, _ = room.draw(visit, *before, marks[number], before=before)
    return visit


@pytest.fixture(params=["without a read", "in a read"])
def visit(request, room, phantom_visit):
    """A visit with two marks of the right breast and one of the left; each thing holds without a read too."""
    return marked(
        room, phantom_visit if request.param == "without a read" else room.start(phantom_visit), CC, MLO, LEFT
    )


def test_a_mark_is_named_described_and_linked_at_its_place(room, visit):
    assert visit.reading.fields == {} and list(visit.reading.findings) == [1, 2, 3]
    visit, form = edit(room, visit, "name", 1, value="mass")
    assert (
        visit.reading.fields == {(R, "mass"): "1"} and form["f-shape"]["visible"] and form["f-kind"]["value"] == "mass"
    )
    visit, _ = edit(room, visit, "describe", 1, field="shape", value="irregular")
    visit, form = edit(room, visit, "describe", 1, field="margin", value="spiculated")
    assert form["viewer"].props["marks"]["findings"][0]["values"] == {"shape": "irregular", "margin": "spiculated"}
    visit, form = edit(room, visit, "link", 2, into=1)
    assert list(visit.reading.findings) == [1, 3] and sorted(on_pictures(form)) == [1, 3]
    assert [str(mark.view) for mark in visit.reading.findings[1].marks] == ["R_CC", "R_MLO"]
    assert {mark.label for mark in visit.reading.findings[1].marks} == {"mass"} and visit.selected_finding == 1
    assert "irregular shape, spiculated margin" in form["findings"] and "mm from the nipple" in form["findings"]
    if visit.read:
        assert room.stored(visit) == visit.reading


def test_every_edit_of_a_finding_is_undone_and_redone(room, visit):
    steps = [
        ("name", 1, {"value": "mass"}),
        ("describe", 1, {"field": "shape", "value": "oval"}),
        ("link", 2, {"into": 1}),
        ("unlink", 1, {"view": "R_CC"}),
        ("delete", 3, {}),
        ("name", 1, {"value": "calcification"}),
    ]
    states = [visit.reading]
    for do, number, more in steps:
        visit, form = edit(room, visit, do, number, **more)
        assert visit.reading != states[-1], (do, form["reading-status"])
        states.append(visit.reading)
    for state in states[-2::-1]:
        visit, form = room.changed(room.form.undo(visit.token, visit, ANN))
        assert visit.reading == state and set(on_pictures(form)) == {n for n, f in state.findings.items() if f.marks}
    for state in states[1:]:
        visit, _ = room.changed(room.form.redo(visit.token, visit, ANN))
        assert visit.reading == state


def test_a_deleted_mark_comes_back_with_its_number_kind_and_descriptors(room, visit):
    visit, _ = edit(room, visit, "name", 2, value="mass")
    visit, _ = edit(room, visit, "describe", 2, field="margin", value="spiculated")
    described = visit.reading
    rows = [CC | {"finding": 1}, MLO | {"finding": 2}, LEFT | {"finding": 3}]
    _, visit, form = room.draw(visit, rows[0], rows[2], before=rows)
    assert list(visit.reading.findings) == [1, 3] and visit.reading.fields == {}
    assert not form["f-margin"]["visible"] or form["which-finding"]["value"] != 2
    visit, _ = room.changed(room.form.undo(visit.token, visit, ANN))
    assert visit.reading == described and visit.reading.findings[2].descriptors == Finding("mass", margin="spiculated")
    visit, _ = room.changed(room.form.redo(visit.token, visit, ANN))
    assert list(visit.reading.findings) == [1, 3]


def test_what_cannot_be_done_changes_nothing_and_says_so(room, visit):
    for do, number, more, said in (
        ("link", 3, {"into": 1}, "different breasts"),
        ("link", 1, {"into": [2]}, "gone"),
        ("link", 1, {}, "gone"),
        ("unlink", 1, {"view": "R_CC"}, "on another view"),
        ("unlink", 1, {"view": "no view"}, "Not saved"),
        ("name", 1, {"value": "lump"}, "expected one of mass"),
        ("name", 9, {"value": "mass"}, "gone"),
        ("describe", 1, {"field": "shape", "value": "oval"}, "no BI-RADS finding"),
        ("delete", "1", {}, "gone"),
        ("erase", 1, {}, "Choose a finding"),
    ):
        after, form = edit(room, visit, do, number, **more)
        assert after.reading == visit.reading and said in form["reading-status"], (do, form["reading-status"])
    late, _ = edit(room, visit, "delete", 1, exam="of yesterday")
    assert late.reading == visit.reading
    with pytest.raises(gr.Error, match="what was open before"):
        room.form.edit_at_mark("another", visit, gr.EventData(None, {}), ANN)


def test_a_finding_that_is_chosen_on_a_picture_is_shown_in_the_editor(room, visit):
    def choose(visit, number, **more):
        event = gr.EventData(None, {"exam": visit.pixel_token, "finding": number} | more)
        return room.changed(room.form.choose_finding(visit.token, visit, event, ANN))

    assert visit.selected_finding == 3, "what was drawn last"
    visit, form = choose(visit, 1)
    assert form["which-finding"]["value"] == 1 and form["shown-finding"] == "1"
    assert 'class="finding chosen" data-number="1"' in form["findings"]
    for number, more in ((9, {}), ("1", {}), (2, {"exam": "of yesterday"}), ([1], {})):
        assert choose(visit, number, **more)[0].selected_finding == 1


def test_a_signed_read_is_locked_for_the_viewer(room, phantom_visit):
    visit = marked(room, room.start(phantom_visit), CC)
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert form["viewer"].props["marks"]["locked"] is True and 'data-do="delete"' not in form["findings"]
    after, form = edit(room, visit, "name", 1, value="mass")
    assert "signed" in form["reading-status"] and room.stored(visit).findings[1].label == "other"


def test_findings_marked_before_a_read_are_part_of_it(room, phantom_visit):
    visit = marked(room, phantom_visit, CC, MLO)
    visit, _ = edit(room, visit, "name", 1, value="mass")
    visit, _ = edit(room, visit, "describe", 1, field="shape", value="oval")
    rows = [CC | {"finding": 1}, MLO | {"finding": 2}]
    note, visit, _ = room.draw(visit, *rows, LEFT, before=rows)
    assert "3 findings last until the exam is closed" in note
    visit = room.start(visit)
    stored = room.stored(visit)
    assert stored.findings[1].descriptors == Finding("mass", shape="oval") and list(stored.findings) == [1, 2, 3]
    assert stored.fields == {(R, "mass"): "1"} and visit.unsaved == Reading()
    visit, _ = room.changed(room.form.undo(visit.token, visit, ANN))
    assert list(room.stored(visit).findings) == [1, 2], "its steps can still be taken back"
    visit, _ = room.changed(room.form.redo(visit.token, visit, ANN))
    assert list(room.stored(room.start(visit)).findings) == [1, 2, 3], "and they come once only"


def test_an_answer_to_an_older_report_of_the_viewer_says_so(room, phantom_visit):
    """The viewer passes over marks as they were before its last report."""
    _, visit, form = room.draw(phantom_visit, CC)
    assert form["viewer"].props["marks"]["change"] == visit.marks_change == 3
    assert form["viewer"].props["marks"]["marks"][0]["id"] == "cc", "a mark on screen keeps its key"
    visit, form = room.changed(room.form.undo(visit.token, visit, ANN))
    assert form["viewer"].props["marks"]["change"] == 3


def test_the_viewer_asks_in_the_lexicons_words():
    with gr.Blocks():
        asked = four_up_viewer().get_config()["props"]["descriptors"]
    assert {row["name"]: row["kind"] for row in asked} == {
        "shape": "mass", "margin": "mass", "mass_density": "mass",
        "morphology": "calcification", "distribution": "calcification", "asymmetry": "asymmetry",
    }  # fmt: skip
    assert all(set(row["choices"]) <= set(LEXICON[row["name"]]) for row in asked)


def test_the_list_names_no_number_that_nobody_gave(room, phantom_visit):
    visit, form = room.changed(
        room.form.select_finding(
            phantom_visit.token, "new: right mass", str(phantom_visit.selected_finding or ""), phantom_visit, ANN
        )
    )
    assert form["f-size_mm"]["value"] == "" and form["f-clock"]["value"] == ""
    assert "0 mm" not in form["findings"] and "None" not in form["findings"]
    assert ViewName.parse("R_CC") in visit.exam.views


def test_a_choice_that_the_page_tells_of_twice_adds_one_finding(room, phantom_visit):
    visit = room.start(phantom_visit)
    for _ in range(2):
        visit, form = room.changed(room.form.select_finding(visit.token, "new: left mass", "", visit, ANN))
    assert list(visit.reading.findings) == [1] and form["shown-finding"] == "1"
    visit, _ = room.changed(room.form.select_finding(visit.token, "new: left mass", "1", visit, ANN))
    assert list(visit.reading.findings) == [1, 2], "a second one is added when the first one is shown"
