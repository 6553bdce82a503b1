"""The reading page: open an exam, read it, see the model's answers and maps, ask in words, find similar exams.

The components come from `layout`, the handlers of their events from `exam_events`, `form_events` and `model_events`.
A visitor's events run one after the other (lane "visit"): a slow answer for an earlier exam must never bring that exam
back over a newer one. Each event sends the token of what was on screen when it was raised, so that none changes another
exam.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from mvmlm.imaging.decoder import Decoder
from mvmlm.reading.form import FINDING_FIELDS, form_questions
from mvmlm.store.store import Store

from ..event_queue import SLOW_MAPS
from ..tables import number_of_selected_row
from ..viewer.pixel_server import PixelServer
from ..visits import Visits
from ..wiring import OpensExam, connect
from .exam_events import ExamEvents
from .form_display import question_keys
from .form_events import FormEvents
from .layout import ReadPage, lay_out_page
from .map_events import MapEvents
from .model_events import ModelEvents

if TYPE_CHECKING:
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor

OPACITY_JS = "(v) => { document.documentElement.style.setProperty('--map-opacity', v) }"

#: JavaScript: a name of the browser's window that outlives a reload; without storage there is none
WINDOW_JS = """() => {
  try {
    let name = sessionStorage.getItem('mvmlm-window');
    if (!name) {
      name = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16)).join('-');
      sessionStorage.setItem('mvmlm-window', name);
    }
    return [name, null];
  } catch (error) {
    return ['', null];
  }
}"""

_connect = partial(connect, lane="visit", progress="minimal")
_connect_quietly = partial(connect, lane="visit", progress="hidden")


def read_page(
    get_predictor: Callable[[], MVMLMPredictor],
    decoder: Decoder,
    pixels: PixelServer,
    store: Store,
    visits: Visits,
    load: Callable[..., Dependency],
) -> OpensExam:
    """Lay out the page and connect its events; return a function that lets an event elsewhere open an exam here.

    load: the event of a page that was loaded.
    """
    model = ModelEvents(get_predictor, store)
    page = lay_out_page(store, list(model.ready_prompts))
    exam, form = ExamEvents(decoder, pixels, store, visits.reserve), FormEvents(pixels, store)
    loaded = _connect_quietly(load, exam.show_again, [page.window, page.state], page.exam_outputs, js=WINDOW_JS)
    _answer_after(loaded, page, model)

    def opens_exam(event: Callable[..., Dependency], number: Component) -> Dependency:
        opened = _connect(event, exam.open_stored, [number, page.state], page.exam_outputs)
        _answer_after(opened, page, model)
        return opened

    for opened in [*_connect_uploads(page, exam), *_connect_reads(page, form)]:
        _answer_after(opened, page, model)
    _connect(page.files.score_for_processing.input, model.answers, page.answer_inputs, page.answer_outputs)
    _answer_after(_connect_form(page, store, form), page, model)
    _connect_similar(page, model)
    opens_exam(page.similar.open.click, page.similar.number)
    _connect_model(page, model)
    _connect_maps(page, MapEvents(get_predictor))
    _connect_quietly(
        page.controls.viewer.marked,
        form.save_marks,
        [page.token, page.state],
        [page.controls.mark_note, *page.form_outputs],
    )
    _connect_prompts(page, model)
    return opens_exam


def _answer_after(event: Dependency, page: ReadPage, model: ModelEvents) -> None:
    """Run the model after an event that opens another exam or another state of the read."""
    _connect(event.success, model.answers, page.answer_inputs, page.answer_outputs)


def _connect_uploads(page: ReadPage, exam: ExamEvents) -> list[Dependency]:
    """The events that open an exam."""
    box, files, token, state, outputs = page.upload, page.files, page.token, page.state, page.exam_outputs
    return [
        _connect(box.uploads.upload, exam.upload, [box.uploads, state], [box.uploads, *outputs]),
        _connect(box.folder.upload, exam.open_folder, [box.folder, state], outputs),
        _connect(box.choose.click, exam.choose, [token, box.choice, state], outputs),
        _connect(box.question.input, exam.answer, [token, box.question, state], outputs),
        _connect(files.view.input, exam.set_view, [token, files.file, files.view, state], outputs),
        *(
            _connect(button.click, exam.open_demo, [gr.State(demo), state], outputs)
            for demo, button in box.demos.items()
        ),
    ]


def _connect_reads(page: ReadPage, events: FormEvents) -> list[Dependency]:
    """The events that start a read."""
    form, token, state, outputs = page.form, page.token, page.state, page.exam_outputs
    return [
        _connect(form.start.click, events.start, [token, form.reader, form.named, state], outputs),
        _connect(form.reader.submit, events.start, [token, form.reader, form.named, state], outputs),
        _connect(form.buttons.second.click, events.start_second, [token, state], outputs),
        _connect(form.buttons.consensus.click, events.start_consensus, [token, state], outputs),
    ]


def _edited(component: Component) -> Callable[..., Dependency]:
    """The event by which an answer is given: typed text when its field loses the focus, a choice at once."""
    if isinstance(component, gr.Textbox):
        return component.blur
    assert isinstance(component, gr.Radio | gr.Dropdown | gr.CheckboxGroup), "the form has no other components"
    return component.input


def _connect_form(page: ReadPage, store: Store, events: FormEvents) -> Dependency:
    """The events that change the open read; return the one that signs it."""
    form, token, state, editor, outputs = page.form, page.token, page.state, page.form.editor, page.form_outputs
    for question, component in zip(question_keys(form_questions(store.tasks)), form.questions, strict=True):
        _connect_quietly(_edited(component), events.saves_answer(question), [token, component, state], outputs)
    _connect_quietly(form.link.click, events.link_findings, [token, form.linked, state], outputs)
    _connect_quietly(editor.finding.input, events.select_finding, [token, editor.finding, state], outputs)
    for field, component in zip(FINDING_FIELDS, editor.fields, strict=True):
        inputs = [token, editor.finding, editor.shown, component, state]
        _connect_quietly(_edited(component), events.describes(field.name), inputs, outputs)
    _connect_quietly(editor.use_location.click, events.use_location, [token, editor.finding, state], outputs)
    _connect_quietly(form.buttons.undo.click, events.undo, [token, state], outputs)
    report = form.report
    typed, preview = [token, report.side, report.typed], report.preview_outputs
    _connect_quietly(report.read.click, events.preview_report, [*typed, state], [state, *preview])
    _connect_quietly(report.take.click, events.take_report, [*typed, report.overwrite, state], [*preview, *outputs])
    return _connect_quietly(form.buttons.sign.click, events.sign, [token, state], outputs)


def _connect_similar(page: ReadPage, events: ModelEvents) -> None:
    box = page.similar
    for event in (box.find.click, box.words.submit):
        _connect(event, events.find_similar, [page.token, box.words, page.state], [box.table, box.note])
    _connect(box.table.select, number_of_selected_row, box.table, box.number)


def _connect_model(page: ReadPage, events: ModelEvents) -> None:
    panel, state = page.model, page.state
    for number in panel.prevalences:
        inputs = [page.token, state, panel.at_once, *panel.prevalences]
        _connect(number.change, events.change_prevalence, inputs, panel.answers)
    _connect(panel.show.click, events.show_answers, page.answer_inputs, page.answer_outputs)
    _connect(panel.at_once.input, events.answers, page.answer_inputs, page.answer_outputs)


def _connect_maps(page: ReadPage, events: MapEvents) -> None:
    """The events that draw a map. One that takes a while is computed in its own lane, and is drawn when it is done."""
    controls = page.controls
    inputs = [
        page.token, controls.map_on, controls.map_target, controls.threshold, controls.colours, controls.method,
        page.state,
    ]  # fmt: skip
    outputs = [controls.viewer, controls.map_note, controls.slow_asked]
    for event in (
        controls.map_on.change,
        controls.map_target.change,
        controls.threshold.change,
        controls.colours.input,
        controls.method.input,
        controls.slow_done.change,
    ):
        _connect_quietly(event, events.draw_maps, inputs, outputs, trigger="always_last")
    connect(
        controls.slow_asked.change,
        events.compute_slow_map,
        [controls.slow_asked],
        [controls.map_note, controls.slow_done],
        progress="full",
        lane=SLOW_MAPS,
        trigger="multiple",
    )
    connect(controls.opacity.input, None, [controls.opacity], js=OPACITY_JS)


def _connect_prompts(page: ReadPage, events: ModelEvents) -> None:
    box, state, controls, report = page.prompts, page.state, page.controls, page.form.report
    _connect(box.prompt_set.input, events.fill_prompts, box.prompt_set, box.typed)
    _connect(box.prompt_set.focus, events.prompt_set_choices, None, box.prompt_set)
    _connect(box.save.click, events.save_prompts, [box.name, box.typed, page.form.reader], [box.prompt_set, box.note])
    _connect(report.draft_model.click, events.model_draft, [page.token, state, page.model.at_once], report.model_draft)
    inputs = [page.token, box.typed, state, controls.map_target]
    _connect(box.ask.click, events.score_prompts, inputs, [state, box.chart, box.note, controls.map_target])
