"""Stored readings: what each reader stated about an exam, when and how.

A signed reading can be reopened until it is final; a later change of a final one is a version of its own, an amendment.
What was found out afterwards (the truth) may always be added.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from ..reading.form import BIRADS_EDITION, FORM_VERSION, TRUTH_FIELDS
from ..reading.merge import Conflict, differences, merge_readings
from ..reading.reading import Mark, MarkedFinding, Reading, ReadKind
from ..tasks import Task
from .clock import ago, as_stored, later_than, now
from .database import StoreError, StoreFile
from .exams import Exams
from .readers import arbitrated_by_another, arbitration_by, first_or_second, stored_name, was_given
from .records import SAW_MARKS, Draft, Read, Stamp, StoredView, disagreeing_pair, oldest_first
from .search_index import reading_fields, update_search_index

FINAL_AFTER = timedelta(minutes=60)  # a signed read becomes final by itself; then it counts, and others may see it
ARBITRATION_DRAFT = timedelta(minutes=60)  # so long after its last change the draft of an arbitration is in others' way


class SavedChange(NamedTuple):
    """A change of a stored reading: its content just before, and the read with its content after."""

    before: Reading
    read: Read


class Readings:
    """The readings of a store, by number. A number that is unknown raises StoreError.

    tasks: returns the tasks that are known now.
    """

    def __init__(self, file: StoreFile, exams: Exams, tasks: Callable[[], Sequence[Task]]):
        self._file, self._exams, self._tasks = file, exams, tasks

    def start(self, exam: int, reader: str, kind: ReadKind | None = None) -> Read:
        """Return the newest version of the reader's read of an exam; a new draft where there is none.

        kind: None for the first or the second read, whichever it is: the second where another reader has signed one.
        Who arbitrates the exam has seen the reads of others: it is the arbitration that is returned then. Raises
        StoreError for a reader without a name, an unknown exam, and one who decided in the arbitration of another.
        """
        reader = stored_name(self._file, reader)
        self.settle()
        kinds = (kind,) if kind else (ReadKind.FIRST, ReadKind.SECOND)
        with self._file.transaction():
            query = "SELECT id FROM readings WHERE (exam, reader) = (?, ?) AND kind IN (?, ?) ORDER BY id DESC"
            row = self._file.one(query, [exam, reader, kinds[0].value, kinds[-1].value])
            if row is not None:
                return self.get(row["id"])
            self._exams.get(exam)
            decided = None if kind else arbitration_by(self.of_exam(exam), reader)
            if decided is not None and decided.reader != reader:
                raise StoreError(f"You decided on this exam with {decided.reader}: a further read is not independent.")
            return decided or self._add(exam, reader, kind or first_or_second(self._file, exam, reader))

    def start_arbitration(self, exam: int, reader: str, authors: Sequence[str] = ()) -> Read:
        """Return the reader's arbitration of an exam on which two final reads disagree, a new draft if need be.

        authors: who decides with the reader. Raises StoreError where no two reads disagree, where somebody else
        arbitrates the exam, and for a reader of one of the two who decides alone.
        """
        reader, *others = (stored_name(self._file, name) for name in (reader, *authors))
        authors = tuple(name for name in dict.fromkeys(others) if name != reader)
        with self._file.transaction() as conn:
            reads = self.of_exam(exam)
            there = [read for read in reads if read.kind is ReadKind.ARBITRATION]
            if own := next((read for read in reversed(there) if read.reader == reader), None):
                return own
            if any(map(self.blocks_arbitration, there)):
                raise StoreError(f"{there[-1].reader} arbitrates this exam already.")
            pair = disagreeing_pair(reads)
            if pair is None:
                raise StoreError("There is nothing to arbitrate: no two final reads of this exam disagree.")
            if reader in (pair[0].reader, pair[1].reader) and not authors:
                raise StoreError(
                    "One of the two reads is yours. Another reader arbitrates, or name those who decide with you."
                )
            read = self._add(exam, reader, ReadKind.ARBITRATION)
            conn.execute("UPDATE readings SET authors = ? WHERE id = ?", [json.dumps(authors), read.id])
            return self.get(read.id)

    def blocks_arbitration(self, read: Read) -> bool:
        """Whether an arbitration is in the way of another: it is signed, or was changed within the last hour."""
        query = "SELECT max(at) AS changed FROM history WHERE about = ?"
        row = self._file.one(query, [f"reading {read.id}"])
        changed = row["changed"] if row and row["changed"] else read.started
        return read.signed is not None or changed > ago(ARBITRATION_DRAFT)

    def amend(self, number: int, *, imported: bool = False) -> Read:
        """Return the later version of a final read that may be changed; a new one holds what the read states.

        It keeps its reader and kind. It is informed where the reader has seen the model's answers, or others' marks.
        imported: for a version from a file, which begins empty, and may be one of a draft. Raises StoreError for a read
        that is not final, otherwise.
        """
        self.settle()
        with self._file.transaction() as conn:
            before = self.get(number)
            if row := self._file.one("SELECT id FROM readings WHERE amends = ?", [number]):
                return self.get(row["id"])
            if not before.final and not imported:
                raise StoreError("This read is not final yet. Change it as it is.")
            after = self._add(before.exam, before.reader, before.kind, amends=number)
            informed = before.informed or before.model_shown is not None or self.saw_marks(number)
            conn.execute(
                "UPDATE readings SET informed = ?, model_shown = ?, authors = ? WHERE id = ?",
                [int(informed), before.model_shown, json.dumps(before.authors), after.id],
            )
            if not imported:
                self.save(after.id, Reading(), before.reading)
            return self.get(after.id)

    def reopen(self, number: int) -> Read:
        """Make a signed read a draft again, to change it. Raises StoreError for one that is final."""
        self.settle()
        with self._file.transaction() as conn:
            read = self.get(number)
            if read.final:
                raise StoreError("This read is final. A change of it is a new version: amend it.")
            if read.signed:
                conn.execute("UPDATE readings SET signed = NULL WHERE id = ?", [number])
                self._file.record(read.reader, "reopened", f"reading {number}")
                update_search_index(self._file, read.exam)
            return self.get(number)

    def finalise(self, number: int) -> Read:
        """Make a signed read final: from now on it counts, and others may see it. A final one stays as it is."""
        with self._file.transaction():
            read = self.get(number)
            if not read.signed:
                raise StoreError("This read is not signed. Sign it first.")
            if not read.final:
                self._make_final(read, later_than(read.signed), "made final")
            return self.get(number)

    def settle(self) -> int:
        """Make the reads final that were signed an hour ago or earlier; return how many."""
        with self._file.transaction():
            query = "SELECT id FROM readings WHERE signed IS NOT NULL AND final IS NULL AND signed <= ?"
            due = [self.get(row["id"]) for row in self._file.all(query, [ago(FINAL_AFTER)])]
            for read in due:
                assert read.signed is not None
                final = datetime.fromisoformat(read.signed) + FINAL_AFTER
                self._make_final(read, as_stored(final), "final after an hour")
        return len(due)

    def not_final(self, reader: str | None = None) -> list[Read]:
        """Return the signed reads that are not final yet, the oldest first. reader: None for those of all readers."""
        self.settle()
        query = (
            "SELECT id FROM readings WHERE signed IS NOT NULL AND final IS NULL AND (? IS NULL OR reader = ?) "
            "ORDER BY signed, id"
        )
        return [self.get(row["id"]) for row in self._file.all(query, [reader, reader])]

    def _make_final(self, read: Read, at: str, why: str) -> None:
        self._file.conn.execute("UPDATE readings SET final = ? WHERE id = ?", [at, read.id])
        self._file.record(read.reader, why, f"reading {read.id}")
        update_search_index(self._file, read.exam)

    def _add(self, exam: int, reader: str, kind: ReadKind, amends: int | None = None) -> Read:
        number = self._file.conn.execute(
            "INSERT INTO readings (exam, reader, kind, amends, form_version, birads_edition, started) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            [exam, reader, kind.value, amends, FORM_VERSION, BIRADS_EDITION, now()],
        ).lastrowid
        assert number is not None
        about = {"exam": exam, "kind": kind.value} | ({"amends": amends} if amends else {})
        self._file.record(reader, "started", f"reading {number}", after=about)
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
            final=row["final"],
            amends=row["amends"],
            authors=tuple(json.loads(row["authors"])),
            model_shown=row["model_shown"],
        )

    def of_exam(self, exam: int) -> list[Read]:
        """Return all readings of an exam, oldest first, see `oldest_first`."""
        self.settle()
        rows = self._file.all("SELECT id FROM readings WHERE exam = ?", [exam])
        return oldest_first([self.get(row["id"]) for row in rows])

    def exams_read_by(self, reader: str) -> list[int]:
        """Return the numbers of the exams of which a reader has a final read."""
        query = "SELECT DISTINCT exam FROM readings WHERE reader = ? AND final IS NOT NULL ORDER BY exam"
        return [row["exam"] for row in self._file.all(query, [reader])]

    def drafts(self, reader: str, most: int) -> list[Draft]:
        """Return a reader's reads that are not signed, the one that was changed last first, at most so many."""
        rows = self._file.all(
            "SELECT readings.id, exam, name, reader, "
            "(SELECT max(at) FROM history WHERE about = 'reading ' || readings.id) AS changed "
            "FROM readings JOIN exams ON exams.id = exam WHERE signed IS NULL AND reader = ? "
            "ORDER BY coalesce(changed, started) DESC, readings.id DESC LIMIT ?",
            [reader, most],
        )
        return [Draft(*row) for row in rows]

    def named(self, reader: str) -> str:
        """Return a reader's name as the store spells it, see `readers.stored_name`."""
        return stored_name(self._file, reader)

    def readers(self) -> list[str]:
        """Return the names of all readers."""
        return [row["reader"] for row in self._file.all("SELECT DISTINCT reader FROM readings ORDER BY reader")]

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
        Reading(changed).check(self._tasks())  # answers to a task that is no longer declared stay as they are
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError(f"seconds={seconds}: expected a time of 0 or more")
        with self._file.transaction() as conn:
            stored = self.get(number)
            result = merge_readings(base, mine, stored.reading)
            if result == stored.reading:
                conn.execute("UPDATE readings SET seconds = seconds + ? WHERE id = ?", [seconds, number])
                return SavedChange(stored.reading, self.get(number))
            if stored.signed and _opinion(result) != _opinion(stored.reading):
                raise StoreError("This read is signed. Reopen it, or amend it once it is final.")
            self._write(number, stored.reading, result, self._exams.views(stored.exam))
            conn.execute("UPDATE readings SET seconds = seconds + ? WHERE id = ?", [seconds, number])
            about = f"reading {number}"
            self._file.record(stored.reader, "saved", about, stored.reading.to_json(), result.to_json())
            update_search_index(self._file, stored.exam)
            return SavedChange(stored.reading, self.get(number))

    def restore_stamp(self, number: int, stamp: Stamp, authors: Sequence[str] = ()) -> None:
        """Give a reading that came from another store the stamp and the authors that it has there."""
        with self._file.transaction() as conn:
            columns = ", ".join(f"{name} = ?" for name in (*Stamp._fields, "authors"))
            conn.execute(f"UPDATE readings SET {columns} WHERE id = ?", [*stamp, json.dumps(authors), number])
            update_search_index(self._file, self.get(number).exam)

    def mark_informed(self, number: int) -> Read:
        """Record, for good, that the reader sees the model's answers now.

        A draft is informed by them; a signed read is final from now on.
        """
        with self._file.transaction() as conn:
            stored = self.get(number)
            if stored.model_shown:
                return stored
            informed, shown = stored.informed or not stored.signed, later_than(stored.started, stored.signed)
            conn.execute("UPDATE readings SET model_shown = ?, informed = ? WHERE id = ?", [shown, informed, number])
            self._file.record(stored.reader, "saw the model's answers", f"reading {number}")
            if stored.signed and not stored.final:
                self._make_final(stored, shown, "final, since the model's answers were shown")
            return self.get(number)

    def saw_marks(self, number: int) -> bool:
        """Return whether it is recorded that the reader saw marks of other programs."""
        return any(row["what"] == SAW_MARKS for row in self._file.history(f"reading {number}"))

    def sign(self, number: int, shown: Reading | None = None, seconds: float = 0.0) -> Read:
        """Sign a reading; from now on it is changed only after it was reopened.

        shown: what its reader has on screen. seconds: reading time to add. Raises merge.Conflict where something else
        is stored, StoreError where the reading is empty or contradicts itself.
        """
        with self._file.transaction() as conn:
            stored = self.get(number)
            if stored.signed:
                return stored
            if shown is not None and shown != stored.reading:
                raise Conflict(differences(shown, stored.reading))
            if not stored.reading.fields and not stored.reading.findings:
                raise StoreError("This reading is empty. Answer at least one question before you sign.")
            contradictions = stored.reading.contradictions(self._exams.imaged_breasts(stored.exam))
            if contradictions:
                raise StoreError("Not signed: " + "; ".join(contradictions).rstrip("?") + ".")
            kind = stored.kind
            if kind is not ReadKind.ARBITRATION and stored.amends is None and not was_given(self._file, number):
                kind = first_or_second(self._file, stored.exam, stored.reader)
            if kind is ReadKind.ARBITRATION and (other := arbitrated_by_another(self.of_exam(stored.exam), stored)):
                raise StoreError(f"Not signed: {other} has arbitrated this exam in the meantime.")
            conn.execute(
                "UPDATE readings SET signed = ?, kind = ?, seconds = seconds + ? WHERE id = ?",
                [later_than(stored.started, stored.model_shown), kind.value, seconds, number],
            )
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
                {
                    "laterality": row["side"],
                    "label": row["label"],
                    "what": what,
                    "marks": marks,
                    "suspicion": row["suspicion"],
                }
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
            "INSERT INTO findings (reading, number, side, label, what, suspicion) VALUES (?, ?, ?, ?, ?, ?)",
            [
                reading,
                number,
                finding.laterality.value,
                finding.label,
                json.dumps(what) if what else None,
                finding.suspicion,
            ],
        ).lastrowid
        for mark in finding.marks:
            _check_mark(mark, views)
            points = json.dumps([list(point) for point in mark.points], allow_nan=False)
            self._file.conn.execute(
                "INSERT INTO boxes (finding, view, kind, points) VALUES (?, ?, ?, ?)",
                [row, str(mark.view), mark.kind, points],
            )


def _opinion(reading: Reading) -> Reading:
    """A reading without what is found out afterwards."""
    return reading.with_fields({key: value for key, value in reading.fields.items() if key[1] not in TRUTH_FIELDS})


def _check_mark(mark: Mark, views: Mapping[str, StoredView]) -> None:
    """Raise ValueError for a mark that is malformed or outside the picture."""
    Mark.from_json(mark.to_json())
    if str(mark.view) not in views:
        raise ValueError(f"a mark on {mark.view}, which this exam does not have")
    view = views[str(mark.view)]
    if any(not (-0.5 <= x <= view.columns - 0.5 and -0.5 <= y <= view.rows - 0.5) for x, y in mark.points):
        raise ValueError(f"a mark outside the picture of {mark.view}")
