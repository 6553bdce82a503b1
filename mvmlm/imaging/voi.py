"""Stored values -> grey levels: VOI LUT or window, padding, then MONOCHROME1; the same for the model and the screen.

The order is that of PS3.3 C.11 and PS3.4 N.2: modality LUT (applied when the file is read), VOI LUT or window,
inversion last. The window functions are those of PS3.3 C.11.2.1.2 (LINEAR) and C.11.2.1.3 (SIGMOID, LINEAR_EXACT).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..exam import View, Window
from .padding import is_padding

WHITE = 65535
LARGEST_LOOKUP = 1 << 17  # values; a wider range is computed pixel by pixel
BLOCK_PIXELS = 1 << 20  # computed at once; each takes up to 40 bytes
PREVIEW_PERCENTILES = (2, 99.8)


def full_range(view: View) -> Window:
    """Return the window of a file that has none, over all grey levels.

    Unsigned values as stored: from 0 to the largest value that can be stored. All others, those after a modality LUT or
    a rescale among them: from the smallest to the largest value that occurs, without padding.
    """
    if view.pixels.dtype.kind == "u" and view.rescale == (1.0, 0.0) and not view.modality_lut:
        low, high = 0.0, float((1 << view.bits) - 1)
    else:
        values = view.pixels
        if view.padding:
            values = values[~is_padding(values, view.padding)]
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    return Window("full range", "LINEAR_EXACT", (low + high) / 2, (high - low) or 1.0)


def processing_preview(view: View) -> Window:
    """Return a window for a FOR PROCESSING image: the logarithm of the signal between its 2nd and 99.8th percentile.

    Such an image is not meant for reading; the preview shows where the breast is and no more.
    """
    sample = view.pixels[::8, ::8].astype(np.float64)
    first = math.floor(view.pixels.min())
    low, high = np.log1p(np.percentile(sample - first, PREVIEW_PERCENTILES))
    width = max(high - low, 1e-6)
    return Window("for-processing preview (logarithm)", "LOG", low + width / 2, width, first=first)


def default_window(view: View) -> Window:
    """Return the preview for a FOR PROCESSING image, else the file's first window that fits, else the full range."""
    if view.for_processing:
        return processing_preview(view)
    return next((window for window in view.windows if window.fits), None) or full_range(view)


def apply_window(values: np.ndarray, window: Window) -> np.ndarray:
    """Return float32 0..1 for values after the modality LUT, of any shape. Raises ValueError for another function."""
    x = values.astype(np.float64)
    if window.function == "TABLE":
        assert window.table is not None  # see exam.Window
        index = np.clip(np.rint(x) - window.first, 0, len(window.table) - 1).astype(np.int64)
        return window.table[index].astype(np.float32)
    if window.function == "SIGMOID":
        return (1 / (1 + np.exp(-4 * (x - window.center) / window.width))).astype(np.float32)
    if window.function == "LOG":
        y = (np.log1p(np.maximum(x - window.first, 0)) - window.center) / window.width + 0.5
    elif window.function == "LINEAR":
        if window.width <= 1:
            return (x > window.center - 0.5).astype(np.float32)
        y = (x - (window.center - 0.5)) / (window.width - 1) + 0.5
    elif window.function == "LINEAR_EXACT":
        y = (x - window.center) / window.width + 0.5
    else:
        raise ValueError(f"window function {window.function!r}: expected LINEAR, LINEAR_EXACT, SIGMOID, TABLE or LOG")
    return np.clip(y, 0, 1).astype(np.float32)


def render(view: View, window: Window | None = None) -> np.ndarray:
    """Return (rows, columns) uint16, 0 black to 65535 white, in the orientation of the file.

    window: None for `default_window`. Padding is black whether or not the picture is inverted.
    """
    window = window or default_window(view)
    pixels = view.pixels
    if pixels.dtype.kind in "ui":
        low, high = int(pixels.min()), int(pixels.max())
        low = 0 if low >= 0 and high <= LARGEST_LOOKUP else low
        if high - low <= LARGEST_LOOKUP:  # over the values that occur: 16 ms instead of 200 for a 3328 x 2560 view
            grey = _grey(np.arange(low, high + 1), window, view)
            return grey[pixels] if low == 0 and pixels.dtype.kind == "u" else _look_up(grey, pixels, low)
    return _in_blocks(lambda block: _grey(block, window, view), pixels)


def _look_up(grey: np.ndarray, pixels: np.ndarray, low: int) -> np.ndarray:
    wide = np.int64 if pixels.dtype.itemsize > 2 else np.int32
    return _in_blocks(lambda block: grey[block.astype(wide) - low], pixels)


def _in_blocks(convert: Callable[[np.ndarray], np.ndarray], pixels: np.ndarray) -> np.ndarray:
    """(rows, columns) uint16, converted a few rows at a time, so that little memory is needed."""
    grey = np.empty(pixels.shape, np.uint16)
    rows = max(1, BLOCK_PIXELS // pixels.shape[1])
    for start in range(0, len(pixels), rows):
        grey[start : start + rows] = convert(pixels[start : start + rows])
    return grey


def _grey(values: np.ndarray, window: Window, view: View) -> np.ndarray:
    grey = apply_window(values, window)
    if view.inverted:
        grey = 1 - grey
    if view.padding:
        grey[is_padding(values, view.padding)] = 0
    return np.round(grey * WHITE).astype(np.uint16)
