"""The reading page: open an exam, read it, see the model's answers and maps, ask in words, find similar exams.

The components come from `layout`, the handlers of their events from `exam_events`, `form_events` and `model_events`.
A visitor's events run one after the other (lane "visit"): a slow answer for an earlier exam must never bring that exam
back over a newer one. Each event sends the token of what was on screen when it was raised, so that none changes another
exam.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from mvmlm.imaging.decoder import Decoder
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.reading.form import FINDING_FIELDS
from mvmlm.reading.opinion import Opinion
from mvmlm.store.store import Store

from ..event_queue import AHEAD, OTHER_MODELS, SLOW_MAPS
from ..tables import framed_number_js
from ..viewer.pixel_server import PixelServer
from ..visits import Visits
from ..wiring import OpensExam, StartsSession, connect
from .ahead import AheadEvents
from .clinical_events import ClinicalEvents
from .exam_events import ExamEvents
from .findings_editor import KIND
from .form_display import asked, question_keys
from .form_events import FormEvents
from .layout import ReadPage, lay_out_page
from .list_events import ListEvents
from .map_events import MapEvents
from .model_events import ModelEvents
from .other_models import OtherModelEvents
from .other_predictors import OtherPredictors
from .others_marks import OthersMarksEvents
from .own_questions import ALL_PLACES
from .reading_form import ReportBox

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

OPACITY_JS = "(v) => { document.documentElement.style.setProperty('--map-opacity', v) }"

#: JavaScript: the number of the exam whose button in the strip was pressed
STRIP_NUMBER_JS = "(number, ...others) => [window.stripNumber, ...others]"

#: JavaScript: a name of the browser's window that outlives a reload (without storage there is none), what the address
#: names, and the read that this window remembers with it
WINDOW_JS = """() => {
  const address = new URLSearchParams(location.search).get('exam') || '', read = history.state?.read ?? null;
  const reader = window.readerHere.get();
  try {
    let name = sessionStorage.getItem('mvmlm-window');
    if (!name) {
      name = Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(16)).join('-');
      sessionStorage.setItem('mvmlm-window', name);
    }
    return [name, address, read, reader, null];
  } catch (error) {
    return ['', address, read, reader, null];
  }
}"""

_connect = partial(connect, lane="visit")
# "multiple": the client would drop an event that is raised while the answer to the one before is on its way
_connect_all = partial(_connect, trigger="multiple")


def read_page(
    get_predictor: Callable[[], ModelPredictor],
    others: OtherPredictors,
    decoder: Decoder,
    pixels: PixelServer,
    store: Store,
    visits: Visits,
    load: Callable[..., Dependency],
) -> tuple[OpensExam, StartsSession]:
    """Lay out the page and connect its events; return functions that let events elsewhere open exams here.

    others: the predictors of other models. load: the event of a page that was loaded.
    """
    reads = SharedReads()
    model = ModelEvents(get_predictor, store, reads)
    page = lay_out_page(store, list(model.ready_prompts))
    exam, form = ExamEvents(decoder, pixels, store, visits), FormEvents(pixels, store)
    going = ListEvents(exam, form, pixels, store)
    opens = partial(connect, lane="visit", progress="full", progress_on=page.start.progress)

    def opens_exam(
        event: Callable[..., Dependency],
        number: Component,
        js: str | None = None,
        filters: Sequence[Component] = (),
    ) -> Dependency:
        inputs = [number, page.form.who.reader, page.state, *filters]
        return opens(event, exam.open_stored, inputs, page.exam_outputs, js=js)

    def starts_session(event: Callable[..., Dependency], number: Component) -> Dependency:
        return opens(event, going.start_session, [number, page.state], page.exam_outputs)

    _connect_start(page, exam, load, opens)
    _connect_uploads(page, exam, opens)
    _connect_reads(page, form)
    _connect_list(page, going)
    # the token changes with every exam and read that is opened
    answered = _answer_after(page.token.change, page, model)
    ahead = AheadEvents(decoder, pixels, store, visits, get_predictor, reads)
    connect(answered.then, ahead.open_next, [page.token], page.controls.viewer, lane=AHEAD, trigger="multiple")
    _answer_after(page.files.score_for_processing.input, page, model)
    signed = _connect_form(page, store, form)
    _answer_after(signed.success, page, model)
    _connect_similar(page, model)
    opens_exam(page.similar.open.click, page.similar.number, framed_number_js("alike-table"))
    _connect_model(page, model)
    _connect_clinical(page, ClinicalEvents())
    _connect_maps(page, MapEvents(get_predictor))
    _connect_other_models(page, OtherModelEvents(others))
    _connect_marks(page, form)
    outputs = [page.state, page.controls.viewer, page.form.status, page.form.others]
    _connect_all(page.controls.viewer.others, OthersMarksEvents(store).show, [page.token, page.state], outputs)
    _connect_prompts(page, model)
    return opens_exam, starts_session


def _connect_marks(page: ReadPage, form: FormEvents) -> None:
    """Keep what the reader draws, places and chooses in the viewer."""
    viewer = page.controls.viewer
    written = [page.controls.mark_note, *page.form_outputs]
    _connect_all(viewer.marked, form.save_marks, [page.token, page.state], written)
    for event, handler in (
        (viewer.placed, form.place_nipple),
        (viewer.edited, form.edit_at_mark),
        (viewer.chosen, form.choose_finding),
    ):
        _connect_all(event, handler, [page.token, page.state], page.form_outputs)


def _answer_after(event: Callable[..., Dependency], page: ReadPage, model: ModelEvents) -> Dependency:
    """Run the model after an event, and say in place of the answers where it failed; return the run."""
    answered = _connect(event, model.answers, page.answer_inputs, page.answer_outputs, progress_on=page.model.answers)
    failed = [page.model.answers, page.clinical.images]
    _connect_all(answered.failure, model.not_answered, [page.token, page.state], failed)
    return answered


def _connect_start(
    page: ReadPage, exam: ExamEvents, load: Callable[..., Dependency], opens: Callable[..., Dependency]
) -> None:
    """The events of the start page and of the page's address."""
    start, token, state, outputs = page.start, page.token, page.state, page.exam_outputs
    for listed in (load, start.address.listed):
        connect(listed, exam.list_left_open, start.reader, start.left_open, js="() => [window.readerHere.get()]")
    connect(start.stop.click, exam.stop, lane=None)
    given = [page.window, start.named, start.named_read, start.reader, state]
    opens(load, exam.show_again, given, outputs, js=WINDOW_JS)
    opens(start.address.visited, exam.go, [token, state], outputs)


