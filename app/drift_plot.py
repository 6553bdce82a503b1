"""The Plotly figure of a watch for drift: three rows over the months."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mvmlm.site.drift import Alarm, DriftReport
from mvmlm.site.drift_figures import PeriodFigures

from .plots import BLUE, GREY, GRID, LAYOUT, ORANGE, plain

ALARM = "#e0756a"
ROWS = {
    "unlike": "Exams unlike known mammograms, % with 95 % interval",
    "scores": "Score: median and quartiles",
    "events": "Positive exams: labels with 95 % interval, and sum of calibrated probabilities",
}
NOTHING = {
    "unlike": "too few exams, or not measured",
    "scores": "too few exams",
    "events": "too few exams with a label and a calibrated probability",
}
HEIGHT = 560


def drift(report: DriftReport, by: str, group: str) -> go.Figure:
    """Return the figures of a group by month; alarms are marked, and the reference period is a dotted line.

    by, group: as in `PeriodFigures`.
    """
    before, *periods, _ = (figures for figures in report.figures if (figures.by, figures.group) == (by, group))
    figure = make_subplots(
        rows=3, cols=1, shared_xaxes=True, vertical_spacing=0.09, subplot_titles=tuple(ROWS.values())
    )
    figure.update_annotations(font=dict(size=12), x=0, xanchor="left")
    _add_unlike(figure, periods, before)
    _add_scores(figure, periods, before)
    _add_events(figure, periods)
    _mark(figure, [alarm for alarm in report.alarms if (alarm.by, alarm.group) == (by, group)], periods)
    months = _months(periods)
    figure.update_layout(
        height=HEIGHT,
        legend=dict(orientation="h", y=-0.07, x=0, font=dict(size=12)),
        bargap=0.6,
        **LAYOUT | dict(margin=dict(l=10, r=88, t=34, b=10)),
    )
    figure.update_xaxes(
        type="category",
        categoryorder="array",
        categoryarray=months,
        range=[-0.6, len(months) - 0.4],
        tickangle=0,
        **GRID,
    )
    figure.update_yaxes(rangemode="tozero", **GRID)
    return figure


def _add_unlike(figure: go.Figure, periods: Sequence[PeriodFigures], before: PeriodFigures) -> None:
    known = [(each.period, each.exams, each.unlike) for each in periods if each.unlike]
    figure.add_scatter(
        x=[period for period, _, _ in known],
        y=[100 * share.share for *_, share in known],
        error_y=_reach([(100 * share.low, 100 * share.share, 100 * share.high) for *_, share in known], BLUE),
        customdata=[[share.count, share.cases] for *_, share in known],
        hovertemplate="%{x}: %{y:.1f} %, %{customdata[0]} of %{customdata[1]} exams<extra></extra>",
        mode="markers", marker=dict(color=BLUE, size=8), showlegend=False, row=1, col=1,
    )  # fmt: skip
    _finish(figure, 1, "unlike", bool(known), 100 * before.unlike.share if before.unlike else None, "{:.1f} %")


def _add_scores(figure: go.Figure, periods: Sequence[PeriodFigures], before: PeriodFigures) -> None:
    known = [
        (each.period, each.exams, each.lower.value, each.median.value, each.upper.value)
        for each in periods
        if each.lower and each.median and each.upper
    ]
    months = [period for period, *_ in known]
    quartiles = [[exams, lower, upper] for _, exams, lower, _, upper in known]
    figure.add_bar(
        x=months, base=[lower for *_, lower, _, _ in known], y=[upper - lower for *_, lower, _, upper in known],
        marker=dict(color="rgba(59,130,196,.35)"), hoverinfo="skip", showlegend=False, row=2, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=months, y=[median for *_, median, _ in known], customdata=quartiles,
        hovertemplate="%{x}: median %{y:.3f}, quartiles %{customdata[1]:.3f} to %{customdata[2]:.3f}, "
        "%{customdata[0]} exams<extra></extra>",
        mode="markers", marker=dict(color=BLUE, size=8), showlegend=False, row=2, col=1,
    )  # fmt: skip
    _finish(figure, 2, "scores", bool(known), before.median.value if before.median else None, "{:.3f}")


def _add_events(figure: go.Figure, periods: Sequence[PeriodFigures]) -> None:
    known = [(each.period, each.events) for each in periods if each.events]
    months = [period for period, _ in known]
    reach = [(e.ratio.low * e.expected, e.observed, e.ratio.high * e.expected) for _, e in known]
    figure.add_scatter(
        x=months, y=[events.observed for _, events in known], error_y=_reach(reach, ORANGE), name="labels",
        customdata=[[events.exams] for _, events in known],
        hovertemplate="%{x}: %{y} positive of %{customdata[0]} exams with a label<extra></extra>",
        mode="markers", marker=dict(color=ORANGE, size=8), showlegend=bool(known), row=3, col=1,
    )  # fmt: skip
    figure.add_scatter(
        x=months, y=[events.expected for _, events in known], name="sum of calibrated probabilities",
        hovertemplate="%{x}: the probabilities say %{y:.1f}<extra></extra>",
        mode="markers", marker=dict(color=GREY, size=14, symbol="line-ew-open", line=dict(width=3)),
        showlegend=bool(known), row=3, col=1,
    )  # fmt: skip
    _finish(figure, 3, "events", bool(known), None, "")


def _reach(values: Sequence[tuple[float, float, float]], tint: str) -> dict[str, Any]:
    """Error bars from (low, value, high)."""
    return dict(
        array=[high - value for _, value, high in values],
        arrayminus=[value - low for low, value, _ in values],
        color=tint, thickness=1.5, width=3,
    )  # fmt: skip


def _finish(figure: go.Figure, row: int, what: str, known: bool, before: float | None, written: str) -> None:
    """Add the line of the reference period to a row, or say that there is nothing to draw."""
    if not known:
        axis = "" if row == 1 else row
        figure.add_annotation(
            text=NOTHING[what], showarrow=False, xref=f"x{axis} domain", yref=f"y{axis} domain", x=0.5, y=0.5
        )
        figure.update_yaxes(showticklabels=False, showgrid=False, row=row, col=1)
    elif before is not None:
        figure.add_hline(
            y=before, row=row, col=1, line=dict(color=GREY, dash="dot", width=1.5),
            annotation=dict(text=f"before {written.format(before)}", font=dict(size=11), x=1.01, xanchor="left"),
            annotation_position="right",
        )  # fmt: skip


def _mark(figure: go.Figure, alarms: Sequence[Alarm], periods: Sequence[PeriodFigures]) -> None:
    """Draw a ring around what each alarm is about."""
    by_period = {figures.period: figures for figures in periods}
    for row, what in enumerate(ROWS, 1):
        of_row = [alarm for alarm in alarms if alarm.what == what]
        if of_row:
            figure.add_scatter(
                x=[alarm.period for alarm in of_row], y=[_height(by_period[alarm.period], what) for alarm in of_row],
                text=[plain(alarm.sentence) for alarm in of_row], hovertemplate="%{text}<extra></extra>",
                name="alarm", legendgroup="alarm", showlegend=alarms[0].what == what,
                mode="markers", marker=dict(color=ALARM, size=17, symbol="circle-open", line=dict(width=3)),
                row=row, col=1,
            )  # fmt: skip


def _height(figures: PeriodFigures, what: str) -> float | None:
    """Where a figure is drawn."""
    if what == "unlike":
        return 100 * figures.unlike.share if figures.unlike else None
    if what == "scores":
        return figures.median.value if figures.median else None
    return figures.events.observed if figures.events else None


def _months(periods: Sequence[PeriodFigures]) -> list[str]:
    """Every month from the first to the last, also those without exams."""
    numbers = [12 * int(year) + int(month) - 1 for year, month in (each.period.split("-") for each in periods)]
    months = range(min(numbers), max(numbers) + 1) if numbers else ()
    return [f"{month // 12}-{month % 12 + 1:02d}" for month in months]
