"""What the importers share: a reading from another store is taken whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..reading.reading import Reading, Round
from ..store.records import KeptExam, KeptReading, Stamp
from ..store.store import Store, StoreError


class Imported(NamedTuple):
    """How many readings came in, and a sentence for each row that did not."""

    readings: int
    problems: tuple[str, ...]


def _take(store: Store, name: str, who: str, round_: Round, reading: Reading, stamp: Stamp | None) -> None:
    """A reading from elsewhere, all of it or nothing."""
    exam = store.exam_named(name)
    if exam is None:
        raise StoreError("no exam of that name is kept here; keep its images first")
    with store.writing():
        kept = store.start_reading(exam.id, who, round_)
        if kept.signed or kept.reading != Reading():
            raise StoreError("a reading by this reader is there already; it stays as it is")
        store.save(kept.id, Reading(), reading)
        if stamp is None:
            store.sign(kept.id)
        else:
            store.stamp(kept.id, stamp)


def _all(store: Store) -> Iterable[tuple[KeptExam, KeptReading]]:
    for number in store.exam_numbers():
        exam = store.exam(number)
        for kept in store.readings(number):
            yield exam, kept
