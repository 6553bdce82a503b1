"""Embeddings of the stored exams, computed once for each set of weights, and what the heads answer from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ..exam import SIDES, Laterality
from ..imaging.decoder import Decoder
from ..imaging.files import NoExam
from ..imaging.preprocess import NoBreast
from ..inference.model_predictor import ModelPredictor
from ..inference.prediction import exam_shares
from ..model.encoding import Encoding
from ..model.heads import probabilities
from ..model.view_fusion import Fused
from ..store.archive import open_stored_exam
from ..store.database import StoreError
from ..store.records import ProgressCallback
from ..store.store import Store
from ..tasks import Kind, Level, Task
from .config import Stopped
from .exam_familiarity import store_familiarity

SCORING_BATCH = 2048  # exams

ExamVectors = dict[
    Laterality | None, np.ndarray
]  # of each breast that was read, and of the exam (None); (width,) float32


def embed_exams(
    store: Store,
    predictor: ModelPredictor,
    decoder: Decoder,
    exams: Sequence[int],
    report_progress: ProgressCallback,
) -> tuple[dict[int, ExamVectors], list[str]]:
    """Return the embeddings of each exam, and a sentence for each exam that could not be encoded.

    An exam is encoded once for the same weights, precision, preprocessing and files; later calls read the store. What
    `unlike_exams` gives is measured and stored with it. Raises Stopped.
    """
    sources = {number: source_of(store, predictor, number) for number in exams}
    cached = store.embeddings.current(sources)
    missing = [number for number in exams if number not in cached]
    problems = []
    for done, number in enumerate(missing):
        left = len(missing) - done
        if report_progress(done / len(missing), f"{done} of {len(missing)} exams encoded, {left} left"):
            raise Stopped
        try:
            exam = open_stored_exam(store, number, decoder)
            encoding, _ = predictor.encode(exam)
        except StoreError as error:  # names the exam
            problems.append(str(error))
            continue
        except (NoBreast, NoExam) as error:
            why = error.reasons if isinstance(error, NoExam) else str(error)
            problems.append(f"{store.exams.get(number).name}: {why}")
            continue
        vectors = vectors_of(encoding)
        store.embeddings.add(number, predictor.weights, sources[number], vectors, predictor.precision)
        store_familiarity(store, predictor, number, sources[number], encoding.inputs, exam.views)
    cached |= store.embeddings.current({number: sources[number] for number in missing})
    embedded = {
        number: {side: np.frombuffer(vector, np.float32) for side, vector in vectors.items()}
        for number, vectors in cached.items()
    }
    return embedded, problems


def vectors_of(encoding: Encoding) -> dict[Laterality | None, list[float]]:
    """Return what is stored of an encoded exam: one vector for each breast that was read, and one for the exam."""
    vectors: dict[Laterality | None, list[float]] = {
        side: encoding.fused.embedding(Level.BREAST)[0, SIDES.index(side)].tolist() for side in encoding.sides
    }
    return vectors | {None: encoding.fused.embedding(Level.EXAM)[0].tolist()}


def source_of(store: Store, predictor: ModelPredictor, number: int) -> str:
    """Return a checksum of all that an exam's embedding depends on: weights, precision, preprocessing and files."""
    files = [f"{view.name} {view.sha256}" for view in store.exams.views(number)]
    settings = json.dumps({**predictor.record.input_settings, "with": "views"}, sort_keys=True)
    return hashlib.sha256("\n".join([predictor.weights, predictor.precision, settings, *files]).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class EmbeddedExams:
    """The embeddings of n exams.

    exams: (n,) their numbers in the store. vectors: (n, exam width). breasts: (n, 2, breast width), right then left;
    see `Fused.embedding`. read: (n, 2) bool, False where the breast has no view; its row of `breasts` is zero.
    """

    exams: np.ndarray
    vectors: np.ndarray
    breasts: np.ndarray
    read: np.ndarray

    @classmethod
    def load(cls, store: Store, predictor: ModelPredictor) -> EmbeddedExams:
        """Return every exam that is encoded with these weights."""
        exams, vectors = _load_side(store, predictor, None)
        breasts = np.zeros((len(exams), 2, predictor.width(Level.BREAST)), np.float32)
        read = np.zeros((len(exams), 2), bool)
        for index, side in enumerate(SIDES):
            exams_of_side, vectors_of_side = _load_side(store, predictor, side)
            rows = np.searchsorted(exams, exams_of_side)
            breasts[rows, index], read[rows, index] = vectors_of_side, True
        return cls(exams, vectors, breasts, read)

    def __len__(self) -> int:
        return len(self.exams)

    def subset(self, numbers: set[int]) -> EmbeddedExams:
        """Return the exams with these numbers."""
        rows = np.isin(self.exams, list(numbers))
        return EmbeddedExams(self.exams[rows], self.vectors[rows], self.breasts[rows], self.read[rows])

    def fused(self, predictor: ModelPredictor, rows: slice = slice(None)) -> Fused:
        """Return the embeddings of some rows as the model's tensors."""
        breasts, exams = torch.from_numpy(self.breasts[rows]), torch.from_numpy(self.vectors[rows])
        own_breast, own_exam = (width_without_views(predictor, level) for level in (Level.BREAST, Level.EXAM))
        views = torch.cat([exams[:, None, own_exam:], breasts[..., own_breast:]], 1)
        tensors = breasts[..., :own_breast], exams[:, :own_exam], views
        return Fused(*(tensor.to(predictor.device) for tensor in tensors))


def _load_side(store: Store, predictor: ModelPredictor, side: Laterality | None) -> tuple[np.ndarray, np.ndarray]:
    """The numbers (m,) of the exams that have a vector of this side (None: of the exam), and the vectors (m, width)."""
    width = predictor.width(Level.EXAM if side is None else Level.BREAST)
    numbers, data = store.embeddings.vectors(predictor.weights, side, width, predictor.precision)
    return np.array(numbers, np.int64), np.frombuffer(data, np.float32).reshape(-1, width).copy()


def width_without_views(predictor: ModelPredictor, level: Level) -> int:
    """Return how many features of an embedding are the breast's or the exam's own; those of its views come after."""
    return predictor.width(level) - predictor.model.widths.views


class ModelScores(NamedTuple):
    """Probabilities (exams, classes) of one task from its head, and from its ready-made prompts (None without prompts).

    For a task of the breast an exam has the row that `inference.prediction.exam_shares` gives it.
    """

    head: np.ndarray
    prompts: np.ndarray | None


@torch.inference_mode()
def score_exams(predictor: ModelPredictor, embedded: EmbeddedExams, task: Task) -> ModelScores:
    """Score every embedded exam for one task.

    Raises KeyError where no head answers the task, ValueError where its head was fine-tuned with the last image stage
    and so needs the images, or gives a number that is not finite, and for a task about the future.
    """
    if task.kind is Kind.SURVIVAL:
        raise ValueError(f"{task.title}: exams are not ordered by what may come. Choose another task.")
    if predictor.stage(task.name) is not None:
        raise ValueError(
            f"The head for {task.title} was fine-tuned with its image stage, so stored embeddings are not enough. "
            "Choose another strategy."
        )
    by_head, by_prompts = [], []
    for start in range(0, len(embedded), SCORING_BATCH):
        rows = slice(start, start + SCORING_BATCH)
        fused = embedded.fused(predictor, rows)
        read = torch.from_numpy(embedded.read[rows]).to(predictor.device)
        by_head.append(_exam_rows(probabilities(task, predictor.logits(task.name, fused)), read, task))
        if not np.isfinite(by_head[-1]).all():
            raise ValueError(
                f"The head for {task.title} gives numbers that are not finite. Go back to the bundled head on the "
                "Fine-tune page, or choose another strategy."
            )
        if predictor.knows_text and predictor.zero_shot.joint.prompts_of(task):
            prompted = predictor.zero_shot.class_probabilities(fused, read, [task])[task.name]
            by_prompts.append(_exam_rows(prompted, read, task))
    return ModelScores(np.concatenate(by_head), np.concatenate(by_prompts) if by_prompts else None)


def _exam_rows(scores: torch.Tensor, read: torch.Tensor, task: Task) -> np.ndarray:
    """(exams, classes): a breast task's row by `exam_shares`; an exam task's own row."""
    rows = scores[..., : len(task.classes)].cpu().numpy()  # prompts of a binary task also have "absent"
    return rows if task.level is Level.EXAM else exam_shares(task, rows, read.cpu().numpy())


def store_scores(store: Store, predictor: ModelPredictor) -> None:
    """Store the probability of malignancy of every encoded exam, by which the worklist can be ordered.

    The bundled head gives it where a fine-tuned one gives no finite number. Does nothing where no head answers
    malignancy from stored embeddings.
    """
    task = next((task for task in predictor.tasks if task.name == "malignancy"), None)
    if task is None or predictor.stage(task.name) is not None:
        return
    embedded = EmbeddedExams.load(store, predictor)
    if len(embedded):
        try:
            scores = score_exams(predictor, embedded, task)
        except ValueError:
            if task.name not in predictor.finetuned or task.name not in predictor.model.task_heads:
                raise
            scores = score_exams(predictor.with_heads([]), embedded, task)
        store.predictions.set_scores(zip(embedded.exams.tolist(), scores.head[:, 0].tolist()))
