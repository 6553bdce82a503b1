"""Declaring a task of one's own, on the Teach page."""

from __future__ import annotations

import re

import gradio as gr

from mvmlm.custom_tasks import declare_task, parse_prompts
from mvmlm.store.store import Store
from mvmlm.tasks import Level

from ..markup import text


def declare_box(store: Store) -> None:
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
        add = gr.Button("Declare it", elem_id="declare")
        said = gr.HTML(elem_id="declare-said")
    add.click(
        lambda *values: on_declare(store, *values), [title, name, level, classes, prompts, ordered], said,
        api_visibility="private", show_progress="hidden",
    )  # fmt: skip


def on_declare(store: Store, title: str, name: str, level: str, classes: str, prompts: str, ordered: bool) -> str:
    """What the page says after the declaration was written, or was not."""
    title = " ".join((title or "").split())
    name = (name or "").strip() or re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:31]
    own = [line.strip() for line in (classes or "").splitlines() if line.strip()]
    said = {"name": name, "title": title or name, "level": level, "ordered": bool(ordered and own)} | (
        {"classes": own} if own else {}
    )
    try:
        task = declare_task(
            store.folder, said | ({"prompts": parse_prompts(prompts)} if (prompts or "").strip() else {})
        )
    except (ValueError, OSError) as error:
        return f'<p class="wrong">{text(error)}</p>'
    return f"<p>“{text(task.title)}” is declared. Start the program again: then it is a question of the form, a column “{text(task.name)}” of your tables, and a task to teach.</p>"
