"""The boxes of a data set's findings: inside their picture, and turned with it."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .case import FindingBox, Image

NO_BOX = "outline without a box"  # column under which outlines that become no box are listed


def box_edges(texts: Iterable[str]) -> tuple[float, float, float, float] | None:
    """Return left, top, right and bottom from the cells of a table; None where one of them is no number."""
    try:
        left, top, right, bottom = map(float, texts)
    except ValueError:
        return None
    edges = left, top, right, bottom
    return edges if all(map(math.isfinite, edges)) else None


def clipped_boxes(image: Image, rows: int, columns: int) -> tuple[tuple[FindingBox, ...], list[str], int]:
    """Return the boxes of an image inside its stored picture, a sentence for each that is not, and how many were cut.

    A box reaches beyond the picture by more than half a pixel to count as cut.
    """
    kept, problems, cut = [], [], 0
    for box in image.boxes:
        inside = FindingBox(
            box.kind, max(box.left, 0.0), max(box.top, 0.0), min(box.right, columns), min(box.bottom, rows)
        )
        if not (inside.left < inside.right and inside.top < inside.bottom):  # also for a number that is none
            edges = ", ".join(f"{edge:g}" for edge in box[1:])
            size = f"{columns} × {rows} pixels"
            problems.append(f"{image.path}: the box of a {box.kind} ({edges}) lies outside the picture of {size}")
            continue
        cut += any(abs(a - b) > 0.5 for a, b in zip(box[1:], inside[1:], strict=True))
        kept.append(inside)
    return tuple(kept), problems, cut


def turned_box(box: FindingBox, quarters: int, rows: int, columns: int) -> FindingBox:
    """Return a box of a picture of (rows, columns) after the picture was turned anticlockwise by 1 or 3 quarters."""
    if quarters == 1:
        return FindingBox(box.kind, box.top, columns - box.right, box.bottom, columns - box.left)
    return FindingBox(box.kind, rows - box.bottom, box.left, rows - box.top, box.right)
