"""Several processes that train together: what the main one does alone, and errors that end all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import cast

import torch
from accelerate import PartialState

from ..messages import error_message

LONGEST_WAIT = timedelta(days=30)  # decoding a large data set takes days; torch's own limit is 10 or 30 minutes
LOST = (
    "Another process of this training has ended, or cannot be reached any more. "
    "Start all of them again with the same arguments; they resume from the last checkpoint."
)


class OtherProcessFailed(RuntimeError):
    """Another process of the run met an error, which that process raises, or has ended.

    kind: the class of its error, None where it has ended. The message is that of the error.
    """

    def __init__(self, message: str, kind: type[BaseException] | None = None):
        super().__init__(message)
        self.kind = kind


Told = tuple[str, type[BaseException]]  # the message of an error, and its class


def main_process_alone(work: Callable[[], object]) -> None:
    """Do `work` in the main process, while the others wait for its end.

    What it raises ends all of them: the others raise OtherProcessFailed, or KeyboardInterrupt as the main one.
    """
    processes = PartialState()
    if processes.num_processes == 1:
        work()
        return
    group = cast(torch.distributed.ProcessGroup, torch.distributed.new_group(timeout=LONGEST_WAIT, backend="gloo"))
    told: list[Told | None] = [None]
    own: BaseException | None = None
    try:
        if processes.is_main_process:
            work()
    except BaseException as error:
        told, own = [_told(error)], error
    try:
        with lost_processes_told():
            torch.distributed.broadcast_object_list(told, 0, group)
    except OtherProcessFailed:
        if own is None:  # else that is what to tell: the others were stopped by the same signal, or are gone
            raise
    if own is not None:
        raise own
    _raise_told(told)


@contextmanager
def errors_of_all() -> Iterator[None]:
    """Let an error of the block in one process end the block in all, at its end.

    The first process that met one raises it, all others OtherProcessFailed, so that one sentence is told. Every process
    must enter the block; nothing in it may wait for another process.
    """
    processes = PartialState()
    if processes.num_processes == 1:
        yield
        return
    own: Exception | None = None
    try:
        yield
    except Exception as error:
        own = error
    failed = torch.tensor(int(own is not None), device=processes.device)
    told: list[Told | None] = [None] * processes.num_processes
    try:
        torch.distributed.all_reduce(failed)
        if not failed:
            return
        torch.distributed.all_gather_object(told, _told(own) if own else None)
    except RuntimeError:
        if own:  # the others are gone already
            raise own from None
        raise
    if own and not any(told[: processes.process_index]):
        raise own
    _raise_told(told)


@contextmanager
def lost_processes_told() -> Iterator[None]:
    """Say in words that a process can no longer be reached; torch raises an error of its network wherever that is."""
    try:
        yield
    except (OtherProcessFailed, KeyboardInterrupt):
        raise
    except RuntimeError as error:
        alone = PartialState().num_processes == 1
        if alone or not (isinstance(error, torch.distributed.DistError) or "gloo" in str(error)):
            raise
        raise OtherProcessFailed(LOST) from error


def _told(error: BaseException) -> Told:
    return error_message(error) if isinstance(error, Exception) else "", type(error)


def _raise_told(told: list[Told | None]) -> None:
    for sentence, kind in filter(None, told):
        raise OtherProcessFailed(sentence, kind) if issubclass(kind, Exception) else KeyboardInterrupt
