"""Below the worklist: what to label next, and how far two readers agree."""

from __future__ import annotations

import gradio as gr

from mvmlm.finetuning.active_learning import STRATEGIES
from mvmlm.tasks import Kind

from ..tables import number_of_selected_row
from ..wiring import connect
from .events import WorklistEvents
from .rows import SUGGESTION_HEADERS


def add_label_next(events: WorklistEvents, number: gr.Number, timer: gr.Timer) -> None:
    """Lay out and wire what to label next.

    number: is filled with the number of a clicked exam. timer: is started when a job is queued.
    """
    tasks = [(task.title, task.name) for task in events.store.tasks if task.kind is not Kind.SURVIVAL]
    with gr.Accordion("What to label next", open=False, elem_id="next-box"):
        with gr.Row():
            strategy = gr.Radio(
                [(f"{name}: {description}", name) for name, description in STRATEGIES.items()],
                value="uncertain",
                label="Strategy",
                elem_id="next-way",
            )
            task = gr.Dropdown(tasks, value=tasks[0][1], label="Task", elem_id="next-task")
            count = gr.Number(20, precision=0, minimum=1, maximum=500, label="How many", elem_id="next-many")
        with gr.Row():
            suggest = gr.Button("Suggest", variant="primary", elem_id="suggest")
            encode = gr.Button("Encode all exams (a job; each exam once)", elem_id="encode")
        message = gr.HTML(elem_id="next-said")
        table = gr.Dataframe(
            headers=SUGGESTION_HEADERS, datatype="str", interactive=False, elem_id="next-table", max_height=320
        )
    connect(suggest.click, events.suggest, [strategy, task, count], [table, message])
    queued = connect(encode.click, events.encode_all, None, message)
    connect(queued.then, lambda: gr.Timer(active=True), None, timer)
    connect(table.select, number_of_selected_row, table, number)


def add_agreement(events: WorklistEvents) -> None:
    """Lay out and wire the agreement of two readers."""
    with gr.Accordion("How far two readers agree", open=False, elem_id="agreement-box"):
        with gr.Row():
            first = gr.Dropdown([], label="Reader", elem_id="reader-a", interactive=True)
            second = gr.Dropdown([], label="and reader", elem_id="reader-b", interactive=True)
            compare = gr.Button("Compare", elem_id="compare-readers")
        agreement = gr.HTML(elem_id="agreement")
    connect(first.focus, events.list_readers, None, [first, second])
    connect(second.focus, events.list_readers, None, [first, second])
    connect(compare.click, events.compare_readers, [first, second], agreement)
