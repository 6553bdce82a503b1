"""Whether the app is alive and ready: what an orchestrator or a load balancer asks, without a cookie."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from mvmlm.imaging.unpacking import MIN_FREE_BYTES
from mvmlm.store.errors import StoreError
from mvmlm.store.store import Store

from .active_predictor import ModelState

LASTS_SECONDS = 5  # anybody may ask, and each answer writes to the disk: within this time the last one is given again
NOT_WRITTEN = "The store cannot be written. Free space on its disk, and check the rights of the data folder."
NO_ROOM = f"Less than {MIN_FREE_BYTES >> 20} MB are free for the store or for temporary files. Free space."
NO_MODEL = "The model could not be loaded. Check the weights that the app was started with."


class Readiness:
    """What `/readyz` answers. Safe to share between threads.

    model_state: of `ActivePredictor`. A model that is not loaded yet is no reason to send nobody here: the first page
    view loads it.
    """

    def __init__(self, store: Store, model_state: Callable[[], ModelState]):
        self._store, self._model_state = store, model_state
        self._lock = threading.Lock()
        self._answer: dict[str, object] = {}
        self._until = 0.0

    def answer(self) -> dict[str, object]:
        """Return JSON values: `ready`, the state of each part, and `reasons`, a sentence for each that is not ready."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._answer = self._asked()
                self._until = time.monotonic() + LASTS_SECONDS
            return self._answer

    def _asked(self) -> dict[str, object]:
        written, room, model = self._can_be_written(), self._has_room(), self._model_state()
        failed = ((not written, NOT_WRITTEN), (not room, NO_ROOM), (model is ModelState.FAILED, NO_MODEL))
        reasons = [sentence for wrong, sentence in failed if wrong]
        return {
            "ready": not reasons,
            "store": "can be written" if written else "cannot be written",
            "disk": "has room" if room else "is nearly full",
            "model": model.value,
            "reasons": reasons,
        }

    def _can_be_written(self) -> bool:
        """Write to the store what is there already."""
        try:
            with self._store.file.transaction() as conn:
                conn.execute("UPDATE settings SET value = value WHERE name = 'salt'")
        except StoreError:
            return False
        return True

    def _has_room(self) -> bool:
        try:
            folders = (self._store.folder, Path(tempfile.gettempdir()))
            return all(shutil.disk_usage(folder).free >= MIN_FREE_BYTES for folder in folders)
        except OSError:
            return False


def health_routes(readiness: Readiness) -> list[Route]:
    """Return the routes `/healthz` (the process answers) and `/readyz` (503 where it is not ready, with the reasons).

    Their JSON names no file, no folder and nobody.
    """

    async def alive(request: Request) -> JSONResponse:
        return JSONResponse({"alive": True}, headers={"Cache-Control": "no-store"})

    async def ready(request: Request) -> JSONResponse:
        answer = await run_in_threadpool(readiness.answer)
        return JSONResponse(answer, 200 if answer["ready"] else 503, headers={"Cache-Control": "no-store"})

    return [Route("/healthz", alive), Route("/readyz", ready)]
