"""Which exams to label next: those the head is unsure of, those where head and words disagree, those unlike all labelled, or any."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .embeddings import EmbeddedExams, ModelScores

WAYS = {
    "uncertain": "the head is least sure of them",
    "disagreement": "head and words disagree most",
    "diverse": "most unlike what is labelled, and each other",
    "random": "at random, for an honest test set",
}


def choose(
    way: str, n: int, pool: EmbeddedExams, labelled: EmbeddedExams, said: Callable[[], ModelScores], seed: int
) -> list[tuple[int, float]]:
    """At most `n` exams of `pool`, the best to label first, each with its score of that way (random: 0).

    labelled: exams that are labelled already. said: what the model says of `pool`, asked for only where it counts. Raises
    ValueError for an unknown way, or for one that needs prompts where the task has none.
    """
    if way not in WAYS:
        raise ValueError(f"way={way!r}: expected one of {', '.join(WAYS)}")
    if not len(pool):
        return []
    if way == "random":
        return [(int(exam), 0.0) for exam in np.random.default_rng(seed).permutation(pool.exams)[:n]]
    if way == "diverse":
        return [(int(pool.exams[row]), distance) for row, distance in k_centre(pool.vectors, labelled.vectors, n)]
    answers = said()
    scores = uncertainty(answers.head) if way == "uncertain" else _disagreement(answers)
    order = np.argsort(-scores, kind="stable")[:n]
    return [(int(pool.exams[row]), float(scores[row])) for row in order]


def uncertainty(shares: np.ndarray) -> np.ndarray:
    """(n, classes) probabilities -> (n,) 0 sure .. 1 unsure: one minus the margin between the two likeliest classes."""
    both = np.concatenate([shares, 1 - shares], 1) if shares.shape[1] == 1 else shares
    second, first = np.sort(both, 1)[:, -2:].T
    return 1 - (first - second)


def _disagreement(answers: ModelScores) -> np.ndarray:
    if answers.prompts is None:
        raise ValueError("this task has no ready-made prompts, so head and words cannot disagree; choose another way")
    return np.abs(answers.head - answers.prompts).sum(1) / (1 if answers.head.shape[1] == 1 else 2)


def k_centre(vectors: np.ndarray, held: np.ndarray, n: int) -> list[tuple[int, float]]:
    """Greedy k-centre (Sener and Savarese, 2018): each next row is the farthest from all held and chosen ones; -> (row, distance).

    vectors (m, width), held (l, width), standardised together. Without held ones it starts at the row nearest to the mean.
    """
    both = np.concatenate([vectors, held])
    mean, spread = both.mean(0), both.std(0) + 1e-6
    own, theirs = (vectors - mean) / spread, (held - mean) / spread
    far = np.full(len(own), np.inf)
    for row in theirs:
        far = np.minimum(far, np.linalg.norm(own - row, axis=1))
    chosen: list[tuple[int, float]] = []
    for _ in range(min(n, len(own))):
        best = (
            int(np.linalg.norm(own, axis=1).argmin())
            if not np.isfinite(far).any()
            else int(np.where(np.isfinite(far), far, -1).argmax())
        )
        chosen.append((best, float(far[best]) if np.isfinite(far[best]) else 0.0))
        far = np.minimum(far, np.linalg.norm(own - own[best], axis=1))
        far[[row for row, _ in chosen]] = -1
    return chosen
