"""Exams of several readers that wait for a network: the oldest is read first, on a GPU those that wait together."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the app starts before torch is imported, which takes seconds
    import torch

    from ..model.encoding import Encoding
    from .model_predictor import ModelPredictor
    from .prepared import PreparedExam

#: on a CPU a pass of several exams takes longer than a pass for each (`scripts/benchmark_visitors.py`)
AT_ONCE_ON_CPU, AT_ONCE_ON_GPU = 1, 8


def at_once(device: torch.device) -> int:
    """Return how many exams a device reads in one pass, at most."""
    return AT_ONCE_ON_CPU if device.type == "cpu" else AT_ONCE_ON_GPU


class _Waiting(NamedTuple):
    predictor: ModelPredictor
    prepared: PreparedExam
    encoding: Future[Encoding]


class WaitingReads:
    """Reads exams in the order in which they came, one pass at a time. Safe to share between threads.

    All passes are made in one thread: each thread in which torch computes keeps memory and threads of its own.
    """

    def __init__(self) -> None:
        self._lock, self._reader = threading.Lock(), ThreadPoolExecutor(1, "reader")
        self._waiting: deque[_Waiting] = deque()

    def encode(self, predictor: ModelPredictor, prepared: PreparedExam) -> Encoding:
        """Return what `predictor.encode_prepared` makes of one exam. Raises what it raises."""
        own = _Waiting(predictor, prepared, Future())
        with self._lock:
            self._waiting.append(own)
        self._reader.submit(self._read_next)
        return own.encoding.result()

    def _read_next(self) -> None:
        """Read in the turn of one exam: the one that waits longest, if it was not read with others before."""
        if batch := self._next():
            _read(batch)

    def _next(self) -> list[_Waiting]:
        """The exam that waits longest, and the next ones for its network, as many as its device reads at once."""
        with self._lock:
            if not self._waiting:
                return []
            first = self._waiting[0]
            fitting = [each for each in self._waiting if each.predictor.model is first.predictor.model]
            taken = fitting[: at_once(first.predictor.device)]
            for each in taken:
                self._waiting.remove(each)
            return taken


def _read(batch: list[_Waiting]) -> None:
    """Read exams in one pass; one by one where that fails, so that no reader's exam harms another's."""
    try:
        encodings = batch[0].predictor.encode_prepared([each.prepared for each in batch])
    except Exception as error:
        if len(batch) == 1:
            batch[0].encoding.set_exception(error)
            return
        for each in batch:
            _read([each])
        return
    for each, encoding in zip(batch, encodings, strict=True):
        each.encoding.set_result(encoding)
