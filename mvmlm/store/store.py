"""The store: exams, readings, predictions, heads and jobs in one SQLite file. The only place with SQL; knows no torch.

Every change is one transaction that is on the disk when its method returns (WAL, synchronous=FULL). Names, birth dates and
accession numbers never go in: a patient is a pseudonym, and the file's own IDs are kept as salted hashes, so that the same
patient is found again and nobody can read who it is.
"""

from __future__ import annotations

import array
import hashlib
import json
import math
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from sqlite_utils import Database

from ..checksum import checksum
from ..custom_tasks import FILE as TASKS_FILE
from ..custom_tasks import own_tasks
from ..exam import Exam, Laterality, ViewName
from ..reading.form_fields import BIRADS_EDITION, FORM_VERSION
from ..reading.merge import merged
from ..reading.reading import Mark, Reading, Round, SeenFinding
from ..tasks import TASKS, Task
from .records import Filter, Job, KeptExam, KeptHead, KeptReading, KeptView, Stamp
from .schema_history import migrations

FILE = "mvmlm.sqlite"
BUSY_SECONDS = 15
BLOCK, TESTS_OF_BLOCK = 10, 3  # of every ten patients three are for testing, kept for good


class StoreError(Exception):
    """The store cannot do it; the text says why and what to do."""


ORDERS = {
    "newest": "exams.added DESC, exams.id DESC",
    "oldest": "exams.added, exams.id",
    "highest score": "exams.score DESC NULLS LAST, exams.id",
    "lowest score": "exams.score ASC NULLS LAST, exams.id",
    "name": "exams.name",
}


