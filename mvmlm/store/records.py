"""What the store gives and takes, as plain data: a line of the worklist, a reading with its stamp, a head version, a job, a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..exam import ViewName
from ..reading.reading import Reading, ReadKind

#: (share done 0..1, message) -> True if the caller should stop
ProgressCallback = Callable[[float, str], bool]


class StoredView(NamedTuple):
    """Where an image lies, and what it must hold."""

    name: ViewName
    path: str
    sha256: str
    rows: int
    columns: int


@dataclass(frozen=True)
class StoredExam:
    """A line of the worklist."""

    id: int
    name: str
    patient: str
    split: str
    exam_date: str | None
    age_years: int | None
    vendor: str | None
    added: str
    state: str
    readers: str
    density: str | None
    disagreement: bool
    score: float | None


@dataclass(frozen=True)
class Read:
    """A reading with its stamp. signed None: a draft. informed: the model's answers were on show before it was signed."""

    id: int
    exam: int
    reader: str
    kind: ReadKind
    form_version: int
    birads_edition: str
    started: str
    seconds: float
    signed: str | None
    reading: Reading
    informed: bool = False


class Stamp(NamedTuple):
    """When and how a reading was made, as another store tells it."""

    started: str
    seconds: float
    signed: str | None
    form_version: int
    birads_edition: str
    informed: bool


@dataclass(frozen=True)
class Job:
    """A training or an import. settings and result are plain JSON values."""

    id: int
    kind: str
    settings: dict
    state: str
    cancel: bool
    progress: float
    message: str
    log: str
    result: dict | None
    created: str
    ended: str | None

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True)
class StoredHead:
    """A head version. record: settings, data snapshot, metrics; tensors: a safetensors file."""

    id: int
    task: str
    name: str
    weights: str
    created: str
    active: bool
    record: dict
    tensors: bytes


class Filter(NamedTuple):
    """What the worklist shows. words: full text; state new, draft or signed; order: one of ORDERS.

    since, until: of the exam's date, YYYYMMDD; an exam without a date is outside. score: at least so high.
    """

    words: str = ""
    state: str | None = None
    reader: str | None = None
    density: str | None = None
    disagreement: bool = False
    order: str = "newest"
    since: str | None = None
    until: str | None = None
    score: float | None = None


def reference_reading(readings: Iterable[Read], reader: str | None = None) -> Read | None:
    """Return the reading that labels are taken from: the consensus, else the newest signed first reading.

    One made before the model's answers were seen goes before any other. reader: take this reader's only.
    """
    signed = [read for read in readings if read.signed and (reader is None or read.reader == reader)]
    for kind in (ReadKind.CONSENSUS, ReadKind.FIRST):
        candidates = [read for read in signed if read.kind is kind]
        if candidates:
            return max(candidates, key=lambda read: (not read.informed, read.signed, read.id))
    return None
