"""What the importers share: a reading from another store is taken whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..reading.reading import Reading, ReadKind
from ..store.database import StoreError
from ..store.records import Read, Stamp, StoredExam
from ..store.store import Store


class Imported(NamedTuple):
    """How many readings came in, and a sentence for each row that did not."""

    readings: int
    problems: tuple[str, ...]


def _take(store: Store, name: str, who: str, kind: ReadKind, reading: Reading, stamp: Stamp | None) -> None:
    """A reading from elsewhere, all of it or nothing."""
    exam = store.exams.by_name(name)
    if exam is None:
        raise StoreError("no exam of that name is kept here; keep its images first")
    with store.file.transaction():
        kept = store.readings.start(exam.id, who, kind)
        if kept.signed or kept.reading != Reading():
            raise StoreError("a reading by this reader is there already; it stays as it is")
        store.readings.save(kept.id, Reading(), reading)
        if stamp is None:
            store.readings.sign(kept.id)
        else:
            store.readings.restore_stamp(kept.id, stamp)


def _all(store: Store) -> Iterable[tuple[StoredExam, Read]]:
    for number in store.worklist.numbers():
        exam = store.exams.get(number)
        for kept in store.readings.of_exam(number):
            yield exam, kept
