"""Routes of the downloads: readings, marks, the table for pretraining, signed readings as FHIR, head files."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from pathlib import Path

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mvmlm.exchange.coco import write_coco
from mvmlm.exchange.label_table import write_labels
from mvmlm.exchange.readings_csv import write_readings
from mvmlm.store.errors import StoreError
from mvmlm.store.store import Store
from mvmlm.temporary import temporary_folder

from ..privacy import discard, visitor

AT_ONCE = 2  # exports that are written at the same time; further ones wait
FHIR = "readings.fhir.ndjson"
NO_ROOM = "The download could not be written; the disk of the server may be full. Tell the person who runs it."
_Writer = Callable[[Store, Path], object]
#: file name -> what writes it into a folder
_EXPORTS: dict[str, _Writer] = {
    "readings.csv": lambda store, folder: write_readings(store, folder / "readings.csv"),
    "marks.json": lambda store, folder: write_coco(store, folder / "marks.json"),
    "exams.csv": lambda store, folder: write_labels(store, folder / "exams.csv"),
}


def writers() -> dict[str, _Writer]:
    """Return what writes each download into a folder, by its file name: FHIR only where its packages are installed."""
    if importlib.util.find_spec("fhir") is None:
        return _EXPORTS
    return {**_EXPORTS, FHIR: _write_fhir}


def _write_fhir(store: Store, folder: Path) -> None:
    from mvmlm.exchange.fhir import write_fhir

    write_fhir(store, folder / FHIR)


class _OwnFile(FileResponse):
    """A file in a folder of its own, which is deleted after the download, whole or broken off."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(discard, Path(self.path).parent)


def export_routes(store: Store) -> list[Route]:
    """Return the route `/export/{name}`, which answers visitors of the app (they carry its cookie).

    Each download is written into a file of its own.
    """
    limit = anyio.CapacityLimiter(AT_ONCE)

    def write(name: str) -> Path:
        folder = temporary_folder("export")
        try:
            writers()[name](store, folder)
        except BaseException:
            discard(folder)
            raise
        return folder / name

    async def serve(request: Request) -> Response:
        name = request.path_params["what"]
        if not visitor(request):
            return Response("Open the app first.", 403)
        if head := re.fullmatch(r"head-([0-9]{1,18})\.safetensors", name):
            return await run_in_threadpool(_head_file, store, int(head[1]), name)
        if name not in writers():
            return Response("There is no such download.", 404)
        try:
            file = await anyio.to_thread.run_sync(write, name, limiter=limit)
        except StoreError as error:
            return Response(str(error), 503)
        except OSError:
            return Response(NO_ROOM, 507)
        return _OwnFile(file, filename=name, headers={"Cache-Control": "no-store"})

    return [Route("/export/{what}", serve)]


def _head_file(store: Store, number: int, name: str) -> Response:
    try:
        tensors = store.heads.tensors(number)
    except StoreError:
        return Response("There is no such head.", 404)
    return Response(
        tensors,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f"attachment; filename={name}"},
    )
