"""The components of the reading page, laid out group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from mvmlm.inference.colormap import COLOUR_MAPS
from mvmlm.inference.map_methods import DEFAULT_METHOD, METHODS
from mvmlm.store.store import Store

from ..panel import panel_page, panel_tabs
from ..viewer.component import four_up_viewer
from .clinical_box import ClinicalBox, lay_out_clinical
from .demo_exams import DEMOS
from .exam_list import ListBox, lay_out_list
from .model_panel import ModelPanel, lay_out_model
from .opening import VIEW_CHOICES
from .other_models_box import OtherModelsBox, lay_out_other_models
from .reading_form import Form, lay_out_form
from .visit import Visit


class ViewerControls(NamedTuple):
    """The viewer, the controls of the map over its pictures, and the notes below.

    slow_asked, slow_done: hidden, the name of a map that takes a while, once it is asked for and once it is computed.
    sheet: all maps at once, over the pictures.
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
    all_maps: gr.Button
    sheet: gr.HTML


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


class StartPage(NamedTuple):
    """What the start page shows besides the ways to open an exam, and the keeper of the page's address.

    address: its value is of `addresses.address_value`; it raises `visited` with the address and the read that the
    reader went to, and `listed` when the start page is shown. named, named_read: hidden, what the address named when
    the page was loaded. left_open: what was left open, as links. progress, stop: while files are opened.
    """

    address: gr.HTML
    named: gr.Textbox
    named_read: gr.Number
    reader: gr.Textbox
    left_open: gr.HTML
    progress: gr.HTML
    stop: gr.Button


class PromptBox(NamedTuple):
    """Questions in words, and saved sets of them."""

    prompt_set: gr.Dropdown
    typed: gr.Textbox
    ask: gr.Button
    name: gr.Textbox
    save: gr.Button
    note: gr.HTML
    scores: gr.HTML


class SimilarBox(NamedTuple):
    """Similar exams of the worklist."""

    words: gr.Textbox
    find: gr.Button
    number: gr.Number
    open: gr.Button
    note: gr.HTML
    table: gr.HTML


