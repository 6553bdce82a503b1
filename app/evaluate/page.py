"""The Evaluate page, in three steps: the exams, the models, and the reports."""

from __future__ import annotations

from typing import NamedTuple

import gradio as gr

from mvmlm.evaluation.cases import CaseLevel
from mvmlm.protocols.presets import PROTOCOLS
from mvmlm.protocols.request import OWN, PHANTOMS, READINGS, TABLE
from mvmlm.store.store import Store

from ..jobs import JobBar, lay_out_job_bar
from ..wiring import connect
from .events import NO_REPORT, EvaluateEvents

EXAMS = [
    ("Signed readings of the store", READINGS),
    ("New phantom exams, whose truth is known", PHANTOMS),
    ("A predictions table made elsewhere (CSV)", TABLE),
]
ABOUT_TABLE = (
    "Columns: exam, patient, laterality, task, class, score, label; for risk years and event. Optional: view, split, "
    "model, density, age, vendor. The report is yours alone; the table is deleted when it is done."
)


class _Controls(NamedTuple):
    """What is evaluated, in the order of `EvaluateEvents.start`."""

    exams: gr.Radio
    words: gr.Textbox
    phantoms: gr.Number
    models: gr.CheckboxGroup
    level: gr.Dropdown
    protocol: gr.Dropdown
    maps: gr.Number


class _Start(NamedTuple):
    """How it is started. columns: those that a table needs."""

    columns: gr.HTML
    table: gr.UploadButton
    chosen_models: gr.Column
    button: gr.Button
    message: gr.HTML
    bar: JobBar


def evaluate_page(store: Store, weights: str, tab: gr.Tab) -> None:
    """Lay out and wire the page. weights: what the worker loads. tab: of this page."""
    events = EvaluateEvents(store, weights)
    with gr.Row(elem_id="evaluate-steps"):
        with gr.Column(scale=4, min_width=380):
            controls, start = _lay_out_question(events.model_choices())
        with gr.Column(scale=6, min_width=480, elem_classes="step"):
            gr.HTML("<h3><b>3</b> Reports</h3>")
            choice = gr.Dropdown([], label="Report", elem_id="report-choice", interactive=True)
            report = gr.HTML(NO_REPORT, elem_id="evaluation-report")
    fields = [controls.words, controls.phantoms, start.columns, start.table, start.chosen_models, start.button]
    connect(controls.exams.change, events.show_fields, controls.exams, fields)
    connect(start.button.click, events.start, list(controls), [start.message, *start.bar])
    asked = [start.table, start.message, *start.bar]
    connect(start.table.upload, events.start_table, [start.table, controls.level], asked)
    events.jobs.connect(start.bar)
    connect(start.bar.job.change, events.newest_report, None, choice)
    connect(choice.change, events.show_report, choice, report)
    connect(tab.select, events.list_models, controls.models, controls.models)
    connect(tab.select, events.jobs.show, None, list(start.bar))
    connect(tab.select, events.list_reports, choice, choice)


def _lay_out_question(choices: list[tuple[str, str]]) -> tuple[_Controls, _Start]:
    with gr.Column(elem_classes="step"):
        gr.HTML("<h3><b>1</b> Exams</h3>")
        exams = gr.Radio(EXAMS, value=READINGS, show_label=False, elem_id="evaluate-exams")
        words = gr.Textbox(label="Search, as in the worklist", max_lines=1, elem_id="evaluate-words")
        phantoms = gr.Number(200, label="Phantom exams", precision=0, visible=False, elem_id="evaluate-phantoms")
        columns = gr.HTML(f'<p class="source">{ABOUT_TABLE}</p>', visible=False, elem_id="evaluate-columns")
    with gr.Column(elem_classes="step"):
        gr.HTML("<h3><b>2</b> Models and level</h3>")
        with gr.Column(elem_classes="models") as chosen_models:
            models = gr.CheckboxGroup(choices, value=[OWN], show_label=False, elem_id="evaluate-models")
            protocols = [
                ("none: what the models answer", ""),
                *((f"{p.name}: {p.source}", p.name) for p in PROTOCOLS.values()),
            ]
            protocol = gr.Dropdown(protocols, value="", label="Protocol", elem_id="evaluate-protocol")
            maps = gr.Number(
                0, label="Maps measured of so many exams with known places", precision=0, elem_id="evaluate-maps"
            )
        levels = [(level.value, level.value) for level in CaseLevel]
        level = gr.Dropdown(levels, value=CaseLevel.BREAST.value, label="A case is a", elem_id="evaluate-level")
        button = gr.Button("Evaluate", variant="primary", elem_id="evaluate")
        table = gr.UploadButton(
            "Choose the table", file_types=[".csv"], visible=False, variant="primary", elem_id="evaluate-table"
        )
        message = gr.HTML(elem_id="evaluate-said", min_height=0)
        bar = lay_out_job_bar("evaluate", "Stop")
    return (
        _Controls(exams, words, phantoms, models, level, protocol, maps),
        _Start(columns, table, chosen_models, button, message, bar),
    )
