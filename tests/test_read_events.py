"""The handlers of the reading page, called without a browser."""

from typing import NamedTuple

import gradio as gr
import pytest

from app.read.exam_events import ExamEvents
from app.read.form_events import FormEvents
from app.read.layout import ReadPage, lay_out_page
from app.read.model_events import BINARY, ModelEvents
from app.read.visit import Visit
from app.viewer.pixel_server import PixelServer
from mvmlm.exam import Laterality
from mvmlm.reading.reading import ReadKind
from mvmlm.store.store import Store
from tests.test_app import ANN, BOB

PER_1000 = [task.prevalence for task in BINARY]
BOX = {"view": "R_CC", "kind": "box", "label": "mass", "points": [[300, 300], [360, 380]]}


class Room(NamedTuple):
    """The reading page over an empty store."""

    store: Store
    page: ReadPage
    exam: ExamEvents
    form: FormEvents
    model: ModelEvents

    def opened(self, updates):
        """The visit, and the updates of an opened exam by the elem_id of their component."""
        assert len(updates) == len(self.page.exam_outputs)
        return updates[0], by_name(self.page.exam_outputs, updates)

    def changed(self, updates):
        """The visit, and the updates of the form by the elem_id of their component."""
        outputs = [self.page.state, *self.page.form.outputs]
        assert len(updates) == len(outputs)
        return updates[0], by_name(outputs, updates)

    def answered(self, updates):
        """The visit, and the updates of the answers by the elem_id of their component."""
        assert len(updates) == len(self.page.answer_outputs)
        return updates[0], by_name(self.page.answer_outputs, updates)

    def answers_to(self, **given):
        """The values of all questions; `R_mass="1"` answers the mass of the right breast."""
        names = [question.elem_id.removeprefix("q-").replace("-", "_", 1) for question in self.page.form.questions]
        assert set(given) <= set(names)
        return [given.get(name, "") for name in names]

    def read_and_sign(self, visit, reader, **given):
        """The visit after a first read."""
        visit, _ = self.opened(self.form.start(reader, False, visit, ANN))
        return self.changed(self.form.sign(visit, ANN, *self.answers_to(**given)))


def by_name(components, updates):
    return {component.elem_id: update for component, update in zip(components, updates, strict=True)}


@pytest.fixture
def room(tmp_path, decoder, predictor):
    store, pixels = Store(tmp_path), PixelServer()
    model = ModelEvents(lambda: predictor, store)
    with gr.Blocks():
        page = lay_out_page(store, list(model.ready_prompts), lambda visit: None)
    yield Room(store, page, ExamEvents(decoder, pixels, store), FormEvents(pixels, store), model)
    store.close()


@pytest.fixture
def phantom_visit(room):
    return room.opened(room.exam.open_demo("phantom", Visit(), ANN))[0]


def drawn(visit, *marks):
    return gr.EventData(None, {"exam": visit.pixel_token, "marks": list(marks)})


def test_answers_are_hidden_until_the_reader_asks_and_then_a_map_can_be_drawn(room):
    visit, updates = room.opened(room.exam.open_demo("phantom", Visit(), ANN))
    assert "a computed phantom" in updates["message"] and len(updates["viewer"].value["ports"]) == 4
    visit, hidden = room.answered(room.model.answers(visit, False, False, ANN, *PER_1000))
    assert (
        "hidden" in hidden["answers"] and "Malignancy" not in hidden["answers"] and not hidden["viewer"].props["badges"]
    )
    assert "quality" in hidden["quality"]
    assert "hidden" in room.model.model_draft(visit, False, ANN)["value"]
    visit, shown = room.answered(room.model.show_answers(visit, False, False, ANN, *PER_1000))
    assert "Malignancy" in shown["answers"] and set(shown["viewer"].props["badges"]) == {
        "R_CC",
        "L_CC",
        "R_MLO",
        "L_MLO",
    }
    assert room.model.change_prevalence(visit, False, ANN, *[1] * len(BINARY)) != shown["answers"]
    viewer, note = room.model.draw_maps(True, "Malignancy", 0.0, "inferno", visit, ANN)
    assert set(viewer.props["maps"]) == {"R_CC", "L_CC", "R_MLO", "L_MLO"} and "Not a lesion outline" in note
    assert room.model.draw_maps(False, "Malignancy", 0.0, "inferno", visit, ANN)[0].props["maps"] == {}


def test_marks_are_saved_with_the_read_until_it_is_signed(room, phantom_visit):
    visit, updates = room.opened(room.form.start("Ann", False, phantom_visit, ANN))
    assert "Ann, first read: draft" in updates["reading-status"] and updates["reading-form"]["visible"]
    visit, note, *updates = room.form.save_marks(visit, drawn(visit, BOX), ANN)
    _, form = room.changed((visit, *updates))
    assert "1 × mass box" in note and "R CC" in form["findings"]
    assert form["q-R-mass"]["value"] == "1", "a marked mass is a present mass"
    stored = room.store.readings.get(visit.read.id).reading
    assert stored.findings[1].marks[0].points == ((300, 300), (360, 380))
    visit, _ = room.changed(room.form.sign(visit, ANN, *room.answers_to(R_mass="1")))
    visit, note, *_ = room.form.save_marks(visit, drawn(visit, BOX, BOX), ANN)
    assert "signed" in note and room.store.readings.get(visit.read.id).reading == stored


