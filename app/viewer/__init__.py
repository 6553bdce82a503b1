"""The four-up viewer as one gr.HTML component: a static template, filled in the browser by the built bundle.

The template holds no value, for a template is code (see app/markup.py): names and file texts arrive as data and are
set with textContent. Pixels come from `pixel_server.PixelServer`'s routes, never through an event.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import gradio as gr

from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality, View, ViewName
from mvmlm.imaging.files import shown_date
from mvmlm.imaging.preprocess import estimate_nipple
from mvmlm.reading.reading import MARK_LABELS, Mark

from ..pictures import lines_of, mirrored
from .pixel_server import PREVIEW, PixelServer, limits, value_range, windows_of

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


def marks_of(sent: object, exam: Exam) -> tuple[Mark, ...]:
    """The marks a browser sent, each checked. Raises ValueError: nothing of a message that is not understood is kept."""
    if not isinstance(sent, list) or len(sent) > MAX_MARKS:
        raise ValueError(f"expected at most {MAX_MARKS} marks")
    marks = []
    for row in sent:
        mark = Mark.from_json(row)
        if mark.view not in exam.views or mark.label not in MARK_LABELS:
            raise ValueError("a mark on a view or with a label that is not known")
        rows, columns = exam.views[mark.view].pixels.shape
        held = [
            (min(max(x, -0.5), columns - 0.5), min(max(y, -0.5), rows - 0.5)) for x, y in mark.points
        ]  # a mark ends where its picture ends
        marks.append(mark._replace(points=tuple((round(x, 2), round(y, 2)) for x, y in held)))
    return tuple(marks)


def viewports(exam: Exam | None, pixels: PixelServer, owner: str, marks: Sequence[Mark] = ()) -> tuple[dict, str]:
    """-> what the viewer shows, in hanging order, then extra views and those of the prior, and the name under which the pixel server holds the pixels.

    A missing view is a viewport without pixels that says so. ({}, "") without an exam.
    """
    if exam is None:
        return {}, ""
    before = tuple(exam.prior.views.values()) if exam.prior else ()
    held = (*exam.views.values(), *exam.extra, *before)
    roles = ["current"] * len(exam.views) + ["extra"] * len(exam.extra) + ["prior"] * len(before)
    token = pixels.put(held, owner)
    ports = [
        _port(view, f"viewer/{token}/{index}/", role)
        for index, (view, role) in enumerate(zip(held, roles, strict=True))
    ]
    shown = {port["view"]: port for port in ports if port["role"] == "current"}
    lacking = [_missing(name, "prior") for name in STANDARD_VIEWS if exam.prior and name not in exam.prior.views]
    ports = (
        [shown.get(str(name)) or _missing(name, "current") for name in STANDARD_VIEWS]
        + ports[len(exam.views) :]
        + lacking
    )
    return {"exam": token, "ports": ports, "marks": [mark.to_json() for mark in marks]}, token


def _port(view: View, address: str, role: str) -> dict:
    low, high = value_range(view)
    rows, columns = view.pixels.shape
    offered = []
    for number, window in enumerate(windows_of(view)):
        offered.append({"name": window.name, "limits": limits(view, window), "pixels": f"{address}window-{number}"})
    return {
        "view": str(view.name) if view.name else "",
        "name": _spoken(view.name)
        + (f" prior {shown_date(view.acquisition.date or '')}".rstrip() if role == "prior" else ""),
        "role": role,
        "chest_wall": "right" if view.name and view.name.laterality is Laterality.RIGHT else "left",
        "address": address,
        "rows": rows,
        "columns": columns,
        "preview": [max(1, rows // PREVIEW), max(1, columns // PREVIEW)],
        "spacing": [view.spacing.row_mm, view.spacing.column_mm] if view.spacing else None,
        "spacing_kind": view.spacing.kind.value if view.spacing else "pixels",
        "flip_columns": mirrored(view),
        "flip_rows": not view.head_up,
        "nipple": estimate_nipple(view) if view.name else None,
        "values": [low, high],
        "inverted": bool(view.inverted),
        "windows": offered,
        "lines": lines_of(view),
    }


def _spoken(name: ViewName | None) -> str:
    return f"{name.laterality.value} {name.projection.value}" if name else "view not told"


def _missing(name: ViewName, role: str) -> dict:
    side = "right" if name.laterality is Laterality.RIGHT else "left"
    return {
        "view": str(name),
        "name": _spoken(name) + (" prior" if role == "prior" else ""),
        "role": role,
        "chest_wall": side,
        "address": "",
        "lines": ["missing"],
    }
