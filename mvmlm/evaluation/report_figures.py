"""The curves of an evaluation as Plotly figures. Their texts are fixed words and numbers, none from a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import plotly.graph_objects as go

from .curves import Curve

_LAYOUT: dict[str, Any] = dict(
    margin=dict(l=10, r=10, t=34, b=10), paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    font=dict(color="#4b5260", size=12), height=340, legend=dict(x=0.98, y=0.02, xanchor="right", yanchor="bottom"),
)  # fmt: skip
_GRID: dict[str, Any] = dict(gridcolor="rgba(128,128,128,.25)", zeroline=False)


class _Tint(NamedTuple):
    line: str
    band: str


_ORANGE = _Tint("#e08a00", "rgba(224,138,0,.2)")
_GREY = _Tint("#9aa3b2", "rgba(154,163,178,.18)")


def figures(curves: Mapping[str, Curve]) -> list[go.Figure]:
    """Return the figures of the curves that are defined, by the names of `TaskResult.curves`."""
    found = []
    if roc := curves.get("ROC"):
        figure = _figure("ROC", "1 − specificity", "sensitivity", [("sensitivity", roc, _ORANGE)])
        found.append(_with_line(figure, (0, 1), (0, 1)))
    if precision := curves.get("precision-recall"):
        found.append(_figure("Precision and recall", "sensitivity", "PPV", [("PPV", precision, _ORANGE)]))
    if calibration := curves.get("calibration"):
        found.append(_calibration(calibration))
    if model := curves.get("net benefit"):
        every = curves.get("net benefit of calling all", {})
        figure = _figure(
            "Decision curve", "threshold of the probability", "net benefit",
            [("calling all", every, _GREY), ("by the model", model, _ORANGE)],
        )  # fmt: skip
        figure.update_yaxes(range=_range_of_benefit(model))
        found.append(_with_line(figure, (0, max(model["x"])), (0, 0), "calling nobody"))
    return found


def _figure(title: str, x: str, y: str, curves: Sequence[tuple[str, Curve, _Tint]]) -> go.Figure:
    """Curves with their bands over axes of 0 to 1."""
    figure = go.Figure()
    for name, curve, tint in curves:
        figure.add_scatter(
            x=[*curve["x"], *curve["x"][::-1]], y=[*curve["high"], *curve["low"][::-1]], fill="toself",
            fillcolor=tint.band, line=dict(width=0), hoverinfo="skip", showlegend=False,
        )  # fmt: skip
        figure.add_scatter(x=curve["x"], y=curve["y"], mode="lines", name=name, line=dict(color=tint.line, width=3))
    figure.update_layout(title=f"{title}, with 95 % band", showlegend=len(curves) > 1, **_LAYOUT)
    figure.update_xaxes(title=x, range=[0, max(curves[0][1]["x"])], **_GRID)
    figure.update_yaxes(title=y, range=[0, 1.02], **_GRID)
    return figure


def _calibration(curve: Curve) -> go.Figure:
    """Points with error bars, because each bin is by itself; both axes reach as far as they do."""
    y, low, high = curve["y"], curve["low"], curve["high"]
    figure = go.Figure()
    figure.add_scatter(
        x=curve["x"], y=y, mode="lines+markers", line=dict(color=_ORANGE.line),
        error_y=dict(
            type="data", symmetric=False, array=[h - v for h, v in zip(high, y)],
            arrayminus=[v - bound for bound, v in zip(low, y)], color=_ORANGE.line,
        ),
    )  # fmt: skip
    top = 1.05 * max(*curve["x"], *high)
    figure.update_layout(title="Calibration, with 95 % intervals", showlegend=False, **_LAYOUT)
    figure.update_xaxes(title="predicted probability", range=[0, top], **_GRID)
    figure.update_yaxes(title="observed share", range=[0, top], **_GRID)
    return _with_line(figure, (0, top), (0, top))


def _range_of_benefit(model: Curve) -> list[float]:
    highest = max(*model["high"], 1e-3)
    return [-0.5 * highest, 1.1 * highest]


def _with_line(figure: go.Figure, x: tuple[float, float], y: tuple[float, float], name: str | None = None) -> go.Figure:
    """The figure with a dotted line of reference."""
    figure.add_scatter(
        x=x, y=y, mode="lines", name=name, showlegend=name is not None, hoverinfo="skip",
        line=dict(color="rgba(128,128,128,.7)", dash="dot"),
    )  # fmt: skip
    return figure
