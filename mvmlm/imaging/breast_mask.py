"""The breast in a picture: where the picture network sees it, made exact at the skin line by the grey levels.

The one place where a breast is outlined: the model's input, the crop, the nipple and the checks of a view all use it.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .picture_network import PictureFacts, picture_facts

SEGMENTATION_ROWS = 320  # the breast is outlined on a picture of about this many rows
LEAST_SHARE = 0.02  # of the picture without padding and frame, for a breast
LEAST_CONTRAST = 8  # of 255, between the darkest and the brightest place
REACH = 0.025  # of the height: how far the skin line may lie from where the network sees it
UNLIKELY = 0.03  # probability under which no grey level makes a place breast


class NoBreast(ValueError):
    """No breast was found in the picture."""


class OutlinedBreast(NamedTuple):
    """The breast of a picture. mask: (rows, columns) bool at about SEGMENTATION_ROWS rows. facts: of that picture."""

    mask: np.ndarray
    facts: PictureFacts


def reduced(grey: np.ndarray) -> np.ndarray:
    """Return the picture at about SEGMENTATION_ROWS rows. Raises NoBreast where it is too small or of one grey."""
    shrink = max(1, round(grey.shape[0] / SEGMENTATION_ROWS))
    size = (max(1, grey.shape[1] // shrink), max(1, grey.shape[0] // shrink))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    if min(small.shape) < 16:
        raise NoBreast("the picture is too small to hold a breast")
    if np.ptp(_brightness(small)) < LEAST_CONTRAST:
        raise NoBreast("no breast was found in the picture")
    return small


def outlined_breast(grey: np.ndarray) -> OutlinedBreast:
    """Return the breast in (rows, columns) grey levels 0..65535. Raises NoBreast."""
    small = reduced(grey)
    facts = picture_facts(small)
    mask = _exact(small, facts)
    left, top, right, bottom = facts.box
    if mask.sum() < LEAST_SHARE * (right - left) * (bottom - top):
        raise NoBreast("no breast was found in the picture")
    return OutlinedBreast(mask, facts)


def _brightness(small: np.ndarray) -> np.ndarray:
    """(rows, columns) uint8, the square root of the grey levels, which lifts the dim skin line; slightly smoothed."""
    return np.round(cv2.GaussianBlur(np.sqrt(small.astype(np.float32) / 65535), (0, 0), 1.0) * 255).astype(np.uint8)


def _exact(small: np.ndarray, facts: PictureFacts) -> np.ndarray:
    """(rows, columns) bool: within REACH of the edge that the network sees, the greys decide what is breast."""
    seen = _largest((facts.breast > 0.5).astype(np.uint8))
    reach = max(2, round(REACH * small.shape[0]))
    wide, core = _grown(seen, reach), _shrunk(seen, reach)
    around = np.zeros_like(seen)  # without padding and frames
    left, top, right, bottom = facts.box
    around[top:bottom, left:right] = _grown(wide, 3 * reach)[top:bottom, left:right]
    bright = _brightness(65535 - small if facts.negative > 0.5 else small)
    air = bright[(around > 0) & (wide == 0)]
    if air.size < 0.02 * seen.sum() or not core.any():
        return seen.astype(bool)
    background = float(np.median(air))
    threshold, _ = cv2.threshold(bright[around > 0].reshape(-1, 1), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    level = background + 0.45 * (threshold - background)  # nearer to the background: skin is dim
    dark = ((around > 0) & (core == 0) & (bright <= level)).astype(np.uint8)
    skin = (_grown(dark, reach) > 0) & (facts.breast > UNLIKELY)  # beyond it is air, and no frame or label
    edge = (around > 0) & (bright > level) & ((seen > 0) | skin)
    exact: np.ndarray = (edge | (core > 0)).astype(np.uint8)
    exact = cv2.morphologyEx(exact, cv2.MORPH_OPEN, _disc(2))
    return _without_film_strips(_filled(_largest(exact))).astype(bool)


def _disc(reach: int) -> np.ndarray:
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))


def _grown(piece: np.ndarray, reach: int) -> np.ndarray:
    return cv2.dilate(piece, _disc(reach))


def _shrunk(piece: np.ndarray, reach: int) -> np.ndarray:
    """The piece without its rim; at the picture's edges, where it may go on, nothing is taken away."""
    return cv2.erode(piece, _disc(reach), borderType=cv2.BORDER_CONSTANT, borderValue=(255.0,))


def _largest(piece: np.ndarray) -> np.ndarray:
    """The largest connected piece, (rows, columns) uint8 of 0 and 1."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(piece, connectivity=4)
    if count < 2:
        return piece
    return (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)


def _filled(piece: np.ndarray) -> np.ndarray:
    """The piece without holes: everything that cannot be reached from outside is inside."""
    framed = cv2.copyMakeBorder(piece, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    cv2.floodFill(framed, None, (0, 0), 2)
    return (framed != 2).astype(np.uint8)[1:-1, 1:-1]


def _without_film_strips(piece: np.ndarray) -> np.ndarray:
    """Remove the strip of film along the chest wall above and below a breast: long, narrow, and of about one width.

    The end of a breast tapers, so that its rows differ more in width.
    """
    widths = piece.sum(1, dtype=int)
    for rows in (np.flatnonzero(widths), np.flatnonzero(widths)[::-1]):
        narrow = widths[rows] < 0.19 * widths.max()
        run = len(rows) if narrow.all() else int(np.argmin(narrow))
        if run <= 0.09 * len(rows):
            continue
        outer, inner = np.median(widths[rows[: run // 2]]), np.median(widths[rows[run // 2 : run]])
        if inner < 2.5 * outer:
            piece[rows[:run]] = 0
    return piece
