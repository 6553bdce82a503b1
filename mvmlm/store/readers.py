"""The names of readers: how they are written, and which read of an exam a reader is to give."""

from __future__ import annotations

from collections.abc import Sequence

from ..reading.reading import ReadKind
from .database import StoreError, StoreFile
from .records import Read

LONGEST_NAME = 60  # letters


def clean_reader(reader: str) -> str:
    """Return a reader's name as it is stored. Raises StoreError for an empty name or one of more than 60 letters."""
    reader = " ".join((reader or "").split())
    if not 0 < len(reader) <= LONGEST_NAME:
        raise StoreError("No reader is named. Type your name or initials first (at most 60 letters).")
    return reader


def same_reader(one: str, other: str) -> bool:
    """Whether two names are those of one reader: capital letters and spaces make no difference."""
    return " ".join(one.split()).casefold() == " ".join(other.split()).casefold()


def reader_here(readers: Sequence[str], name: str) -> str:
    """Return who reads in a window: the name that it remembers, in the store's spelling; else the only reader or ""."""
    if name:
        return next((reader for reader in readers if same_reader(reader, name)), name)
    return readers[0] if len(readers) == 1 else ""


def stored_name(file: StoreFile, reader: str) -> str:
    """Return a reader's name as the store spells it already: "ann" is "Ann" where she has read. Raises StoreError."""
    reader = clean_reader(reader)
    rows = file.all("SELECT DISTINCT reader FROM readings UNION SELECT DISTINCT reader FROM sessions")
    return next((row["reader"] for row in rows if same_reader(row["reader"], reader)), reader)


def first_or_second(file: StoreFile, exam: int, reader: str) -> ReadKind:
    """Return the kind of a reader's read of an exam: the second where another reader has signed one.

    A read that was opened again for a change still counts as given.
    """
    query = (
        "SELECT 1 FROM readings r WHERE exam = ? AND reader <> ? AND kind <> ? AND amends IS NULL AND (signed IS NOT "
        "NULL OR EXISTS (SELECT 1 FROM history WHERE about = 'reading ' || r.id AND what = 'reopened')) LIMIT 1"
    )
    other = file.one(query, [exam, reader, ReadKind.ARBITRATION.value])
    return ReadKind.SECOND if other else ReadKind.FIRST


def was_given(file: StoreFile, reading: int) -> bool:
    """Whether a read was signed before, and then opened again for a change: it keeps its kind."""
    return file.one("SELECT 1 FROM history WHERE about = ? AND what = 'reopened'", [f"reading {reading}"]) is not None


def arbitrated_by_another(reads: Sequence[Read], arbitration: Read) -> str:
    """Return the reader of another arbitration of the exam that is signed; "" where there is none."""
    others = [read for read in reads if read.kind is ReadKind.ARBITRATION and read.reader != arbitration.reader]
    return next((read.reader for read in others if read.signed), "")


def arbitration_by(reads: Sequence[Read], reader: str) -> Read | None:
    """Return the newest arbitration of an exam that a reader has given or decided with others; None without one."""
    given = [
        read
        for read in reads
        if read.kind is ReadKind.ARBITRATION and any(same_reader(reader, name) for name in (read.reader, *read.authors))
    ]
    return given[-1] if given else None
