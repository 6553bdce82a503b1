"""Labelled cases of a lesson: from signed readings and embeddings that are worked out once and kept in the store."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..exam import Laterality
from ..imaging.decoder import Decoder
from ..inference.predictor import Predictor
from ..model.last_stage import LastStage, Looks
from ..model.network import MVMLM, SIDES
from ..reading.labels import label_of
from ..store.archive import open_kept
from ..store.records import KeptReading, counted
from ..store.store import Store
from ..tasks import Kind, Level, Task
from .config import Count, Lesson, NotEnough, Stopped, Tell
from .embeddings import embed_kept

FOLDS = 5
FEWEST_CASES, FEWEST_OF_CLASS = 12, 3


@dataclass(frozen=True)
class Cases:
    """Labelled embeddings. features (n, width) float32; labels (n,) class index or (n, 2) years and event.

    exams, patients: names; facts: of each case, for subgroups; looks: the exams before the last image stage, where a lesson needs them.
    """

    task: Task
    features: np.ndarray
    labels: np.ndarray
    exams: tuple[str, ...]
    sides: tuple[str, ...]
    patients: np.ndarray
    test: np.ndarray
    facts: tuple[dict[str, str], ...]
    looks: Looks | None = None

    def part(self, rows: np.ndarray) -> Cases:
        """The cases where rows (n,) bool."""
        keep = np.flatnonzero(rows)
        picked = {name: tuple(getattr(self, name)[i] for i in keep) for name in ("exams", "sides", "facts")}
        return replace(
            self,
            features=self.features[rows],
            labels=self.labels[rows],
            patients=self.patients[rows],
            test=self.test[rows],
            **picked,
        )


def task_of(store: Store, lesson: Lesson) -> Task:
    """Raises ValueError for a task that is not known."""
    task = next((task for task in store.tasks if task.name == lesson.task), None)
    if task is None:
        raise ValueError(f"task {lesson.task!r}: expected one of {', '.join(task.name for task in store.tasks)}")
    return task


def labelled_exams(store: Store, task: Task, lesson: Lesson) -> dict[int, tuple[KeptReading, dict]]:
    """exam -> the reading that counts and its labels by side, of the exams that the lesson takes."""
    labelled = {}
    for number in store.exam_numbers(lesson.wanted):
        kept = counted(store.readings(number), lesson.reader)
        sides = tuple(Laterality) if task.level is Level.BREAST else (None,)
        date = store.exam(number).exam_date if task.kind is Kind.SURVIVAL else None
        labels = {side: label_of(kept.reading, task, side, date) for side in sides} if kept else {}
        labels = {side: label for side, label in labels.items() if label is not None}
        if labels:
            labelled[number] = (kept, labels)
    return labelled


def count_cases(store: Store, lesson: Lesson) -> Count:
    """What the lesson would learn from, told before it begins. Raises ValueError for a task that is not known."""
    labelled = labelled_exams(store, task_of(store, lesson), lesson)
    cases, patients = {"train": 0, "test": 0}, {"train": set(), "test": set()}
    for number, (_, labels) in labelled.items():
        exam = store.exam(number)
        cases[exam.part] += len(labels)
        patients[exam.part].add(exam.patient)
    return Count(cases["train"], len(patients["train"]), cases["test"], len(patients["test"]))


def collect(
    store: Store, predictor: Predictor, decoder: Decoder, lesson: Lesson, tell: Tell
) -> tuple[Cases, list[str]]:
    """The labelled cases of a lesson, and a sentence for each exam that could not be used."""
    task = task_of(store, lesson)
    labelled = labelled_exams(store, task, lesson)
    vectors, problems = embed_kept(store, predictor, decoder, list(labelled), tell)
    rows = []
    for number, (kept, labels) in labelled.items():
        exam = store.exam(number)
        facts = {"density": kept.reading.said("density") or "", "vendor": exam.vendor or "", "reader": kept.reader}
        facts["age"] = f"{exam.age_years // 10 * 10}–{exam.age_years // 10 * 10 + 9}" if exam.age_years else ""
        for side, label in labels.items():
            if number in vectors and side in vectors[number]:
                rows.append(
                    (
                        vectors[number][side],
                        label,
                        exam.name,
                        side.value if side else "",
                        exam.patient,
                        exam.part == "test",
                        facts,
                    )
                )
    width = predictor.width(task.level)
    features = np.stack([row[0] for row in rows]) if rows else np.zeros((0, width), np.float32)
    shape = (0, 2) if task.kind is Kind.SURVIVAL else (0,)
    labels = np.array([row[1] for row in rows], np.float32) if rows else np.zeros(shape, np.float32)
    names, sides, patients, test, facts = ([row[i] for row in rows] for i in range(2, 7))
    return Cases(
        task, features, labels, tuple(names), tuple(sides), np.array(patients), np.array(test, bool), tuple(facts)
    ), problems


def look_again(store: Store, predictor: Predictor, decoder: Decoder, cases: Cases, tell: Tell) -> Looks:
    """Every exam of the cases up to its last image stage: the pictures are opened again. Raises Stopped."""

    def encodings():
        names = list(dict.fromkeys(cases.exams))
        for done, name in enumerate(names):
            if tell(0.1 * done / len(names), f"looking at exam {done + 1} of {len(names)}"):
                raise Stopped
            yield name, predictor.encode(open_kept(store, store.exam_named(name).id, decoder))[0]

    return Looks.of(encodings())


def must_suffice(train: Cases) -> None:
    """Raises NotEnough with what is missing, before anything is trained."""
    task, n = train.task, len(train.labels)
    women = len(set(train.patients.tolist()))
    if n < FEWEST_CASES or women < FOLDS:
        what = "breasts" if task.level is Level.BREAST else "exams"
        raise NotEnough(
            f"{task.title}: {n} labelled {what} of {women} patients in the training part; at least {FEWEST_CASES} of {FOLDS} patients are needed. "
            "Sign more readings that answer this question."
        )
    if task.kind is Kind.SURVIVAL:
        events = int(train.labels[:, 1].sum())
        if events < FEWEST_OF_CLASS or events == n:
            raise NotEnough(
                f"{task.title}: {events} cancers among {n} follow-ups; at least {FEWEST_OF_CLASS} cancers and some women without one are needed."
            )
        return
    names = ("absent", "present") if task.kind is Kind.BINARY else task.classes
    found = {name: int((train.labels == index).sum()) for index, name in enumerate(names)}
    enough = [name for name, number in found.items() if number >= FEWEST_OF_CLASS]
    if len(enough) < 2:
        said = ", ".join(f"{number} × {name}" for name, number in found.items())
        raise NotEnough(
            f"{task.title}: the training part has {said}; at least two classes with {FEWEST_OF_CLASS} cases each are needed."
        )


def batches_of(cases: Cases, exams: int, rng: np.random.Generator | None = None) -> list[list[int]]:
    """The cases' rows, in batches of whole exams; in order, or shuffled by `rng`."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(cases.exams):
        rows.setdefault(name, []).append(row)
    names = list(rows) if rng is None else [list(rows)[i] for i in rng.permutation(len(rows))]
    return [
        [row for name in names[start : start + exams] for row in rows[name]] for start in range(0, len(names), exams)
    ]


def heard(cases: Cases, rows: Sequence[int], stage: LastStage, model: MVMLM) -> Tensor:
    """(rows, width): the embeddings of these cases through `stage`."""
    names = list(dict.fromkeys(cases.exams[row] for row in rows))
    fused = cases.looks.fused(model, stage, [cases.looks.row[name] for name in names])
    place = torch.tensor([names.index(cases.exams[row]) for row in rows])
    if cases.task.level is Level.EXAM:
        return fused.exam[place]
    return fused.breasts[place, torch.tensor([SIDES.index(Laterality(cases.sides[row])) for row in rows])]


def snapshot(cases: Cases) -> list[list[str]]:
    """[exam, side, hash of the label] of every case: what a head was taught, told without telling the labels."""
    return [
        [exam, side, hashlib.sha256(f"{exam} {side} {np.asarray(label).tolist()}".encode()).hexdigest()[:12]]
        for exam, side, label in zip(cases.exams, cases.sides, cases.labels)
    ]
