"""The part of the Fine-tune page that watches the stored exams for drift: a job, sentences, and a plot by month."""

from __future__ import annotations

from datetime import date
from typing import Any, NamedTuple

import gradio as gr

from mvmlm.site.drift import DriftReport
from mvmlm.store.records import SiteVersion
from mvmlm.store.store import Store

from ..drift_plot import drift
from ..markup import template
from ..wiring import connect
from .site_versions import JobBox, SiteJobEvents, lay_out_job, lay_out_task, refused

NOT_WATCHED = (
    '<p class="none">These scores are not watched yet. Choose the last day of a reference period, then run.</p>'
)
UNREADABLE = '<p class="wrong">The last watch cannot be read. Run it again.</p>'
KEPT = "kept: {}"
EXAMPLE = "2026-06-30"
ALL = "all "
MOST_ALARMS = 6  # that are shown at once
_SENTENCES = template("""\
<p class="source">Watch {{ number }} of {{ made }}, {{ title }}: {{ exams }} exams, reference period until {{ end }}. \
Research use only.</p>
{% for sentence in alarms[:most] %}<p class="wrong">{{ sentence }}</p>
{% endfor %}
{% if alarms[most:] %}
<details><summary>{{ alarms[most:]|length }} more alarm{{ "s" if alarms[most + 1:] }}</summary>
{% for sentence in alarms[most:] %}<p class="wrong">{{ sentence }}</p>
{% endfor %}
</details>
{% endif %}
{% for sentence in sentences %}<p{% if loop.first and not alarms %} class="good"{% endif %}>{{ sentence }}</p>
{% endfor %}
{% for sentence in notes %}<p class="source">{{ sentence }}</p>
{% endfor %}
""")


class WatchBox(NamedTuple):
    """The controls of the part. end: the last day of the reference period. group: whose exams the plot shows."""

    job: JobBox
    end: gr.Textbox
    sentences: gr.HTML
    group: gr.Dropdown
    plot: gr.Plot


class WatchEvents(SiteJobEvents):
    """Its event handlers."""

    kind = "watch"

    def start(self, who: str, task: str | None, end: str | None, request: gr.Request) -> list[Any]:
        """Queue a watch; return a message and the updates of the job's bar. end: empty keeps the reference period."""
        end = (end or "").strip()
        try:
            day = date.fromisoformat(end).isoformat() if end else ""
        except ValueError:
            return refused(ValueError(f"“{end}” is not a date. Give the last day of the reference period: {EXAMPLE}."))
        return self.queue(who, request, task=task or "", reference_end=day)

    def show(self, task: str | None, group: str | None) -> tuple[str, gr.Dropdown, gr.Plot, gr.Textbox]:
        """Return what the task's newest watch says, the choice of its groups, its plot, and the field of its reference.

        group: the one that is chosen; it stays chosen where the watch has it.
        """
        version = self._newest(task or "")
        nothing = gr.Dropdown(visible=False), gr.Plot(visible=False), gr.Textbox(placeholder=EXAMPLE)
        if version is None:
            return NOT_WATCHED, *nothing
        try:
            report = DriftReport.from_json(version.record["report"])
            said = self._sentences(version, report)
        except (KeyError, ValueError):
            return UNREADABLE, *nothing
        choices = [(f"{by}: {name}" if name else "All exams", f"{by} {name}") for by, name in report.groups]
        chosen = group if group in [value for _, value in choices] else ALL
        end = gr.Textbox(placeholder=KEPT.format(report.reference_end))
        plot = gr.Plot(value=drift(report, *chosen.split(" ", 1)), visible=True)
        return said, gr.Dropdown(choices=choices, value=chosen, visible=True), plot, end

    def draw(self, task: str | None, group: str | None) -> gr.Plot:
        """Return the plot of another group."""
        return self.show(task, group)[2]

    def _newest(self, task: str) -> SiteVersion | None:
        from mvmlm.finetuning.drift_watch import watches_of

        return next(iter(watches_of(self.store, self.get_predictor(), task)), None)

    def _sentences(self, version: SiteVersion, report: DriftReport) -> str:
        newest_first = sorted(report.alarms, key=lambda alarm: alarm.period, reverse=True)
        alarms = [alarm.sentence for alarm in newest_first]
        return _SENTENCES.render(
            number=version.id,
            made=version.created[:10],
            title=self.titles().get(version.task, version.task),
            exams=f"{version.record['exams']:,}",
            end=report.reference_end,
            alarms=alarms,
            most=MOST_ALARMS,
            sentences=[sentence for sentence in report.sentences if sentence not in alarms],
            notes=version.record["notes"],
        )


def lay_out_watch(store: Store) -> WatchBox:
    """Lay out the part."""
    with gr.Accordion("Watch for drift", open=False, elem_id="watch-box"):
        with gr.Row():
            task = lay_out_task(store, "watch")
            end = gr.Textbox(
                label="Reference period until", placeholder=EXAMPLE, max_lines=1, elem_id="watch-end", scale=3
            )
            start = gr.Button("Run", elem_id="watch", scale=2, min_width=100)
        job = lay_out_job("watch", task, start)
        sentences = gr.HTML(elem_id="watch-sentences", min_height=0)
        group = gr.Dropdown([], label="Exams", visible=False, interactive=True, elem_id="watch-group")
        plot = gr.Plot(show_label=False, visible=False, elem_id="watch-plot")
    return WatchBox(job, end, sentences, group, plot)


def connect_watch(box: WatchBox, events: WatchEvents, who: gr.Textbox, tab: gr.Tab) -> None:
    """Wire the part. who: the name of the person. tab: of the page."""
    job, chosen = box.job, [box.job.task, box.group]
    connect(job.start.click, events.start, [who, job.task, box.end], [job.message, *job.bar])
    events.jobs.connect(job.bar)
    connect(tab.select, events.jobs.show, None, list(job.bar))
    for event in (tab.select, job.bar.job.change, job.task.change):
        connect(event, events.show, chosen, [box.sentences, box.group, box.plot, box.end])
    connect(box.group.input, events.draw, chosen, box.plot)
