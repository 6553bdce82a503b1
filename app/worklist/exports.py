"""Routes of the downloads: readings, marks, the table for pretraining, head files."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from mvmlm.exchange.coco import write_coco
from mvmlm.exchange.label_table import write_table
from mvmlm.exchange.readings_csv import write_readings
from mvmlm.store.store import Store

from ..privacy import visitor

#: file name -> what writes it into a folder
_EXPORTS: dict[str, Callable[[Store, Path], object]] = {
    "readings.csv": lambda store, folder: write_readings(store, folder / "readings.csv"),
    "marks.json": lambda store, folder: write_coco(store, folder / "marks.json"),
    "exams.csv": write_table,
}


def export_routes(store: Store) -> list[Route]:
    """Return the route `/export/{name}`, which answers visitors of the app (they carry its cookie).

    A file is written at each request.
    """

    def serve(request: Request) -> Response:
        name = request.path_params["what"]
        if not visitor(request):
            return Response("Open the app first.", 403)
        if head := re.fullmatch(r"head-([0-9]+)\.safetensors", name):
            return _head_file(store, int(head[1]), name)
        if name not in _EXPORTS:
            return Response("There is no such download.", 404)
        folder = store.folder / "exports"
        folder.mkdir(exist_ok=True)
        _EXPORTS[name](store, folder)
        return FileResponse(folder / name, filename=name, headers={"Cache-Control": "no-store"})

    return [Route("/export/{what}", serve)]


def _head_file(store: Store, number: int, name: str) -> Response:
    head = next((head for head in store.heads.all() if head.id == number), None)
    if head is None:
        return Response("There is no such head.", 404)
    return Response(
        head.tensors,
        media_type="application/octet-stream",
        headers={"Content-Disposition": f"attachment; filename={name}"},
    )
