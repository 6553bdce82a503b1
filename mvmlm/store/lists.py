"""Named lists of exams, made by hand or by a filter: what a reader goes through from the first exam to the last.

A list holds the exams that it was made of, in their order. One that was made by a filter does not change when the
filter would find others: an exam that was read stays where it was, so that "3 of 12" keeps its meaning.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from .clock import now
from .database import StoreError, StoreFile
from .records import Filter

MAX_EXAMS = 10_000
LONGEST_NAME = 60


class ExamList(NamedTuple):
    """A list of exams without its exams.

    made: UTC, ISO 8601. who: who made it. exam_filter: the filter it was made by; None for one made by hand. size:
    how many exams it holds.
    """

    id: int
    name: str
    made: str
    who: str
    exam_filter: Filter | None
    size: int


class Lists:
    """The lists of a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, name: str, exams: Sequence[int], who: str, exam_filter: Filter | None = None) -> int:
        """Store a list of exams in this order and return its number.

        exam_filter: the filter that found them; None where they were chosen by hand. An exam that is named twice is
        taken once. Raises StoreError for no exam, more than MAX_EXAMS, an exam that is not stored, and a name that is
        empty, too long or taken.
        """
        name, exams = " ".join(name.split()), list(dict.fromkeys(exams))
        if not name or len(name) > LONGEST_NAME:
            raise StoreError(f"Give the list a name of at most {LONGEST_NAME} letters.")
        if not exams:
            raise StoreError("The list would have no exam. Tick exams, or change the filter, then make it again.")
        if len(exams) > MAX_EXAMS:
            raise StoreError(f"{len(exams):,} exams are more than the {MAX_EXAMS:,} of a list. Filter further.")
        with self._file.transaction() as conn:
            if conn.execute("SELECT 1 FROM lists WHERE name = ?", [name]).fetchone():
                raise StoreError(f"There is a list “{name}” already. Choose another name.")
            by = json.dumps(exam_filter._asdict()) if exam_filter is not None else None
            insert = "INSERT INTO lists (name, made, who, exam_filter) VALUES (?, ?, ?, ?)"
            number = conn.execute(insert, [name, now(), who, by]).lastrowid
            assert number is not None
            try:
                rows = ((number, position, exam) for position, exam in enumerate(exams))
                conn.executemany("INSERT INTO list_exams (list, position, exam) VALUES (?, ?, ?)", rows)
            except sqlite3.IntegrityError:
                raise StoreError("An exam of the list is not in this store. Load the worklist again.") from None
            self._file.record(who, "made a list", f"list {number}", after={"name": name, "exams": len(exams)})
            return number

    def all(self) -> list[ExamList]:
        """Return all lists, the newest first."""
        return [_list(row) for row in self._file.all(f"{_QUERY} GROUP BY lists.id ORDER BY lists.id DESC", [])]

    def get(self, number: int) -> ExamList:
        """Return a list."""
        row = self._file.one(f"{_QUERY} WHERE lists.id = ? GROUP BY lists.id", [number])
        if row is None:
            raise StoreError(f"list {number}: not in this store. Load the page again.")
        return _list(row)

    def exams(self, number: int) -> list[int]:
        """Return the numbers of the exams of a list, in its order."""
        self.get(number)
        rows = self._file.all("SELECT exam FROM list_exams WHERE list = ? ORDER BY position", [number])
        return [row["exam"] for row in rows]

    def delete(self, number: int, who: str) -> None:
        """Delete a list; its exams stay in the store."""
        with self._file.transaction() as conn:
            name = self.get(number).name
            conn.execute("DELETE FROM list_exams WHERE list = ?", [number])
            conn.execute("DELETE FROM lists WHERE id = ?", [number])
            self._file.record(who, "deleted a list", f"list {number}", before={"name": name})


_QUERY = (
    "SELECT lists.id, lists.name, made, who, exam_filter, count(exam) AS size "
    "FROM lists LEFT JOIN list_exams ON list = lists.id"
)


def _list(row: sqlite3.Row) -> ExamList:
    by = Filter(**json.loads(row["exam_filter"])) if row["exam_filter"] else None
    return ExamList(row["id"], row["name"], row["made"], row["who"], by, row["size"])
