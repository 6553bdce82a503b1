"""Dated copies of the database file beside it: whole, checked, and a bounded number of them."""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from .backup_names import backup_path, backups_of, today
from .errors import damaged, storage_errors

DAILY = "daily"
MOST_DAILY, MOST_OTHER = 7, 3  # newest ones that stay
STALE_SECONDS = 24 * 3600  # an unfinished copy that is older was left by a program that was killed


def backup_is_due(path: Path) -> bool:
    """Return whether the database file has no daily backup of today yet."""
    return not any(path.parent.glob(f"{path.name}.{today()}-*.{DAILY}.backup"))


def write_backup(conn: sqlite3.Connection, path: Path, reason: str) -> Path:
    """Copy the database beside its file, whole or not at all, and return the path of the copy.

    The copy is made by SQLite's backup API, so that other programs may write meanwhile, and it passes integrity_check
    before it gets its name. The oldest copies beyond MOST_DAILY and MOST_OTHER are then deleted. Raises StoreError
    where the database is damaged, or on a full disk.
    """
    target = backup_path(path, reason)
    unfinished = path.parent / f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part"
    try:
        with storage_errors(path):
            os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            with closing(sqlite3.connect(unfinished, isolation_level=None)) as copy:
                conn.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # the copy is one file, also while it is open
                whole = [row[0] for row in copy.execute("PRAGMA integrity_check(1)")] == ["ok"]
            if not whole:
                raise damaged(path)
            os.replace(unfinished, target)
    finally:
        unfinished.unlink(missing_ok=True)
    _remove_old(path)
    return target


def _remove_old(path: Path) -> None:
    """Delete the oldest backups beyond the number that stays, and unfinished copies of programs that were killed."""
    backups = backups_of(path)
    daily = [file for file in backups if file.name.endswith(f".{DAILY}.backup")]
    other = [file for file in backups if file not in daily]
    for file in (*daily[:-MOST_DAILY], *other[:-MOST_OTHER]):
        file.unlink(missing_ok=True)
    for file in path.parent.glob(f"{path.name}.*.part"):
        try:
            if time.time() - file.stat().st_mtime > STALE_SECONDS:
                file.unlink(missing_ok=True)
        except FileNotFoundError:  # another program has just finished it
            pass