class FilesTable(NamedTuple):
    """Which file became which view, and the correction of a file."""

    table: gr.HTML
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
    start: StartPage
    controls: ViewerControls
    upload: UploadBox
    form: Form
    model: ModelPanel
    clinical: ClinicalBox
    others: OtherModelsBox
    prompts: PromptBox
    similar: SimilarBox
    files: FilesTable
    exams: ListBox

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
            self.others.answers,
            self.controls.map_on,
            self.prompts.scores,
            self.form.report.model_draft,
            *self.form.outputs,
            self.exams.end,
            self.exams.strip,
            self.exams.session,
            self.form.who.reader,
            self.form.who.scale,
            self.form.who.start,
            self.start.address,
            self.controls.map_note,
            self.controls.mark_note,
            self.controls.sheet,
            self.prompts.note,
            *self.form.report.preview_outputs,
            self.clinical.images,
            *self.clinical.typed,
            self.similar.words,
            self.similar.table,
            self.similar.note,
            self.similar.number,
            self.form.who.named,
            self.form.report.side,
            self.form.report.typed,
            *self.form.report.edited,
            self.form.who.authors,
            self.exams.reason,
        ]

    @property
    def form_outputs(self) -> list[Any]:
        """The components that a handler of `FormEvents` updates, in its order, unless it says otherwise."""
        return [self.state, self.controls.viewer, *self.form.outputs]

    def for_exam_outputs(self, updates: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return updates for `exam_outputs`: those themselves, or those of `form_outputs` and nothing else."""
        if len(updates) == len(self.exam_outputs):
            return updates
        changed = dict(zip(self.form_outputs, updates, strict=True))
        return tuple(changed.get(component, gr.skip()) for component in self.exam_outputs)

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
            self.form.status,
            self.form.others,
            self.clinical.images,
        ]


def lay_out_page(store: Store, ready_prompts: Sequence[str]) -> ReadPage:
    """Lay out the page: the viewer, which fills the window, the panel at its right, and where an exam is opened.

    ready_prompts: the names of the ready-made prompt sets.
    """
    state = gr.State(Visit())
    window = gr.Textbox(visible="hidden", elem_id="window")
    token = gr.Textbox(visible="hidden", elem_id="token")
    viewer, sheet = four_up_viewer(), gr.HTML(elem_id="maps-sheet")
    start = _start_page()
    with gr.Column(elem_id="panel"):  # the start page too, which fills the window until an exam is open
        with gr.Column(elem_id="start"):
            upload = _upload_box()
        with gr.Column(elem_id="notes"):
            with gr.Column(elem_id="file-question"):  # above the pictures, once an exam is open
                upload.question.render()
            upload.message.render()
            upload.several.render()
        start.left_open.render()
        panel_tabs()
        form = lay_out_form(store)
        with panel_page("Model"):
            model = lay_out_model()
            clinical = lay_out_clinical()
            controls = _map_controls(viewer, sheet)
            others = lay_out_other_models()
        with panel_page("Ask"):
            prompts = _prompt_box(ready_prompts)
            similar = _similar_box()
        with panel_page("Files"):
            files = _files_table()
        with gr.Column(elem_id="foot"):
            controls.mark_note.render()
            form.lay_out_foot()
    form.bar.render()
    return ReadPage(
        state,
        window,
        token,
        start,
        controls,
        upload,
        form,
        model,
        clinical,
        others,
        prompts,
        similar,
        files,
        lay_out_list(),
    )


def _map_controls(viewer: gr.HTML, sheet: gr.HTML) -> ViewerControls:
    with gr.Column(elem_id="map-controls"):
        gr.HTML("<h3>Maps: where the answer comes from, not the outline of a lesion</h3>")
        with gr.Row():
            map_on = gr.Checkbox(False, label="Map over the pictures", elem_id="map-on", scale=3)
            all_maps = gr.Button("All maps at once", size="sm", elem_id="all-maps", scale=2)
        with gr.Row():
            target = gr.Dropdown([], label="Map of", elem_id="map-target", interactive=True)
            method = gr.Dropdown(
                [(method.title, method.name) for method in METHODS.values()],
                value=DEFAULT_METHOD,
                label="Method",
                elem_id="map-method",
            )
        with gr.Row():
            opacity = gr.Slider(0, 1, 0.5, step=0.05, label="Opacity", elem_id="map-opacity")
            threshold = gr.Slider(0, 0.95, 0, step=0.05, label="Clear below", elem_id="map-threshold")
        colours = gr.Dropdown(list(COLOUR_MAPS), value="inferno", label="Colours", elem_id="map-colours")
        map_note = gr.HTML(elem_id="map-note")
    mark_note = gr.HTML(elem_id="mark-note", render=False)
    asked = gr.Textbox(visible="hidden", elem_id="map-asked")
    done = gr.Textbox(visible="hidden", elem_id="map-done")
    return ViewerControls(
        viewer, map_on, target, opacity, threshold, colours, method, map_note, mark_note, asked, done, all_maps, sheet
    )


def _start_page() -> StartPage:
    address = gr.HTML(
        value={},
        html_template="<span></span>",
        js_on_load=(Path(__file__).parent / "address.js").read_text(encoding="utf-8"),
        elem_id="address",
        apply_default_css=False,
    )
    named = gr.Textbox(visible="hidden", elem_id="named-exam")
    named_read = gr.Number(None, visible="hidden", elem_id="named-read")
    reader = gr.Textbox(visible="hidden", elem_id="reader-here")
    left_open = gr.HTML(elem_id="left-open", render=False)
    with gr.Column(elem_id="opening"):
        progress = gr.HTML("<p>Opening</p>", elem_id="opening-progress")
        stop = gr.Button("Stop", size="sm", elem_id="stop-opening")
    return StartPage(address, named, named_read, reader, left_open, progress, stop)


def _upload_box() -> UploadBox:
    uploads = gr.File(show_label=False, file_count="multiple", elem_id="uploads")
    gr.HTML(
        "<h1>Drop the files of an exam here, or click to choose them</h1>"
        "<p>DICOM, DICOMDIR, zip, PNG, TIFF or JPEG; a whole folder can be dropped too</p>",
        elem_id="drop-text",
    )
    with gr.Row(elem_id="ways"):
        folder = gr.UploadButton("choose a folder", file_count="directory", size="sm", elem_id="folder")
        gr.HTML("or try:", elem_id="or-try")
        demos = {demo: gr.Button(label, size="sm", elem_id=f"demo-{demo}") for demo, label in DEMOS.items()}
        gr.HTML('<a href="#">back to the open exam (Esc)</a>', elem_id="back-to-exam")
    message = gr.HTML(elem_id="message", render=False)
    with gr.Group(visible=False, render=False, elem_id="several") as several:
        choice = gr.Radio([], label="These files name different patients or exams. Which is it?", elem_id="which-exam")
        choose = gr.Button("Open", size="sm", elem_id="open-choice")
    question = gr.Radio([], visible=False, elem_id="question", render=False)
    return UploadBox(uploads, folder, demos, message, several, choice, choose, question)


def _prompt_box(ready_prompts: Sequence[str]) -> PromptBox:
    with gr.Column():
        prompt_set = gr.Dropdown(list(ready_prompts), label="Ready-made prompts", value=None, elem_id="prompt-set")
        typed = gr.Textbox(
            lines=5,
            label="Prompts, one a line; “positive | negative” compares two",
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
        scores = gr.HTML(elem_id="prompt-scores")
    return PromptBox(prompt_set, typed, ask, name, save, note, scores)


def _similar_box() -> SimilarBox:
    gr.HTML("<h3>Similar exams of the worklist</h3>")
    with gr.Row():
        words = gr.Textbox(
            label="Like this exam, or in words",
            placeholder="empty: like the open exam",
            max_lines=1,
            elem_id="alike-words",
            scale=4,
        )
        find = gr.Button("Find", elem_id="alike", scale=1)
    number = gr.Number(None, visible="hidden", elem_id="alike-number")
    note, table = gr.HTML(elem_id="alike-said"), gr.HTML(elem_id="alike-table")
    open_ = gr.Button("Read the framed exam", size="sm", elem_id="alike-open")
    return SimilarBox(words, find, number, open_, note, table)


def _files_table() -> FilesTable:
    table = gr.HTML(elem_id="file-table")
    file = gr.Dropdown([], label="Correct a file", elem_id="which-file")
    view = gr.Radio(VIEW_CHOICES, label="It is", elem_id="which-view")
    score_for_processing = gr.Checkbox(False, label="Score FOR PROCESSING images too", elem_id="ask-anyway")
    return FilesTable(table, file, view, score_for_processing)
