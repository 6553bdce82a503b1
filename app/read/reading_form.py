"""The reading form: its components, made from the tasks. Saved at every answer, signed by its reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import gradio as gr
from gradio.components import Component

from mvmlm.exam import Laterality
from mvmlm.reading.form import MAX_LETTERS, TRUTH_FIELDS, FormField
from mvmlm.store.store import Store
from mvmlm.tasks import Level

from ..panel import panel_page
from .findings_editor import UNANSWERED, FindingsEditor, lay_out_editor
from .form_display import NOT_STORED, asked, message_line, question_keys
from .opinion_box import (
    REPEATS,
    ArbitrationBox,
    OpinionBox,
    Question,
    ReaderBox,
    lay_out_arbitration,
    lay_out_opinion,
    lay_out_reader,
    opinion_groups,
)
from .own_questions import lay_out_places

AS_IT_SAYS = "of the breasts that it names"


class FormButtons(NamedTuple):
    """The buttons of the form: above it, which are always there, and below it."""

    undo: gr.Button
    redo: gr.Button
    sign: gr.Button
    sign_next: gr.Button
    change: gr.Button


class ReportBox(NamedTuple):
    """The report: made from the form and edited by the reader; and a typed one, which is read and then taken.

    made: hidden, the report as the form gives it now. text: what the reader sees and edits. shown: hidden, the report
    that `text` was before it was edited.
    """

    made: gr.Textbox
    text: gr.Textbox
    shown: gr.Textbox
    copy: gr.Button
    anew: gr.Button
    copied: gr.HTML
    draft_model: gr.Button
    model_draft: gr.Textbox
    side: gr.Radio
    typed: gr.Textbox
    read: gr.Button
    preview: gr.HTML
    overwrite: gr.Checkbox
    take: gr.Button

    @property
    def edited(self) -> tuple[gr.Textbox, gr.Textbox]:
        """The text of the report, and what it was before it was edited."""
        return self.text, self.shown

    @property
    def preview_outputs(self) -> list[Component]:
        """The components that show what was understood of a typed report, before it is taken."""
        return [self.preview, self.overwrite, self.take]


class Form(NamedTuple):
    """The components of the form.

    groups: shown with a read. questions: in the order of `question_keys`. own: see `own_questions`.
    """

    who: ReaderBox
    opinion: OpinionBox
    arbitration: ArbitrationBox
    bar: gr.HTML
    status: gr.HTML
    groups: list[gr.Group | gr.Column]
    questions: list[Component]
    own: list[gr.Radio]
    findings: gr.HTML
    editor: FindingsEditor
    buttons: FormButtons
    report: ReportBox
    others: gr.HTML

    @property
    def outputs(self) -> list[Component | gr.Group | gr.Column]:
        """The components that `form_updates` updates, in its order."""
        return [
            *self.groups,
            *self.questions,
            *self.own,
            self.findings,
            self.status,
            *self.buttons,
            self.report.made,
            self.others,
            *self.opinion.buttons,
            self.opinion.state,
            self.who.with_arbitration,
            *self.arbitration,
            self.bar,
            *self.editor.outputs,
        ]

    def lay_out_foot(self) -> None:
        """Lay out what is always in sight below the tabs: the state of the read, and its buttons."""
        self.status.render()
        with gr.Row():
            for button in self.buttons:
                button.render()


def lay_out_form(store: Store) -> Form:
    """Lay the form out as pages of the panel: findings, opinion, truth, report.

    The status, the buttons and the line of the bar are not laid out yet.
    """
    status = gr.HTML(message_line(NOT_STORED), elem_id="reading-status", render=False)
    buttons = _buttons()
    fields = asked(store)
    components: dict[Question, Component] = {}
    bar = gr.HTML(elem_id="bar-facts", render=False)
    with panel_page("Findings"), gr.Column(visible=False, elem_id="of-findings") as of_findings:
        findings = gr.HTML(elem_id="findings")
        editor = lay_out_editor()
    with panel_page("Opinion"):
        who = lay_out_reader()
        opinion = lay_out_opinion()
        arbitration = lay_out_arbitration()
        with gr.Group(visible=False, elem_id="reading-form") as of_opinion:
            for group, asks in opinion_groups([field for field in fields if field.name not in TRUTH_FIELDS]).items():
                with gr.Group(elem_id=group):
                    components |= _lay_out_questions(asks)
            own = lay_out_places()
        others = gr.HTML(elem_id="other-readings")
    with panel_page("Truth"), gr.Group(visible=False) as of_truth:
        gr.Markdown("What was found out after the pictures were read. It teaches heads; it is no part of an opinion.")
        components |= _lay_out_questions([field for field in fields if field.name in TRUTH_FIELDS])
    with panel_page("Report"):
        report = _lay_out_report()
    questions = [components[key] for key in question_keys(fields)]
    groups = [of_findings, of_opinion, of_truth]
    return Form(
        who, opinion, arbitration, bar, status, groups, questions, own, findings, editor, buttons, report, others
    )


def _lay_out_questions(fields: Sequence[FormField]) -> dict[Question, Component]:
    components: dict[Question, Component] = {}
    with gr.Row():
        for side in Laterality:
            with gr.Column(min_width=120):
                gr.Markdown(f"**{side.word.capitalize()} breast**")
                for field in fields:
                    if field.level is Level.BREAST:
                        components[side, field.name] = _question(field, f"q-{side.value}-{field.name}")
    for field in fields:
        if field.level is Level.EXAM:
            components[None, field.name] = _question(field, f"q-exam-{field.name}")
    return components


def _question(field: FormField, name: str) -> Component:
    if not field.choices:
        return gr.Textbox(
            label=field.title,
            lines=2 if field.name == "note" else 1,
            elem_id=name,
            elem_classes=["typed"],
            max_length=MAX_LETTERS,
        )
    choices: list[str | int | float | tuple[str, str | int | float]] = [(UNANSWERED, ""), *field.choices]
    if field.name in REPEATS:
        return gr.Dropdown(choices, value="", label=field.title, elem_id=name, elem_classes=["question"])
    return gr.Radio(choices, value="", label=field.title, elem_id=name, elem_classes=["question"])


def _buttons() -> FormButtons:
    return FormButtons(
        gr.Button("Undo", size="sm", elem_id="undo", render=False),
        gr.Button("Redo", size="sm", elem_id="redo", render=False),
        gr.Button("Sign", size="sm", visible=False, elem_id="sign", render=False),
        gr.Button("Sign and next (F8)", variant="primary", size="sm", visible=False, elem_id="sign-next", render=False),
        gr.Button("Change this read", size="sm", visible=False, elem_id="change", render=False),
    )


def _lay_out_report() -> ReportBox:
    made, shown = (gr.Textbox(visible="hidden", elem_id=name) for name in ("report-made", "report-shown"))
    text = gr.Textbox(
        label="Report, made from the form; edit it here. Edits last until another exam is opened.",
        placeholder="Start a read: the report is made from what you answer and mark.",
        lines=18,
        max_lines=40,
        elem_id="report-text",
    )
    with gr.Row():
        copy = gr.Button("Copy (P)", size="sm", elem_id="copy-report")
        anew = gr.Button("Make it anew: drop my edits", size="sm", elem_id="report-anew")
    copied = gr.HTML(elem_id="report-copied")
    gr.HTML("<h3>A typed or dictated report into the form</h3>")
    side = gr.Radio(
        [(AS_IT_SAYS, ""), *((f"{side.word} breast", side.word) for side in Laterality)],
        value="",
        label="It is about the findings",
        elem_id="report-side",
    )
    typed = gr.Textbox(
        show_label=False,
        lines=4,
        placeholder="Left breast: irregular mass with spiculated margins, 12 mm. BI-RADS 4B",
        elem_id="report",
        elem_classes=["typed"],
        max_length=MAX_LETTERS,
    )
    read = gr.Button("Show what is understood of it", size="sm", elem_id="parse")
    preview = gr.HTML(elem_id="report-preview")
    overwrite = gr.Checkbox(
        False, label="Replace what is given where the report differs", visible=False, elem_id="report-overwrite"
    )
    take = gr.Button("Take it into the form", size="sm", visible=False, elem_id="take-report")
    gr.HTML("<h3>The model’s draft</h3>")
    draft_model = gr.Button("Draft from the model’s answers", size="sm", elem_id="draft-model")
    model_draft = gr.Textbox(
        label="Findings with a probability of at least 0.5; not a read (research use only)",
        interactive=False,
        lines=4,
        visible=False,
        elem_id="model-draft",
    )
    return ReportBox(
        made, text, shown, copy, anew, copied, draft_model, model_draft, side, typed, read, preview, overwrite, take
    )
