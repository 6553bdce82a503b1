"""All kept exams as the model sees them, at once: what is like this exam, what fits these words, what each head says of each."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import torch

from ..inference.mvmlm_predictor import MVMLMPredictor
from ..model.network import Fused
from ..store.store import Store
from .embeddings import EmbeddedExams


class SimilarExam(NamedTuple):
    """An exam and its cosine similarity with what was asked."""

    exam: int
    similarity: float


class ExamIndex:
    """Exams to be found by their embedding, or by words. By plain matrix product: no other structure is kept (see README, Speed)."""

    def __init__(self, exams: np.ndarray, vectors: np.ndarray, breasts: np.ndarray, owner: np.ndarray):
        """exams (n,), vectors (n, width), breasts (m, joint width) of unit length, owner (m,) the row of a breast's exam."""
        self.exams, self.unit, self.breasts, self.owner = exams, _unit(vectors), breasts, owner

    @classmethod
    @torch.inference_mode()
    def build(cls, pool: EmbeddedExams, predictor: MVMLMPredictor) -> ExamIndex:
        fused = Fused(
            torch.from_numpy(pool.breasts).to(predictor.device), torch.from_numpy(pool.vectors).to(predictor.device)
        )
        joint = predictor.model.embed_breasts(fused).float().cpu().numpy()
        return cls(pool.exams, pool.vectors, joint[pool.read], np.nonzero(pool.read)[0])

    def like(self, vector: np.ndarray, k: int = 8, leave_out: int | None = None) -> list[SimilarExam]:
        """The exams nearest to an exam's embedding (width,), the nearest first."""
        likeness = self.unit @ _unit(np.asarray(vector, np.float32))
        return self._best(likeness if leave_out is None else np.where(self.exams == leave_out, -np.inf, likeness), k)

    def fitting(self, text: np.ndarray, k: int = 8) -> list[SimilarExam]:
        """The exams one of whose breasts fits a sentence's embedding (joint width,) best."""
        exams = np.full(len(self.exams), -np.inf, np.float32)
        np.maximum.at(exams, self.owner, self.breasts @ text)
        return self._best(exams, k)

    def _best(self, likeness: np.ndarray, k: int) -> list[SimilarExam]:
        k = min(k, int(np.isfinite(likeness).sum()))
        if k < 1:
            return []
        top = np.argpartition(-likeness, k - 1)[:k]
        return [SimilarExam(int(self.exams[row]), float(likeness[row])) for row in top[np.argsort(-likeness[top])]]


class ExamIndexCache:
    """The index of a store, made again only when the store has other embeddings."""

    def __init__(self, store: Store):
        self._store, self._lock = store, threading.Lock()
        self._key: tuple | None = None
        self._index: ExamIndex | None = None

    def index(self, predictor: MVMLMPredictor) -> ExamIndex:
        """Of the exams that are encoded with these weights."""
        with self._lock:
            key = (predictor.weights, *self._store.embeddings.version(predictor.weights))
            if key != self._key:
                self._index, self._key = ExamIndex.build(EmbeddedExams.load(self._store, predictor), predictor), key
            return self._index


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
