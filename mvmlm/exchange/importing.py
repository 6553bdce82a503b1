"""What the importers share: a reading from a file is imported whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..reading.reading import Reading, ReadKind
from ..store.database import StoreError
from ..store.records import Read, Stamp, StoredExam
from ..store.store import Store


class ImportedReadings(NamedTuple):
    """How many readings were imported, and a sentence for each row or reading that was not."""

    readings: int
    problems: tuple[str, ...]


def exam_named(store: Store, name: str) -> StoredExam:
    """Return the exam with this name in the worklist. Raises StoreError where there is none."""
    exam = store.exams.by_name(name)
    if exam is None:
        raise StoreError("no exam of that name is in the store; import its images first")
    return exam


def import_reading(
    store: Store, exam_name: str, reader: str, kind: ReadKind, reading: Reading, stamp: Stamp | None
) -> None:
    """Store a reading from a file.

    stamp: when and how it was made; None signs it now. Raises StoreError for an exam that is unknown or a reading that
    the reader has already given, ValueError for a value that the form does not know; then nothing is stored.
    """
    exam = exam_named(store, exam_name)
    with store.file.transaction():
        read = store.readings.start(exam.id, reader, kind)
        if read.signed or read.reading != Reading():
            raise StoreError("a reading by this reader is there already; it stays as it is")
        store.readings.save(read.id, Reading(), reading)
        if stamp is None:
            store.readings.sign(read.id)
        else:
            store.readings.restore_stamp(read.id, stamp)


def all_reads(store: Store) -> Iterator[tuple[StoredExam, Read]]:
    """Yield every read of the store with its exam, in the order in which the exams were stored."""
    for number in store.worklist.numbers():
        exam = store.exams.get(number)
        for read in store.readings.of_exam(number):
            yield exam, read
