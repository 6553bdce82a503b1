"""Queued, running and finished jobs. They outlive the page and the worker that runs them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable

from .database import StoreError, StoreFile, now
from .records import Job


class Jobs:
    """The jobs of a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, kind: str, settings: dict, who: str) -> int:
        """Queue a job and return its number. settings: JSON values."""
        with self._file.transaction() as conn:
            values = [kind, json.dumps(settings), now()]
            number = conn.execute("INSERT INTO jobs (kind, settings, created) VALUES (?, ?, ?)", values).lastrowid
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

    def take(self, worker: str) -> Job | None:
        """Start the oldest queued job for a worker; None where none is queued or one is running."""
        with self._file.transaction() as conn:
            if conn.execute("SELECT 1 FROM jobs WHERE state = 'running'").fetchone():
                return None
            row = conn.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY id LIMIT 1").fetchone()
            if row is None:
                return None
            conn.execute("UPDATE jobs SET state = 'running', worker = ? WHERE id = ?", [worker, row["id"]])
            return self.get(row["id"])

    def requeue_orphans(self, alive: Iterable[str] = ()) -> None:
        """Queue again the running jobs whose worker is not `alive`. Called when a worker starts."""
        with self._file.transaction() as conn:
            for row in conn.execute("SELECT id, worker FROM jobs WHERE state = 'running'").fetchall():
                if row["worker"] not in alive:
                    update = "UPDATE jobs SET state = 'queued', log = log || ? WHERE id = ?"
                    conn.execute(update, ["interrupted; starts again\n", row["id"]])

    def update_progress(self, number: int, progress: float, message: str) -> bool:
        """Update a running job's progress (0..1); return True if cancellation was requested."""
        with self._file.transaction() as conn:
            update = "UPDATE jobs SET progress = ?, message = ?, log = log || ? WHERE id = ?"
            conn.execute(update, [progress, message, f"{now()} {message}\n", number])
            return bool(conn.execute("SELECT cancel FROM jobs WHERE id = ?", [number]).fetchone()[0])

    def set_partial_result(self, number: int, result: dict) -> None:
        """Store what a running job has so far, for the page. result: JSON values."""
        with self._file.transaction() as conn:
            conn.execute("UPDATE jobs SET result = ? WHERE id = ?", [json.dumps(result), number])

    def finish(self, number: int, state: str, message: str, result: dict | None = None) -> None:
        """End a job as done, failed or cancelled. result: JSON values; None keeps the partial result."""
        with self._file.transaction() as conn:
            encoded = json.dumps(result, allow_nan=False) if result is not None else None
            conn.execute(
                "UPDATE jobs SET state = ?, message = ?, log = log || ?, result = coalesce(?, result), ended = ?, "
                "progress = 1 WHERE id = ?",
                [state, message, f"{now()} {message}\n", encoded, now(), number],
            )

    def cancel(self, number: int, who: str) -> None:
        """Cancel a job: a queued one ends at once, a running one at its next step, with its best result so far."""
        with self._file.transaction() as conn:
            conn.execute("UPDATE jobs SET cancel = 1 WHERE id = ?", [number])
            update = "UPDATE jobs SET state = 'cancelled', ended = ? WHERE id = ? AND state = 'queued'"
            conn.execute(update, [now(), number])
            self._file.record(who, "cancelled", f"job {number}")


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
    )
