"""The Fine-tune page, in three steps: the cases, the teaching, and the verdict on the head that was taught."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import gradio as gr

from mvmlm.finetuning.config import DEPTHS
from mvmlm.store.store import Store

from ..jobs import JobBar, lay_out_job_bar
from ..wiring import connect
from .calibration import CalibrationEvents, connect_calibration, lay_out_calibration
from .custom_task import CustomTask, lay_out_custom_task
from .events import NO_HEAD, FinetuneEvents
from .threshold import ThresholdEvents, connect_threshold, lay_out_threshold
from .watch import WatchEvents, connect_watch, lay_out_watch

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

REFERENCE = "An exam gives the labels of its arbitration, else of its newest final read."
NOT_BETTER = "It was not shown to be better. Let it answer all the same."


class _Controls(NamedTuple):
    """What to fine-tune, in the order of `events.finetune_config`."""

    task: gr.Dropdown
    reader: gr.Textbox
    words: gr.Textbox
    since: gr.Textbox
    until: gr.Textbox
    depth: gr.Radio
    specificity: gr.Slider
    name: gr.Textbox


class _Teaching(NamedTuple):
    """The second step."""

    who: gr.Textbox
    start: gr.Button
    message: gr.HTML
    bar: JobBar
    depth: gr.Radio
    specificity: gr.Slider
    name: gr.Textbox


class _Heads(NamedTuple):
    """The third step: the chosen head, and what can be done with it."""

    choice: gr.Dropdown
    verdict: gr.HTML
    confirm: gr.Checkbox
    activate: gr.Button
    roll_back: gr.Button
    message: gr.HTML
    details: gr.HTML
    roc: gr.Plot
    calibration: gr.Plot
    curve: gr.Plot
    jobs: gr.HTML
    sure: gr.Checkbox
    delete: gr.Button
    upload: gr.UploadButton


def finetune_page(store: Store, weights: str, get_predictor: Callable[[], ModelPredictor], tab: gr.Tab) -> None:
    """Lay out and wire the page. weights: what the worker loads. tab: of this page."""
    events = FinetuneEvents(store, weights, get_predictor)
    with gr.Row(elem_id="finetune-steps"):
        with gr.Column(scale=4, min_width=380):
            with gr.Column(elem_classes="step"):
                gr.HTML("<h3><b>1</b> Cases</h3>")
                task, reader, words, since, until, count, custom = _lay_out_cases(store)
            with gr.Column(elem_classes="step"):
                gr.HTML("<h3><b>2</b> Teaching</h3>")
                teaching = _lay_out_teaching()
        with gr.Column(scale=6, min_width=480, elem_classes="step"):
            gr.HTML("<h3><b>3</b> Verdict</h3>")
            heads = _lay_out_heads()
            calibration, threshold, watch = lay_out_calibration(store), lay_out_threshold(store), lay_out_watch(store)
    controls = _Controls(task, reader, words, since, until, teaching.depth, teaching.specificity, teaching.name)

    seen = gr.State(None)
    counted = [count, teaching.start]
    for changed in (task.change, reader.blur, words.blur, since.blur, until.blur):
        connect(changed, events.count_cases, list(controls), counted, trigger="always_last")
    connect(custom.declare.click, events.declare, [task, *custom.fields], [custom.message, task])
    bar = teaching.bar
    connect(teaching.start.click, events.start, [teaching.who, *controls], [teaching.message, *bar])
    refreshed = [seen, heads.jobs, heads.curve, heads.choice]
    looked = events.jobs.connect(bar)
    connect(looked.then, events.refresh, [seen, heads.choice], refreshed)
    connect(tab.select, events.list_tasks, task, task)
    connect(tab.select, events.count_cases, list(controls), counted)
    connect(tab.select, events.jobs.show, None, list(bar))
    connect(tab.select, events.refresh, [seen, heads.choice], refreshed)
    _connect_heads(events, heads, teaching.who, refreshed, seen)
    connect_calibration(calibration, CalibrationEvents(store, weights, get_predictor), teaching.who, tab)
    connect_threshold(threshold, ThresholdEvents(store, weights, get_predictor), teaching.who, tab)
    connect_watch(watch, WatchEvents(store, weights, get_predictor), teaching.who, tab)


def _connect_heads(
    events: FinetuneEvents, heads: _Heads, who: gr.Textbox, refreshed: list[gr.components.Component], seen: gr.State
) -> None:
    shown = [heads.verdict, heads.details, heads.roc, heads.calibration, heads.confirm]
    connect(heads.choice.change, events.show_head, heads.choice, shown)
    changed = [heads.message, *shown]
    activated = connect(heads.activate.click, events.activate, [who, heads.choice, heads.confirm], changed)
    rolled_back = connect(heads.roll_back.click, events.roll_back, [who, heads.choice], changed)
    deleted = connect(heads.delete.click, events.delete, [who, heads.choice, heads.sure], [heads.message, heads.sure])
    imported = connect(heads.upload.upload, events.import_head, [heads.upload, who], [heads.upload, heads.message])
    for done in (activated, rolled_back, deleted, imported):
        connect(done.then, events.refresh, [seen, heads.choice], refreshed)


def _lay_out_cases(
    store: Store,
) -> tuple[gr.Dropdown, gr.Textbox, gr.Textbox, gr.Textbox, gr.Textbox, gr.HTML, CustomTask]:
    tasks = [(task.title, task.name) for task in store.tasks]
    with gr.Row():
        task = gr.Dropdown(tasks, value="mass", label="Task", elem_id="teach-task")
        reader = gr.Textbox(label="Readings of", placeholder="everyone", max_lines=1, elem_id="teach-reader")
    count = gr.HTML(elem_id="cases")
    gr.HTML(f'<p class="source">{REFERENCE}</p>')
    with gr.Accordion("Fewer exams", open=False, elem_id="teach-filter"):
        words = gr.Textbox(label="Search, as in the worklist", max_lines=1, elem_id="teach-words")
        with gr.Row():
            since = gr.Textbox(label="Exam date from", placeholder="2024-01-31", max_lines=1, elem_id="teach-since")
            until = gr.Textbox(label="Exam date to", placeholder="2024-12-31", max_lines=1, elem_id="teach-until")
    return task, reader, words, since, until, count, lay_out_custom_task()


def _lay_out_teaching() -> _Teaching:
    with gr.Row():
        who = gr.Textbox(label="Your name", max_lines=1, elem_id="teacher", scale=3)
        start = gr.Button("Teach a head", variant="primary", elem_id="teach", scale=2, min_width=120)
    message = gr.HTML(elem_id="teach-said", min_height=0)
    bar = lay_out_job_bar("finetune", "Stop, use the best so far")
    with gr.Accordion("Advanced", open=False, elem_id="teach-advanced"):
        depths = [(description, depth) for depth, description in DEPTHS.items()]
        depth = gr.Radio(depths, value="linear", label="Depth", elem_id="depth")
        specificity = gr.Slider(
            0.5, 0.99, 0.9, step=0.01, label="Operating point: specificity of", elem_id="specificity"
        )
        name = gr.Textbox(
            label="Name of the new head", placeholder="empty: task and number", max_lines=1, elem_id="head-name"
        )
    return _Teaching(who, start, message, bar, depth, specificity, name)


def _lay_out_heads() -> _Heads:
    choice = gr.Dropdown([], label="Head", elem_id="head", interactive=True)
    verdict = gr.HTML(NO_HEAD, elem_id="verdict")
    confirm = gr.Checkbox(False, label=NOT_BETTER, visible=False, elem_id="confirm")
    with gr.Row():
        activate = gr.Button("Activate", variant="primary", elem_id="activate")
        roll_back = gr.Button("Back to the bundled head", elem_id="rollback")
    message = gr.HTML(elem_id="head-said", min_height=0)
    with gr.Accordion("Details of the comparison", open=False, elem_id="head-details"):
        details = gr.HTML()
        with gr.Row():
            roc = gr.Plot(show_label=False, visible=False, elem_id="roc")
            calibration = gr.Plot(show_label=False, visible=False, elem_id="calibration")
        curve = gr.Plot(show_label=False, visible=False, elem_id="curve")
    with gr.Accordion("Import or delete a head", open=False, elem_id="head-files"):
        upload = gr.UploadButton("Import a head (.safetensors, for these weights)", size="sm", elem_id="bring")
        with gr.Row():
            sure = gr.Checkbox(False, label="Yes, delete the head that is chosen", elem_id="sure")
            delete = gr.Button("Delete", variant="stop", size="sm", elem_id="delete")
    with gr.Accordion("All jobs of this data folder", open=False, elem_id="jobs-box"):
        jobs = gr.HTML(elem_id="jobs")
    return _Heads(
        choice, verdict, confirm, activate, roll_back, message, details, roc, calibration, curve, jobs, sure, delete,
        upload,
    )  # fmt: skip