def _connect_uploads(page: ReadPage, exam: ExamEvents, opens: Callable[..., Dependency]) -> None:
    """The events that open an exam, or answer a question about its files."""
    box, files, token, state, outputs = page.upload, page.files, page.token, page.state, page.exam_outputs
    opens(box.uploads.upload, exam.upload, [box.uploads, state], [box.uploads, *outputs])
    opens(box.folder.upload, exam.open_folder, [box.folder, state], outputs)
    opens(box.choose.click, exam.choose, [token, box.choice, state], outputs)
    opens(box.question.input, exam.answer, [token, box.question, state], outputs)
    _connect(files.view.input, exam.set_view, [token, files.file, files.view, state], outputs)
    for demo, button in box.demos.items():
        opens(button.click, exam.open_demo, [gr.State(demo), state], outputs)


def _connect_reads(page: ReadPage, events: FormEvents) -> None:
    """The events that start a read, or open it for a change."""
    form, token, state, outputs = page.form, page.token, page.state, page.exam_outputs
    who = form.who
    for start in (who.start.click, who.reader.submit):
        _connect(start, events.start, [token, who.reader, who.named, who.authors, state], outputs)
    _connect(who.arbitrate.click, events.arbitrate, [token, who.reader, who.authors, state], outputs)
    _connect(form.buttons.change.click, events.change, [token, state], outputs)
    for opinion, button in zip(Opinion, form.opinion.buttons, strict=True):
        inputs = [token, who.reader, who.named, who.authors, who.scale, state]
        _connect_all(button.click, _padded(page, events.gives_opinion(opinion)), inputs, outputs)


