"""Training batches of cached exams: augmented pixels, labels, and two wordings of the findings of every breast."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..exam import SIDES, STANDARD_VIEWS, Laterality
from ..messages import Advised
from ..model.objective import NO_REPORT
from ..report.findings import Findings
from ..report.writer import drop_random_fields, write_report
from ..tasks import TASK, Kind, Level
from .augmentation import augment
from .exam_cache import DamagedExam, Labels, ModelBox
from .joined_exams import TrainingExams, order_by_shares
from .lesion_insertion import Insertion

FIELD_SHARES = (0.25, 0.6, 0.9)  # expected shares of the known fields in a training report: short reports are seen too
PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>: the signal that a process gets when its parent ends
VIEW_DROPOUT = 0.15  # how often one view of an exam is left out in training


@dataclass(frozen=True)
class Batch:
    """A batch of exams.

    images: (exams, 4, 1, rows, columns), normalised. present: (exams, 4) bool. labels: for each task as in
    `objective.task_loss`. findings: for each breast in the order right, left of each exam, what its reports contain.
    wordings: two reports of each breast. boxes: (exam, box) of the findings whose box is known and whose view is
    present. known: what is known of each exam after lesions were set in and taken out.
    """

    images: Tensor
    present: Tensor
    labels: dict[str, Tensor]
    findings: list[Findings]
    wordings: tuple[list[str], list[str]]
    boxes: tuple[tuple[int, ModelBox], ...] = ()
    known: tuple[Labels, ...] = ()

    @property
    def keys(self) -> Tensor:
        """(exams, 2) int64, equal for equal findings in every process; NO_REPORT for a breast without findings."""
        keys = [NO_REPORT if found == Findings() else found.key for found in self.findings]
        return torch.tensor(keys, dtype=torch.int64).view(-1, len(SIDES))

    def subset(self, start: int, stop: int) -> Batch:
        """Return the exams from `start` to before `stop`."""
        breasts = slice(start * len(SIDES), stop * len(SIDES))
        first, second = self.wordings
        return Batch(
            self.images[start:stop],
            self.present[start:stop],
            {name: values[start:stop] for name, values in self.labels.items()},
            self.findings[breasts],
            (first[breasts], second[breasts]),
            tuple((exam - start, box) for exam, box in self.boxes if start <= exam < stop),
            self.known[start:stop],
        )


def make_batch(
    cache: TrainingExams,
    indices: Sequence[int],
    tasks: Sequence[str],
    rngs: Sequence[random.Random] | None,
    insertion: Insertion | None = None,
) -> Batch:
    """Return the exams at `indices`; with one random generator an exam in `rngs`, augmented as in training.

    insertion: lesions that training sets in and takes out, before the augmentation. An exam depends on its own
    generator alone, so a batch is the same however it is spread over processes.
    """
    boxes: list[tuple[int, ModelBox]] = []
    size = cache.preprocessing.rows, cache.preprocessing.columns
    images = np.empty((len(indices), len(STANDARD_VIEWS), *size), np.float32)
    findings: list[Findings] = []
    first: list[str] = []
    second: list[str] = []
    known: list[Labels] = []
    present = torch.from_numpy(cache.present[indices].copy())
    for exam, (row, index) in enumerate(zip(present, indices, strict=True)):
        rng = rngs[exam] if rngs else None
        views, labels = cache.views(index), cache.labels[index]
        if rng and insertion and cache.sources[index] not in insertion.untouched:
            views, labels = insertion(views, labels, random.Random(rng.getrandbits(64)))
        known.append(labels)
        exam_boxes = labels.boxes
        if rng:
            images[exam], exam_boxes = augment(views, exam_boxes, rng)
        else:
            images[exam] = views
        if rng and rng.random() < VIEW_DROPOUT and row.sum() > 1:
            row[rng.choice(row.nonzero().flatten().tolist())] = False
        boxes += [(exam, box) for box in exam_boxes if row[box.view]]
        for side in SIDES:
            found, texts = _reports_of(cache, index, labels, side, rng)
            findings.append(found)
            first.append(texts[0])
            second.append(texts[1])
    for change, value in (
        (np.divide, 255), (np.multiply, cache.preprocessing.ceiling), (np.subtract, cache.preprocessing.mean),
        (np.divide, cache.preprocessing.std),
    ):  # fmt: skip
        change(images, value, out=images)
    of_tasks = {name: label_tensor(name, known) for name in tasks}
    pixels = torch.from_numpy(images).unsqueeze(2)
    return Batch(pixels, present, of_tasks, findings, (first, second), tuple(boxes), tuple(known))


def _reports_of(
    cache: TrainingExams, index: int, labels: Labels, side: Laterality, rng: random.Random | None
) -> tuple[Findings, tuple[str, str]]:
    """Two reports of a breast and their findings; in training half of the pairs hold a paraphrase, if there is one."""
    findings = labels.findings.get(side, Findings())
    if rng is None:
        fixed = write_report(findings, random.Random(index), side)
        return findings, (fixed, fixed)
    paraphrases = cache.paraphrases.get(findings.key) if cache.paraphrases else None
    if paraphrases and rng.random() < 0.5:
        return findings, (rng.choice(paraphrases), write_report(findings, rng, side))
    findings = drop_random_fields(findings, rng, rng.choice(FIELD_SHARES))
    return findings, (write_report(findings, rng, side), write_report(findings, rng, side))


def label_tensor(name: str, labels: Sequence[Labels]) -> Tensor:
    """Return a task's labels as float32, NaN for unknown.

    Shape (exams,) for an exam task, (exams, 2) for a breast task, and (exams, 2) of years and event for survival.
    """
    task, unknown = TASK[name], float("nan")
    if task.kind is Kind.SURVIVAL:
        return torch.tensor([label.risk or (unknown, unknown) for label in labels], dtype=torch.float32)
    if task.level is Level.EXAM:
        return torch.tensor([label.exam.get(name, unknown) for label in labels], dtype=torch.float32)
    rows = [[label.breast.get(side, {}).get(name, unknown) for side in SIDES] for label in labels]
    return torch.tensor(rows, dtype=torch.float32)


def epoch_order(labels: Sequence[Labels], seed: Sequence[int], balance: float) -> np.ndarray:
    """Return the exam indices of one epoch, as many as there are exams.

    balance: 0 takes each exam once. Above 0, exams are drawn with replacement and a probability that grows with their
    rarest label: (1 / share of exams with it) ** balance.
    """
    rng = np.random.default_rng(list(seed))
    if balance == 0:
        return rng.permutation(len(labels))
    of_exam = [{item for known in label.breast.values() for item in known.items()} for label in labels]
    counts = Counter(item for items in of_exam for item in items)
    rarity = [max((len(labels) / counts[item] for item in items), default=1.0) for items in of_exam]
    weight = np.array(rarity) ** balance
    return rng.choice(len(labels), len(labels), p=weight / weight.sum())


class _DrawnExams(Dataset[Batch | Exception]):
    """The exams of a cache as training draws them; a draw is an exam's index and the seed of its augmentation.

    An error on reading an exam is returned in its place: torch would put the worker's traceback into its message.
    """

    def __init__(self, cache: TrainingExams, insertion: Insertion | None):
        self.cache, self.insertion = cache, insertion

    def __getitem__(self, draw: tuple[int, str]) -> Batch | Exception:
        index, seed = draw
        try:
            return make_batch(self.cache, [index], (), [random.Random(seed)], self.insertion)
        except (DamagedExam, OSError, MemoryError) as error:
            return error


def _start_worker(number: int) -> None:
    """Leave Ctrl-C and SIGTERM to the process that trains, and end with it, also where it is killed.

    `torchrun`, Slurm and systemd send SIGTERM to every process of a run; its step may need the workers to its end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":  # elsewhere torch's workers look every five seconds whether it is there
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_end_when_the_parent_says_so, daemon=True).start()


