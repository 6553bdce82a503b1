"""The stored exams that are similar to the open one, or fit a description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mvmlm.store.store import Store

from ..tables import NOT_ENCODED

if TYPE_CHECKING:
    from mvmlm.finetuning.retrieval import ExamIndexCache, SimilarExam
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor

MAX_LETTERS = 400


def similar_rows(store: Store, similar: Sequence[SimilarExam]) -> list[list[str]]:
    """Return rows of number, exam, similarity, state, density, and the findings of its signed reads."""
    rows = []
    for number, similarity in similar:
        exam = store.exams.get(number)
        findings = dict.fromkeys(
            f"{finding.laterality.word} {finding.label}"
            for read in store.readings.of_exam(number)
            if read.signed
            for finding in read.reading.findings.values()
        )
        rows.append([str(exam.id), exam.name, f"{similarity:.2f}", exam.state, exam.density or "", ", ".join(findings)])
    return rows


def find_similar(
    store: Store,
    index_cache: ExamIndexCache,
    predictor: MVMLMPredictor,
    words: str | None,
    vector: np.ndarray | None,
    leave_out: int | None,
) -> tuple[list[list[str]], str]:
    """Return the rows of the exams that fit `words`, or without words are nearest to `vector`, and a sentence.

    vector: (width,) the embedding of the open exam, None where no exam is open. leave_out: the number of the open exam.
    """
    words = " ".join((words or "").split())[:MAX_LETTERS]
    if not words and vector is None:
        return [], "Open an exam, or type what to look for."
    index = index_cache.index(predictor)
    if words:
        similar = index.best_for_text(predictor.embed_text(words).cpu().numpy())
    else:
        assert vector is not None, "either words or a vector is given"
        similar = index.nearest_to(vector, leave_out=leave_out)
    if not similar:
        return [], NOT_ENCODED
    how = "that fit these words best" if words else "nearest to this one"
    return similar_rows(store, similar), f"The {len(similar)} stored exams {how}, by the model’s embedding (cosine)."
