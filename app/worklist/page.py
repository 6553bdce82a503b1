"""The Worklist page: stored exams, found by words and filters and opened in the reading room; imports and exports.

Above the list is one row of tools. What is needed now and then lies in boxes that a button of the row opens
(`popovers.js`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import gradio as gr
from gradio.events import Dependency

from mvmlm.pacs.access import PacsAccess
from mvmlm.store.store import Store
from mvmlm.store.worklist import ORDERS
from mvmlm.tasks import TASK

from ..exam_filter import ANY
from ..jobs import JobBar, lay_out_job_bar
from ..popovers import opener, popover
from ..tables import framed_number_js
from ..wiring import OpensExam, StartsSession, connect
from .chips import lay_out_chips, removed
from .events import BY_FILTER, BY_HAND, WorklistEvents
from .exports import FHIR, writers
from .label_next import add_agreement, add_label_next
from .pacs import OPENER, PacsEvents, connect_pacs, lay_out_pacs
from .rows import FIXED, HIDDEN_AT_FIRST, WORKLIST_HEADERS
from .session_start import add_session_start

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

TICKED_JS = "(ticked, ...others) => [window.tickedExams(), ...others]"
_COLUMNS = "".join(
    f'<label><input type="checkbox" value="{index}" {"" if name in HIDDEN_AT_FIRST else "checked"}> {name}</label>'
    for index, name in enumerate(WORKLIST_HEADERS)
    if name not in FIXED
)
_EXPORTS = {
    "readings.csv": "All readings (CSV)",
    "marks.json": "Marks (COCO)",
    "exams.csv": "Table for pretraining (CSV)",
    FHIR: "Signed readings (FHIR R4B)",
}


class _Controls(NamedTuple):
    """The filters in the order of `filter_from_controls`. reading_as: hidden, who reads in this window."""

    words: gr.Textbox
    state: gr.Dropdown
    density: gr.Dropdown
    reader: gr.Textbox
    disagreement: gr.Checkbox
    order: gr.Dropdown
    since: gr.Textbox
    until: gr.Textbox
    score: gr.Textbox
    in_list: gr.Dropdown
    show_answers: gr.Checkbox
    reading_as: gr.Textbox


class _Lists(NamedTuple):
    """The box of lists: what a new one is made of, and the message."""

    name: gr.Textbox
    of: gr.Radio
    who: gr.Textbox
    make: gr.Button
    delete: gr.Button
    message: gr.HTML


class _Transfer(NamedTuple):
    """The buttons for exams and labels to import."""

    exams: gr.UploadButton
    named: gr.Checkbox
    labels: gr.UploadButton
    reader: gr.Textbox


class _Pages(NamedTuple):
    """Which page of the list is shown, and the buttons that turn it."""

    number: gr.State
    line: gr.HTML
    previous: gr.Button
    following: gr.Button


def worklist_page(
    store: Store,
    weights: str,
    get_predictor: Callable[[], ModelPredictor],
    open_exam: OpensExam,
    starts_session: StartsSession,
    tabs: gr.Tabs,
    tab: gr.Tab,
    pacs: PacsAccess | None = None,
) -> None:
    """Lay out and wire the page.

    open_exam, starts_session: of `read_page`. tabs, tab: the app's tabs, and the one of this page. pacs: the one that
    exams are fetched from.
    """
    events = WorklistEvents(store, weights, get_predictor)
    words, order, read = _lay_out_tools([OPENER] if pacs else [])
    controls = _lay_out_filters(words, order)
    lists = _lay_out_lists()
    with popover("columns"):
        gr.HTML(f'<div id="choose-columns">{_COLUMNS}</div>')
    transfer = _lay_out_transfer()
    message = gr.HTML(elem_id="import-said", min_height=0)
    bar = lay_out_job_bar("worklist", "Stop it")
    box = lay_out_pacs() if pacs else None
    with gr.Row(elem_id="worklist-line"):
        chips = lay_out_chips()
        pages = _Pages(
            gr.State(1),
            gr.HTML(elem_id="count"),
            gr.Button("‹ Previous", size="sm", elem_id="previous-page", scale=0, min_width=90),
            gr.Button("Next ›", size="sm", elem_id="next-page", scale=0, min_width=90),
        )
    table = gr.HTML(elem_id="worklist")
    number, ticked = gr.Number(None, visible="hidden"), gr.Textbox(visible="hidden")
    read_next = add_label_next(events, bar)
    add_agreement(events)
    add_session_start(store, starts_session, tabs)

    outputs = [table, pages.line, pages.number, chips]
    _connect_list(events, controls, pages, chips, outputs)
    _connect_lists(events, controls, lists, ticked, tab)
    imported = _connect_transfer(events, transfer, message, bar)
    inputs = [pages.number, *controls]
    looked = events.jobs.connect(bar)
    connect(looked.then, events.list_after_job, inputs, outputs)
    known = connect(tab.select, None, None, controls.reading_as, js="() => window.readerHere.get()")
    for changed in (imported.then, known.then):
        connect(changed, events.list_page, inputs, outputs)
    connect(tab.select, events.jobs.show, None, list(bar))
    for button, listed in ((read, "worklist"), (read_next, "next-table")):
        # the tab changes before the exam opens, because a later change would interrupt the reader
        turned = connect(button.click, _turn_to_reading, number, [tabs, number], js=framed_number_js(listed))
        open_exam(turned.success, number, filters=controls if listed == "worklist" else ())
    if pacs and box:
        turned, fetched = connect_pacs(PacsEvents(store, weights, pacs, events.jobs), box, bar, looked, tabs, tab)
        open_exam(turned.success, fetched)


def _lay_out_tools(more: list[tuple[str, str]]) -> tuple[gr.Textbox, gr.Dropdown, gr.Button]:
    """The row above the list: search, order, the buttons that open boxes, and the one that opens the exam.

    more: name and title of further boxes.
    """
    with gr.Row(elem_id="worklist-tools", elem_classes="tools-row"):
        words = gr.Textbox(
            show_label=False, placeholder="Search: exam, patient, reader, note, vendor", max_lines=1, elem_id="search",
            scale=3, min_width=220, container=False,
        )  # fmt: skip
        order = gr.Dropdown(
            [(f"Order: {name}", name) for name in ORDERS], value="newest", show_label=False, elem_id="order", scale=1,
            min_width=170, container=False, filterable=False,
        )  # fmt: skip
        for name, title in (
            ("filters", "Filters"), ("lists", "Lists"), ("session", "Session"), ("columns", "Columns"),
            ("next", "Label next"), ("agreement", "Agreement"), ("import", "Import"), *more, ("export", "Export"),
        ):  # fmt: skip
            opener(name, title)
        read = gr.Button("Open exam", variant="primary", size="sm", elem_id="read-exam", scale=0)
    return words, order, read


def _connect_list(
    events: WorklistEvents, controls: _Controls, pages: _Pages, chips: gr.HTML, outputs: list[gr.components.Component]
) -> None:
    inputs = [pages.number, *controls]
    for changed in (
        *(control.change for control in controls[:6]), controls.since.blur, controls.until.blur, controls.score.blur,
        controls.in_list.change, controls.show_answers.change,
    ):  # fmt: skip
        connect(changed, events.first_page, list(controls), outputs, trigger="always_last")
    connect(pages.previous.click, events.previous_page, inputs, outputs)
    connect(pages.following.click, events.next_page, inputs, outputs)
    taken_off = connect(chips.remove, removed, None, list(controls))
    connect(taken_off.then, events.first_page, list(controls), outputs)


def _connect_lists(events: WorklistEvents, controls: _Controls, lists: _Lists, ticked: gr.Textbox, tab: gr.Tab) -> None:
    connect(tab.select, events.list_lists, controls.in_list, controls.in_list)
    inputs = [ticked, lists.name, lists.of, lists.who, *controls]
    connect(lists.make.click, events.make_list, inputs, [lists.message, controls.in_list], js=TICKED_JS)
    connect(lists.delete.click, events.delete_list, [controls.in_list, lists.who], [lists.message, controls.in_list])


def _connect_transfer(events: WorklistEvents, transfer: _Transfer, message: gr.HTML, bar: JobBar) -> Dependency:
    """The events of the buttons; return the one that imports labels."""
    exam_inputs = [transfer.exams, transfer.named, transfer.reader]
    connect(transfer.exams.upload, events.import_exams, exam_inputs, [transfer.exams, message, *bar])
    label_inputs = [transfer.labels, transfer.reader]
    return connect(transfer.labels.upload, events.import_labels, label_inputs, [transfer.labels, message])


def _turn_to_reading(number: float | None) -> tuple[gr.Tabs, float]:
    if not number:
        raise gr.Error("Choose a line of the list first.", print_exception=False)
    return gr.Tabs(selected="read"), number


def _lay_out_filters(words: gr.Textbox, order: gr.Dropdown) -> _Controls:
    with popover("filters"):
        with gr.Row():
            state = gr.Dropdown([ANY, "new", "draft", "signed"], value=ANY, label="State", elem_id="by-state")
            density = gr.Dropdown([ANY, *TASK["density"].classes], value=ANY, label="Density", elem_id="by-density")
        with gr.Row():
            since = gr.Textbox(label="Exam date from", placeholder="2024-01-31", max_lines=1, elem_id="since")
            until = gr.Textbox(label="Exam date to", placeholder="2024-12-31", max_lines=1, elem_id="until")
        with gr.Row():
            reader = gr.Textbox(label="Reader", max_lines=1, elem_id="by-reader")
            score = gr.Textbox(label="Score at least", placeholder="0.5", max_lines=1, elem_id="by-score")
        in_list = gr.Dropdown([], value=None, label="List", elem_id="by-list", interactive=True)
        disagreement = gr.Checkbox(False, label="Readers differ", elem_id="by-disagreement")
        show_answers = gr.Checkbox(
            False,
            label="Show score, density and notes of exams that I have no final read of",
            elem_id="show-scores",
        )
        me = gr.Textbox(visible="hidden", elem_id="reading-as")
    return _Controls(words, state, density, reader, disagreement, order, since, until, score, in_list, show_answers, me)


def _lay_out_lists() -> _Lists:
    with popover("lists"):
        name = gr.Textbox(label="Name of a new list", max_lines=1, elem_id="list-name")
        of = gr.Radio(
            [("the ticked exams", BY_HAND), ("every exam that the filters find", BY_FILTER)],
            value=BY_HAND, label="It holds", elem_id="list-of",
        )  # fmt: skip
        who = gr.Textbox(label="Your name", max_lines=1, elem_id="list-who")
        with gr.Row():
            make = gr.Button("Make the list", size="sm", variant="primary", elem_id="make-list")
            delete = gr.Button("Delete the list that is shown", size="sm", elem_id="delete-list")
        message = gr.HTML(elem_id="list-said", min_height=0)
    return _Lists(name, of, who, make, delete, message)


def export_links() -> str:
    """Return the links to the downloads that there are."""
    return "".join(f'<p><a href="export/{name}" download>{_EXPORTS[name]}</a></p>' for name in writers())


def _lay_out_transfer() -> _Transfer:
    with popover("import"):
        exams = gr.UploadButton("Exams: DICOM files or zips", file_count="multiple", size="sm", elem_id="many")
        named = gr.Checkbox(
            False, label="IDs in these files are pseudonyms: show them as the exams' names", elem_id="many-named"
        )
        gr.HTML("<p>They are copied without names into the data folder.</p>")
        labels = gr.UploadButton("Labels: CSV or COCO JSON", size="sm", elem_id="labels")
        reader = gr.Textbox(label="Labels are by (reader)", max_lines=1, elem_id="labels-reader")
        gr.HTML("<p>A table (exam, laterality, mass, density, …), readings.csv of this page, or COCO JSON.</p>")
    with popover("export"):
        gr.HTML(export_links(), elem_id="exports")
    return _Transfer(exams, named, labels, reader)
