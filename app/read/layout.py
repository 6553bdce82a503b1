"""The components of the reading page, laid out group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from mvmlm.inference.colormap import COLOUR_MAPS
from mvmlm.inference.map_methods import DEFAULT_METHOD, METHODS
from mvmlm.store.store import Store

from ..viewer.component import four_up_viewer
from .model_events import BINARY
from .reading_form import Form, lay_out_form
from .visit import DEMOS, VIEW_CHOICES, Visit


class ViewerControls(NamedTuple):
    """The viewer, the controls of the map over its pictures, and the notes below.

    slow_asked, slow_done: hidden, the name of a map that takes a while, once it is asked for and once it is computed.
    """

    viewer: gr.HTML
    map_on: gr.Checkbox
    map_target: gr.Dropdown
    opacity: gr.Slider
    threshold: gr.Slider
    colours: gr.Dropdown
    method: gr.Dropdown
    map_note: gr.HTML
    mark_note: gr.HTML
    slow_asked: gr.Textbox
    slow_done: gr.Textbox


class UploadBox(NamedTuple):
    """The ways to open an exam, and the choice where files of several exams were uploaded."""

    uploads: gr.File
    folder: gr.UploadButton
    demos: dict[str, gr.Button]
    message: gr.HTML
    several: gr.Group
    choice: gr.Radio
    choose: gr.Button
    question: gr.Radio


class ModelPanel(NamedTuple):
    """The model's answers, hidden until the reader asks. prevalences: one number for each task of BINARY."""

    show: gr.Button
    at_once: gr.Checkbox
    quality: gr.HTML
    answers: gr.HTML
    risk: gr.Plot
    prevalences: list[gr.Number]


class PromptBox(NamedTuple):
    """Questions in words, and saved sets of them."""

    prompt_set: gr.Dropdown
    typed: gr.Textbox
    ask: gr.Button
    name: gr.Textbox
    save: gr.Button
    note: gr.HTML
    chart: gr.Plot


class SimilarBox(NamedTuple):
    """Similar exams of the worklist."""

    words: gr.Textbox
    find: gr.Button
    number: gr.Number
    open: gr.Button
    note: gr.HTML
    table: gr.Dataframe


class FilesTable(NamedTuple):
    """Which file became which view, and the correction of a file."""

    table: gr.Dataframe
    file: gr.Dropdown
    view: gr.Radio
    score_for_processing: gr.Checkbox


@dataclass(frozen=True)
class ReadPage:
    """All components of the reading page, by group.

    state: the place of the `Visit` among inputs and outputs; `app.visits` keeps the visit itself. window: the name of
    the browser's window, the same after a reload. token: the visit's token as the browser shows it, which every event
    sends.
    """

    state: gr.State
    window: gr.Textbox
    token: gr.Textbox
    controls: ViewerControls
    upload: UploadBox
    form: Form
    model: ModelPanel
    prompts: PromptBox
    similar: SimilarBox
    files: FilesTable

    @property
    def exam_outputs(self) -> list[Any]:
        """The components that `exam_updates` updates, in its order."""
        return [
            self.state,
            self.token,
            self.controls.viewer,
            self.upload.message,
            self.upload.several,
            self.upload.choice,
            self.upload.question,
            self.files.table,
            self.files.file,
            self.files.view,
            self.model.quality,
            self.model.answers,
            self.model.risk,
            self.controls.map_on,
            self.prompts.chart,
            self.form.report.model_draft,
            *self.form.outputs,
            self.form.start,
            self.controls.map_note,
            self.controls.mark_note,
            self.prompts.note,
            *self.form.report.preview_outputs,
            self.similar.table,
            self.similar.note,
            self.similar.number,
            self.form.linked,
            self.form.named,
            self.form.report.side,
            self.form.report.typed,
        ]

    @property
    def form_outputs(self) -> list[Any]:
        """The components that a handler of `FormEvents` updates, in its order, unless it says otherwise."""
        return [self.state, self.controls.viewer, *self.form.outputs]

    @property
    def answer_inputs(self) -> list[Component]:
        """The inputs of `ModelEvents.answers`."""
        return [self.token, self.state, self.files.score_for_processing, self.model.at_once, *self.model.prevalences]

    @property
    def answer_outputs(self) -> list[Component]:
        """The components that `ModelEvents.answers` updates, in its order."""
        return [
            self.state,
            self.model.quality,
            self.model.answers,
            self.model.risk,
            self.controls.map_target,
            self.controls.viewer,
        ]


def lay_out_page(store: Store, ready_prompts: Sequence[str]) -> ReadPage:
    """Lay out the page: the viewer on the left, the exam, the form and the model's answers on the right, more below.

    ready_prompts: the names of the ready-made prompt sets.
    """
    state = gr.State(Visit())
    window = gr.Textbox(visible="hidden", elem_id="window")
    token = gr.Textbox(visible="hidden", elem_id="token")
    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=480):
            controls = _viewer_controls()
        with gr.Column(scale=5, min_width=420):
            upload = _upload_box()
            form = lay_out_form(store)
            model = _model_panel()
    with gr.Accordion("Ask in words", open=True), gr.Row():
        prompts = _prompt_box(ready_prompts)
    with gr.Accordion("Similar exams of the worklist", open=False, elem_id="similar"):
        similar = _similar_box()
    with gr.Accordion("Files: which became which view, and why", open=False, elem_id="files"):
        files = _files_table()
    return ReadPage(state, window, token, controls, upload, form, model, prompts, similar, files)


