"""Real masses that training sets into other breasts: what each adds to its background, where it lay, its description.

Masses of women of split train only, alone in their breast, so that it is known which words describe them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ..exam import STANDARD_VIEWS, Projection
from ..report.findings import Finding
from .exam_cache import ExamCache, ModelBox
from .tissue_blending import Addition, Ellipse, addition

#: half axes of the ellipse that holds a mass with its margin: so many half boxes, and so many pixels
AROUND_BOX, AROUND_BOX_PIXELS = 1.25, 3.0
AROUND_DONOR = 1.3  # the same of a donor: what a mass does to the tissue around it comes along
SMALLEST, LARGEST = 0.02, 0.3  # shares of the breast's height: what is a donor, and what is taken out
LEAST_CONTRAST = 1.0  # of a donor: grey levels over its background, in standard deviations of the structure around
#: fields of a finding that say how the mass looked in its own breast, as a whole or beside others
OF_ITS_BREAST = ("birads", "subtlety", "place", "depth", "clock", "size_mm", "mass_density", "features")


class BreastFrame(NamedTuple):
    """A breast in a view, in pixels: its first row, its height, and its nipple's column and row (an estimate)."""

    top: int
    height: int
    nipple_column: int
    nipple_row: float

    @classmethod
    def of(cls, breast: np.ndarray) -> BreastFrame:
        """Return the frame of a (rows, columns) bool breast, chest wall left; the breast is not empty."""
        rows, widths = np.flatnonzero(breast.any(1)), breast.sum(0)
        columns = np.flatnonzero(widths > 2)
        last = int(columns[-1]) if len(columns) else breast.shape[1] - 1
        tip = np.flatnonzero(breast[:, max(0, last - 2)])
        middle = float(tip.mean()) if len(tip) else float(rows.mean())
        return cls(int(rows[0]), int(rows[-1] - rows[0] + 1), max(last, 1), middle)


class RelativePlace(NamedTuple):
    """Where in a breast: how far from the nipple to the chest wall (0..1), and below the nipple in breast heights."""

    depth: float
    below: float

    @classmethod
    def of(cls, column: float, row: float, frame: BreastFrame) -> RelativePlace:
        """Return the relative place of a pixel."""
        return cls(1 - column / frame.nipple_column, (row - frame.nipple_row) / frame.height)

    def pixel(self, frame: BreastFrame) -> tuple[float, float]:
        """Return its (column, row) in a breast."""
        return (1 - self.depth) * frame.nipple_column, frame.nipple_row + self.below * frame.height


@dataclass(frozen=True, eq=False)
class DonorView:
    """A mass in one projection.

    picture: (rows, columns) uint8 of the mass with what is around it. ellipse: in it. box: its half width and half
    height in pixels. height: of the breast in pixels. place: in the breast.
    """

    projection: Projection
    picture: np.ndarray
    ellipse: Ellipse
    box: tuple[float, float]
    height: int
    place: RelativePlace

    def addition(self) -> Addition:
        """Return what the mass adds to its background."""
        return addition(self.picture, self.ellipse)


@dataclass(frozen=True, eq=False)
class Donor:
    """A mass in one or two views of its breast, and its description."""

    views: tuple[DonorView, ...]
    finding: Finding

    def view(self, projection: Projection) -> DonorView:
        """Return its view of a projection, or the other one where it was seen in one alone."""
        return next((view for view in self.views if view.projection is projection), self.views[0])


def breast_of(picture: np.ndarray) -> np.ndarray:
    """Return (rows, columns) bool, the breast of a uint8 picture, with its few pixels of black filled."""
    return cv2.medianBlur((picture > 0).astype(np.uint8), 5).astype(bool)


def around_box(box: ModelBox, half_boxes: float = AROUND_BOX) -> Ellipse:
    """Return the ellipse that holds a finding with its margin; its half axes are so many half boxes and some pixels."""
    half_width, half_height = (box.right - box.left) / 2, (box.bottom - box.top) / 2
    return Ellipse(
        (box.left + box.right - 1) / 2,
        (box.top + box.bottom - 1) / 2,
        half_boxes * half_width + AROUND_BOX_PIXELS,
        half_boxes * half_height + AROUND_BOX_PIXELS,
    )


def mass_donors(folder: Path) -> tuple[Donor, ...]:
    """Return the masses of a cache folder's training exams that can be set into other breasts, in the folder's order.

    Raises ValueError for a folder without an exam, and DamagedExam.
    """
    cache = ExamCache(folder, "train")
    return tuple(donor for index in range(len(cache)) for donor in _donors_of(cache, index))


def _donors_of(cache: ExamCache, index: int) -> Iterable[Donor]:
    labels = cache.labels[index]
    for side, findings in labels.findings.items():
        of_side = [box for box in labels.boxes if STANDARD_VIEWS[box.view].laterality is side]
        if len(findings.present) != 1 or findings.present[0].kind != "mass" or findings.possible:
            continue
        seen = [view for box in of_side if (view := _donor_view(cache.views(index)[box.view], box)) is not None]
        one_each = len({box.view for box in of_side}) == len(of_side)
        if seen and one_each:
            yield Donor(tuple(seen), findings.present[0].without(*OF_ITS_BREAST))


def _donor_view(picture: np.ndarray, box: ModelBox) -> DonorView | None:
    """The mass of a box in a (rows, columns) uint8 picture; None where it cannot be parted from what is around it."""
    breast, ellipse = breast_of(picture), around_box(box, AROUND_DONOR)
    if not breast.any() or not ellipse.fits(breast):
        return None
    frame = BreastFrame.of(breast)
    if not SMALLEST * frame.height < max(box.right - box.left, box.bottom - box.top) < LARGEST * frame.height:
        return None
    window = ellipse.window(picture.shape, 1.5)
    moved = ellipse._replace(column=ellipse.column - window[1].start, row=ellipse.row - window[0].start)
    view = DonorView(
        STANDARD_VIEWS[box.view].projection,
        np.array(picture[window]),
        moved,
        ((box.right - box.left) / 2, (box.bottom - box.top) / 2),
        frame.height,
        RelativePlace.of(ellipse.column, ellipse.row, frame),
    )
    found = view.addition()
    return view if found.contrast > LEAST_CONTRAST * found.spread else None
