"""What the errors of SQLite and of the disk mean to the person who meets them."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .backup_names import backups_of

_SAFE = "Free some space, then save again; what was saved before is safe."
FULL = f"the disk is full. {_SAFE}"
DATABASE_FULL = f"the disk is full, or your share of it. {_SAFE}"  # sqlite does not tell which; `limits` bounds a share
READ_ONLY = "the file or its folder is read-only. Make it writable, or choose another (--data DIR)."
LOCKED = "another program is writing to it. Close that program, then try again; nothing was changed."
LEAST_FREE_BYTES = 1 << 20  # below this an error of the disk is called a full disk

_PRIMARY_CODES = {
    sqlite3.SQLITE_FULL: DATABASE_FULL,
    sqlite3.SQLITE_READONLY: READ_ONLY,
    sqlite3.SQLITE_PERM: READ_ONLY,
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Make its folder writable, or choose another one (--data DIR).",
    sqlite3.SQLITE_CONSTRAINT: "a value is not one that the store accepts; nothing was changed.",
    sqlite3.SQLITE_TOOBIG: "a value is too long to be stored; nothing was changed.",
    sqlite3.SQLITE_NOMEM: "there is not enough memory. Close other programs, then try again; nothing was changed.",
    sqlite3.SQLITE_INTERRUPT: "the program is ending; nothing was changed.",
    sqlite3.SQLITE_MISUSE: "the store is closed, because the program is ending. Start it again.",
}
_DAMAGE = {sqlite3.SQLITE_CORRUPT: "is damaged.", sqlite3.SQLITE_NOTADB: "is not a store, or is damaged."}
_ERRNOS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: READ_ONLY,
    errno.EACCES: READ_ONLY,
    errno.EPERM: READ_ONLY,
    errno.EEXIST: "its folder is a file. Choose a folder (--data DIR).",
    errno.ENOTDIR: "its folder is a file. Choose a folder (--data DIR).",
    errno.EIO: "the disk reports an error. Check the disk, or choose another folder (--data DIR).",
}


class StoreError(Exception):
    """The store cannot do what was asked. The message says why and what to do."""


class DamagedStore(StoreError):
    """The database file is damaged or is no database. The message says how to restore a backup."""


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the disk into StoreErrors that say what to do. path: the database file."""
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(path, error) from error
    except OSError as error:
        reason = _ERRNOS.get(error.errno or 0, f"{error.strerror}. Choose another folder (--data DIR).")
        raise StoreError(f"{path.name}: {reason}") from error


def damaged(path: Path, what: str = "is damaged.") -> DamagedStore:
    """Return the error for a damaged database file, which names the newest backup beside it."""
    backups = backups_of(path)
    if not backups:
        advice = "There is no .backup beside it. Stop the app and keep the file: `sqlite3` may recover its tables."
    else:
        advice = (
            f"Stop the app, move {path.name} and, if it is there, {path.name}-wal to another folder, and rename "
            f"{backups[-1].name} to {path.name}."
        )
    return DamagedStore(f"{path.name} {what} {advice}")


def _store_error(path: Path, error: sqlite3.Error) -> StoreError:
    if "append-only" in str(error):
        return StoreError("The history cannot be changed, only added to.")
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE if "closed database" in str(error) else 0) & 0xFF
    if code in _DAMAGE:
        return damaged(path, _DAMAGE[code])
    if code == sqlite3.SQLITE_IOERR:
        full = path.parent.is_dir() and shutil.disk_usage(path.parent).free < LEAST_FREE_BYTES
        return StoreError(f"{path.name}: {FULL if full else _ERRNOS[errno.EIO]}")
    return StoreError(f"{path.name}: {_PRIMARY_CODES.get(code, f'{error}.')}")
