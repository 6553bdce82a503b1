"""Worker processes that open files, with limits on memory and time: a hostile file ends a worker, not the app."""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

MAX_SECONDS = 30


class Unreadable(Exception):
    """A file that is not used; the text is one sentence for the reader, without the file's name."""


class Decoder:
    """A few worker processes, started when first needed. Thread-safe; `close` ends them."""

    def __init__(self, workers: int = 2):
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for _ in range(workers):
            self._idle.put(_Worker())
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        atexit.register(self.close)

    def headers(self, paths: Iterable[Path]) -> list[dict | Unreadable]:
        """The header of each file, or why it has none, in order."""
        return list(self._threads.map(lambda path: self._ask("header", path)[0], paths))

    def pixels(self, paths: Iterable[Path]) -> list[np.ndarray | Unreadable]:
        """(rows, columns) values after the modality LUT of each file, or why not, in order; decoded side by side."""
        return list(self._threads.map(lambda path: self._ask("pixels", path)[1], paths))

    def close(self) -> None:
        self._threads.shutdown(wait=False)
        while not self._idle.empty():
            self._idle.get().stop()

    def _ask(self, verb: str, path: Path):
        worker = self._idle.get()
        try:
            reply, raw = worker.ask({"verb": verb, "path": str(path)})
        except Unreadable as error:
            return error, error
        finally:
            self._idle.put(worker)
        if "unusable" in reply:
            error = Unreadable(reply["unusable"])
            return error, error
        if verb == "header":
            return reply["header"], None
        return None, np.frombuffer(raw, np.dtype(reply["dtype"])).reshape(reply["shape"])


class _Worker:
    def __init__(self):
        self._process: subprocess.Popen | None = None

    def ask(self, request: dict) -> tuple[dict, bytearray]:
        """Raises Unreadable when the worker dies or takes too long; the next request gets a new one."""
        process = self._running()
        timed_out = threading.Event()
        watch = threading.Timer(MAX_SECONDS, lambda: (timed_out.set(), process.kill()))
        watch.start()
        try:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
            reply = json.loads(line)
            raw = bytearray(reply.get("bytes", 0))
            view, filled = memoryview(raw), 0
            while filled < len(raw):
                got = process.stdout.readinto(view[filled:])
                if not got:
                    raise EOFError
                filled += got
            return reply, raw
        except (EOFError, OSError, json.JSONDecodeError):
            self.stop()
            if timed_out.is_set():
                raise Unreadable(f"took more than {MAX_SECONDS} seconds to read, the limit for one file") from None
            raise Unreadable("damaged: reading it ended the reader, which was started again") from None
        finally:
            watch.cancel()

    def _running(self) -> subprocess.Popen:
        if self._process is None or self._process.poll() is not None:
            root = str(Path(__file__).resolve().parent.parent.parent)
            search = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))
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
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                pipe.close()
            self._process = None
