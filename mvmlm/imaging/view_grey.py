"""The grey levels of a view from its header and its pixels: windows that do not fit the values are passed over."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import numpy as np

from ..exam import FileMark, View, Window
from ..messages import quoted
from .file_header import FileHeader, WindowHeader
from .voi import apply_window, full_range

SAMPLES = 128  # rows and columns of the pixels that are looked at, about
LEAST_BESIDE_PADDING = 0.02  # share of the picture on the smaller side of the padding values
BORDER = 0.02  # of the range of values at both ends: the background and burnt-in text
MOST_DARK = 0.15  # of white
MOST_SATURATED, LEAST_CONTRAST = 0.95, 0.1  # share of the other pixels; share of the grey levels


def grey_facts(header: FileHeader, pixels: np.ndarray) -> dict[str, Any]:
    """Return the fields of a `View` about grey levels."""
    padding, rescale = header.get("padding"), header.get("rescale") or (1.0, 0.0)
    return {
        "windows": tuple(_window(window) for window in header.get("windows") or []),
        "rescale": (rescale[0], rescale[1]),
        "modality_lut": header.get("modality_lut", False),
        "inverted": header.get("inverted", False),
        "padding": (padding[0], padding[1]) if padding else None,
        "bits": header.get("bits") or _bits_of(pixels),
    }


def _window(header: WindowHeader) -> Window:
    table = np.frombuffer(base64.b64decode(header["table"]), "<f4") if "table" in header else None
    return Window(
        header["name"],
        header["function"],
        header.get("center", 0.0),
        header.get("width", 1.0),
        table,
        header.get("first", 0),
        header.get("table_bits", 16),
        header.get("table_vr", ""),
        header.get("explained", False),
    )


def _bits_of(pixels: np.ndarray) -> int:
    return 8 if pixels.dtype.itemsize == 1 else max(8, int(pixels.max()).bit_length())


def with_fitting_grey(view: View) -> View:
    """Return the view without padding that is the whole picture, its windows with `fits`, and marks on both.

    A window does not fit where it would show nearly the whole breast black, white or in one grey, like that of a CT.
    The windows of an image for processing are not judged, because it is shown without them.
    """
    values = view.pixels[:: max(1, view.rows // SAMPLES), :: max(1, view.columns // SAMPLES)]
    marks = []
    if view.padding and not _image(values, view).size and not _image(view.pixels, view).size:
        text = "Every value of the picture is a padding value by its header; none is taken for padding."
        marks.append(FileMark("padding", view.file, text))
        view = replace(view, padding=None)
    elif view.padding and _inside(values, view.padding):
        ends = f"{view.padding[0]:g} to {view.padding[1]:g}"
        text = f"The padding values, {ends}, lie between the other values; they are black."
        marks.append(FileMark("padding", view.file, text))
    values = _image(values, view)
    windows = tuple(replace(w, fits=view.for_processing or _fits(w, values)) for w in view.windows)
    unfit = [quoted(window.name) for window in windows if not window.fits]
    if unfit:
        names = ", ".join(unfit[:3]) + (f" and {len(unfit) - 3} more" if len(unfit) > 3 else "")
        told = f"{'A window does' if len(unfit) == 1 else 'Windows do'} not fit the values of the picture"
        over = f"and {'is' if len(unfit) == 1 else 'are'} passed over: {names}"
        text = f"{told}, {values.min():g} to {values.max():g}, {over}."
        marks.append(FileMark("window-range", view.file, text))
    view = replace(view, windows=windows)
    if _is_dark(view, values):
        text = (
            f"No window fits it, and its values, up to {values.max():g}, use little of the {view.bits} bits that they "
            "may have: the picture is dark. Change the window on the screen."
        )
        marks.append(FileMark("dark", view.file, text))
    return replace(view, marks=(*view.marks, *marks))


def _is_dark(view: View, values: np.ndarray) -> bool:
    """Whether a picture for presentation without a fitting window stays in the lowest part of its grey levels."""
    if view.for_processing or any(window.fits for window in view.windows) or not values.size:
        return False
    shown = apply_window(values, full_range(view))
    return float((1 - shown if view.inverted else shown).max()) < MOST_DARK


def _image(values: np.ndarray, view: View) -> np.ndarray:
    """(n,) the values that are no padding."""
    if not view.padding:
        return values.reshape(-1)
    return values[(values < view.padding[0]) | (values > view.padding[1])]


def _inside(values: np.ndarray, padding: tuple[float, float]) -> bool:
    """Whether padding occurs, and is neither below nor above nearly all other values, as that of a device is."""
    padded = ((values >= padding[0]) & (values <= padding[1])).mean()
    below, above = (values < padding[0]).mean(), (values > padding[1]).mean()
    return bool(padded > 0 and min(below, above) > LEAST_BESIDE_PADDING)


def _fits(window: Window, values: np.ndarray) -> bool:
    if not values.size:
        return True
    low, high = float(values.min()), float(values.max())
    border = BORDER * (high - low)
    inner = values[(values > low + border) & (values < high - border)]
    if not inner.size:
        return True
    grey = apply_window(inner, window)
    if window.table is not None:
        saturated = (inner < window.first) | (inner >= window.first + len(window.table))
    else:
        saturated = (grey < 0.01) | (grey > 0.99)
    dark, bright = np.percentile(grey, (1, 99))
    return float(saturated.mean()) <= MOST_SATURATED and bright - dark >= LEAST_CONTRAST
