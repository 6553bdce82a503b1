"""Stored head versions; for each task and set of weights at most one is active."""

from __future__ import annotations

import json
import sqlite3

from .clock import now
from .database import StoreError, StoreFile
from .records import HeadSummary, StoredHead


class Heads:
    """The head versions of a store, by number. A number that is unknown raises StoreError."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, task: str, name: str, weights: str, record: dict, tensors: bytes, who: str) -> int:
        """Store a head, not active, and return its number.

        weights: the checksum of the weights it belongs to. tensors: a safetensors file. Raises StoreError for a name
        that is taken.
        """
        with self._file.transaction() as conn:
            if conn.execute("SELECT 1 FROM heads WHERE name = ?", [name]).fetchone():
                raise StoreError(f"A head called {name!r} is there already. Choose another name.")
            number = conn.execute(
                "INSERT INTO heads (task, name, weights, created, record, tensors) VALUES (?, ?, ?, ?, ?, ?)",
                [task, name, weights, now(), json.dumps(record, allow_nan=False), tensors],
            ).lastrowid
            assert number is not None
            self._file.record(who, "head", f"head {number}", after={"task": task, "name": name})
            return number

    def get(self, number: int) -> StoredHead:
        """Return a head version."""
        row = self._file.one("SELECT * FROM heads WHERE id = ?", [number])
        if row is None:
            raise StoreError(f"head {number}: not in this store. Load the page again.")
        return _stored_head(row)

    def tensors(self, number: int) -> bytes:
        """Return the safetensors file of a head version."""
        row = self._file.one("SELECT tensors FROM heads WHERE id = ?", [number])
        if row is None:
            raise StoreError(f"head {number}: not in this store. Load the page again.")
        return row["tensors"]

    def summaries(self, weights: str | None = None, active: bool = False) -> list[HeadSummary]:
        """Return heads without their records and tensors, newest first.

        weights: only those of one set of weights. active: only those that answer. For whoever asks often: the tensors
        and records of 30 heads take half a second to read.
        """
        return [_summary(row) for row in self._rows("id, task, name, weights, created, active", weights, active)]

    def all(self, weights: str | None = None, active: bool = False) -> list[StoredHead]:
        """Return the heads of `summaries` with their records and tensors."""
        return [_stored_head(row) for row in self._rows("*", weights, active)]

    def _rows(self, columns: str, weights: str | None, active: bool) -> list[sqlite3.Row]:
        query = f"SELECT {columns} FROM heads WHERE weights = coalesce(?, weights) AND active >= ? ORDER BY id DESC"
        return self._file.all(query, [weights, int(active)])

    def activate(self, number: int | None, task: str, weights: str, who: str) -> None:
        """Make a head the one that answers its task; None goes back to the bundled head.

        Raises StoreError for a head of another task or of other weights.
        """
        with self._file.transaction() as conn:
            query = "SELECT id FROM heads WHERE (task, weights, active) = (?, ?, 1)"
            before = [row["id"] for row in conn.execute(query, [task, weights])]
            conn.execute("UPDATE heads SET active = 0 WHERE (task, weights) = (?, ?)", [task, weights])
            if number is not None:
                update = "UPDATE heads SET active = 1 WHERE (id, task, weights) = (?, ?, ?)"
                if not conn.execute(update, [number, task, weights]).rowcount:
                    raise StoreError(
                        f"head {number}: not a head for {task} of the weights that are loaded. Choose one that is, or "
                        "fine-tune it again here."
                    )
            self._file.record(who, "activated", f"task {task}", before, number)

    def delete(self, number: int, who: str) -> None:
        """Delete a head. Raises StoreError for the active one."""
        with self._file.transaction() as conn:
            row = conn.execute("SELECT active, name FROM heads WHERE id = ?", [number]).fetchone()
            if row is None:
                raise StoreError(f"head {number}: not in this store. Load the page again.")
            if row["active"]:
                raise StoreError(f"{row['name']} is active. Activate another head before you delete it.")
            conn.execute("DELETE FROM heads WHERE id = ?", [number])
            self._file.record(who, "deleted", f"head {number}", row["name"])


def _summary(row: sqlite3.Row) -> HeadSummary:
    return HeadSummary(row["id"], row["task"], row["name"], row["weights"], row["created"], bool(row["active"]))


def _stored_head(row: sqlite3.Row) -> StoredHead:
    return StoredHead(**vars(_summary(row)), record=json.loads(row["record"]), tensors=row["tensors"])
