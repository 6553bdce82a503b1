"""Declaring a new task on the Fine-tune page."""

from __future__ import annotations

import re
from typing import NamedTuple

import gradio as gr
from gradio.components import Component

from mvmlm.custom_tasks import declare_task, parse_prompts
from mvmlm.finetuning.config import FEWEST_CASES
from mvmlm.store.errors import StoreError
from mvmlm.store.store import Store
from mvmlm.tasks import Level, Task

from ..markup import paragraph, problem

LONGEST_NAME = 31


class CustomTask(NamedTuple):
    """The form that declares a task. fields: in the order of `declare_from_form`."""

    fields: list[Component]
    declare: gr.Button
    message: gr.HTML


def lay_out_custom_task() -> CustomTask:
    """Lay out the form that declares a task."""
    with gr.Accordion("A task of your own", open=False, elem_id="declare-box"):
        with gr.Row():
            title = gr.Textbox(label="Title", placeholder="Vascular calcification", max_lines=1, elem_id="own-title")
            name = gr.Textbox(
                label="Name in tables (empty: from the title)",
                placeholder="vascular_calcification",
                max_lines=1,
                elem_id="own-name",
            )
            level = gr.Radio(
                [level.value for level in Level], value="breast", label="Asked of each", elem_id="own-level"
            )
        with gr.Row():
            classes = gr.Textbox(label="Classes, one a line (empty: present or absent)", lines=3, elem_id="own-classes")
            prompts = gr.Textbox(
                label="Prompts, one a line, “class: sentence” (may be empty)",
                lines=3,
                placeholder="present: vascular calcifications are seen\nabsent: no vascular calcifications",
                elem_id="own-prompts",
            )
        ordered = gr.Checkbox(False, label="The classes are steps of a scale, in this order", elem_id="own-ordered")
        declare = gr.Button("Declare it", size="sm", elem_id="declare")
        message = gr.HTML(elem_id="declare-said", min_height=0)
    return CustomTask([title, name, level, classes, prompts, ordered], declare, message)


def declare_from_form(
    store: Store, title: str, name: str, level: str, classes: str, prompts: str, ordered: bool, who: str = "page"
) -> tuple[Task | None, str]:
    """Declare the task that the form describes; return it and a message. None and what is wrong where it cannot be.

    who: declares it, for the history.
    """
    title = " ".join((title or "").split())
    name = (name or "").strip() or re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:LONGEST_NAME]
    class_names = [line.strip() for line in (classes or "").splitlines() if line.strip()]
    declaration: dict[str, object] = {
        "name": name,
        "title": title or name,
        "level": level,
        "ordered": bool(ordered and class_names),
    }
    if class_names:
        declaration["classes"] = class_names
    try:
        if (prompts or "").strip():
            declaration["prompts"] = parse_prompts(prompts)
        task = declare_task(store.folder, declaration)
        with store.file.transaction():
            store.file.record(who, "declared", f"task {task.name}", after={"classes": list(task.classes)})
    except (ValueError, OSError, StoreError) as error:
        return None, problem(error)
    store.take_new_tasks()
    return task, paragraph(
        f"“{task.title}” is declared: a question of the form from the next exam on that is opened, a column "
        f"“{task.name}” of your tables, and a task to teach. Answer it in at least {FEWEST_CASES} readings first."
    )
