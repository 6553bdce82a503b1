"""Graphic data of an SR or a presentation state -> points of a picture, converted once.

Both count from the corner of the first pixel (PS3.3 C.18.6.1.1 and C.10.5.1.2), this program from its centre.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, MutableSequence

from pydicom.dataset import Dataset

from ..exam import View
from ..imaging.dicom_values import text, value
from .cad_report import Point
from .content import HALF

MAX_POINTS = 5000
ROUND_POINTS = 32  # of the polygon that stands for a circle or an ellipse
#: kind of graphic data -> how many points it has at least and at most (PS3.3 C.10.5.1.2 and C.18.6.1.2)
Kinds = Mapping[str, tuple[int, int]]
POINT: Kinds = {"POINT": (1, 1)}
OUTLINE: Kinds = {"POLYLINE": (3, MAX_POINTS), "CIRCLE": (2, 2), "ELLIPSE": (4, 4)}
ANY: Kinds = {**POINT, **OUTLINE, "POLYLINE": (2, MAX_POINTS)}


class Unused(Exception):
    """Why something of an object is not used, as a phrase that follows its count."""


def from_corner(x: float, y: float) -> Point:
    """Return a point that counts from the corner of the first pixel as one that counts from its centre."""
    return x - HALF, y - HALF


def points_of(
    place: Dataset, kinds: Kinds, convert: Callable[[float, float], Point] = from_corner
) -> tuple[Point, ...]:
    """Return the points of graphic data, (0, 0) is the centre of the first pixel; a closed line without its last point.

    convert: what makes such a point of a pair of the data. Raises Unused for another kind and for impossible
    coordinates.
    """
    kind, given = text(place, "GraphicType") or "", value(place, "GraphicData")
    if kind not in kinds:
        raise Unused(f"a mark of the kind {kind or 'without a name'}, which is not read")
    values = given if isinstance(given, MutableSequence) else [] if given is None else [given]
    data = [float(number) for number in values]
    least, most = kinds[kind]
    if len(data) % 2 or not least <= len(data) // 2 <= most or not all(map(math.isfinite, data)):
        raise Unused("a mark with impossible coordinates")
    points = [convert(x, y) for x, y in zip(data[::2], data[1::2])]
    if kind == "CIRCLE":
        radius = math.dist(points[0], points[1])
        return _round(points[0], (radius, 0.0), (0.0, radius))
    if kind == "ELLIPSE":  # the ends of one axis, then those of the other
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
        return _round(((ax + bx) / 2, (ay + by) / 2), ((bx - ax) / 2, (by - ay) / 2), ((dx - cx) / 2, (dy - cy) / 2))
    return tuple(points[:-1] if is_closed(place) else points)


def is_closed(place: Dataset) -> bool:
    """Return whether graphic data are the outline of an area: a circle, an ellipse, a line that ends where it began."""
    given = value(place, "GraphicData")
    values = list(given) if isinstance(given, MutableSequence) else []
    return text(place, "GraphicType") in ("CIRCLE", "ELLIPSE") or (len(values) > 2 and values[:2] == values[-2:])


def check_inside(points: tuple[Point, ...], view: View) -> None:
    """Raise Unused for points outside the picture of a view, beyond the half pixel of a careless rounding."""
    if not all(-1 <= x <= view.columns and -1 <= y <= view.rows for x, y in points):
        raise Unused("a mark outside its picture")


def middle(points: tuple[Point, ...]) -> Point:
    """Return the middle of the box around points."""
    columns, rows = zip(*points)
    return (min(columns) + max(columns)) / 2, (min(rows) + max(rows)) / 2


def _round(centre: Point, axis: Point, other: Point) -> tuple[Point, ...]:
    """A polygon for an ellipse. axis, other: from the centre to the end of each half axis."""
    turns = [2 * math.pi * number / ROUND_POINTS for number in range(ROUND_POINTS)]
    return tuple(
        (
            centre[0] + axis[0] * math.cos(turn) + other[0] * math.sin(turn),
            centre[1] + axis[1] * math.cos(turn) + other[1] * math.sin(turn),
        )
        for turn in turns
    )
