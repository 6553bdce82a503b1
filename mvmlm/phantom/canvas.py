"""Drawing in mm on a grid of pixels; what is thinner than a pixel is drawn fainter, with the same total amount."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..exam import Projection

if TYPE_CHECKING:
    from .woman import Woman

FIELD_MM = (256.0, 208.0)  # the detector: height and width


class PixelGrid:
    """Pixels on which lesions are drawn: a view, or a part of one.

    shape: (rows, columns); mm: size of a pixel; middle: height of v = 0, that of the nipple, below the upper edge, mm;
    depth_mm: from the left edge to the nipple; x, v: (rows, columns) float32, mm from the left edge and mm upwards from
    the middle.
    """

    def __init__(self, shape: tuple[int, int], mm: float, middle: float, depth_mm: float):
        self.shape, self.mm, self.middle, self.depth_mm = shape, mm, middle, depth_mm
        rows_mm, columns_mm = np.mgrid[: shape[0], : shape[1]].astype(np.float32) * mm
        self.x, self.v = columns_mm, middle - rows_mm

    def project(self, position: tuple[float, float, float]) -> tuple[float, float]:
        """Return (column, row) in pixels of a point (x, v, 0) in mm."""
        return position[0] / self.mm, (self.middle - position[1]) / self.mm

    def distance_mm(self, centre: tuple[float, float]) -> np.ndarray:
        """Return (rows, columns) mm from `centre`, a (column, row) in pixels."""
        column, row = centre
        return np.hypot(self.x - column * self.mm, self.v - (self.middle - row * self.mm))


class Canvas(PixelGrid):
    """The pixel grid of one view of a woman's breast, chest wall on the left."""

    def __init__(self, rows: int, projection: Projection, woman: Woman):
        middle = FIELD_MM[0] * (0.5 if projection is Projection.CC else 0.55)
        shape = (rows, round(rows * FIELD_MM[1] / FIELD_MM[0]))
        super().__init__(shape, FIELD_MM[0] / rows, middle, woman.depth_mm)
        self.projection, self.woman = projection, woman

    def project(self, position: tuple[float, float, float]) -> tuple[float, float]:
        """Return (column, row) in pixels of a point (x, y, z) of the breast in mm."""
        x, y, z = position
        v = y if self.projection is Projection.CC else (y + z) / np.sqrt(2)
        return x / self.mm, (self.middle - v) / self.mm

    def outline(self) -> np.ndarray:
        """Return (rows, columns) bool, True inside the compressed breast."""
        woman = self.woman
        edge = woman.edge_mm(self.projection, self.v[:, :1])
        nipple = woman.nipple_mm * np.exp(-((self.v / 5.5) ** 2))
        return self.x < edge + nipple


def add_polyline(image: np.ndarray, points_mm: np.ndarray, canvas: PixelGrid, width_mm: float, amount: float) -> None:
    """Add a line of `amount` through points_mm, (n, 2) of (x, v), to a (rows, columns) image in place.

    A line thinner than a pixel is drawn one pixel wide and fainter in proportion.
    """
    pixels = np.stack([points_mm[:, 0] / canvas.mm, (canvas.middle - points_mm[:, 1]) / canvas.mm], 1)
    width = width_mm / canvas.mm
    layer_origin = np.floor(pixels.min(0) - 4).astype(int)
    layer_end = np.ceil(pixels.max(0) + 4).astype(int)
    low = np.maximum(layer_origin, 0)
    high = np.minimum(layer_end, [image.shape[1], image.shape[0]])
    if (high <= low).any():
        return
    layer = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    shifted = np.round((pixels - low) * 16).astype(np.int32)
    cv2.polylines(layer, [shifted], False, 255, max(1, round(width)), cv2.LINE_AA, 4)
    strength = amount * min(1.0, width) / 255
    image[low[1] : high[1], low[0] : high[0]] += layer.astype(np.float32) * strength


def add_dot(image: np.ndarray, column: float, row: float, diameter: float, amount: float) -> None:
    """Add a soft disc to a (rows, columns) image in place; position and diameter in pixels.

    A disc smaller than a pixel is drawn a pixel large and fainter in proportion.
    """
    sigma = max(diameter / 2.6, 0.45)
    reach = int(np.ceil(3 * sigma))
    c0, r0 = int(np.floor(column)), int(np.floor(row))
    low_c, high_c = max(0, c0 - reach), min(image.shape[1], c0 + reach + 1)
    low_r, high_r = max(0, r0 - reach), min(image.shape[0], r0 + reach + 1)
    if high_c <= low_c or high_r <= low_r:
        return
    dx = np.arange(low_c, high_c) - column
    dy = np.arange(low_r, high_r) - row
    spot = np.exp(-(dx[None, :] ** 2 + dy[:, None] ** 2) / (2 * sigma**2))
    image[low_r:high_r, low_c:high_c] += amount * min(1.0, (diameter / 2.6 / sigma) ** 2) * spot


def angular_noise(
    rng: np.random.Generator,
    canvas: PixelGrid,
    centre: tuple[float, float],
    harmonics: int,
    amplitude: float,
    first: int = 2,
) -> np.ndarray:
    """Return (rows, columns) of a smooth random function of the angle around `centre`, about -amplitude..amplitude.

    centre: (column, row) in pixels; first: the lowest of the harmonics.
    """
    column, row = centre
    angle = np.arctan2(canvas.v - (canvas.middle - row * canvas.mm), canvas.x - column * canvas.mm)
    total = np.zeros(canvas.shape, np.float32)
    for k in range(first, first + harmonics):
        total += rng.normal() * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return (amplitude / np.sqrt(harmonics) * total).astype(np.float32)
