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
from ..inference.predictor import Predictor
from ..model.encoding import Encoding
from ..model.network import SIDES, Fused
from ..store.archive import open_kept
from ..store.store import Store, StoreError
from ..tasks import Kind, Level, Task
from .config import Stopped, Tell


def embed_kept(
    store: Store, predictor: Predictor, decoder: Decoder, exams: Sequence[int], tell: Tell
) -> tuple[dict[int, dict], list[str]]:
    """-> for each exam its embeddings (R, L, None for the exam), and a sentence for each exam that has none.

    Encoded once for the same weights, preprocessing and files; a cached exam costs no image.
    """
    sources = {number: _source(store, predictor, number) for number in exams}
    cached = store.embeddings(sources)
    missing = [number for number in exams if number not in cached]
    problems = []
    for done, number in enumerate(missing):
        if tell(done / max(len(missing), 1), f"encoding exam {done + 1} of {len(missing)}"):
            raise Stopped
        try:
            encoding, _ = predictor.encode(open_kept(store, number, decoder))
        except (NoBreast, StoreError) as error:
            problems.append(str(error))
            continue
        store.keep_embeddings(number, predictor.weights, sources[number], vectors_of(encoding))
    cached |= store.embeddings({number: sources[number] for number in missing})
    return {
        number: {side: np.frombuffer(v, np.float32) for side, v in own.items()} for number, own in cached.items()
    }, problems


def vectors_of(encoding: Encoding) -> dict[Laterality | None, list[float]]:
    """What is kept of an encoded exam: one vector a breast that was read, and one for the exam."""
    vectors: dict[Laterality | None, list[float]] = {
        side: encoding.fused.breasts[0, SIDES.index(side)].tolist() for side in encoding.sides
    }
    return vectors | {None: encoding.fused.exam[0].tolist()}


def _source(store: Store, predictor: Predictor, number: int) -> str:
    files = [f"{view.name} {view.sha256}" for view in store.views(number)]
    settings = json.dumps(asdict(predictor.record.preprocessing), sort_keys=True)
    return hashlib.sha256("\n".join([predictor.weights, settings, *files]).encode()).hexdigest()


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
