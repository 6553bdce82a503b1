"""The Worklist page: stored exams, found by words and filters and opened in the reading room; imports and exports."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import gradio as gr

from mvmlm.store.store import Store
from mvmlm.store.worklist import ORDERS
from mvmlm.tasks import TASK

from ..exam_filter import ANY
from ..tables import number_of_selected_row
from ..wiring import OpensExam, connect
from .events import WorklistEvents
from .label_next import add_agreement, add_label_next
from .rows import WORKLIST_HEADERS

if TYPE_CHECKING:
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor

#: JavaScript: Enter on a line of a list opens its exam; the number follows the chosen line
ENTER_OPENS = """() => document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !event.target.closest || !event.target.closest('#worklist, #next-table')) return;
  event.preventDefault();
  event.stopPropagation();
  document.querySelector('#read-exam').click();
}, true)"""


class _Controls(NamedTuple):
    """The filters in the order of `filter_from_controls`, then whether to show all scores."""

    words: gr.Textbox
    state: gr.Dropdown
    density: gr.Dropdown
    reader: gr.Textbox
    disagreement: gr.Checkbox
    order: gr.Dropdown
    since: gr.Textbox
    until: gr.Textbox
    score: gr.Number
    show_scores: gr.Checkbox


class _Transfer(NamedTuple):
    """The fields for exams and labels to import."""

    exams: gr.File
    named: gr.Checkbox
    labels: gr.File
    reader: gr.Textbox


def worklist_page(
    store: Store,
    weights: str,
    get_predictor: Callable[[], MVMLMPredictor],
    open_exam: OpensExam,
    tabs: gr.Tabs,
    tab: gr.Tab,
) -> None:
    """Lay out and wire the page. open_exam: of `read_page`. tabs, tab: the app's tabs, and the one of this page."""
    events = WorklistEvents(store, weights, get_predictor)
    page = gr.State(1)
    controls = _lay_out_controls()
    count = gr.HTML(elem_id="count")
    table = gr.Dataframe(
        headers=WORKLIST_HEADERS, datatype="str", interactive=False, elem_id="worklist", wrap=True, max_height=520
    )
    with gr.Row():
        previous = gr.Button("Previous page", size="sm", elem_id="previous-page")
        following = gr.Button("Next page", size="sm", elem_id="next-page")
        number = gr.Number(None, label="Exam number (click a line)", precision=0, elem_id="exam-number")
        read = gr.Button("Read this exam", variant="primary", elem_id="read-exam")
    message = gr.HTML(elem_id="import-said")  # outside the accordions, so that progress is seen whichever is open
    transfer = _lay_out_transfer()
    timer = gr.Timer(1.5, active=False)
    add_label_next(events, number, timer)
    add_agreement(events)

    inputs, outputs = [page, *controls], [table, count, page]
    for changed in (
        *(control.change for control in controls[:6]), controls.since.blur, controls.until.blur, controls.score.change,
        controls.show_scores.change,
    ):  # fmt: skip
        connect(changed, events.first_page, list(controls), outputs, trigger="always_last")
    connect(previous.click, events.previous_page, inputs, outputs)
    connect(following.click, events.next_page, inputs, outputs)
    connect(table.select, number_of_selected_row, table, number)
    exam_inputs = [transfer.exams, transfer.named, transfer.reader]
    connect(transfer.exams.upload, events.import_exams, exam_inputs, [transfer.exams, message, timer])
    label_inputs = [transfer.labels, transfer.reader]
    imported = connect(transfer.labels.upload, events.import_labels, label_inputs, [transfer.labels, message])
    connect(imported.then, events.list_page, inputs, outputs)
    ticked = connect(timer.tick, events.show_newest_job, None, [message, timer])
    connect(ticked.then, events.list_page, inputs, outputs)
    connect(tab.select, events.list_page, inputs, outputs)
    connect(tab.select, events.show_newest_job, None, [message, timer])
    for opened in (read.click, number.submit):
        # the tab changes before the exam opens, because a later change would interrupt the reader
        turned = connect(opened, lambda: gr.Tabs(selected="read"), None, [tabs])
        open_exam(turned.then, number)


def _lay_out_controls() -> _Controls:
    with gr.Row():
        words = gr.Textbox(label="Search (exam, patient, reader, note, vendor)", elem_id="search", max_lines=1, scale=4)
        state = gr.Dropdown([ANY, "new", "draft", "signed"], value=ANY, label="State", elem_id="by-state")
        density = gr.Dropdown([ANY, *TASK["density"].classes], value=ANY, label="Density", elem_id="by-density")
        reader = gr.Textbox(label="Reader", max_lines=1, elem_id="by-reader")
        disagreement = gr.Checkbox(False, label="Readers differ", elem_id="by-disagreement")
        order = gr.Dropdown(list(ORDERS), value="newest", label="Order", elem_id="order")
    with gr.Row():
        since = gr.Textbox(label="Exam date from (2024-01-31)", max_lines=1, elem_id="since")
        until = gr.Textbox(label="to", max_lines=1, elem_id="until")
        score = gr.Number(None, minimum=0, maximum=1, step=0.05, label="Score at least", elem_id="by-score")
        show_scores = gr.Checkbox(
            False,
            label="Show the model’s scores of exams nobody has signed (else: read first, then ask)",
            elem_id="show-scores",
            scale=3,
        )
    return _Controls(words, state, density, reader, disagreement, order, since, until, score, show_scores)


def _lay_out_transfer() -> _Transfer:
    with gr.Accordion("Import exams and labels, export readings", open=False, elem_id="in-and-out"):
        with gr.Row():
            with gr.Column():
                exams = gr.File(
                    label="Exams: DICOM files or zips; copied without names into the data folder",
                    file_count="multiple",
                    height=120,
                    elem_id="many",
                )
                named = gr.Checkbox(
                    False,
                    label="IDs in these files are pseudonyms: show them as the exams' names",
                    elem_id="many-named",
                )
            with gr.Column():
                labels = gr.File(
                    label="Labels: a table (exam, laterality, mass, density, …), our readings.csv, or COCO JSON",
                    height=120,
                    elem_id="labels",
                )
                reader = gr.Textbox(label="Labels are by (reader)", max_lines=1, elem_id="labels-reader")
        gr.HTML(
            '<p>Export: <a href="export/readings.csv" download>all readings (CSV)</a> · '
            '<a href="export/marks.json" download>marks (COCO)</a> · '
            '<a href="export/exams.csv" download>table for pretraining (CSV)</a></p>',
            elem_id="exports",
        )
    return _Transfer(exams, named, labels, reader)
