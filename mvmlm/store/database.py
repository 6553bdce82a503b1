"""The SQLite file under the store: connection, transactions, migrations, backups, settings, history."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlite_utils import Database

from .data_folder import open_data_folder
from .schema_history import MIGRATION_NAMES, migrations

FILE = "mvmlm.sqlite"
BUSY_SECONDS = 15


class StoreError(Exception):
    """The store cannot do what was asked. The message says why and what to do."""


def now() -> str:
    """The time in UTC, ISO 8601, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class StoreFile:
    """One connection to the database file in `folder`, which is created where there is none.

    Safe to share between threads. Several processes may open the same file; one of them writes at a time. A change is
    one transaction and is on the disk when its method returns (WAL, synchronous=FULL).

    Raises StoreError for a file that was written by a newer program, is damaged or read-only, or on a full disk.
    """

    def __init__(self, folder: Path):
        self.folder, self.path = Path(folder), Path(folder) / FILE
        self._lock = threading.RLock()
        with _sqlite_errors(self.path):
            open_data_folder(self.folder)
            if not self.path.exists():
                self.path.touch(mode=0o600)
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
        """Close the connection."""
        with self._lock:
            self.conn.close()

    def _migrate(self) -> None:
        db = Database(self.conn)
        applied = [migration.name for migration in migrations.applied(db)]
        newer = [name for name in applied if name not in MIGRATION_NAMES]
        if newer:
            raise StoreError(
                f"{self.path.name} was written by a newer program (it knows {newer[-1]}). "
                "Update this program; nothing was changed."
            )
        pending = [name for name in MIGRATION_NAMES if name not in applied]
        if applied and pending:
            self.backup(f"before-{pending[0]}")
        if pending:
            with self.transaction():
                migrations.apply(db)
                if not self.one("SELECT 1 FROM settings WHERE name = 'salt'"):
                    self.conn.execute("INSERT INTO settings VALUES ('salt', ?)", [secrets.token_hex(16)])

    def backup(self, reason: str) -> Path:
        """Write a dated copy beside the database, whole or not at all, and return its path."""
        target = self.folder / f"{FILE}.{datetime.now(UTC):%Y%m%d-%H%M%S}.{reason}.backup"
        unfinished = target.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        unfinished.touch(mode=0o600)
        with _sqlite_errors(self.path), sqlite3.connect(unfinished) as copy:
            self.conn.backup(copy)
        copy.close()
        os.replace(unfinished, target)
        return target

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction; an inner block joins the outer one. A second writer waits BUSY_SECONDS.

        Not `Database.atomic()`: that begins a deferred transaction, in which a writer that has read first does not wait
        for another process but fails at once.
        """
        with self._lock, _sqlite_errors(self.path):
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

    def all(self, sql: str, values: Sequence = ()) -> list[sqlite3.Row]:
        """Return every row of a query."""
        with self._lock, _sqlite_errors(self.path):
            return self.conn.execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence = ()) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        with self._lock, _sqlite_errors(self.path):
            return self.conn.execute(sql, values).fetchone()

    def number(self, sql: str, values: Sequence = ()) -> int:
        """Return the first column of the first row, such as a count."""
        row = self.one(sql, values)
        assert row is not None, sql
        return row[0]

    def record(self, who: str, what: str, about: str, before: object = None, after: object = None) -> None:
        """Add a line to the history; call it inside the transaction of the change.

        about: the thing that changed, such as `exam 3` or `reading 7`. before, after: JSON values.
        """
        values = [None if value is None else json.dumps(value, ensure_ascii=False) for value in (before, after)]
        self.conn.execute(
            "INSERT INTO history (at, who, what, about, before, after) VALUES (?, ?, ?, ?, ?, ?)",
            [now(), who, what, about, *values],
        )

    def history(self, about: str) -> list[dict]:
        """Return the changes of one thing (`exam 3`, `reading 7`, ...), oldest first."""
        return [dict(row) for row in self.all("SELECT * FROM history WHERE about = ? ORDER BY id", [about])]

    def setting(self, name: str, default: str = "") -> str:
        """Return a setting's value."""
        row = self.one("SELECT value FROM settings WHERE name = ?", [name])
        return row["value"] if row else default

    def set(self, name: str, value: str, who: str) -> None:
        """Store a setting."""
        with self.transaction() as conn:
            self.record(who, "setting", name, self.setting(name), value)
            conn.execute(
                "INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [name, value],
            )

    def hashed(self, identifier: str) -> str:
        """Return a file's own ID in the form in which it is stored.

        Salted and hashed (SHA-256, 32 hex digits), unless the setting `plain ids` is `yes`.
        """
        if self.setting("plain ids") == "yes":
            return identifier
        return hashlib.sha256(f"{self.setting('salt')}/{identifier}".encode()).hexdigest()[:32]


@contextmanager
def _sqlite_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's and the disk's errors into StoreErrors that say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(_sentence(path.name, str(error))) from error
    except OSError as error:
        raise StoreError(f"{path.name}: {error.strerror}. Choose another folder (--data DIR).") from error


def _sentence(name: str, error: str) -> str:
    restore = "Stop the app, keep the file, and put the newest .backup in its place."
    known = {
        "locked": f"{name}: another program is writing to it. Close that program, then try again; nothing was changed.",
        "full": f"{name}: the disk is full. Free some space, then save again; what was saved before is safe.",
        "readonly": f"{name}: the file or its folder is read-only. Make it writable, or choose another (--data DIR).",
        "unable to open": f"{name}: cannot be opened. Make its folder writable, or choose another one (--data DIR).",
        "malformed": f"{name} is damaged. {restore}",
        "not a database": f"{name} is not a store, or is damaged. {restore}",
        "append-only": "The history cannot be changed, only added to.",
    }
    return next((sentence for word, sentence in known.items() if word in error), f"{name}: {error}")
