"""What a picture shows, by its pixels alone: the breast, its chest wall, its projection, and whether it is a mammogram.

A small convolutional network answers all of it at once. `scripts/train_picture_network.py` trains it and writes
`picture_network.onnx` and its record beside this file; OpenCV runs it, so that opening an exam needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np

ROWS, COLUMNS = 160, 128  # of the network's input
FILE = Path(__file__).with_name("picture_network.onnx")
EDGES = ("left", "right", "top", "bottom")
KINDS = ("whole", "part", "other")
#: the network's outputs in their order: the edges and the kinds by softmax, each of the others by itself
OUTPUTS = (*EDGES, *KINDS, "head_first", "mlo", "negative")
LEAST_CONTENT = 0.08  # of the height and the width, beside padding and frames
ONE_GREY = 0.002  # of the range: the rest of a frame after a picture was made smaller
KEPT = 8  # pictures whose facts are kept: the views of an exam and some extra ones
_LOCK = Lock()  # a network of OpenCV works for one caller at a time


class Placement(NamedTuple):
    """What of a picture goes into the network's input, and where it lies there.

    box: left, top, right, bottom of the picture without padding and frames, in its pixels (right and bottom excluded).
    top, left, height, width: of that box in the input.
    """

    box: tuple[int, int, int, int]
    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class PictureFacts:
    """What a picture shows by its pixels, each with its probability 0..1; they need not be true.

    edges: which edge of the picture is the chest wall: "left", "right", "top" or "bottom". kinds: "whole" for one whole
    breast, "part" for a part as in a spot compression or magnification view, "other" for anything else. mlo: an MLO and
    no CC. head_first: of a view from the side, that the head is up (chest wall left or right) or at the left (chest
    wall at the top or bottom). negative: white where it should be black. breast: (rows, columns) float32 of the
    picture's size, the probability that a place is breast. box: as in `Placement`. texture: how much the greys inside
    the breast vary from place to place, as a share of the picture's; a drawing has hardly any.
    """

    edges: Mapping[str, float]
    kinds: Mapping[str, float]
    mlo: float
    head_first: float
    negative: float
    breast: np.ndarray
    box: tuple[int, int, int, int]
    texture: float


def content_box(grey: np.ndarray) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of a picture without its padding and frame (right and bottom excluded).

    Those are rows and columns at the border of one grey: exactly one, or nearly so where it is black or white, such as
    zeros around a film. grey: (rows, columns) levels 0..65535. The whole picture where little would be left.
    """
    height, width = grey.shape
    left, top, right, bottom = 0, 0, width, height
    for _ in range(2):  # a frame can lie inside padding
        rows = np.flatnonzero(~_plain(grey[top:bottom, left:right], 1))
        if len(rows) < LEAST_CONTENT * height:
            return 0, 0, width, height
        top, bottom = top + int(rows[0]), top + int(rows[-1]) + 1
        columns = np.flatnonzero(~_plain(grey[top:bottom, left:right], 0))
        if len(columns) < LEAST_CONTENT * width:
            return 0, 0, width, height
        left, right = left + int(columns[0]), left + int(columns[-1]) + 1
    return left, top, right, bottom


def _plain(grey: np.ndarray, axis: int) -> np.ndarray:
    """Whether each row (axis 1) or column (axis 0) has one grey: nearly so if black or white, exactly any other."""
    ordered = np.sort(grey if axis else grey.T, axis=1).astype(np.float32)  # np.percentile takes eight times as long
    low, high = (_of_ordered(ordered, share) for share in (0.01, 0.99))
    plain = (high - low < 0.012 * 65535) & ((high < 0.015 * 65535) | (low > 0.7 * 65535))
    return plain | (ordered[:, -1] - ordered[:, 0] <= ONE_GREY * 65535)


def _of_ordered(ordered: np.ndarray, share: float) -> np.ndarray:
    """The value of each row below which this share of its values lies, as `np.quantile` interpolates it."""
    place = share * (ordered.shape[1] - 1)
    before = int(place)
    after = min(before + 1, ordered.shape[1] - 1)
    return ordered[:, before] + (place - before) * (ordered[:, after] - ordered[:, before])


