"""Stored values -> grey levels: VOI LUT or window, padding, then MONOCHROME1; the same for the model and the screen.

The order is that of PS3.3 C.11 and PS3.4 N.2: modality LUT (applied when the file is read), VOI LUT or window,
inversion last. The window functions are those of PS3.3 C.11.2.1.2 (LINEAR) and C.11.2.1.3 (SIGMOID, LINEAR_EXACT).
"""

from __future__ import annotations

import numpy as np

from ..exam import View, Window

WHITE = 65535
LARGEST_LOOKUP = 1 << 17  # values; a wider range is computed pixel by pixel
PREVIEW_PERCENTILES = (2, 99.8)


def full_range(view: View) -> Window:
    """Return the window of a file that has none: from its smallest to its largest possible stored value."""
    low = 0 if view.pixels.dtype.kind == "u" else int(view.pixels.min())
    high = max((1 << view.bits) - 1, low + 1) if low == 0 else int(view.pixels.max())
    return Window("full range", "LINEAR_EXACT", (low + high) / 2, max(high - low, 1))


def processing_preview(view: View) -> Window:
    """Return a window for a FOR PROCESSING image: the logarithm of the signal between its 2nd and 99.8th percentile.

    Such an image is not meant for reading; the preview shows where the breast is and no more.
    """
    sample = view.pixels[::8, ::8].astype(np.float64)
    first, last = int(view.pixels.min()), int(view.pixels.max())
    low, high = np.log1p(np.percentile(sample - first, PREVIEW_PERCENTILES))
    table = np.clip((np.log1p(np.arange(last - first + 1)) - low) / max(high - low, 1e-6), 0, 1)
    return Window("for-processing preview (logarithm)", "TABLE", table=table.astype(np.float32), first=first)


def default_window(view: View) -> Window:
    """Return the preview for a FOR PROCESSING image, else the file's first window, else the full range."""
    if view.for_processing and view.pixels.dtype.kind in "ui":
        return processing_preview(view)
    return view.windows[0] if view.windows else full_range(view)


def apply_window(values: np.ndarray, window: Window) -> np.ndarray:
    """Return float32 0..1 for values after the modality LUT, of any shape. Raises ValueError for another function."""
    x = values.astype(np.float64)
    if window.function == "TABLE":
        assert window.table is not None  # see exam.Window
        index = np.clip(values.astype(np.int64) - window.first, 0, len(window.table) - 1)
        return window.table[index].astype(np.float32)
    if window.function == "SIGMOID":
        return (1 / (1 + np.exp(-4 * (x - window.center) / window.width))).astype(np.float32)
    if window.function == "LINEAR":
        if window.width <= 1:
            return (x > window.center - 0.5).astype(np.float32)
        y = (x - (window.center - 0.5)) / (window.width - 1) + 0.5
    elif window.function == "LINEAR_EXACT":
        y = (x - window.center) / window.width + 0.5
    else:
        raise ValueError(f"window function {window.function!r}: expected LINEAR, LINEAR_EXACT, SIGMOID or TABLE")
    return np.clip(y, 0, 1).astype(np.float32)


def render(view: View, window: Window | None = None) -> np.ndarray:
    """Return (rows, columns) uint16, 0 black to 65535 white, in the orientation of the file.

    window: None for `default_window`. Padding is black whether or not the picture is inverted.
    """
    window = window or default_window(view)
    pixels = view.pixels
    low, high = int(pixels.min()), int(pixels.max())
    if pixels.dtype.kind not in "ui" or high - low > LARGEST_LOOKUP:
        grey = _grey(pixels, window, view)
    else:  # a lookup over the values that occur: 16 ms instead of 200 for a 3328 x 2560 view
        grey = _grey(np.arange(low, high + 1), window, view)
        grey = grey[pixels] if low == 0 and pixels.dtype.kind == "u" else grey[pixels.astype(np.int32) - low]
    return grey


def _grey(values: np.ndarray, window: Window, view: View) -> np.ndarray:
    grey = apply_window(values, window)
    if view.inverted:
        grey = 1 - grey
    if view.padding:
        grey[(values >= view.padding[0]) & (values <= view.padding[1])] = 0
    return np.round(grey * WHITE).astype(np.uint16)
