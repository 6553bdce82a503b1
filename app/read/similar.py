"""Similar exams of the worklist, on the reading page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mvmlm.store.store import Store

from ..worklist.label_next import NOT_ENCODED

if TYPE_CHECKING:
    from mvmlm.finetuning.retrieval import ExamIndexCache, SimilarExam


def similar_rows(store: Store, near: Sequence[SimilarExam]) -> list[list[str]]:
    """number, exam, similarity, state, density, and what its readers found."""
    rows = []
    for one in near:
        exam = store.exams.get(one.exam)
        found = dict.fromkeys(
            f"{f.laterality.word} {f.label}"
            for kept in store.readings.of_exam(one.exam)
            if kept.signed
            for f in kept.reading.findings.values()
        )
        rows.append(
            [str(exam.id), exam.name, f"{one.similarity:.2f}", exam.state, exam.density or "", ", ".join(found)]
        )
    return rows


def find_similar(
    store: Store, finder: ExamIndexCache, predictor, words: str, vector, leave_out: int | None
) -> tuple[list[list[str]], str]:
    """By `words` where there are any, else like `vector` (None: no exam is open)."""
    words = " ".join((words or "").split())[:400]
    if not words and vector is None:
        return [], "Open an exam, or type what to look for."
    index = finder.index(predictor)
    near = (
        index.best_for_text(predictor.embed_text(words).cpu().numpy())
        if words
        else index.nearest_to(vector, leave_out=leave_out)
    )
    if not near:
        return [], NOT_ENCODED
    return (
        similar_rows(store, near),
        f"The {len(near)} kept exams {'that fit these words best' if words else 'nearest to this one'}, by the model’s embedding (cosine).",
    )
