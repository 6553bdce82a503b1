"""Plotly figures: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

if TYPE_CHECKING:
    from mvmlm.inference.prediction import Prediction

LAYOUT: dict[str, Any] = dict(
    margin=dict(l=10, r=10, t=34, b=10),
    paper_bgcolor="rgba(0,0,0,0)",
    plot_bgcolor="rgba(0,0,0,0)",
    font=dict(color="#8a919e", size=12),
)
GRID: dict[str, Any] = dict(gridcolor="rgba(128,128,128,.25)", zeroline=False)
ORANGE, BLUE, GREY = "#e08a00", "#3b82c4", "#9aa3b2"


def risk_curve(prediction: Prediction) -> go.Figure:
    """Return the cumulative cancer risk for years 1 to 5, in percent, apart from cancer that is present now."""
    rows = [a for a in prediction.answers if a.task == "risk" and a.by == "head"]
    figure = go.Figure()
    if rows:
        figure.add_scatter(
            x=[int(a.class_) for a in rows],
            y=[100 * a.probability for a in rows],
            mode="lines+markers+text",
            text=[f"{100 * a.probability:.1f} %" for a in rows],
            textposition="top center",
            line=dict(color=ORANGE, width=3),
            hovertemplate="within %{x} years: %{y:.1f} %<extra>"
            + plain(f"{prediction.model} {prediction.version}")
            + "</extra>",
        )
    else:
        figure.add_annotation(text="not trained", showarrow=False, x=3, y=50)
    top = max([100 * a.probability for a in rows], default=10)
    figure.update_layout(
        title="Cancer risk after this exam, apart from cancer now", height=260, showlegend=False, **LAYOUT
    )
    figure.update_xaxes(title="years", dtick=1, range=[0.7, 5.4], **GRID)
    figure.update_yaxes(title="%, cumulative", range=[0, min(105, top * 1.35 + 1)], **GRID)
    return figure


def plain(words: str) -> str:
    """Return typed text escaped: Plotly interprets some HTML tags in its labels."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def finetuning_curve(curve: Mapping[str, Any]) -> go.Figure:
    """Return the cross-validated score by penalty, beside the loss of the last fit by step.

    curve: "penalties" and "scores" of equal length, and "losses".
    """
    figure = make_subplots(rows=1, cols=2, subplot_titles=("cross-validated score", "loss of the fit"))
    figure.add_scatter(
        x=[f"{penalty:g}" for penalty in curve["penalties"]],
        y=curve["scores"],
        mode="lines+markers",
        line=dict(color=ORANGE),
        row=1,
        col=1,
    )
    figure.add_scatter(y=curve["losses"], mode="lines", line=dict(color=BLUE), row=1, col=2)
    figure.update_layout(height=240, showlegend=False, **LAYOUT)
    figure.update_xaxes(title="penalty", row=1, col=1, **GRID)
    figure.update_xaxes(title="step", row=1, col=2, **GRID)
    figure.update_yaxes(**GRID)
    return figure


def roc(curves: Mapping[str, Any]) -> go.Figure:
    """Return the ROC curves of the new and the old head on the test cases, each with its pointwise 95 % band.

    curves: "old" and "new", each with x, y, low and high, or without a curve.
    """
    figure = go.Figure()
    for name, tint, band in (("old", GREY, "rgba(154,163,178,.18)"), ("new", ORANGE, "rgba(224,138,0,.2)")):
        curve = curves.get(name)
        if curve:
            figure.add_scatter(
                x=curve["x"] + curve["x"][::-1],
                y=curve["high"] + curve["low"][::-1],
                fill="toself",
                fillcolor=band,
                line=dict(width=0),
                hoverinfo="skip",
                showlegend=False,
            )
            figure.add_scatter(
                x=curve["x"], y=curve["y"], mode="lines", name=f"{name} head", line=dict(color=tint, width=3)
            )
    _add_diagonal(figure)
    figure.update_layout(title="Test cases: ROC with 95 % band", height=360, **LAYOUT)
    figure.update_xaxes(title="1 − specificity", range=[0, 1], **GRID)
    figure.update_yaxes(title="sensitivity", range=[0, 1.02], **GRID)
    return figure


def calibration(curves: Mapping[str, Any]) -> go.Figure:
    """Return the observed share of positives by predicted probability, before and after scaling (cross-validated).

    curves: "before" and "after", each with "said" (the predicted probabilities), "found" (the shares) and "error".
    """
    figure = go.Figure()
    for name, tint in (("before", GREY), ("after", ORANGE)):
        curve = curves[name]
        figure.add_scatter(
            x=curve["said"],
            y=curve["found"],
            mode="lines+markers",
            name=f"{name} scaling (error {curve['error']:.2f})",
            line=dict(color=tint),
        )
    _add_diagonal(figure)
    figure.update_layout(title="Calibration", height=360, **LAYOUT)
    figure.update_xaxes(title="predicted probability", range=[0, 1], **GRID)
    figure.update_yaxes(title="observed share", range=[0, 1.02], **GRID)
    return figure


def _add_diagonal(figure: go.Figure) -> None:
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line=dict(color="rgba(128,128,128,.5)", dash="dot"),
        showlegend=False,
        hoverinfo="skip",
    )
