"""Worker processes that open files, with limits on memory and time: a hostile file ends a worker, not the app."""

from __future__ import annotations

import atexit
import copy
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import Enum
from io import BufferedReader
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import psutil

from .file_header import FileHeader
from .limits import MAX_DECODED_BYTES, MAX_PROCESS_BYTES, MAX_SECONDS

PACKAGE_ROOT = Path(__file__).resolve().parent.parent.parent
WATCH_SECONDS = 0.02  # between two measurements of a worker's memory
ADVANCE_SECONDS = 0.25  # so soon a reader who asks to stop is heard, however long one file takes


class Step(Enum):
    """What is done with each of several files."""

    HEADERS = "headers"
    PIXELS = "pixels"
    CHECKS = "checks"


#: called again and again with what is done and with how many of how many files; may raise Stopped
Advance = Callable[[Step, int, int], None]
_T = TypeVar("_T")


class Stopped(Exception):
    """The files were not opened, because the reader asked to stop."""


class Unreadable(Exception):
    """A file that is not used; the text is one sentence for the reader, without the file's name.

    code: as in `exam.FileMark`.
    """

    def __init__(self, text: str, code: str = "unreadable"):
        super().__init__(text)
        self.code = code


def _tell_nobody(step: Step, done: int, count: int) -> None:
    """Report to nobody: for programs without a reader who waits."""


class Decoder:
    """A few worker processes, started when first needed. Thread-safe; `close` ends them."""

    _advance: Advance = staticmethod(_tell_nobody)

    def __init__(self, workers: int = 2):
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for _ in range(workers):
            self._idle.put(_Worker())
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        atexit.register(self.close)

    def reporting(self, advance: Advance) -> Decoder:
        """Return this decoder, with the same processes, that calls `advance`; its error ends what is being read."""
        reporting = copy.copy(self)
        reporting._advance = advance
        return reporting

    def report(self, step: Step, done: int, count: int) -> None:
        """Call `advance` for work that is done with decoded files."""
        self._advance(step, done, count)

    def headers(self, paths: Iterable[Path]) -> list[FileHeader | Unreadable]:
        """Return the header of each file, or why it has none, in the order of `paths`."""
        return self._each(Step.HEADERS, self._header, paths)

    def pixels(self, paths: Iterable[Path]) -> list[np.ndarray | Unreadable]:
        """Return (rows, columns) values after the modality LUT of each file, or why not; decoded in parallel."""
        return self._each(Step.PIXELS, self._pixels, paths)

    def _each(self, step: Step, read: Callable[[Path], _T], paths: Iterable[Path]) -> list[_T]:
        """What `read` returns for each file. Where `advance` raises, files that no worker has begun are left out."""
        done, finished = 0, threading.Semaphore(0)
        futures = [self._threads.submit(read, path) for path in paths]
        try:
            for future in futures:
                future.add_done_callback(lambda _: finished.release())
            while done < len(futures):
                self.report(step, done, len(futures))
                done += finished.acquire(timeout=ADVANCE_SECONDS)
            return [future.result() for future in futures]
        finally:
            for future in futures:
                future.cancel()

    def close(self) -> None:
        """End the worker processes."""
        self._threads.shutdown(wait=False)
        while not self._idle.empty():
            self._idle.get().stop()

    def _header(self, path: Path) -> FileHeader | Unreadable:
        try:
            reply, _ = self._ask("header", path)
        except Unreadable as error:
            return error
        return reply["header"]

    def _pixels(self, path: Path) -> np.ndarray | Unreadable:
        try:
            reply, raw = self._ask("pixels", path)
        except Unreadable as error:
            return error
        return np.frombuffer(raw, np.dtype(reply["dtype"])).reshape(reply["shape"])

    def _ask(self, request: str, path: Path) -> tuple[dict[str, Any], bytearray]:
        worker = self._idle.get()
        try:
            reply, raw = worker.ask({"request": request, "path": str(path)})
        finally:
            self._idle.put(worker)
        if "unusable" in reply:
            raise Unreadable(reply["unusable"], reply["code"])
        return reply, raw


