"""The worklist: stored exams by search words and filters, page by page."""

from __future__ import annotations

import re

from .database import StoreFile
from .exams import EXAM_QUERY, exam_from_row
from .records import Filter, StoredExam

ORDERS = {
    "newest": "exams.added DESC, exams.id DESC",
    "oldest": "exams.added, exams.id",
    "highest score": "{score} DESC NULLS LAST, exams.id",
    "lowest score": "{score} ASC NULLS LAST, exams.id",
    "name": "exams.name",
}
SEEN = "EXISTS (SELECT 1 FROM readings seen WHERE seen.exam = exams.id AND seen.reader = ? AND seen.final IS NOT NULL)"
OPEN_COLUMNS = "{name pseudonym readers vendor} : "  # of exam_words; the notes are for who has read the exam


class Worklist:
    """Searches the exams of a store."""

    def __init__(self, file: StoreFile):
        self._file = file

    def page(self, exam_filter: Filter = Filter(), offset: int = 0, limit: int = 50) -> tuple[list[StoredExam], int]:
        """Return one page of the exams that the filter finds, and how many it finds in all."""
        where, values = _where(exam_filter)
        count = self._file.number(f"SELECT count(*) FROM exams{where}", values)
        order, of_order = _order(exam_filter)
        numbers = f"SELECT exams.id FROM exams{where} ORDER BY {order} LIMIT ? OFFSET ?"
        query = f"{EXAM_QUERY} WHERE exams.id IN ({numbers}) ORDER BY {order}"
        rows = self._file.all(query, [*values, *of_order, limit, offset, *of_order])
        return [exam_from_row(row) for row in rows], count

    def numbers(self, exam_filter: Filter = Filter()) -> list[int]:
        """Return the numbers of all exams that the filter finds, in the order in which they were stored."""
        where, values = _where(exam_filter)
        return [row["id"] for row in self._file.all(f"SELECT exams.id FROM exams{where} ORDER BY exams.id", values)]

    def oldest_first(self, exam_filter: Filter = Filter()) -> list[int]:
        """Return the numbers of the exams that the filter finds, the oldest exam first; without a date, when stored."""
        where, values = _where(exam_filter)
        order = "coalesce(exam_date, replace(substr(added, 1, 10), '-', '')), exams.id"
        return [row["id"] for row in self._file.all(f"SELECT exams.id FROM exams{where} ORDER BY {order}", values)]

    def ordered_numbers(self, exam_filter: Filter, limit: int) -> list[int]:
        """Return the numbers of at most so many exams that the filter finds, in its order, as `page` lists them."""
        where, values = _where(exam_filter)
        order, of_order = _order(exam_filter)
        query = f"SELECT exams.id FROM exams{where} ORDER BY {order} LIMIT ?"
        return [row["id"] for row in self._file.all(query, [*values, *of_order, limit])]


def _order(exam_filter: Filter) -> tuple[str, list[str]]:
    """The ORDER BY clause of a filter and its values."""
    order = ORDERS.get(exam_filter.order, ORDERS["newest"])
    if "{score}" not in order or exam_filter.seen_by is None:
        return order.replace("{score}", "exams.score"), []
    return order.replace("{score}", f"CASE WHEN {SEEN} THEN exams.score END"), [exam_filter.seen_by]


def _where(exam_filter: Filter) -> tuple[str, list]:
    """The WHERE clause of a filter and its values."""
    conditions: list[str] = []
    values: list[str | float] = []
    seen_by = exam_filter.seen_by
    # each word is a phrase of its own, so that p-01 is not "p" and "01"
    words = [word for word in exam_filter.words.replace('"', " ").split() if re.search(r"\w", word)]
    if words:
        wanted = " ".join(f'"{word}"*' for word in words)
        found = "exams.id IN (SELECT rowid FROM exam_words WHERE exam_words MATCH ?)"
        conditions.append(found if seen_by is None else f"({found} OR ({SEEN} AND {found}))")
        values += [wanted] if seen_by is None else [f"{OPEN_COLUMNS}({wanted})", seen_by, wanted]
    for condition, value, of_readers in (
        ("exams.state = ?", exam_filter.state or None, False),
        ("exams.density = ?", exam_filter.density or None, True),
        ("exams.exam_date >= ?", exam_filter.since, False),
        ("exams.exam_date <= ?", exam_filter.until, False),
        ("exams.score >= ?", exam_filter.score, True),
        ("exams.id IN (SELECT exam FROM readings WHERE reader = ?)", exam_filter.reader or None, False),
        ("exams.id IN (SELECT exam FROM list_exams WHERE list = ?)", exam_filter.in_list, False),
    ):
        if value is not None:
            hidden = of_readers and seen_by is not None
            conditions.append(f"({condition} AND {SEEN})" if hidden else condition)
            values += [value, seen_by] if hidden and seen_by is not None else [value]
    if exam_filter.disagreement:
        conditions.append("exams.disagreement = 1")
    return (" WHERE " + " AND ".join(conditions) if conditions else ""), values
