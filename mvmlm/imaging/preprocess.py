"""View -> model input, and exactly back: the same code in training and in use.

Grey levels, the breast (`breast_mask`), crop, chest wall to the left, resize with area filtering at the true aspect
ratio, pad, normalise. One object holds the geometry and its inverse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from ..exam import View
from .breast_mask import SEGMENTATION_ROWS, NoBreast, outlined_breast, reduced
from .picture_network import picture_facts
from .voi import render

__all__ = [
    "BreastOutline",
    "ModelInput",
    "NoBreast",
    "Preprocessing",
    "ViewGeometry",
    "breast_outline",
    "located_breast",
    "outline_of",
    "chest_wall_is_left",
    "find_breast",
]


@dataclass(frozen=True)
class ViewGeometry:
    """Maps DICOM pixels of a view to model pixels, and back. Points are (column, row) of pixel centres.

    crop: left, top, right, bottom in source pixels (right and bottom excluded). The crop is flipped, scaled to
    scaled_rows x scaled_columns, and placed in a frame of rows x columns at row `top` and column `left`. Our own
    preprocessing has the chest wall at column 0.
    """

    source_rows: int
    source_columns: int
    crop: tuple[int, int, int, int]
    flip_columns: bool
    flip_rows: bool
    scaled_rows: int
    scaled_columns: int
    top: int
    rows: int
    columns: int
    left: int = 0

    @property
    def _scale(self) -> tuple[float, float]:
        left, top, right, bottom = self.crop
        return self.scaled_columns / (right - left), self.scaled_rows / (bottom - top)

    @property
    def _scaled_part(self) -> tuple[slice, slice]:
        """The rows and columns of the frame that hold the crop."""
        return slice(self.top, self.top + self.scaled_rows), slice(self.left, self.left + self.scaled_columns)

    def reduced(self, rows: int) -> ViewGeometry:
        """Return the geometry of the view's picture when it is reduced to so many rows; itself where it has no more.

        The reduced picture has round(source_columns * rows / source_rows) columns, at least one.
        """
        if self.source_rows <= rows:
            return self
        columns = max(1, round(self.source_columns * rows / self.source_rows))
        by_column, by_row = columns / self.source_columns, rows / self.source_rows
        left, top, right, bottom = self.crop
        left, top = min(round(left * by_column), columns - 1), min(round(top * by_row), rows - 1)
        crop = (left, top, max(left + 1, round(right * by_column)), max(top + 1, round(bottom * by_row)))
        return replace(self, source_rows=rows, source_columns=columns, crop=crop)

    def to_model(self, points: np.ndarray) -> np.ndarray:
        """Return (n, 2) model (column, row) for (n, 2) source (column, row)."""
        left, top, right, bottom = self.crop
        scale_x, scale_y = self._scale
        x, y = np.asarray(points, float).T
        x = (right - 1 - x) if self.flip_columns else (x - left)
        y = (bottom - 1 - y) if self.flip_rows else (y - top)
        return np.stack([(x + 0.5) * scale_x - 0.5 + self.left, (y + 0.5) * scale_y - 0.5 + self.top], 1)

    def to_source(self, points: np.ndarray) -> np.ndarray:
        """Return (n, 2) source (column, row) for (n, 2) model (column, row)."""
        left, top, right, bottom = self.crop
        scale_x, scale_y = self._scale
        x, y = np.asarray(points, float).T
        x = (x - self.left + 0.5) / scale_x - 0.5
        y = (y - self.top + 0.5) / scale_y - 0.5
        x = (right - 1 - x) if self.flip_columns else (x + left)
        y = (bottom - 1 - y) if self.flip_rows else (y + top)
        return np.stack([x, y], 1)

    def image_to_model(self, image: np.ndarray, interpolation: int = cv2.INTER_AREA) -> np.ndarray:
        """Return (rows, columns) for a (source_rows, source_columns) image, zero outside the crop."""
        left, top, right, bottom = self.crop
        part = image[top:bottom, left:right]
        if self.flip_columns:
            part = part[:, ::-1]
        if self.flip_rows:
            part = part[::-1]
        if interpolation == cv2.INTER_AREA and self.scaled_rows > part.shape[0]:
            interpolation = cv2.INTER_LINEAR
        part = cv2.resize(
            np.ascontiguousarray(part), (self.scaled_columns, self.scaled_rows), interpolation=interpolation
        )
        out = np.zeros((self.rows, self.columns), part.dtype)
        out[self._scaled_part] = part
        return out

    def map_to_source(self, heat: np.ndarray) -> np.ndarray:
        """Return (source_rows, source_columns) float32, zero outside the crop.

        heat: (h, w) map over the model frame, at any resolution.
        """
        heat = cv2.resize(heat.astype(np.float32), (self.columns, self.rows), interpolation=cv2.INTER_LINEAR)
        left, top, right, bottom = self.crop
        part = heat[self._scaled_part]
        part = cv2.resize(part, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        if self.flip_columns:
            part = part[:, ::-1]
        if self.flip_rows:
            part = part[::-1]
        out = np.zeros((self.source_rows, self.source_columns), np.float32)
        out[top:bottom, left:right] = part
        return out


@dataclass(frozen=True)
class ModelInput:
    """One view as the model takes it.

    tensor: (rows, columns) float32, normalised. breast: (rows, columns) bool, True inside the breast.
    """

    tensor: np.ndarray
    breast: np.ndarray
    geometry: ViewGeometry


@dataclass(frozen=True)
class Preprocessing:
    """The settings of preprocessing, saved with the weights.

    rows, columns: size of the model's input. low, high: percentiles of the grey levels inside the breast that become 0
    and 1; brighter values are clipped at `ceiling`. mean, std: of the result over the training views.
    """

    rows: int = 384
    columns: int = 240
    low: float = 1.0
    high: float = 99.5
    ceiling: float = 1.3
    mean: float = 0.25
    std: float = 0.30

    def __call__(self, view: View) -> ModelInput:
        """Return the model's input for a view. Raises NoBreast where no breast is found."""
        grey = render(view)
        # outlined as it hangs in the model, so that a picture and its mirror image get the same outline
        across, down = (
            slice(None, None, 1 if view.chest_wall_left else -1),
            slice(None, None, 1 if view.head_up else -1),
        )
        breast, (left, top, right, bottom) = find_breast(np.ascontiguousarray(grey[down, across]))
        height, width = grey.shape
        scale = min(self.rows / (bottom - top), self.columns / (right - left))
        scaled_rows = min(self.rows, max(1, round((bottom - top) * scale)))
        scaled_columns = min(self.columns, max(1, round((right - left) * scale)))
        if not view.chest_wall_left:
            left, right = width - right, width - left
        if not view.head_up:
            top, bottom = height - bottom, height - top
        geometry = ViewGeometry(
            source_rows=height,
            source_columns=width,
            crop=(left, top, right, bottom),
            flip_columns=not view.chest_wall_left,
            flip_rows=not view.head_up,
            scaled_rows=scaled_rows,
            scaled_columns=scaled_columns,
            top=(self.rows - scaled_rows) // 2,
            rows=self.rows,
            columns=self.columns,
        )
        breast = breast[down, across]
        inside = geometry.image_to_model(breast.astype(np.uint8), cv2.INTER_NEAREST).astype(bool)
        return ModelInput(self.normalise(geometry.image_to_model(grey), inside), inside, geometry)

    def normalise(self, grey: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """Return (rows, columns) float32 for uint16 grey levels: 0..1 between the percentiles, then (x - mean) / std.

        inside: (rows, columns) bool, the breast; outside it the value is that of black.
        """
        low, high = np.percentile(grey[inside], [self.low, self.high]) if inside.any() else (0, 1)
        scaled = np.clip((grey.astype(np.float32) - low) / max(high - low, 1.0), 0, self.ceiling)
        scaled[~inside] = 0
        return ((scaled - self.mean) / self.std).astype(np.float32)


class BreastOutline(NamedTuple):
    """Where the breast of a view lies, in DICOM pixels, exact to a few pixels only.

    box: left, top, right, bottom (right and bottom excluded). nipple: (column, row) of the point farthest from the
    chest wall, an estimate.
    """

    box: tuple[int, int, int, int]
    nipple: tuple[float, float]


def located_breast(view: View) -> tuple[np.ndarray, int] | None:
    """Return the breast's mask over every n-th row and column of a view, (rows, columns) bool, and n; None without one.

    Computed at about SEGMENTATION_ROWS rows.
    """
    shrink = max(1, round(view.rows / SEGMENTATION_ROWS))
    try:
        breast, _ = find_breast(render(replace(view, pixels=view.pixels[::shrink, ::shrink])))
    except NoBreast:
        return None
    return breast, shrink


def breast_outline(view: View) -> BreastOutline | None:
    """Return where the breast of a view lies; None where no breast is found."""
    found = located_breast(view)
    return outline_of(view, *found) if found else None


def outline_of(view: View, breast: np.ndarray, shrink: int) -> BreastOutline:
    """Return where the breast of a view lies, by the mask of `located_breast`."""
    columns, rows = np.flatnonzero(breast.any(0)), np.flatnonzero(breast.any(1))
    edges = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) * shrink
    left, top, right, bottom = np.minimum(edges, [view.columns, view.rows] * 2).tolist()
    column = columns[-1] if view.chest_wall_left else columns[0]
    nipple = float(column * shrink), float(np.flatnonzero(breast[:, column]).mean() * shrink)
    return BreastOutline((left, top, right, bottom), nipple)


