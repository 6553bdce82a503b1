"""What a reader's own reads add up to: kinds, times, recalls, arbitrations, and cancers found and missed.

For the reader alone. A list that was enriched with cancers does not compare with screening, so the share of cancers is
given with the rates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..exam import Laterality
from ..reading.opinion import Opinion, disagreements, opinion_of
from ..reading.reading import Reading, ReadKind
from ..store.records import Read, independent_reads, newest_versions
from ..store.store import Store
from .estimates import wilson_interval

FEWEST = 30  # cases for which a rate is given
WORKED_UP = ("0", "4", "4A", "4B", "4C", "5")  # BI-RADS assessments that lead to further examination


class Rate(NamedTuple):
    """A share of cases with its 95 % interval (Wilson), 0..1; None below FEWEST cases."""

    number: int
    cases: int
    share: float | None
    low: float | None
    high: float | None


class OwnReading(NamedTuple):
    """The figures of one reader's final reads, made before the model's answers were seen.

    kinds: how many reads of each kind. seconds: median reading time, None where none was measured. recalls, technical:
    of the reads with a screening opinion. upheld: of the arbitrated ones, those that the arbitration agrees with.
    cancers: of the exams whose truth is known. found, missed: the numbers of the exams with a cancer that the reader
    recalled, or called normal.
    """

    kinds: dict[ReadKind, int]
    seconds: float | None
    recalls: Rate
    technical: Rate
    upheld: Rate
    cancers: Rate
    found: tuple[int, ...]
    missed: tuple[int, ...]


def rate(number: int, cases: int) -> Rate:
    """Return the share of `number` in `cases` with its interval."""
    if cases < FEWEST:
        return Rate(number, cases, None, None, None)
    return Rate(number, cases, number / cases, *wilson_interval(number, cases))


def own_reading(store: Store, reader: str) -> OwnReading:
    """Return the figures of a reader's own reads."""
    store.readings.settle()
    kinds, seconds = Counter[ReadKind](), []
    opinions: list[Opinion] = []
    upheld: list[bool] = []
    cancers: list[bool] = []
    found, missed = list[int](), list[int]()
    for exam in store.readings.exams_read_by(reader):
        reads = store.readings.of_exam(exam)
        own = [read for read in independent_reads(reads) if read.reader == reader]
        kinds.update(read.kind for read in own)
        kinds.update(read.kind for read in _arbitrations(reads) if read.reader == reader)
        for read in own:
            seconds += [read.seconds] if read.seconds else []
            opinions += [opinion] if (opinion := opinion_of(read.reading)) else []
            upheld += [not disagreements(read.reading, other.reading) for other in _arbitrations(reads)]
            cancer = has_cancer(reads)
            if cancer is not None:
                cancers.append(cancer)
            if cancer and (decided := works_up(read.reading)) is not None:
                (found if decided else missed).append(exam)
    return OwnReading(
        kinds=dict(kinds),
        seconds=float(np.median(seconds)) if seconds else None,
        recalls=rate(opinions.count(Opinion.RECALL), len(opinions)),
        technical=rate(opinions.count(Opinion.TECHNICAL_RECALL), len(opinions)),
        upheld=rate(sum(upheld), len(upheld)),
        cancers=rate(sum(cancers), len(cancers)),
        found=tuple(found),
        missed=tuple(missed),
    )


def has_cancer(reads: Sequence[Read]) -> bool | None:
    """Return whether a cancer was proven on an exam or found later; None where no final read says it."""
    fields = [read.reading.fields for read in newest_versions(read for read in reads if read.final)]
    keys = [*((side, "malignancy") for side in Laterality), (None, "cancer")]
    known = {answers[key] for answers in fields for key in keys if key in answers}
    return "1" in known if known else None


def works_up(reading: Reading) -> bool | None:
    """Return whether a reading recalls for assessment; None where it does not say, as with a technical recall."""
    if opinion := opinion_of(reading):
        return None if opinion is Opinion.TECHNICAL_RECALL else opinion is Opinion.RECALL
    given = [value for side in Laterality if (value := reading.answer("birads", side))]
    return any(value in WORKED_UP for value in given) if given else None


def _arbitrations(reads: Sequence[Read]) -> list[Read]:
    return newest_versions(read for read in reads if read.final and read.kind is ReadKind.ARBITRATION)
