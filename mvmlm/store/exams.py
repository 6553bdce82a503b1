"""Stored exams, their images and their patients."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import astuple, replace
from pathlib import Path

from ..exam import Exam, Laterality, View, ViewName
from ..patient import PatientIdentity, sound_date
from .clock import now
from .database import StoreError, StoreFile
from .patients import HASHES, Patients
from .records import ExtraView, StoredExam, StoredView, ViewFacts
from .search_index import update_search_index

MAX_AGE_YEARS = 150

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


def stored_view(name: ViewName, view: View, path: Path, named_by: str) -> StoredView:
    """Return the record of an image that is stored under a path."""
    return StoredView(
        name, str(Path(path).resolve()), file_sha256(path), view.rows, view.columns, named_by, ViewFacts.of(view)
    )


def by_hand(view: View) -> bool:
    """Whether a reader named the view."""
    return any(fact.source == "you" for fact in view.sources.values())


class Exams:
    """The exams of a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile, patients: Patients):
        self._file, self._patients = file, patients

    def add(
        self, exam: Exam, paths: Mapping[ViewName, Path], who: str, *, patient_id: str = "", issuer: str = "",
        birth_date: str = "", sex: str = "", study_id: str = "", name: str = "", split: str | None = None,
    ) -> int:  # fmt: skip
        """Store an exam and the paths of its images; return its number, the existing one if it is stored already.

        patient_id, issuer, birth_date, sex, study_id: as the files give them, stored as keyed hashes. name: shown in
        the worklist (default: a pseudonym). split: train or test, where a table gives it; by default it is drawn once
        for each patient and never changes. Raises StoreError for an exam without a standard view.
        """
        views = [stored_view(key, view, paths[key], who if by_hand(view) else "") for key, view in exam.views.items()]
        if not views:
            raise StoreError("This exam has no standard view (CC or MLO). Only exams with one can be stored.")
        identity = PatientIdentity(patient_id, issuer, birth_date, sex)
        with self._file.transaction() as conn:
            stored, study = self._stored_study(study_id, views, identity)
            if stored is not None:
                return stored
            patient = self._patients.assign(identity, split)
            number = conn.execute("SELECT coalesce(max(id), 0) + 1 FROM exams").fetchone()[0]
            name = name or f"exam-{number:05d}"
            if conn.execute("SELECT 1 FROM exams WHERE name = ?", [name]).fetchone():
                name = f"{name}-{number}"
            columns = ("id", "patient", "name", "uid_hash", "exam_date", "age_years", "vendor", "added", *HASHES)
            values = [number, patient, name, study, *_facts(exam), now(), *self._patients.hashes(identity)]
            places = ", ".join("?" for _ in columns)
            conn.execute(f"INSERT INTO exams ({', '.join(columns)}) VALUES ({places})", values)
            self._insert_views(number, views)
            names = [str(view.name) for view in views]
            self._file.record(who, "kept", f"exam {number}", after={"name": name, "views": names})
            update_search_index(self._file, number)
            return number

    def _stored_study(
        self, study_id: str, views: Sequence[StoredView], identity: PatientIdentity
    ) -> tuple[int | None, str | None]:
        """The number of the exam if it is stored already, and the hash of its study.

        Exams of two women may carry the same StudyInstanceUID, by a mistake of a program: they are two exams. Without
        the key an exam is known by its files.
        """
        files = sorted(view.sha256 for view in views)
        study = self._file.hashed_as_before("study " + (study_id or "/".join(files)))
        if study is None:
            return self._with_files(files), None
        row = self._file.one("SELECT id FROM exams WHERE uid_hash = ?", [study])
        if row and self._patients.is_another(row["id"], identity):
            study = self._file.hashed(f"study {study_id} of {astuple(identity.normalised())}")
            row = self._file.one("SELECT id FROM exams WHERE uid_hash = ?", [study])
        return (row["id"] if row else None), study

    def _with_files(self, sha256: list[str]) -> int | None:
        for row in self._file.all("SELECT exam FROM views WHERE sha256 = ?", [sha256[0]]):
            if sorted(view.sha256 for view in self.views(row["exam"])) == sha256:
                return row["exam"]
        return None

    def get(self, number: int) -> StoredExam:
        """Return an exam's line of the worklist."""
        row = self._file.one(EXAM_QUERY + " WHERE exams.id = ?", [number])
        if row is None:
            raise StoreError(f"exam {number}: not in this store. Load the worklist again.")
        return exam_from_row(row)

    def views(self, number: int) -> list[StoredView]:
        """Return the images of an exam."""
        rows = self._file.all(
            "SELECT view, path, sha256, rows, columns, named_by, facts FROM views WHERE exam = ? ORDER BY id", [number]
        )
        return [
            StoredView(
                ViewName.parse(row["view"]),
                row["path"],
                row["sha256"],
                row["rows"],
                row["columns"],
                row["named_by"],
                ViewFacts.from_json(row["facts"]),
            )  # fmt: skip
            for row in rows
        ]

    def extra_views(self, number: int) -> list[ExtraView]:
        """Return the images of an exam that a reader took out of its standard views."""
        rows = self._file.all(
            "SELECT path, sha256, rows, columns FROM extra_views WHERE exam = ? ORDER BY id", [number]
        )
        return [ExtraView(*row) for row in rows]

    def correct_views(self, number: int, views: Sequence[StoredView], extra: Sequence[ExtraView], who: str) -> None:
        """Replace which image of an exam is which view, as a reader has corrected it.

        The old names stay in the history. What the model said of the exam is forgotten. Raises StoreError for an exam
        without a standard view, and where a view whose image changes carries marks: they were drawn on that image.
        """
        if not views:
            raise StoreError("An exam in the store needs a standard view. Name another file first.")
        with self._file.transaction() as conn:
            nipples = {view.path: view.facts.nipple for view in self.views(number)}
            views = [view._replace(facts=replace(view.facts, nipple=nipples.get(view.path))) for view in views]
            before, after = ({view.name: view.path for view in named} for named in (self.views(number), views))
            changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
            self._check_unmarked(number, changed)
            history = [
                {
                    "views": {str(view.name): view.sha256[:16] for view in named},
                    "extra": [x.sha256[:16] for x in others],
                }
                for named, others in ((self.views(number), self.extra_views(number)), (views, extra))
            ]
            for table in ("views", "extra_views", "embeddings", "familiarity"):
                conn.execute(f"DELETE FROM {table} WHERE exam = ?", [number])
            conn.execute("UPDATE exams SET score = NULL WHERE id = ?", [number])
            self._insert_views(number, views)
            conn.executemany(
                "INSERT INTO extra_views (exam, path, sha256, rows, columns) VALUES (?, ?, ?, ?, ?)",
                [(number, *view) for view in extra],
            )
            self._file.record(who, "corrected views", f"exam {number}", *history)

    def place_nipple(self, number: int, name: ViewName, nipple: tuple[float, float], who: str) -> None:
        """Store where a reader placed the nipple of a view, (column, row) in DICOM pixels.

        Raises StoreError for a view that the exam does not have.
        """
        with self._file.transaction() as conn:
            view = next((view for view in self.views(number) if view.name == name), None)
            if view is None:
                raise StoreError(f"exam {number} has no view {name}. Open it again.")
            facts = replace(view.facts, nipple=nipple)
            conn.execute("UPDATE views SET facts = ? WHERE (exam, view) = (?, ?)", [facts.to_json(), number, str(name)])
            before = {"view": str(name), "nipple": view.facts.nipple}
            self._file.record(who, "placed the nipple", f"exam {number}", before, before | {"nipple": nipple})

    def _insert_views(self, number: int, views: Sequence[StoredView]) -> None:
        self._file.conn.executemany(
            "INSERT INTO views (exam, view, path, sha256, rows, columns, named_by, facts) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(number, str(view.name), *view[1:-1], view.facts.to_json()) for view in views],
        )

    def _check_unmarked(self, number: int, names: Sequence[ViewName]) -> None:
        """Raise StoreError where a reading has marks on one of the views."""
        for row in self._file.all(
            "SELECT DISTINCT boxes.view, reader, signed FROM boxes JOIN findings ON findings.id = boxes.finding "
            "JOIN readings ON readings.id = findings.reading WHERE readings.exam = ?",
            [number],
        ):
            if ViewName.parse(row["view"]) in names:
                raise StoreError(
                    f"Not changed: {row['view'].replace('_', ' ')} has marks in the read of {row['reader']}, drawn on "
                    "the picture that has this name now. "
                    + (
                        "That read is signed; write what the picture is in the note of a read."
                        if row["signed"]
                        else "Delete these marks first, then name the picture."
                    )
                )

    def by_name(self, name: str) -> StoredExam | None:
        """Return the exam with this name in the worklist."""
        row = self._file.one(EXAM_QUERY + " WHERE exams.name = ?", [name])
        return exam_from_row(row) if row else None

    def by_file_id(self, identifier: str) -> StoredExam | None:
        """Return the exam with this study ID, or the only exam of the patient with this ID, as the files gave them."""
        hashes = [self._file.hashed_as_before(f"{kind} {identifier}") for kind in ("study", "patient")]
        hashes.append(self._patients.hashes(PatientIdentity(identifier))[-1])
        query = EXAM_QUERY + " WHERE exams.uid_hash = ? OR patients.id_hash = ? OR exams.spelling_hash = ?"
        rows = self._file.all(query, hashes)
        return exam_from_row(rows[0]) if len(rows) == 1 else None

    def earlier(self, number: int) -> int | None:
        """Return the number of the patient's newest exam with an earlier date, or None.

        A date that is no day of an exam (`patient.sound_date`) is not earlier than any, nor later.
        """
        rows = self._file.all(
            "SELECT other.id, other.exam_date, exams.exam_date AS own FROM exams JOIN exams other "
            "ON other.patient = exams.patient WHERE exams.id = ? ORDER BY other.id",
            [number],
        )
        dates = {row["id"]: sound_date(row["exam_date"]) for row in rows}
        return max((id_ for id_, day in dates.items() if "" < day < dates[number]), key=dates.__getitem__, default=None)

    def imaged_breasts(self, number: int) -> tuple[Laterality, ...]:
        """Return the breasts of which an exam has a view, the right one first; both where no view is known."""
        known = {view.name.laterality for view in self.views(number)}
        return tuple(side for side in Laterality if side in known) or tuple(Laterality)

    def count(self) -> int:
        """Return how many exams are stored."""
        return self._file.number("SELECT count(*) FROM exams")

    def signed(self) -> set[int]:
        """Return the numbers of the exams with a signed reading."""
        return {row["id"] for row in self._file.all("SELECT id FROM exams WHERE state = 'signed'")}

    def phantoms(self) -> set[str]:
        """Return the names of the exams of which every stored view is a phantom's."""
        query = (
            "SELECT exams.name FROM exams JOIN views ON exam = exams.id GROUP BY exams.id "
            "HAVING MIN(COALESCE(json_extract(facts, '$.phantom'), 0)) = 1"
        )
        return {row["name"] for row in self._file.all(query)}

    def in_split(self, split: str) -> set[int]:
        """Return the numbers of the exams whose patients are in the split, train or test."""
        query = "SELECT exams.id FROM exams JOIN patients ON patients.id = patient WHERE split = ?"
        return {row["id"] for row in self._file.all(query, [split])}


def _facts(exam: Exam) -> tuple[str | None, int | None, str | None]:
    """Date, age and vendor of an exam as they are stored: None for a date that is no day of an exam."""
    acquisition = next(iter(exam.views.values())).acquisition
    age = acquisition.age_years
    if age is not None and not 0 <= age <= MAX_AGE_YEARS:
        raise ValueError(f"age_years={age}: expected 0 to {MAX_AGE_YEARS}")
    return sound_date(acquisition.date) or None, age, acquisition.manufacturer
