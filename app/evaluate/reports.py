"""The route of the reports of a visitor's own evaluations."""

from __future__ import annotations

from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from mvmlm.protocols.request import report_folder
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store

from ..jobs import owner_of

#: file -> its type; the page runs its own scripts and reaches nothing of the app
_TYPES = {
    "report.html": "text/html; charset=utf-8",
    "report.md": "text/markdown; charset=utf-8",
    "report.json": "application/json",
    "predictions.csv": "text/csv; charset=utf-8",
}
_HEADERS = {"Cache-Control": "no-store", "Content-Security-Policy": "sandbox allow-scripts allow-downloads"}


def report_routes(store: Store) -> list[Route]:
    """Return the route `/evaluation/{number}/{name}`, which answers the visitor who asked for the evaluation."""

    def find(request: Request) -> Path | None:
        number, name = int(request.path_params["number"]), request.path_params["name"]
        try:
            owned = {job.id for job in store.jobs.done_by("evaluate", owner_of(request))}
        except StoreError:
            return None
        file = report_folder(store, number) / name
        return file if number in owned and name in _TYPES and file.is_file() else None

    async def serve(request: Request) -> Response:
        file = await run_in_threadpool(find, request)
        if file is None:
            return Response("There is no such report of yours. Open it from the page Evaluate.", 404)
        return FileResponse(file, media_type=_TYPES[file.name], headers=_HEADERS)

    return [Route("/evaluation/{number:int}/{name}", serve)]
