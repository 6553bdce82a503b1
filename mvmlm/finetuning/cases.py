"""Signed readings of the store and embeddings of their exams -> the labelled cases of a fine-tuning run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..exam import Laterality
from ..imaging.decoder import Decoder
from ..inference.model_predictor import ModelPredictor
from ..model.encoding import Encoding
from ..model.last_stage import StageInputs
from ..reading.labels import label_of
from ..store.archive import open_stored_exam
from ..store.records import ProgressCallback, Read, StoredExam, reference_reading
from ..store.store import Store
from ..tasks import Kind, Level, Task
from .config import CaseCount, FinetuneConfig, Stopped
from .embeddings import embed_exams
from .labelled_embeddings import LabelledEmbeddings, class_counts, missing_cases

Label = int | tuple[float, bool]  # a class index, or years and event


class LabelledExam(NamedTuple):
    """An exam, the reading that its labels come from, and the label of each side (None: of the exam)."""

    exam: StoredExam
    read: Read
    labels: Mapping[Laterality | None, Label]

    @property
    def facts(self) -> dict[str, str]:
        """The facts that subgroups of the comparison are made of; empty text where unknown."""
        decade = self.exam.age_years // 10 * 10 if self.exam.age_years else None
        return {
            "density": self.read.reading.answer("density") or "",
            "vendor": self.exam.vendor or "",
            "reader": self.read.reader,
            "age": f"{decade}–{decade + 9}" if decade is not None else "",
        }


def labelled_exams(store: Store, task: Task, config: FinetuneConfig) -> list[LabelledExam]:
    """Return the exams of the configuration's filter that have a label for the task."""
    sides = tuple(Laterality) if task.level is Level.BREAST else (None,)
    found = []
    for number in store.worklist.numbers(config.exam_filter):
        read = reference_reading(store.readings.of_exam(number), config.reader)
        if read is None:
            continue
        exam = store.exams.get(number)
        date = exam.exam_date if task.kind is Kind.SURVIVAL else None
        labels: dict[Laterality | None, Label] = {}
        for side in sides:
            label = label_of(read.reading, task, side, date)
            if label is not None:
                labels[side] = label
        if labels:
            found.append(LabelledExam(exam, read, labels))
    return found


def without_phantoms(store: Store, exams: Sequence[StoredExam]) -> tuple[list[StoredExam], bool]:
    """Return the exams of women, and False; where all are of phantoms these, and True. The two are never mixed."""
    names = store.exams.phantoms()
    if exams and {exam.name for exam in exams} <= names:
        return list(exams), True
    return [exam for exam in exams if exam.name not in names], False


class LabelledExams(NamedTuple):
    """Labelled exams of women, or of phantoms where no woman has a label.

    phantoms: whether all are of phantoms. left_out: how many labelled exams of phantoms are not among them.
    """

    exams: list[LabelledExam]
    phantoms: bool
    left_out: int


def labelled_exams_of_one_kind(store: Store, task: Task, config: FinetuneConfig) -> LabelledExams:
    """Return the exams of the configuration's filter that have a label for the task, never women and phantoms both."""
    labelled = labelled_exams(store, task, config)
    exams, phantoms = without_phantoms(store, [item.exam for item in labelled])
    kept = {exam.id for exam in exams}
    return LabelledExams([item for item in labelled if item.exam.id in kept], phantoms, len(labelled) - len(kept))


def count_cases(store: Store, config: FinetuneConfig) -> CaseCount:
    """Return how many labelled cases there are, and what is missing, without encoding an exam.

    Raises ValueError for an unknown task.
    """
    task = _find_task(store, config)
    labels: dict[str, list[Label]] = {"train": [], "test": []}
    patients: dict[str, set[str]] = {"train": set(), "test": set()}
    chosen = labelled_exams_of_one_kind(store, task, config)
    for exam, _, of_exam in chosen.exams:
        labels[exam.split] += of_exam.values()
        patients[exam.split].add(exam.patient)
    train, test = (label_array(task, labels[split]) for split in ("train", "test"))
    counted = class_counts(task, train), class_counts(task, test)
    return CaseCount(
        len(train),
        len(patients["train"]),
        len(test),
        len(patients["test"]),
        "breasts" if task.level is Level.BREAST else "exams",
        tuple((name, counted[0][name], counted[1][name]) for name in counted[0]),
        missing_cases(task, train, len(patients["train"])),
        chosen.left_out,
    )


def label_array(task: Task, labels: Sequence[int | tuple[float, int]]) -> np.ndarray:
    """Return labels as `LabelledEmbeddings` holds them."""
    shape = (len(labels), 2) if task.kind is Kind.SURVIVAL else (len(labels),)
    return np.array(labels, np.float32).reshape(shape)


def collect_cases(
    store: Store, predictor: ModelPredictor, decoder: Decoder, config: FinetuneConfig, report_progress: ProgressCallback
) -> tuple[LabelledEmbeddings, list[str]]:
    """Return the labelled cases, and a sentence for what is labelled and not among them, and why.

    Exams that were not encoded before are encoded now. Raises Stopped, and ValueError for an unknown task.
    """
    task = _find_task(store, config)
    labelled, _, left_out = labelled_exams_of_one_kind(store, task, config)
    vectors, problems = embed_exams(store, predictor, decoder, [item.exam.id for item in labelled], report_progress)
    rows = [
        (item, side, label, vectors[item.exam.id][side])
        for item in labelled
        for side, label in item.labels.items()
        if side in vectors.get(item.exam.id, {})
    ]
    cases = LabelledEmbeddings(
        task,
        features=np.array([vector for *_, vector in rows], np.float32).reshape(len(rows), predictor.width(task.level)),
        labels=label_array(task, [label for _, _, label, _ in rows]),
        exams=tuple(item.exam.name for item, *_ in rows),
        sides=tuple(side.value if side else "" for _, side, *_ in rows),
        patients=np.array([item.exam.patient for item, *_ in rows]),
        test=np.array([item.exam.split == "test" for item, *_ in rows], bool),
        facts=tuple(item.facts for item, *_ in rows),
    )
    if left_out:
        why = "A head is never taught on women and phantoms at once."
        problems = [f"Labelled exams of phantoms that are left out: {left_out:,}. {why}", *problems]
    return cases, problems


def collect_stage_inputs(
    store: Store,
    predictor: ModelPredictor,
    decoder: Decoder,
    cases: LabelledEmbeddings,
    report_progress: ProgressCallback,
) -> StageInputs:
    """Return every exam of the cases as it enters the last image stage; the images are opened again. Raises Stopped."""

    def encodings() -> Iterator[tuple[str, Encoding]]:
        names = list(dict.fromkeys(cases.exams))
        for index, name in enumerate(names):
            if report_progress(index / len(names), f"{index} of {len(names)} exams opened, {len(names) - index} left"):
                raise Stopped
            exam = store.exams.by_name(name)
            assert exam is not None  # the cases were collected from this store
            yield name, predictor.encode(open_stored_exam(store, exam.id, decoder))[0]

    return StageInputs.from_encodings(encodings())


def _find_task(store: Store, config: FinetuneConfig) -> Task:
    task = next((task for task in store.tasks if task.name == config.task), None)
    if task is None:
        raise ValueError(f"task {config.task!r}: expected one of {', '.join(task.name for task in store.tasks)}")
    return task
