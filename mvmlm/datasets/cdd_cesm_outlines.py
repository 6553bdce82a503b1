"""CDD-CESM's outlines of findings, drawn with the VGG Image Annotator, as boxes in pixels of the pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..messages import parsed_json
from .boxes import NO_BOX
from .case import DatasetError, FindingBox
from .cdd_cesm_words import Description
from .columns import WordReader, group_rows, read_rows

PUBLISHED = "Radiology_hand_drawn_segmentations_v2.csv"
OUTLINES = "cdd_cesm_outlines.json"
PICTURES = "Low energy images of CDD-CESM"

#: file -> its shapes, as the annotator stores them
Outlines = Mapping[str, Sequence[Mapping[str, Any]]]


def reduced_outlines(root: Path) -> Outlines:
    """Return the outlines of the reduced copy; none where their file is missing. Raises DatasetError."""
    path = root / OUTLINES
    told = _parsed(path.read_bytes(), OUTLINES) if path.is_file() else {}
    if not isinstance(told, dict) or not all(isinstance(shapes, list) for shapes in told.values()):
        raise DatasetError(f"{OUTLINES}: not a list of outlines for each file. Download it again, or take it away.")
    return told


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


def _parsed(text: str | bytes, name: str) -> Any:
    try:
        return parsed_json(text)
    except ValueError as error:
        raise DatasetError(f"{name}: {error}. Download it again, or take it away.") from None


def boxes_of(shapes: Iterable[Any], described: Description, words: WordReader) -> tuple[FindingBox, ...]:
    """Return the box of each outline of a picture; words: gets the shape of each that is none, and why.

    The outlines do not say of what they are. They are of the findings where the description of the picture names one
    kind of them and nothing else: edema and lymph nodes have outlines too.
    """
    kinds = {finding.kind for finding in described.findings}
    unclear = len(kinds) > 1 or described.features or described.has_unknown_words
    boxes = []
    for shape in shapes:
        edges = _edges(shape) if isinstance(shape, Mapping) else None
        name = str(shape.get("name", "")) if isinstance(shape, Mapping) else ""
        if not kinds or unclear:
            reason = "what it outlines is not told" if unclear else "the description names no finding"
            words.skip(NO_BOX, name or "no shape", reason)
        elif edges is None:
            words.skip(NO_BOX, name or "no shape", *(("a point",) if name == "point" else ()))
        else:
            boxes.append(FindingBox(kinds.copy().pop(), *edges))
    return tuple(boxes)


def _edges(shape: Mapping[str, Any]) -> tuple[float, float, float, float] | None:
    """Left, top, right and bottom of a shape; None for a point and for one that is not known or damaged."""
    name = shape.get("name")
    try:
        if name in ("polygon", "polyline"):
            x, y = (list(map(float, shape[axis])) for axis in ("all_points_x", "all_points_y"))
            return min(x), min(y), max(x), max(y)
        if name in ("circle", "ellipse"):
            names = ("cx", "cy", "r", "r") if name == "circle" else ("cx", "cy", "rx", "ry")
            x0, y0, reach_x, reach_y = (float(shape[part]) for part in names)
            return x0 - reach_x, y0 - reach_y, x0 + reach_x, y0 + reach_y
        if name == "rect":
            left, top, width, height = (float(shape[part]) for part in ("x", "y", "width", "height"))
            return left, top, left + width, top + height
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return None