def test_an_answer_is_saved_and_no_question_is_set_back(room, phantom_visit):
    visit, _ = room.opened(room.form.start("Ann", False, phantom_visit, ANN))
    visit, form = room.changed(room.form.save_answers(visit, ANN, *room.answers_to(exam_density="B", L_mass="0")))
    assert room.store.readings.get(visit.read.id).reading.answer("density") == "B"
    assert all(form[question.elem_id] == gr.skip() for question in room.page.form.questions)
    visit, undone = room.opened(room.form.undo(visit, ANN))
    assert undone["q-exam-density"]["value"] == "" and visit.read.reading.fields == {}
    assert "Nothing to undo" in room.opened(room.form.undo(visit, ANN))[1]["message"]


def test_a_finding_is_added_described_and_linked(room, phantom_visit):
    visit, _ = room.opened(room.form.start("Ann", False, phantom_visit, ANN))
    visit, form = room.changed(room.form.select_finding("new: right mass", visit, ANN))
    assert form["which-finding"]["value"] == 1 and form["f-shape"]["visible"] and not form["f-morphology"]["visible"]
    values = ["irregular" if field.elem_id == "f-shape" else None for field in room.page.form.editor.fields]
    visit, form = room.changed(room.form.describe_finding(1, visit, ANN, *values))
    assert "shape irregular" in form["findings"]
    _, form = room.changed(room.form.use_location(1, visit, ANN))
    assert "This finding is gone" in form["reading-status"], "without a mark it has no location"
    _, form = room.changed(room.form.link_findings("1 7", visit, ANN))
    assert "numbers of two findings" in form["reading-status"]
    visit, form = room.changed(room.form.fill_from_report("left", "Oval mass, 9 mm. BI-RADS 3.", visit, ANN))
    assert form["q-L-birads"]["value"] == "3" and visit.read.reading.findings[2].laterality is Laterality.LEFT


def test_reads_of_two_readers_stand_side_by_side_and_a_consensus_can_start(room, phantom_visit):
    visit, form = room.read_and_sign(phantom_visit, "Ann", exam_density="B")
    assert form["second"]["visible"] and not form["consensus"]["visible"] and not form["sign"]["visible"]
    visit, form = room.read_and_sign(visit, "Ben", exam_density="C")
    assert 'class="apart"' in form["other-readings"] and form["consensus"]["visible"]
    visit, updates = room.opened(room.form.start_consensus(visit, ANN))
    assert visit.read.kind is ReadKind.CONSENSUS and "consensus read: draft" in updates["reading-status"]


def test_a_read_that_saw_the_answers_before_it_was_signed_is_marked(room, phantom_visit):
    visit, _ = room.opened(room.form.start("Ann", False, phantom_visit, ANN))
    visit, _ = room.answered(room.model.show_answers(visit, False, False, ANN, *PER_1000))
    assert room.store.readings.get(visit.read.id).informed
    assert room.store.predictions.of_exam(visit.exam_number), "what the reader saw is stored"


def test_an_exam_is_out_of_reach_of_another_visitor(room, phantom_visit):
    for handler, values in (
        (room.exam.open_stored, [1, phantom_visit, BOB]),
        (room.form.start, ["Bob", False, phantom_visit, BOB]),
        (room.model.show_answers, [phantom_visit, False, True, BOB, *PER_1000]),
        (room.model.score_prompts, ["a mass", phantom_visit, None, BOB]),
        (room.model.find_similar, ["", phantom_visit, BOB]),
    ):
        with pytest.raises(gr.Error, match="another visitor"):
            handler(*values)


def test_prompts_are_scored_and_saved_as_a_set(room, phantom_visit):
    assert "Open an exam first" in room.model.score_prompts("a mass", Visit(), None, ANN)[2]
    visit, _ = room.answered(room.model.answers(phantom_visit, False, False, ANN, *PER_1000))
    visit, chart, note, targets = room.model.score_prompts("zebra mass\na mass | no mass", visit, None, ANN)
    assert "do not know “zebra”" in note and "a mass | no mass: right breast" in note
    assert ("“zebra mass”", "“zebra mass”") in targets.choices and visit.prompts == ("zebra mass", "a mass | no mass")
    ready = next(iter(room.model.ready_prompts))
    assert "ready-made" in room.model.save_prompts(ready, "a mass", "Ann")[1]
    assert "Type a name" in room.model.save_prompts("", "a mass", "Ann")[1]
    assert "is saved" in room.model.save_prompts("mine", "a mass\nno mass", "Ann")[1]
    assert room.model.fill_prompts("mine") == "a mass\nno mass"


def test_similar_exams_need_an_exam_or_words(room):
    assert room.model.find_similar("", Visit(), ANN) == ([], "<p>Open an exam, or type what to look for.</p>")
