"""The part of the Fine-tune page that finds a threshold with a guarantee: a job, versions, and going back."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from mvmlm.site.operating_point import CONFIDENCE, CertifiedThreshold, Goal
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
    refused,
)

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

GOALS = {
    Goal.RECALL: "Recall at most, of all women",
    Goal.SENSITIVITY: "Sensitivity at least, of women with it",
    Goal.SPECIFICITY: "Specificity at least, of women without it",
}
PERCENT, HIGHEST = 90.0, 99.99
_VERSIONS = template("""\
{% for row in rows %}
<div class="operating-point{{ " chosen" if row.active }}">
<p><b>{{ row.number }}{{ row.state }}: {{ row.task }}.</b> \
{% if row.point %}Scores above {{ row.threshold }} are called back. {{ row.point.guarantee }}</p>
<table class="findings"><tbody>
{% for name, share, of in row.shares %}<tr><td>{{ name }}</td><td>{{ share }}</td><td>{{ of }}</td></tr>{% endfor %}
</tbody></table>
<p>{{ row.point.found_among_called }}{{ " All of them are phantoms: this is for phantoms alone." if row.phantoms }}</p>
{% else %}It cannot be read. Find the threshold again.</p>
{% endif %}
</div>
{% else %}
<p class="none">No threshold of this site is found yet. Nothing is called back by one.</p>
{% endfor %}
""")


class ThresholdBox(NamedTuple):
    """The controls of the part. percent: of the goal. confidence: of the guarantee, in per cent."""

    job: JobBox
    goal: gr.Dropdown
    percent: gr.Number
    confidence: gr.Number
    versions: VersionsBox


class ThresholdEvents(VersionEvents):
    """Its event handlers."""

    kind = "threshold"

    def __init__(self, store: Store, weights: str, get_predictor: Callable[[], ModelPredictor]):
        super().__init__(store, weights, get_predictor)
        self.versions = store.operating_points

    def start(
        self, who: str, task: str | None, goal: str, percent: float | None, confidence: float | None,
        request: gr.Request,
    ) -> list[Any]:  # fmt: skip
        """Queue the search for a threshold; return a message and the updates of the job's bar."""
        try:
            limit = _share("the goal", percent, 0.01)
            settings = {
                "goal": Goal(goal).value,
                "limit": limit,
                "confidence": _share("the confidence", confidence, 50),
            }
        except ValueError as error:
            return refused(error)
        return self.queue(who, request, task=task or "", **settings)

    def applied(self, title: str, number: int | None) -> str:
        """Return what is so from now on, a sentence without its end."""
        if number is None:
            return f"No threshold is applied to {title}"
        return f"Operating point {number} is applied to {title}: a breast above its threshold is marked"

    def table(self, stored: Sequence[SiteVersion]) -> str:
        """Return the operating points as HTML: guarantee, shares of the women of the site, and what is found."""
        titles = self.titles()
        return _VERSIONS.render(
            rows=[_row(found, titles.get(found.task, found.task), self.state(found)) for found in stored]
        )


def _row(stored: SiteVersion, title: str, state: str) -> dict[str, Any]:
    row = {"number": stored.id, "active": stored.active, "state": state, "task": title, "point": None}
    try:
        point = CertifiedThreshold.from_json(stored.record["operating_point"])
    except (KeyError, ValueError):
        return row
    found = {"point": point, "threshold": f"{point.threshold:.4f}", "shares": list(_shares(point))}
    return row | found | {"phantoms": stored.record.get("phantoms") is True}


def _shares(point: CertifiedThreshold) -> Iterator[tuple[str, str, str]]:
    """What the threshold does to the women of the site: name, share with interval, and of whom."""
    for name, share in point.shares.items():
        value, low, high = (f"{100 * each:.1f}" for each in (share.share, share.low, share.high))
        yield name, f"{value} % (95 % interval {low} to {high})", f"{share.count:,} of {share.cases:,} women"


def _share(name: str, percent: float | None, lowest: float) -> float:
    """A field in per cent as a share. Raises ValueError for a number out of range."""
    if percent is None or not math.isfinite(percent) or not lowest <= percent <= HIGHEST:
        raise ValueError(f"Give {name} as a number from {lowest:g} to {HIGHEST:g} per cent.")
    return percent / 100


def lay_out_threshold(store: Store) -> ThresholdBox:
    """Lay out the part."""
    with gr.Accordion("Find a threshold with a guarantee", open=False, elem_id="threshold-box"):
        with gr.Row():
            task = lay_out_task(store, "threshold")
            goals = [(title, goal.value) for goal, title in GOALS.items()]
            goal = gr.Dropdown(goals, value="sensitivity", label="Goal", elem_id="threshold-goal", scale=4)
        with gr.Row():
            percent = gr.Number(PERCENT, label="Per cent", elem_id="threshold-percent", scale=2, min_width=80)
            confidence = gr.Number(
                100 * CONFIDENCE, label="Confidence, per cent", elem_id="threshold-confidence", scale=2, min_width=80
            )
            start = gr.Button("Find threshold", elem_id="threshold", scale=3, min_width=120)
        job = lay_out_job("threshold", task, start)
        versions = lay_out_versions("Operating point", "operating-points")
    return ThresholdBox(job, goal, percent, confidence, versions)


def connect_threshold(box: ThresholdBox, events: ThresholdEvents, who: gr.Textbox, tab: gr.Tab) -> None:
    """Wire the part. who: the name of the person. tab: of the page."""
    asked = [who, box.job.task, box.goal, box.percent, box.confidence]
    connect(box.job.start.click, events.start, asked, [box.job.message, *box.job.bar])
    connect_versions(box.job, box.versions, events, who, tab)
