"""Thumbnails of stored exams: the four standard views side by side, made once, and served to visitors of the app."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path

import anyio
import cv2
import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mvmlm.atomic_file import replace_file
from mvmlm.exam import Exam, Laterality, Projection, View, ViewName
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.files import NoExam
from mvmlm.imaging.preprocess import breast_outline
from mvmlm.imaging.voi import default_window, render
from mvmlm.store.archive import open_stored_exam
from mvmlm.store.errors import StoreError
from mvmlm.store.store import Store

from .pictures import hung
from .privacy import visitor

FOLDER = "thumbnails"
MOST_FILES = 5_000  # of about 7 KB; the longest unused are deleted first
CELL_ROWS, CELL_COLUMNS = 112, 88  # of one view; the page shows it at half the size
QUALITY = 80
#: as they hang: chest walls meet
ORDER = [ViewName(side, projection) for projection in (Projection.CC, Projection.MLO) for side in Laterality]


def thumbnail_jpeg(exam: Exam) -> bytes:
    """Return the standard views of an exam in one row, R CC, L CC, R MLO, L MLO, at one scale, as a JPEG.

    Each is shown in its default window, cut to its breast and with its chest wall at the middle of its pair. A view
    that is missing leaves its place black. The size is CELL_ROWS by four times CELL_COLUMNS.
    """
    pieces = {name: _breast_of(exam.views[name]) for name in ORDER if name in exam.views}
    sizes = [piece.shape for piece in pieces.values()]
    scale = min((min(CELL_ROWS / rows, CELL_COLUMNS / columns) for rows, columns in sizes), default=1.0)
    row = np.zeros((CELL_ROWS, CELL_COLUMNS * len(ORDER)), np.uint8)
    for index, name in enumerate(ORDER):
        if name not in pieces:
            continue
        rows, columns = (max(1, int(size * scale)) for size in pieces[name].shape)
        small = cv2.resize(pieces[name], (columns, rows), interpolation=cv2.INTER_AREA)
        left = CELL_COLUMNS * index + (CELL_COLUMNS - columns if name.laterality is Laterality.RIGHT else 0)
        top = (CELL_ROWS - rows) // 2
        row[top : top + rows, left : left + columns] = small
    return cv2.imencode(".jpg", row, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _breast_of(view: View) -> np.ndarray:
    """The breast of a view (rows, columns) uint8 as it hangs; the whole view where none is found."""
    outline = breast_outline(view)
    left, top, right, bottom = outline.box if outline else (0, 0, view.columns, view.rows)
    grey = render(view, default_window(view))[top:bottom, left:right]
    return hung((grey >> 8).astype(np.uint8), view)


class Thumbnails:
    """The thumbnails of a store's exams, kept as files in its folder. Safe to share between threads.

    The name of a file holds a checksum of the exam's pictures, so that a corrected exam gets another one.
    """

    def __init__(self, store: Store, decoder: Callable[[], Decoder] = lambda: Decoder(1), most_files: int = MOST_FILES):
        self._store, self._new_decoder, self._most = store, decoder, most_files
        self._decoder: Decoder | None = None
        self._lock = threading.Lock()  # one exam is opened at a time

    def version(self, number: int) -> str:
        """Return a checksum of which pictures an exam has. Raises StoreError for an unknown exam."""
        self._store.exams.get(number)
        text = "\n".join(f"{view.name} {view.sha256}" for view in self._store.exams.views(number))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def kept(self, number: int) -> bytes | None:
        """Return the thumbnail of an exam if it was made before; None otherwise. Raises StoreError as `version`."""
        return _read(self._path(number))

    def jpeg(self, number: int) -> bytes:
        """Return the thumbnail of an exam, made where it is not kept yet.

        Raises StoreError for an unknown exam, and where a picture is missing or changed; NoExam where none can be read.
        """
        if (kept := self.kept(number)) is not None:
            return kept
        path = self._path(number)
        with self._lock:
            if (kept := _read(path)) is not None:  # another request has made it meanwhile
                return kept
            if self._decoder is None:
                self._decoder = self._new_decoder()
            data = thumbnail_jpeg(open_stored_exam(self._store, number, self._decoder))
            path.parent.mkdir(exist_ok=True, mode=0o700)
            for old in path.parent.glob(f"{number}-*.jpg"):
                old.unlink(missing_ok=True)
            with replace_file(path) as file:
                file.write(data)
            self._delete_oldest(path.parent)
            return data

    def _path(self, number: int) -> Path:
        return self._store.folder / FOLDER / f"{number}-{self.version(number)}.jpg"

    def _delete_oldest(self, folder: Path) -> None:
        files = sorted(folder.glob("*.jpg"), key=lambda file: file.stat().st_mtime)
        for file in files[: max(0, len(files) - self._most)]:
            file.unlink(missing_ok=True)


def _read(path: Path) -> bytes | None:
    """The bytes of a file, which counts as used now; None where it is not there."""
    try:
        data = path.read_bytes()
        path.touch()
    except FileNotFoundError:
        return None
    return data


def thumbnail_routes(thumbnails: Thumbnails) -> list[Route]:
    """Return the route `/thumbnail/{number}.jpg`, which answers visitors of the app (they carry its cookie).

    An exam whose pictures cannot be opened gives 404. The browser asks each time whether its copy is still right: under
    the same address another picture comes after a correction, and in another workspace.
    """

    def answer(number: int, seen: str | None, make: bool) -> Response | None:
        try:
            etag = f'"{thumbnails.version(number)}"'
            headers = {"Cache-Control": "private, no-cache", "ETag": etag}  # asked for anew: the number stays
            if seen == etag:
                return Response(status_code=304, headers=headers)
            data = thumbnails.jpeg(number) if make else thumbnails.kept(number)
            return Response(data, headers=headers, media_type="image/jpeg") if data is not None else None
        except (StoreError, NoExam):
            return Response("This exam has no thumbnail.", 404)

    async def serve(request: Request) -> Response:
        if not visitor(request):
            return Response("Open the app first.", 403)
        number, seen = request.path_params["number"], request.headers.get("if-none-match")
        if (found := await run_in_threadpool(answer, number, seen, False)) is not None:
            return found
        made = await anyio.to_thread.run_sync(answer, number, seen, True, limiter=limit)
        assert made is not None  # a picture, or why there is none
        return made

    limit = anyio.CapacityLimiter(1)  # one is made at a time; the others wait in the event loop, and take no thread
    return [Route("/thumbnail/{number:int}.jpg", serve)]