def _padded(page: ReadPage, handler: Callable[..., tuple[Any, ...]]) -> Callable[..., tuple[Any, ...]]:
    """Return a handler for `exam_outputs`, of one that may change the form alone."""

    @wraps(handler)
    def padded(*inputs: Any) -> tuple[Any, ...]:
        return page.for_exam_outputs(handler(*inputs))

    return padded


def _connect_list(page: ReadPage, events: ListEvents) -> None:
    """The events that go through a list of exams."""
    box, reader, token, state = page.exams, page.form.who.reader, page.token, page.state
    outputs = page.exam_outputs
    for button, handler in (
        (page.form.buttons.sign_next, _padded(page, events.sign_and_next)),
        (box.next, events.next_exam),
        (box.previous, events.previous_exam),
        (box.skip, events.skip),
        (box.priors, events.want_priors),
    ):
        _connect_all(button.click, handler, [token, reader, state], outputs)
    _connect_all(box.set_aside.click, events.set_aside, [token, box.reason, reader, state], outputs)
    _connect_all(box.finish.click, events.show_end, [token, state], outputs)
    _connect_all(box.end_session.click, events.end_session, [token, state], outputs)
    for button, open_number in ((box.open, events.open_item), (box.change, events.change_recorded)):
        _connect_all(button.click, open_number, [box.number, reader, state], outputs, js=STRIP_NUMBER_JS)


def _edited(component: Component) -> Callable[..., Dependency]:
    """The event by which an answer is given: typed text when its field loses the focus, a choice at once."""
    if isinstance(component, gr.Textbox):
        return component.blur
    assert isinstance(component, gr.Radio | gr.Dropdown | gr.CheckboxGroup), "the form has no other components"
    return component.input


def _connect_form(page: ReadPage, store: Store, events: FormEvents) -> Dependency:
    """The events that change the open read; return the one that signs it."""
    form, token, state, editor, outputs = page.form, page.token, page.state, page.form.editor, page.form_outputs
    for question, component in zip(question_keys(asked(store)), form.questions, strict=True):
        _connect_all(_edited(component), events.saves_answer(question), [token, component, state], outputs)
    for place, component in zip(ALL_PLACES, form.own, strict=True):
        _connect_all(component.input, events.saves_own_answer(place), [token, component, state], outputs)
    _connect_all(editor.finding.input, events.select_finding, [token, editor.finding, editor.shown, state], outputs)
    for field, component in zip((KIND, *(field.name for field in FINDING_FIELDS)), editor.answers, strict=True):
        inputs = [token, editor.finding, editor.shown, component, state]
        _connect_all(_edited(component), events.describes(field), inputs, outputs)
    _connect_all(editor.use_location.click, events.use_location, [token, editor.finding, state], outputs)
    _connect_all(form.arbitration.show.click, events.show_both, [token, state], outputs)
    for number, take in enumerate((form.arbitration.take_first, form.arbitration.take_second)):
        _connect_all(take.click, events.takes_read(number), [token, state], outputs)
    _connect_all(form.buttons.undo.click, events.undo, [token, state], outputs)
    _connect_all(form.buttons.redo.click, events.redo, [token, state], outputs)
    report = form.report
    typed, preview = [token, report.side, report.typed], report.preview_outputs
    _connect_all(report.read.click, events.preview_report, [*typed, state], [state, *preview])
    _connect_all(report.take.click, events.take_report, [*typed, report.overwrite, state], [*preview, *outputs])
    return _connect_all(form.buttons.sign.click, events.sign, [token, form.who.reader, state], outputs, trigger="once")


def _connect_similar(page: ReadPage, events: ModelEvents) -> None:
    box = page.similar
    for event in (box.find.click, box.words.submit):
        _connect(
            event,
            events.find_similar,
            [page.token, box.words, page.state],
            [box.table, box.note],
            progress_on=box.table,
        )