def _viewer_controls() -> ViewerControls:
    viewer = four_up_viewer()
    with gr.Row():
        map_on = gr.Checkbox(
            False, label="Attention map (not a lesion outline)", elem_id="map-on", scale=3, min_width=210
        )
        target = gr.Dropdown([], label="Map of", elem_id="map-target", scale=3, interactive=True)
        method = gr.Dropdown(
            [(method.title, method.name) for method in METHODS.values()],
            value=DEFAULT_METHOD,
            label="Method",
            elem_id="map-method",
            scale=3,
            min_width=170,
        )
    with gr.Row():
        opacity = gr.Slider(0, 1, 0.5, step=0.05, label="Opacity", elem_id="map-opacity", scale=2)
        threshold = gr.Slider(0, 0.95, 0, step=0.05, label="Threshold", elem_id="map-threshold", scale=2)
        colours = gr.Dropdown(
            list(COLOUR_MAPS), value="inferno", label="Colours", elem_id="map-colours", scale=1, min_width=110
        )
    map_note, mark_note = gr.HTML(elem_id="map-note"), gr.HTML(elem_id="mark-note")
    asked = gr.Textbox(visible="hidden", elem_id="map-asked")
    done = gr.Textbox(visible="hidden", elem_id="map-done")
    return ViewerControls(viewer, map_on, target, opacity, threshold, colours, method, map_note, mark_note, asked, done)


def _upload_box() -> UploadBox:
    with gr.Row():
        uploads = gr.File(
            label="Drop DICOM, DICOMDIR, zip, PNG, TIFF or JPEG files of one exam",
            file_count="multiple",
            height=140,
            elem_id="uploads",
        )
    with gr.Row():
        folder = gr.UploadButton("Open a folder", file_count="directory", size="sm", elem_id="folder")
        demos = {demo: gr.Button(label, size="sm", elem_id=f"demo-{demo}") for demo, label in DEMOS.items()}
    message = gr.HTML(elem_id="message")
    with gr.Group(visible=False) as several:
        choice = gr.Radio([], label="These files name different patients or exams. Which is it?", elem_id="which-exam")
        choose = gr.Button("Open", size="sm", elem_id="open-choice")
    question = gr.Radio([], visible=False, elem_id="question")
    return UploadBox(uploads, folder, demos, message, several, choice, choose, question)


def _model_panel() -> ModelPanel:
    with gr.Row():
        show = gr.Button("Show the model’s answers", variant="primary", elem_id="show-model", scale=3)
        at_once = gr.Checkbox(
            False, label="Always show them (otherwise: read first, then ask)", elem_id="at-once", scale=2
        )
    quality = gr.HTML(elem_id="quality")  # below everything that can be clicked before the model has read the exam
    answers = gr.HTML(elem_id="answers")
    risk = gr.Plot(show_label=False, visible=False, elem_id="risk")
    with gr.Accordion("Prevalence for the natural frequencies", open=False):
        gr.Markdown(
            "How many of 1,000 (breasts, or exams) have it where you read? The model’s probability is for the share of "
            "positives in its training data; the frequency beside it is for yours."
        )
        with gr.Row():
            prevalences = [
                gr.Number(task.prevalence, label=f"{task.title}, per 1,000", minimum=0.1, maximum=900, min_width=120)
                for task in BINARY
            ]
    return ModelPanel(show, at_once, quality, answers, risk, prevalences)


def _prompt_box(ready_prompts: Sequence[str]) -> PromptBox:
    with gr.Column(scale=5):
        prompt_set = gr.Dropdown(list(ready_prompts), label="Ready-made prompts", value=None, elem_id="prompt-set")
        typed = gr.Textbox(
            lines=5,
            label="Prompts, one a line; “positive | negative” is a pair with a probability",
            placeholder="spiculated mass in the upper outer quadrant\nthere is a mass | no mass",
            elem_id="prompts",
        )
        ask = gr.Button("Score the prompts", variant="primary", elem_id="ask")
        with gr.Row():
            name = gr.Textbox(
                show_label=False, placeholder="name of this set", max_lines=1, elem_id="prompts-name", scale=2
            )
            save = gr.Button("Save as a set", size="sm", elem_id="save-prompts", scale=1)
        note = gr.HTML(elem_id="prompt-note")
    with gr.Column(scale=7):
        chart = gr.Plot(show_label=False, visible=False, elem_id="prompt-chart")
    return PromptBox(prompt_set, typed, ask, name, save, note, chart)


def _similar_box() -> SimilarBox:
    with gr.Row():
        words = gr.Textbox(
            label="Like this exam, or in words",
            placeholder="empty: like the open exam; or: irregular spiculated mass",
            max_lines=1,
            elem_id="alike-words",
            scale=4,
        )
        find = gr.Button("Find", elem_id="alike", scale=1)
        number = gr.Number(None, label="Exam number (click a line)", precision=0, elem_id="alike-number", scale=1)
        open_ = gr.Button("Open it", elem_id="alike-open", scale=1)
    note = gr.HTML(elem_id="alike-said")
    table = gr.Dataframe(
        headers=["number", "exam", "similarity", "state", "density", "signed findings"],
        datatype="str",
        interactive=False,
        elem_id="alike-table",
        max_height=300,
    )
    return SimilarBox(words, find, number, open_, note, table)


def _files_table() -> FilesTable:
    table = gr.Dataframe(
        headers=["file", "view", "identified by, or why not used"],
        datatype="str",
        interactive=False,
        wrap=True,
        elem_id="file-table",
    )
    with gr.Row():
        file = gr.Dropdown([], label="Correct a file", elem_id="which-file")
        view = gr.Radio(VIEW_CHOICES, label="It is", elem_id="which-view")
        score_for_processing = gr.Checkbox(False, label="Score FOR PROCESSING images too", elem_id="ask-anyway")
    return FilesTable(table, file, view, score_for_processing)
