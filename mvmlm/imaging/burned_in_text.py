"""Text in the pixels of a view: found by OCR, told apart from the marker of side and view, and masked in the air.

Breast is never changed: a view with text over it cannot be cleaned. The engine is RapidOCR (Apache-2.0) with the models
PP-OCRv6 of its wheel, which need no network; it belongs to the extra `ocr`.
"""

from __future__ import annotations

import importlib.util
import math
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, NamedTuple

import cv2
import numpy as np

from ..exam import FileMark, View
from .deidentification import TextLook
from .preprocess import located_breast
from .voi import default_window, render
from .write import NotRepresentable

TILE, OVERLAP = 1000, 200  # pixels: in larger pieces the engine does not see small letters
LEAST_CONTRAST = 16  # of 255, in a piece that may hold letters
#: letters and digits -> certainty of the engine from which so many are text that may name somebody. Fewer name nobody,
#: and are most often a marker that was misread; so are markers with a wrong letter
CERTAIN = ((6, 0.6), (4, 0.85))
LEAST_CERTAINTY, LEAST_LETTERS = 0.6, 2  # of what may be text
MARGIN = 0.35  # of the height of the letters: what is masked around them
NEAR = 2.5  # heights of the letters: how far initials stand from their marker
PASSES = 2  # what is masked may have hidden other text from the engine
_SIDE = "(?:RIGHT|LEFT|RT|LT|R|L)"
_VIEW = "(?:XCCL|XCCM|XCC|CC|MLO|LMO|ML|LM|SIO|FB|LAT)"
_MARKER = re.compile(f"{_SIDE}{_VIEW}?|{_VIEW}{_SIDE}?")
_PART_OF_MARKER, _LONGEST_MARKER = re.compile("CC|ML"), 5
_INITIALS = re.compile("[A-Z]{1,3}")
_SEPARATORS = re.compile(r"[\s.,:;_/()\[\]|-]+")

Box = tuple[int, int, int, int]


class TextOverBreast(NotRepresentable):
    """Text lies over the breast, where nothing is masked."""


@dataclass(frozen=True)
class PictureText:
    """Text in a picture.

    words: as the engine reads them; they may name a patient. box: (left, top, right, bottom) in pixels. certainty: of
    the engine, 0..1. marker: it says side or view, perhaps with initials. over_breast: its box touches the breast.
    """

    words: str = field(repr=False)
    box: Box
    certainty: float
    marker: bool = False
    over_breast: bool = False


class Cleaned(NamedTuple):
    """A view without text that could name a patient, and what was done about text."""

    view: View
    text: TextLook


def ocr_installed() -> bool:
    """Return whether text can be looked for: whether the packages of the extra `ocr` are there."""
    return all(importlib.util.find_spec(package) is not None for package in ("rapidocr", "onnxruntime"))


def without_text(view: View) -> Cleaned:
    """Return the view with all text in the air masked but for the markers, and what was done.

    A mask has the grey of what surrounds it. Without the packages of the extra `ocr` nothing is looked for, and the
    view is the same. Raises TextOverBreast.
    """
    if not ocr_installed():
        return Cleaned(view, TextLook())
    breast, masked, doubtful = _breast(view), 0, False
    for _ in range(PASSES):
        texts = find_text(view, breast)
        if any(text.over_breast and _is_certain(text) for text in texts):
            raise TextOverBreast(
                "text lies over the breast, where nothing is masked, and it may name the woman; "
                "export the picture without it, or store it without a copy"
            )
        doubtful |= not all(map(_is_certain, texts))
        in_air = [text.box for text in texts if not text.over_breast and _is_certain(text)]
        if not in_air:
            break
        view, masked = _masked(view, in_air, breast), masked + len(in_air)
    else:
        if any(_is_certain(text) for text in find_text(view, breast)):
            raise TextOverBreast("text in the picture cannot be masked wholly; export the picture without it")
    marks = []
    if masked:
        marks.append(FileMark("text-masked", view.file, f"Text in the air is masked in this copy ({masked} places)."))
    if doubtful:
        left = "What may be text, or a marker that could not be read, was left as it is."
        marks.append(FileMark("text-doubtful", view.file, left))
    return Cleaned(replace(view, marks=(*view.marks, *marks)), TextLook(True, masked, doubtful))


def find_text(view: View, breast: np.ndarray | None = None) -> tuple[PictureText, ...]:
    """Return the text of a view that is no marker, the markers left out.

    breast: (rows, columns) bool, None to find it. Raises ModuleNotFoundError without the packages of the extra `ocr`.
    """
    breast = _breast(view) if breast is None else breast
    return tuple(
        replace(text, over_breast=bool(breast[_slices(_grown(text.box, view))].any()))
        for text in all_text(view)
        if not text.marker and text.certainty >= LEAST_CERTAINTY and _letters(text.words) >= LEAST_LETTERS
    )


def all_text(view: View) -> tuple[PictureText, ...]:
    """Return everything that the engine reads in a view, in its default window, with the markers marked as such."""
    grey = (render(view, default_window(view)) >> 8).astype(np.uint8)
    found = [text for left, top in _tiles(*grey.shape) for text in _read(grey, left, top)]
    if (shrink := max(grey.shape) / TILE) > 1:  # the whole, for letters that a piece would cut
        size = round(grey.shape[1] / shrink), round(grey.shape[0] / shrink)
        found += _read(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), 0, 0, shrink)
    found = _without_twice(found)
    sides = [text for text in found if text.marker]
    return tuple(replace(text, marker=text.marker or _are_initials(text, sides)) for text in found)


