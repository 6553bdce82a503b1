"""CDD-CESM's outlines of findings, drawn with the VGG Image Annotator, as boxes in pixels of the pictures."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .case import DatasetError, FindingBox
from .columns import group_rows, read_rows

PUBLISHED = "Radiology_hand_drawn_segmentations_v2.csv"
OUTLINES = "cdd_cesm_outlines.json"
PICTURES = "Low energy images of CDD-CESM"

#: file -> its shapes, as the annotator stores them
Outlines = Mapping[str, Sequence[Mapping[str, Any]]]


def reduced_outlines(root: Path) -> Outlines:
    """Return the outlines of the reduced copy; none where their file is missing. Raises DatasetError."""
    path = root / OUTLINES
    return _parsed(path.read_text(encoding="utf-8"), OUTLINES) if path.is_file() else {}


def published_outlines(root: Path) -> Outlines:
    """Return the published outlines; none where their file is missing. Raises DatasetError."""
    if not (root / PUBLISHED).is_file():
        return {}
    rows = read_rows(root / PUBLISHED, ("#filename", "region_shape_attributes"))
    by_file = group_rows(rows, lambda row: f"{PICTURES}/{row['#filename']}")
    shapes = {
        file: [_parsed(row["region_shape_attributes"] or "{}", PUBLISHED) for row in of_file]
        for file, of_file in by_file.items()
    }
    return shapes | {file.replace(" .jpg", ".jpg"): found for file, found in shapes.items()}


def _parsed(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise DatasetError(f"{name}: not JSON ({error}). Download it again, or take it away.") from None


def boxes_of(shapes: Iterable[Mapping[str, Any]], kinds: Collection[str]) -> tuple[FindingBox, ...]:
    """Return the box of each outline with an area, where all of them can only be of one kind of finding."""
    if len(kinds) != 1:
        return ()
    (kind,) = kinds
    return tuple(FindingBox(kind, *edges) for shape in shapes if (edges := _edges(shape)) is not None)


def _edges(shape: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a shape; None for a point and for one that is not known."""
    name = shape.get("name")
    if name in ("polygon", "polyline"):
        x, y = shape["all_points_x"], shape["all_points_y"]
        return min(x), min(y), max(x), max(y)
    if name in ("circle", "ellipse"):
        reach_x, reach_y = (shape["r"], shape["r"]) if name == "circle" else (shape["rx"], shape["ry"])
        return shape["cx"] - reach_x, shape["cy"] - reach_y, shape["cx"] + reach_x, shape["cy"] + reach_y
    if name == "rect":
        return shape["x"], shape["y"], shape["x"] + shape["width"], shape["y"] + shape["height"]
    return None
