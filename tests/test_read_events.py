"""The handlers of the reading page, called without a browser."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import gradio as gr
import numpy as np
import pytest

from app.finetune.custom_task import declare_from_form
from app.read import reads
from app.read.demo_exams import DEMO_EXAMS
from app.read.exam_events import ExamEvents
from app.read.form_display import notable
from app.read.form_events import FormEvents
from app.read.layout import ReadPage, lay_out_page
from app.read.map_events import MapEvents
from app.read.model_events import BINARY, ModelEvents
from app.read.other_predictors import OtherPredictors
from app.read.own_questions import Place
from app.read.page import read_page
from app.read.visit import OpenList, Visit
from app.viewer.marks import drawing, parse_marks
from app.viewer.pixel_server import PixelServer
from app.visits import Visits
from mvmlm.exam import STANDARD_VIEWS, Acquisition, Exam, Laterality, ViewName
from mvmlm.exchange.coco import write_coco
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.reading.opinion import Opinion, ReadingScale
from mvmlm.reading.reading import Reading, ReadKind
from mvmlm.report.findings import Finding
from mvmlm.store.archive import import_exams, open_stored_exam
from mvmlm.store.store import Store
from tests.test_app import ANN, BOB, upload
from tests.test_load import write

PER_1000 = [task.prevalence for task in BINARY]
R, L = Laterality.RIGHT, Laterality.LEFT
BOX = {"id": "box", "view": "R_CC", "kind": "box", "label": "mass", "points": [[300, 300], [360, 380]]}
OTHER_BOX = {"id": "other", "view": "R_CC", "kind": "box", "label": "mass", "points": [[100, 100], [150, 140]]}


class Room(NamedTuple):
    """The reading page over an empty store."""

    store: Store
    page: ReadPage
    exam: ExamEvents
    form: FormEvents
    model: ModelEvents
    maps: MapEvents

    def opened(self, updates):
        """The visit, and the updates of an opened exam by the elem_id of their component."""
        assert len(updates) == len(self.page.exam_outputs)
        return updates[0], by_name(self.page.exam_outputs, updates)

    def changed(self, updates):
        """The visit, and the updates of the form by the elem_id of their component."""
        outputs = self.page.form_outputs
        assert len(updates) == len(outputs)
        return updates[0], by_name(outputs, updates)

    def answered(self, updates):
        """The visit, and the updates of the answers by the elem_id of their component."""
        assert len(updates) == len(self.page.answer_outputs)
        return updates[0], by_name(self.page.answer_outputs, updates)

    def answer(self, visit, name, value):
        """The visit and the updates after one answer; `R-mass` is the mass of the right breast."""
        side, field = name.split("-")
        question = (None if side == "exam" else Laterality(side), field)
        return self.changed(self.form.saves_answer(question)(visit.token, value, visit, ANN))

    def describe(self, visit, number, **descriptor):
        """The visit and the updates after one descriptor of the finding that is shown."""
        ((name, value),) = descriptor.items()
        return self.changed(self.form.describes(name)(visit.token, number, str(number), value, visit, ANN))

    def draw(self, visit, *marks, before=None):
        """The note, the visit and the updates after the viewer's marks became these. before: where others were there."""
        shown = drawing(visit.reading, False, parse_marks([BOX, OTHER_BOX], visit.exam))["marks"]
        before = [{"id": "drawn before", **mark} for mark in shown] if before is None else before
        sent = {"exam": visit.pixel_token, "marks": list(marks), "before": before, "change": 3}
        note, *updates = self.form.save_marks(visit.token, visit, gr.EventData(None, sent), ANN)
        return note, *self.changed(updates)

    def start(self, visit, reader="Ann"):
        """The visit after the reader's first read was started or continued."""
        return self.opened(self.form.start(visit.token, reader, False, "", visit, ANN))[0]

    def give(self, visit, opinion, reader, scale="screening"):
        """The visit and the updates after a reader's opinion on the exam."""
        given = self.form.gives_opinion(opinion)(visit.token, reader, False, "", scale, visit, ANN)
        return self.opened(self.page.for_exam_outputs(given))

    def stored(self, visit):
        """The open read as it is stored."""
        return self.store.readings.get(visit.read.id).reading

    def preview(self, visit, typed, side=""):
        """The visit, and what the page shows of a typed report by the elem_id of its component."""
        visit, *shown = self.form.preview_report(visit.token, side, typed, visit, ANN)
        return visit, by_name(self.page.form.report.preview_outputs, shown)

    def take(self, visit, typed, side="", overwrite=False):
        """The visit and the updates after the report that was shown was taken."""
        outputs = [*self.page.form.report.preview_outputs, *self.page.form_outputs]
        updates = self.form.take_report(visit.token, side, typed, overwrite, visit, ANN)
        assert len(updates) == len(outputs)
        shown = by_name(outputs, updates)
        return updates[len(self.page.form.report.preview_outputs)], shown

    def correct(self, visit, file, view):
        """The visit and the message after a file was named by hand."""
        visit, updates = self.opened(self.exam.set_view(visit.token, file, view, visit, ANN))
        return visit, updates["message"]

    def insist(self, visit, file, view):
        """The visit and the message after a file was named against what its picture shows, and the name confirmed."""
        visit, message = self.correct(visit, file, view)
        assert f"You say {view[0]}, but the chest wall" in message and file not in pictures(visit)
        given = f"{file}:view={view.replace(' ', '_')}"
        visit, updates = self.opened(self.exam.answer(visit.token, given, visit, ANN))
        return visit, updates["message"]

    def reopened(self, visit):
        """A visit that opens the stored exam anew."""
        return self.opened(self.exam.open_stored(visit.exam_number, "", Visit(), ANN))[0]

    def read_and_sign(self, visit, reader, **given):
        """The visit after a first read with one answer; `R_mass="1"` answers the mass of the right breast."""
        visit = self.start(visit, reader)
        for name, value in given.items():
            visit, _ = self.answer(visit, name.replace("_", "-", 1), value)
        return self.changed(self.form.sign(visit.token, "", visit, ANN))


def on_pictures(form):
    """The marks that the viewer is told to draw, by the number of their finding."""
    return {mark["finding"]: mark["points"] for mark in form["viewer"].props["marks"]["marks"]}


def by_name(components, updates):
    return {component.elem_id: update for component, update in zip(components, updates, strict=True)}


@pytest.fixture(scope="module")
def page(tmp_path_factory, predictor):
    """The components of the page, laid out once: handlers return updates for them and do not change them."""
    store = Store(tmp_path_factory.mktemp("layout"))
    with gr.Blocks():
        laid_out = lay_out_page(store, list(ModelEvents(lambda: predictor, store, SharedReads()).ready_prompts))
    yield laid_out
    store.close()


@pytest.fixture
def room(tmp_path, decoder, predictor, page):
    store, pixels = Store(tmp_path), PixelServer()
    model = ModelEvents(lambda: predictor, store, SharedReads())
    exam, form = ExamEvents(decoder, pixels, store, Visits(pixels)), FormEvents(pixels, store)
    yield Room(store, page, exam, form, model, MapEvents(lambda: predictor))
    store.close()


@pytest.fixture
def phantom_visit(room):
    return room.opened(room.exam.open_demo("phantom", Visit(), ANN))[0]


