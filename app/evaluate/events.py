"""The event handlers of the Evaluate page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from mvmlm.evaluation.cases import CaseLevel
from mvmlm.evaluation.evaluation_report import FEW
from mvmlm.evaluation.predictions_csv import REQUIRED
from mvmlm.exchange.csv_file import CsvFile
from mvmlm.protocols.request import OWN, PHANTOMS, READINGS, TABLE, Request, report_folder
from mvmlm.store.database import StoreError
from mvmlm.store.records import Job
from mvmlm.store.store import Store
from mvmlm.store.uploads import queue_with_uploads
from mvmlm.supervisor import start_worker

from ..jobs import JobEvents, owner_of
from ..markup import problem, template
from ..privacy import discard, visitor, who_acts
from ..read.other_predictors import OtherPredictors
from ..uploads import take_uploads

MOST_TABLE_BYTES = 256 * 2**20
NO_REPORT = '<p class="none">No evaluation of yours has ended yet.</p>'
_OVERVIEW = template("""\
<p class="note">{{ report.note }}</p>
<p>{{ exams }}. Level: {{ report.level }}. 95 % intervals resample whole patients.</p>
<table class="findings"><thead><tr><th>task</th><th>model</th><th>metric</th><th>value (95 % interval)</th>
<th>cases</th><th>positive</th></tr></thead><tbody>
{% for row in rows %}
<tr><td>{{ row.task }}</td><td>{{ row.model }}</td><td>{{ row.metric }}</td><td>{{ row.value }}</td>
<td>{{ row.cases }}</td><td>{{ row.positives }}</td></tr>
{% endfor %}
</tbody></table>
{% for note in notes %}<p class="source">{{ note }}</p>{% endfor %}
<p class="reports">
<a href="/evaluation/{{ number }}/report.html" target="_blank" rel="noopener">Open the whole report</a>
<a href="/evaluation/{{ number }}/report.md" download>Markdown</a>
<a href="/evaluation/{{ number }}/report.json" download>JSON</a>
{% if predictions %}<a href="/evaluation/{{ number }}/predictions.csv" download>Predictions (CSV)</a>{% endif %}</p>
""")


class EvaluateEvents:
    """Its event handlers. weights: what the worker loads."""

    def __init__(self, store: Store, weights: str):
        self._store, self._weights = store, weights
        self._others = OtherPredictors(store, weights)
        self.jobs = JobEvents(store, ("evaluate",))

    def model_choices(self) -> list[tuple[str, str]]:
        """Return (title, name) of the app's model and of those that are on this machine."""
        return [(f"{Path(self._weights).stem}, the app's", OWN), *self._others.choices()]

    def list_models(self, chosen: Sequence[str] | None) -> gr.CheckboxGroup:
        """Return an update of the menu: the app's model and those that are on this machine."""
        choices = self.model_choices()
        kept = [name for name in chosen or () if name in {known for _, known in choices}]
        return gr.CheckboxGroup(choices=choices, value=kept)

    @staticmethod
    def show_fields(exams: str) -> list[Any]:
        """Return which fields belong to a choice of exams: words, phantoms, the table's columns, its button, models,
        and the button for exams."""
        table = exams == TABLE
        return [
            gr.Textbox(visible=exams == READINGS), gr.Number(visible=exams == PHANTOMS),
            gr.HTML(visible=table), gr.UploadButton(visible=table), gr.Column(visible=not table),
            gr.Button(visible=not table),
        ]  # fmt: skip

    def start(
        self, exams: str, words: str | None, phantoms: float | None, models: Sequence[str] | None, level: str,
        protocol: str | None, maps: float | None, request: gr.Request,
    ) -> list[Any]:  # fmt: skip
        """Queue an evaluation of exams; return a message and the updates of the job's bar."""
        try:
            wanted = Request(
                exams, " ".join((words or "").split()), int(phantoms or 0), tuple(models or ()), level, protocol or "",
                int(maps or 0),
            )  # fmt: skip
            self._store.jobs.add("evaluate", wanted.to_json(), who_acts(request), owner_of(request))
            start_worker(self._store, self._weights)
            return ["", *self.jobs.show(request)]
        except (StoreError, ValueError) as error:
            return [problem(error), gr.skip(), gr.skip(), gr.skip()]

    def start_table(self, path: str | None, level: str, request: gr.Request) -> list[Any]:
        """Queue the evaluation of an uploaded table; return no upload, a message, and the updates of the job's bar."""
        kept = gr.skip(), gr.skip(), gr.skip()
        if not path:
            return [None, "", *kept]
        folder = take_uploads([path], visitor(request))
        try:
            (table,) = folder.iterdir()
            if table.suffix.lower() != ".csv" or table.stat().st_size > MOST_TABLE_BYTES:
                return [None, problem("Choose a predictions table: a .csv file of at most 256 MB."), *kept]
            CsvFile(table, REQUIRED)  # what is wrong with its columns is said here, to the visitor; a job is kept
            wanted = Request(TABLE, models=(), level=level)
            queue_with_uploads(self._store, "evaluate", folder, wanted.to_json(), who_acts(request), owner_of(request))
            start_worker(self._store, self._weights)
            return [None, "", *self.jobs.show(request)]
        except (StoreError, ValueError) as error:
            return [None, problem(error), *kept]
        finally:
            discard(folder)

    def list_reports(self, chosen: int | None, request: gr.Request) -> gr.Dropdown:
        """Return an update of the choice of the visitor's reports, the newest first."""
        jobs = self._own_jobs(request)
        choices = [(f"{job.id}: {Request.from_json(job.settings).in_words.partition(': ')[2]}", job.id) for job in jobs]
        numbers = [job.id for job in jobs]
        return gr.Dropdown(choices=choices, value=chosen if chosen in numbers else next(iter(numbers), None))

    def newest_report(self, request: gr.Request) -> gr.Dropdown:
        """Return `list_reports` with the newest one chosen."""
        return self.list_reports(None, request)

    def show_report(self, number: int | None, request: gr.Request) -> str:
        """Return the overview of a report as HTML."""
        if number not in [job.id for job in self._own_jobs(request)]:
            return NO_REPORT
        assert number is not None
        folder = report_folder(self._store, number)
        try:
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        except OSError:
            return problem(f"The files of evaluation {number} are gone from the data folder. Evaluate again.")
        return _overview(report, number, (folder / "predictions.csv").is_file())

    def _own_jobs(self, request: gr.Request) -> list[Job]:
        return self._store.jobs.done_by("evaluate", owner_of(request)) if visitor(request) else []


def _overview(report: dict[str, Any], number: int, predictions: bool) -> str:
    rows = [
        {
            "task": result["title"],
            "model": result["model"] or "not named",
            "metric": result["measures"][0]["name"],
            "value": _interval(result["measures"][0]["estimate"]) + (f", {FEW}" if result["few"] else ""),
            "cases": CaseLevel(result["level"]).counted(result["cases"]),
            "positives": "" if result["confusion"] else f"{result['positives']:,}",
        }
        for result in report["results"]
    ]
    run = report["run"]
    notes = [*(run["notes"] if run else ()), *report["problems"]]
    return _OVERVIEW.render(
        report=report, rows=rows, number=number, predictions=predictions, notes=notes,
        exams=run["exams"] if run else f"The table {report['data']}",
    )  # fmt: skip


def _interval(estimate: dict[str, float | None]) -> str:
    value, low, high = (estimate[name] for name in ("value", "low", "high"))
    if value is None:
        return "undefined"
    return f"{value:.3f}" if low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"
