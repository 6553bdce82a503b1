"""An exam as the viewer's value: one description for each viewport, with the address of its pixels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from mvmlm.dicom_objects.foreign_marks import pictures_of_exam
from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality, View, ViewName, Window
from mvmlm.imaging.grouping import format_date

from ..pictures import lines_of, mirrored
from .pixel_server import PREVIEW, PixelServer, sent_scale, value_range, windows_of
from .shutter import Span, seen


class Described(NamedTuple):
    """An exam as the viewer needs it, without what readers marked. token: under which its views are served."""

    exam: Exam
    token: str
    ports: tuple[dict[str, Any], ...]


def describe(exam: Exam, pixels: PixelServer, owner: str) -> Described:
    """Serve the views of an exam to `owner`, and describe its viewports.

    These are the standard views in hanging order, extra views, then the views of the prior exam. A missing view is a
    viewport without pixels; a picture that is asked about hangs in the place of the view that it may be, since the
    reader must see it to answer.
    """
    current, prior = tuple(exam.views.values()), tuple(exam.prior.views.values()) if exam.prior else ()
    token = pixels.put(pictures_of_exam(exam), owner)
    first_extra, first_prior = len(current), len(current) + len(exam.extra)
    by_name = {port["view"]: port for port in _ports(current, "current", token, 0)}
    extra = _ports(exam.extra, "extra", token, first_extra)
    for view, port in zip(exam.extra, extra, strict=True):
        if view.questions and view.name in STANDARD_VIEWS and port["view"] not in by_name:
            by_name[port["view"]] = port | {"role": "asked", "lines": [*port["lines"], "asked about: not scored yet"]}
    extra = [port for port in extra if by_name.get(port["view"], {}).get("address") != port["address"]]
    missing = [_missing_port(name, "prior") for name in STANDARD_VIEWS if exam.prior and name not in exam.prior.views]
    return Described(
        exam,
        token,
        (
            *(by_name.get(str(name)) or _missing_port(name, "current") for name in STANDARD_VIEWS),
            *_in_pairs(extra),
            *_ports(prior, "prior", token, first_prior),
            *missing,
        ),
    )


def viewer_value(
    described: Described | None,
    drawn: Mapping[str, object] = MappingProxyType({}),
    placed: Mapping[ViewName, tuple[float, float]] = MappingProxyType({}),
) -> dict[str, object]:
    """Return the viewer's value for an exam; {} without one.

    drawn: of `marks.drawing`. placed: nipples that a reader placed, (column, row) in DICOM pixels; the others are
    estimated.
    """
    if described is None:
        return {}
    placed_by_name = {str(name): nipple for name, nipple in placed.items()}
    ports = [
        port | {"nipple": placed_by_name[port["view"]], "nipple_placed": True}
        if port["role"] == "current" and port["address"] and port["view"] in placed_by_name
        else port
        for port in described.ports
    ]
    return {"exam": described.token, "ports": ports, **drawn}


def addresses(exam: Exam, token: str) -> list[tuple[View, str]]:
    """Return every picture of an exam with the address under which it is served. token: of `Described`."""
    return [(view, f"viewer/{token}/{number}/") for number, view in enumerate(pictures_of_exam(exam))]


def pictures_ahead(described: Described) -> list[dict[str, Any]]:
    """Return what the browser needs to fetch the pictures of an exam before it is opened; nothing that says whose."""
    names = ("address", "rows", "columns")
    return [{name: port[name] for name in names} for port in described.ports if port["address"]]


def _in_pairs(ports: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Views beyond the four in the order in which they hang: pairs of a right and a left one first, then the others."""
    paired, waiting = list[dict[str, Any]](), list(ports)
    for right in ports:
        if not right["view"].startswith("R_"):
            continue
        left = next((port for port in waiting if _mirrors(right, port)), None)
        if left is not None:
            paired += [right, left]
            waiting.remove(right)
            waiting.remove(left)
    return [*paired, *waiting]


def _mirrors(right: Mapping[str, Any], left: Mapping[str, Any]) -> bool:
    """Whether a view is that of the other breast, of the same projection and kind."""
    return left["view"] == f"L_{right['view'][2:]}" and left["modifiers"] == right["modifiers"]


def _ports(views: Iterable[View], role: str, token: str, first: int) -> list[dict[str, Any]]:
    """Viewports of views that the pixel server holds under the numbers from `first` on."""
    return [_port(view, f"viewer/{token}/{number}/", role) for number, view in enumerate(views, first)]


def _port(view: View, address: str, role: str) -> dict[str, Any]:
    rows, columns = view.pixels.shape
    shown = seen(view)
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
        "nipple": shown.nipple if shown and view.name else None,
        "nipple_placed": False,
        "breast": list(shown.box) if shown else None,
        "row_step": shown.step if shown else 1,
        "breast_rows": _as_text(shown.breast) if shown else "",
        "opening_rows": _as_text(shown.opening) if shown else "",
        "values": list(value_range(view)),
        "sent_scale": sent_scale(view),
        "inverted": bool(view.inverted),
        "padded": view.padding is not None,
        "windows": _windows(view, shown.window if shown else None, address),
        "lines": lines_of(view),
        "modifiers": [modifier.value for modifier in view.modifiers],
    }


def _as_text(rows: Sequence[Span | None]) -> str:
    """As JSON: Gradio's page copies a value at each event, which takes long for a list of lists."""
    return json.dumps(rows, separators=(",", ":"))


def _windows(view: View, breast: Window | None, address: str) -> list[dict[str, object]]:
    """Every window and VOI LUT of the view, its default first, then the one over the values of its breast.

    kind: "file" for those of the file, "breast", "range" for all values, "preview" of an image for processing. A table
    has the centre and width of its values; `table` is the address of its entries.
    """
    described = []
    for number, window in enumerate([*windows_of(view), *([breast] if breast else [])]):
        own = any(window is other for other in view.windows)
        kind = "file" if own else "breast" if window is breast else "preview" if window.function == "LOG" else "range"
        center, width, table = window.center, window.width, ""
        if window.table is not None:
            center, width = window.first + (len(window.table) - 1) / 2, float(len(window.table))
            table = f"{address}table-{number}"
        described.append(
            {"name": window.name, "kind": kind, "function": window.function, "first": window.first,
             "center": float(center), "width": float(width), "table": table}
        )  # fmt: skip
    return described


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
