"""What stands in the way of finding a breast: padding, film, frames, labels, edges; drawn into pictures for tests.

Each function takes a random generator and a picture with the chest wall on the left, (rows, columns) float32 0..1, and
the breast's mask, (rows, columns) bool, and returns both anew.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

Drawn = tuple[np.ndarray, np.ndarray]


def padded(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray) -> Drawn:
    """Zeros around the picture: on one side much, as for a square, on the others little or nothing."""
    rows, columns = picture.shape
    sides = [int(share * length) for share, length in zip(rng.uniform(0, 0.1, 4), (rows, rows, columns, columns))]
    sides = [side if rng.random() < 0.5 else 0 for side in sides]
    much = rng.integers(4)
    sides[much] = int(rng.uniform(0.1, 0.5) * (rows if much < 2 else columns))
    widths = ((sides[0], sides[1]), (sides[2], sides[3]))
    return np.pad(picture, widths), np.pad(mask, widths)


def on_film(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray) -> Drawn:
    """The base of a film: a grey background with a gradient, its grain, and a strip along the chest wall."""
    rows, columns = picture.shape
    base = rng.uniform(0.03, 0.3)
    fall = np.add.outer(np.linspace(-1, 1, rows) * rng.normal(), np.linspace(-1, 1, columns) * rng.normal())
    film = np.clip(base * (1 + 0.2 * fall), 0, 1).astype(np.float32)
    drawn = film + (1 - film) * picture + rng.normal(0, rng.uniform(0, 0.01), picture.shape).astype(np.float32)
    if rng.random() < 0.6:
        drawn, mask = chest_wall_strip(rng, drawn, mask)
    return np.clip(drawn, 0, 1), mask


def chest_wall_strip(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray) -> Drawn:
    """A strip of film along the chest wall beside the breast: bright or grey, of one width or a wedge."""
    rows, columns = picture.shape
    width, skew = rng.uniform(0.01, 0.06) * columns, rng.uniform(-0.6, 0.6)
    strip = np.arange(columns)[None] < width * (1 + skew * np.linspace(-1, 1, rows))[:, None]
    value = rng.choice([rng.uniform(0.12, 0.5), rng.uniform(0.8, 1)])
    drawn = np.where(strip, np.maximum(picture, value) if value < 0.6 else value, picture)
    return drawn.astype(np.float32), (mask & ~strip) if value > 0.6 else mask


def framed(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray, share: float | None = None) -> Drawn:
    """A white frame over the picture. share: its width on each side; None for random ones up to 12 %, some 0."""
    rows, columns = picture.shape
    shares = [share] * 4 if share is not None else [rng.choice([0, rng.uniform(0, 0.12)]) for _ in range(4)]
    corners = np.array(
        [[shares[2] * columns, shares[0] * rows], [columns - 1 - shares[3] * columns, shares[0] * rows],
         [columns - 1 - shares[3] * columns, rows - 1 - shares[1] * rows],
         [shares[2] * columns, rows - 1 - shares[1] * rows]]
    )  # fmt: skip
    if share is None:
        corners += rng.uniform(-0.012, 0.012, corners.shape) * rows
    window = cv2.fillPoly(np.zeros(picture.shape, np.uint8), [np.round(corners).astype(np.int32)], 1)
    if share is None and rng.random() < 0.4:
        reach = int(rows * rng.uniform(0.02, 0.12)) | 1
        window = cv2.morphologyEx(
            np.pad(window, reach), cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))
        )[reach:-reach, reach:-reach]
    inside = window.astype(bool)
    return np.where(inside, picture, np.float32(rng.uniform(0.8, 1.0))), mask & inside


def labelled(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray) -> Drawn:
    """One to three labels and letters beside the breast, some reaching into it or over the picture's edge."""
    drawn, hidden = picture.copy(), np.zeros(picture.shape, bool)
    rows, columns = picture.shape
    free = np.argwhere(cv2.erode((~mask).astype(np.uint8), np.ones((max(3, rows // 12),) * 2)))
    for _ in range(rng.integers(1, 4)):
        if not len(free):
            break
        row, column = free[rng.integers(len(free))]
        size = (rows * rng.uniform(0.03, 0.14), rows * rng.uniform(0.05, 0.28))
        box = cv2.boxPoints(((float(column), float(row)), size, float(rng.choice([0, 90, rng.uniform(0, 180)]))))
        text = str(rng.choice(["RCC", "LCC", "R MLO", "LMLO", "R", "L", "L 4 219", "MED LAT OBL"]))
        place = (int(column - rows * 0.06), int(row))
        if rng.random() < 0.5:
            paper = rng.uniform(0.5, 1)
            cv2.fillPoly(drawn, [np.round(box).astype(np.int32)], float(paper))
            _write(drawn, text, place, rows / 600, 0.1, max(1, rows // 300))
            cover = cv2.fillPoly(np.zeros(picture.shape, np.uint8), [np.round(box).astype(np.int32)], 1)
            hidden |= cover.astype(bool)
        else:
            scale = rows / 320 * rng.uniform(0.4, 1.2)
            _write(drawn, text, place, scale, float(rng.uniform(0.4, 1)), max(1, rows // 160))
    return drawn, mask & ~hidden


def _write(picture: np.ndarray, text: str, place: tuple[int, int], size: float, value: float, pen: int) -> None:
    ink = np.zeros(picture.shape, np.uint8)
    cv2.putText(ink, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, pen, cv2.LINE_AA)
    picture += (value - picture) * (ink.astype(np.float32) / 255)


def collimated(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray) -> Drawn:
    """The edge of a collimator or film: bright outside one or two oblique lines, or a bright line itself."""
    rows, columns = picture.shape
    row, column = np.mgrid[:rows, :columns].astype(np.float32)
    drawn, kept = picture.copy(), mask.copy()
    for _ in range(rng.integers(1, 3)):
        angle = rng.choice([rng.uniform(0.2, 1.4), np.pi / 2, 0.0]) * rng.choice([-1, 1])
        along = np.cos(angle) * column / columns + np.sin(angle) * row / rows
        edge = np.quantile(along, rng.uniform(0.9, 0.985))
        outside = along > edge
        if (outside & mask).sum() > 0.05 * mask.sum():
            continue
        if rng.random() < 0.3:
            outside &= along < edge + 0.012
        drawn[outside] = rng.uniform(0.4, 1.0)
        kept &= ~outside
    return drawn, kept


def inverted(_rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray) -> Drawn:
    """The negative."""
    return 1 - picture, mask


def filling(rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray) -> Drawn:
    """The picture cut so that the breast fills it: little or nothing of the background is left."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    height, width = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    top = rows[0] + int(height * rng.uniform(0.02, 0.16))
    bottom = rows[-1] + 1 - int(height * rng.uniform(0.02, 0.16))
    right = columns[0] + max(8, int(width * rng.uniform(0.8, 0.98)))
    part = np.s_[top:bottom, columns[0] : right]
    return picture[part].copy(), mask[part].copy()


#: by what tables call them
TROUBLES: dict[str, Callable[[np.random.Generator, np.ndarray, np.ndarray], Drawn]] = {
    "none": lambda _rng, picture, mask: (picture, mask),
    "zero padding": padded,
    "film base": on_film,
    "film base and zero padding": lambda rng, picture, mask: padded(rng, *on_film(rng, picture, mask)),
    "white frame of 2 %": lambda rng, picture, mask: framed(rng, picture, mask, 0.02),
    "white frame of 5 %": lambda rng, picture, mask: framed(rng, picture, mask, 0.05),
    "white frame of 10 %": lambda rng, picture, mask: framed(rng, picture, mask, 0.1),
    "labels": labelled,
    "collimator edges": collimated,
    "negative": inverted,
    "breast fills the picture": filling,
}
