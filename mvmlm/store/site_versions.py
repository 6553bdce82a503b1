"""Stored versions of what a site has made of a model's scores: calibrations, operating points and watches for drift.

For each task and set of weights at most one of a kind is active. Of watches none is: the newest one counts.
"""

from __future__ import annotations

import json
import sqlite3
from enum import Enum

from .clock import now
from .database import StoreError, StoreFile
from .records import SiteVersion


class SiteKind(str, Enum):
    """What a version is, as sentences and the history call it."""

    CALIBRATION = "calibration"
    OPERATING_POINT = "operating point"
    WATCH = "watch for drift"


TABLES = {
    SiteKind.CALIBRATION: "calibrations",
    SiteKind.OPERATING_POINT: "operating_points",
    SiteKind.WATCH: "watches",
}
COMMANDS = {SiteKind.CALIBRATION: "calibrate", SiteKind.OPERATING_POINT: "threshold", SiteKind.WATCH: "watch"}


class SiteVersions:
    """The versions of one kind in a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile, kind: SiteKind):
        self._file, self._kind, self._table, self.noun = file, kind, TABLES[kind], kind.value

    def add(self, task: str, weights: str, head: str, record: dict, who: str) -> int:
        """Store a version, not active, and return its number.

        weights: the checksum of the weights whose scores it is for. head: the name of the fine-tuned head that gave
        them; "" for what came with the weights. record: plain JSON values.
        """
        with self._file.transaction() as conn:
            number = conn.execute(
                f"INSERT INTO {self._table} (task, weights, head, created, record) VALUES (?, ?, ?, ?, ?)",
                [task, weights, head, now(), json.dumps(record, allow_nan=False)],
            ).lastrowid
            assert number is not None
            self._file.record(who, self.noun, f"{self.noun} {number}", after={"task": task})
            return number

    def get(self, number: int) -> SiteVersion:
        """Return a version."""
        row = self._file.one(f"SELECT * FROM {self._table} WHERE id = ?", [number])
        if row is None:
            command = f"`mvmlm {COMMANDS[self._kind]} TASK --list`"
            raise StoreError(f"{self.noun} {number}: not in this store. {command} lists those that are.")
        return _stored(row)

    def all(self, weights: str | None = None, active: bool = False) -> list[SiteVersion]:
        """Return versions, newest first. weights: of one set of weights. active: only those that are applied."""
        query = f"SELECT * FROM {self._table} WHERE weights = coalesce(?, weights) AND active >= ? ORDER BY id DESC"
        return [_stored(row) for row in self._file.all(query, [weights, int(active)])]

    def active(self) -> list[int]:
        """Return the numbers of the versions that are applied, of all tasks and weights."""
        return [row["id"] for row in self._file.all(f"SELECT id FROM {self._table} WHERE active = 1 ORDER BY id", [])]

    def activate(self, number: int | None, task: str, weights: str, who: str) -> None:
        """Apply a version to the scores of its task; None applies none.

        Raises StoreError for one of another task or of other weights.
        """
        with self._file.transaction() as conn:
            query = f"SELECT id FROM {self._table} WHERE (task, weights, active) = (?, ?, 1)"
            before = [row["id"] for row in conn.execute(query, [task, weights])]
            conn.execute(f"UPDATE {self._table} SET active = 0 WHERE (task, weights) = (?, ?)", [task, weights])
            if number is not None:
                update = f"UPDATE {self._table} SET active = 1 WHERE (id, task, weights) = (?, ?, ?)"
                if not conn.execute(update, [number, task, weights]).rowcount:
                    raise StoreError(f"{self.noun} {number}: not for {task} of the weights that are loaded.")
            self._file.record(who, f"{self.noun} applied", f"task {task}", before, number)


def _stored(row: sqlite3.Row) -> SiteVersion:
    return SiteVersion(
        row["id"], row["task"], row["weights"], row["head"], row["created"], bool(row["active"]),
        json.loads(row["record"]),
    )  # fmt: skip
