"""Views and maps as pictures for the browser, oriented as mammograms hang, and the text in a view's corner."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from mvmlm.exam import View
from mvmlm.imaging.hanging import hung, mirrored
from mvmlm.imaging.voi import default_window, render
from mvmlm.inference.colormap import colour

PICTURE_ROWS = 1400  # the height of a picture on screen at most
MAP_ROWS = 500
WHOLLY_FILLED = 0.999
SMALL_OPACITY = 0.7  # of a map over a small picture


def picture_jpeg(view: View) -> bytes:
    """Return the view in its default window, as it hangs, as a JPEG of at most PICTURE_ROWS rows."""
    grey = _shrunk(render(view, default_window(view)), PICTURE_ROWS)
    _, data = cv2.imencode(".jpg", hung(grey >> 8, view).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return data.tobytes()


def lines_of(view: View) -> list[str]:
    """Return the lines of a view's corner: file, date, size, exposure, modifiers, orientation."""
    acquisition = view.acquisition
    size = f"{view.columns} × {view.rows}"
    if view.spacing:
        size += f", {view.spacing.row_mm:.3g} mm {view.spacing.kind.value}"
    else:
        size += ", uncalibrated (pixels)"
    technique = [
        f"{acquisition.kvp:g} kVp" if acquisition.kvp else "",
        f"{acquisition.exposure_mas:g} mAs" if acquisition.exposure_mas else "",
        f"{acquisition.thickness_mm:g} mm" if acquisition.thickness_mm else "",
    ]
    changes = [
        change
        for change, done in (("mirrored", mirrored(view)), ("turned upside down", not view.head_up))
        if done
    ]  # fmt: skip
    lines = [
        view.file,
        acquisition.date or "",
        size,
        " ".join(filter(None, technique)),
        f"partial view: {view.partial}" if view.partial else "",
        *(f"extra view: {modifier.value}" for modifier in view.modifiers),
        f"{' and '.join(changes)} for display" if changes else "",
        "side, view or orientation inferred" if view.guessed else "",
    ]
    return [line for line in lines if line]


def map_layer(heat: np.ndarray, view: View, threshold: float = 0.0, colours: str = "inferno") -> str:
    """Return a map as a transparent colour layer, a PNG data URI that fits over `picture_jpeg` of the same view.

    It is clear in every pixel that the map does not fill, and in those beside it: the browser smooths the layer, and
    nothing of it may reach beyond the breast. heat: (rows, columns), 0..1, in DICOM pixels of the view. threshold:
    lower values stay clear. colours: a key of colormap.COLOUR_MAPS.
    """
    filled = _shrunk((heat > 0).astype(np.float32), MAP_ROWS) > WHOLLY_FILLED
    filled = cv2.erode(filled.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    small = hung(_shrunk(heat, MAP_ROWS) * filled, view)
    alpha = np.clip(small * 1.6, 0, 1) * 255 * ((small >= threshold) & (small > 0))
    layer = np.dstack([colour(small, colours)[..., ::-1], alpha])
    return _data_uri("png", cv2.imencode(".png", np.round(layer).astype(np.uint8))[1])


def small_grey(view: View, rows: int) -> np.ndarray:
    """Return the view in its default window, (rows, columns) uint8 with at most so many rows, as stored in its file."""
    return (_shrunk(render(view, default_window(view)), rows) >> 8).astype(np.uint8)


def overlaid(grey: np.ndarray, heat: np.ndarray, threshold: float = 0.0, colours: str = "inferno") -> np.ndarray:
    """Return a map over a picture, (rows, columns, 3) uint8 RGB.

    grey: (rows, columns) uint8. heat: as grey, 0..1. threshold, colours: as for `map_layer`.
    """
    alpha = (SMALL_OPACITY * np.clip(heat * 1.6, 0, 1) * ((heat >= threshold) & (heat > 0)))[..., None]
    return np.round(grey[..., None] * (1 - alpha) + colour(heat, colours) * alpha).astype(np.uint8)


def jpeg_uri(picture: np.ndarray) -> str:
    """Return a picture (rows, columns, 3) uint8 RGB as a JPEG data URI, its colours as sharp as its grey."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, 85, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    return _data_uri("jpeg", cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), settings)[1])


def colour_bar(colours: str) -> str:
    """Return the colours of `map_layer` from 0 to 1, over black as over a dark picture, as stops of a CSS gradient."""
    values = np.linspace(0, 1, 17, dtype=np.float32)
    shown = colour(values, colours) * np.clip(values * 1.6, 0, 1)[:, None]
    return ", ".join(f"rgb({red:.0f} {green:.0f} {blue:.0f})" for red, green, blue in shown.tolist())


def _shrunk(image: np.ndarray, rows: int) -> np.ndarray:
    if image.shape[0] <= rows:
        return image
    columns = max(1, round(image.shape[1] * rows / image.shape[0]))
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)


def _data_uri(kind: str, data: np.ndarray) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data.tobytes()).decode()