def now() -> str:
    """UTC, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


class Store:
    """The store in `folder`, with our tasks and those declared there. Safe to share between threads; several processes may open the same file, one writes at a time.

    Raises StoreError for a file that is newer than this program, damaged, read-only, or on a full disk.
    """

    def __init__(self, folder: Path):
        self.folder, self.path = Path(folder), Path(folder) / FILE
        try:
            self.tasks: tuple[Task, ...] = (*TASKS, *own_tasks(self.folder))
        except ValueError as error:
            raise StoreError(f"{error}. Correct it in {self.folder / TASKS_FILE}, or take the file away.") from None
        self._lock = threading.RLock()
        with _told(self.path):
            self.folder.mkdir(parents=True, exist_ok=True)
            self.conn = sqlite3.connect(self.path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self.conn.row_factory = sqlite3.Row
            self.conn.execute("PRAGMA foreign_keys = ON")
            self.conn.execute("PRAGMA synchronous = FULL")
            if self.conn.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise StoreError(
                    f"{self.path.name}: this disk does not allow SQLite's WAL. Choose another folder (--data DIR)."
                )
            self._migrate()

    def close(self) -> None:
        with self._lock:
            self.conn.close()

    def _migrate(self) -> None:
        db = Database(self.conn)
        migrations.ensure_migrations_table(db)
        known = {migration.name for migration in migrations.pending(db)}
        applied = [migration.name for migration in migrations.applied(db)]
        ours = {migration.name for migration in migrations._migrations}
        newer = [name for name in applied if name not in ours]
        if newer:
            raise StoreError(
                f"{self.path.name} was written by a newer program (it knows {newer[-1]}). Update this one; nothing was changed."
            )
        if applied and known:
            self.backup(f"before-{min(known)}")
        if known:
            with self.writing():
                migrations.apply(db)
                if not self._one("SELECT 1 FROM settings WHERE name = 'salt'"):
                    self.conn.execute("INSERT INTO settings VALUES ('salt', ?)", [secrets.token_hex(16)])

    def backup(self, why: str) -> Path:
        """A dated copy beside the store; whole or not there at all."""
        target = self.folder / f"{FILE}.{datetime.now(timezone.utc):%Y%m%d-%H%M%S}.{why}.backup"
        part = target.with_suffix(".part")
        part.unlink(missing_ok=True)
        with _told(self.path), sqlite3.connect(part) as copy:
            self.conn.backup(copy)
        copy.close()
        os.replace(part, target)
        return target

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it, or nothing. A second writer waits BUSY_SECONDS."""
        with self._lock, _told(self.path):
            if self.conn.in_transaction:
                yield self.conn
                return
            self.conn.execute("BEGIN IMMEDIATE")
            try:
                yield self.conn
                self.conn.execute("COMMIT")
            except BaseException:
                if self.conn.in_transaction:
                    self.conn.execute("ROLLBACK")
                raise

    def _all(self, sql: str, values: Sequence = ()) -> list[sqlite3.Row]:
        with self._lock, _told(self.path):
            return self.conn.execute(sql, values).fetchall()

    def _one(self, sql: str, values: Sequence = ()) -> sqlite3.Row | None:
        with self._lock, _told(self.path):
            return self.conn.execute(sql, values).fetchone()

    def _note(self, who: str, what: str, about: str, before=None, after=None) -> None:
        values = [None if value is None else json.dumps(value, ensure_ascii=False) for value in (before, after)]
        self.conn.execute(
            "INSERT INTO history (at, who, what, about, before, after) VALUES (?, ?, ?, ?, ?, ?)",
            [now(), who, what, about, *values],
        )

    def history(self, about: str) -> list[dict]:
        """Who changed what of one thing (`exam 3`, `reading 7`, ...), oldest first."""
        return [dict(row) for row in self._all("SELECT * FROM history WHERE about = ? ORDER BY id", [about])]

    # ---------------------------------------------------------------- settings

    def setting(self, name: str, default: str = "") -> str:
        row = self._one("SELECT value FROM settings WHERE name = ?", [name])
        return row["value"] if row else default

    def set(self, name: str, value: str, who: str) -> None:
        with self.writing():
            self._note(who, "setting", name, self.setting(name), value)
            self.conn.execute(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [name, value],
            )

    def hashed(self, identifier: str) -> str:
        """A file's own ID as it is kept: salted and hashed, unless the setting `plain ids` says `yes`."""
        if self.setting("plain ids") == "yes":
            return identifier
        return hashlib.sha256(f"{self.setting('salt')}/{identifier}".encode()).hexdigest()[:32]

    # ---------------------------------------------------------------- exams

    def keep_exam(
        self,
        exam: Exam,
        paths: Mapping[ViewName, Path],
        who: str,
        *,
        patient_id: str = "",
        study_id: str = "",
        name: str = "",
        part: str | None = None,
    ) -> int:
        """An exam and where its images lie -> its number; the number it has already, where it was kept before.

        patient_id, study_id: the files' own, kept as hashes. name: what the worklist calls it (default: a pseudonym).
        part: train or test, where a table says so; else the patient's block decides, once and for good.
        """
        views = [
            KeptView(n, str(Path(paths[n]).resolve()), checksum(paths[n]), v.rows, v.columns)
            for n, v in exam.views.items()
        ]
        if not views:
            raise StoreError("no standard view: an exam without one cannot be kept")
        study = self.hashed("study " + (study_id or "/".join(sorted(view.sha256 for view in views))))
        said = next(iter(exam.views.values())).acquisition
        with self.writing() as conn:
            found = conn.execute("SELECT id FROM exams WHERE uid_hash = ?", [study]).fetchone()
            if found:
                return found["id"]
            patient = self._patient(patient_id, part)
            number = conn.execute("SELECT coalesce(max(id), 0) + 1 FROM exams").fetchone()[0]
            name = name or f"exam-{number:05d}"
            if conn.execute("SELECT 1 FROM exams WHERE name = ?", [name]).fetchone():
                name = f"{name}-{number}"
            conn.execute(
                "INSERT INTO exams (id, patient, name, uid_hash, exam_date, age_years, vendor, added) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [number, patient, name, study, said.date, said.age_years, said.manufacturer, now()],
            )
            conn.executemany(
                "INSERT INTO views (exam, view, path, sha256, rows, columns) VALUES (?, ?, ?, ?, ?, ?)",
                [(number, str(view.name), *view[1:]) for view in views],
            )
            self._note(who, "kept", f"exam {number}", after={"name": name, "views": [str(view.name) for view in views]})
            self._words(number)
            return number

    def _patient(self, patient_id: str, part: str | None) -> int:
        """The patient's row, made where there is none. Of each ten new ones three are for testing, drawn at random."""
        hashed = self.hashed("patient " + patient_id) if patient_id else None
        row = self.conn.execute("SELECT id FROM patients WHERE id_hash = ?", [hashed]).fetchone() if hashed else None
        if row:
            return row["id"]
        number = self.conn.execute("SELECT coalesce(max(id), 0) + 1 FROM patients").fetchone()[0]
        if part is None:
            block, place = divmod(number - 1, BLOCK)
            order = sorted(
                range(BLOCK), key=lambda i: hashlib.sha256(f"{self.setting('salt')} {block} {i}".encode()).digest()
            )
            part = "test" if order.index(place) < TESTS_OF_BLOCK else "train"
        self.conn.execute("INSERT INTO patients VALUES (?, ?, ?, ?)", [number, f"patient-{number:05d}", hashed, part])
        return number

    def views(self, exam: int) -> list[KeptView]:
        rows = self._all("SELECT view, path, sha256, rows, columns FROM views WHERE exam = ? ORDER BY id", [exam])
        return [KeptView(ViewName.parse(row["view"]), *tuple(row)[1:]) for row in rows]

    def exam(self, number: int) -> KeptExam:
        """Raises StoreError for a number that is none."""
        rows = self._all(_LIST + " WHERE exams.id = ?", [number])
        if not rows:
            raise StoreError(f"exam {number}: not in this store. Load the worklist again.")
        return _kept(rows[0])

    def earlier_exam(self, number: int) -> int | None:
        """The patient's newest kept exam that is dated before this one; None where there is none, or dates do not tell."""
        row = self._one(
            "SELECT other.id FROM exams JOIN exams other ON other.patient = exams.patient AND other.exam_date < exams.exam_date "
            "WHERE exams.id = ? ORDER BY other.exam_date DESC LIMIT 1", [number],
        )  # fmt: skip
        return row["id"] if row else None

    def exam_named(self, name: str) -> KeptExam | None:
        rows = self._all(_LIST + " WHERE exams.name = ?", [name])
        return _kept(rows[0]) if rows else None

    def exam_by_id(self, identifier: str) -> KeptExam | None:
        """The exam with this study ID, or the only one of the patient with this ID, as they stood in the files."""
        hashed = [self.hashed(f"{what} {identifier}") for what in ("study", "patient")]
        rows = self._all(_LIST + " WHERE exams.uid_hash = ? OR patients.id_hash = ?", hashed)
        return _kept(rows[0]) if len(rows) == 1 else None

    def worklist(self, wanted: Filter = Filter(), offset: int = 0, limit: int = 50) -> tuple[list[KeptExam], int]:
        """One page, and how many exams the filter finds."""
        where, values = _where(wanted)
        count = self._one(f"SELECT count(*) FROM exams{where}", values)[0]
        order = ORDERS.get(wanted.order, ORDERS["newest"])
        page = f"SELECT exams.id FROM exams{where} ORDER BY {order} LIMIT ? OFFSET ?"
        rows = self._all(f"{_LIST} WHERE exams.id IN ({page}) ORDER BY {order}", [*values, limit, offset])
        return [_kept(row) for row in rows], count

    def exam_numbers(self, wanted: Filter = Filter()) -> list[int]:
        where, values = _where(wanted)
        return [row[0] for row in self._all(f"SELECT exams.id FROM exams{where} ORDER BY exams.id", values)]

    def signed_exams(self) -> set[int]:
        return {row[0] for row in self._all("SELECT id FROM exams WHERE state = 'signed'")}

    def exam_count(self) -> int:
        return self._one("SELECT count(*) FROM exams")[0]

    def exams_in_part(self, part: str) -> set[int]:
        """The exams whose patients are for training, or for testing."""
        return {
            row[0]
            for row in self._all(
                "SELECT exams.id FROM exams JOIN patients ON patients.id = patient WHERE part = ?", [part]
            )
        }

    def paired_answers(self, a: str, b: str) -> list[tuple[str, str, str]]:
        """(field, a's answer, b's) wherever both signed a first reading of an exam, neither having seen the model's answers, and
        answered the same question of the same side."""
        rows = self._all(
            "SELECT x.field, x.value, y.value FROM readings p JOIN readings q ON q.exam = p.exam AND q.reader = ? AND q.round = ? AND q.signed IS NOT NULL AND NOT q.informed "
            "JOIN reading_fields x ON x.reading = p.id JOIN reading_fields y ON y.reading = q.id AND y.side = x.side AND y.field = x.field "
            "WHERE p.reader = ? AND p.round = ? AND p.signed IS NOT NULL AND NOT p.informed", [b, Round.FIRST.value, a, Round.FIRST.value],
        )  # fmt: skip
        return [tuple(row) for row in rows]

    def readers(self) -> list[str]:
        return [row[0] for row in self._all("SELECT DISTINCT reader FROM readings ORDER BY reader")]

    def _words(self, exam: int) -> None:
        """What the worklist finds and filters by, brought up to date in the transaction of the change."""
        readings = self._all("SELECT id, reader, round, signed FROM readings WHERE exam = ? ORDER BY started", [exam])
        fields = {row["id"]: dict(self._fields(row["id"])) for row in readings}
        first = [fields[row["id"]] for row in readings if row["signed"] and row["round"] != Round.AFTER]
        counted = [fields[row["id"]] for row in readings if row["signed"]] or list(fields.values())
        density = next((said[None, "density"] for said in reversed(counted) if (None, "density") in said), None)
        note = " ".join(said[None, "note"] for said in fields.values() if (None, "note") in said)
        apart = any(a.get(key, b[key]) != b[key] for a in first for b in first for key in b if key[1] != "note")
        state = "signed" if any(row["signed"] for row in readings) else "draft" if readings else "new"
        readers = " ".join(dict.fromkeys(row["reader"] for row in readings))
        self.conn.execute(
            "UPDATE exams SET state = ?, readers = ?, density = ?, disagreement = ? WHERE id = ?",
            [state, readers, density, int(apart), exam],
        )
        self.conn.execute("DELETE FROM exam_words WHERE rowid = ?", [exam])
        self.conn.execute(
            "INSERT INTO exam_words (rowid, name, pseudonym, readers, note, vendor) SELECT exams.id, name, pseudonym, readers, ?, vendor "
            "FROM exams JOIN patients ON patients.id = patient WHERE exams.id = ?",
            [note, exam],
        )

    # ---------------------------------------------------------------- readings

    def start_reading(self, exam: int, reader: str, round: Round = Round.FIRST) -> KeptReading:
        """The reader's reading of that round, made where there is none. Raises StoreError for a reader without a name."""
        reader = clean_reader(reader)
        with self.writing() as conn:
            row = conn.execute(
                "SELECT id FROM readings WHERE (exam, reader, round) = (?, ?, ?)", [exam, reader, round.value]
            ).fetchone()
            if row is None:
                self.exam(exam)
                number = conn.execute(
                    "INSERT INTO readings (exam, reader, round, form_version, birads_edition, started) VALUES (?, ?, ?, ?, ?, ?)",
                    [exam, reader, round.value, FORM_VERSION, BIRADS_EDITION, now()],
                ).lastrowid
                self._note(reader, "started", f"reading {number}", after={"exam": exam, "round": round.value})
                self._words(exam)
            else:
                number = row["id"]
            return self.reading(number)

    def reading(self, number: int) -> KeptReading:
        row = self._one("SELECT * FROM readings WHERE id = ?", [number])
        if row is None:
            raise StoreError(f"reading {number}: not in this store. Open the exam again.")
        return KeptReading(
            row["id"],
            row["exam"],
            row["reader"],
            Round(row["round"]),
            row["form_version"],
            row["birads_edition"],
            row["started"],
            row["seconds"],
            row["signed"],
            Reading(dict(self._fields(number)), self._findings(number)),
            bool(row["informed"]),
        )

    def readings(self, exam: int) -> list[KeptReading]:
        """All of an exam, oldest first."""
        return [
            self.reading(row[0])
            for row in self._all("SELECT id FROM readings WHERE exam = ? ORDER BY started, id", [exam])
        ]

    def _fields(self, number: int) -> Iterator[tuple[tuple[Laterality | None, str], str]]:
        for row in self._all(
            "SELECT side, field, value FROM reading_fields WHERE reading = ? ORDER BY side, field", [number]
        ):
            yield (Laterality(row["side"]) if row["side"] else None, row["field"]), row["value"]

    def _findings(self, number: int) -> dict[int, SeenFinding]:
        found = {}
        for row in self._all("SELECT * FROM findings WHERE reading = ? ORDER BY number", [number]):
            boxes = self._all("SELECT view, kind, points FROM boxes WHERE finding = ? ORDER BY id", [row["id"]])
            marks = [dict(box) | {"points": json.loads(box["points"]), "label": row["label"]} for box in boxes]
            what = json.loads(row["what"]) if row["what"] else None
            found[row["number"]] = SeenFinding.of(
                {"laterality": row["side"], "label": row["label"], "what": what, "marks": marks}
            )
        return found

    def save(self, number: int, base: Reading, mine: Reading, seconds: float = 0.0) -> Reading:
        """Keeps what `mine` changed since `base` (what the reader had on screen); -> the reading as it is kept now.

        Changes made elsewhere to other things stay. Raises reading.Conflict where the same thing was changed elsewhere,
        ValueError for a value the form does not know, StoreError for a signed reading.
        """
        mine.check(self.tasks)
        if not math.isfinite(seconds) or seconds < 0:
            raise ValueError(f"seconds={seconds}: expected a time")
        with self.writing() as conn:
            kept = self.reading(number)
            result = merged(base, mine, kept.reading)
            if result == kept.reading:
                return result
            if kept.signed:
                raise StoreError(
                    "This reading is signed and stays as it is. Start a second reading to say something else."
                )
            self._write(number, kept.reading, result)
            conn.execute("UPDATE readings SET seconds = seconds + ? WHERE id = ?", [seconds, number])
            self._note(kept.reader, "saved", f"reading {number}", kept.reading.plain(), result.plain())
            self._words(kept.exam)
            return self.reading(number).reading

    def _write(self, number: int, before: Reading, after: Reading) -> None:
        views = {str(view.name): view for view in self.views(self.reading(number).exam)}
        self.conn.execute("DELETE FROM reading_fields WHERE reading = ?", [number])
        rows = [
            (number, side.value if side else "", name, value)
            for (side, name), value in after.fields.items()
            if value != ""
        ]
        self.conn.executemany("INSERT INTO reading_fields VALUES (?, ?, ?, ?)", rows)
        for key in {*before.findings, *after.findings}:
            if before.findings.get(key) == after.findings.get(key):
                continue
            self.conn.execute("DELETE FROM findings WHERE (reading, number) = (?, ?)", [number, key])
            if key not in after.findings:
                continue
            finding = after.findings[key]
            what = finding.plain()["what"]
            row = self.conn.execute(
                "INSERT INTO findings (reading, number, side, label, what) VALUES (?, ?, ?, ?, ?)",
                [number, key, finding.laterality.value, finding.label, json.dumps(what) if what else None],
            ).lastrowid
            for mark in finding.marks:
                _check_mark(mark, views)
                points = json.dumps([list(point) for point in mark.points], allow_nan=False)
                self.conn.execute(
                    "INSERT INTO boxes (finding, view, kind, points) VALUES (?, ?, ?, ?)",
                    [row, str(mark.view), mark.kind, points],
                )

    def stamp(self, number: int, stamp: Stamp) -> None:
        """A reading that came from another store keeps the stamp it has there."""
        with self.writing() as conn:
            columns = ", ".join(f"{name} = ?" for name in Stamp._fields)
            conn.execute(f"UPDATE readings SET {columns} WHERE id = ?", [*stamp, number])
            self._words(self.reading(number).exam)

    def inform(self, number: int) -> KeptReading:
        """The reader has the model's answers on show: kept with a reading that is not signed yet, and never taken back."""
        with self.writing() as conn:
            kept = self.reading(number)
            if kept.signed or kept.informed:
                return kept
            conn.execute("UPDATE readings SET informed = 1 WHERE id = ?", [number])
            self._note(kept.reader, "saw the model's answers", f"reading {number}")
            return self.reading(number)

    def sign(self, number: int) -> KeptReading:
        """Stamps a reading; from now on it cannot change. Raises StoreError where it says nothing, or contradicts itself."""
        with self.writing() as conn:
            kept = self.reading(number)
            if kept.signed:
                return kept
            if not kept.reading.fields and not kept.reading.findings:
                raise StoreError("This reading is empty. Answer at least one question before you sign.")
            wrong = kept.reading.contradictions()
            if wrong:
                raise StoreError("Not signed: " + "; ".join(wrong) + ".")
            conn.execute("UPDATE readings SET signed = ? WHERE id = ?", [now(), number])
            self._note(kept.reader, "signed", f"reading {number}")
            self._words(kept.exam)
            return self.reading(number)

    # ---------------------------------------------------------------- predictions, embeddings, prompts

    def keep_predictions(
        self, exam: int, model: str, rows: Iterable[tuple[str, str, str, str, float]], score: float | None
    ) -> None:
        """rows: (task, side R, L or "", class, by, probability). score: what the worklist sorts by."""
        rows = list(rows)
        if any(not math.isfinite(row[-1]) for row in rows):
            raise ValueError("a probability that is not a number")
        with self.writing() as conn:
            conn.executemany(
                "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET probability = excluded.probability, at = excluded.at",
                [(exam, model, *row, now()) for row in rows],
            )
            conn.execute("UPDATE exams SET score = ? WHERE id = ?", [score, exam])

    def score(self, scores: Iterable[tuple[int, float]]) -> None:
        """(exam, score) of many exams: what the worklist sorts by."""
        with self.writing() as conn:
            conn.executemany("UPDATE exams SET score = ? WHERE id = ?", [(score, exam) for exam, score in scores])

    def predictions(self, exam: int) -> list[dict]:
        return [dict(row) for row in self._all("SELECT * FROM predictions WHERE exam = ?", [exam])]

    def keep_embeddings(
        self, exam: int, weights: str, source: str, vectors: Mapping[Laterality | None, Sequence[float]]
    ) -> None:
        """weights: their checksum. source: weights, preprocessing and files, in one checksum: other pixels are other vectors."""
        with self.writing() as conn:
            conn.execute(
                "DELETE FROM embeddings WHERE (exam, weights) = (?, ?) AND source <> ?", [exam, weights, source]
            )
            for side, vector in vectors.items():
                data = array.array("f", vector)
                if any(not math.isfinite(value) for value in data):
                    raise ValueError("an embedding that is not finite")
                conn.execute(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?, ?)",
                    [exam, source, side.value if side else "", data.tobytes(), weights],
                )

    def embeddings(self, sources: Mapping[int, str]) -> dict[int, dict[Laterality | None, array.array]]:
        """exam -> its source's checksum, as now computed -> the vectors that are kept for exactly it."""
        found: dict[int, dict[Laterality | None, array.array]] = {}
        for row in self._all("SELECT exam, source, side, vector FROM embeddings"):
            if sources.get(row["exam"]) == row["source"]:
                vector = array.array("f", row["vector"])
                found.setdefault(row["exam"], {})[Laterality(row["side"]) if row["side"] else None] = vector
        return found

    def vectors(self, weights: str, side: Laterality | None) -> tuple[list[int], bytes]:
        """-> the exams, in order, that are encoded with these weights, and their float32 vectors one after the other."""
        rows = self._all(
            "SELECT exam, vector FROM embeddings WHERE weights = ? AND side = ? ORDER BY exam",
            [weights, side.value if side else ""],
        )
        return [row["exam"] for row in rows], b"".join(row["vector"] for row in rows)

    def vectors_count(self, weights: str) -> tuple[int, int]:
        """Two numbers that change whenever these weights' vectors do."""
        return tuple(self._one("SELECT count(*), coalesce(max(rowid), 0) FROM embeddings WHERE weights = ?", [weights]))

    def keep_prompts(self, name: str, prompts: Sequence[str], who: str) -> None:
        with self.writing() as conn:
            conn.execute(
                "INSERT INTO prompt_sets VALUES (?, ?) ON CONFLICT DO UPDATE SET prompts = excluded.prompts",
                [name, json.dumps(list(prompts))],
            )
            self._note(who, "prompts", name, after=list(prompts))

    def prompt_sets(self) -> dict[str, list[str]]:
        return {row["name"]: json.loads(row["prompts"]) for row in self._all("SELECT * FROM prompt_sets ORDER BY name")}

    # ---------------------------------------------------------------- heads

    def keep_head(self, task: str, name: str, weights: str, record: dict, tensors: bytes, who: str) -> int:
        with self.writing() as conn:
            if conn.execute("SELECT 1 FROM heads WHERE name = ?", [name]).fetchone():
                raise StoreError(f"a head called {name!r} is there already. Choose another name.")
            number = conn.execute(
                "INSERT INTO heads (task, name, weights, created, record, tensors) VALUES (?, ?, ?, ?, ?, ?)",
                [task, name, weights, now(), json.dumps(record, allow_nan=False), tensors],
            ).lastrowid
            self._note(who, "head", f"head {number}", after={"task": task, "name": name})
            return number

    def heads(self, weights: str | None = None, active: bool = False) -> list[KeptHead]:
        """Newest first; of one set of weights, or all; only the active ones where asked."""
        rows = self._all("SELECT * FROM heads ORDER BY id DESC")
        return [
            KeptHead(r["id"], r["task"], r["name"], r["weights"], r["created"], bool(r["active"]), json.loads(r["record"]), r["tensors"])
            for r in rows if (weights is None or r["weights"] == weights) and (r["active"] or not active)
        ]  # fmt: skip

    def activate(self, number: int | None, task: str, weights: str, who: str) -> None:
        """Makes a head the one that answers its task; None goes back to the weights' own."""
        with self.writing() as conn:
            before = [
                row["id"]
                for row in conn.execute(
                    "SELECT id FROM heads WHERE (task, weights, active) = (?, ?, 1)", [task, weights]
                )
            ]
            conn.execute("UPDATE heads SET active = 0 WHERE (task, weights) = (?, ?)", [task, weights])
            if number is not None:
                changed = conn.execute(
                    "UPDATE heads SET active = 1 WHERE (id, task, weights) = (?, ?, ?)", [number, task, weights]
                ).rowcount
                if not changed:
                    raise StoreError(f"head {number}: not a head for {task} of the weights that are loaded")
            self._note(who, "activated", f"task {task}", before, number)

    def delete_head(self, number: int, who: str) -> None:
        with self.writing() as conn:
            row = conn.execute("SELECT active, name FROM heads WHERE id = ?", [number]).fetchone()
            if row is None:
                raise StoreError(f"head {number}: not in this store")
            if row["active"]:
                raise StoreError(f"{row['name']} answers now. Roll back to another head before you delete it.")
            conn.execute("DELETE FROM heads WHERE id = ?", [number])
            self._note(who, "deleted", f"head {number}", row["name"])

    # ---------------------------------------------------------------- jobs

    def add_job(self, kind: str, settings: dict, who: str) -> int:
        with self.writing() as conn:
            number = conn.execute(
                "INSERT INTO jobs (kind, settings, created) VALUES (?, ?, ?)", [kind, json.dumps(settings), now()]
            ).lastrowid
            self._note(who, "job", f"job {number}", after={"kind": kind})
            return number

    def job(self, number: int) -> Job:
        row = self._one("SELECT * FROM jobs WHERE id = ?", [number])
        if row is None:
            raise StoreError(f"job {number}: not in this store")
        return _job(row)

    def jobs(self, limit: int = 20) -> list[Job]:
        return [_job(row) for row in self._all("SELECT * FROM jobs ORDER BY id DESC LIMIT ?", [limit])]

    def take_job(self, worker: str) -> Job | None:
        """The oldest job that waits, now this worker's; None where none waits or one is running."""
        with self.writing() as conn:
            if conn.execute("SELECT 1 FROM jobs WHERE state = 'running'").fetchone():
                return None
            row = conn.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY id LIMIT 1").fetchone()
            if row is None:
                return None
            conn.execute("UPDATE jobs SET state = 'running', worker = ? WHERE id = ?", [worker, row["id"]])
            return self.job(row["id"])

    def put_back(self, alive: Iterable[str] = ()) -> None:
        """Jobs whose worker is gone wait again: the start of a worker calls it."""
        with self.writing() as conn:
            for row in conn.execute("SELECT id, worker FROM jobs WHERE state = 'running'").fetchall():
                if row["worker"] not in alive:
                    conn.execute(
                        "UPDATE jobs SET state = 'queued', log = log || ? WHERE id = ?",
                        ["interrupted; starts again\n", row["id"]],
                    )

    def tell(self, number: int, progress: float, said: str) -> bool:
        """A running job says where it is; -> whether somebody asked it to stop."""
        with self.writing() as conn:
            conn.execute(
                "UPDATE jobs SET progress = ?, said = ?, log = log || ? WHERE id = ?",
                [progress, said, f"{now()} {said}\n", number],
            )
            return bool(conn.execute("SELECT cancel FROM jobs WHERE id = ?", [number]).fetchone()[0])

    def show(self, number: int, result: dict) -> None:
        """What a running job has so far, for the page."""
        with self.writing() as conn:
            conn.execute("UPDATE jobs SET result = ? WHERE id = ?", [json.dumps(result), number])

    def end_job(self, number: int, state: str, said: str, result: dict | None = None) -> None:
        with self.writing() as conn:
            values = [
                state,
                said,
                f"{now()} {said}\n",
                json.dumps(result, allow_nan=False) if result is not None else None,
                now(),
                number,
            ]
            conn.execute(
                "UPDATE jobs SET state = ?, said = ?, log = log || ?, result = coalesce(?, result), ended = ?, progress = 1 WHERE id = ?",
                values,
            )

    def cancel_job(self, number: int, who: str) -> None:
        """A waiting job ends at once, a running one at its next step, keeping the best so far."""
        with self.writing() as conn:
            conn.execute("UPDATE jobs SET cancel = 1 WHERE id = ?", [number])
            conn.execute(
                "UPDATE jobs SET state = 'cancelled', ended = ? WHERE id = ? AND state = 'queued'", [now(), number]
            )
            self._note(who, "cancelled", f"job {number}")


