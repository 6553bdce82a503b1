"""Views and maps as pictures for the browser, turned as mammograms hang, and the words in a view's corner."""

from __future__ import annotations

import base64

import cv2
import numpy as np

from mvmlm.exam import Laterality, View
from mvmlm.imaging.voi import default_window, render
from mvmlm.inference.colormap import colour

PICTURE_ROWS = 1400  # a picture on screen has at most so many
MAP_ROWS = 500


def hung(image: np.ndarray, view: View) -> np.ndarray:
    """(rows, columns, ...) in the file's orientation -> as it hangs: right breast's chest wall at its right edge."""
    if mirrored(view):
        image = image[:, ::-1]
    return image if view.head_up else image[::-1]


def mirrored(view: View) -> bool:
    """Whether `hung` turns the columns of the view round."""
    right = view.name is not None and view.name.laterality is Laterality.RIGHT
    return view.chest_wall_left == right


def picture_jpeg(view: View) -> bytes:
    """The view in its default window, as hung, at most PICTURE_ROWS high."""
    grey = _shrunk(render(view, default_window(view)), PICTURE_ROWS)
    ok, data = cv2.imencode(".jpg", hung(grey >> 8, view).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 90])
    return data.tobytes()


def lines_of(view: View) -> list[str]:
    got = view.acquisition
    size = f"{view.columns} × {view.rows}"
    if view.spacing:
        size += f", {view.spacing.row_mm:.3g} mm {view.spacing.kind.value}"
    else:
        size += ", uncalibrated (pixels)"
    technique = [f"{got.kvp:g} kVp" if got.kvp else "", f"{got.exposure_mas:g} mAs" if got.exposure_mas else ""]
    technique.append(f"{got.thickness_mm:g} mm" if got.thickness_mm else "")
    lines = [view.file, got.date or "", size, " ".join(filter(None, technique))]
    lines += [f"extra view: {modifier.value}" for modifier in view.modifiers]
    turned = [what for what, done in (("mirrored", mirrored(view)), ("turned upside down", not view.head_up)) if done]
    lines.append(f"{' and '.join(turned)} for display" if turned else "")
    lines.append("side, view or orientation inferred" if view.guessed else "")
    return [line for line in lines if line]


def map_layer(heat: np.ndarray, view: View, threshold: float = 0.0, colours: str = "inferno") -> str:
    """(rows, columns) 0..1 in DICOM pixels -> a transparent colour layer that fits over `picture` of the same view.

    threshold: what lies below it stays clear. colours: of heat.COLOUR_MAPS.
    """
    small = hung(_shrunk(heat, MAP_ROWS), view)
    alpha = np.clip(small * 1.6, 0, 1) * 255 * (small >= threshold)
    layer = np.dstack([colour(small, colours)[..., ::-1], alpha])
    return _uri("png", cv2.imencode(".png", np.round(layer).astype(np.uint8))[1])


def _shrunk(image: np.ndarray, rows: int) -> np.ndarray:
    if image.shape[0] <= rows:
        return image
    columns = max(1, round(image.shape[1] * rows / image.shape[0]))
    return cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA)


def _uri(kind: str, data: np.ndarray) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data.tobytes()).decode()
