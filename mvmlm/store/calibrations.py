"""Stored recalibrations of a model's scores to the site; for each task and set of weights at most one is active."""

from __future__ import annotations

import json
import sqlite3

from .database import StoreError, StoreFile, now
from .records import StoredCalibration


class Calibrations:
    """The calibrations of a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, task: str, weights: str, head: str, record: dict, who: str) -> int:
        """Store a calibration, not active, and return its number.

        weights: the checksum of the weights whose scores it is for. head: the name of the fine-tuned head that gave
        them; "" for what came with the weights. record: plain JSON values.
        """
        with self._file.transaction() as conn:
            number = conn.execute(
                "INSERT INTO calibrations (task, weights, head, created, record) VALUES (?, ?, ?, ?, ?)",
                [task, weights, head, now(), json.dumps(record, allow_nan=False)],
            ).lastrowid
            assert number is not None
            self._file.record(who, "calibration", f"calibration {number}", after={"task": task})
            return number

    def get(self, number: int) -> StoredCalibration:
        """Return a calibration."""
        row = self._file.one("SELECT * FROM calibrations WHERE id = ?", [number])
        if row is None:
            raise StoreError(f"calibration {number}: not in this store. `mvmlm calibrate --list` lists those that are.")
        return _stored(row)

    def all(self, weights: str | None = None, active: bool = False) -> list[StoredCalibration]:
        """Return calibrations, newest first. weights: of one set of weights. active: only those that are applied."""
        query = "SELECT * FROM calibrations WHERE weights = coalesce(?, weights) AND active >= ? ORDER BY id DESC"
        return [_stored(row) for row in self._file.all(query, [weights, int(active)])]

    def activate(self, number: int | None, task: str, weights: str, who: str) -> None:
        """Apply a calibration to the scores of its task; None applies none.

        Raises StoreError for one of another task or of other weights.
        """
        with self._file.transaction() as conn:
            query = "SELECT id FROM calibrations WHERE (task, weights, active) = (?, ?, 1)"
            before = [row["id"] for row in conn.execute(query, [task, weights])]
            conn.execute("UPDATE calibrations SET active = 0 WHERE (task, weights) = (?, ?)", [task, weights])
            if number is not None:
                update = "UPDATE calibrations SET active = 1 WHERE (id, task, weights) = (?, ?, ?)"
                if not conn.execute(update, [number, task, weights]).rowcount:
                    raise StoreError(f"calibration {number}: not for {task} of the weights that are loaded.")
            self._file.record(who, "calibrated", f"task {task}", before, number)


def _stored(row: sqlite3.Row) -> StoredCalibration:
    return StoredCalibration(
        row["id"], row["task"], row["weights"], row["head"], row["created"], bool(row["active"]),
        json.loads(row["record"]),
    )  # fmt: skip