def test_answers_are_hidden_until_the_reader_asks_and_then_a_map_can_be_drawn(room):
    visit, updates = room.opened(room.exam.open_demo("phantom", Visit(), ANN))
    assert "a computed phantom" in updates["message"] and len(updates["viewer"].value["ports"]) == 4
    visit, hidden = room.answered(room.model.answers(visit.token, visit, False, False, ANN, *PER_1000))
    assert (
        "hidden" in hidden["answers"] and "Malignancy" not in hidden["answers"] and not hidden["viewer"].props["badges"]
    )
    assert "quality" in hidden["quality"]
    assert "hidden" in room.model.model_draft(visit.token, visit, False, ANN)["value"]
    visit, shown = room.answered(room.model.show_answers(visit.token, visit, False, False, ANN, *PER_1000))
    assert "Malignancy" in shown["answers"] and set(shown["viewer"].props["badges"]) == {
        "R_CC",
        "L_CC",
        "R_MLO",
        "L_MLO",
    }
    changed, viewer = room.model.change_prevalence(visit.token, visit, False, ANN, *[1] * len(BINARY))
    assert "Malignancy" in changed and len(viewer.props["badges"]) == 4
    viewer, note, _ = room.maps.draw_maps(
        visit.token, True, "Malignancy", 0.0, "inferno", "hirescam", False, visit, ANN
    )
    assert set(viewer.props["maps"]) == {"R_CC", "L_CC", "R_MLO", "L_MLO"} and "Not a lesion outline" in note
    hidden = room.maps.draw_maps(visit.token, False, "Malignancy", 0.0, "inferno", "hirescam", False, visit, ANN)
    assert hidden[0].props["maps"] == {}


def test_marks_are_saved_with_the_read_until_it_is_signed(room, phantom_visit):
    visit, updates = room.opened(room.form.start(phantom_visit.token, "Ann", False, "", phantom_visit, ANN))
    assert "Ann, first read: draft" in updates["reading-status"] and updates["reading-form"]["visible"]
    note, visit, form = room.draw(visit, BOX)
    assert note == "" and "R CC" in form["findings"] and form["viewer"].props["marks"]["change"] == 3
    assert form["q-R-mass"]["value"] == "1", "a marked mass is a present mass"
    stored = room.stored(visit)
    assert stored.findings[1].marks[0].points == ((300, 300), (360, 380))
    visit, _ = room.changed(room.form.sign(visit.token, "", visit, ANN))
    note, visit, form = room.draw(visit, BOX, OTHER_BOX)
    assert "signed" in note and room.stored(visit) == stored
    assert on_pictures(form) == {1: BOX["points"]}, "what is not saved does not stay on the pictures"


def test_an_answer_is_saved_and_no_question_is_set_back(room, phantom_visit):
    visit, form = room.answer(room.start(phantom_visit), "exam-density", "B")
    assert room.stored(visit).answer("density") == "B"
    assert all(form[question.elem_id] == gr.skip() for question in room.page.form.questions)
    visit, undone = room.changed(room.form.undo(visit.token, visit, ANN))
    assert undone["q-exam-density"]["value"] == "" and visit.read.reading.fields == {}
    assert "Nothing to undo" in room.changed(room.form.undo(visit.token, visit, ANN))[1]["reading-status"]


def test_what_was_undone_can_be_redone_until_something_else_is_changed(room, phantom_visit):
    visit, _ = room.answer(room.start(phantom_visit), "exam-density", "B")
    _, visit, _ = room.draw(visit, BOX)
    for _ in range(2):
        visit, _ = room.changed(room.form.undo(visit.token, visit, ANN))
    assert room.stored(visit) == Reading() and visit.marks == ()
    visit, form = room.changed(room.form.redo(visit.token, visit, ANN))
    assert form["q-exam-density"]["value"] == "B"
    visit, form = room.changed(room.form.redo(visit.token, visit, ANN))
    assert on_pictures(form) == {1: BOX["points"]} and room.stored(visit).fields[R, "mass"] == "1"
    assert "Nothing to redo" in room.changed(room.form.redo(visit.token, visit, ANN))[1]["reading-status"]
    visit, _ = room.changed(room.form.undo(visit.token, visit, ANN))
    visit, _ = room.answer(visit, "L-mass", "0")
    assert "Nothing to redo" in room.changed(room.form.redo(visit.token, visit, ANN))[1]["reading-status"]


def test_marks_drawn_before_a_read_can_be_undone_and_redone(room, phantom_visit):
    _, visit, _ = room.draw(phantom_visit, BOX)
    _, visit, _ = room.draw(visit, OTHER_BOX)
    visit, form = room.changed(room.form.undo(visit.token, visit, ANN))
    assert on_pictures(form) == {1: BOX["points"]} and len(visit.marks) == 1
    _, visit, _ = room.draw(visit, BOX)  # the viewer says what it shows now
    visit, form = room.changed(room.form.redo(visit.token, visit, ANN))
    assert on_pictures(form) == {2: OTHER_BOX["points"]}


def test_no_mark_is_undone_onto_a_picture_that_has_its_view_now(room, phantom_visit):
    _, visit, _ = room.draw(phantom_visit, BOX)
    _, visit, _ = room.draw(visit)
    visit, _ = room.correct(visit, "R_CC.dcm", "not a standard view")
    assert visit.marks == () and visit.undo_stack == ()


def test_a_placed_nipple_is_kept_with_the_exam(room, phantom_visit):
    name = ViewName.parse("R_CC")

    def place(visit, point, **more):
        sent = {"exam": visit.pixel_token, "view": "R_CC", "point": point} | more
        return room.changed(room.form.place_nipple(visit.token, visit, gr.EventData(None, sent), ANN))

    def of_viewer(visit):
        ports = room.opened(room.exam.show_again(None, visit.address, None, "", visit, ANN))[1]["viewer"].value["ports"]
        return next((tuple(port["nipple"]), port["nipple_placed"]) for port in ports if port["view"] == "R_CC")

    estimated = phantom_visit.nipples[name]
    assert of_viewer(phantom_visit) == (estimated, False)
    visit, _ = place(phantom_visit, [100.5, 200])
    assert visit.nipples[name] == (100.5, 200) and of_viewer(visit) == ((100.5, 200), True)
    visit = room.start(visit)
    assert of_viewer(room.reopened(visit)) == ((100.5, 200), True)
    visit, _ = place(visit, [1e6, -3])
    rows, columns = visit.exam.views[name].pixels.shape
    assert room.reopened(visit).nipples[name] == (columns - 1, 0)
    assert "placed the nipple" in {row["what"] for row in room.store.file.history(f"exam {visit.exam_number}")}
    after, form = place(visit, "nowhere")
    assert after.nipples == visit.nipples and "not placed" in form["reading-status"]
    assert place(visit, [1, 1], exam="another")[0].nipples == visit.nipples


def test_a_nipple_does_not_move_to_another_picture(room, phantom_visit):
    sent = {"exam": phantom_visit.pixel_token, "view": "R_CC", "point": [100, 200]}
    event = gr.EventData(None, sent)
    visit, _ = room.changed(room.form.place_nipple(phantom_visit.token, phantom_visit, event, ANN))
    visit, _ = room.correct(visit, "R_CC.dcm", "not a standard view")
    assert visit.placed == {}