def find_breast(grey: np.ndarray) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    """Return the breast's mask (rows, columns) bool and its crop (left, top, right, bottom), chest wall included.

    The mask is that of `breast_mask.outlined_breast`. Raises NoBreast.
    """
    piece = outlined_breast(grey).mask
    rows, columns = np.flatnonzero(piece.any(1)), np.flatnonzero(piece.any(0))
    margin = 2
    top, bottom = max(0, rows[0] - margin), min(piece.shape[0], rows[-1] + 1 + margin)
    left, right = max(0, columns[0] - margin), min(piece.shape[1], columns[-1] + 1 + margin)
    mask = cv2.resize(piece.astype(np.uint8), grey.shape[::-1], interpolation=cv2.INTER_NEAREST).astype(bool)
    scale_y, scale_x = grey.shape[0] / piece.shape[0], grey.shape[1] / piece.shape[1]
    crop = (int(left * scale_x), int(top * scale_y), int(np.ceil(right * scale_x)), int(np.ceil(bottom * scale_y)))
    return mask, crop


def chest_wall_is_left(grey: np.ndarray) -> bool:
    """Return whether the chest wall is on the left rather than on the right, by the pixels. Raises NoBreast."""
    edges = picture_facts(reduced(grey)).edges
    return edges["left"] >= edges["right"]