_LIST = (
    "SELECT exams.id, exams.name, pseudonym, part, exam_date, age_years, vendor, added, state, readers, density, disagreement, score "
    "FROM exams JOIN patients ON patients.id = exams.patient"
)


def _kept(row: sqlite3.Row) -> KeptExam:
    values = tuple(row)
    return KeptExam(*values[:11], bool(values[11]), values[12])


def _job(row: sqlite3.Row) -> Job:
    result = json.loads(row["result"]) if row["result"] else None
    return Job(
        row["id"], row["kind"], json.loads(row["settings"]), row["state"], bool(row["cancel"]), row["progress"], row["said"], row["log"],
        result, row["created"], row["ended"],
    )  # fmt: skip


def _where(wanted: Filter) -> tuple[str, list]:
    parts, values = [], []
    words = [
        word for word in wanted.words.replace('"', " ").split() if re.search(r"\w", word)
    ]  # each a phrase: p-01 is not p and 01
    if words:
        parts.append("exams.id IN (SELECT rowid FROM exam_words WHERE exam_words MATCH ?)")
        values.append(" ".join(f'"{word}"*' for word in words))
    for column, value in (("state", wanted.state), ("density", wanted.density)):
        if value:
            parts.append(f"exams.{column} = ?")
            values.append(value)
    for condition, value in (
        ("exams.exam_date >= ?", wanted.since),
        ("exams.exam_date <= ?", wanted.until),
        ("exams.score >= ?", wanted.score),
    ):
        if value is not None:
            parts.append(condition)
            values.append(value)
    if wanted.reader:
        parts.append("exams.id IN (SELECT exam FROM readings WHERE reader = ?)")
        values.append(wanted.reader)
    if wanted.disagreement:
        parts.append("exams.disagreement = 1")
    return (" WHERE " + " AND ".join(parts) if parts else ""), values