def test_what_is_no_exam_leaves_the_open_one_as_it_is(room, phantom_visit, tmp_path):
    _, visit, _ = room.draw(room.start(phantom_visit), BOX)
    folder = tmp_path / "letter"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear colleague", encoding="utf-8")
    after, updates = room.opened(room.exam.open_folder(upload(folder), visit, ANN))
    assert "No exam was opened" in updates["message"] and "letter.txt: neither a DICOM file" in updates["message"]
    assert "The exam that was open stays open." in updates["message"]
    assert after.exam is visit.exam and after.read == visit.read and after.marks == visit.marks
    assert "value" not in updates["viewer"].constructor_args and updates["report"] == gr.skip()
    after, updates = room.opened(room.exam.open_stored(99, "", after, ANN))
    assert after.exam is visit.exam and "99" in updates["message"]


def test_the_open_exam_stays_until_one_of_several_is_chosen(room, phantom_visit, tmp_path):
    (tmp_path / "two").mkdir()
    for number, name in enumerate(STANDARD_VIEWS):
        write(tmp_path / "two", name, patient=f"woman {number % 2}")
    visit, updates = room.opened(room.exam.open_folder(upload(tmp_path / "two"), phantom_visit, ANN))
    assert visit.exam is phantom_visit.exam and len(updates["which-exam"].choices) == 3
    choice = updates["which-exam"].choices[1][0]
    visit, updates = room.opened(room.exam.choose(visit.token, choice, visit, ANN))
    assert visit.exam is not phantom_visit.exam and visit.listing is None
    assert updates["viewer"].value["exam"] == visit.pixel_token


def test_starting_a_read_leaves_the_pictures_on_screen_as_they_are(room, phantom_visit):
    visit, updates = room.opened(room.form.start(phantom_visit.token, "Ann", False, "", phantom_visit, ANN))
    assert "value" not in updates["viewer"].constructor_args and visit.pixel_token == phantom_visit.pixel_token
    again = room.exam.show_again(None, visit.address, None, "", visit, ANN)
    assert room.opened(again)[1]["viewer"].value["exam"] != visit.pixel_token, "a page that was loaded again has none"


def test_an_answer_after_a_box_does_not_take_its_present_back(room, phantom_visit):
    """The reader clicks the next question before the browser knows that the box answered the first."""
    _, visit, _ = room.draw(room.start(phantom_visit), BOX)
    visit, _ = room.answer(visit, "L-mass", "0")
    assert room.stored(visit).fields == {(R, "mass"): "1", (L, "mass"): "0"}


def test_no_event_sends_more_of_the_form_than_its_own_answer(decoder, predictor, tmp_path):
    store = Store(tmp_path)
    with gr.Blocks() as demo:
        pixels = PixelServer()
        read_page(lambda: predictor, OtherPredictors(store, "demo"), decoder, pixels, store, Visits(pixels), demo.load)
    config = demo.get_config_file()
    name = {component["id"]: component["props"].get("elem_id") or "" for component in config["components"]}
    of_form = re.compile(r"(q|f)-.+")
    kinds = {component["id"]: component["type"] for component in config["components"]}
    without_token = set()
    for dependency in config["dependencies"]:
        sent = [name[number] for number in dependency["inputs"]]
        answers = [sent_name for sent_name in sent if of_form.fullmatch(sent_name)]
        raised_by = [name.get(number, "the loaded page") for number, _ in dependency["targets"] if number is not None]
        assert len(answers) <= 1 and all(answer in raised_by for answer in answers), (raised_by, sent)
        if "state" in [kinds[number] for number in dependency["inputs"]] and "token" not in sent:
            without_token |= {*raised_by}
    openers = {
        "uploads",
        "folder",
        "demo-film",
        "demo-phantom",
        "alike-open",
        "strip-open",
        "strip-change",
        "the loaded page",
    }
    assert without_token == openers, "only what opens another exam may do without the token of the one on screen"
    store.close()


def test_no_event_writes_into_a_field_that_may_not_be_mounted_yet(served):
    config = served[1].get_config_file()
    components = {component["id"]: component for component in config["components"]}
    mounted_later = {}  # by its number: the closed box or the tab in which a component lies

    def note(node, inside):
        kind, given = components[node["id"]]["type"], components[node["id"]]["props"]
        if (kind == "accordion" and not given["open"]) or (kind == "tabitem" and given["label"] != "Read"):
            inside = node["id"]
        mounted_later[node["id"]] = inside
        for child in node.get("children", ()):
            note(child, inside)

    for node in config["layout"]["children"]:
        note(node, None)
    sent = {number for event in config["dependencies"] for number in event["inputs"]}
    fields = {n for n in sent if components[n]["type"] not in ("state", "dataframe")}
    events = {event["id"]: event for event in config["dependencies"]}

    def raised_in(event):
        """Where an event is raised; one that follows another, where that is."""
        if event["trigger_after"] is not None:
            return raised_in(events[event["trigger_after"]])
        return {mounted_later.get(source) for source, _ in event["targets"]}

    for event in events.values():
        for written in fields & {*event["outputs"]}:
            places = raised_in(event)
            assert mounted_later[written] is None or places == {mounted_later[written]}, components[written]["props"]


def test_two_tabs_change_different_things_and_each_shows_both(room, phantom_visit):
    here = room.start(phantom_visit)
    there = replace(here)
    there, _ = room.answer(there, "exam-density", "C")
    _, there, _ = room.draw(there, BOX, before=[])
    here, form = room.answer(here, "L-mass", "0")
    assert form["q-exam-density"]["value"] == "C" and form["q-R-mass"]["value"] == "1", "the other tab's answers"
    assert on_pictures(form) == {1: BOX["points"]} and "R CC" in form["findings"]
    assert form["q-L-mass"] == gr.skip()
    note, here, form = room.draw(here, BOX, OTHER_BOX, before=[BOX])
    assert [mark.points for f in room.stored(here).findings.values() for mark in f.marks] == [
        ((300, 300), (360, 380)),
        ((100, 100), (150, 140)),
    ]
    here, _ = room.changed(room.form.undo(here.token, here, ANN))
    here, _ = room.changed(room.form.undo(here.token, here, ANN))
    assert room.stored(here).fields == {(None, "density"): "C", (R, "mass"): "1"}, "only what was done here is undone"
    assert list(room.stored(here).findings) == [1]


def test_two_tabs_that_draw_at_the_same_time_lose_no_box(room, phantom_visit):
    here = room.start(phantom_visit)
    _, there, _ = room.draw(replace(here), BOX, before=[])
    note, here, form = room.draw(here, OTHER_BOX, before=[])
    assert len(room.stored(here).findings) == 2 and "Not saved" not in note
    assert on_pictures(form) == {1: BOX["points"], 2: OTHER_BOX["points"]}, "the other tab's box too"
    moved = BOX | {"points": [[310, 300], [370, 380]]}
    _, there, _ = room.draw(there, moved, before=[BOX])
    assert len(room.stored(there).findings) == 2, "the box that this tab does not show yet stays"
    note, here, form = room.draw(here, OTHER_BOX, before=[BOX, OTHER_BOX])
    assert "Not saved" in note and len(room.stored(here).findings) == 2, "moved there, deleted here"
    assert on_pictures(form)[1] == moved["points"]


