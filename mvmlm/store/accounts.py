"""The accounts of people who log in, their roles, and their passwords as Argon2 hashes."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from .clock import now
from .database import StoreError, StoreFile
from .readers import clean_reader, same_reader

FEWEST_LETTERS, MOST_LETTERS = 10, 1000
_HASHER = PasswordHasher()  # Argon2id as RFC 9106 advises: 64 MiB, three passes
_OF_NOBODY = _HASHER.hash("a password that nobody has")  # so that an unknown name takes as long as a known one


class Role(StrEnum):
    """What an account may do; each role may do what those before it may."""

    VIEWER = "viewer"  # open and see exams, their reads and the model's answers
    READER = "reader"  # read and sign under the account's own name
    TRAINER = "trainer"  # add exams, export, teach, evaluate, and choose what answers
    ADMIN = "admin"  # import reads of other readers

    def may(self, least: Role) -> bool:
        """Return whether this role may do what `least` may."""
        roles = list(Role)
        return roles.index(self) >= roles.index(least)


@dataclass(frozen=True)
class Account:
    """An account.

    name: the reader's name, unique in any letter case. closed: it cannot be used any more. mark: changes with the
    password and says nothing of it.
    """

    name: str
    role: Role
    made: str
    closed: bool
    mark: str


class Accounts:
    """The accounts of a store. A name that is unknown raises StoreError. who: who does it, for the history."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, name: str, role: Role, password: str, who: str) -> Account:
        """Add an account. Raises StoreError for a name that is taken and for a password that is too easy."""
        name = clean_reader(name)
        hashed = _hashed(password, name)
        with self._file.transaction() as conn:
            if self._find(name) is not None:
                raise StoreError(f"There is an account {name!r} already. Choose another name, or change that account.")
            conn.execute(
                "INSERT INTO accounts (name, role, password, made) VALUES (?, ?, ?, ?)", [name, role, hashed, now()]
            )
            self._file.record(who, "account", f"account {name}", after={"role": role})
        return self.get(name)

    def get(self, name: str) -> Account:
        """Return an account."""
        row = self._find(name)
        if row is None:
            raise StoreError(f"There is no account {name!r}. `mvmlm account list` shows the accounts.")
        return _account(row)

    def all(self) -> list[Account]:
        """Return every account, closed ones too, by name."""
        return [_account(row) for row in self._file.all("SELECT * FROM accounts ORDER BY name COLLATE NOCASE")]

    def check(self, name: str, password: str) -> Account | None:
        """Return the account of a name and its password; None where one of them is wrong or the account is closed."""
        row = self._find(name)
        try:
            _HASHER.verify(row["password"] if row else _OF_NOBODY, password[:MOST_LETTERS])
        except (VerificationError, InvalidHashError):
            return None
        return _account(row) if row and not row["closed"] else None

    def set_role(self, name: str, role: Role, who: str) -> None:
        """Change what an account may do. Raises StoreError for the last admin."""
        with self._file.transaction() as conn:
            before = self.get(name)
            if role is not Role.ADMIN:
                self._keep_an_admin(before)
            conn.execute("UPDATE accounts SET role = ? WHERE name = ?", [role, before.name])
            self._file.record(who, "role", f"account {before.name}", before.role, role)

    def set_password(self, name: str, password: str, who: str) -> None:
        """Change a password, and open the account if it was closed. Raises StoreError for one that is too easy."""
        with self._file.transaction() as conn:
            account = self.get(name)
            hashed = _hashed(password, account.name)
            conn.execute("UPDATE accounts SET password = ?, closed = NULL WHERE name = ?", [hashed, account.name])
            self._file.record(who, "password", f"account {account.name}")

    def close(self, name: str, who: str) -> None:
        """Close an account: nobody logs in with it, and its name stays with its reads. Raises StoreError for the last
        admin."""
        with self._file.transaction() as conn:
            account = self.get(name)
            self._keep_an_admin(account)
            conn.execute("UPDATE accounts SET closed = ? WHERE name = ?", [now(), account.name])
            self._file.record(who, "closed", f"account {account.name}")

    def has_admin(self) -> bool:
        """Return whether somebody can log in as an admin."""
        return any(account.role is Role.ADMIN and not account.closed for account in self.all())

    def _keep_an_admin(self, account: Account) -> None:
        others = [other for other in self.all() if other.name != account.name]
        if account.role is Role.ADMIN and not any(o.role is Role.ADMIN and not o.closed for o in others):
            raise StoreError(f"{account.name!r} is the only admin. Make another account an admin first.")

    def _find(self, name: str) -> sqlite3.Row | None:
        rows = self._file.all("SELECT * FROM accounts")
        return next((row for row in rows if same_reader(row["name"], name)), None)


def _account(row: sqlite3.Row) -> Account:
    mark = hashlib.sha256(row["password"].encode()).hexdigest()[:16]  # of the salted hash
    return Account(row["name"], Role(row["role"]), row["made"], row["closed"] is not None, mark)


def _hashed(password: str, name: str) -> str:
    if not FEWEST_LETTERS <= len(password) <= MOST_LETTERS:
        raise StoreError(f"This password has {len(password)} letters. Choose one of at least {FEWEST_LETTERS} letters.")
    if same_reader(password, name) or len(set(password)) < 4:
        raise StoreError("This password is too easy to guess. Choose another one, such as four words.")
    return _HASHER.hash(password)
