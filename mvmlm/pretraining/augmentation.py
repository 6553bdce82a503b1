"""Augmentation of a whole exam: geometry that moves its boxes along, an intensity curve, noise and blur."""

from __future__ import annotations

import random
from collections.abc import Sequence

import cv2
import numpy as np

from ..exam import STANDARD_VIEWS, Laterality
from .exam_cache import ModelBox


def augment(
    views: np.ndarray, boxes: Sequence[ModelBox], rng: random.Random
) -> tuple[np.ndarray, tuple[ModelBox, ...]]:
    """Return the augmented views (4, rows, columns), float32 in 0..255, and the boxes moved with the tissue.

    views: (4, rows, columns) uint8. Both views of a breast get nearly the same affine transform; the intensity curve,
    noise and blur are those of the whole exam. Views are never mirrored: the chest wall stays on the left.
    """
    rows, columns = views.shape[1:]
    out, moved_boxes = np.empty(views.shape, np.float32), []
    gamma, gain = np.exp(rng.gauss(0, 0.12)), np.exp(rng.gauss(0, 0.06))
    noise, blur, elastic = abs(rng.gauss(0, 2.0)), rng.random() < 0.25, rng.random() < 0.3
    # for each breast: degrees, scale, and shift along the chest wall in pixels
    affine = {side: (rng.gauss(0, 4), np.exp(rng.gauss(0, 0.06)), rng.gauss(0, 0.02) * rows) for side in Laterality}
    for index, name in enumerate(STANDARD_VIEWS):
        angle, scale, shift = affine[name.laterality]
        matrix = cv2.getRotationMatrix2D((0, rows / 2), angle + rng.gauss(0, 1), scale * np.exp(rng.gauss(0, 0.02)))
        matrix[:, 2] += (-abs(rng.gauss(0, 0.012)) * columns, shift)
        moved_boxes += [_move_box(box, matrix) for box in boxes if box.view == index]
        moved: np.ndarray = cv2.warpAffine(views[index], matrix, (columns, rows), flags=cv2.INTER_LINEAR)
        if elastic:
            moved = _deform(moved, rng)
        moved = moved.astype(np.float32)
        curved: np.ndarray = 255 * (moved / 255) ** gamma * gain
        if blur:
            curved = cv2.GaussianBlur(curved, (0, 0), rng.uniform(0.3, 0.8))
        grain = np.random.default_rng(rng.getrandbits(32)).standard_normal(curved.shape, dtype=np.float32)
        out[index] = np.clip(curved + noise * grain * (moved > 0), 0, 255)
    return out, tuple(moved_boxes)


def _move_box(box: ModelBox, matrix: np.ndarray) -> ModelBox:
    """The upright box around the four corners of `box` after the affine `matrix` (2, 3)."""
    corners = np.array([(x, y, 1) for x in (box.left, box.right) for y in (box.top, box.bottom)]) @ matrix.T
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    return box._replace(left=left, top=top, right=right, bottom=bottom)


def _deform(picture: np.ndarray, rng: random.Random) -> np.ndarray:
    """Shift tissue smoothly by up to about a hundredth of the picture; too little to move the boxes for."""
    rows, columns = picture.shape
    coarse = np.random.default_rng(rng.getrandbits(32)).normal(0, 0.006 * rows, (2, 7, 5)).astype(np.float32)
    dx, dy = (cv2.resize(shift, (columns, rows), interpolation=cv2.INTER_CUBIC) for shift in coarse)
    dx[:, : columns // 12] = np.maximum(dx[:, : columns // 12], 0)  # the chest wall stays at the edge
    across, down = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    return cv2.remap(picture, across + dx, down + dy, cv2.INTER_LINEAR)
