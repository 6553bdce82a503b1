"""The labelled cases of a fine-tuning run. A case is a breast or an exam, with its embedding and its label."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..exam import SIDES, Laterality
from ..model.exam_network import ExamNetwork
from ..model.last_stage import LastStage, StageInputs
from ..tasks import Kind, Level, Task
from .config import FEWEST_CASES, NotEnoughCases

FOLDS = 5  # of the cross-validation; fewer patients cannot be split
FEWEST_OF_CLASS = 3


@dataclass(frozen=True, eq=False)
class LabelledEmbeddings:
    """n labelled cases of one task.

    features: (n, width) float32, see `Fused.embedding`. labels: (n,) class indices, or (n, 2) years and event for
    survival. exams, sides: the exam's name and "R", "L" or "" for the whole exam. patients: (n,) pseudonyms. test: (n,)
    bool, in the test split. facts: of each case, such as density or vendor, for subgroups. stage_inputs: the exams
    before the last image stage; only for heads that have a stage of their own.
    """

    task: Task
    features: np.ndarray
    labels: np.ndarray
    exams: tuple[str, ...]
    sides: tuple[str, ...]
    patients: np.ndarray
    test: np.ndarray
    facts: tuple[dict[str, str], ...]
    stage_inputs: StageInputs | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, rows: np.ndarray) -> LabelledEmbeddings:
        """Return the cases where rows (n,) is True."""
        indices = np.flatnonzero(rows)
        return replace(
            self,
            features=self.features[rows],
            labels=self.labels[rows],
            exams=tuple(self.exams[index] for index in indices),
            sides=tuple(self.sides[index] for index in indices),
            patients=self.patients[rows],
            test=self.test[rows],
            facts=tuple(self.facts[index] for index in indices),
        )

    def split(self) -> tuple[LabelledEmbeddings, LabelledEmbeddings]:
        """Return the training and the test cases."""
        return self.subset(~self.test), self.subset(self.test)

    def batches(self, exams: int, rng: np.random.Generator | None = None) -> list[list[int]]:
        """Return the row indices in batches of this many whole exams, in order or shuffled by `rng`."""
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.exams):
            rows.setdefault(name, []).append(row)
        names = list(rows) if rng is None else [list(rows)[index] for index in rng.permutation(len(rows))]
        return [
            [row for name in names[start : start + exams] for row in rows[name]]
            for start in range(0, len(names), exams)
        ]

    def embed_with_stage(self, rows: Sequence[int], stage: LastStage, model: ExamNetwork) -> Tensor:
        """Return the embeddings (rows, width) of some cases through `stage`, with gradients to it.

        Raises ValueError for cases without `stage_inputs`.
        """
        if self.stage_inputs is None:
            raise ValueError("stage_inputs: missing; the last image stage needs the exams, not their embeddings")
        names = list(dict.fromkeys(self.exams[row] for row in rows))
        fused = self.stage_inputs.fused(model, stage, [self.stage_inputs.row[name] for name in names])
        exam_index = torch.tensor([names.index(self.exams[row]) for row in rows])
        embedding = fused.embedding(self.task.level)
        if self.task.level is Level.EXAM:
            return embedding[exam_index]
        return embedding[exam_index, torch.tensor([SIDES.index(Laterality(self.sides[row])) for row in rows])]

    def fingerprints(self) -> list[list[str]]:
        """Return [exam, side, hash of the label] of every case, which identify the labels without revealing them."""
        return [
            [exam, side, hashlib.sha256(f"{exam} {side} {np.asarray(label).tolist()}".encode()).hexdigest()[:12]]
            for exam, side, label in zip(self.exams, self.sides, self.labels)
        ]


def require_enough_cases(train: LabelledEmbeddings) -> None:
    """Raise NotEnoughCases if the training cases are too few, of too few patients, or of too few classes."""
    if missing := missing_cases(train.task, train.labels, len(set(train.patients.tolist()))):
        raise NotEnoughCases(f"{train.task.title}: {missing}")


def class_names(task: Task) -> tuple[str, ...]:
    """Return the names of a task's labels: of a binary task and of survival those of 0 and 1, else the classes."""
    names = {Kind.BINARY: ("absent", "present"), Kind.SURVIVAL: ("no cancer", "cancer")}
    return names.get(task.kind, task.classes)


def class_counts(task: Task, labels: np.ndarray) -> dict[str, int]:
    """Return how many labels there are of each name of `class_names`. labels: as in `LabelledEmbeddings`."""
    values = labels[:, 1] if task.kind is Kind.SURVIVAL else labels
    return {name: int((values == index).sum()) for index, name in enumerate(class_names(task))}


def missing_cases(task: Task, labels: np.ndarray, patients: int) -> str:
    """Return what training cases lack to fine-tune a head, as a sentence; "" where nothing is missing.

    labels: as in `LabelledEmbeddings`. patients: how many the cases are of.
    """
    if len(labels) < FEWEST_CASES or patients < FOLDS:
        unit = "breasts" if task.level is Level.BREAST else "exams"
        return (
            f"{len(labels)} labelled {unit} of {patients} patients in the training split; at least {FEWEST_CASES} "
            f"{unit}, of at least {FOLDS} patients, are needed. Sign more readings that answer this question."
        )
    counts = class_counts(task, labels)
    if task.kind is Kind.SURVIVAL:
        cancers = counts["cancer"]
        if cancers < FEWEST_OF_CLASS or cancers == len(labels):
            return (
                f"{cancers} cancers among {len(labels)} follow-ups; at least {FEWEST_OF_CLASS} cancers and "
                "some women without one are needed."
            )
    elif sum(count >= FEWEST_OF_CLASS for count in counts.values()) < 2:
        listed = ", ".join(f"{count} × {name}" for name, count in counts.items())
        return f"the training split has {listed}; at least two classes with {FEWEST_OF_CLASS} cases each are needed."
    return ""