def test_the_same_answer_changed_in_two_tabs_overwrites_nothing(room, phantom_visit):
    here = room.start(phantom_visit)
    there, _ = room.answer(replace(here), "exam-density", "C")
    here, form = room.answer(here, "exam-density", "B")
    assert "density: B here, C there" in form["reading-status"] and room.stored(here).answer("density") == "C"
    assert form["q-exam-density"]["value"] == "C", "the field shows what is stored"


def test_an_answer_that_was_never_seen_is_not_signed(room, phantom_visit):
    here, _ = room.answer(room.start(phantom_visit), "L-mass", "0")
    room.answer(replace(here), "exam-density", "C")
    here, form = room.changed(room.form.sign(here.token, "", here, ANN))
    assert "Not signed" in form["reading-status"] and form["q-exam-density"]["value"] == "C"
    here, form = room.changed(room.form.sign(here.token, "", here, ANN))
    assert here.read.signed and room.stored(here).answer("density") == "C"


def test_a_read_that_was_signed_elsewhere_is_locked_here(room, phantom_visit):
    here, _ = room.answer(room.start(phantom_visit), "R-mass", "0")
    room.changed(room.form.sign(here.token, "", replace(here), ANN))
    locked, form = room.answer(here, "L-mass", "1")
    assert "signed" in form["reading-status"] and locked.read.signed and room.stored(here).answer("mass", L) is None
    assert all(form[question.elem_id]["interactive"] is False for question in room.page.form.questions)
    assert form["q-L-mass"]["value"] == "" and not form["sign"]["visible"]
    note, locked, form = room.draw(here, BOX, before=[])
    assert "signed" in note and locked.read.signed and form["viewer"].props["marks"]["marks"] == []
    assert "signed" in room.changed(room.form.undo(here.token, here, ANN))[1]["reading-status"]


def test_an_event_of_an_earlier_exam_changes_nothing(room, phantom_visit):
    early = room.start(phantom_visit)
    late, _ = room.opened(room.exam.open_demo("film", early, ANN))
    late = room.start(late, "Ben")
    box = gr.EventData(None, {"exam": early.pixel_token, "marks": [BOX]})
    events = [
        lambda token: room.form.saves_answer((R, "mass"))(token, "1", late, ANN),
        lambda token: room.form.describes("shape")(token, 1, "1", "oval", late, ANN),
        lambda token: room.form.select_finding(token, "new: right mass", "", late, ANN),
        lambda token: room.form.save_marks(token, late, box, ANN),
        lambda token: room.form.sign(token, "", late, ANN),
        lambda token: room.form.undo(token, late, ANN),
        lambda token: room.form.edit_at_mark(token, late, gr.EventData(None, {}), ANN),
        lambda token: room.form.choose_finding(token, late, gr.EventData(None, {}), ANN),
        lambda token: room.form.start(token, "Ann", False, "", late, ANN),
        lambda token: room.form.gives_opinion(Opinion.NORMAL)(token, "Ann", False, "", "screening", late, ANN),
        lambda token: room.form.arbitrate(token, "Ann", "", late, ANN),
        lambda token: room.form.change(token, late, ANN),
        lambda token: room.form.show_both(token, late, ANN),
        lambda token: room.form.takes_read(0)(token, late, ANN),
        lambda token: room.form.use_location(token, 1, late, ANN),
        lambda token: room.exam.set_view(token, "R_CC.dcm", "L CC", late, ANN),
        lambda token: room.exam.choose(token, "any", late, ANN),
        lambda token: room.model.show_answers(token, late, False, False, ANN, *PER_1000),
        lambda token: room.model.model_draft(token, late, False, ANN),
        lambda token: room.model.score_prompts(token, "a mass", late, None, True, ANN),
        lambda token: room.maps.all_maps(token, 0.0, "inferno", "hirescam", True, late, ANN),
        lambda token: room.model.find_similar(token, "", late, ANN),
    ]
    for event in events:
        with pytest.raises(gr.Error, match="what was open before"):
            event(early.token)
    for quiet in (
        room.model.answers(early.token, late, False, False, ANN, *PER_1000),
        room.model.change_prevalence(early.token, late, False, ANN, *PER_1000),
        room.maps.draw_maps(early.token, True, "Malignancy", 0.0, "inferno", "hirescam", True, late, ANN),
    ):
        assert quiet == gr.skip(), "what the page asks by itself is left out without a word"
    assert room.stored(late) == Reading() and room.stored(early) == Reading()


def test_what_was_typed_for_one_exam_is_not_there_for_the_next(room, phantom_visit):
    _, updates = room.opened(room.exam.open_demo("film", phantom_visit, ANN))
    for name in ("report", "map-note", "mark-note", "prompt-note", "alike-said"):
        assert updates[name] == "", name
    assert updates["named"] is False, "a promise about the IDs of one exam says nothing about the next"
    assert updates["report-side"] == "" and updates["report-preview"] == "" and updates["alike-table"] == ""
    for name in ("maps-sheet", "prompt-scores", "alike-words", "report-text", "report-shown", "report-made"):
        assert updates[name] == "", name
    _, updates = room.opened(room.form.start(phantom_visit.token, "Ann", False, "", phantom_visit, ANN))
    assert updates["report"] == gr.skip() and updates["named"] == gr.skip(), "the same exam keeps what was typed"


def test_a_finding_is_added_and_described(room, phantom_visit):
    visit = room.start(phantom_visit)
    visit, form = room.changed(
        room.form.select_finding(visit.token, "new: right mass", str(visit.selected_finding or ""), visit, ANN)
    )
    assert form["which-finding"]["value"] == 1 and form["f-shape"]["visible"] and not form["f-morphology"]["visible"]
    assert form["shown-finding"] == "1" and form["f-size_mm"]["value"] == "", "an empty size is not 0"
    visit, form = room.describe(visit, 1, shape="irregular")
    assert "irregular shape" in form["findings"] and form["f-margin"] == gr.skip()
    visit, form = room.describe(visit, 1, size_mm="12")
    visit, form = room.describe(visit, 1, size_mm="1250")
    assert "expected a number" in form["reading-status"] and form["f-size_mm"]["value"] == "12"
    visit, _ = room.describe(visit, 1, size_mm="")
    assert room.stored(visit).findings[1].descriptors == Finding("mass", shape="irregular")
    _, form = room.changed(room.form.use_location(visit.token, 1, visit, ANN))
    assert "This finding is gone" in form["reading-status"], "without a mark it has no location"


def test_a_descriptor_goes_to_the_finding_whose_fields_are_shown(room, phantom_visit):
    visit = room.start(phantom_visit)
    for new in ("new: right mass", "new: left mass"):
        visit, _ = room.changed(
            room.form.select_finding(visit.token, new, str(visit.selected_finding or ""), visit, ANN)
        )
    updates = room.form.describes("shape")(visit.token, 1, "2", "oval", visit, ANN)
    assert "another finding" in room.changed(updates)[1]["reading-status"]
    assert all(finding.descriptors == Finding("mass") for finding in room.stored(visit).findings.values())