def _are_initials(text: PictureText, sides: Sequence[PictureText]) -> bool:
    """Whether a text is the initials of who made the picture, beside a marker."""
    return _INITIALS.fullmatch(text.words.upper()) is not None and _is_near(text, sides)


def is_marker(words: str) -> bool:
    """Return whether a text says side or view and no more, but for initials: "R CC", "LMLO", "CC R AB", "R"."""
    parts = [part for part in _SEPARATORS.split(words.upper().replace("0", "O")) if part]
    if _MARKER.fullmatch("".join(parts)):
        return True
    rest = [part for part in parts if not _MARKER.fullmatch(part)]
    return len(rest) == 1 < len(parts) and _INITIALS.fullmatch(rest[0]) is not None


def _letters(words: str) -> int:
    return sum(letter.isalnum() for letter in words)


def _is_certain(text: PictureText) -> bool:
    """Whether it is text that may name somebody, and no marker that was misread."""
    letters = _letters(text.words)
    if letters <= _LONGEST_MARKER and _PART_OF_MARKER.search(text.words.upper()):
        return False
    return any(letters >= fewest and text.certainty >= least for fewest, least in CERTAIN)


def _breast(view: View) -> np.ndarray:
    """Where the breast is, (rows, columns) bool; everywhere if none is found."""
    found = located_breast(view)
    if found is None:
        return np.ones(view.pixels.shape, bool)
    mask, shrink = found
    return mask.repeat(shrink, 0).repeat(shrink, 1)[: view.rows, : view.columns]


def _masked(view: View, boxes: Sequence[Box], breast: np.ndarray) -> View:
    """The view with boxes in the grey of what surrounds them, the breast left out."""
    pixels = view.pixels.copy()
    hidden = np.zeros(pixels.shape, bool)
    for box in boxes:
        hidden[_slices(_grown(box, view))] = True
    hidden &= ~breast
    for box in boxes:
        inner, outer = _slices(_grown(box, view)), _slices(_grown(_grown(box, view), view))
        around = ~(hidden | breast)[outer]
        if around.any():
            value = np.median(view.pixels[outer][around])
            pixels[inner][hidden[inner]] = value if pixels.dtype.kind == "f" else np.rint(value)
    return replace(view, pixels=pixels)


def _grown(box: Box, view: View) -> Box:
    """A box with the margin around it, inside the picture."""
    left, top, right, bottom = box
    margin = max(2, round(MARGIN * (bottom - top)))
    return (
        max(0, left - margin),
        max(0, top - margin),
        min(view.columns, right + margin),
        min(view.rows, bottom + margin),
    )


def _slices(box: Box) -> tuple[slice, slice]:
    left, top, right, bottom = box
    return slice(top, bottom), slice(left, right)


def _tiles(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """The left and top edges of pieces of TILE pixels that overlap; of one piece where the picture is smaller."""
    for top in _starts(rows):
        for left in _starts(columns):
            yield left, top


def _starts(size: int) -> list[int]:
    count = max(1, math.ceil((size - OVERLAP) / (TILE - OVERLAP)))
    return [round(start) for start in np.linspace(0, max(0, size - TILE), count)]


def _read(grey: np.ndarray, left: int, top: int, scale: float = 1.0) -> Iterator[PictureText]:
    """The text of one piece of a picture (rows, columns) uint8. scale: how many pixels of the view one of it is."""
    piece = grey[top : top + TILE, left : left + TILE]
    if np.ptp(piece) < LEAST_CONTRAST:
        return
    engine, lock = _engine()
    with lock:
        found = engine(np.dstack([piece] * 3))
    if found.boxes is None or found.txts is None:
        return
    for corners, words, certainty in zip(found.boxes, found.txts, found.scores, strict=True):
        low, high = np.floor(corners.min(0) * scale).astype(int), np.ceil(corners.max(0) * scale).astype(int)
        box = (left + int(low[0]), top + int(low[1]), left + int(high[0]), top + int(high[1]))
        yield PictureText(words.strip(), box, float(certainty), is_marker(words))


def _without_twice(texts: Sequence[PictureText]) -> list[PictureText]:
    """Texts without those that lie in another one, as where two pieces overlap; the longer of two stays."""
    kept: list[PictureText] = []
    for text in sorted(texts, key=lambda text: -(text.box[2] - text.box[0])):
        left, top, right, bottom = text.box
        centre = (left + right) / 2, (top + bottom) / 2
        if not any(b[0] <= centre[0] <= b[2] and b[1] <= centre[1] <= b[3] for b in (other.box for other in kept)):
            kept.append(text)
    return kept


def _is_near(text: PictureText, others: Sequence[PictureText]) -> bool:
    """Whether a text stands beside, above or below another one."""
    left, top, right, bottom = text.box
    reach = NEAR * (bottom - top)
    return any(
        left - reach <= b[2] and b[0] <= right + reach and top - reach <= b[3] and b[1] <= bottom + reach
        for b in (other.box for other in others)
    )


@cache
def _engine() -> tuple[Any, threading.Lock]:
    """The engine, made once, and the lock under which it is called: it keeps settings of a call."""
    from rapidocr import RapidOCR

    settings = {
        "Global.log_level": "critical",  # what it logs may hold the text
        "Global.use_cls": False,
        "EngineConfig.onnxruntime.intra_op_num_threads": 1,  # more would wait for each other on a busy machine
    }
    return RapidOCR(params=settings), threading.Lock()