def _end_when_the_parent_says_so() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)


def _unchanged(item: Any) -> Any:
    return item


class BatchSizeError(Advised, ValueError):
    """The processes cannot share a batch, or there are too few exams for one. The message says what to do."""


class LostWorker(Advised, RuntimeError):
    """A process that loads exams has ended. The message says why that may be, and what to do."""


@dataclass
class BatchLoader:
    """The training batches of each step; they depend on the seed and the step alone, so a resumed run needs no state.

    exams_per_batch: over all processes; this process loads its share. epochs: of the run, at whose end workers stop
    reading ahead. workers: processes that load exams ahead of the training, with the same draws for any number; 0 loads
    in this process. shares, epoch_steps: as in `Schedule`. insertion: lesions that are set in and taken out. Raises
    BatchSizeError where the processes cannot share a batch evenly, the shares do not make up a batch of exams that are
    there, or the exams do not fill one step, and ValueError for epoch_steps without shares.
    """

    cache: TrainingExams
    tasks: tuple[str, ...]
    seed: int
    exams_per_batch: int
    batches_per_step: int = 1
    balance: float = 0.0
    shares: Mapping[str, int] = field(default_factory=dict)
    process: int = 0
    processes: int = 1
    epochs: int | None = None
    workers: int = 0
    insertion: Insertion | None = None
    epoch_steps: int | None = None
    _exams: Iterator[Batch | Exception] | None = field(default=None, init=False, repr=False)
    _next_step: int | None = field(default=None, init=False, repr=False)
    _order: tuple[int, np.ndarray] | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.exams_per_batch % self.processes:
            raise BatchSizeError(
                f"A batch of {self.exams_per_batch} exams cannot be shared evenly by {self.processes} processes. "
                "Make it a multiple of them.",
                "exams_per_batch",
            )
        if self.shares and sum(self.shares.values()) != self.exams_per_batch:
            raise BatchSizeError(
                f"The shares of a batch make {sum(self.shares.values())} exams, the batch has {self.exams_per_batch}. "
                "Make them equal.",
                "exams_per_batch",
            )
        if self.epoch_steps and not self.shares:
            raise ValueError("epoch_steps: only the exams that are drawn by shares make an epoch of any length")
        if missing := sorted(set(self.shares) - set(self.cache.sources)):
            raise BatchSizeError(f"{', '.join(missing)}: no training exam is of this source. Leave out its share.")
        if len(self.cache) < self.exams_per_step:
            raise BatchSizeError(
                f"{len(self.cache)} training exams are fewer than the {self.exams_per_step} of one step. "
                "Make the batch smaller, or train on more exams.",
                "exams_per_batch",
                "batches_per_step",
            )

    @property
    def exams_per_step(self) -> int:
        """The number of exams of one step, over all processes."""
        return self.exams_per_batch * self.batches_per_step

    @property
    def steps_per_epoch(self) -> int:
        """The number of complete steps in one epoch."""
        return self.epoch_steps or len(self.cache) // self.exams_per_step

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield this process's share of each batch of a step; steps in a row are read ahead by the same workers."""
        if self._exams is None or step != self._next_step:
            self._exams = self._load_from(step)
        self._next_step = None
        for left in reversed(range(self.batches_per_step)):
            batch = self._join(self._exams)
            self._next_step = None if left else step + 1
            yield batch

    def close(self) -> None:
        """End the workers."""
        self._exams = self._next_step = None

    def _load_from(self, step: int) -> Iterator[Batch | Exception]:
        """The drawn exams of this process, from a step on."""
        if self.workers:
            # ends OpenCV's threads before the workers are forked: with a part of its pool a worker waits for ever
            cv2.setNumThreads(1)
        # a generator of its own: the loader must not change the random numbers of the training
        return iter(
            DataLoader(
                _DrawnExams(self.cache, self.insertion),
                batch_size=None,
                sampler=self._draws(step),
                num_workers=self.workers,
                collate_fn=_unchanged,
                worker_init_fn=_start_worker,
                generator=torch.Generator(),
            )  # fmt: skip
        )

    def _draws(self, first_step: int) -> Iterator[tuple[int, str]]:
        """The exams that this process loads, from a step on, and their seeds."""
        share = self.exams_per_batch // self.processes
        last_step = None if self.epochs is None else self.epochs * self.steps_per_epoch
        for step in count(first_step):
            if step == last_step:
                return
            epoch, within = divmod(step, self.steps_per_epoch)
            order = self._order_of(epoch)
            for number in range(self.batches_per_step):
                first = within * self.exams_per_step + number * self.exams_per_batch + self.process * share
                for position in range(first, first + share):
                    yield int(order[position]), f"{self.seed}-{step}-{position}"

    def _order_of(self, epoch: int) -> np.ndarray:
        """The order of the exams of an epoch, worked out once."""
        if self._order is None or self._order[0] != epoch:
            self._order = epoch, self._new_order((self.seed, epoch))
        return self._order[1]

    def _new_order(self, seed: Sequence[int]) -> np.ndarray:
        if not self.shares:
            return epoch_order(self.cache.labels, seed, self.balance)
        steps = self.steps_per_epoch * self.batches_per_step
        return order_by_shares(self.cache.sources, self.shares, steps, seed)

    def _join(self, exams: Iterator[Batch | Exception]) -> Batch:
        """The next batch. Each exam is copied as it comes, so that its shared memory is free again at once."""
        share = self.exams_per_batch // self.processes
        size = self.cache.preprocessing.rows, self.cache.preprocessing.columns
        images = torch.empty(share, len(STANDARD_VIEWS), 1, *size)
        present = torch.empty(share, len(STANDARD_VIEWS), dtype=torch.bool)
        labels: list[Labels] = []
        findings: list[Findings] = []
        first: list[str] = []
        second: list[str] = []
        boxes: list[tuple[int, ModelBox]] = []
        for exam in range(share):
            part = _next_exam(exams)
            images[exam], present[exam] = part.images[0], part.present[0]
            labels += part.known
            findings += part.findings
            first += part.wordings[0]
            second += part.wordings[1]
            boxes += [(exam, box) for _, box in part.boxes]
        known = {name: label_tensor(name, labels) for name in self.tasks}
        return Batch(images, present, known, findings, (first, second), tuple(boxes), tuple(labels))


def _next_exam(exams: Iterator[Batch | Exception]) -> Batch:
    exam = next(exams)
    if isinstance(exam, Exception):
        raise exam
    return exam


@contextmanager
def lost_workers_told() -> Iterator[None]:
    """Say in words that a worker has ended; torch raises its RuntimeError wherever the training is at that moment."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker (pid" not in str(error):
            raise
        raise LostWorker(
            "A process that loads exams has ended, often for want of memory or of shared memory (/dev/shm). "
            "Run again with fewer of them, or with none; it resumes from the last checkpoint.",
            "workers",
        ) from error
