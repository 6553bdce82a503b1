"""That a reader saw the marks of other programs, for good, in the history of the read.

A draft is informed by them as by the model's answers; a signed read is final from then on.
"""

from __future__ import annotations

from collections.abc import Sequence

from .records import SAW_MARKS, Read
from .store import Store


def record_marks_shown(store: Store, number: int, programs: Sequence[str]) -> Read:
    """Record, for good, that the reader of a read sees marks of other programs now. programs: as their files say."""
    with store.file.transaction() as conn:
        read = store.readings.get(number)
        if store.readings.saw_marks(number):
            return read
        store.file.record(read.reader, SAW_MARKS, f"reading {number}", after=list(programs))
        if read.signed and not read.final:
            return store.readings.finalise(number)
        if not read.signed:
            conn.execute("UPDATE readings SET informed = 1 WHERE id = ?", [number])
        return store.readings.get(number)