def test_two_tabs_add_and_describe_findings_side_by_side(room, phantom_visit):
    here = room.start(phantom_visit)
    there, _ = room.changed(
        room.form.select_finding(here.token, "new: left mass", str(here.selected_finding or ""), replace(here), ANN)
    )
    here, form = room.changed(
        room.form.select_finding(here.token, "new: right calcification", str(here.selected_finding or ""), here, ANN)
    )
    assert here.selected_finding == 2 and form["shown-finding"] == "2", "the other tab's finding is not the one shown"
    there, _ = room.describe(there, 1, shape="oval")
    here, _ = room.changed(room.form.select_finding(here.token, 1, str(here.selected_finding or ""), here, ANN))
    here, form = room.describe(here, 1, margin="spiculated")
    assert room.stored(here).findings[1].descriptors == Finding("mass", shape="oval", margin="spiculated")
    assert form["f-shape"]["value"] == "oval"
    there, form = room.describe(there, 1, margin="obscured")
    assert "Not saved" in form["reading-status"] and form["f-margin"]["value"] == "spiculated"


def test_a_second_reader_sees_nothing_of_the_first_read_nor_of_the_model(room, phantom_visit):
    visit, _ = room.read_and_sign(phantom_visit, "Ann", exam_density="B", R_mass="1")
    visit, updates = room.answered(room.model.answers(visit.token, visit, False, False, ANN, *PER_1000))
    assert "Malignancy" in updates["answers"] and visit.read.signed
    visit, updates = room.opened(room.form.start(visit.token, "Ben", False, "", visit, ANN))
    assert visit.read.kind is ReadKind.SECOND and not visit.answers_requested and visit.marks == ()
    assert updates["other-readings"] == "" and updates["q-R-mass"]["value"] == ""
    assert (
        "Malignancy" not in updates["answers"]
        and not updates["viewer"].props["badges"]
        and "Ann" not in updates["reading-status"]
    )
    for at_once in (False, True):  # "always show them" is not asked for by this reader
        _, updates = room.answered(room.model.answers(visit.token, visit, False, at_once, ANN, *PER_1000))
        assert "hidden" in updates["answers"]


def test_final_reads_stand_side_by_side_and_another_reader_arbitrates(room, phantom_visit):
    visit, form = room.give(phantom_visit, Opinion.NORMAL, "Ann")
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert form["change"]["visible"] and not form["sign"]["visible"] and "not final yet" in form["reading-status"]
    visit, form = room.give(visit, Opinion.TECHNICAL_RECALL, "Ben")
    assert "tick the views" in form["reading-status"]
    visit, form = room.answer(visit, "R-repeat_cc", "blurred")
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert form["other-readings"] == "" and not form["arbitration-start"]["visible"], "no read is final yet"
    for read in room.store.readings.of_exam(visit.exam_number):
        room.store.readings.finalise(read.id)
    visit, updates = room.opened(room.form.start(visit.token, "Ben", False, "", visit, ANN))
    assert 'class="apart"' in updates["other-readings"] and updates["arbitration-start"]["visible"]
    visit, updates = room.opened(room.form.arbitrate(visit.token, "Cat", "", visit, ANN))
    assert visit.read.kind is ReadKind.ARBITRATION and "arbitration: draft" in updates["reading-status"]
    assert updates["two-reads"] == "" and updates["other-readings"] == "", "hidden until they are asked for"
    _, form = room.changed(room.form.takes_read(1)(visit.token, visit, ANN))
    assert "Show both reads first" in form["reading-status"]
    visit, form = room.changed(room.form.show_both(visit.token, visit, ANN))
    rows = re.findall(r"<tr( class=.apart.)?><th>(.*?)</th>", form["two-reads"])[1:]
    assert rows[0][1] == "Opinion" and "Right: Repeat the CC" in [title for _, title in rows]
    assert rows[0][0] and [bool(apart) for apart, _ in rows] == sorted((bool(apart) for apart, _ in rows), reverse=True)
    visit, form = room.changed(room.form.takes_read(1)(visit.token, visit, ANN))
    assert room.stored(visit).answer("repeat_cc", R) == "blurred" and form["q-R-repeat_cc"]["value"] == "blurred"
    visit, form = room.changed(room.form.undo(visit.token, visit, ANN))
    assert room.stored(visit) == Reading()


def test_an_opinion_starts_the_read_and_a_recall_is_checked_before_it_is_signed(room, phantom_visit):
    visit, form = room.give(phantom_visit, Opinion.NORMAL, "")
    assert visit.read is None and "No reader is named" in form["reading-status"]
    visit, form = room.give(phantom_visit, Opinion.RECALL, "Ann")
    assert visit.exam_number and visit.token != phantom_visit.token, "it is stored, and a read is started"
    assert form["opinion-recall"]["variant"] == "primary" and "is the right breast normal?" in form["reading-status"]
    _, visit, form = room.draw(visit, BOX)
    visit, form = room.describe(visit, 1, suspicion="4")
    visit, form = room.give(visit, Opinion.RECALL, "Ann")
    assert room.stored(visit).answer("breast_opinion", R) == "abnormal", "it can be nothing else"
    visit, form = room.answer(visit, "L-breast_opinion", "normal")
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert visit.read.signed is None and "Right breast: abnormal: mass suspicion 4" in form["reading-status"]
    visit, form = room.answer(visit, "exam-density", "B")
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert visit.read.signed is None, "after a change it is checked again"
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert visit.read.signed is None and "Look at the recall first" in form["reading-status"], "a double press"
    visit = replace(visit, reviewing_since=visit.reviewing_since - reads.REVIEW_SECONDS)
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert visit.read.signed
    after, form = room.give(visit, Opinion.NORMAL, "Ann")
    assert after.read == visit.read and "Change this read" in form["reading-status"]
    visit, form = room.opened(room.form.change(visit.token, visit, ANN))
    assert visit.read.signed is None and visit.read.amends is None
    visit, form = room.give(visit, Opinion.NORMAL, "Ann", scale="diagnostic")
    assert room.stored(visit).answer("birads", R) is None and "finding 1 is suspicious" in form["reading-status"]
    visit, _ = room.describe(visit, 1, suspicion="2")
    visit, _ = room.give(visit, Opinion.NORMAL, "Ann", scale="diagnostic")
    assert [room.stored(visit).answer("birads", side) for side in (R, L)] == ["1", "1"]


@pytest.mark.parametrize("scale", list(ReadingScale))
def test_a_read_of_a_session_is_not_signed_without_an_opinion(room, phantom_visit, scale):
    started = room.start(phantom_visit)
    session = room.store.sessions.start("Ann", [started.exam_number], scale=scale)
    visit = replace(started, open_list=OpenList("session", (started.exam_number,), session.id))
    visit, _ = room.answer(visit, "exam-density", "B")
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert visit.read.signed is None and "Not signed: give " in form["reading-status"]
    visit, _ = room.give(visit, Opinion.NORMAL, "Ann", scale=scale.value)
    assert room.changed(room.form.sign(visit.token, "", visit, ANN))[0].read.signed
    alone, _ = room.answer(room.start(replace(phantom_visit, read=None, exam_number=None), "Ben"), "exam-density", "B")
    assert room.changed(room.form.sign(alone.token, "", alone, ANN))[0].read.signed, (
        "outside a session, labels may be all"
    )


def test_a_diagnostic_read_of_a_session_assesses_each_breast_that_was_imaged(room, phantom_visit):
    started = room.start(phantom_visit)
    session = room.store.sessions.start("Ann", [started.exam_number], scale=ReadingScale.DIAGNOSTIC)
    visit = replace(started, open_list=OpenList("session", (started.exam_number,), session.id))
    visit, _ = room.answer(visit, "R-birads", "1")
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert visit.read.signed is None and "BI-RADS category of the left breast" in form["reading-status"]
    visit, _ = room.answer(visit, "L-birads", "5")
    assert room.changed(room.form.sign(visit.token, "", visit, ANN))[0].read.signed


