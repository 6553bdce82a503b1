"""The reading form: its components, made from the tasks. Saved at every answer, signed by its reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import gradio as gr
from gradio.components import Component

from mvmlm.exam import Laterality
from mvmlm.reading.form import MAX_LETTERS, FormField, form_questions
from mvmlm.store.store import Store
from mvmlm.tasks import Level

from .findings_editor import UNANSWERED, FindingsEditor, lay_out_editor
from .form_display import NOT_STORED, Question, message_line, question_keys

AS_IT_SAYS = "of the breasts that it names"


class FormButtons(NamedTuple):
    """The buttons below the form."""

    sign: gr.Button
    undo: gr.Button
    second: gr.Button
    consensus: gr.Button


class ReportBox(NamedTuple):
    """The report: drafts, and a typed report that is read first and then taken into the form."""

    draft: gr.Textbox
    draft_model: gr.Button
    model_draft: gr.Textbox
    side: gr.Radio
    typed: gr.Textbox
    read: gr.Button
    preview: gr.HTML
    overwrite: gr.Checkbox
    take: gr.Button

    @property
    def preview_outputs(self) -> list[Component]:
        """The components that show what was understood of a typed report, before it is taken."""
        return [self.preview, self.overwrite, self.take]


class Form(NamedTuple):
    """The components of the form. questions: in the order of `question_keys`."""

    reader: gr.Textbox
    named: gr.Checkbox
    start: gr.Button
    status: gr.HTML
    group: gr.Group
    questions: list[Component]
    findings: gr.HTML
    editor: FindingsEditor
    linked: gr.Textbox
    link: gr.Button
    buttons: FormButtons
    report: ReportBox
    others: gr.HTML

    @property
    def outputs(self) -> list[Component | gr.Group]:
        """The components that `form_updates` updates, in its order."""
        return [
            self.group,
            *self.questions,
            self.findings,
            self.status,
            *self.buttons,
            self.report.draft,
            self.others,
            *self.editor.outputs,
        ]


def lay_out_form(store: Store) -> Form:
    """Lay the form out: who reads, the questions, the findings, the buttons, the report, the reads of others."""
    with gr.Accordion("Your read", open=True, elem_id="reading"):
        with gr.Row():
            reader = gr.Textbox(label="Reader (name or initials)", max_lines=1, elem_id="reader", scale=2)
            start = gr.Button("Save this exam and start my read", elem_id="start-reading", scale=3)
        named = gr.Checkbox(
            False, label="IDs in these files are pseudonyms: the worklist may show them", elem_id="named"
        )
        status = gr.HTML(message_line(NOT_STORED), elem_id="reading-status")
        with gr.Group(visible=False, elem_id="reading-form") as group:
            questions = _lay_out_questions(form_questions(store.tasks))
            findings = gr.HTML(elem_id="findings")
            editor = lay_out_editor()
            with gr.Row():
                linked = gr.Textbox(
                    label="The same finding in two views: its numbers",
                    placeholder="1 2",
                    max_lines=1,
                    elem_id="link",
                    scale=3,
                )
                link = gr.Button("Link as one finding", size="sm", elem_id="join", scale=2)
            buttons = _lay_out_buttons()
        report = _lay_out_report()
        others = gr.HTML(elem_id="other-readings")
    return Form(reader, named, start, status, group, questions, findings, editor, linked, link, buttons, report, others)


def _lay_out_questions(fields: Sequence[FormField]) -> list[Component]:
    components: dict[Question, Component] = {}
    with gr.Row():
        for side in Laterality:
            with gr.Column(min_width=200):
                gr.Markdown(f"**{side.word.capitalize()} breast**")
                for field in fields:
                    if field.level is Level.BREAST:
                        components[side, field.name] = _question(field, f"q-{side.value}-{field.name}")
    for field in fields:
        if field.level is Level.EXAM:
            components[None, field.name] = _question(field, f"q-exam-{field.name}")
    return [components[key] for key in question_keys(fields)]


def _question(field: FormField, name: str) -> Component:
    if not field.choices:
        return gr.Textbox(
            label=field.title, lines=2 if field.name == "note" else 1, elem_id=name, max_length=MAX_LETTERS
        )
    choices: list[str | int | float | tuple[str, str | int | float]] = [(UNANSWERED, ""), *field.choices]
    return gr.Radio(choices, value="", label=field.title, elem_id=name, elem_classes=["question"])


def _lay_out_buttons() -> FormButtons:
    with gr.Row():
        return FormButtons(
            gr.Button("Sign", variant="primary", elem_id="sign"),
            gr.Button("Undo", elem_id="undo"),
            gr.Button("Second read, after the model", visible=False, elem_id="second"),
            gr.Button("Consensus read", visible=False, elem_id="consensus"),
        )


def _lay_out_report() -> ReportBox:
    with gr.Accordion("Report: draft, or type one to fill the form", open=False, elem_id="report-box"):
        return ReportBox(
            gr.Textbox(label="Draft from the form (research use only)", interactive=False, lines=4, elem_id="draft"),
            gr.Button("Draft from the model’s answers", size="sm", elem_id="draft-model"),
            gr.Textbox(
                label="The model’s draft: findings with a probability of at least 0.5; not a read (research use only)",
                interactive=False,
                lines=4,
                visible=False,
                elem_id="model-draft",
            ),
            gr.Radio(
                [(AS_IT_SAYS, ""), *((f"{side.word} breast", side.word) for side in Laterality)],
                value="",
                label="A typed report",
                elem_id="report-side",
            ),
            gr.Textbox(
                show_label=False,
                lines=3,
                placeholder="Left breast: irregular mass with spiculated margins, 12 mm. BI-RADS 4B",
                elem_id="report",
                max_length=MAX_LETTERS,
            ),
            gr.Button("Show what is understood of it", size="sm", elem_id="parse"),
            gr.HTML(elem_id="report-preview"),
            gr.Checkbox(
                False, label="Replace what is given where the report differs", visible=False, elem_id="report-overwrite"
            ),
            gr.Button("Take it into the form", size="sm", visible=False, elem_id="take-report"),
        )
