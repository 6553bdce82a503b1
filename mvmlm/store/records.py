"""What the store gives and takes, as plain data: a line of the worklist, a reading with its stamp, a head version, a job, a filter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from ..exam import ViewName
from ..reading.reading import Reading, Round


class KeptView(NamedTuple):
    """Where an image lies, and what it must hold."""

    name: ViewName
    path: str
    sha256: str
    rows: int
    columns: int


@dataclass(frozen=True)
class KeptExam:
    """A line of the worklist."""

    id: int
    name: str
    patient: str
    part: str
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
class KeptReading:
    """A reading with its stamp. signed None: a draft. informed: the model's answers were on show before it was signed."""

    id: int
    exam: int
    reader: str
    round: Round
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
    said: str
    log: str
    result: dict | None
    created: str
    ended: str | None

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True)
class KeptHead:
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


def counted(readings: Iterable[KeptReading], reader: str | None = None) -> KeptReading | None:
    """The reading that counts: the consensus, else the newest signed first reading, one made without the model's answers before any
    other; of one reader where one is named."""
    signed = [kept for kept in readings if kept.signed and (reader is None or kept.reader == reader)]
    for round_ in (Round.CONSENSUS, Round.FIRST):
        own = [kept for kept in signed if kept.round is round_]
        if own:
            return max(own, key=lambda kept: (not kept.informed, kept.signed, kept.id))
    return None
