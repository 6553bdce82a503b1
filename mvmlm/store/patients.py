"""Whose the stored exams are: which of them are one woman's, and which may be.

Patient ID, issuer, birth date and sex are stored with each exam as keyed hashes. Exams that are one woman's share a row
of the table `patients`: her pseudonym and her split.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from enum import Enum

from ..patient import PatientIdentity, SameWoman, compare_fields, placeholder_spellings
from .clock import now
from .database import StoreError, StoreFile
from .search_index import update_search_index

BLOCK, TESTS_OF_BLOCK = 10, 3  # of every ten patients three are in the test split, permanently
#: columns of `exams`, in the order of `PatientIdentity.compared_fields`
HASHES = ("patient_hash", "issuer_hash", "birth_date_hash", "sex_hash", "spelling_hash")
FIELD_NAMES = ("patient ID", "issuer", "birth date", "sex")
PLACEHOLDERS_SEPARATED = "exams without an identity are separated"
_COLUMNS = "exams.id, exams.name, exams.patient, " + ", ".join(HASHES)

Hashes = tuple[str | None, ...]


class _Match(Enum):
    """How an exam and the exams of a patient agree, the weightiest first."""

    NO = 1
    YES = 2
    UNSURE = 3  # a field is given on one side only
    ID_ALONE = 4  # 0.4.0 stored no more


class Patients:
    """The patients of a store."""

    def __init__(self, file: StoreFile):
        self._file = file
        self._separate_placeholders()

    def hashes(self, identity: PatientIdentity) -> Hashes:
        """Return the values of HASHES for an identity; "" for a field that is absent.

        Every value is None without the key, and where the ID names nobody.
        """
        patient_id, *others, spelling = identity.compared_fields()
        if not patient_id or self._file.hashed("") is None:
            return (None,) * len(HASHES)
        # with the ID in each, so that women with the same birth date have different hashes
        fields = zip(FIELD_NAMES[1:], others, strict=True)
        hashes = [self._file.hashed(f"{name} of {patient_id}: {value}") if value else "" for name, value in fields]
        return (
            self._file.hashed("patient ID " + patient_id), *hashes, self._file.hashed("spelling of ID " + spelling)
        )  # fmt: skip

    def assign(self, identity: PatientIdentity, split: str | None) -> int:
        """Return the patient row of a new exam: hers where one is sure, else a new one.

        split: train or test; by default it is drawn. A woman who may be a stored one gets the split of that one, so
        that her exams are not on both sides. Call it inside the transaction of the change.
        """
        if split not in (None, "train", "test"):
            raise ValueError(f"split={split!r}: expected train or test")
        hashes = self.hashes(identity)
        matches = self._matches(hashes, self._file.hashed_as_before("patient " + identity.patient_id))
        for wanted in (_Match.YES, _Match.ID_ALONE):
            sure = [patient for patient, match in matches.items() if match is wanted]
            if len(sure) == 1:
                return sure[0]
        for patient, match in matches.items():
            if match is not _Match.NO and split is None:
                split = self._file.all("SELECT split FROM patients WHERE id = ?", [patient])[0]["split"]
        return self._new(split)

    def is_another(self, exam: int, identity: PatientIdentity) -> bool:
        """Return whether a stored exam is surely not of the woman with this identity."""
        row, hashes = self._row(exam), self.hashes(identity)
        if hashes[0] is None:
            return False
        if row["patient_hash"] is not None:
            return _compare(row, hashes) is _Match.NO
        of_0_4_0 = self._file.all("SELECT id_hash FROM patients WHERE id = ?", [row["patient"]])[0]["id_hash"]
        return of_0_4_0 not in (None, self._file.hashed_as_before("patient " + identity.patient_id))

    def may_be_same(self, exam: int) -> list[tuple[str, str]]:
        """Return the exams of other patients that may be the same woman's: (name, how the two exams differ)."""
        own = self._row(exam)
        if own["patient_hash"] is None:
            return []
        mine = tuple(own[column] for column in HASHES)
        rows = self._file.all(f"SELECT {_COLUMNS} FROM exams WHERE patient_hash = ? AND id <> ?", [mine[0], exam])
        conflicts = {row["patient"] for row in rows if _compare(row, mine) is _Match.NO}
        found = []
        for row in rows:
            if row["patient"] not in {own["patient"], *conflicts} and _compare(row, mine) is _Match.UNSURE:
                missing = [
                    name for name, column, value in zip(FIELD_NAMES, HASHES[:-1], mine[:-1], strict=True)
                    if bool(row[column]) != bool(value)
                ]  # fmt: skip
                given = f"only one of them gives {' and '.join(missing)}"
                found.append((row["name"], given if missing else "in other capital and small letters"))
        return found

    def note(self, exam: int) -> str:
        """Return what a reader must know about whose exam it is, in sentences; "" where nothing is open."""
        own, sentences = self._row(exam), []
        others = self._file.all(
            f"SELECT {_COLUMNS} FROM exams WHERE patient = ? AND id <> ? ORDER BY id", [own["patient"], exam]
        )
        by_id = [row["name"] for row in others if None in (row["patient_hash"], own["patient_hash"])]
        if by_id and self._file.one("SELECT 1 FROM patients WHERE id = ? AND id_hash IS NOT NULL", [own["patient"]]):
            sentences.append(
                f"{own['name']} and {_listed(by_id)} count as one woman's by the patient ID alone, because "
                "version 0.4.0 stored no issuer, birth date or sex. "
                f"If they are not: mvmlm separate {own['name']} --reader NAME."
            )
        for name, difference in self.may_be_same(exam):
            sentences.append(
                f"{own['name']} and {name} have the same patient ID, but {difference}, so they are not compared. "
                f"If they are one woman's: mvmlm join {name} {own['name']} --reader NAME."
            )
        if self._file.key_notice:
            sentences.append(self._file.key_notice)
        return " ".join(sentences)

    def join(self, exam: int, other: int, who: str) -> None:
        """Make two exams, and all others of their patients, one woman's, because the reader knows it.

        The patient is in the test split afterwards only if both were: a head may have been trained on the other one.
        """
        with self._file.transaction() as conn:
            first, second = sorted((self._row(exam)["patient"], self._row(other)["patient"]))
            if first == second:
                return
            moved = [row["id"] for row in conn.execute("SELECT id FROM exams WHERE patient = ?", [second])]
            rows = conn.execute("SELECT split FROM patients WHERE id IN (?, ?)", [first, second]).fetchall()
            split = "test" if {row["split"] for row in rows} == {"test"} else "train"
            conn.execute("UPDATE patients SET split = ? WHERE id = ?", [split, first])
            self._move(moved, first, who, "joined")

    def separate(self, exam: int, who: str) -> None:
        """Make an exam another woman's than the other exams of its patient. It stays in its split."""
        with self._file.transaction():
            own = self._row(exam)
            if self._file.number("SELECT count(*) FROM exams WHERE patient = ?", [own["patient"]]) > 1:
                self._separate(exam, who)

    def _separate(self, exam: int, who: str) -> None:
        patient = self._row(exam)["patient"]
        split = self._file.all("SELECT split FROM patients WHERE id = ?", [patient])[0]["split"]
        self._move([exam], self._new(split), who, "separated")

    def _move(self, exams: Iterable[int], patient: int, who: str, what: str) -> None:
        for exam in exams:
            before = self._row(exam)["patient"]
            self._file.conn.execute("UPDATE exams SET patient = ? WHERE id = ?", [patient, exam])
            self._file.record(who, what, f"exam {exam}", {"patient": before}, {"patient": patient})
            update_search_index(self._file, exam)

    def _row(self, exam: int) -> sqlite3.Row:
        row = self._file.one(f"SELECT {_COLUMNS} FROM exams WHERE id = ?", [exam])
        if row is None:
            raise StoreError(f"exam {exam}: not in this store. Load the worklist again.")
        return row

    def _matches(self, hashes: Hashes, id_of_0_4_0: str | None) -> dict[int, _Match]:
        """How a new exam agrees with each patient that has its ID."""
        if hashes[0] is None:
            return {}
        rows = self._file.all(
            f"SELECT {_COLUMNS} FROM exams WHERE patient_hash = ? OR (patient_hash IS NULL AND patient IN "
            "(SELECT id FROM patients WHERE id_hash = ?)) ORDER BY exams.id",
            [hashes[0], id_of_0_4_0],
        )
        found: dict[int, _Match] = {}
        for row in rows:
            match = _compare(row, hashes)
            found[row["patient"]] = min(match, found.get(row["patient"], match), key=lambda match: match.value)
        return found

    def _new(self, split: str | None) -> int:
        """Add a patient. Of each ten new patients three, drawn at random, are in the test split."""
        number = self._file.number("SELECT coalesce(max(id), 0) + 1 FROM patients")
        if split is None:
            block, position = divmod(number - 1, BLOCK)
            salt = self._file.setting("salt")
            order = sorted(range(BLOCK), key=lambda i: hashlib.sha256(f"{salt} {block} {i}".encode()).digest())
            split = "test" if order.index(position) < TESTS_OF_BLOCK else "train"
        values = [number, f"patient-{number:05d}", split]
        self._file.conn.execute("INSERT INTO patients (id, pseudonym, split) VALUES (?, ?, ?)", values)
        return number

    def _separate_placeholders(self) -> None:
        """Once: give exams that 0.4.0 joined by an ID such as ANONYMOUS a patient each."""
        if self._file.key_notice or self._file.setting(PLACEHOLDERS_SEPARATED):
            return
        with self._file.transaction() as conn:
            rows = conn.execute("SELECT id, id_hash FROM patients WHERE id_hash IS NOT NULL").fetchall()
            nobody = (
                {self._file.hashed_as_before("patient " + id_) for id_ in placeholder_spellings()} if rows else set()
            )
            for row in rows:
                if row["id_hash"] in nobody:
                    conn.execute("UPDATE patients SET id_hash = NULL WHERE id = ?", [row["id"]])
                    exams = conn.execute("SELECT id FROM exams WHERE patient = ? ORDER BY id", [row["id"]]).fetchall()
                    for exam in exams[1:]:
                        self._separate(exam["id"], "the program")
            conn.execute("INSERT INTO settings VALUES (?, ?)", [PLACEHOLDERS_SEPARATED, now()])


def _compare(row: sqlite3.Row, hashes: Sequence[str | None]) -> _Match:
    theirs = [row[column] for column in HASHES]
    if theirs[0] is None:
        return _Match.ID_ALONE
    same = compare_fields([text or "" for text in hashes], [text or "" for text in theirs])
    return {SameWoman.YES: _Match.YES, SameWoman.NO: _Match.NO, SameWoman.UNSURE: _Match.UNSURE}[same]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
