"""Rows of the tables of the Worklist page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mvmlm.finetuning.active_learning import STRATEGIES, choose_exams
from mvmlm.store.records import Filter, StoredExam
from mvmlm.store.store import Store

from ..tables import NOT_ENCODED

if TYPE_CHECKING:
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor

PAGE_ROWS = 50
WORKLIST_HEADERS = [
    "number", "exam", "patient", "split", "state", "readers", "density", "score", "readers differ", "exam date",
    "vendor", "added",
]  # fmt: skip
SUGGESTION_HEADERS = ["number", "exam", "split", "state", "score"]
USE_HEAD = ("uncertain", "disagreement")  # strategies whose scores are a head's
_SEED = 1


def worklist_rows(
    store: Store, exam_filter: Filter, page: int, show_scores: bool = False
) -> tuple[list[list[object]], str, int]:
    """Return the rows of one page of the list, the line above it, and the number of the page (from 1).

    A page after the last one gives the last one. show_scores: show the model's scores of unsigned exams too.
    """
    exams, count = store.worklist.page(exam_filter, PAGE_ROWS * (page - 1), PAGE_ROWS)
    pages = max(1, -(-count // PAGE_ROWS))
    if page > pages:
        return worklist_rows(store, exam_filter, pages, show_scores)
    rows: list[list[object]] = [
        [
            exam.id,
            exam.name,
            exam.patient,
            exam.split,
            exam.state,
            exam.readers,
            exam.density or "",
            _score(exam, show_scores),
            "yes" if exam.disagreement else "",
            exam.exam_date or "",
            exam.vendor or "",
            exam.added[:16].replace("T", " "),
        ]
        for exam in exams
    ]
    return rows, f"{count:,} exam{'s' if count != 1 else ''}, page {page} of {pages}", page


def _score(exam: StoredExam, show_scores: bool) -> str:
    """The model's score. It stays hidden until the exam is signed, so that readers read before the model answers."""
    if exam.score is None:
        return ""
    return f"{exam.score:.2f}" if show_scores or exam.state == "signed" else "hidden"


def suggestion_rows(
    store: Store, predictor: MVMLMPredictor, strategy: str, task_name: str, count: int
) -> tuple[list[list[str]], str]:
    """Return the exams to label next, with their score by the strategy, and the line above them.

    The line also says so where the active head of the task cannot be used and another one gave the scores.
    strategy: a key of STRATEGIES. `random` suggests exams of the test split, the others of the training split.
    """
    from mvmlm.finetuning.embeddings import EmbeddedExams, score_exams

    embedded = EmbeddedExams.load(store, predictor)
    if not len(embedded):
        return [], NOT_ENCODED
    task = next(task for task in store.tasks if task.name == task_name)
    if task_name not in predictor.heads and strategy in USE_HEAD:
        note = predictor.head_notes.get(task_name)
        return [], note or f"No head answers {task.title} yet, so this strategy has no scores. Choose another one."
    split, split_name = ("test", "test") if strategy == "random" else ("train", "training")
    signed = store.exams.signed()
    candidates = store.exams.in_split(split) - signed
    unlabelled, labelled = embedded.subset(candidates), embedded.subset(signed)
    try:
        chosen = choose_exams(
            strategy, count, unlabelled, labelled, lambda: score_exams(predictor, unlabelled, task), _SEED
        )
    except ValueError as error:
        return [], str(error)
    rows = []
    for number, score in chosen:
        exam = store.exams.get(number)
        rows.append([str(number), exam.name, exam.split, exam.state, "" if strategy == "random" else f"{score:.2f}"])
    found = f"{len(rows)} of {len(candidates):,} exams of the {split_name} split that nobody has signed"
    line = f"{found}: {STRATEGIES[strategy]}."
    not_encoded = store.exams.count() - len(embedded)
    if not_encoded:
        line += f" {not_encoded:,} exams are not encoded and are not among them."
    note = predictor.head_notes.get(task_name) if strategy in USE_HEAD else None
    return rows, f"{line} {note}" if note else line
