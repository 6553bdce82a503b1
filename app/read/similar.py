"""The stored exams that are similar to the open one, or fit a description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mvmlm.store.store import Store

from ..markup import template
from ..tables import NOT_ENCODED

if TYPE_CHECKING:
    from mvmlm.finetuning.retrieval import ExamIndexCache, SimilarExam
    from mvmlm.inference.model_predictor import ModelPredictor

MAX_LETTERS = 400


class SimilarRow(NamedTuple):
    """A stored exam in the list. similarity: the cosine, as text. findings: those of its final reads."""

    number: int
    name: str
    similarity: str
    state: str
    density: str
    findings: str


_LIST = template("""\
{% if rows %}
<div class="similar" role="grid" aria-label="Similar exams: Enter or a double click opens one">
{% for row in rows %}
<div role="row">
<div role="gridcell" data-col="0" tabindex="-1">{{ row.number }}</div>
<div role="gridcell" data-col="1" tabindex="0">{{ row.name }}</div>
<div role="gridcell" tabindex="-1" class="views"><span data-thumbnail="{{ row.number }}"></span></div>
<div role="gridcell" tabindex="-1" class="told">similarity {{ row.similarity }}, {{ row.state }}\
{% if row.density %}, density {{ row.density }}{% endif %}{% if row.findings %}: {{ row.findings }}{% endif %}</div>
</div>
{% endfor %}
</div>
{% endif %}
""")


def similar_rows(store: Store, similar: Sequence[SimilarExam]) -> list[SimilarRow]:
    """Return the row of each similar exam, with the findings of its final reads."""
    rows = []
    for number, similarity in similar:
        exam = store.exams.get(number)
        findings = dict.fromkeys(
            f"{finding.laterality.word} {finding.label}"
            for read in store.readings.of_exam(number)
            if read.final
            for finding in read.reading.findings.values()
        )
        row = SimilarRow(exam.id, exam.name, f"{similarity:.2f}", exam.state, exam.density or "", ", ".join(findings))
        rows.append(row)
    return rows


def similar_html(rows: Sequence[SimilarRow]) -> str:
    """Return the rows as a list with thumbnails; `framed_exam.js` opens the framed one."""
    return _LIST.render(rows=rows)


def find_similar(
    store: Store,
    index_cache: ExamIndexCache,
    predictor: ModelPredictor,
    words: str | None,
    vector: np.ndarray | None,
    leave_out: int | None,
) -> tuple[list[SimilarRow], str]:
    """Return the rows of the exams that fit `words`, or without words are nearest to `vector`, and a sentence.

    vector: (width,) the embedding of the open exam, None where no exam is open. leave_out: the number of the open exam.
    """
    words = " ".join((words or "").split())[:MAX_LETTERS]
    if not words and vector is None:
        return [], "Open an exam, or type what to look for."
    index = index_cache.index(predictor)
    if words:
        similar = index.best_for_text(predictor.zero_shot.embed_text(words).cpu().numpy())
        similar = [item for item in similar if item.exam != leave_out]
    else:
        assert vector is not None, "either words or a vector is given"
        similar = index.nearest_to(vector, leave_out=leave_out)
    if not similar:
        return [], NOT_ENCODED
    how = "that fit these words best" if words else "nearest to this one"
    return similar_rows(store, similar), f"The {len(similar)} stored exams {how}, by the model’s embedding (cosine)."
