"""The pixels of open exams, served to the browser that opened them by routes outside Gradio's events and files.

Stored values are sent as 16 bit, in hanging orientation and as MONOCHROME2, with padding at 0, so that the browser only
applies a window. A window that two numbers cannot describe (SIGMOID, tables) is rendered here, by mvmlm/imaging/voi.py.
"""

from __future__ import annotations

import gzip
import hashlib
import secrets
import threading
import weakref
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mvmlm.exam import View, Window
from mvmlm.imaging.voi import default_window, full_range, render

from ..pictures import hung, picture_jpeg
from ..privacy import visitor

BUNDLE = Path(__file__).parent / "dist" / "viewer.js"
PREVIEW = 6  # a preview has one sixth of the rows and columns
GZIP_LEVEL = 1
MOST_LEVELS = 65535  # of a pixel that is sent
ROWS_AT_ONCE = 256  # are converted, so that little memory is needed


class PixelServer:
    """The views of open exams, by token, each for one visitor. Safe to share between threads.

    It only points to views: how long they stay in memory is for their visit to say (`app.visits`).
    """

    def __init__(self) -> None:
        self._entries: dict[str, tuple[str, tuple[weakref.ref[View], ...]]] = {}
        self._lock = threading.Lock()

    def put(self, views: tuple[View, ...], owner: str) -> str:
        """Serve `views` to the visitor `owner` as long as they are in memory; return the token of their addresses."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._entries = {
                other: entry for other, entry in self._entries.items() if any(view() is not None for view in entry[1])
            }
            self._entries[token] = (owner, tuple(weakref.ref(view) for view in views))
        return token

    def drop(self, token: str) -> None:
        """Stop serving the views of a token. An unknown token is ignored."""
        with self._lock:
            self._entries.pop(token, None)

    def view(self, token: str, index: int, owner: str) -> View | None:
        """Return a view; None for an unknown token or number, or for another visitor."""
        with self._lock:
            entry = self._entries.get(token)
        if entry is None or not owner:
            return None
        entry_owner, views = entry
        return views[index]() if secrets.compare_digest(entry_owner, owner) and 0 <= index < len(views) else None

    def routes(self) -> list[Route]:
        """Return the routes of the viewer's bundle and of the pixels."""
        return [
            Route("/viewer/viewer.js", serve_bundle),
            Route("/viewer/{token}/{index:int}/{what}", self._serve),
        ]

    def _serve(self, request: Request) -> Response:
        """`raw`, `preview`, `picture.jpg`, or `window-N`: the view rendered with its window N."""
        view = self.view(request.path_params["token"], request.path_params["index"], visitor(request))
        if view is None:
            return Response("This exam is not open any more. Open it again.", 404)
        what, _, number = request.path_params["what"].partition("-")
        if what == "window" and number.isdecimal() and int(number) < len(windows := windows_of(view)):
            return _pixel_response(hung(render(view, windows[int(number)]), view))
        if number or what not in _RESPONSES:
            return Response("No such picture of this view.", 404)
        return _RESPONSES[what](view)


