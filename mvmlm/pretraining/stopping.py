"""Ends a training at the end of a step when the system or the user asks for it, in all processes at the same step."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import torch
from accelerate import PartialState

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class TrainingInterrupted(Exception):
    """The training was asked to stop before its end. Its checkpoint holds every step; the message says how to go on."""


class StopRequest:
    """While entered, SIGTERM and SIGINT are noted instead of ending the process; a second one acts as it did before.

    Python hands signals to the main thread only: entered in another one, it notes none.
    """

    def __init__(self) -> None:
        self._noted = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def agreed(self, out_of_time: bool = False, due: bool = False) -> tuple[str | None, bool, bool]:
        """Return the signal that any process noted, by name, and for the arguments whether any process gave True."""
        noted = torch.tensor([self._noted, int(out_of_time), int(due)])
        processes = PartialState()
        if processes.num_processes > 1:
            noted = noted.to(processes.device)
            torch.distributed.all_reduce(noted, torch.distributed.ReduceOp.MAX)
        number, late, save = noted.tolist()
        return (signal.Signals(number).name if number else None), bool(late), bool(save)
