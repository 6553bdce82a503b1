"""The predictor that the pages share: loaded once, with the heads that are active in the store."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from mvmlm.store.records import HeadSummary
from mvmlm.store.store import Store
from mvmlm.tasks import TASKS, Task

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

T = TypeVar("T")

MOST_KEPT = 100  # predictors of stores; they share the weights


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


class _Active(NamedTuple):
    """What is active in a store: heads, declared tasks, calibrations, operating points."""

    heads: list[HeadSummary]
    tasks: tuple[Task, ...]
    calibrations: list[int]
    operating_points: list[int]


NOTHING = _Active([], TASKS, [], [])


class ActivePredictor:
    """Returns the predictor with the active heads, calibrations and operating points of a store.

    It is made again only when others become active, or a task is declared. Safe to share between threads. store: where
    it is that of the visitor who acts, each has a predictor of their own, over the same weights.
    """

    def __init__(self, load: Callable[[], ModelPredictor], store: Store):
        self._base, self._store = LoadOnce(load), store
        self._lock = threading.Lock()
        self._made: OrderedDict[Path | None, tuple[_Active, ModelPredictor]] = (
            OrderedDict()
        )  # by the folder of the store

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

        base, store = self._base(), self._store
        with self._lock:
            active = _Active(
                store.heads.summaries(active=True),
                store.tasks,
                store.calibrations.active(),
                store.operating_points.active(),
            )
            folder = None if active == NOTHING else store.folder  # visitors without heads have the same predictor
            made = self._made.get(folder)
            if made is None or made[0] != active:
                made = active, with_active_site_versions(with_active_heads(base, store), store)
            self._made[folder] = made
            self._made.move_to_end(folder)
            while len(self._made) > MOST_KEPT:
                self._made.popitem(last=False)
            return made[1]
