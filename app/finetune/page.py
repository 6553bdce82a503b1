"""The Fine-tune page: fine-tune a head on signed readings, see whether it is better, and activate it or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import gradio as gr

from mvmlm.finetuning.config import DEPTHS
from mvmlm.store.store import Store

from ..wiring import connect
from .custom_task import add_custom_task
from .events import FinetuneEvents

if TYPE_CHECKING:
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor

REFERENCE = "consensus, else the newest signed"


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


class _HeadButtons(NamedTuple):
    """What can be done with the chosen head."""

    activate: gr.Button
    roll_back: gr.Button
    confirm: gr.Checkbox
    delete: gr.Button


def finetune_page(store: Store, weights: str, get_predictor: Callable[[], MVMLMPredictor]) -> None:
    """Lay out and wire the page. weights: what the worker loads."""
    events = FinetuneEvents(store, weights, get_predictor)
    with gr.Row():
        with gr.Column(scale=4, min_width=340):
            who = gr.Textbox(label="Your name", max_lines=1, elem_id="teacher")
            controls = _lay_out_controls(store)
            with gr.Row():
                count = gr.Button("Count the cases", elem_id="count-cases")
                start = gr.Button("Fine-tune", variant="primary", elem_id="teach")
                stop = gr.Button("Stop, use the best so far", elem_id="stop")
            message = gr.HTML(elem_id="teach-said")
            jobs = gr.HTML(elem_id="jobs")
        with gr.Column(scale=8):
            curve = gr.Plot(show_label=False, visible=False, elem_id="curve")
            gr.Markdown("### Heads")
            choice = gr.Dropdown([], label="Head", elem_id="head", interactive=True)
            verdict = gr.HTML(elem_id="verdict")
            buttons = _lay_out_head_buttons()
            with gr.Row():
                roc = gr.Plot(show_label=False, visible=False, elem_id="roc")
                calibration = gr.Plot(show_label=False, visible=False, elem_id="calibration")
            add_custom_task(store)
            upload = gr.File(
                label="Import a head (.safetensors of this program, for these weights)", height=130, elem_id="bring"
            )

    seen = gr.State(None)
    report = [verdict, roc, calibration]
    connect(count.click, events.count_cases, list(controls), message)
    connect(start.click, events.start, [who, *controls], message)
    connect(stop.click, events.stop, who, message)
    connect(gr.Timer(1.5).tick, events.refresh, [seen, choice], [seen, jobs, curve, choice])
    connect(choice.change, events.show_head, choice, report)
    activated = connect(buttons.activate.click, events.activate, [who, choice], message)
    connect(activated.then, events.show_head, choice, report)
    rolled_back = connect(buttons.roll_back.click, events.roll_back, [who, choice], message)
    connect(rolled_back.then, events.show_head, choice, report)
    connect(buttons.delete.click, events.delete, [who, choice, buttons.confirm], [message, buttons.confirm])
    connect(upload.upload, events.import_head, [upload, who], [upload, message])


def _lay_out_controls(store: Store) -> _Controls:
    tasks = [(task.title, task.name) for task in store.tasks]
    task = gr.Dropdown(tasks, value="mass", label="Task", elem_id="teach-task")
    reader = gr.Textbox(label=f"Readings of (empty: {REFERENCE})", max_lines=1, elem_id="teach-reader")
    with gr.Accordion("Which exams (empty: all that are labelled)", open=False, elem_id="teach-filter"):
        words = gr.Textbox(label="Search, as in the worklist", max_lines=1, elem_id="teach-words")
        with gr.Row():
            since = gr.Textbox(label="Exam date from (2024-01-31)", max_lines=1, elem_id="teach-since")
            until = gr.Textbox(label="to", max_lines=1, elem_id="teach-until")
    depths = [(description, depth) for depth, description in DEPTHS.items()]
    depth = gr.Radio(depths, value="linear", label="Depth", elem_id="depth")
    specificity = gr.Slider(0.5, 0.99, 0.9, step=0.01, label="Operating point: specificity of", elem_id="specificity")
    name = gr.Textbox(label="Name of the new head (empty: task and number)", max_lines=1, elem_id="head-name")
    return _Controls(task, reader, words, since, until, depth, specificity, name)


def _lay_out_head_buttons() -> _HeadButtons:
    with gr.Row():
        activate = gr.Button("Activate", variant="primary", elem_id="activate")
        roll_back = gr.Button("Back to the bundled head", elem_id="rollback")
        confirm = gr.Checkbox(False, label="Yes, delete", elem_id="sure")
        delete = gr.Button("Delete", variant="stop", elem_id="delete")
    return _HeadButtons(activate, roll_back, confirm, delete)