def test_what_is_given_in_a_session_that_arbitrates_is_an_arbitration(room, phantom_visit):
    for reader, opinion in (("Ann", Opinion.NORMAL), ("Ben", Opinion.RECALL)):
        visit, _ = room.give(phantom_visit, opinion, reader)
        for side in "RL":
            visit, _ = room.answer(
                visit, f"{side}-breast_opinion", "normal" if opinion is Opinion.NORMAL else "symptoms only"
            )
        room.store.readings.finalise(room.store.readings.sign(visit.read.id).id)
    number = visit.exam_number
    session = room.store.sessions.start("Cid", [number], arbitration=True)
    opened = replace(visit, read=None, open_list=OpenList("session", (number,), session.id))
    other, form = room.give(opened, Opinion.NORMAL, "Dora")
    assert other.read is None and "session of Cid" in form["reading-status"]
    visit, form = room.give(opened, Opinion.NORMAL, "Cid")
    assert visit.read.kind is ReadKind.ARBITRATION and not form["start-reading"]["visible"]
    assert room.start(opened, "Cid").read.id == visit.read.id, (
        "the button, or Enter in the reader's name, does the same"
    )
    assert room.changed(room.form.sign(visit.token, "Cid", visit, ANN))[0].read.signed
    assert [read.kind for read in room.store.readings.of_exam(number)] == [
        ReadKind.FIRST, ReadKind.SECOND, ReadKind.ARBITRATION
    ]  # fmt: skip


def test_a_read_that_saw_the_answers_before_it_was_signed_is_marked(room, phantom_visit):
    visit = room.start(phantom_visit)
    there, _ = room.answer(replace(visit), "exam-density", "B")
    visit, shown = room.answered(room.model.show_answers(visit.token, visit, False, False, ANN, *PER_1000))
    assert "answers were seen before it was signed" in shown["reading-status"].lower()
    assert visit.read.informed and room.store.readings.get(visit.read.id).informed
    assert room.store.predictions.of_exam(visit.exam_number), "what the reader saw is stored"
    _, form = room.answer(visit, "L-mass", "0")
    assert form["q-exam-density"]["value"] == "B", "an answer of another tab is shown with the next change"


def test_what_must_not_be_missed_is_seen_without_a_click(phantom_visit):
    exam = phantom_visit.exam
    assert notable(exam) == [], "four pictures, nothing else"
    views = dict(exam.views)
    displaced = replace(views.pop(STANDARD_VIEWS[2]), implant=True)
    assert notable(replace(exam, views=views)) == ["R MLO missing", "3 pictures"]
    earlier = replace(exam.views[STANDARD_VIEWS[0]], acquisition=Acquisition(date="20210115"))
    whole = replace(exam, extra=(displaced,), prior=Exam({earlier.name: earlier}))
    assert notable(whole) == ["5 pictures", "implants", "prior 2021-01-15"]


def test_the_read_of_somebody_else_is_not_signed(room, phantom_visit):
    visit, _ = room.give(phantom_visit, Opinion.NORMAL, "Ann")
    after, form = room.changed(room.form.sign(visit.token, "Ben", visit, ANN))
    assert after.read.signed is None and "this is the read of Ann" in form["reading-status"]
    assert room.changed(room.form.sign(visit.token, " Ann ", visit, ANN))[0].read.signed


def test_of_the_first_readers_report_nothing_is_left_for_the_second(room, phantom_visit):
    started, form = room.opened(room.form.start(phantom_visit.token, "Ann", False, "", phantom_visit, ANN))
    assert form["report-text"] == gr.skip(), "what was typed before the read stays with it"
    _, form = room.opened(room.form.start(started.token, "Ben", False, "", started, ANN))
    assert form["report-text"] == form["report"] == ""


def test_the_page_says_at_once_that_the_answers_made_a_signed_read_final(room, phantom_visit):
    visit, _ = room.answer(room.start(phantom_visit), "exam-density", "B")
    visit, form = room.changed(room.form.sign(visit.token, "", visit, ANN))
    assert "not final yet" in form["reading-status"]
    visit, shown = room.answered(room.model.answers(visit.token, visit, False, False, ANN, *PER_1000))
    assert "final since" in shown["reading-status"] and visit.read.final


def test_an_exam_is_out_of_reach_of_another_visitor(room, phantom_visit):
    token = phantom_visit.token
    for handler, values in (
        (room.exam.open_stored, [1, "", phantom_visit, BOB]),
        (room.form.start, [token, "Bob", False, "", phantom_visit, BOB]),
        (room.form.saves_answer((R, "mass")), [token, "1", phantom_visit, BOB]),
        (room.model.show_answers, [token, phantom_visit, False, True, BOB, *PER_1000]),
        (room.model.score_prompts, [token, "a mass", phantom_visit, None, True, BOB]),
        (room.maps.all_maps, [token, 0.0, "inferno", "hirescam", True, phantom_visit, BOB]),
        (room.model.find_similar, [token, "", phantom_visit, BOB]),
    ):
        with pytest.raises(gr.Error, match="another visitor"):
            handler(*values)


def test_prompts_are_scored_and_saved_as_a_set(room, phantom_visit):
    assert "Open an exam first" in room.model.score_prompts("", "a mass", Visit(), None, True, ANN)[2]
    visit, _ = room.answered(room.model.answers(phantom_visit.token, phantom_visit, False, False, ANN, *PER_1000))
    sealed = room.model.score_prompts(visit.token, "a mass", visit, None, False, ANN)
    assert sealed[:2] == (visit, "") and "hidden" in sealed[2], "what prompts tell is an answer of the model too"
    visit, scores, note, targets = room.model.score_prompts(
        visit.token, "zebra mass\na mass | no mass", visit, None, True, ANN
    )
    assert "zebra mass<small>unknown: zebra" in scores and "<li><p>a mass | no mass</p>" in scores and note == ""
    assert visit.prompts == ("a mass | no mass",) and "“zebra mass”" not in str(targets.choices)
    ready = next(iter(room.model.ready_prompts))
    assert "Skin lesion" not in room.model.ready_prompts
    prompts = "present: a skin lesion\nabsent: no skin lesion"
    declare_from_form(room.store, "Skin lesion", "", "breast", "", prompts, False)
    assert room.model.fill_prompts("Skin lesion: pairs") == "a skin lesion | no skin lesion"
    assert "ready-made" in room.model.save_prompts(ready, "a mass", "Ann")[1]
    assert "Type a name" in room.model.save_prompts("", "a mass", "Ann")[1]
    assert "is saved" in room.model.save_prompts("mine", "a mass\nno mass", "Ann")[1]
    assert room.model.fill_prompts("mine") == "a mass\nno mass"


def test_similar_exams_need_an_exam_or_words(room):
    assert room.model.find_similar(None, "", Visit(), ANN) == ("", "<p>Open an exam, or type what to look for.</p>")


def pictures(visit):
    """The pixels of each view, by its name."""
    return {str(name): view.pixels for name, view in visit.exam.views.items()}


