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
    curve = 255 * (np.arange(256, dtype=np.float32) / 255) ** gamma * gain  # of each grey level
    # for each breast: degrees, scale, and shift along the chest wall in pixels
    affine = {side: (rng.gauss(0, 4), np.exp(rng.gauss(0, 0.06)), rng.gauss(0, 0.02) * rows) for side in Laterality}
    for index, name in enumerate(STANDARD_VIEWS):
        angle, scale, shift = affine[name.laterality]
        matrix = cv2.getRotationMatrix2D((0, rows / 2), angle + rng.gauss(0, 1), scale * np.exp(rng.gauss(0, 0.02)))
        matrix[:, 2] += (-abs(rng.gauss(0, 0.012)) * columns, shift)
        moved_boxes += [_move_box(box, matrix) for box in boxes if box.view == index]
        # everything random is drawn for each view, also for one that is not there, so that it changes no other
        bend = np.random.default_rng(rng.getrandbits(32)) if elastic else None
        sigma = rng.uniform(0.3, 0.8) if blur else None
        grain = np.random.default_rng(rng.getrandbits(32))
        if not views[index].any():
            out[index] = 0
            continue
        moved: np.ndarray = cv2.warpAffine(views[index], matrix, (columns, rows), flags=cv2.INTER_LINEAR)
        if bend is not None:
            moved = _deform(moved, bend)
        curved = curve[moved]
        if sigma is not None:
            curved = cv2.GaussianBlur(curved, (0, 0), sigma)
        speckle = grain.standard_normal(curved.shape, dtype=np.float32)
        speckle *= noise
        speckle *= moved > 0
        curved += speckle
        out[index] = np.clip(curved, 0, 255, out=curved)
    return out, tuple(moved_boxes)


def _move_box(box: ModelBox, matrix: np.ndarray) -> ModelBox:
    """The upright box around the four corners of `box` after the affine `matrix` (2, 3)."""
    corners = np.array([(x, y, 1) for x in (box.left, box.right) for y in (box.top, box.bottom)]) @ matrix.T
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    return box._replace(left=left, top=top, right=right, bottom=bottom)


def _deform(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift tissue smoothly by up to about a hundredth of the picture; too little to move the boxes for."""
    rows, columns = picture.shape
    coarse = rng.normal(0, 0.006 * rows, (2, 7, 5)).astype(np.float32)
    dx, dy = (cv2.resize(shift, (columns, rows), interpolation=cv2.INTER_CUBIC) for shift in coarse)
    dx[:, : columns // 12] = np.maximum(dx[:, : columns // 12], 0)  # the chest wall stays at the edge
    across, down = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    return cv2.remap(picture, across + dx, down + dy, cv2.INTER_LINEAR)
