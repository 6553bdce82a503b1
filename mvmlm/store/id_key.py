"""The key of the hashes of the files' own IDs. It never lies in the data folder, so that a copy of that folder is not
enough to try IDs one by one.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from filelock import FileLock
from platformdirs import PlatformDirs

VARIABLE = "MVMLM_KEY"
FILE = "patient-ids.key"
KEY_CHECK = "check of the key"  # the setting by which the key is known again
HEX_DIGITS = 32  # of a stored hash

NOT_JOINED = (
    "Exams that are stored now are not joined with earlier exams of the same woman, and an exam that is stored twice "
    "may not be noticed."
)
NO_KEY = (
    f"The key of the patient IDs is not here: {VARIABLE} is not set, and the user's config folder has no {FILE}. "
    f"{NOT_JOINED} Put the key back and start again."
)
WRONG_KEY = (
    f"The key of the patient IDs ({VARIABLE}, or {FILE} in the user's config folder) is not the one that this store "
    f"was made with. {NOT_JOINED} Put the right key back and start again."
)
NO_PLACE = (
    f"The key of the patient IDs could not be written to the user's config folder. {NOT_JOINED} Set {VARIABLE} to a "
    "random text and start again."
)


def keyed_hash(key: bytes, text: str) -> str:
    """Return HMAC-SHA256 (RFC 2104) of a text, the first HEX_DIGITS digits."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:HEX_DIGITS]


def check_value(key: bytes) -> str:
    """Return the value by which a store knows its key again."""
    return keyed_hash(key, "check of the key")


def find_key(data_folder: Path, check: str) -> tuple[bytes | None, str]:
    """Return the key and "", or None and a sentence that says why there is none.

    check: the `check_value` of the store's key; "" for a store that has none yet, which may make a key of its own.
    """
    for key in _keys(data_folder):
        if not check or check_value(key) == check:
            return key, ""
    if check:
        return None, WRONG_KEY if any(_keys(data_folder)) else NO_KEY
    try:
        return _make_key(data_folder), ""
    except OSError:
        return None, NO_PLACE


def hash_old_ids(conn: sqlite3.Connection, key: bytes) -> int:
    """Hash once more with the key what 0.4.0 hashed with a salt beside the hashes; return how many were changed.

    Once: the key's check is stored with it. For the tables of any version; overwritten on the disk.
    """
    conn.execute("PRAGMA secure_delete = ON")
    if conn.execute("SELECT 1 FROM settings WHERE name = ?", [KEY_CHECK]).fetchone():
        return 0
    conn.create_function("keyed", 1, lambda text: keyed_hash(key, text), deterministic=True)
    changed = conn.execute("UPDATE patients SET id_hash = keyed(id_hash) WHERE id_hash IS NOT NULL").rowcount
    changed += conn.execute("UPDATE exams SET uid_hash = keyed(uid_hash) WHERE uid_hash IS NOT NULL").rowcount
    conn.execute("INSERT INTO settings VALUES (?, ?)", [KEY_CHECK, check_value(key)])
    return changed


def key_file() -> Path:
    """Return where the key lies unless MVMLM_KEY is set."""
    # a folder of its own: on macOS and Windows the config folder of `mvmlm` is also its data folder
    return PlatformDirs("mvmlm-key", appauthor=False).user_config_path / FILE


def _keys(data_folder: Path) -> Iterator[bytes]:
    """The keys that are set, the environment's first."""
    if variable := os.environ.get(VARIABLE, "").strip():
        yield variable.encode()
    path = key_file()
    with suppress(OSError):  # a file that cannot be read is no key
        if path.is_file() and not _inside(path, data_folder):
            if os.name == "posix" and path.stat().st_mode & 0o077:
                path.chmod(0o600)
            if written := path.read_bytes().strip():
                yield written


def _make_key(data_folder: Path) -> bytes:
    """Write a random key, readable by this user only. Raises OSError where there is no place for it."""
    path = key_file()
    if _inside(path, data_folder):
        raise OSError("the config folder lies in the data folder")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # two programs that start at once make one key
        if not path.is_file():
            unfinished = path.with_suffix(f".{os.getpid()}.part")
            with open(os.open(unfinished, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
                file.write(secrets.token_hex(32).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
    return path.read_bytes().strip()


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())
