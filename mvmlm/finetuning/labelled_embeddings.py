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
from ..inference.mvmlm_predictor import MVMLMPredictor
from ..model.last_stage import LastStage, StageInputs
from ..model.network import MVMLM, SIDES
from ..reading.labels import label_of
from ..store.archive import open_stored_exam
from ..store.records import Read, reference_reading
from ..store.store import Store
from ..tasks import Kind, Level, Task
from .config import CaseCount, FinetuneConfig, NotEnough, ProgressCallback, Stopped
from .embeddings import embed_exams

FOLDS = 5
FEWEST_CASES, FEWEST_OF_CLASS = 12, 3


@dataclass(frozen=True)
class LabelledEmbeddings:
    """Labelled embeddings. features (n, width) float32; labels (n,) class index or (n, 2) years and event.

    exams, patients: names; facts: of each case, for subgroups; stage_inputs: the exams before the last image stage, where a lesson needs them.
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

    def subset(self, rows: np.ndarray) -> LabelledEmbeddings:
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


def find_task(store: Store, config: FinetuneConfig) -> Task:
    """Raises ValueError for a task that is not known."""
    task = next((task for task in store.tasks if task.name == config.task), None)
    if task is None:
        raise ValueError(f"task {config.task!r}: expected one of {', '.join(task.name for task in store.tasks)}")
    return task


def labelled_exams(store: Store, task: Task, config: FinetuneConfig) -> dict[int, tuple[Read, dict]]:
    """exam -> the reading that counts and its labels by side, of the exams that the lesson takes."""
    labelled = {}
    for number in store.worklist.numbers(config.exam_filter):
        kept = reference_reading(store.readings.of_exam(number), config.reader)
        sides = tuple(Laterality) if task.level is Level.BREAST else (None,)
        date = store.exams.get(number).exam_date if task.kind is Kind.SURVIVAL else None
        labels = {side: label_of(kept.reading, task, side, date) for side in sides} if kept else {}
        labels = {side: label for side, label in labels.items() if label is not None}
        if labels:
            labelled[number] = (kept, labels)
    return labelled


def count_cases(store: Store, config: FinetuneConfig) -> CaseCount:
    """What the lesson would learn from, told before it begins. Raises ValueError for a task that is not known."""
    labelled = labelled_exams(store, find_task(store, config), config)
    cases, patients = {"train": 0, "test": 0}, {"train": set(), "test": set()}
    for number, (_, labels) in labelled.items():
        exam = store.exams.get(number)
        cases[exam.split] += len(labels)
        patients[exam.split].add(exam.patient)
    return CaseCount(cases["train"], len(patients["train"]), cases["test"], len(patients["test"]))


def collect(
    store: Store, predictor: MVMLMPredictor, decoder: Decoder, config: FinetuneConfig, tell: ProgressCallback
) -> tuple[LabelledEmbeddings, list[str]]:
    """The labelled cases of a lesson, and a sentence for each exam that could not be used."""
    task = find_task(store, config)
    labelled = labelled_exams(store, task, config)
    vectors, problems = embed_exams(store, predictor, decoder, list(labelled), tell)
    rows = []
    for number, (kept, labels) in labelled.items():
        exam = store.exams.get(number)
        facts = {"density": kept.reading.answer("density") or "", "vendor": exam.vendor or "", "reader": kept.reader}
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
                        exam.split == "test",
                        facts,
                    )
                )
    width = predictor.width(task.level)
    features = np.stack([row[0] for row in rows]) if rows else np.zeros((0, width), np.float32)
    shape = (0, 2) if task.kind is Kind.SURVIVAL else (0,)
    labels = np.array([row[1] for row in rows], np.float32) if rows else np.zeros(shape, np.float32)
    names, sides, patients, test, facts = ([row[i] for row in rows] for i in range(2, 7))
    return LabelledEmbeddings(
        task, features, labels, tuple(names), tuple(sides), np.array(patients), np.array(test, bool), tuple(facts)
    ), problems


def collect_stage_inputs(
    store: Store, predictor: MVMLMPredictor, decoder: Decoder, cases: LabelledEmbeddings, tell: ProgressCallback
) -> StageInputs:
    """Every exam of the cases up to its last image stage: the pictures are opened again. Raises Stopped."""

    def encodings():
        names = list(dict.fromkeys(cases.exams))
        for done, name in enumerate(names):
            if tell(0.1 * done / len(names), f"looking at exam {done + 1} of {len(names)}"):
                raise Stopped
            yield name, predictor.encode(open_stored_exam(store, store.exams.by_name(name).id, decoder))[0]

    return StageInputs.from_encodings(encodings())


def require_enough_cases(train: LabelledEmbeddings) -> None:
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


def batches_of(cases: LabelledEmbeddings, exams: int, rng: np.random.Generator | None = None) -> list[list[int]]:
    """The cases' rows, in batches of whole exams; in order, or shuffled by `rng`."""
    rows: dict[str, list[int]] = {}
    for row, name in enumerate(cases.exams):
        rows.setdefault(name, []).append(row)
    names = list(rows) if rng is None else [list(rows)[i] for i in rng.permutation(len(rows))]
    return [
        [row for name in names[start : start + exams] for row in rows[name]] for start in range(0, len(names), exams)
    ]


def embed_with_stage(cases: LabelledEmbeddings, rows: Sequence[int], stage: LastStage, model: MVMLM) -> Tensor:
    """(rows, width): the embeddings of these cases through `stage`."""
    names = list(dict.fromkeys(cases.exams[row] for row in rows))
    fused = cases.stage_inputs.fused(model, stage, [cases.stage_inputs.row[name] for name in names])
    place = torch.tensor([names.index(cases.exams[row]) for row in rows])
    if cases.task.level is Level.EXAM:
        return fused.exam[place]
    return fused.breasts[place, torch.tensor([SIDES.index(Laterality(cases.sides[row])) for row in rows])]


def snapshot(cases: LabelledEmbeddings) -> list[list[str]]:
    """[exam, side, hash of the label] of every case: what a head was taught, told without telling the labels."""
    return [
        [exam, side, hashlib.sha256(f"{exam} {side} {np.asarray(label).tolist()}".encode()).hexdigest()[:12]]
        for exam, side, label in zip(cases.exams, cases.sides, cases.labels)
    ]
