"""Stored exams, their images and their patients."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from ..exam import Exam, ViewName
from .database import StoreError, StoreFile, now
from .records import StoredExam, StoredView
from .search_index import update_search_index

BLOCK, TESTS_OF_BLOCK = 10, 3  # of every ten patients three are in the test split, permanently

EXAM_QUERY = (
    "SELECT exams.id, exams.name, pseudonym AS patient, split, exam_date, age_years, vendor, added, state, readers, "
    "density, disagreement, score FROM exams JOIN patients ON patients.id = exams.patient"
)


def exam_from_row(row: sqlite3.Row) -> StoredExam:
    """Convert a row of EXAM_QUERY, whose columns are the fields of a StoredExam."""
    return StoredExam(**{**dict(row), "disagreement": bool(row["disagreement"])})


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Exams:
    """The exams of a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(
        self, exam: Exam, paths: Mapping[ViewName, Path], who: str, *, patient_id: str = "", study_id: str = "",
        name: str = "", split: str | None = None,
    ) -> int:  # fmt: skip
        """Store an exam and the paths of its images; return its number, the existing one if it is stored already.

        patient_id, study_id: the files' own IDs, stored as hashes. name: shown in the worklist (default: a pseudonym).
        split: train or test, where a table gives it; by default it is drawn once for each patient and never changes.
        Raises StoreError for an exam without a standard view.
        """
        views = [
            StoredView(key, str(Path(paths[key]).resolve()), file_sha256(paths[key]), view.rows, view.columns)
            for key, view in exam.views.items()
        ]
        if not views:
            raise StoreError("This exam has no standard view (CC or MLO). Only exams with one can be stored.")
        study = self._file.hashed("study " + (study_id or "/".join(sorted(view.sha256 for view in views))))
        acquisition = next(iter(exam.views.values())).acquisition
        with self._file.transaction() as conn:
            stored = conn.execute("SELECT id FROM exams WHERE uid_hash = ?", [study]).fetchone()
            if stored:
                return stored["id"]
            patient = self._patient(patient_id, split)
            number = conn.execute("SELECT coalesce(max(id), 0) + 1 FROM exams").fetchone()[0]
            name = name or f"exam-{number:05d}"
            if conn.execute("SELECT 1 FROM exams WHERE name = ?", [name]).fetchone():
                name = f"{name}-{number}"
            facts = [acquisition.date, acquisition.age_years, acquisition.manufacturer, now()]
            conn.execute(
                "INSERT INTO exams (id, patient, name, uid_hash, exam_date, age_years, vendor, added) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [number, patient, name, study, *facts],
            )
            conn.executemany(
                "INSERT INTO views (exam, view, path, sha256, rows, columns) VALUES (?, ?, ?, ?, ?, ?)",
                [(number, str(view.name), *view[1:]) for view in views],
            )
            names = [str(view.name) for view in views]
            self._file.record(who, "kept", f"exam {number}", after={"name": name, "views": names})
            update_search_index(self._file, number)
            return number

    def _patient(self, patient_id: str, split: str | None) -> int:
        """Return the patient's row, a new one where there is none.

        Of each ten new patients three, drawn at random, are in the test split.
        """
        hashed = self._file.hashed("patient " + patient_id) if patient_id else None
        row = self._file.one("SELECT id FROM patients WHERE id_hash = ?", [hashed]) if hashed else None
        if row:
            return row["id"]
        number = self._file.number("SELECT coalesce(max(id), 0) + 1 FROM patients")
        if split is None:
            block, position = divmod(number - 1, BLOCK)
            salt = self._file.setting("salt")
            order = sorted(range(BLOCK), key=lambda i: hashlib.sha256(f"{salt} {block} {i}".encode()).digest())
            split = "test" if order.index(position) < TESTS_OF_BLOCK else "train"
        values = [number, f"patient-{number:05d}", hashed, split]
        self._file.conn.execute("INSERT INTO patients (id, pseudonym, id_hash, split) VALUES (?, ?, ?, ?)", values)
        return number

    def get(self, number: int) -> StoredExam:
        """Return an exam's line of the worklist."""
        row = self._file.one(EXAM_QUERY + " WHERE exams.id = ?", [number])
        if row is None:
            raise StoreError(f"exam {number}: not in this store. Load the worklist again.")
        return exam_from_row(row)

    def views(self, number: int) -> list[StoredView]:
        """Return the images of an exam."""
        rows = self._file.all(
            "SELECT view, path, sha256, rows, columns FROM views WHERE exam = ? ORDER BY id", [number]
        )
        return [StoredView(ViewName.parse(row["view"]), *tuple(row)[1:]) for row in rows]

    def by_name(self, name: str) -> StoredExam | None:
        """Return the exam with this name in the worklist."""
        row = self._file.one(EXAM_QUERY + " WHERE exams.name = ?", [name])
        return exam_from_row(row) if row else None

    def by_file_id(self, identifier: str) -> StoredExam | None:
        """Return the exam with this study ID, or the only exam of the patient with this ID, as the files gave them."""
        hashed = [self._file.hashed(f"{kind} {identifier}") for kind in ("study", "patient")]
        rows = self._file.all(EXAM_QUERY + " WHERE exams.uid_hash = ? OR patients.id_hash = ?", hashed)
        return exam_from_row(rows[0]) if len(rows) == 1 else None

    def earlier(self, number: int) -> int | None:
        """Return the number of the patient's newest exam with an earlier date, or None."""
        row = self._file.one(
            "SELECT other.id FROM exams JOIN exams other "
            "ON other.patient = exams.patient AND other.exam_date < exams.exam_date "
            "WHERE exams.id = ? ORDER BY other.exam_date DESC LIMIT 1",
            [number],
        )
        return row["id"] if row else None

    def count(self) -> int:
        """Return how many exams are stored."""
        return self._file.number("SELECT count(*) FROM exams")

    def signed(self) -> set[int]:
        """Return the numbers of the exams with a signed reading."""
        return {row["id"] for row in self._file.all("SELECT id FROM exams WHERE state = 'signed'")}

    def in_split(self, split: str) -> set[int]:
        """Return the numbers of the exams whose patients are in the split, train or test."""
        query = "SELECT exams.id FROM exams JOIN patients ON patients.id = patient WHERE split = ?"
        return {row["id"] for row in self._file.all(query, [split])}