def _connect_model(page: ReadPage, events: ModelEvents) -> None:
    panel, state = page.model, page.state
    for number in panel.prevalences:
        inputs = [page.token, state, panel.at_once, *panel.prevalences]
        _connect(number.change, events.change_prevalence, inputs, [panel.answers, page.controls.viewer])
    shown = _connect(
        panel.show.click, events.show_answers, page.answer_inputs, page.answer_outputs, progress_on=panel.answers
    )
    _connect_all(shown.failure, events.not_answered, [page.token, state], [panel.answers, page.clinical.images])
    _answer_after(panel.at_once.input, page, events)


def _connect_clinical(page: ReadPage, events: ClinicalEvents) -> None:
    """Each answer gives the risk of all of them anew: no number stands beside answers that it is not for."""
    box = page.clinical
    for answer in box.answers:
        inputs = [page.token, page.state, *box.answers]
        _connect(answer.input, events.gail, inputs, box.result, trigger="always_last")


def _connect_maps(page: ReadPage, events: MapEvents) -> None:
    """The events that draw a map. One that takes a while is computed in its own lane, and is drawn when it is done."""
    controls = page.controls
    inputs = [
        page.token, controls.map_on, controls.map_target, controls.threshold, controls.colours, controls.method,
        page.model.at_once, page.state,
    ]  # fmt: skip
    of_sheet = [page.token, controls.threshold, controls.colours, controls.method, page.model.at_once, page.state]
    asked = _connect(controls.all_maps.click, events.all_maps, of_sheet, controls.sheet, progress_on=controls.sheet)
    connect(asked.failure, None, js="() => closeMapsSheet()")
    outputs = [controls.viewer, controls.map_note, controls.slow_asked]
    for event in (
        controls.map_on.change,
        controls.map_target.change,
        controls.threshold.change,
        controls.colours.input,
        controls.method.input,
        controls.slow_done.change,
    ):
        _connect_all(event, events.draw_maps, inputs, outputs, trigger="always_last")
    connect(
        controls.slow_asked.change,
        events.compute_slow_map,
        [controls.slow_asked],
        [controls.map_note, controls.slow_done],
        progress_on=controls.map_note,
        progress="full",
        lane=SLOW_MAPS,
        trigger="multiple",
    )
    connect(controls.opacity.input, None, [controls.opacity], js=OPACITY_JS)


def _connect_other_models(page: ReadPage, events: OtherModelEvents) -> None:
    """The events of the menu of other models, which are listed anew when an exam is opened."""
    box, at_once = page.others, page.model.at_once
    connect(page.token.change, events.choices, None, box.chosen)
    _connect(box.ask.click, events.ask, [page.token, box.chosen, page.state, at_once], [box.asked, box.answers])
    connect(
        box.asked.change,
        events.compute,
        box.asked,
        box.done,
        progress_on=box.answers,
        progress="full",
        lane=OTHER_MODELS,
        trigger="multiple",
    )
    inputs = [page.token, box.done, page.state, at_once, *page.model.prevalences]
    _connect_all(box.done.change, events.show, inputs, box.answers)


def _connect_prompts(page: ReadPage, events: ModelEvents) -> None:
    box, state, controls, report = page.prompts, page.state, page.controls, page.form.report
    _connect(box.prompt_set.input, events.fill_prompts, box.prompt_set, box.typed)
    _connect(box.prompt_set.focus, events.prompt_set_choices, None, box.prompt_set)
    saved = [box.name, box.typed, page.form.who.reader]
    _connect(box.save.click, events.save_prompts, saved, [box.prompt_set, box.note])
    _connect_report_text(report)
    asked = [page.token, state, page.model.at_once]
    _connect(report.draft_model.click, events.model_draft, asked, report.model_draft, progress_on=report.model_draft)
    inputs = [page.token, box.typed, state, controls.map_target, page.model.at_once]
    outputs = [state, box.scores, box.note, controls.map_target]
    _connect(box.ask.click, events.score_prompts, inputs, outputs, progress_on=box.scores)


def _connect_report_text(report: ReportBox) -> None:
    """The events of the editable report, all in the browser: what a reader typed never waits for the server."""
    edited = list(report.edited)
    connect(report.made.change, None, [report.made, report.text, report.shown], edited, js="reportText.follow")
    connect(report.anew.click, None, [report.made], edited, js="reportText.anew")
    connect(report.copy.click, None, [report.text], report.copied, js="reportText.copy")
