"""The records of the store as plain data: an exam, a read, a head version, a job, and the filter of the worklist."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..exam import FileMark, Sourced, View, ViewName
from ..imaging.phantom_files import is_phantom_view
from ..reading.reading import Reading, ReadKind

#: (share done 0..1, message) -> True if the caller should stop
ProgressCallback = Callable[[float, str], bool]


@dataclass(frozen=True)
class ViewFacts:
    """What was known of a view when it was stored: where each fact came from, its marks as (code, text), and whether it
    is a phantom's.

    A kept copy has every fact in its header, also one that was a guess; so guesses and marks are stored beside it.
    """

    sources: Mapping[str, Sourced] = field(default_factory=dict)
    marks: tuple[tuple[str, str], ...] = ()
    phantom: bool = False

    @classmethod
    def of(cls, view: View) -> ViewFacts:
        """Return the facts of a view."""
        marks = tuple((mark.code, mark.text) for mark in view.marks)
        return cls(dict(view.sources), marks, is_phantom_view(view))

    def to_json(self) -> str:
        """Return the facts as JSON."""
        sources = {fact: [known.value, known.source, known.guessed] for fact, known in self.sources.items()}
        return json.dumps({"sources": sources, "marks": self.marks} | ({"phantom": True} if self.phantom else {}))

    @classmethod
    def from_json(cls, text: str) -> ViewFacts:
        """Return the facts of `to_json`."""
        stored = json.loads(text)
        sources = {fact: Sourced(*known) for fact, known in stored.get("sources", {}).items()}
        marks = tuple((code, text) for code, text in stored.get("marks", []))
        return cls(sources, marks, bool(stored.get("phantom")))

    def applied_to(self, view: View) -> View:
        """Return an opened view with these sources and marks; unchanged where nothing was stored, as by 0.4.0."""
        if not self.sources:
            return view
        return replace(
            view, sources=dict(self.sources), marks=tuple(FileMark(code, view.file, text) for code, text in self.marks)
        )


class StoredView(NamedTuple):
    """An image of a stored exam: the path of its file, the SHA-256 of the file in hex, and its size in pixels.

    named_by: the reader who named the view by hand; "" where its file did.
    """

    name: ViewName
    path: str
    sha256: str
    rows: int
    columns: int
    named_by: str = ""
    facts: ViewFacts = ViewFacts()


class ExtraView(NamedTuple):
    """An image of a stored exam that a reader took out of its standard views. The fields are those of `StoredView`."""

    path: str
    sha256: str
    rows: int
    columns: int


@dataclass(frozen=True)
class StoredExam:
    """An exam as a line of the worklist.

    patient: a pseudonym. split: train or test. exam_date: YYYYMMDD. state: new, draft or signed. readers: names,
    separated by spaces. density: of the newest reading. disagreement: whether two signed reads made before the model
    was seen differ. score: the model's, by which the worklist can be sorted, 0..1.
    """

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
    """A stored reading of an exam by one reader, with when and how it was made.

    started, signed: UTC, ISO 8601; signed is None for a draft. seconds: reading time. informed: whether the reader saw
    the model's answers before signing.
    """

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
    """When and how a reading was made, as an imported file states it. The fields are those of `Read`."""

    started: str
    seconds: float
    signed: str | None
    form_version: int
    birads_edition: str
    informed: bool


@dataclass(frozen=True)
class Job:
    """A job of the worker, such as a fine-tuning or an import.

    settings, result: JSON values. state: queued, running, done, failed or cancelled. cancel: whether cancellation was
    requested. progress: 0..1. created, ended: UTC, ISO 8601. owner: who may stop it; "" for a job of 0.4.0.
    """

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
    owner: str

    @property
    def over(self) -> bool:
        """Whether the job has ended."""
        return self.state in ("done", "failed", "cancelled")


@dataclass(frozen=True)
class HeadSummary:
    """A version of a fine-tuned head without its record and tensors, as a list shows it.

    weights: checksum of the weights that it belongs to. active: whether it answers its task.
    """

    id: int
    task: str
    name: str
    weights: str
    created: str
    active: bool


@dataclass(frozen=True)
class StoredHead(HeadSummary):
    """A version of a fine-tuned head.

    record: configuration, data snapshot and metrics, JSON values. tensors: the content of a safetensors file.
    """

    record: dict
    tensors: bytes


class Filter(NamedTuple):
    """Which exams the worklist shows, and in which order. None and "" do not filter.

    words: full-text search. state: new, draft or signed. order: a key of `worklist.ORDERS`. since, until: first and
    last date of the exam, YYYYMMDD; an exam without a date is left out. score: the lowest one.
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
    """Return the reading that labels are taken from: the signed consensus, else the newest signed first reading.

    Readings made before the model's answers were seen are preferred. Readings after the model are never returned.
    reader: consider only readings of this reader.
    """
    signed = [read for read in readings if read.signed and (reader is None or read.reader == reader)]
    for kind in (ReadKind.CONSENSUS, ReadKind.FIRST):
        candidates = [read for read in signed if read.kind is kind]
        if candidates:
            return max(candidates, key=lambda read: (not read.informed, read.signed, read.id))
    return None
