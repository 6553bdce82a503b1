"""The predictor that the pages share: loaded once, with the heads that are active in the store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from mvmlm.store.records import HeadSummary
from mvmlm.store.store import Store
from mvmlm.tasks import Task

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

T = TypeVar("T")


class ModelState(str, Enum):
    """Whether the weights are there."""

    WAITING = "not loaded yet"
    LOADED = "loaded"
    FAILED = "could not be loaded"


class LoadOnce(Generic[T]):
    """Calls a slow function once and returns its result to every caller. Safe to share between threads."""

    def __init__(self, load: Callable[[], T]):
        self._load, self._lock = load, threading.Lock()
        self._result: list[T] = []  # empty until it is loaded
        self._failed = False  # the last time

    def __call__(self) -> T:
        """Return the result, loading it first where needed. After an error the next call tries again."""
        with self._lock:
            if not self._result:
                self._failed = False
                try:
                    self._result.append(self._load())
                except BaseException:
                    self._failed = True
                    raise
            return self._result[0]

    @property
    def state(self) -> ModelState:
        """How far it is, without waiting for it."""
        if self._result:
            return ModelState.LOADED
        return ModelState.FAILED if self._failed else ModelState.WAITING

    def start(self) -> None:
        """Load in the background."""
        threading.Thread(target=self, daemon=True).start()


class ActivePredictor:
    """Returns the predictor with the active heads, calibrations and operating points of a store.

    It is made again only when others become active, or a task is declared. Safe to share between threads.
    """

    def __init__(self, load: Callable[[], ModelPredictor], store: Store):
        self._base, self._store = LoadOnce(load), store
        self._lock = threading.Lock()
        self._made_for: tuple[list[HeadSummary], tuple[Task, ...], tuple[list[int], list[int]]] | None = None
        self._predictor: ModelPredictor | None = None

    def start(self) -> None:
        """Load the weights in the background."""
        self._base.start()

    def state(self) -> ModelState:
        """Return whether the weights are loaded, without waiting for them."""
        return self._base.state

    def __call__(self) -> ModelPredictor:
        """Return the predictor; waits where the weights are not loaded yet."""
        from mvmlm.finetuning.head import with_active_heads
        from mvmlm.finetuning.site_versions import with_active_site_versions

        base = self._base()
        with self._lock:
            site = self._store.calibrations.active(), self._store.operating_points.active()
            wanted = self._store.heads.summaries(active=True), self._store.tasks, site
            if self._predictor is None or wanted != self._made_for:
                predictor = with_active_heads(base, self._store)
                self._predictor, self._made_for = with_active_site_versions(predictor, self._store), wanted
            return self._predictor
