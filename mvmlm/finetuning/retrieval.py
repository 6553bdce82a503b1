"""Retrieval among the stored exams: those similar to an exam, and those that fit a text."""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
import torch

from ..inference.model_predictor import ModelPredictor
from ..store.store import Store
from .embeddings import EmbeddedExams


class SimilarExam(NamedTuple):
    """An exam's number, and its cosine similarity (-1..1) with the query."""

    exam: int
    similarity: float


class ExamIndex:
    """Exact nearest-neighbour search by cosine similarity, as one matrix product; timings are in docs/finetuning.md."""

    def __init__(self, exams: np.ndarray, vectors: np.ndarray, breasts: np.ndarray, exam_of_breast: np.ndarray):
        """Index n exams with m breasts.

        exams: (n,) numbers. vectors: (n, width). breasts: (m, joint width) of unit length. exam_of_breast: (m,) the row
        of the exam that a breast belongs to.
        """
        self.exams, self.breasts, self.exam_of_breast = exams, breasts, exam_of_breast
        self.unit_vectors = _normalised(vectors)

    @classmethod
    @torch.inference_mode()
    def build(cls, embedded: EmbeddedExams, predictor: ModelPredictor) -> ExamIndex:
        """Return the index of embedded exams."""
        fused = embedded.fused(predictor)
        joint = predictor.model.joint
        breasts = joint.embed_breasts(fused).float().cpu().numpy() if joint else np.zeros((*embedded.read.shape, 0))
        vectors = predictor.model.exam_vectors(fused).cpu().numpy()
        return cls(embedded.exams, vectors, breasts[embedded.read], np.nonzero(embedded.read)[0])

    def nearest_to(self, vector: np.ndarray, k: int = 8, leave_out: int | None = None) -> list[SimilarExam]:
        """Return the k exams nearest to a vector of `ExamNetwork.exam_vectors` (width,), nearest first.

        leave_out: the number of its own exam.
        """
        similarity = self.unit_vectors @ _normalised(np.asarray(vector, np.float32))
        if leave_out is not None:
            similarity = np.where(self.exams == leave_out, -np.inf, similarity)
        return self._best(similarity, k)

    def best_for_text(self, text: np.ndarray, k: int = 8) -> list[SimilarExam]:
        """Return the k exams with the breast most similar to a text's embedding (joint width,), most similar first."""
        similarity = np.full(len(self.exams), -np.inf, np.float32)
        np.maximum.at(similarity, self.exam_of_breast, self.breasts @ text)
        return self._best(similarity, k)

    def _best(self, similarity: np.ndarray, k: int) -> list[SimilarExam]:
        """The k highest finite similarities, highest first."""
        k = min(k, int(np.isfinite(similarity).sum()))
        if k < 1:
            return []
        top = np.argpartition(-similarity, k - 1)[:k]
        return [SimilarExam(int(self.exams[row]), float(similarity[row])) for row in top[np.argsort(-similarity[top])]]


class ExamIndexCache:
    """The index of a store, built again only after its embeddings changed. Safe to use from several threads."""

    def __init__(self, store: Store):
        self._store, self._lock = store, threading.Lock()
        self._built: tuple[tuple[str, int, int], ExamIndex] | None = None

    def index(self, predictor: ModelPredictor) -> ExamIndex:
        """Return the index of the exams that are encoded with these weights."""
        with self._lock:
            version = (predictor.weights, *self._store.embeddings.version(predictor.weights))
            if self._built is None or self._built[0] != version:
                self._built = version, ExamIndex.build(EmbeddedExams.load(self._store, predictor), predictor)
            return self._built[1]


def _normalised(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
