"""Starts the worker process of a store, one at a time, and starts it again where it died with jobs left to do."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from filelock import FileLock, Timeout

from .store.database import StoreError
from .store.jobs import Jobs
from .store.store import Store
from .worker import LOCK

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1, 60  # before a worker that died is started again; doubled each time

_CHANGING = threading.Lock()
_SUPERVISED: set[Path] = set()  # data folders whose jobs a thread of this process looks after
_TURN = threading.Lock()  # each worker takes the memory of a model: those of several stores run one after the other


def start_worker(store: Store, weights: str) -> None:
    """Make sure that a worker process runs the store's jobs, if there are any. Returns at once.

    weights: a name or file that `load_model` takes. However often it is called, one process is started; where a worker
    of another program runs the jobs, none.
    """
    folder, jobs = store.folder.resolve(), store.jobs
    with _CHANGING:
        if folder not in _SUPERVISED and jobs.unfinished():
            _SUPERVISED.add(folder)
            threading.Thread(target=_supervise, args=(jobs, folder, weights), name="worker", daemon=True).start()


def _supervise(jobs: Jobs, folder: Path, weights: str) -> None:
    """Run workers, one after the other, until no job is left to do."""
    pause, wake = FIRST_PAUSE_SECONDS, threading.Event()
    while _has_jobs(jobs, folder):
        if _is_worked_on(folder):
            wake.wait(FIRST_PAUSE_SECONDS)
        elif _run_worker(folder, weights) == 0:
            pause = FIRST_PAUSE_SECONDS
        else:
            wake.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _has_jobs(jobs: Jobs, folder: Path) -> bool:
    """Whether there is a job to do. Where there is none, the next call of `start_worker` begins anew."""
    with _CHANGING:
        try:
            if jobs.unfinished():
                return True
        except StoreError:
            pass  # the store is closed: the program ends
        _SUPERVISED.discard(folder)
        return False


def _is_worked_on(folder: Path) -> bool:
    """Whether a worker that another program started holds the lock."""
    try:
        with FileLock(folder / LOCK, timeout=0, mode=0o600):
            return False
    except Timeout:
        return True


def _command(folder: Path, weights: str) -> list[str]:
    return [sys.executable, "-m", "mvmlm.worker", str(folder), weights]


def _run_worker(folder: Path, weights: str) -> int:
    """Run a worker process to its end and return its exit status. It writes its own log, and prints nothing."""
    nothing, root = subprocess.DEVNULL, Path(__file__).resolve().parent.parent
    with _TURN:
        process = subprocess.run(
            _command(folder, weights), stdin=nothing, stdout=nothing, stderr=nothing, cwd=root, check=False
        )
    return process.returncode
