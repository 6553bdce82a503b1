"""Queued, running and finished jobs. They outlive the page and the worker that runs them.

What a job holds (settings, message, log, result) is pseudonymous: no patient ID, no date of an exam, no name of a file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection

from .clock import now
from .database import StoreError, StoreFile
from .records import Job

MAX_OWN_JOBS, MAX_JOBS = 5, 20  # that have not ended, of one owner and in all
MAX_ATTEMPTS = 5  # after as many interruptions a job fails
LOG_CHARACTERS = 20_000  # the newest that are kept
UNFINISHED = "state IN ('queued', 'running')"


class TooManyJobs(StoreError):
    """The owner, or all owners together, have as many jobs as may wait. The message says what to do."""


class Jobs:
    """The jobs of a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, kind: str, settings: dict, who: str, owner: str = "") -> int:
        """Queue a job and return its number; the number of the owner's job that does the same, if it has not ended.

        settings: JSON values. owner: the visitor who may stop it. Raises TooManyJobs.
        """
        with self._file.transaction() as conn:
            unfinished = self.unfinished()
            own = [job for job in unfinished if job.owner == owner]
            wanted = (kind, json.loads(json.dumps(settings)))
            for job in own:
                if (job.kind, job.settings) == wanted and not job.cancel:
                    return job.id
            if len(own) >= MAX_OWN_JOBS:
                raise TooManyJobs(
                    f"You have {len(own)} jobs that have not ended, the most at one time. "
                    "Wait until one has ended, or stop them on the Fine-tune page."
                )
            if len(unfinished) >= MAX_JOBS:
                raise TooManyJobs(f"{len(unfinished)} jobs wait already, the most at one time. Try again later.")
            values = [kind, json.dumps(settings), now(), owner]
            insert = "INSERT INTO jobs (kind, settings, created, owner) VALUES (?, ?, ?, ?)"
            number = conn.execute(insert, values).lastrowid
            assert number is not None
            self._file.record(who, "job", f"job {number}", after={"kind": kind})
            return number

    def get(self, number: int) -> Job:
        """Return a job."""
        row = self._file.one("SELECT * FROM jobs WHERE id = ?", [number])
        if row is None:
            raise StoreError(f"job {number}: not in this store. Load the page again.")
        return _job(row)

    def recent(self, limit: int = 20) -> list[Job]:
        """Return the newest jobs, newest first."""
        return [_job(row) for row in self._file.all("SELECT * FROM jobs ORDER BY id DESC LIMIT ?", [limit])]

    def done_by(self, kind: str, owner: str) -> list[Job]:
        """Return the jobs of a kind and an owner that are done, newest first."""
        query = "SELECT * FROM jobs WHERE (kind, owner, state) = (?, ?, 'done') ORDER BY id DESC"
        return [_job(row) for row in self._file.all(query, [kind, owner])]

    def unfinished(self) -> list[Job]:
        """Return the jobs that are queued or running, oldest first."""
        return [_job(row) for row in self._file.all(f"SELECT * FROM jobs WHERE {UNFINISHED} ORDER BY id")]

    def take(self, worker: str) -> Job | None:
        """Start the oldest queued job for a worker; None where none is queued or one is running."""
        with self._file.transaction() as conn:
            if conn.execute("SELECT 1 FROM jobs WHERE state = 'running'").fetchone():
                return None
            row = conn.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY id LIMIT 1").fetchone()
            if row is None:
                return None
            update = "UPDATE jobs SET state = 'running', worker = ?, started = ?, attempts = attempts + 1 WHERE id = ?"
            conn.execute(update, [worker, now(), row["id"]])
            return self.get(row["id"])

    def requeue_orphans(self) -> None:
        """Queue again the jobs whose worker has died. Called by a new worker, which is the only one.

        A job that was to be stopped is cancelled instead, and one that was interrupted MAX_ATTEMPTS times fails.
        """
        with self._file.transaction() as conn:
            for row in conn.execute("SELECT id, cancel, attempts FROM jobs WHERE state = 'running'").fetchall():
                if row["cancel"]:
                    self.finish(row["id"], "cancelled", "cancelled")
                elif row["attempts"] >= MAX_ATTEMPTS:
                    message = f"the worker ended {row['attempts']} times while it ran this job"
                    self.finish(row["id"], "failed", f"{message}; the log in the data folder may say why")
                else:
                    conn.execute("UPDATE jobs SET state = 'queued' WHERE id = ?", [row["id"]])
                    self._log(row["id"], "interrupted; starts again")

    def update_progress(self, number: int, progress: float, message: str) -> bool:
        """Update a running job's progress (0..1); return True if cancellation was requested."""
        with self._file.transaction() as conn:
            conn.execute("UPDATE jobs SET progress = ?, message = ? WHERE id = ?", [progress, message, number])
            self._log(number, message)
            return bool(conn.execute("SELECT cancel FROM jobs WHERE id = ?", [number]).fetchone()[0])

    def _log(self, number: int, message: str) -> None:
        update = f"UPDATE jobs SET log = substr(log || ?, -{LOG_CHARACTERS}) WHERE id = ?"
        self._file.conn.execute(update, [f"{now()} {message}\n", number])

    def set_partial_result(self, number: int, result: dict) -> None:
        """Store what a running job has so far, for the page. result: JSON values."""
        with self._file.transaction() as conn:
            conn.execute("UPDATE jobs SET result = ? WHERE id = ?", [json.dumps(result), number])

    def finish(self, number: int, state: str, message: str, result: dict | None = None) -> None:
        """End a job as done, failed or cancelled. result: JSON values; None keeps the partial result.

        Only a job that is done shows all of its progress.
        """
        with self._file.transaction() as conn:
            encoded = json.dumps(result, allow_nan=False) if result is not None else None
            conn.execute(
                "UPDATE jobs SET state = ?1, message = ?2, result = coalesce(?3, result), ended = ?4, "
                "progress = CASE ?1 WHEN 'done' THEN 1 ELSE progress END WHERE id = ?5",
                [state, message, encoded, now(), number],
            )
            self._log(number, message)

    def cancel(self, number: int, who: str) -> None:
        """Cancel a job: a queued one ends at once, a running one at its next step, with its best result so far."""
        with self._file.transaction() as conn:
            conn.execute("UPDATE jobs SET cancel = 1 WHERE id = ?", [number])
            if conn.execute("SELECT 1 FROM jobs WHERE id = ? AND state = 'queued'", [number]).fetchone():
                self.finish(number, "cancelled", "cancelled before it began")
            self._file.record(who, "cancelled", f"job {number}")

    def cancel_own(self, owner: str, who: str, kinds: Collection[str] | None = None) -> int:
        """Cancel every job of an owner that has not ended; return how many there were. kinds: of these only."""
        with self._file.transaction():
            own = [job for job in self.unfinished() if job.owner == owner and not job.cancel]
            own = [job for job in own if kinds is None or job.kind in kinds]
            for job in own:
                self.cancel(job.id, who)
            return len(own)


def _job(row: sqlite3.Row) -> Job:
    return Job(
        id=row["id"],
        kind=row["kind"],
        settings=json.loads(row["settings"]),
        state=row["state"],
        cancel=bool(row["cancel"]),
        progress=row["progress"],
        message=row["message"],
        log=row["log"],
        result=json.loads(row["result"]) if row["result"] else None,
        created=row["created"],
        ended=row["ended"],
        owner=row["owner"],
        started=row["started"],
    )