def _check_mark(mark: Mark, views: Mapping[str, KeptView]) -> None:
    Mark.of(mark.plain())
    if str(mark.view) not in views:
        raise ValueError(f"a mark on {mark.view}, which this exam does not have")
    view = views[str(mark.view)]
    if any(not (-0.5 <= x <= view.columns - 0.5 and -0.5 <= y <= view.rows - 0.5) for x, y in mark.points):
        raise ValueError(f"a mark outside the picture of {mark.view}")


def clean_reader(reader: str) -> str:
    """The reader's name as it is kept. Raises StoreError for an empty or endless one."""
    reader = " ".join((reader or "").split())
    if not 0 < len(reader) <= 60:
        raise StoreError("Who reads? Type your name or initials first (at most 60 letters).")
    return reader


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """SQLite's and the disk's errors as sentences that say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_sentence(path.name, str(error))) from error
    except OSError as error:
        raise StoreError(f"{path.name}: {error.strerror}. Choose another folder (--data DIR).") from error


def _sentence(name: str, error: str) -> str:
    known = {
        "locked": f"{name}: another program is writing to it and did not finish. Close it, then try again; nothing was changed.",
        "full": f"{name}: the disk is full. Make room, then save again; what was saved before is safe.",
        "readonly": f"{name}: the file or its folder is read-only. Allow writing, or choose another folder (--data DIR).",
        "unable to open": f"{name}: cannot be opened. Check that the folder exists and may be written, or choose another (--data DIR).",
        "malformed": f"{name} is damaged. Stop the app, keep the file, and put the newest .backup in its place.",
        "not a database": f"{name} is not a store, or is damaged. Stop the app, keep the file, and put the newest .backup in its place.",
        "append-only": "history is append-only",
    }
    return next((said for word, said in known.items() if word in error), f"{name}: {error}")
