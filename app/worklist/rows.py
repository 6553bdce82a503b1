"""Rows of the tables of the Worklist page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from mvmlm.finetuning.active_learning import STRATEGIES, choose_exams
from mvmlm.store.records import Filter
from mvmlm.store.store import Store

from ..markup import template
from ..tables import NOT_ENCODED

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

PAGE_ROWS = 50
WORKLIST_HEADERS = [
    "number", "exam", "patient", "split", "state", "readers", "density", "score", "readers differ", "exam date",
    "vendor", "added",
]  # fmt: skip
FIXED = ("exam",)  # the columns that cannot be hidden
HIDDEN_AT_FIRST = ("number", "split", "added")  # until the visitor chooses columns
SUGGESTION_HEADERS = ["number", "exam", "split", "state", "score"]
USE_HEAD = ("uncertain", "disagreement")  # strategies whose scores are a head's
_SEED = 1
_TABLE = template("""\
{% if rows %}
<table class="exams" role="grid" aria-label="Stored exams">
<thead><tr>
<th class="tick"><input type="checkbox" aria-label="Tick all exams of this page"></th><th>views</th>
{% for header in headers %}
<th data-col="{{ loop.index0 }}">{{ header }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for row in rows %}
<tr role="row">
<td class="tick"><input type="checkbox" data-exam="{{ row[0] }}" aria-label="Tick {{ row[1] }}"></td>
<td role="gridcell" class="views" tabindex="-1"><span data-thumbnail="{{ row[0] }}"></span></td>
{% set number = loop.index0 %}
{% for value in row %}
<td role="gridcell" tabindex="-1" data-col="{{ loop.index0 }}" data-testid="cell-{{ number }}-{{ loop.index0 }}">\
{{ value }}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
{% else %}
<p class="none">No exam fits. Remove a filter, or import exams.</p>
{% endif %}
""")


def worklist_rows(store: Store, exam_filter: Filter, page: int) -> tuple[list[list[object]], str, int]:
    """Return the rows of one page of the list, the line above it, and the number of the page (from 1).

    A page after the last one gives the last one. What reads state and what the model answered is hidden as the filter's
    `seen_by` says, so that a second reader, and who arbitrates, sees neither.
    """
    store.readings.settle()
    exams, count = store.worklist.page(exam_filter, PAGE_ROWS * (page - 1), PAGE_ROWS)
    pages = max(1, -(-count // PAGE_ROWS))
    if page > pages:
        return worklist_rows(store, exam_filter, pages)
    seen = None if exam_filter.seen_by is None else set(store.readings.exams_read_by(exam_filter.seen_by))
    rows: list[list[object]] = [
        [
            exam.id,
            exam.name,
            exam.patient,
            exam.split,
            exam.state,
            exam.readers,
            _unless_hidden(exam.density, exam.id, seen),
            _unless_hidden(None if exam.score is None else f"{exam.score:.2f}", exam.id, seen),
            "yes" if exam.disagreement else "",
            _day(exam.exam_date),
            exam.vendor or "",
            exam.added[:16].replace("T", " "),
        ]
        for exam in exams
    ]
    return rows, f"{count:,} exam{'s' if count != 1 else ''}, page {page} of {pages}", page


def worklist_html(rows: Sequence[Sequence[object]]) -> str:
    """Return the rows of `worklist_rows` as a table, each with a box to tick and the exam's thumbnail.

    `worklist.js` moves through it, and `framed_exam.js` opens the framed row.
    """
    return _TABLE.render(headers=WORKLIST_HEADERS, rows=rows)


def _day(date: str | None) -> str:
    """A date of DICOM, YYYYMMDD, as 2024-01-31."""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if date and len(date) == 8 else date or ""


def _unless_hidden(value: str | None, exam: int, seen: Collection[int] | None) -> str:
    """What is known of an exam; "hidden" where it is not among those seen (None: all are)."""
    return "" if value is None else value if seen is None or exam in seen else "hidden"


def suggestion_rows(
    store: Store, predictor: ModelPredictor, strategy: str, task_name: str, count: int
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
