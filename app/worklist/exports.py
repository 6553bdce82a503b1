"""Routes of the downloads: readings, marks, label table, head files."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from mvmlm.exchange.coco import write_coco
from mvmlm.exchange.label_table import write_table
from mvmlm.exchange.readings_csv import write_readings
from mvmlm.store.store import Store

from ..privacy import visitor


def export_routes(store: Store) -> list[Route]:
    """Downloads for visitors of the app (who carry its cookie); made when they are asked for, and kept nowhere public."""

    def answer(request: Request) -> Response:
        what = request.path_params["what"]
        if not visitor(request):
            return Response("Open the app first.", 403)
        folder = store.folder / "exports"
        folder.mkdir(exist_ok=True)
        if what == "readings.csv":
            write_readings(store, folder / what)
        elif what == "marks.json":
            write_coco(store, folder / what)
        elif what == "exams.csv":
            write_table(store, folder)
        elif what.startswith("head-") and what.removeprefix("head-").removesuffix(".safetensors").isdecimal():
            wanted = int(what.removeprefix("head-").removesuffix(".safetensors"))
            head = next((head for head in store.heads.all() if head.id == wanted), None)
            if head is None:
                return Response("No such head.", 404)
            return Response(
                head.tensors,
                media_type="application/octet-stream",
                headers={"Content-Disposition": f"attachment; filename={what}"},
            )
        else:
            return Response("Not here.", 404)
        return FileResponse(folder / what, filename=what, headers={"Cache-Control": "no-store"})

    return [Route("/export/{what}", answer)]
