"""What of a view is worth a place on the screen: the breast and a margin, no film borders, collimator edges or air.

Everything is in rows and columns of the view as it hangs, and exact to a few pixels only. The shutter opens a little
wider than the breast, so that the skin line is never cut; the reader can take it away.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple
from weakref import WeakKeyDictionary

import cv2
import numpy as np

from mvmlm.exam import SpacingKind, View, Window
from mvmlm.imaging.padding import is_padding
from mvmlm.imaging.preprocess import located_breast, outline_of
from mvmlm.imaging.voi import PREVIEW_PERCENTILES, render

from ..pictures import hung

MARGIN = 0.03  # of the height, around the breast
BORDER_DEPTH = 0.015  # of the height: the deepest film border along an edge that is cut off
BORDER_STEP, STEP_LINES = 1.1, 4  # how many times brighter a film border is than the picture so many lines further in
BRIGHT = 0.9  # of the breast's brightest places: what is as bright beyond the breast is no skin

Span = tuple[int, int]  # from, to (excluded)


class Seen(NamedTuple):
    """Where the breast of a view is, and what the shutter lets through.

    box: left, top, right, bottom (right and bottom excluded), without film borders, in DICOM pixels of the file.
    nipple: (column, row) in DICOM pixels, an estimate. step: each row of `breast` and `opening` stands for so many rows
    of the view. breast, opening: as the view hangs, for each row the columns of the breast and those let through; None
    for a row without any. window: over the values of the breast; None for an image for processing.
    """

    box: tuple[int, int, int, int]
    nipple: tuple[float, float]
    step: int
    breast: list[Span | None]
    opening: list[Span | None]
    window: Window | None


_KNOWN: WeakKeyDictionary[View, Seen | None] = WeakKeyDictionary()


def seen(view: View) -> Seen | None:
    """Return what of a view is worth a place on the screen; None where no breast is found.

    It is kept as long as the view is open: several readers may have the same one open.
    """
    if view not in _KNOWN:
        _KNOWN[view] = _look_at(view)
    return _KNOWN[view]


def _look_at(view: View) -> Seen | None:
    found = located_breast(view)
    if found is None:
        return None
    breast, step = found
    nipple = outline_of(view, breast, step).nipple
    small = replace(view, pixels=view.pixels[::step, ::step])
    grey = render(small).astype(np.float32)
    cut = _film_borders(view, step) if _may_be_film(view) else (0, 0, 0, 0)
    left, top = cut[0], cut[1]
    right, bottom = view.columns - cut[2], view.rows - cut[3]
    inside = np.zeros(breast.shape, bool)
    inside[-(-top // step) : bottom // step + 1, left // step : -(-right // step)] = True
    breast = breast & inside
    if not breast.any():
        return None
    box = outline_of(view, breast, step).box
    box = max(box[0], left), max(box[1], top), min(box[2], right), min(box[3], bottom)
    opening = _opening(breast, grey) & inside
    rows = {"breast": _spans(hung(breast, view), step), "opening": _spans(hung(opening, view), step)}
    return Seen(box, nipple, step, **rows, window=_breast_window(view, small.pixels[breast]))


def _may_be_film(view: View) -> bool:
    return view.spacing is None or view.spacing.kind is SpacingKind.NOMINAL


def _film_borders(view: View, step: int) -> tuple[int, int, int, int]:
    """How many lines of pixels along the left, upper, right and lower edge are the bright border of a film.

    A border ends with a step in brightness; tissue at the edge has none, and nothing of it is cut off.
    """
    depth = max(1, round(BORDER_DEPTH * view.rows))
    found = []
    for lines in (view.pixels.T, view.pixels, view.pixels.T[::-1], view.pixels[::-1]):
        strip = render(replace(view, pixels=lines[: depth + STEP_LINES, ::step])).astype(np.float32)
        level = np.percentile(strip, 75, axis=1)
        steps = np.flatnonzero(level[:-STEP_LINES] > BORDER_STEP * level[STEP_LINES:])
        found.append(int(steps[-1]) + 1 if steps.size else 0)
    return found[0], found[1], found[2], found[3]


def _opening(breast: np.ndarray, grey: np.ndarray) -> np.ndarray:
    """(rows, columns) bool: the breast and a margin, up to where something beyond it is as bright as no skin is."""
    reach = max(2, round(MARGIN * breast.shape[0]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    opening = cv2.dilate(breast.astype(np.uint8), disc).astype(bool)
    skin = cv2.dilate(breast.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    bright = (grey > BRIGHT * np.percentile(grey[breast], 98)) & ~skin
    rows = np.flatnonzero(breast.any(1))
    for outwards in (range(rows[0] - 1, -1, -1), range(rows[-1] + 1, len(breast))):
        closed = False
        for row in outwards:
            closed = closed or bool(bright[row].any())
            if closed:
                opening[row] = False
    return opening & ~bright


def _spans(mask: np.ndarray, step: int) -> list[Span | None]:
    """The first and last columns of each row of a mask, in pixels of the view."""
    spans: list[Span | None] = []
    for row in mask:
        columns = np.flatnonzero(row)
        spans.append((int(columns[0]) * step, (int(columns[-1]) + 1) * step) if columns.size else None)
    return spans


def _breast_window(view: View, values: np.ndarray) -> Window | None:
    """A window over the values of the breast, (n,)."""
    values = values[~is_padding(values, view.padding)]
    if view.for_processing or not values.size:
        return None
    low, high = (float(value) for value in np.percentile(values, PREVIEW_PERCENTILES))
    return Window("breast", "LINEAR_EXACT", (low + high) / 2, (high - low) or 1.0)
