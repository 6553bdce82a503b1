"""Reading sessions: so many exams of a list, claimed one by one by a reader, and what became of each."""

from __future__ import annotations

import json
import random
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum

from ..reading.opinion import ReadingScale
from ..reading.reading import ReadKind
from .clock import ago, now
from .database import StoreError, StoreFile
from .exams import Exams
from .readers import stored_name
from .readings import Readings
from .records import Read, disagreeing_pair

SESSION_SIZE = 25
CLAIM_MINUTES = 60  # an exam that a reader opened and left is free for others after so long
LONGEST_REASON = 200  # characters


class ReadingOrder(str, Enum):
    """In which order the exams of a list are read."""

    OLDEST = "oldest first"
    RANDOM = "random"


class ExamState(str, Enum):
    """What became of an exam in a session."""

    CLAIMED = "claimed"
    READ = "read"
    SKIPPED = "skipped"  # comes back at the end of the session
    SET_ASIDE = "set aside"  # leaves the list, with a reason
    PRIORS_WANTED = "priors wanted"  # leaves the list until an earlier exam is stored


LEFT_THE_LIST = (ExamState.SET_ASIDE, ExamState.PRIORS_WANTED)


@dataclass(frozen=True)
class SessionExam:
    """An exam of a session.

    position: from 1, in the order in which the exams were claimed. at: of the last change. skips: how often it was
    skipped.
    """

    exam: int
    position: int
    state: ExamState
    reason: str
    at: str
    skips: int

    @property
    def comes_back(self) -> bool:
        """Whether it is offered once more at the end of the session."""
        return self.state is ExamState.SKIPPED and self.skips < 2


@dataclass(frozen=True)
class Session:
    """A reading session.

    title: of its list. size: how many exams it has at most. reads: how many readers read each exam. arbitration: the
    session arbitrates exams on which two reads disagree. candidates: the exams of the list, in their order. seed: of a
    random order; 0 for another. ended: UTC, ISO 8601; None while it is open.
    """

    id: int
    reader: str
    title: str
    scale: ReadingScale
    sequence: ReadingOrder
    seed: int
    size: int
    reads: int
    arbitration: bool
    candidates: tuple[int, ...]
    started: str
    ended: str | None


