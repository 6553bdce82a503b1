"""The SQLite file under the store: connection, transactions, migrations, backups, settings, history."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlite_utils import Database

from .backup_names import backups_of, today
from .backups import DAILY, backup_is_due, write_backup
from .clock import now
from .connection import connect
from .data_folder import open_data_folder
from .errors import DamagedStore, StoreError, storage_errors
from .id_key import HEX_DIGITS, KEY_CHECK, find_key, hash_old_ids, keyed_hash
from .old_jobs import remove_from_backups
from .schema_history import MIGRATION_NAMES, migrations

__all__ = ["FILE", "StoreError", "StoreFile"]

FILE = "mvmlm.sqlite"
BUSY_SECONDS = 15


class StoreFile:
    """One connection to the database file in `folder`, which is created where there is none.

    Safe to share between threads. Several processes may open the same file; one of them writes at a time. A change is
    one transaction and is on the disk when its method returns (WAL, synchronous=FULL). The first start and the first
    change of a day are preceded by a backup.

    migrated: the tables were brought to this version just now. notices: sentences for the person who runs the program.
    key_notice: one of them, "" where the key of the IDs is there.

    Raises StoreError for a file that was written by a newer program, is damaged or read-only, or on a full disk.
    """

    def __init__(self, folder: Path):
        self.folder, self.path = Path(folder), Path(folder) / FILE
        self.notices: list[str] = []
        self._backup_day = today()
        self._key: bytes | None = None
        self.key_notice = ""
        self.migrated = False
        self._lock = threading.RLock()
        with storage_errors(self.path):
            if notice := open_data_folder(self.folder):
                self.notices.append(notice)
            if not self.path.exists():
                self.path.touch(mode=0o600)
            self.conn = connect(self.path, BUSY_SECONDS)
        self._close = weakref.finalize(self, _close, self.conn, self._lock, os.getpid())
        try:
            with storage_errors(self.path):
                self._migrate()
            self._backup_day = "" if self.one("SELECT 1 FROM history LIMIT 1") else today()
            self._back_up_daily()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; afterwards the database file alone holds everything that was stored.

        Called at the end of the program too.
        """
        self._close()

    def _back_up_daily(self) -> None:
        """Make the backup of the day where there is none; on a full disk a notice says that there is none.

        Raises DamagedStore where the database does not pass its check.
        """
        if self._backup_day == today():
            return
        self._backup_day = today()
        try:
            if backup_is_due(self.path):
                self.backup(DAILY)
        except DamagedStore:
            self._backup_day = ""
            raise
        except StoreError as error:
            self.notices.append(f"There is no backup of today. {error}")

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
        if applied:
            self._find_key()  # first, so that the backup holds no hash that can be turned back
        if applied and pending:
            self.backup(f"before-{pending[0]}")
            if "m005_private_jobs" in pending:
                remove_from_backups(self.folder)
        if pending:
            with self.transaction():
                migrations.apply(db)
                self.migrated = bool(applied)
                if not self.one("SELECT 1 FROM settings WHERE name = 'salt'"):
                    self.conn.execute("INSERT INTO settings VALUES ('salt', ?)", [secrets.token_hex(16)])
        if not applied:
            self._find_key()

    def backup(self, reason: str) -> Path:
        """Write a dated and checked copy beside the database, whole or not at all, and return its path."""
        with self._lock:
            return write_backup(self.conn, self.path, reason)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block as one transaction; an inner block joins the outer one. A second writer waits BUSY_SECONDS.

        Not `Database.atomic()`: that begins a deferred transaction, in which a writer that has read first does not wait
        for another process but fails at once.
        """
        with self._lock, storage_errors(self.path):
            if self.conn.in_transaction:
                yield self.conn
                return
            self._back_up_daily()
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
        with self._lock, storage_errors(self.path):
            return self.conn.execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence = ()) -> sqlite3.Row | None:
        """Return the first row of a query, or None."""
        with self._lock, storage_errors(self.path):
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
        values = [
            None if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)
            for value in (before, after)
        ]
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

    def hashed(self, identifier: str) -> str | None:
        """Return the hash that stands for a file's own ID, 32 hex digits; None without the key (`id_key`)."""
        return keyed_hash(self._key, identifier) if self._key else None

    def hashed_as_before(self, identifier: str) -> str | None:
        """Return the hash of an ID that exams stored by 0.4.0 have too: `hashed` of that version's salted SHA-256."""
        plain = self.setting("plain ids") == "yes"  # a setting of 0.4.0
        salted = hashlib.sha256(f"{self.setting('salt')}/{identifier}".encode()).hexdigest()[:HEX_DIGITS]
        return self.hashed(identifier if plain else salted)

    def _find_key(self) -> None:
        """Find the key of the IDs, and hash once more with it what 0.4.0 hashed with a salt beside the hashes."""
        check = self.setting(KEY_CHECK)
        self._key, self.key_notice = find_key(self.folder, check)
        if self.key_notice:
            self.notices.append(self.key_notice)
        if self._key is None or check:
            return
        with self.transaction() as conn:
            changed = hash_old_ids(conn, self._key)
        if changed:
            for path in backups_of(self.path):
                with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as backup, backup:
                    hash_old_ids(backup, self._key)
            with suppress(sqlite3.OperationalError):  # another program is writing: only unused pages hold old hashes
                self.conn.execute("VACUUM")
                self.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _close(conn: sqlite3.Connection, lock: threading.RLock, process: int) -> None:
    """Move everything from the WAL into the database file, also while other programs have it open, and close it."""
    if os.getpid() != process:
        return  # a copy of the process that opened it: the connection is not its own
    with lock:
        try:
            with suppress(sqlite3.Error):  # a full disk: the WAL stays, and the next start reads it
                conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            conn.close()