def serve_bundle(request: Request) -> Response:
    """Return the viewer's JavaScript, built by scripts/build_viewer.sh; 304 where the browser has it already."""
    if not BUNDLE.is_file():
        return Response("The viewer is not built: run scripts/build_viewer.sh.", 404)
    data = BUNDLE.read_bytes()
    etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    headers = {"Cache-Control": "no-cache", "ETag": etag, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == etag:
        return Response(status_code=304, headers=headers)
    return Response(_gzipped_bundle(etag, data), media_type="text/javascript", headers=headers)


_BUNDLES: dict[str, bytes] = {}  # etag -> the compressed bundle; one entry


def _gzipped_bundle(etag: str, data: bytes) -> bytes:
    if etag not in _BUNDLES:
        _BUNDLES.clear()
        _BUNDLES[etag] = gzip.compress(data, 6)
    return _BUNDLES[etag]


def windows_of(view: View) -> tuple[Window, ...]:
    """Return every window and VOI LUT of the view: the default first, the full range last."""
    first = default_window(view)
    others = [window for window in view.windows if window is not first]
    whole = full_range(view)
    return (first, *others) if first.name == whole.name else (first, *others, whole)


def browser_pixels(view: View) -> np.ndarray:
    """Return the pixels as the browser gets them: (rows, columns) uint16 in hanging orientation.

    A pixel is its value minus the view's lowest value; for MONOCHROME1, the highest value minus its value. Padding is
    0. Fractions are rounded and values of more than 16 bits scaled to 0 to 65535; the windows of such a view are
    rendered here, see `window_limits`.
    """
    low, high = view.pixels.min(), view.pixels.max()
    scale = MOST_LEVELS / (float(high) - float(low)) if _wide(view) else 1.0
    pixels = np.empty(view.pixels.shape, np.uint16)
    for start in range(0, len(pixels), ROWS_AT_ONCE):
        values = view.pixels[start : start + ROWS_AT_ONCE]
        shifted = values.astype(np.int32 if values.dtype.itemsize <= 2 else np.float64)
        shifted = high - shifted if view.inverted else shifted - low
        if view.padding:
            shifted[(values >= view.padding[0]) & (values <= view.padding[1])] = 0
        pixels[start : start + ROWS_AT_ONCE] = np.rint(shifted * scale) if shifted.dtype.kind == "f" else shifted
    return hung(pixels, view)


def _wide(view: View) -> bool:
    """Whether the values of the view span more than 16 bits."""
    return float(view.pixels.max()) - float(view.pixels.min()) > MOST_LEVELS


def value_range(view: View) -> tuple[int, int]:
    """Return the lowest and highest value of the view; those of `browser_pixels` where it spans more than 16 bits."""
    return (0, MOST_LEVELS) if _wide(view) else (int(view.pixels.min()), int(view.pixels.max()))


def window_limits(view: View, window: Window) -> tuple[float, float] | None:
    """Return the values of `browser_pixels` that become black and white (PS3.3 C.11.2).

    None where two whole numbers cannot say it: for SIGMOID and tables, fractions and values of more than 16 bits.
    """
    if view.pixels.dtype.kind == "f" or _wide(view):
        return None
    low, high = value_range(view)
    if window.function == "LINEAR" and window.width > 1:
        black, half = window.center - 0.5, (window.width - 1) / 2
        black, white = black - half, black + half
    elif window.function == "LINEAR_EXACT":
        black, white = window.center - window.width / 2, window.center + window.width / 2
    else:
        return None
    return (high - white, high - black) if view.inverted else (black - low, white - low)


def _pixel_response(values: np.ndarray) -> Response:
    """Values (rows, columns) as little-endian 16 bit, row by row, gzipped. Only the browser itself may cache it."""
    headers = {
        "Content-Encoding": "gzip",
        "Cache-Control": "private, max-age=3600, immutable",
        "X-Rows": str(values.shape[0]),
        "X-Columns": str(values.shape[1]),
        "X-Content-Type-Options": "nosniff",
    }
    return Response(
        gzip.compress(np.ascontiguousarray(values, "<u2").tobytes(), GZIP_LEVEL),
        headers=headers,
        media_type="application/octet-stream",
    )


def _preview_response(view: View) -> Response:
    values = browser_pixels(view)
    size = max(1, values.shape[1] // PREVIEW), max(1, values.shape[0] // PREVIEW)
    return _pixel_response(cv2.resize(values, size, interpolation=cv2.INTER_AREA))


def _picture_response(view: View) -> Response:
    headers = {"Cache-Control": "private, max-age=3600, immutable"}
    return Response(picture_jpeg(view), media_type="image/jpeg", headers=headers)


_RESPONSES: dict[str, Callable[[View], Response]] = {
    "raw": lambda view: _pixel_response(browser_pixels(view)),
    "preview": _preview_response,
    "picture.jpg": _picture_response,
}
