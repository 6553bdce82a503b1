"""An exam as the viewer's value: one description for each viewport, with the address of its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality, View, ViewName
from mvmlm.imaging.grouping import format_date
from mvmlm.imaging.preprocess import estimate_nipple
from mvmlm.reading.reading import Mark

from ..pictures import lines_of, mirrored
from .pixel_server import PREVIEW, PixelServer, value_range, window_limits, windows_of


def viewer_value(
    exam: Exam | None, pixels: PixelServer, owner: str, marks: Sequence[Mark] = ()
) -> tuple[dict[str, object], str]:
    """Return the viewer's value for an exam, and the token under which `pixels` holds its views for `owner`.

    The viewports: the standard views in hanging order, extra views, then the views of the prior exam. A missing view is
    a viewport without pixels. Returns ({}, "") without an exam.
    """
    if exam is None:
        return {}, ""
    current, prior = tuple(exam.views.values()), tuple(exam.prior.views.values()) if exam.prior else ()
    token = pixels.put((*current, *exam.extra, *prior), owner)
    first_extra, first_prior = len(current), len(current) + len(exam.extra)
    by_name = {port["view"]: port for port in _ports(current, "current", token, 0)}
    missing = [_missing_port(name, "prior") for name in STANDARD_VIEWS if exam.prior and name not in exam.prior.views]
    ports = [
        *(by_name.get(str(name)) or _missing_port(name, "current") for name in STANDARD_VIEWS),
        *_ports(exam.extra, "extra", token, first_extra),
        *_ports(prior, "prior", token, first_prior),
        *missing,
    ]
    return {"exam": token, "ports": ports, "marks": [mark.to_json() for mark in marks]}, token


def _ports(views: Iterable[View], role: str, token: str, first: int) -> list[dict[str, object]]:
    """Viewports of views that the pixel server holds under the numbers from `first` on."""
    return [_port(view, f"viewer/{token}/{number}/", role) for number, view in enumerate(views, first)]


def _port(view: View, address: str, role: str) -> dict[str, object]:
    rows, columns = view.pixels.shape
    prior = f" prior {format_date(view.acquisition.date or '')}".rstrip() if role == "prior" else ""
    return {
        "view": str(view.name) if view.name else "",
        "name": _label(view.name) + prior,
        "role": role,
        "chest_wall": _chest_wall(view.name),
        "address": address,
        "rows": rows,
        "columns": columns,
        "preview": [max(1, rows // PREVIEW), max(1, columns // PREVIEW)],
        "spacing": [view.spacing.row_mm, view.spacing.column_mm] if view.spacing else None,
        "spacing_kind": view.spacing.kind.value if view.spacing else "pixels",
        "flip_columns": mirrored(view),
        "flip_rows": not view.head_up,
        "nipple": estimate_nipple(view) if view.name else None,
        "values": list(value_range(view)),
        "inverted": bool(view.inverted),
        "windows": [
            {"name": window.name, "limits": window_limits(view, window), "pixels": f"{address}window-{number}"}
            for number, window in enumerate(windows_of(view))
        ],
        "lines": lines_of(view),
    }


def _missing_port(name: ViewName, role: str) -> dict[str, object]:
    return {
        "view": str(name),
        "name": _label(name) + (" prior" if role == "prior" else ""),
        "role": role,
        "chest_wall": _chest_wall(name),
        "address": "",
        "lines": ["missing"],
    }


def _label(name: ViewName | None) -> str:
    return f"{name.laterality.value} {name.projection.value}" if name else "view unknown"


def _chest_wall(name: ViewName | None) -> str:
    """The edge at which the chest wall hangs."""
    return "right" if name and name.laterality is Laterality.RIGHT else "left"
