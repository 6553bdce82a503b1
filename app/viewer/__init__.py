"""The four-up viewer as one gr.HTML component: a static template, filled in the browser by the built bundle.

The template holds no value, for a template is code (see app/markup.py): names and file texts arrive as data and are
set with textContent. Pixels come from `shelf.Shelf`'s routes, never through an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality, View
from mvmlm.preprocess import nipple_of
from mvmlm.reading import Mark

from ..pictures import lines_of, mirrored
from .shelf import PREVIEW, Shelf, limits, value_range, windows_of

_HERE = Path(__file__).parent


def four_up_viewer() -> gr.HTML:
    """value: `viewports`; prop maps: {view name: layer} of `pictures.map_layer`; prop badges: {view name: text}."""
    return gr.HTML(
        value={},
        maps={},
        badges={},
        html_template='<div class="reading-room" role="group" aria-label="Mammograms"></div>',
        css_template=(_HERE / "viewer.css").read_text(),
        js_on_load=(_HERE / "start.js").read_text(),
        elem_id="viewer",
        apply_default_css=False,
    )


MAX_MARKS = 200
LABELS = ("mass", "calcification", "asymmetry", "distortion", "other")


def marks_of(sent: object, exam: Exam) -> tuple[Mark, ...]:
    """The marks a browser sent, each checked. Raises ValueError: nothing of a message that is not understood is kept."""
    if not isinstance(sent, list) or len(sent) > MAX_MARKS:
        raise ValueError(f"expected at most {MAX_MARKS} marks")
    marks = []
    for row in sent:
        mark = Mark.of(row)
        if mark.view not in exam.views or mark.label not in LABELS:
            raise ValueError("a mark on a view or with a label that is not known")
        rows, columns = exam.views[mark.view].pixels.shape
        held = [(min(max(x, -0.5), columns - 0.5), min(max(y, -0.5), rows - 0.5)) for x, y in mark.points]  # a mark ends where its picture ends
        marks.append(mark._replace(points=tuple((round(x, 2), round(y, 2)) for x, y in held)))
    return tuple(marks)


def viewports(exam: Exam | None, shelf: Shelf, owner: str, marks: Sequence[Mark] = ()) -> tuple[dict, str]:
    """-> what the viewer shows, in hanging order, extra views last, and the name under which the shelf holds the pixels.

    A missing view is a viewport without pixels that says so. ({}, "") without an exam.
    """
    if exam is None:
        return {}, ""
    held = [exam.views[name] for name in STANDARD_VIEWS if name in exam.views] + list(exam.extra)
    token = shelf.put(tuple(held), owner)
    ports = [_port(view, f"viewer/{token}/{index}/") for index, view in enumerate(held)]
    for port, view in zip(ports, held, strict=True):
        port["extra"] = not (view.name in exam.views and exam.views[view.name] is view)
    shown = {port["view"]: port for port in ports if not port["extra"]}
    ordered = [shown.get(str(name)) or _missing(name) for name in STANDARD_VIEWS]
    ports = ordered + [port for port in ports if port["extra"]]
    return {"exam": token, "ports": ports, "marks": [mark.plain() for mark in marks]}, token


def _port(view: View, address: str) -> dict:
    low, high = value_range(view)
    rows, columns = view.pixels.shape
    offered = []
    for number, window in enumerate(windows_of(view)):
        offered.append({"name": window.name, "limits": limits(view, window), "pixels": f"{address}window-{number}"})
    return {
        "view": str(view.name) if view.name else "",
        "name": f"{view.name.laterality.value} {view.name.projection.value}" if view.name else "view not told",
        "chest_wall": "right" if view.name and view.name.laterality is Laterality.RIGHT else "left",
        "address": address,
        "rows": rows,
        "columns": columns,
        "preview": [max(1, rows // PREVIEW), max(1, columns // PREVIEW)],
        "spacing": [view.spacing.row_mm, view.spacing.column_mm] if view.spacing else None,
        "spacing_kind": view.spacing.kind.value if view.spacing else "pixels",
        "flip_columns": mirrored(view),
        "flip_rows": not view.head_up,
        "nipple": nipple_of(view) if view.name else None,
        "values": [low, high],
        "inverted": bool(view.inverted),
        "windows": offered,
        "lines": lines_of(view),
    }


def _missing(name) -> dict:
    spoken = f"{name.laterality.value} {name.projection.value}"
    side = "right" if name.laterality is Laterality.RIGHT else "left"
    return {"view": str(name), "name": spoken, "chest_wall": side, "address": "", "lines": ["missing"], "extra": False}
