"""Training batches of cached exams: augmented pixels, labels, and two wordings of the findings of every breast."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..exam import Laterality
from ..model.network import SIDES
from ..model.objective import NO_REPORT
from ..report.findings import Findings
from ..report.writer import drop_random_fields, write_report
from ..tasks import TASK, Kind, Level
from .augmentation import augment
from .exam_cache import ExamCache, Labels, ModelBox

FIELD_SHARES = (0.25, 0.6, 0.9)  # expected shares of the known fields in a training report: short reports are seen too
VIEW_DROPOUT = 0.15  # how often one view of an exam is left out in training


@dataclass(frozen=True)
class Batch:
    """A batch of exams.

    images: (exams, 4, 1, rows, columns), normalised. present: (exams, 4) bool. labels: for each task as in
    `objective.task_loss`. findings: for each breast in the order right, left of each exam, what its reports contain.
    wordings: two reports of each breast. boxes: (exam, box) of the findings whose box is known and whose view is
    present.
    """

    images: Tensor
    present: Tensor
    labels: dict[str, Tensor]
    findings: list[Findings]
    wordings: tuple[list[str], list[str]]
    boxes: tuple[tuple[int, ModelBox], ...] = ()

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
        )


def make_batch(
    cache: ExamCache, indices: Sequence[int], tasks: Sequence[str], rngs: Sequence[random.Random] | None
) -> Batch:
    """Return the exams at `indices`; with one random generator an exam in `rngs`, augmented as in training.

    An exam depends on its own generator alone, so a batch is the same however it is spread over processes.
    """
    images, boxes = [], []
    findings: list[Findings] = []
    first: list[str] = []
    second: list[str] = []
    present = torch.from_numpy(cache.present[indices].copy())
    for exam, (row, index) in enumerate(zip(present, indices, strict=True)):
        rng = rngs[exam] if rngs else None
        pixels, exam_boxes = cache.views(index).astype(np.float32), cache.labels[index].boxes
        if rng:
            pixels, exam_boxes = augment(cache.views(index), exam_boxes, rng)
        scaled = pixels / 255 * cache.preprocessing.ceiling
        images.append((scaled - cache.preprocessing.mean) / cache.preprocessing.std)
        if rng and rng.random() < VIEW_DROPOUT and row.sum() > 1:
            row[rng.choice(row.nonzero().flatten().tolist())] = False
        boxes += [(exam, box) for box in exam_boxes if row[box.view]]
        for side in SIDES:
            found, texts = _reports_of(cache, index, side, rng)
            findings.append(found)
            first.append(texts[0])
            second.append(texts[1])
    labels = {name: label_tensor(name, [cache.labels[index] for index in indices]) for name in tasks}
    return Batch(
        torch.from_numpy(np.stack(images)).unsqueeze(2), present, labels, findings, (first, second), tuple(boxes)
    )


def _reports_of(
    cache: ExamCache, index: int, side: Laterality, rng: random.Random | None
) -> tuple[Findings, tuple[str, str]]:
    """Two reports of a breast and their findings; in training half of the pairs hold a paraphrase, if there is one."""
    findings = cache.labels[index].findings.get(side, Findings())
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


@dataclass(frozen=True)
class BatchLoader:
    """The training batches of each step; they depend on the seed and the step alone, so a resumed run needs no state.

    exams_per_batch: over all processes; this process loads its share. Raises ValueError where the processes cannot
    share a batch evenly, or the exams do not fill one step.
    """

    cache: ExamCache
    tasks: tuple[str, ...]
    seed: int
    exams_per_batch: int
    batches_per_step: int = 1
    balance: float = 0.0
    process: int = 0
    processes: int = 1

    def __post_init__(self) -> None:
        if self.exams_per_batch % self.processes:
            raise ValueError(
                f"A batch of {self.exams_per_batch} exams cannot be shared evenly by {self.processes} processes."
            )
        if len(self.cache) < self.exams_per_step:
            raise ValueError(
                f"{len(self.cache)} exams are fewer than the {self.exams_per_step} of one step. Make the batch smaller."
            )

    @property
    def exams_per_step(self) -> int:
        """The number of exams of one step, over all processes."""
        return self.exams_per_batch * self.batches_per_step

    @property
    def steps_per_epoch(self) -> int:
        """The number of complete steps in one epoch."""
        return len(self.cache) // self.exams_per_step

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield this process's share of each batch of a step."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = epoch_order(self.cache.labels, (self.seed, epoch), self.balance)
        share = self.exams_per_batch // self.processes
        for number in range(self.batches_per_step):
            first = within * self.exams_per_step + number * self.exams_per_batch + self.process * share
            rngs = [random.Random(f"{self.seed}-{step}-{first + position}") for position in range(share)]
            yield make_batch(self.cache, order[first : first + share].tolist(), self.tasks, rngs)
