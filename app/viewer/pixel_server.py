"""The pixels of open exams, served to the browser that opened them: routes of our own, outside Gradio's events and files.

Stored values go out as 16 bit, hung as mammograms hang and as if MONOCHROME2, with padding at 0, so that the browser only
windows them. What a window cannot say as two numbers (SIGMOID, tables) is rendered here, by the one road of window.py.
"""

from __future__ import annotations

import gzip
import hashlib
import secrets
import threading
from collections import OrderedDict
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
EXAMS = 24  # open at once, over all visitors; the oldest goes first and its reader opens it again
PREVIEW = 6  # the first picture has a sixth of the rows
GZIP_LEVEL = 1


class PixelServer:
    """token -> the views of an exam and the visitor who may see them. Made once in `build`; keeps nothing on disk."""

    def __init__(self):
        self._held: OrderedDict[str, tuple[str, tuple[View, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    def put(self, views: tuple[View, ...], owner: str) -> str:
        """Holds `views` for `owner`; gives the name under which the routes find them."""
        token = secrets.token_urlsafe(16)
        with self._lock:
            self._held[token] = (owner, views)
            while len(self._held) > EXAMS:
                self._held.popitem(last=False)
        return token

    def drop(self, token: str) -> None:
        with self._lock:
            self._held.pop(token, None)

    def view(self, token: str, index: int, owner: str) -> View | None:
        """None for an unknown token, a foreign visitor or a number that is none."""
        with self._lock:
            held = self._held.get(token)
        if held is None or not secrets.compare_digest(held[0], owner) or not 0 <= index < len(held[1]):
            return None
        return held[1][index]

    def routes(self) -> list[Route]:
        """What the app adds beside Gradio's own routes."""
        return [
            Route("/viewer/viewer.js", bundle),
            Route("/viewer/{token}/{index:int}/{what}", self._answer),
        ]

    def _answer(self, request: Request) -> Response:
        view = self.view(request.path_params["token"], request.path_params["index"], visitor(request))
        make: Callable[[View], Response] | None = _MADE.get(request.path_params["what"].split("-")[0])
        number = request.path_params["what"].partition("-")[2]
        if view is None or make is None or (number and not number.isdecimal()):
            return Response("Not here, or not yours. Open the exam again.", 404)
        if number and make is not _MADE["window"]:
            return Response("Not here.", 404)
        if number:
            if int(number) >= len(windows_of(view)):
                return Response("No such window.", 404)
            return _pixels(_rendered(view, windows_of(view)[int(number)]))
        return make(view)


def bundle(request: Request) -> Response:
    """The viewer's JavaScript, built by scripts/build_viewer.sh."""
    if not BUNDLE.is_file():
        return Response("The viewer is not built: run scripts/build_viewer.sh.", 404)
    data = BUNDLE.read_bytes()
    mark = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
    headers = {"Cache-Control": "no-cache", "ETag": mark, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    if request.headers.get("if-none-match") == mark:
        return Response(status_code=304, headers=headers)
    return Response(_gzipped_bundle(mark), media_type="text/javascript", headers=headers)


_BUNDLES: dict[str, bytes] = {}


def _gzipped_bundle(mark: str) -> bytes:
    if mark not in _BUNDLES:
        _BUNDLES.clear()
        _BUNDLES[mark] = gzip.compress(BUNDLE.read_bytes(), 6)
    return _BUNDLES[mark]


def windows_of(view: View) -> tuple[Window, ...]:
    """Every window and VOI LUT that the view offers, the default first, the full range last."""
    first = default_window(view)
    others = [window for window in view.windows if window is not first]
    whole = full_range(view)
    return (first, *others) if first.name == whole.name else (first, *others, whole)


def stored(view: View) -> np.ndarray:
    """(rows, columns) uint16 as hung: value - lowest, or highest - value for MONOCHROME1; padding is 0."""
    low, high = value_range(view)
    pixels = view.pixels.astype(np.int32)
    shifted = high - pixels if view.inverted else pixels - low
    if view.padding:
        shifted[(pixels >= view.padding[0]) & (pixels <= view.padding[1])] = 0
    return hung(np.clip(shifted, 0, 65535).astype(np.uint16), view)


def value_range(view: View) -> tuple[int, int]:
    """The lowest and highest stored value of the view."""
    return int(view.pixels.min()), int(view.pixels.max())


def limits(view: View, window: Window) -> tuple[float, float] | None:
    """The values of `stored` that become black and white; None where no two numbers say it."""
    low, high = value_range(view)
    if window.function == "LINEAR" and window.width > 1:
        black, half = window.center - 0.5, (window.width - 1) / 2
        black, white = black - half, black + half
    elif window.function == "LINEAR_EXACT":
        black, white = window.center - window.width / 2, window.center + window.width / 2
    else:
        return None
    return (high - white, high - black) if view.inverted else (black - low, white - low)


def _rendered(view: View, window: Window) -> np.ndarray:
    return hung(render(view, window), view)


def _pixels(values: np.ndarray) -> Response:
    """Little-endian 16 bit, row by row, gzipped; its browser may keep it, nobody between may."""
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


def _preview(view: View) -> Response:
    values = stored(view)
    size = max(1, values.shape[1] // PREVIEW), max(1, values.shape[0] // PREVIEW)
    return _pixels(cv2.resize(values, size, interpolation=cv2.INTER_AREA))


def _picture(view: View) -> Response:
    headers = {"Cache-Control": "private, max-age=3600, immutable"}
    return Response(picture_jpeg(view), media_type="image/jpeg", headers=headers)


_MADE: dict[str, Callable[[View], Response]] = {
    "raw": lambda view: _pixels(stored(view)),
    "preview": _preview,
    "picture.jpg": _picture,
    "window": lambda view: Response("Which window?", 404),
}