class _Watch:
    """Ends a process that takes more time or resident memory than one request may. A context manager.

    The limit on resident memory is enforced here on every system. Linux also limits the address space of the process
    (RLIMIT_AS, see `decode_worker.limit_memory`). That limit is reached first, because the address space is never
    smaller than the resident memory.
    """

    def __init__(self, process: subprocess.Popen[bytes]):
        self.reason: str | None = None  # why the process was ended, for the reader
        self._process = process
        self._answered = threading.Event()
        self._thread = threading.Thread(target=self._run, name="decode-watch", daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._answered.set()
        self._thread.join()

    def _run(self) -> None:
        deadline = time.monotonic() + MAX_SECONDS
        try:
            process = psutil.Process(self._process.pid)
            while not self._answered.wait(WATCH_SECONDS):
                if process.memory_info().rss > MAX_PROCESS_BYTES:
                    return self._end("needs more memory than one file may take")
                if time.monotonic() > deadline:
                    return self._end(f"took more than {MAX_SECONDS:g} seconds to read, the limit for one file")
        except psutil.NoSuchProcess:
            return  # it died by itself; `ask` finds its pipe closed
        except psutil.Error:  # without a measurement the limit cannot be enforced
            self._end("was not read: this system does not show how much memory reading it takes")

    def _end(self, reason: str) -> None:
        self.reason = reason
        self._process.kill()


class _Died(Exception):
    """A worker process has ended, and not because it took too much."""


class _Worker:
    """One worker process, which is started for the first request and again after it has died."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, str]) -> tuple[dict[str, Any], bytearray]:
        """Return the reply and the raw bytes behind it. Raises Unreadable when the process is ended, or dies twice.

        Where it dies by itself it is asked once more: the system may have ended it, for want of memory, not the file.
        """
        try:
            return self._ask_once(request)
        except _Died:
            try:
                return self._ask_once(request)
            except _Died:
                damaged = "damaged: the process that reads files crashed on it and was started again"
                raise Unreadable(damaged, "damaged") from None

    def _ask_once(self, request: dict[str, str]) -> tuple[dict[str, Any], bytearray]:
        process = self._running()
        watch = _Watch(process)
        try:
            with watch:
                answer = _exchange(process, request)
            if watch.reason is not None:  # ended just after it had answered; the next request needs a new process
                self.stop()
            return answer
        except (EOFError, OSError, json.JSONDecodeError):
            self.stop()
            if watch.reason is None:
                raise _Died from None
            raise Unreadable(watch.reason, "too-large") from None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            search = os.pathsep.join(filter(None, [str(PACKAGE_ROOT), os.environ.get("PYTHONPATH")]))
            environment = os.environ | {"PYTHONPATH": search, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "mvmlm.imaging.decode_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
            )
        return self._process

    def stop(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in _pipes(self._process):
                with suppress(BrokenPipeError):  # a request that it never read
                    pipe.close()
            self._process = None


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], BufferedReader]:
    assert process.stdin is not None  # both pipes were asked for when the process was started
    assert isinstance(process.stdout, BufferedReader)
    return process.stdin, process.stdout


def _exchange(process: subprocess.Popen[bytes], request: dict[str, str]) -> tuple[dict[str, Any], bytearray]:
    """Write one request and read its reply. Raises EOFError, OSError or JSONDecodeError where the process has died."""
    stdin, stdout = _pipes(process)
    stdin.write(json.dumps(request).encode() + b"\n")
    stdin.flush()
    reply = json.loads(stdout.readline())
    if reply.get("bytes", 0) > MAX_DECODED_BYTES:
        raise EOFError("more bytes than a picture can have")
    raw = bytearray(reply.get("bytes", 0))
    view, filled = memoryview(raw), 0
    while filled < len(raw):
        got = stdout.readinto(view[filled:])
        if not got:
            raise EOFError
        filled += got
    return reply, raw