def network_input(grey: np.ndarray) -> tuple[np.ndarray, Placement]:
    """Return (ROWS, COLUMNS) float32 for (rows, columns) grey levels 0..65535, and what of it lies where.

    The picture without padding and frames keeps its aspect ratio; the square root of its greys is scaled between the
    1st and 99th percentile.
    """
    box = content_box(grey)
    part = grey[box[1] : box[3], box[0] : box[2]]
    scale = min(ROWS / part.shape[0], COLUMNS / part.shape[1])
    height, width = max(1, round(part.shape[0] * scale)), max(1, round(part.shape[1] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.sqrt(cv2.resize(part, (width, height), interpolation=method).astype(np.float32) / 65535)
    low, high = np.percentile(small, (1, 99))
    small = np.clip((small - low) / max(high - low, 1e-3), -0.2, 1.2)
    place = Placement(box, (ROWS - height) // 2, (COLUMNS - width) // 2, height, width)
    framed = np.zeros((ROWS, COLUMNS), np.float32)
    framed[place.top : place.top + height, place.left : place.left + width] = small
    return framed, place


def picture_facts(grey: np.ndarray) -> PictureFacts:
    """Return what a picture of (rows, columns) uint16 grey levels 0..65535 shows.

    Several checks of a view ask about the same picture, so what the last few show is kept.
    """
    return _facts(grey.tobytes(), grey.shape)


@lru_cache(maxsize=KEPT)
def _facts(levels: bytes, shape: tuple[int, int]) -> PictureFacts:
    grey = np.frombuffer(levels, np.uint16).reshape(shape)
    framed, place = network_input(grey)
    with _LOCK:
        network = _network()
        network.setInput(framed[None, None])
        breast, values = network.forward(["breast", "properties"])
    breast = cv2.resize(breast[0, 0], (COLUMNS, ROWS), interpolation=cv2.INTER_LINEAR)
    breast = breast[place.top : place.top + place.height, place.left : place.left + place.width]
    breast = _over_the_picture(_sigmoid(breast).astype(np.float32), place, grey.shape)
    breast.setflags(write=False)
    given = dict(zip(OUTPUTS, values[0].astype(np.float64), strict=True))
    single = {name: float(_sigmoid(given[name])) for name in OUTPUTS[len(EDGES) + len(KINDS) :]}
    return PictureFacts(
        edges=_shares(given, EDGES), kinds=_shares(given, KINDS), breast=breast, box=place.box,
        texture=_texture(grey, breast), **single,
    )  # fmt: skip


def forget_facts() -> None:
    """Drop what is kept of the last pictures, so that a measurement of the time starts anew."""
    _facts.cache_clear()


def _over_the_picture(breast: np.ndarray, place: Placement, shape: tuple[int, ...]) -> np.ndarray:
    """(shape) float32: the map of the box, zero beside it, where there is padding or a frame."""
    left, top, right, bottom = place.box
    whole = np.zeros(shape, np.float32)
    whole[top:bottom, left:right] = cv2.resize(breast, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    return whole


def _texture(grey: np.ndarray, breast: np.ndarray) -> float:
    """The median difference from the smoothed greys well inside the breast, as a share of the range of all greys."""
    inside = cv2.erode((breast > 0.5).astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    low, high = np.percentile(grey, (1, 99))
    if not inside.any() or high <= low:
        return 0.0
    levels = grey.astype(np.float32)
    return float(np.median(np.abs(levels - cv2.GaussianBlur(levels, (0, 0), 3.0))[inside]) / (high - low))


def _sigmoid(values: np.ndarray | float) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def _shares(values: Mapping[str, float], names: tuple[str, ...]) -> dict[str, float]:
    """The softmax of some of the outputs."""
    powers = np.exp([values[name] - max(values[other] for other in names) for name in names])
    return dict(zip(names, (powers / powers.sum()).tolist(), strict=True))


@lru_cache(maxsize=1)
def _network() -> cv2.dnn.Net:
    return cv2.dnn.readNetFromONNX(np.frombuffer(FILE.read_bytes(), np.uint8))
