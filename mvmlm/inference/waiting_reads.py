"""Exams of several readers that wait for a network: the oldest is read first, on a GPU those that wait together."""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the app starts before torch is imported, which takes seconds
    import torch

    from ..model.encoding import Encoding
    from .model_predictor import ModelPredictor
    from .prepared import PreparedExam

#: on a CPU two exams in one pass take as long as one after the other (`scripts/benchmark_visitors.py`), and the first
#: of them would wait for the second
AT_ONCE_ON_CPU, AT_ONCE_ON_GPU = 1, 8


def at_once(device: torch.device) -> int:
    """Return how many exams a device reads in one pass, at most."""
    return AT_ONCE_ON_CPU if device.type == "cpu" else AT_ONCE_ON_GPU


class _Waiting(NamedTuple):
    predictor: ModelPredictor
    prepared: PreparedExam
    encoding: Future[Encoding]


class WaitingReads:
    """Reads exams in the order in which they came, one pass at a time. Safe to share between threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._reads = False  # whether a pass is made now

    def encode(self, predictor: ModelPredictor, prepared: PreparedExam) -> Encoding:
        """Return what `predictor.encode_prepared` makes of one exam. Raises what it raises."""
        own = _Waiting(predictor, prepared, Future())
        with self._changed:
            self._waiting.append(own)
        while batch := self._next(own):  # also of others, who came before
            try:
                _read(batch)
            finally:
                with self._changed:
                    self._reads = False
                    self._changed.notify_all()
        return own.encoding.result()

    def _next(self, own: _Waiting) -> list[_Waiting]:
        """Wait until a pass can be made, and return its exams; none once the own exam is read.

        They are the one that waits longest and the next ones for its network, as many as its device reads at once.
        """
        with self._changed:
            self._changed.wait_for(lambda: own.encoding.done() or not self._reads)
            if own.encoding.done():
                return []
            self._reads, first = True, self._waiting[0]
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
