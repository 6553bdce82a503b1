"""Stored readings: what each reader stated about an exam, when and how. A signed reading cannot change."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..reading.form import BIRADS_EDITION, FORM_VERSION
from ..reading.merge import Conflict, differences, merge_readings
from ..reading.reading import Mark, MarkedFinding, Reading, ReadKind
from ..tasks import Task
from .database import StoreError, StoreFile, now
from .exams import Exams
from .records import Read, Stamp, StoredView
from .search_index import reading_fields, update_search_index


class SavedChange(NamedTuple):
    """A change of a stored reading: its content just before, and the read with its content after."""

    before: Reading
    read: Read


class Readings:
    """The readings of a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile, exams: Exams, tasks: Sequence[Task]):
        self._file, self._exams, self._tasks = file, exams, tasks

    def start(self, exam: int, reader: str, kind: ReadKind = ReadKind.FIRST) -> Read:
        """Return the reader's reading of that kind; a new draft where there is none.

        Raises StoreError for a reader without a name, or an unknown exam.
        """
        reader = clean_reader(reader)
        with self._file.transaction() as conn:
            query = "SELECT id FROM readings WHERE (exam, reader, kind) = (?, ?, ?)"
            row = conn.execute(query, [exam, reader, kind.value]).fetchone()
            if row is not None:
                return self.get(row["id"])
            self._exams.get(exam)
            number = conn.execute(
                "INSERT INTO readings (exam, reader, kind, form_version, birads_edition, started) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                [exam, reader, kind.value, FORM_VERSION, BIRADS_EDITION, now()],
            ).lastrowid
            assert number is not None
            self._file.record(reader, "started", f"reading {number}", after={"exam": exam, "kind": kind.value})
            update_search_index(self._file, exam)
            return self.get(number)

    def get(self, number: int) -> Read:
        """Return a reading with its stamp."""
        row = self._file.one("SELECT * FROM readings WHERE id = ?", [number])
        if row is None:
            raise StoreError(f"reading {number}: not in this store. Open the exam again.")
        return Read(
            id=row["id"],
            exam=row["exam"],
            reader=row["reader"],
            kind=ReadKind(row["kind"]),
            form_version=row["form_version"],
            birads_edition=row["birads_edition"],
            started=row["started"],
            seconds=row["seconds"],
            signed=row["signed"],
            reading=Reading(reading_fields(self._file, number), self._findings(number)),
            informed=bool(row["informed"]),
        )

    def of_exam(self, exam: int) -> list[Read]:
        """Return all readings of an exam, oldest first."""
        rows = self._file.all("SELECT id FROM readings WHERE exam = ? ORDER BY started, id", [exam])
        return [self.get(row["id"]) for row in rows]

    def readers(self) -> list[str]:
        """Return the names of all readers."""
        return [row["reader"] for row in self._file.all("SELECT DISTINCT reader FROM readings ORDER BY reader")]

    def paired_answers(self, a: str, b: str) -> list[tuple[str, str, str]]:
        """Return (field, answer of `a`, answer of `b`) for each question of the same side that both answered.

        Only signed first readings of the same exam count, made by both before they saw the model's answers.
        """
        rows = self._file.all(
            "SELECT x.field, x.value, y.value FROM readings p JOIN readings q "
            "ON q.exam = p.exam AND q.reader = ? AND q.kind = ? AND q.signed IS NOT NULL AND NOT q.informed "
            "JOIN reading_fields x ON x.reading = p.id "
            "JOIN reading_fields y ON y.reading = q.id AND y.side = x.side AND y.field = x.field "
            "WHERE p.reader = ? AND p.kind = ? AND p.signed IS NOT NULL AND NOT p.informed",
            [b, ReadKind.FIRST.value, a, ReadKind.FIRST.value],
        )
        return [tuple(row) for row in rows]

    def save(self, number: int, base: Reading, mine: Reading, seconds: float = 0.0) -> Reading:
        """Store what `mine` changed since `base` as `change` does, and return the reading as it is stored now."""
        return self.change(number, base, mine, seconds).read.reading

    def change(self, number: int, base: Reading, mine: Reading, seconds: float = 0.0) -> SavedChange:
        """Store what `mine` changed since `base` (what the reader had on screen); return what that changed.

        Changes made elsewhere to other things stay. seconds: reading time to add. Raises merge.Conflict where the same
        thing was changed elsewhere, ValueError for a value that the form does not know, StoreError for a signed
        reading.
        """
        changed = {key: value for key, value in mine.fields.items() if base.fields.get(key) != value}
        Reading(changed).check(self._tasks)  # answers to a task that is no longer declared stay as they are
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError(f"seconds={seconds}: expected a time of 0 or more")
        with self._file.transaction() as conn:
            stored = self.get(number)
            result = merge_readings(base, mine, stored.reading)
            if result == stored.reading:
                return SavedChange(stored.reading, stored)
            if stored.signed:
                raise StoreError("This reading is signed and cannot change. Start a second reading to correct it.")
            self._write(number, stored.reading, result, self._exams.views(stored.exam))
            conn.execute("UPDATE readings SET seconds = seconds + ? WHERE id = ?", [seconds, number])
            about = f"reading {number}"
            self._file.record(stored.reader, "saved", about, stored.reading.to_json(), result.to_json())
            update_search_index(self._file, stored.exam)
            return SavedChange(stored.reading, self.get(number))

    def restore_stamp(self, number: int, stamp: Stamp) -> None:
        """Give a reading that came from another store the stamp that it has there."""
        with self._file.transaction() as conn:
            columns = ", ".join(f"{name} = ?" for name in Stamp._fields)
            conn.execute(f"UPDATE readings SET {columns} WHERE id = ?", [*stamp, number])
            update_search_index(self._file, self.get(number).exam)

    def mark_informed(self, number: int) -> Read:
        """Record, for good, that the reader saw the model's answers before signing. A signed reading stays as it is."""
        with self._file.transaction() as conn:
            stored = self.get(number)
            if stored.signed or stored.informed:
                return stored
            conn.execute("UPDATE readings SET informed = 1 WHERE id = ?", [number])
            self._file.record(stored.reader, "saw the model's answers", f"reading {number}")
            return self.get(number)

    def sign(self, number: int, shown: Reading | None = None) -> Read:
        """Sign a reading; it cannot change afterwards.

        shown: what its reader has on screen. Raises merge.Conflict where something else is stored, StoreError where the
        reading is empty or contradicts itself.
        """
        with self._file.transaction() as conn:
            stored = self.get(number)
            if stored.signed:
                return stored
            if shown is not None and shown != stored.reading:
                raise Conflict(differences(shown, stored.reading))
            if not stored.reading.fields and not stored.reading.findings:
                raise StoreError("This reading is empty. Answer at least one question before you sign.")
            contradictions = stored.reading.contradictions()
            if contradictions:
                raise StoreError("Not signed: " + "; ".join(contradictions) + ".")
            conn.execute("UPDATE readings SET signed = ? WHERE id = ?", [now(), number])
            self._file.record(stored.reader, "signed", f"reading {number}")
            update_search_index(self._file, stored.exam)
            return self.get(number)

    def _findings(self, reading: int) -> dict[int, MarkedFinding]:
        findings = {}
        for row in self._file.all("SELECT * FROM findings WHERE reading = ? ORDER BY number", [reading]):
            boxes = self._file.all("SELECT view, kind, points FROM boxes WHERE finding = ? ORDER BY id", [row["id"]])
            marks = [dict(box) | {"points": json.loads(box["points"]), "label": row["label"]} for box in boxes]
            what = json.loads(row["what"]) if row["what"] else None
            findings[row["number"]] = MarkedFinding.from_json(
                {"laterality": row["side"], "label": row["label"], "what": what, "marks": marks}
            )
        return findings

    def _write(self, number: int, before: Reading, after: Reading, views: Sequence[StoredView]) -> None:
        conn = self._file.conn
        conn.execute("DELETE FROM reading_fields WHERE reading = ?", [number])
        rows = [
            (number, side.value if side else "", name, value)
            for (side, name), value in after.fields.items()
            if value != ""
        ]
        conn.executemany("INSERT INTO reading_fields VALUES (?, ?, ?, ?)", rows)
        for key in {*before.findings, *after.findings}:
            if before.findings.get(key) == after.findings.get(key):
                continue
            conn.execute("DELETE FROM findings WHERE (reading, number) = (?, ?)", [number, key])
            if key in after.findings:
                self._write_finding(number, key, after.findings[key], {str(view.name): view for view in views})

    def _write_finding(
        self, reading: int, number: int, finding: MarkedFinding, views: Mapping[str, StoredView]
    ) -> None:
        what = finding.to_json()["what"]
        row = self._file.conn.execute(
            "INSERT INTO findings (reading, number, side, label, what) VALUES (?, ?, ?, ?, ?)",
            [reading, number, finding.laterality.value, finding.label, json.dumps(what) if what else None],
        ).lastrowid
        for mark in finding.marks:
            _check_mark(mark, views)
            points = json.dumps([list(point) for point in mark.points], allow_nan=False)
            self._file.conn.execute(
                "INSERT INTO boxes (finding, view, kind, points) VALUES (?, ?, ?, ?)",
                [row, str(mark.view), mark.kind, points],
            )


def _check_mark(mark: Mark, views: Mapping[str, StoredView]) -> None:
    """Raise ValueError for a mark that is malformed or outside the picture."""
    Mark.from_json(mark.to_json())
    if str(mark.view) not in views:
        raise ValueError(f"a mark on {mark.view}, which this exam does not have")
    view = views[str(mark.view)]
    if any(not (-0.5 <= x <= view.columns - 0.5 and -0.5 <= y <= view.rows - 0.5) for x, y in mark.points):
        raise ValueError(f"a mark outside the picture of {mark.view}")


def clean_reader(reader: str) -> str:
    """Return a reader's name as it is stored. Raises StoreError for an empty name or one of more than 60 letters."""
    reader = " ".join((reader or "").split())
    if not 0 < len(reader) <= 60:
        raise StoreError("No reader is named. Type your name or initials first (at most 60 letters).")
    return reader
