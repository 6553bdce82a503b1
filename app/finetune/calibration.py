"""The part of the Fine-tune page that calibrates scores to the site's own labels: a job, versions, and going back."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from mvmlm.store.database import StoreError
from mvmlm.store.readers import clean_reader
from mvmlm.store.records import SiteVersion
from mvmlm.store.store import Store
from mvmlm.supervisor import start_worker
from mvmlm.tasks import Kind, Level

from ..jobs import JobBar, JobEvents, lay_out_job_bar, owner_of
from ..markup import paragraph, problem, template
from ..wiring import connect

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

TITLES = {
    "brier": "Brier score",
    "log_loss": "log loss",
    "ece": "calibration error",
    "slope": "slope",
    "intercept": "intercept",
}
_VERSIONS = template("""\
{% if rows %}
<table class="findings"><thead><tr><th></th><th>task</th><th>method</th><th>breasts, patients, positive</th>
{% for title in titles %}<th>{{ title }}: before → after</th>{% endfor %}</tr></thead><tbody>
{% for row in rows %}
<tr{% if row.active %} class="chosen"{% endif %}><td>{{ row.number }}{{ " applied" if row.active }}</td>
<td>{{ row.task }}</td><td>{{ row.method }}</td><td>{{ row.cases }}</td>
{% for change in row.changes %}<td title="{{ change.interval }}">{{ change.text }}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table>
<p class="source">After: cross-fitted, each breast by a calibration that did not see its patient. Point at a number for
its 95 % interval.</p>
{% else %}
<p class="none">Nothing is calibrated to this site yet. Scores are shown as scores.</p>
{% endif %}
""")


class _Change(NamedTuple):
    """A figure before and after, and the interval of the one after."""

    text: str
    interval: str


class CalibrationBox(NamedTuple):
    """The controls of the part."""

    task: gr.Dropdown
    start: gr.Button
    message: gr.HTML
    bar: JobBar
    versions: gr.HTML
    choice: gr.Dropdown
    apply: gr.Button
    none: gr.Button


class CalibrationEvents:
    """Its event handlers. weights: what the worker loads."""

    def __init__(self, store: Store, weights: str, get_predictor: Callable[[], ModelPredictor]):
        self._store, self._weights, self._get_predictor = store, weights, get_predictor
        self.jobs = JobEvents(store, ("calibrate",))

    def start(self, who: str, task: str | None, request: gr.Request) -> list[Any]:
        """Queue a calibration; return a message and the updates of the job's bar."""
        try:
            settings = {"task": task or "", "who": clean_reader(who)}
            self._store.jobs.add("calibrate", settings, clean_reader(who), owner_of(request))
            start_worker(self._store, self._weights)
            return ["", *self.jobs.show(request)]
        except StoreError as error:
            return [problem(error), gr.skip(), gr.skip(), gr.skip()]

    def show(self) -> tuple[str, gr.Dropdown]:
        """Return the table of calibrations of the weights that are loaded, and the choice of them."""
        stored = self._store.calibrations.all(self._get_predictor().weights)
        titles = {task.name: task.title for task in self._store.tasks}
        rows = [self._row(found, titles.get(found.task, found.task)) for found in stored]
        choices = [(f"{found.id}: {titles.get(found.task, found.task)}", found.id) for found in stored]
        return _VERSIONS.render(rows=rows, titles=TITLES.values()), gr.Dropdown(choices=choices, value=None)

    def apply(self, who: str, number: int | None) -> str:
        """Apply a calibration from now on; return a message."""
        return self._change(who, number, on=True)

    def apply_none(self, who: str, number: int | None) -> str:
        """Apply none to the task of a calibration from now on; return a message."""
        return self._change(who, number, on=False)

    def _change(self, who: str, number: int | None, on: bool) -> str:
        if number is None:
            return problem("Choose a calibration first.")
        try:
            found = self._store.calibrations.get(number)
            self._store.calibrations.activate(number if on else None, found.task, found.weights, clean_reader(who))
        except StoreError as error:
            return problem(error)
        said = f"Calibration {number} is applied to {found.task}" if on else f"{found.task} is shown as a score"
        return paragraph(f"{said} from now on.")

    @staticmethod
    def _row(stored: SiteVersion, title: str) -> dict[str, Any]:
        found, change = stored.record["calibration"], stored.record["before_after"]
        return {
            "number": stored.id,
            "active": stored.active,
            "task": title,
            "method": found["curve"]["method"],
            "cases": f"{found['cases']}, {found['patients']}, {found['positives']}",
            "changes": [_change(change[name]) for name in TITLES],
        }


def _change(change: dict[str, Any]) -> _Change:
    before, after = (_number(change[when]["value"]) for when in ("before", "after"))
    low, high = (_number(change["after"][end]) for end in ("low", "high"))
    return _Change(f"{before} → {after}", f"after: {low} to {high}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def lay_out_calibration(store: Store) -> CalibrationBox:
    """Lay out the part."""
    with gr.Accordion("Calibrate scores to your site", open=False, elem_id="site-box"):
        tasks = [
            (task.title, task.name) for task in store.tasks if task.kind is Kind.BINARY and task.level is Level.BREAST
        ]
        with gr.Row():
            task = gr.Dropdown(tasks, value="malignancy", label="Task", elem_id="calibrate-task", scale=3)
            start = gr.Button("Calibrate", elem_id="calibrate", scale=2, min_width=120)
        message = gr.HTML(elem_id="calibrate-said", min_height=0)
        bar = lay_out_job_bar("calibrate", "Stop")
        versions = gr.HTML(elem_id="calibrations")
        with gr.Row():
            choice = gr.Dropdown([], label="Calibration", elem_id="calibration-choice", interactive=True, scale=3)
            apply = gr.Button("Apply", size="sm", elem_id="calibration-apply", scale=1)
            none = gr.Button("Apply none", size="sm", elem_id="calibration-none", scale=1)
    return CalibrationBox(task, start, message, bar, versions, choice, apply, none)


def connect_calibration(box: CalibrationBox, events: CalibrationEvents, who: gr.Textbox, tab: gr.Tab) -> None:
    """Wire the part. who: the name of the person. tab: of the page."""
    shown = [box.versions, box.choice]
    connect(box.start.click, events.start, [who, box.task], [box.message, *box.bar])
    events.jobs.connect(box.bar)
    for event in (tab.select, box.bar.job.change):
        connect(event, events.show, None, shown)
    connect(tab.select, events.jobs.show, None, list(box.bar))
    for button, handler in ((box.apply, events.apply), (box.none, events.apply_none)):
        done = connect(button.click, handler, [who, box.choice], box.message)
        connect(done.then, events.show, None, shown)
