"""The views of one breast while training changes them: their pixels, the breast in them, and what must stay."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..exam import STANDARD_VIEWS, Laterality, Projection
from ..report.findings import Finding
from .exam_cache import ModelBox
from .lesion_donors import BreastFrame, around_box, breast_of
from .tissue_blending import Ellipse, grain_by_grey


class Changed(NamedTuple):
    """What a change made of the views (4, rows, columns) uint8 of an exam.

    boxes: of the lesions that were added. findings: their descriptions.
    """

    views: np.ndarray
    boxes: tuple[ModelBox, ...] = ()
    findings: tuple[Finding, ...] = ()


class ViewPicture:
    """A (rows, columns) uint8 view that may be changed, its breast, and the boxes in it."""

    def __init__(self, pixels: np.ndarray, view: int, boxes: Sequence[ModelBox]):
        self.pixels, self.view = pixels, view
        self.breast = breast_of(pixels)
        self.taken = [around_box(box) for box in boxes if box.view == view]

    @cached_property
    def frame(self) -> BreastFrame:
        """The breast's size and nipple."""
        return BreastFrame.of(self.breast)

    @cached_property
    def brightest(self) -> float:
        """A grey level that hardly any tissue reaches."""
        counts = np.bincount(self.pixels[::2, ::2].ravel(), minlength=256)[1:].cumsum()
        return float(np.searchsorted(counts, 0.999 * counts[-1]) + 1) * 1.03

    @cached_property
    def grain(self) -> np.ndarray:
        """See `grain_by_grey`."""
        return grain_by_grey(self.pixels)

    @property
    def projection(self) -> Projection:
        """CC or MLO."""
        return STANDARD_VIEWS[self.view].projection

    def is_free(self, place: Ellipse) -> bool:
        """Whether a place lies inside the breast and touches no finding."""
        return place.fits(self.breast) and not any(touch(place, other) for other in self.taken)


def touch(a: Ellipse, b: Ellipse) -> bool:
    """Return whether two ellipses touch or nearly do."""
    across, down = abs(a.column - b.column), abs(a.row - b.row)
    return across < 1.15 * (a.half_width + b.half_width) and down < 1.15 * (a.half_height + b.half_height)


def random_place(picture: ViewPicture, half_width: float, half_height: float, rng: random.Random) -> Ellipse:
    """Return an ellipse of a size anywhere around the breast of a picture."""
    frame = picture.frame
    column, row = rng.uniform(0, frame.nipple_column), frame.top + rng.random() * frame.height
    return Ellipse(column, row, half_width, half_height)


def pictures_of(views: np.ndarray, side: Laterality, boxes: Sequence[ModelBox]) -> list[ViewPicture]:
    """Return copies of the views of a breast that are there."""
    of_side = [view for view, name in enumerate(STANDARD_VIEWS) if name.laterality is side and views[view].any()]
    return [ViewPicture(views[view].copy(), view, boxes) for view in of_side]


def with_pictures(views: np.ndarray, pictures: Sequence[ViewPicture]) -> np.ndarray:
    """Return a copy of the views (4, rows, columns) with the changed ones in their places."""
    changed = views.copy()
    for picture in pictures:
        changed[picture.view] = picture.pixels
    return changed
