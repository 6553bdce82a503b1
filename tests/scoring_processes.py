"""A run of `mvmlm score` that is killed at random places, for test_scoring.py: python -m tests.scoring_processes JSON.

JSON: the arguments, and the seed of the places. The processes are forked after torch is imported and before
it has started a thread, so that it is imported only once. Prints how many were killed before one came to its end.
"""

import functools
import inspect
import json
import os
import signal
import sys
from collections.abc import Callable
from itertools import count

import numpy as np
import torch

import mvmlm.atomic_file as atomic_file
import mvmlm.scoring.opening as opening
import mvmlm.scoring.parts as parts
import mvmlm.scoring.pipeline as pipeline
from mvmlm.__main__ import main

PLACES = (atomic_file, opening, parts, parts.Parts, pipeline)


def kill_at(number: int) -> None:
    """Kill this process at the call with this number of a function of scoring, or of one that writes its files."""
    calls = count(1)

    def counted(function):
        @functools.wraps(function)
        def called(*args, **kwargs):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return called

    for place in PLACES:
        for name, value in list(vars(place).items()):
            if inspect.isfunction(value) and value.__module__.startswith("mvmlm."):
                setattr(place, name, counted(value))
    for place, name in ((os, "replace"), (os, "fsync"), (os, "rmdir"), (parts.pq, "write_table")):
        setattr(place, name, counted(getattr(place, name)))


def kill_in_a_part() -> None:
    """Kill this process when half of a part is written."""

    def write_half(table, file):
        file.write(b"PAR1 and half of the rest")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

    parts.pq.write_table = write_half


def score(arguments: list[str], kill: Callable[[], object]) -> bool:
    """Run the command in a process of its own; return whether it was killed."""
    pid = os.fork()
    if pid == 0:
        torch.set_num_threads(1)
        parts.PART_EXAMS = 2
        kill()
        os._exit(main(arguments))
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, -signal.SIGKILL), f"the run ended with {status}"
    return status != 0


def killed_again_and_again(arguments: list[str], seed: int) -> int:
    """Run the command to its end, killed three times before; return how often it was killed."""
    rng = np.random.default_rng(seed)
    kills = [lambda: kill_at(int(rng.integers(45, 65))), kill_in_a_part, lambda: kill_at(int(rng.integers(15, 45)))]
    killed = [score(arguments, kill) for kill in (*kills, lambda: None)]
    return sum(killed)


if __name__ == "__main__":
    print(killed_again_and_again(*json.loads(sys.argv[1])))
