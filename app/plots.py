"""Plotly figures: data in, figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import plotly.graph_objects as go
from plotly.subplots import make_subplots

if TYPE_CHECKING:
    from mvmlm.inference.prediction import Prediction, PromptScore

_LOOK = dict(
    margin=dict(l=10, r=10, t=34, b=10), paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)",
    font=dict(color="#8a919e", size=12),
)  # fmt: skip
_GRID = dict(gridcolor="rgba(128,128,128,.25)", zeroline=False)


def risk_curve(prediction: Prediction) -> go.Figure:
    """Cumulative cancer risk of the exam, years 1 to 5. Cancer that is in the pictures now is another question."""
    rows = [a for a in prediction.answers if a.task == "risk" and a.by == "head"]
    figure = go.Figure()
    if rows:
        figure.add_scatter(
            x=[int(a.class_) for a in rows],
            y=[100 * a.probability for a in rows],
            mode="lines+markers+text",
            text=[f"{100 * a.probability:.1f} %" for a in rows],
            textposition="top center",
            line=dict(color="#e08a00", width=3),
            hovertemplate="within %{x} years: %{y:.1f} %<extra>"
            + _plain(f"{prediction.model} {prediction.version}")
            + "</extra>",
        )
    else:
        figure.add_annotation(text="not trained", showarrow=False, x=3, y=50)
    top = max([100 * a.probability for a in rows], default=10)
    figure.update_layout(
        title="Cancer risk after this exam, apart from cancer now", height=260, showlegend=False, **_LOOK
    )
    figure.update_xaxes(title="years", dtick=1, range=[0.7, 5.4], **_GRID)
    figure.update_yaxes(title="%, cumulative", range=[0, min(105, top * 1.35 + 1)], **_GRID)
    return figure


def prompt_chart(scores: Sequence[PromptScore]) -> go.Figure:
    """Every prompt ranked by its similarity with the exam; a mark for each view, breast and the exam."""
    exam = {s.prompt: s.similarity for s in scores if s.view is None and s.laterality is None}
    ranked = sorted(exam, key=exam.get)
    figure = go.Figure()
    figure.add_bar(
        x=[exam[p] for p in ranked], y=[_label(p) for p in ranked], orientation="h", name="exam (higher breast)",
        marker_color="rgba(224,138,0,.55)", hovertemplate="%{y}: %{x:.3f}<extra>exam</extra>",
    )  # fmt: skip
    kinds: dict[str, list[PromptScore]] = {}
    for score in scores:
        if score.laterality is not None:
            kinds.setdefault(str(score.view or f"{score.laterality.word} breast").replace("_", " "), []).append(score)
    marks = {"right breast": ("triangle-left", "#3b82c4"), "left breast": ("triangle-right", "#3b82c4")}
    shapes = {"R CC": "circle", "L CC": "circle-open", "R MLO": "square", "L MLO": "square-open"}
    for kind, own in kinds.items():
        symbol, tint = marks.get(kind, (shapes.get(kind, "x"), "#9aa3b2"))
        figure.add_scatter(
            x=[s.similarity for s in own], y=[_label(s.prompt) for s in own], mode="markers", name=kind,
            marker=dict(symbol=symbol, size=9, color=tint), hovertemplate="%{y}: %{x:.3f}<extra>" + kind + "</extra>",
        )  # fmt: skip
    height = 150 + 34 * max(len(ranked), 2)
    figure.update_layout(title="Similarity of each prompt (cosine)", height=height, **_LOOK)
    figure.update_layout(legend=dict(orientation="h", y=-0.25))
    figure.update_xaxes(**_GRID)
    figure.update_yaxes(automargin=True)
    return figure


def _label(prompt: str) -> str:
    return _plain(prompt if len(prompt) <= 60 else prompt[:57] + "…")


def _plain(words: str) -> str:
    """Plotly reads a few tags in its labels; what a person typed must stay what it is."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("$", "&#36;")


def teaching_curve(curve: Mapping) -> go.Figure:
    """Cross-validated score by penalty, and the loss of the last fit."""
    figure = make_subplots(rows=1, cols=2, subplot_titles=("cross-validated score", "loss of the fit"))
    figure.add_scatter(
        x=[f"{p:g}" for p in curve["penalties"]],
        y=curve["scores"],
        mode="lines+markers",
        line=dict(color="#e08a00"),
        row=1,
        col=1,
    )
    figure.add_scatter(y=curve["losses"], mode="lines", line=dict(color="#3b82c4"), row=1, col=2)
    figure.update_layout(height=240, showlegend=False, **_LOOK)
    figure.update_xaxes(title="penalty", row=1, col=1, **_GRID)
    figure.update_xaxes(title="step", row=1, col=2, **_GRID)
    figure.update_yaxes(**_GRID)
    return figure


def roc(curves: Mapping) -> go.Figure:
    """New and old head on the test cases, each with its pointwise 95 % band."""
    figure = go.Figure()
    for which, tint, fill in (("old", "#9aa3b2", "rgba(154,163,178,.18)"), ("new", "#e08a00", "rgba(224,138,0,.2)")):
        curve = curves.get(which)
        if curve:
            figure.add_scatter(
                x=curve["x"] + curve["x"][::-1],
                y=curve["high"] + curve["low"][::-1],
                fill="toself",
                fillcolor=fill,
                line=dict(width=0),
                hoverinfo="skip",
                showlegend=False,
            )
            figure.add_scatter(
                x=curve["x"], y=curve["y"], mode="lines", name=f"{which} head", line=dict(color=tint, width=3)
            )
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line=dict(color="rgba(128,128,128,.5)", dash="dot"),
        showlegend=False,
        hoverinfo="skip",
    )
    figure.update_layout(title="Test cases: ROC with 95 % band", height=360, **_LOOK)
    figure.update_xaxes(title="1 − specificity", range=[0, 1], **_GRID)
    figure.update_yaxes(title="sensitivity", range=[0, 1.02], **_GRID)
    return figure


def calibration(found: Mapping) -> go.Figure:
    """Of cases with a similar probability, how many had it; before and after scaling, cross-validated training cases."""
    figure = go.Figure()
    for which, tint in (("before", "#9aa3b2"), ("after", "#e08a00")):
        own = found[which]
        figure.add_scatter(
            x=own["said"],
            y=own["found"],
            mode="lines+markers",
            name=f"{which} scaling (error {own['error']:.2f})",
            line=dict(color=tint),
        )
    figure.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line=dict(color="rgba(128,128,128,.5)", dash="dot"),
        showlegend=False,
        hoverinfo="skip",
    )
    figure.update_layout(title="Calibration", height=360, **_LOOK)
    figure.update_xaxes(title="said", range=[0, 1], **_GRID)
    figure.update_yaxes(title="found", range=[0, 1.02], **_GRID)
    return figure
