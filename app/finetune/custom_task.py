"""Declaring a new task on the Fine-tune page."""

from __future__ import annotations

import re
from typing import Any

import gradio as gr

from mvmlm.custom_tasks import declare_task, parse_prompts
from mvmlm.store.store import Store
from mvmlm.tasks import Level

from ..markup import paragraph, problem
from ..wiring import connect

LONGEST_NAME = 31


def add_custom_task(store: Store) -> None:
    """Lay out and wire the form that declares a task."""
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
        declare = gr.Button("Declare it", elem_id="declare")
        message = gr.HTML(elem_id="declare-said")

    def on_declare(*values: Any) -> str:
        return declare_from_form(store, *values)

    connect(declare.click, on_declare, [title, name, level, classes, prompts, ordered], message)


def declare_from_form(
    store: Store, title: str, name: str, level: str, classes: str, prompts: str, ordered: bool
) -> str:
    """Declare the task that the form describes, and return a message: the task, or what is wrong with it."""
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
    except (ValueError, OSError) as error:
        return problem(error)
    return paragraph(
        f"“{task.title}” is declared. Start the program again: then it is a question of the form, "
        f"a column “{task.name}” of your tables, and a task to fine-tune."
    )
