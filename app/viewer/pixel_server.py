"""The pixels of open exams, served to the browser that opened them by routes outside Gradio's events and files.

Stored values are sent as 16 bit, in hanging orientation and as MONOCHROME2, with padding at 0. The browser applies the
windows and VOI LUTs (app/viewer/src/grey.js), as mvmlm/imaging/voi.py does for the model.
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
from mvmlm.imaging.padding import is_padding
from mvmlm.imaging.voi import default_window, full_range

from ..pictures import hung, picture_jpeg
from ..privacy import visitor
from .facts import display_response, technique_response

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

    def _views(self, token: str) -> list[View]:
        """All views of a token that are still in memory."""
        with self._lock:
            _, views = self._entries.get(token, ("", ()))
        return [found for view in views if (found := view()) is not None]

    def routes(self) -> list[Route]:
        """Return the routes of the viewer's bundle and of the pixels."""
        return [
            Route("/viewer/viewer.js", serve_bundle),
            Route("/viewer/{token}/{index:int}/{what}", self._serve),
        ]

    def _serve(self, request: Request) -> Response:
        """`raw`, `preview`, `picture.jpg`, `technique`, or `table-N`: the entries of window N, which is a VOI LUT.

        `display-check` is about all views of the token.
        """
        view = self.view(request.path_params["token"], request.path_params["index"], visitor(request))
        if view is None:
            return Response("This exam is not open any more. Open it again.", 404)
        if request.path_params["what"] == "display-check":
            return display_response(self._views(request.path_params["token"]))
        what, _, number = request.path_params["what"].partition("-")
        if what == "table" and number.isdecimal() and int(number) < len(windows := windows_of(view)):
            table = windows[int(number)].table
            if table is not None:
                return _pixel_response(np.rint(table[None] * MOST_LEVELS))
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

    A pixel is its value minus the lowest of `value_range`; for MONOCHROME1, the highest minus its value. All of it
    times `sent_scale`. Padding is 0, and nothing else is where there is padding: it alone stays black when inverted.
    """
    scale = sent_scale(view)
    ends = np.array(value_range(view)).astype("i4" if scale == 1 and view.pixels.dtype.itemsize <= 2 else "f8")
    pixels = np.empty(view.pixels.shape, np.uint16)
    for start in range(0, len(pixels), ROWS_AT_ONCE):
        values = view.pixels[start : start + ROWS_AT_ONCE]
        shifted = values.astype(ends.dtype)
        shifted = ends[1] - shifted if view.inverted else shifted - ends[0]
        shifted[is_padding(values, view.padding)] = 0
        pixels[start : start + ROWS_AT_ONCE] = np.rint(shifted * scale) if shifted.dtype.kind == "f" else shifted
    return hung(pixels, view)


def sent_scale(view: View) -> float:
    """Return the levels of `browser_pixels` per unit of value: 1, or where values are fractions or span more than 16
    bits, what makes 0 to 65535 of them."""
    low, high = value_range(view)
    return 1.0 if view.pixels.dtype.kind in "ui" and high - low <= MOST_LEVELS else MOST_LEVELS / ((high - low) or 1.0)


def value_range(view: View) -> tuple[float, float]:
    """Return the lowest and the highest value of the view; beyond its dark end the level that padding has, if any."""
    image = ~is_padding(view.pixels, view.padding)
    if view.padding is None or not image.any():
        return float(view.pixels.min()), float(view.pixels.max())
    values = view.pixels[image]
    low, high = float(values.min()), float(values.max())
    level = max(1.0 if values.dtype.kind in "ui" else 0.0, (high - low) / (MOST_LEVELS - 1)) or 1.0
    return (low, high + level) if view.inverted else (low - level, high)


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
    "technique": technique_response,
}