def same_pictures(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_views_that_are_named_anew_after_a_read_began_stay_so(room, phantom_visit):
    before = pictures(phantom_visit)
    visit = room.start(phantom_visit)
    visit, message = room.insist(visit, "R_CC.dcm", "L CC")
    assert "occurs more than once" in message and "R_CC" not in pictures(visit)
    assert same_pictures(pictures(room.reopened(visit)), pictures(visit))
    visit, _ = room.insist(visit, "L_CC.dcm", "R CC")
    swapped = before | {"R_CC": before["L_CC"], "L_CC": before["R_CC"]}
    assert same_pictures(pictures(visit), swapped)
    again = room.reopened(visit)
    assert same_pictures(pictures(again), swapped), "shown again as the reader named them"
    named = again.exam.views[ViewName.parse("L_CC")]
    assert named.sources["laterality"].source == "you" and named.orientation == visit.exam.views[named.name].orientation
    history = room.store.file.history(f"exam {visit.exam_number}")
    assert {line["who"] for line in history if line["what"] == "corrected views"} == {"Ann"}
    note, visit, _ = room.draw(visit, BOX | {"view": "L_CC"}, before=[])
    assert "Not saved" not in note and room.stored(visit).findings[1].laterality is L
    write_coco(room.store, room.store.folder / "marks.json")
    coco = json.loads((room.store.folder / "marks.json").read_text(encoding="utf-8"))
    files = {image["file_name"]: image["sha256"] for image in coco["images"]}
    stored = {str(view.name): view.sha256 for view in room.store.exams.views(visit.exam_number)}
    assert {name.split("/")[1]: digest for name, digest in files.items()} == stored
    assert (
        Path(next(v.path for v in room.store.exams.views(visit.exam_number) if str(v.name) == "L_CC")).name
        == "R_CC.dcm"
    )


def test_a_view_taken_out_by_hand_is_an_extra_one_when_the_exam_is_opened_again(room, phantom_visit):
    visit, _ = room.correct(room.start(phantom_visit), "R_CC.dcm", "not a standard view")
    again = room.reopened(visit)
    assert "R_CC" not in pictures(again) and [view.name for view in again.exam.extra] == [None]
    again, _ = room.correct(again, "R_CC.dcm", "R CC")
    assert same_pictures(pictures(room.reopened(again)), pictures(phantom_visit))


def test_a_picture_that_is_named_after_the_read_began_is_stored(room, phantom_visit):
    visit, _ = room.correct(phantom_visit, "L_MLO.dcm", "not a standard view")
    visit = room.start(visit)
    assert len(room.store.exams.views(visit.exam_number)) == 3
    visit, _ = room.correct(visit, "L_MLO.dcm", "L MLO")
    assert same_pictures(pictures(room.reopened(visit)), pictures(phantom_visit))
    assert {str(v.name): v.named_by for v in room.store.exams.views(visit.exam_number)}["L_MLO"] == "Ann"
    note, visit, _ = room.draw(visit, BOX | {"view": "L_MLO"}, before=[])
    assert "Not saved" not in note


def test_marks_never_come_to_lie_on_another_picture(room, phantom_visit):
    here = room.start(phantom_visit)
    there = room.start(replace(here, read=None), "Ben")
    _, here, _ = room.draw(here, BOX, before=[])
    for file, view in (("R_CC.dcm", "L MLO"), ("R_CC.dcm", "not a standard view")):
        refused, message = room.correct(here, file, view)
        assert "R CC has marks in the read of Ann" in message and refused.exam is here.exam
    assert "marks in the read of Ann" in room.correct(there, "R_CC.dcm", "L CC")[1]
    note, here, _ = room.draw(here, before=[BOX])
    here, message = room.correct(here, "R_CC.dcm", "not a standard view")
    assert "Not" not in message
    here, _ = room.correct(here, "R_MLO.dcm", "R CC")
    note, there, form = room.draw(there, BOX, before=[])
    assert "named anew in another window" in note and room.stored(there) == Reading()
    assert form["viewer"].props["marks"]["marks"] == []
    assert "named anew" in room.answer(there, "R-mass", "1")[1]["reading-status"]
    assert "named anew" in room.changed(room.form.sign(there.token, "", there, ANN))[1]["reading-status"]
    assert "named anew" in room.correct(there, "L_CC.dcm", "R CC")[1]


def test_an_exam_stored_with_other_view_names_is_opened_from_the_worklist(room, phantom_visit):
    visit = room.start(phantom_visit)
    room.correct(visit, "R_CC.dcm", "not a standard view")
    again, updates = room.opened(room.form.start(phantom_visit.token, "Ben", False, "", phantom_visit, ANN))
    assert "Open it from the worklist" in updates["message"] and again.read is None
    assert len(room.store.readings.of_exam(visit.exam_number)) == 1


def test_marks_on_a_picture_that_is_named_anew_are_not_dropped_without_a_word(room, phantom_visit):
    _, visit, _ = room.draw(phantom_visit, BOX)
    visit, message = room.correct(visit, "R_CC.dcm", "not a standard view")
    assert visit.marks == () and "1 mark was deleted" in message


def test_two_stored_images_of_the_same_file_name_stay_apart(room, phantom_visit, tmp_path, decoder):
    paths = []
    for name in ("R_CC", "L_CC"):
        folder = tmp_path / name
        folder.mkdir()
        paths.append(shutil.copy(DEMO_EXAMS / "phantom" / f"{name}.dcm", folder / "1.dcm"))
    (outcome,) = import_exams(room.store, [tmp_path / "R_CC", tmp_path / "L_CC"], decoder, "Ann")
    exam = open_stored_exam(room.store, outcome.number, decoder)
    assert same_pictures(
        {str(name): view.pixels for name, view in exam.views.items()},
        {name: pictures(phantom_visit)[name] for name in ("R_CC", "L_CC")},
    )


LEFT_REPORT = "Left breast: suspicious mass at 2 o'clock. BI-RADS 5."


def test_a_typed_report_lands_in_the_breast_that_it_names_and_is_shown_first(room, phantom_visit):
    visit, shown = room.preview(room.start(phantom_visit), LEFT_REPORT)
    assert room.stored(visit) == Reading(), "nothing is taken before the reader has seen it"
    assert "left mass present (clock 2)" in shown["report-preview"] and shown["take-report"]["visible"]
    assert "not understood in it: suspicious" in shown["report-preview"] and not shown["report-overwrite"]["visible"]
    visit, form = room.take(visit, LEFT_REPORT)
    assert room.stored(visit).fields == {(L, "mass"): "1", (L, "birads"): "5"}
    assert form["q-L-birads"]["value"] == "5" and form["report-preview"] == "" and not form["take-report"]["visible"]
    visit, _ = room.changed(room.form.undo(visit.token, visit, ANN))
    assert room.stored(visit) == Reading()


def test_a_report_of_another_breast_than_the_chosen_one_is_blocked(room, phantom_visit):
    visit = room.start(phantom_visit)
    for typed, words in ((LEFT_REPORT, "the left breast"), (LEFT_REPORT + " Right breast: no mass.", "both breasts")):
        visit, shown = room.preview(visit, typed, "right")
        assert f"speaks of {words}" in shown["report-preview"] and not shown["take-report"]["visible"]
        visit, _ = room.take(visit, typed, "right", overwrite=True)
        assert room.stored(visit) == Reading()


def test_nonsense_says_that_nothing_was_understood(room, phantom_visit):
    visit, shown = room.preview(room.start(phantom_visit), "Lorem ipsum dolor. Sit amet", "left")
    assert "Nothing was understood." in shown["report-preview"] and "“Sit amet”" in shown["report-preview"]
    assert not shown["take-report"]["visible"]
    assert "Type a report first" in room.preview(visit, "  ")[1]["report-preview"]
    assert "names no breast" in room.preview(visit, "Irregular mass. BI-RADS 4.")[1]["report-preview"]
    assert "Start a read first" in room.preview(phantom_visit, LEFT_REPORT)[1]["report-preview"]


def test_a_report_erases_nothing_that_is_given_unless_the_reader_says_so(room, phantom_visit):
    visit = room.start(phantom_visit)
    visit, _ = room.changed(
        room.form.select_finding(visit.token, "new: left mass", str(visit.selected_finding or ""), visit, ANN)
    )
    for name, value in (("shape", "oval"), ("size_mm", "9"), ("features", ["skin thickening"])):
        visit, _ = room.describe(visit, 1, **{name: value})
    visit, _ = room.answer(visit, "L-birads", "3")
    typed = "Left breast: irregular mass with spiculated margins and nipple retraction. BI-RADS 5. Density C."
    visit, shown = room.preview(visit, typed)
    assert "finding 1, shape: oval is given, the report says irregular" in shown["report-preview"]
    assert "left breast, birads: 3 is given, the report says 5" in shown["report-preview"]
    assert shown["report-overwrite"] == gr.update(value=False, visible=True)
    kept, form = room.take(visit, typed)
    features = ("nipple retraction", "skin thickening")
    described = Finding("mass", "oval", "spiculated", size_mm=9, features=features)
    assert room.stored(kept).findings[1].descriptors == described and form["f-margin"]["value"] == "spiculated"
    assert room.stored(kept).answer("birads", L) == "3" and room.stored(kept).answer("density") == "C"
    visit, _ = room.preview(kept, typed)
    visit, _ = room.take(visit, typed, overwrite=True)
    assert room.stored(visit).findings[1].descriptors == replace(described, shape="irregular")
    assert room.stored(visit).answer("birads", L) == "5"


def test_only_what_was_shown_of_a_report_is_taken(room, phantom_visit):
    visit, _ = room.preview(room.start(phantom_visit), LEFT_REPORT)
    other = LEFT_REPORT.replace("2 o'clock", "5 o'clock")
    visit, form = room.take(visit, other)
    assert "changed since" in form["report-preview"] and "clock 5" in form["report-preview"]
    assert room.stored(visit) == Reading()
    visit, _ = room.answer(visit, "L-birads", "2")
    visit, form = room.take(visit, other)
    assert "changed since" in form["report-preview"] and "2 is given" in form["report-preview"]
    visit, _ = room.take(visit, other)
    assert room.stored(visit).answer("birads", L) == "2" and room.stored(visit).findings[1].descriptors.clock == 5


def test_two_masses_of_a_report_stay_two_findings(room, phantom_visit):
    typed = "Left breast: oval mass, 9 mm. Irregular mass, 12 mm."
    visit, _ = room.preview(room.start(phantom_visit), typed)
    visit, _ = room.take(visit, typed)
    assert sorted(f.descriptors.shape for f in room.stored(visit).findings.values()) == ["irregular", "oval"]
    visit, shown = room.preview(visit, "Left breast: round mass.")
    assert "left mass: 2 in the list already" in shown["report-preview"]
    visit, _ = room.take(visit, "Left breast: round mass.", overwrite=True)
    assert sorted(f.descriptors.shape for f in room.stored(visit).findings.values()) == ["irregular", "oval"]


def test_answers_that_nobody_asked_for_are_neither_shown_nor_stored(room, phantom_visit):
    visit = room.start(phantom_visit)
    visit, hidden = room.answered(room.model.answers(visit.token, visit, False, False, ANN, *PER_1000))
    assert visit.prediction is not None and "hidden" in hidden["answers"]
    visit, _ = room.answer(visit, "R-mass", "1")
    assert not room.store.predictions.of_exam(visit.exam_number)
    assert room.store.exams.get(visit.exam_number).score is None
    assert not visit.read.informed and not room.store.readings.get(visit.read.id).informed


def test_a_task_declared_meanwhile_is_a_question_of_the_exams_that_are_opened_then(room, phantom_visit):
    visit, before = room.opened(room.form.start(phantom_visit.token, "Ann", False, "", phantom_visit, ANN))
    assert before["q-own-0-R"] == gr.skip(), "nothing is declared"
    declare_from_form(room.store, "Skin lesion", "", "breast", "", "", False)
    declare_from_form(room.store, "Quality", "", "exam", "good\nbad", "", False)
    visit, form = room.opened(room.form.start(visit.token, "Ann", False, "", visit, ANN))
    right, quality = form["q-own-0-R"], form["q-own-1-exam"]
    assert (
        right.visible
        and right.label == "Right: Skin lesion"
        and quality.choices[1:] == [("good", "good"), ("bad", "bad")]
    )
    assert form["q-own-0-exam"] == form["q-own-1-R"] == gr.skip(), "each is asked of its level only"
    answer = room.form.saves_own_answer(Place(0, Laterality.RIGHT))
    visit, form = room.changed(answer(visit.token, "1", visit, ANN))
    assert room.stored(visit).fields[Laterality.RIGHT, "skin_lesion"] == "1" and form["q-own-0-R"] == gr.skip()
    visit, form = room.changed(room.form.undo(visit.token, visit, ANN))
    assert form["q-own-0-R"].value == ""
    nothing = room.form.saves_own_answer(Place(5, None))
    assert "not declared any more" in room.changed(nothing(visit.token, "1", visit, ANN))[1]["reading-status"]


READERS_OWN = {"reader", "prompts", "prompts-name"}  # texts that are about no exam
FOLLOWS = {"report-text"}  # it is made anew in the browser, from "report-made"


def test_every_text_that_is_typed_for_an_exam_is_emptied_when_another_is_opened(room, predictor, phantom_visit):
    with gr.Blocks() as blocks:
        page = lay_out_page(room.store, list(room.model.ready_prompts))
    typed = {
        block.elem_id for block in blocks.blocks.values()
        if isinstance(block, gr.Textbox) and block.visible is not False and block.visible != "hidden"
        and block.interactive is not False
    }  # fmt: skip
    assert typed >= READERS_OWN | FOLLOWS | {"authors", "aside-reason", "report", "q-exam-note"}
    visit = room.start(phantom_visit)
    updates = by_name(page.exam_outputs, room.exam.open_demo("film", visit, ANN))
    kept = {name for name in typed - READERS_OWN - FOLLOWS if _value(updates.get(name)) != ""}
    assert kept == set()


def _value(update):
    return update.get("value") if isinstance(update, dict) else getattr(update, "value", update)


def test_undo_and_redo_count_as_reading_time(room, phantom_visit):
    visit, _ = room.answer(room.start(phantom_visit), "R-mass", "1")
    before = room.store.readings.get(visit.read.id).seconds
    for number, step in enumerate((room.form.undo, room.form.redo), 1):
        visit = replace(visit, reading_since=visit.reading_since - 30)
        visit, _ = room.changed(step(visit.token, visit, ANN))
        assert room.store.readings.get(visit.read.id).seconds - before > 29 * number