class Sessions:
    """The reading sessions of a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile, exams: Exams, readings: Readings):
        self._file, self._exams, self._readings = file, exams, readings

    def start(
        self, reader: str, exams: Sequence[int], title: str = "", *, scale: ReadingScale = ReadingScale.SCREENING,
        sequence: ReadingOrder = ReadingOrder.OLDEST, size: int = SESSION_SIZE, reads: int = 1,
        arbitration: bool = False, seed: int | None = None,
    ) -> Session:  # fmt: skip
        """Start a session over the exams of a list; an open one of the same reader ends.

        exams: in the order of the list, the oldest first. size: at most; a list with fewer exams to read gives a
        shorter session. seed: of a random order, drawn where none is given. Raises StoreError for a list without an
        exam that the reader can read, ValueError for a size below 1.
        """
        reader = stored_name(self._file, reader)
        if size < 1 or reads not in (1, 2):
            raise ValueError(f"size={size}, reads={reads}: expected a size of 1 or more, and 1 or 2 reads")
        self._readings.settle()
        candidates = list(exams)
        if sequence is ReadingOrder.RANDOM:
            seed = secrets.randbelow(2**31) if seed is None else seed
            random.Random(seed).shuffle(candidates)
        with self._file.transaction() as conn:
            for other in self._file.all("SELECT id FROM sessions WHERE reader = ? AND ended IS NULL", [reader]):
                self.end(other["id"])
            number = conn.execute(
                "INSERT INTO sessions (reader, title, scale, sequence, seed, size, reads, arbitration, candidates, "
                "started) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    reader, title, scale.value, sequence.value, seed or 0, size, reads, int(arbitration),
                    json.dumps(candidates), now(),
                ],
            ).lastrowid  # fmt: skip
            assert number is not None
            session = self.get(number)
            readable = sum(self._can_read(session, exam) for exam in session.candidates)
            if not readable:
                left = len(self.left_out(session.candidates))
                more = f" Set aside or waiting for priors: {left}. They can be put back." if left else ""
                raise StoreError(f"This list has no exam left for you to read.{more}")
            if readable < size:
                conn.execute("UPDATE sessions SET size = ? WHERE id = ?", [readable, number])
                session = self.get(number)
            self._file.record(reader, "started", f"session {number}", after={"exams": len(candidates), "seed": seed})
            return session

    def get(self, number: int) -> Session:
        """Return a session."""
        row = self._file.one("SELECT * FROM sessions WHERE id = ?", [number])
        if row is None:
            raise StoreError(f"session {number}: not in this store. Start another one.")
        return Session(
            id=row["id"],
            reader=row["reader"],
            title=row["title"],
            scale=ReadingScale(row["scale"]),
            sequence=ReadingOrder(row["sequence"]),
            seed=row["seed"],
            size=row["size"],
            reads=row["reads"],
            arbitration=bool(row["arbitration"]),
            candidates=tuple(json.loads(row["candidates"])),
            started=row["started"],
            ended=row["ended"],
        )

    def open_of(self, reader: str) -> Session | None:
        """Return the open session of a reader; None where there is none."""
        row = self._file.one("SELECT id FROM sessions WHERE reader = ? AND ended IS NULL", [reader])
        return self.get(row["id"]) if row else None

    def exams(self, number: int) -> list[SessionExam]:
        """Return the exams that were claimed in a session, in their order."""
        rows = self._file.all("SELECT * FROM session_exams WHERE session = ? ORDER BY position", [number])
        return [_session_exam(row) for row in rows]

    def next_exam(self, number: int) -> int | None:
        """Claim the next exam for the reader and return its number; None at the end of the session.

        The exam that is claimed already comes first; those that were skipped come back once, at the end.
        """
        self._readings.settle()
        with self._file.transaction():
            session = self.get(number)
            exam = self._next(session, self.exams(number))
            return None if exam is None else self._claim(session, exam)

    def following(self, number: int, exam: int) -> int | None:
        """Return the exam that `next_exam` would claim after `exam` was read; nothing is claimed."""
        taken = self.exams(number)
        read = [replace(item, state=ExamState.READ) if item.exam == exam else item for item in taken]
        return self._next(self.get(number), read)

    def _next(self, session: Session, taken: Sequence[SessionExam]) -> int | None:
        """The exam to claim next. taken: the exams that were claimed in the session."""
        if claimed := [item for item in taken if item.state is ExamState.CLAIMED]:
            return claimed[0].exam
        known = {item.exam for item in taken}
        if session.ended is None and len(taken) < session.size:
            for exam in session.candidates:
                if exam not in known and self._can_read(session, exam):
                    return exam
        skipped = sorted((item for item in taken if item.comes_back), key=lambda item: item.at)
        return next((item.exam for item in skipped if self._can_read(session, item.exam)), None)

    def mark(self, number: int, exam: int, state: ExamState, reason: str = "") -> None:
        """Record what became of an exam of an open session.

        Raises StoreError for an exam that is none of the session, or one that is set aside without a reason.
        """
        reason = " ".join(reason.split())[:LONGEST_REASON]
        if state is ExamState.SET_ASIDE and not reason:
            raise StoreError("Type why the exam is set aside.")
        with self._file.transaction() as conn:
            changed = conn.execute(
                "UPDATE session_exams SET state = ?, reason = ?, at = ?, skips = skips + ? "
                "WHERE session = ? AND exam = ?",
                [state.value, reason, now(), int(state is ExamState.SKIPPED), number, exam],
            ).rowcount
            if not changed:
                raise StoreError("This exam is not part of your session.")
            session = self.get(number)
            self._file.record(session.reader, state.value, f"session {number}", after={"exam": exam, "reason": reason})

    def reopen(self, exam: int, reader: str) -> None:
        """Take note that a signed read of a reader's open session is a draft again: the exam is offered again."""
        with self._file.transaction() as conn:
            conn.execute(
                "UPDATE session_exams SET state = ?, at = ? WHERE exam = ? AND state = ? AND session IN "
                "(SELECT id FROM sessions WHERE reader = ? AND ended IS NULL)",
                [ExamState.CLAIMED.value, now(), exam, ExamState.READ.value, reader],
            )

    def left_out(self, exams: Sequence[int]) -> list[SessionExam]:
        """Return those of these exams that were set aside or for which priors are wanted, in the same order."""
        rows = self._file.all(
            "SELECT * FROM session_exams WHERE state IN (?, ?) ORDER BY at", [state.value for state in LEFT_THE_LIST]
        )
        latest = {row["exam"]: row for row in rows}
        return [_session_exam(latest[exam]) for exam in exams if exam in latest]

    def put_back(self, exam: int, who: str) -> None:
        """Let an exam that was set aside, or for which priors were wanted, be read again."""
        with self._file.transaction() as conn:
            for state in LEFT_THE_LIST:
                conn.execute(
                    "UPDATE session_exams SET state = ?, at = ? WHERE exam = ? AND state = ?",
                    [ExamState.SKIPPED.value, now(), exam, state.value],
                )
            self._file.record(who, "put back", f"exam {exam}")

    def end(self, number: int) -> Session:
        """End a session: the exam that is claimed is free, and the reads that were given are final."""
        with self._file.transaction() as conn:
            session = self.get(number)
            if session.ended is None:
                conn.execute("UPDATE sessions SET ended = ? WHERE id = ?", [now(), number])
                conn.execute(
                    "UPDATE session_exams SET state = ?, at = ? WHERE session = ? AND state = ?",
                    [ExamState.SKIPPED.value, now(), number, ExamState.CLAIMED.value],
                )
                for read in self.reads(number):
                    if read.signed and not read.final:
                        self._readings.finalise(read.id)
                self._file.record(session.reader, "ended", f"session {number}")
            return self.get(number)

    def reads(self, number: int) -> list[Read]:
        """Return the reader's own reads of the exams of a session, in their order; for the page at its end."""
        session = self.get(number)
        found = []
        for item in self.exams(number):
            own = [read for read in self._readings.of_exam(item.exam) if read.reader == session.reader]
            wanted = [read for read in own if (read.kind is ReadKind.ARBITRATION) == session.arbitration]
            found += wanted[-1:]
        return found

    def _claim(self, session: Session, exam: int) -> int:
        position = 1 + self._file.number("SELECT count(*) FROM session_exams WHERE session = ?", [session.id])
        self._file.conn.execute(
            "INSERT INTO session_exams (session, exam, position, state, at) VALUES (?, ?, ?, ?, ?) "
            "ON CONFLICT (session, exam) DO UPDATE SET state = excluded.state, at = excluded.at",
            [session.id, exam, position, ExamState.CLAIMED.value, now()],
        )
        return exam

    def _can_read(self, session: Session, exam: int) -> bool:
        """Whether an exam waits for a read by the reader of a session, and nobody else has claimed it now."""
        if self._left_the_list(exam) or self._claimed_by_another(session, exam):
            return False
        reads = self._readings.of_exam(exam)
        if session.arbitration:
            return self._can_arbitrate(session.reader, reads)
        signed = [read for read in reads if read.signed and read.kind is not ReadKind.ARBITRATION]
        readers = {read.reader for read in signed}
        return session.reader not in readers and len(readers) < session.reads

    def _can_arbitrate(self, reader: str, reads: Sequence[Read]) -> bool:
        """Whether two final reads by others disagree, and nobody else arbitrates them."""
        pair = disagreeing_pair(reads)
        there = [read for read in reads if read.kind is ReadKind.ARBITRATION]
        own = any(read.reader == reader and not read.signed for read in there)
        taken = any(map(self._readings.blocks_arbitration, there)) and not own
        return pair is not None and not taken and reader not in (pair[0].reader, pair[1].reader)

    def _left_the_list(self, exam: int) -> bool:
        """Whether an exam was set aside, or waits for priors of which none was stored since."""
        query = "SELECT state, at FROM session_exams WHERE exam = ? AND state IN (?, ?)"
        rows = self._file.all(query, [exam, *(state.value for state in LEFT_THE_LIST)])
        earlier = self._exams.earlier(exam) if rows else None
        stored = self._exams.get(earlier).added if earlier is not None else ""
        return any(row["state"] == ExamState.SET_ASIDE.value or stored <= row["at"] for row in rows)

    def _claimed_by_another(self, session: Session, exam: int) -> bool:
        since = ago(timedelta(minutes=CLAIM_MINUTES))
        query = (
            "SELECT 1 FROM session_exams c JOIN sessions s ON s.id = c.session WHERE c.exam = ? AND c.state = ? "
            "AND c.at > ? AND s.reader <> ? AND s.ended IS NULL LIMIT 1"
        )
        return self._file.one(query, [exam, ExamState.CLAIMED.value, since, session.reader]) is not None


def _session_exam(row: sqlite3.Row) -> SessionExam:
    state = ExamState(row["state"])
    return SessionExam(row["exam"], row["position"], state, row["reason"], row["at"], row["skips"])
