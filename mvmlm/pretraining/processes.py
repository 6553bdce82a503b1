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


class OtherProcessFailed(RuntimeError):
    """Another process of the run met an error. The message is that of the error."""


def main_process_alone(work: Callable[[], object]) -> None:
    """Do `work` in the main process, while the others wait for its end.

    What it raises ends all of them: the others raise OtherProcessFailed, or KeyboardInterrupt as the main one.
    """
    processes = PartialState()
    if processes.num_processes == 1:
        work()
        return
    group = cast(torch.distributed.ProcessGroup, torch.distributed.new_group(timeout=LONGEST_WAIT, backend="gloo"))
    told: list[str | None] = [None]
    try:
        if processes.is_main_process:
            work()
    except BaseException as error:
        told = [_sentence(error)]
        raise
    finally:
        torch.distributed.broadcast_object_list(told, 0, group)
    _raise_told(told)


@contextmanager
def errors_of_all() -> Iterator[None]:
    """Let an error of the block in one process end the block in all, at its end.

    Every process must enter it; nothing in it may wait for another one. The others raise OtherProcessFailed.
    """
    processes = PartialState()
    if processes.num_processes == 1:
        yield
        return
    told: str | None = None
    try:
        yield
    except Exception as error:
        told = _sentence(error)
        raise
    finally:
        failed = torch.tensor(int(told is not None), device=processes.device)
        torch.distributed.all_reduce(failed)
        if failed:
            sentences: list[str | None] = [None] * processes.num_processes
            torch.distributed.all_gather_object(sentences, told)
            if told is None:
                _raise_told(sentences)


def _sentence(error: BaseException) -> str:
    return error_message(error) if isinstance(error, Exception) else ""


def _raise_told(told: list[str | None]) -> None:
    for sentence in told:
        if sentence is not None:
            raise OtherProcessFailed(sentence) if sentence else KeyboardInterrupt
