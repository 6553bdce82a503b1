"""The part of the Fine-tune page that calibrates scores to the site's own labels: a job, versions, and going back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from mvmlm.site.stored_calibration import calibration_facts
from mvmlm.store.records import SiteVersion
from mvmlm.store.store import Store

from ..markup import template
from ..wiring import connect
from .site_versions import (
    JobBox,
    VersionEvents,
    VersionsBox,
    connect_versions,
    lay_out_job,
    lay_out_task,
    lay_out_versions,
)

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

_VERSIONS = template("""\
{% if rows %}
<table class="findings"><thead><tr><th></th><th>task</th><th>method</th><th>learned from</th>
<th>before → after</th></tr></thead><tbody>
{% for row in rows %}
<tr{% if row.active %} class="chosen"{% endif %}><td>{{ row.number }}{{ row.state }}</td>
<td>{{ row.task }}</td><td>{{ row.method }}</td><td>{{ row.cases }}</td>
<td>{% for change in row.changes %}<span title="{{ change.interval }}">{{ change.title }} {{ change.text }}</span>\
{{ ", " if not loop.last }}{% endfor %}</td></tr>
{% endfor %}
</tbody></table>
<p class="source">After: cross-fitted, each case by a calibration that did not see its patient. Point at a number for
its 95 % interval.</p>
{% else %}
<p class="none">Nothing is calibrated to this site yet. Scores are shown as scores.</p>
{% endif %}
""")


class _Change(NamedTuple):
    """A figure before and after, and the interval of the one after."""

    title: str
    text: str
    interval: str


class CalibrationBox(NamedTuple):
    """The controls of the part."""

    job: JobBox
    versions: VersionsBox


class CalibrationEvents(VersionEvents):
    """Its event handlers."""

    kind = "calibrate"

    def __init__(self, store: Store, weights: str, get_predictor: Callable[[], ModelPredictor]):
        super().__init__(store, weights, get_predictor)
        self.versions = store.calibrations

    def start(self, who: str, task: str | None, request: gr.Request) -> list[Any]:
        """Queue a calibration; return a message and the updates of the job's bar."""
        return self.queue(who, request, task=task or "")

    def applied(self, title: str, number: int | None) -> str:
        """Return what is so from now on, a sentence without its end."""
        return f"{title} is shown as a score" if number is None else f"Calibration {number} is applied to {title}"

    def table(self, stored: Sequence[SiteVersion]) -> str:
        """Return the calibrations as HTML."""
        titles = self.titles()
        rows = [_row(found, titles.get(found.task, found.task), self.state(found)) for found in stored]
        return _VERSIONS.render(rows=rows)


def _row(stored: SiteVersion, title: str, state: str) -> dict[str, Any]:
    facts = calibration_facts(stored.record)
    return {
        "number": stored.id,
        "active": stored.active,
        "state": state,
        "task": title,
        "method": facts.method,
        "cases": facts.cases,
        "changes": [_change(name, change) for name, change in facts.changes.items()],
    }


def _change(title: str, change: Mapping[str, Any]) -> _Change:
    before, after = (_number(change[when]["value"]) for when in ("before", "after"))
    low, high = (_number(change["after"][end]) for end in ("low", "high"))
    return _Change(title, f"{before} → {after}", f"after: {low} to {high}")


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def lay_out_calibration(store: Store) -> CalibrationBox:
    """Lay out the part."""
    with gr.Accordion("Calibrate scores to your site", open=False, elem_id="site-box"):
        with gr.Row():
            task = lay_out_task(store, "calibrate", every=True)
            start = gr.Button("Calibrate", elem_id="calibrate", scale=2, min_width=120)
        return CalibrationBox(lay_out_job("calibrate", task, start), lay_out_versions("Calibration", "calibrations"))


def connect_calibration(box: CalibrationBox, events: CalibrationEvents, who: gr.Textbox, tab: gr.Tab) -> None:
    """Wire the part. who: the name of the person. tab: of the page."""
    connect(box.job.start.click, events.start, [who, box.job.task], [box.job.message, *box.job.bar])
    connect_versions(box.job, box.versions, events, who, tab)
