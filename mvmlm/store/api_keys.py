"""The keys of programs that call the app over HTTP: shown once, stored as hashes."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

from .clock import now
from .database import StoreError, StoreFile
from .readers import LONGEST_NAME, same_reader

PREFIX = "mvmlm_"  # of every key, by which a request of a program is known


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret. number: never given twice. revoked: it opens nothing any more."""

    number: int
    name: str
    made: str
    revoked: bool


class ApiKeys:
    """The keys of a store. A name that is unknown raises StoreError. who: who does it, for the history."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, name: str, who: str) -> str:
        """Add a key and return it; it cannot be shown again. Raises StoreError for a name that was given before."""
        name, key = _clean(name), PREFIX + secrets.token_urlsafe(32)
        with self._file.transaction() as conn:
            if any(same_reader(known.name, name) for known in self.all()):
                raise StoreError(f"There is a key {name!r} already, perhaps a revoked one. Choose another name.")
            conn.execute("INSERT INTO api_keys (name, hash, made) VALUES (?, ?, ?)", [name, _hashed(key), now()])
            self._file.record(who, "API key", f"API key {name}")
        return key

    def all(self) -> list[ApiKey]:
        """Return every key, revoked ones too, the oldest first."""
        return [_api_key(row) for row in self._rows()]

    def some_open(self) -> bool:
        """Return whether there is a key that was not revoked."""
        return any(not key.revoked for key in self.all())

    def check(self, key: str) -> ApiKey | None:
        """Return the key that a program sent; None for one that is unknown or revoked.

        A key has 256 random bits, so a plain SHA-256 of it cannot be turned back. It is compared with every hash, in a
        time that says nothing of how much of it is right.
        """
        sent, found = _hashed(key), None
        for row in self._rows():
            if secrets.compare_digest(row["hash"], sent) and row["revoked"] is None:
                found = _api_key(row)
        return found

    def note_call(self, number: int, call: str) -> None:
        """Write into the history that a key called something. Raises StoreError where it was revoked meanwhile."""
        with self._file.transaction():
            key = next((key for key in self.all() if key.number == number and not key.revoked), None)
            if key is None:
                raise StoreError("This key was revoked. Ask whoever runs the app for another one.")
            self._file.record(f"API key {key.name}", "call", f"API key {key.name}", after={"call": call})

    def revoke(self, name: str, who: str) -> None:
        """Let a key open nothing from now on."""
        with self._file.transaction() as conn:
            key = next((key for key in self.all() if same_reader(key.name, name)), None)
            if key is None:
                raise StoreError(f"There is no key {name!r}. `mvmlm api-key list` shows the keys.")
            conn.execute("UPDATE api_keys SET revoked = coalesce(revoked, ?) WHERE id = ?", [now(), key.number])
            self._file.record(who, "revoked", f"API key {key.name}")

    def _rows(self) -> list[sqlite3.Row]:
        return self._file.all("SELECT * FROM api_keys ORDER BY id")


def _api_key(row: sqlite3.Row) -> ApiKey:
    return ApiKey(row["id"], row["name"], row["made"], row["revoked"] is not None)


def _clean(name: str) -> str:
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise StoreError(f"Name the program that gets the key, in at most {LONGEST_NAME} letters.")
    return name


def _hashed(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
