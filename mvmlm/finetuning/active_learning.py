"""Active learning: which exams to label next. Needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .embeddings import EmbeddedExams, ModelScores

STRATEGIES = {
    "uncertain": "the head is least sure of them",
    "disagreement": "the head and the prompts disagree most",
    "diverse": "least similar to the labelled exams and to each other",
    "random": "at random, for an unbiased test set",
}


def choose_exams(
    strategy: str,
    n: int,
    candidates: EmbeddedExams,
    labelled: EmbeddedExams,
    score: Callable[[], ModelScores],
    seed: int,
) -> list[tuple[int, float]]:
    """Return at most n candidates (number, the strategy's score), the best to label first; the score of "random" is 0.

    strategy: one of STRATEGIES. labelled: the exams that are labelled already. score: scores the candidates, and is
    called only by the strategies that need it. Raises ValueError for an unknown strategy, and for "disagreement" where
    the task has no prompts.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy={strategy!r}: expected one of {', '.join(STRATEGIES)}")
    if not len(candidates):
        return []
    if strategy == "random":
        return [(int(exam), 0.0) for exam in np.random.default_rng(seed).permutation(candidates.exams)[:n]]
    if strategy == "diverse":
        chosen = k_centre(candidates.vectors, labelled.vectors, n)
        return [(int(candidates.exams[row]), distance) for row, distance in chosen]
    scores = score()
    ranking = uncertainty(scores.head) if strategy == "uncertain" else disagreement(scores)
    order = np.argsort(-ranking, kind="stable")[:n]
    return [(int(candidates.exams[row]), float(ranking[row])) for row in order]


def uncertainty(probabilities: np.ndarray) -> np.ndarray:
    """Return one minus the margin between the two likeliest classes (Scheffer et al., 2001): 0 sure to 1 unsure.

    probabilities: (n, classes), one class for a binary task. Returns (n,).
    """
    binary = probabilities.shape[1] == 1
    classes = np.concatenate([probabilities, 1 - probabilities], 1) if binary else probabilities
    second, first = np.sort(classes, 1)[:, -2:].T
    return 1 - (first - second)


def disagreement(scores: ModelScores) -> np.ndarray:
    """Return the total variation distance (n,) between head and prompts, 0..1. Raises ValueError without prompts."""
    if scores.prompts is None:
        raise ValueError(
            "This task has no ready-made prompts, so head and prompts cannot disagree. Choose another strategy."
        )
    distance = np.abs(scores.head - scores.prompts).sum(1)
    return distance if scores.head.shape[1] == 1 else distance / 2


def k_centre(candidates: np.ndarray, labelled: np.ndarray, n: int) -> list[tuple[int, float]]:
    """Return n rows of the candidates with their distances, by the greedy k-centre rule (Sener and Savarese, 2018).

    Each next row is the farthest from the labelled and the chosen ones. candidates: (m, width). labelled: (l, width);
    without any, the first row is the one nearest to the mean, at distance 0. Both are standardised together.
    """
    together = np.concatenate([candidates, labelled])
    mean, std = together.mean(0), together.std(0) + 1e-6
    rows, centres = (candidates - mean) / std, (labelled - mean) / std
    distance = np.full(len(rows), np.inf)  # to the nearest centre
    for centre in centres:
        distance = np.minimum(distance, np.linalg.norm(rows - centre, axis=1))
    chosen: list[tuple[int, float]] = []
    for _ in range(min(n, len(rows))):
        if np.isinf(distance).all():
            row, gap = int(np.linalg.norm(rows, axis=1).argmin()), 0.0
        else:
            row = int(distance.argmax())
            gap = float(distance[row])
        chosen.append((row, gap))
        distance = np.minimum(distance, np.linalg.norm(rows - rows[row], axis=1))
        distance[row] = -1  # never again
    return chosen
