"""A connection to the database file that keeps what it acknowledges and refuses values that SQLite would change."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .errors import StoreError

LARGEST_INTEGER = 2**63 - 1
SYNCHRONOUS = "FULL"  # a commit waits until it is on the disk


class CheckedConnection(sqlite3.Connection):
    """A connection whose statements raise ValueError for a value that does not come back as it was given.

    Such values: a number that is not finite, which SQLite stores as NULL; a whole number of more than 64 bits; a text
    that is not Unicode.
    """

    def execute(self, sql: str, values: Any = (), /) -> sqlite3.Cursor:
        """Run one statement, as `sqlite3.Connection.execute`."""
        return super().execute(sql, _checked(values))

    def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        """Run one statement for each row of values, as `sqlite3.Connection.executemany`."""
        return super().executemany(sql, map(_checked, rows))


def connect(path: Path, busy_seconds: float) -> CheckedConnection:
    """Open the file, or create it. A commit is on the disk when it returns (WAL, synchronous=FULL).

    Foreign keys are enforced, and deleted content is overwritten with zeros. A second writer waits `busy_seconds`.
    Raises StoreError on a disk that does not allow WAL.
    """
    conn = sqlite3.connect(path, busy_seconds, isolation_level=None, check_same_thread=False, factory=CheckedConnection)
    try:
        conn.row_factory = sqlite3.Row
        for pragma in ("foreign_keys = ON", f"synchronous = {SYNCHRONOUS}", "secure_delete = ON"):
            conn.execute(f"PRAGMA {pragma}")
        if conn.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
            raise StoreError(f"{path.name}: this disk does not allow SQLite's WAL. Choose another folder (--data DIR).")
    except BaseException:
        conn.close()
        raise
    return conn


def _checked(values: Any) -> Any:
    for value in values.values() if isinstance(values, Mapping) else values:
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{value} is not a number that can be stored; nothing was changed")
        if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            raise ValueError("a number has more digits than can be stored; nothing was changed")
        if isinstance(value, str) and not value.isascii():
            _check_unicode(value)
    return values


def _check_unicode(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a text holds letters that are not Unicode; nothing was changed") from None
