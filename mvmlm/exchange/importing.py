"""What the importers share: a reading from a file is imported whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeGuard

from ..reading.reading import Reading, ReadKind
from ..store.database import StoreError
from ..store.records import Read, Stamp, StoredExam
from ..store.store import Store

LONGEST_SENTENCE = 500  # letters; a sentence may quote a cell or a name of any length


class ImportedReadings(NamedTuple):
    """How many readings were imported, and a sentence for each row or reading that was not."""

    readings: int
    problems: tuple[str, ...]


def shortened(sentences: Iterable[str]) -> tuple[str, ...]:
    """Return sentences on a file, each of at most LONGEST_SENTENCE letters: the beginning and the end of a longer one.

    The beginning says where it is, the end what was expected.
    """
    half = LONGEST_SENTENCE // 2
    return tuple(text if len(text) <= LONGEST_SENTENCE else f"{text[:half]} … {text[3 - half :]}" for text in sentences)


def is_text(value: object) -> TypeGuard[str]:
    """Return whether a value is text that a database and a page can hold; JSON may hold halves of surrogate pairs."""
    return isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value)


def exam_named(store: Store, name: str) -> StoredExam:
    """Return the exam with this name in the worklist. Raises StoreError where there is none."""
    exam = store.exams.by_name(name)
    if exam is None:
        raise StoreError("no exam of that name is in the store; import its images first")
    return exam


class ReadKey(NamedTuple):
    """Which read of an exam and a reader a file means.

    kind: None for the first or the second read, whichever it is here. version: 1, or more for one that amends the
    version before. authors: who decided with the reader.
    """

    kind: ReadKind | None = None
    version: int = 1
    authors: tuple[str, ...] = ()


def import_reading(
    store: Store, exam_name: str, reader: str, key: ReadKey, reading: Reading, stamp: Stamp | None
) -> None:
    """Store a reading from a file. It is final as soon as it is signed.

    stamp: when and how it was made; None signs it now. Raises StoreError for an exam that is unknown or a reading that
    the reader has already given, ValueError for a value that the form does not know; then nothing is stored.
    """
    exam = exam_named(store, exam_name)
    with store.file.transaction():
        read = store.readings.start(exam.id, reader, key.kind)
        if key.version > 1:
            if not read.signed and read.reading == Reading():
                raise StoreError("it amends a read that is not there; import that one first")
            read = start_version(store, read, key.version)
        elif read.signed or read.reading != Reading():
            raise StoreError("a reading by this reader is there already; it stays as it is")
        store.readings.save(read.id, read.reading, reading)
        if stamp is not None:
            store.readings.restore_stamp(read.id, stamp, key.authors)
        else:
            store.readings.finalise(store.readings.sign(read.id).id)


def start_version(store: Store, read: Read, version: int) -> Read:
    """Return the draft of a later version of a read, 2 or more. Raises StoreError where the one before is not there."""
    versions = sum(
        (other.reader, other.kind) == (read.reader, read.kind) for other in store.readings.of_exam(read.exam)
    )
    if versions > version or (versions == version and read.signed):
        raise StoreError("a reading by this reader is there already; it stays as it is")
    if versions == version:
        return read
    if versions < version - 1:
        raise StoreError("it amends a read that is not there; import that one first")
    return store.readings.amend(read.id, imported=True)


def all_reads(store: Store) -> Iterator[tuple[StoredExam, Read]]:
    """Yield every read of the store with its exam, in the order in which the exams were stored."""
    for number in store.worklist.numbers():
        exam = store.exams.get(number)
        for read in store.readings.of_exam(number):
            yield exam, read
