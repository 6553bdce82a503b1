"""Exams that are opened and prepared in threads, ahead of the network that reads them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Full, Queue
from typing import NamedTuple, TypeVar

from ..imaging.decoder import Decoder, Step, Stopped
from ..imaging.files import list_files
from ..inference.model_predictor import ModelPredictor
from ..inference.prepared import PreparedExam, prepare_exam
from ..temporary import temporary_folder
from .archive import Place
from .opening import FoundExam, found_exams, open_exam, sentence_on

GPU_TOGETHER = (
    16  # exams that a GPU reads in one call; a CPU reads them one by one, in eights it took 1.6 times as long
)
WAITING = 4  # exams that wait for the network at least, prepared
POLL_SECONDS = 0.1  # so soon a thread that waits is told to stop
_T = TypeVar("_T")


class PreparedModels(NamedTuple):
    """An exam as each model is given it, or why a model cannot read it; nothing for a place without exams.

    of: how many exams of its place are to be scored.
    """

    place: str
    exam: str
    prepared: tuple[PreparedExam | str, ...]
    of: int


class _Files:
    """The folder of what was unpacked for a place, which is deleted after its last exam was opened."""

    def __init__(self, exams: int, folder: Path):
        self._left, self._folder, self._lock = exams, folder, threading.Lock()

    def leave(self) -> None:
        """Note that one exam less needs the folder."""
        with self._lock:
            self._left -= 1
        if self._left <= 0:
            shutil.rmtree(self._folder, ignore_errors=True)


class ExamsAhead:
    """Exams that are opened and prepared in threads, a few ahead of who takes them. A context manager."""

    def __init__(
        self,
        places: Iterable[Place],
        predictors: Sequence[ModelPredictor],
        decoder: Decoder,
        threads: int,
        done: Collection[str] = (),
    ):
        """decoder: used by all threads. threads: exams that are opened at one time. done: exams that are left out."""
        self._places, self._predictors, self._done = places, predictors, done
        self._decoder = decoder.reporting(self._advance)
        self._stop = threading.Event()
        self._found: Queue[tuple[Place, FoundExam, int, _Files] | None] = Queue(threads)
        self._ready: Queue[PreparedModels | BaseException | None] = Queue(max(WAITING, 2 * self.together))
        self._working = threads
        self._threads = [
            threading.Thread(target=self._run, args=(work,), name="exams-ahead", daemon=True)
            for work in (self._find, *[self._prepare] * threads)
        ]

    @property
    def together(self) -> int:
        """How many exams the network is to read in one call."""
        return GPU_TOGETHER if any(each.device.type != "cpu" for each in self._predictors) else 1

    def __enter__(self) -> ExamsAhead:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def take(self) -> list[PreparedModels]:
        """Return exams that are ready, up to `together`, and wait for the first; none where all were taken."""
        taken: list[PreparedModels] = []
        while self._working and len(taken) < self.together:
            try:
                ready = self._ready.get(block=not taken)
            except Empty:
                break
            if isinstance(ready, BaseException):
                raise ready
            if ready is None:
                self._working -= 1
            else:
                taken.append(ready)
        return taken

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Stopped:
            return
        except BaseException as error:  # told to who takes the exams
            with suppress(Stopped):
                self._put(self._ready, error)

    def _advance(self, step: Step, done: int, count: int) -> None:
        if self._stop.is_set():
            raise Stopped

    def _put(self, queue: Queue[_T], item: _T) -> None:
        while not self._stop.is_set():
            try:
                return queue.put(item, timeout=POLL_SECONDS)
            except Full:
                continue
        raise Stopped

    def _find(self) -> None:
        """List the files of each place, in order."""
        for place in self._places:
            folder = temporary_folder("unpacked")
            try:
                listing = list_files(place.paths, folder, self._decoder)
                exams = [exam for exam in found_exams(place, listing) if exam.name not in self._done]
            except Stopped:
                raise
            except Exception as error:
                shutil.rmtree(folder, ignore_errors=True)
                reason = sentence_on(error)
                self._put(self._ready, PreparedModels(place.name, place.name, (reason,), 1))
                continue
            files = _Files(len(exams), folder)
            if not exams:
                files.leave()
                self._put(self._ready, PreparedModels(place.name, place.name, (), 1))
            for exam in exams:
                self._put(self._found, (place, exam, len(exams), files))
        for _ in self._threads[1:]:
            self._put(self._found, None)

    def _prepare(self) -> None:
        """Open and prepare the exams that were found."""
        while (found := self._next()) is not None:
            place, exam, of, files = found
            try:
                prepared = self._opened(exam)
            finally:
                files.leave()
            self._put(self._ready, PreparedModels(place.name, exam.name, prepared, of))
        self._put(self._ready, None)

    def _next(self) -> tuple[Place, FoundExam, int, _Files] | None:
        while not self._stop.is_set():
            try:
                return self._found.get(timeout=POLL_SECONDS)
            except Empty:
                continue
        raise Stopped

    def _opened(self, found: FoundExam) -> tuple[PreparedExam | str, ...]:
        exam = None
        try:
            exam = open_exam(found.listing, self._decoder)
        except Stopped:
            raise
        except Exception as error:
            return (sentence_on(error),)
        prepared: list[PreparedExam | str] = []
        for predictor in self._predictors:
            try:
                whole = prepare_exam(predictor.model, exam)
                measured = predictor.familiarity.measured_inputs(whole.inputs, exam.views)
                prepared.append(whole.without_pictures(measured))
            except Exception as error:
                prepared.append(sentence_on(error, exam))
        return tuple(prepared)
