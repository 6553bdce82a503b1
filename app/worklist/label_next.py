"""Boxes of the worklist: what to label next, and how far two readers agree."""

from __future__ import annotations

import gradio as gr

from mvmlm.finetuning.active_learning import STRATEGIES

from ..jobs import JobBar
from ..popovers import popover
from ..wiring import connect
from .events import WorklistEvents
from .rows import SUGGESTION_HEADERS


def add_label_next(events: WorklistEvents, bar: JobBar) -> gr.Button:
    """Lay out and wire what to label next; return the button that reads the framed exam.

    bar: of the page; it shows the encoding.
    """
    tasks = events.suggestable_tasks()
    with popover("next"):
        strategy = gr.Radio(
            [(f"{name}: {description}", name) for name, description in STRATEGIES.items()],
            value="uncertain",
            label="Strategy",
            elem_id="next-way",
        )
        with gr.Row():
            task = gr.Dropdown(tasks, value=tasks[0][1], label="Task", elem_id="next-task")
            count = gr.Number(20, precision=0, minimum=1, maximum=500, label="How many", elem_id="next-many")
        with gr.Row():
            suggest = gr.Button("Suggest", variant="primary", size="sm", elem_id="suggest")
            encode = gr.Button("Encode all exams", size="sm", elem_id="encode")
        message = gr.HTML(elem_id="next-said")
        table = gr.Dataframe(
            headers=SUGGESTION_HEADERS, datatype="str", interactive=False, elem_id="next-table", max_height=320
        )
        read = gr.Button("Open exam", size="sm", elem_id="read-next")
    connect(task.focus, lambda: gr.Dropdown(choices=events.suggestable_tasks()), None, task)
    connect(suggest.click, events.suggest, [strategy, task, count], [table, message])
    connect(encode.click, events.encode_all, None, [message, *bar])
    return read


def add_agreement(events: WorklistEvents) -> None:
    """Lay out and wire the agreement of two readers."""
    with popover("agreement"):
        with gr.Row():
            first = gr.Dropdown([], label="Reader", elem_id="reader-a", interactive=True)
            second = gr.Dropdown([], label="and reader", elem_id="reader-b", interactive=True)
            compare = gr.Button("Compare", size="sm", elem_id="compare-readers")
        agreement = gr.HTML(elem_id="agreement")
    connect(first.focus, events.list_readers, None, [first, second])
    connect(second.focus, events.list_readers, None, [first, second])
    connect(compare.click, events.compare_readers, [first, second], agreement)
