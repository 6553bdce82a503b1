"""Embeddings of all stored exams, computed once for each set of weights, and what the heads answer from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np
import torch

from ..exam import Laterality
from ..imaging.decoder import Decoder
from ..imaging.preprocess import NoBreast
from ..inference.mvmlm_predictor import MVMLMPredictor
from ..inference.prediction import higher_breast
from ..model.encoding import Encoding
from ..model.network import SIDES, Fused, probabilities
from ..store.archive import open_stored_exam
from ..store.database import StoreError
from ..store.store import Store
from ..tasks import Level, Task
from .config import ProgressCallback, Stopped


def embed_exams(
    store: Store, predictor: MVMLMPredictor, decoder: Decoder, exams: Sequence[int], tell: ProgressCallback
) -> tuple[dict[int, dict], list[str]]:
    """-> for each exam its embeddings (R, L, None for the exam), and a sentence for each exam that has none.

    Encoded once for the same weights, preprocessing and files; a cached exam costs no image.
    """
    sources = {number: _source(store, predictor, number) for number in exams}
    cached = store.embeddings.current(sources)
    missing = [number for number in exams if number not in cached]
    problems = []
    for done, number in enumerate(missing):
        if tell(done / max(len(missing), 1), f"encoding exam {done + 1} of {len(missing)}"):
            raise Stopped
        try:
            encoding, _ = predictor.encode(open_stored_exam(store, number, decoder))
        except (NoBreast, StoreError) as error:
            problems.append(str(error))
            continue
        store.embeddings.add(number, predictor.weights, sources[number], vectors_of(encoding))
    cached |= store.embeddings.current({number: sources[number] for number in missing})
    return {
        number: {side: np.frombuffer(v, np.float32) for side, v in own.items()} for number, own in cached.items()
    }, problems


def vectors_of(encoding: Encoding) -> dict[Laterality | None, list[float]]:
    """What is kept of an encoded exam: one vector a breast that was read, and one for the exam."""
    vectors: dict[Laterality | None, list[float]] = {
        side: encoding.fused.breasts[0, SIDES.index(side)].tolist() for side in encoding.sides
    }
    return vectors | {None: encoding.fused.exam[0].tolist()}


def _source(store: Store, predictor: MVMLMPredictor, number: int) -> str:
    files = [f"{view.name} {view.sha256}" for view in store.exams.views(number)]
    settings = json.dumps(asdict(predictor.record.preprocessing), sort_keys=True)
    return hashlib.sha256("\n".join([predictor.weights, settings, *files]).encode()).hexdigest()


CHUNK = 2048


@dataclass(frozen=True, eq=False)
class EmbeddedExams:
    """exams (n,) their numbers; vectors (n, exam width); breasts (n, 2, breast width), right then left; read (n, 2): is it there."""

    exams: np.ndarray
    vectors: np.ndarray
    breasts: np.ndarray
    read: np.ndarray

    @classmethod
    def load(cls, store: Store, predictor: MVMLMPredictor) -> EmbeddedExams:
        """Every exam that is encoded with these weights."""
        widths = predictor.width(Level.EXAM), predictor.width(Level.BREAST)
        found: dict[Laterality | None, tuple[np.ndarray, np.ndarray]] = {}
        for side, width in ((None, widths[0]), *((side, widths[1]) for side in Laterality)):
            numbers, data = store.embeddings.vectors(predictor.weights, side)
            found[side] = np.array(numbers, np.int64), np.frombuffer(data, np.float32).reshape(-1, width).copy()
        exams, vectors = found[None]
        breasts, read = np.zeros((len(exams), 2, widths[1]), np.float32), np.zeros((len(exams), 2), bool)
        for index, side in enumerate(Laterality):
            numbers, own = found[side]
            rows = np.searchsorted(exams, numbers)
            breasts[rows, index], read[rows, index] = own, True
        return cls(exams, vectors, breasts, read)

    def __len__(self) -> int:
        return len(self.exams)

    def subset(self, numbers: set[int]) -> EmbeddedExams:
        """The exams with these numbers."""
        rows = np.isin(self.exams, list(numbers))
        return EmbeddedExams(self.exams[rows], self.vectors[rows], self.breasts[rows], self.read[rows])


class ModelScores(NamedTuple):
    """Probabilities (exams, classes) of one task from its head, and from ready-made prompts (None without prompts).

    An exam has the row of its higher breast.
    """

    head: np.ndarray
    prompts: np.ndarray | None


@torch.inference_mode()
def score_exams(predictor: MVMLMPredictor, pool: EmbeddedExams, task: Task) -> ModelScores:
    """Score every embedded exam for one task.

    Raises KeyError where no head answers the task, ValueError where its head was fine-tuned with the last image stage and so
    needs the images.
    """
    if predictor.stage(task.name) is not None:
        raise ValueError(
            f"The head for {task.title} was fine-tuned with its image stage, so stored embeddings are not enough. "
            "Choose another strategy."
        )
    heads, prompts = [], []
    for start in range(0, len(pool), CHUNK):
        chunk = np.s_[start : start + CHUNK]
        fused = Fused(
            torch.from_numpy(pool.breasts[chunk]).to(predictor.device),
            torch.from_numpy(pool.vectors[chunk]).to(predictor.device),
        )
        read = torch.from_numpy(pool.read[chunk]).to(predictor.device)
        heads.append(_exam_row(probabilities(task, predictor.logits(task.name, fused)), read, task))
        if task.prompts:
            prompts.append(
                _exam_row(predictor.zero_shot.class_probabilities(fused, read, [task])[task.name], read, task)
            )
    return ModelScores(np.concatenate(heads), np.concatenate(prompts) if prompts else None)


def _exam_row(shares: torch.Tensor, read: torch.Tensor, task: Task) -> np.ndarray:
    """(exams, classes): a breast task's row of the higher breast; an exam task's own row."""
    rows = shares[..., : len(task.classes)].cpu().numpy()  # prompts of a binary task also have "absent"
    if task.level is Level.EXAM:
        return rows
    return rows[np.arange(len(rows)), higher_breast(rows, read.cpu().numpy())]


def store_scores(store: Store, predictor: MVMLMPredictor) -> None:
    """The probability of malignancy of every encoded exam becomes the score that the worklist can be ordered by."""
    task = next((task for task in predictor.tasks if task.name == "malignancy"), None)
    if task is None or predictor.stage(task.name) is not None:
        return
    pool = EmbeddedExams.load(store, predictor)
    if len(pool):
        store.predictions.set_scores(zip(pool.exams.tolist(), score_exams(predictor, pool, task).head[:, 0].tolist()))
