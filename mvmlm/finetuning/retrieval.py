"""All kept exams as the model sees them, at once: what is like this exam, what fits these words, what each head says of each."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ..exam import Laterality
from ..inference.predictor import Predictor
from ..model.network import Fused
from ..store.store import Store
from ..tasks import Kind, Level, Task

CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Pool:
    """exams (n,) their numbers; vectors (n, exam width); breasts (n, 2, breast width), right then left; read (n, 2): is it there."""

    exams: np.ndarray
    vectors: np.ndarray
    breasts: np.ndarray
    read: np.ndarray

    @classmethod
    def of(cls, store: Store, predictor: Predictor) -> Pool:
        """Every exam that is encoded with these weights."""
        widths = predictor.width(Level.EXAM), predictor.width(Level.BREAST)
        found: dict[Laterality | None, tuple[np.ndarray, np.ndarray]] = {}
        for side, width in ((None, widths[0]), *((side, widths[1]) for side in Laterality)):
            numbers, data = store.vectors(predictor.weights, side)
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

    def part(self, numbers: set[int]) -> Pool:
        """The exams with these numbers."""
        rows = np.isin(self.exams, list(numbers))
        return Pool(self.exams[rows], self.vectors[rows], self.breasts[rows], self.read[rows])


class Said(NamedTuple):
    """What heads and ready-made prompts say of a pool's exams for one task: (n, classes), an exam by its higher breast. words: None without prompts."""

    head: np.ndarray
    words: np.ndarray | None


@torch.inference_mode()
def said_of(predictor: Predictor, pool: Pool, task: Task) -> Said:
    """Raises KeyError where no head answers the task, ValueError where its head looks at the pictures again."""
    if predictor.stage(task.name) is not None:
        raise ValueError(
            f"the head that answers {task.title} was taught with its image stage, which kept embeddings do not tell; choose another way"
        )
    heads, words = [], []
    for start in range(0, len(pool), CHUNK):
        here = np.s_[start : start + CHUNK]
        fused = Fused(
            torch.from_numpy(pool.breasts[here]).to(predictor.device),
            torch.from_numpy(pool.vectors[here]).to(predictor.device),
        )
        read = torch.from_numpy(pool.read[here]).to(predictor.device)
        logits = predictor.logits(task.name, fused).float()
        heads.append(
            _of_exam(torch.softmax(logits, -1) if task.kind is Kind.MULTICLASS else torch.sigmoid(logits), read, task)
        )
        prompts = predictor.prompt_shares(fused, read).get(task.name)
        words.append(_of_exam(prompts, read, task) if prompts is not None else None)
    return Said(np.concatenate(heads), np.concatenate(words) if words and words[0] is not None else None)


def _of_exam(shares: torch.Tensor, read: torch.Tensor, task: Task) -> np.ndarray:
    shares = shares[..., : len(task.classes)]  # prompts of a binary task also have "absent"
    if task.level is Level.BREAST:
        level = (shares * torch.arange(1, shares.shape[-1] + 1, device=shares.device)).sum(-1).masked_fill(~read, -1)
        shares = shares[torch.arange(len(shares), device=shares.device), level.argmax(1)]
    return shares.cpu().numpy()


def keep_scores(store: Store, predictor: Predictor) -> None:
    """The probability of malignancy of every encoded exam becomes the score that the worklist can be ordered by."""
    task = next((task for task in predictor.tasks if task.name == "malignancy"), None)
    if task is None or predictor.stage(task.name) is not None:
        return
    pool = Pool.of(store, predictor)
    if len(pool):
        store.score(zip(pool.exams.tolist(), said_of(predictor, pool, task).head[:, 0].tolist()))


class Near(NamedTuple):
    """An exam and its cosine similarity with what was asked."""

    exam: int
    similarity: float


class Index:
    """Exams to be found by their embedding, or by words. By plain matrix product: no other structure is kept (see README, Speed)."""

    def __init__(self, exams: np.ndarray, vectors: np.ndarray, breasts: np.ndarray, owner: np.ndarray):
        """exams (n,), vectors (n, width), breasts (m, joint width) of unit length, owner (m,) the row of a breast's exam."""
        self.exams, self.unit, self.breasts, self.owner = exams, _unit(vectors), breasts, owner

    @classmethod
    @torch.inference_mode()
    def of(cls, pool: Pool, predictor: Predictor) -> Index:
        fused = Fused(
            torch.from_numpy(pool.breasts).to(predictor.device), torch.from_numpy(pool.vectors).to(predictor.device)
        )
        joint = predictor.model.embed_breasts(fused).float().cpu().numpy()
        return cls(pool.exams, pool.vectors, joint[pool.read], np.nonzero(pool.read)[0])

    def like(self, vector: np.ndarray, k: int = 8, leave_out: int | None = None) -> list[Near]:
        """The exams nearest to an exam's embedding (width,), the nearest first."""
        likeness = self.unit @ _unit(np.asarray(vector, np.float32))
        return self._best(likeness if leave_out is None else np.where(self.exams == leave_out, -np.inf, likeness), k)

    def fitting(self, text: np.ndarray, k: int = 8) -> list[Near]:
        """The exams one of whose breasts fits a sentence's embedding (joint width,) best."""
        exams = np.full(len(self.exams), -np.inf, np.float32)
        np.maximum.at(exams, self.owner, self.breasts @ text)
        return self._best(exams, k)

    def _best(self, likeness: np.ndarray, k: int) -> list[Near]:
        k = min(k, int(np.isfinite(likeness).sum()))
        if k < 1:
            return []
        top = np.argpartition(-likeness, k - 1)[:k]
        return [Near(int(self.exams[row]), float(likeness[row])) for row in top[np.argsort(-likeness[top])]]


class Finder:
    """The index of a store, made again only when the store has other embeddings."""

    def __init__(self, store: Store):
        self._store, self._lock = store, threading.Lock()
        self._key: tuple | None = None
        self._index: Index | None = None

    def index(self, predictor: Predictor) -> Index:
        """Of the exams that are encoded with these weights."""
        with self._lock:
            key = (predictor.weights, *self._store.vectors_count(predictor.weights))
            if key != self._key:
                self._index, self._key = Index.of(Pool.of(self._store, predictor), predictor), key
            return self._index


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
