"""The records of the store as plain data: an exam, a read, a head version, a job, and the filter of the worklist."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, TypeVar

from ..exam import FileMark, Sourced, View, ViewName
from ..imaging.phantom_files import is_phantom_view
from ..messages import without_quotations
from ..reading.opinion import disagreements
from ..reading.reading import Reading, ReadKind

#: (share done 0..1, message) -> True if the caller should stop
ProgressCallback = Callable[[float, str], bool]
SAW_MARKS = "saw marks of other programs"  # in the history of a read


def part_of_progress(report_progress: ProgressCallback, start: float, end: float) -> ProgressCallback:
    """Return what reports a part of the work that lies between two shares of the whole, 0..1."""
    return lambda share, message: report_progress(start + (end - start) * share, message)


@dataclass(frozen=True)
class ViewFacts:
    """What was known of a view when it was stored: where each fact came from, its marks as (code, text), and whether it
    is a phantom's.

    A kept copy has every fact in its header, also one that was a guess; so guesses and marks are stored beside it.
    nipple: (column, row) in DICOM pixels where a reader placed it; None where it is estimated.
    """

    sources: Mapping[str, Sourced] = field(default_factory=dict)
    marks: tuple[tuple[str, str], ...] = ()
    phantom: bool = False
    nipple: tuple[float, float] | None = None

    @classmethod
    def of(cls, view: View) -> ViewFacts:
        """Return the facts of a view."""
        marks = tuple((mark.code, without_quotations(mark.text)) for mark in view.marks)
        return cls(dict(view.sources), marks, is_phantom_view(view))

    def to_json(self) -> str:
        """Return the facts as JSON."""
        sources = {fact: [known.value, known.source, known.guessed] for fact, known in self.sources.items()}
        more = ({"phantom": True} if self.phantom else {}) | ({"nipple": self.nipple} if self.nipple else {})
        return json.dumps({"sources": sources, "marks": self.marks} | more)

    @classmethod
    def from_json(cls, text: str) -> ViewFacts:
        """Return the facts of `to_json`."""
        stored = json.loads(text)
        sources = {fact: Sourced(*known) for fact, known in stored.get("sources", {}).items()}
        marks = tuple((code, text) for code, text in stored.get("marks", []))
        nipple = stored.get("nipple")
        return cls(sources, marks, bool(stored.get("phantom")), (nipple[0], nipple[1]) if nipple else None)

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


class Draft(NamedTuple):
    """A read that is not signed yet: its number, its exam's number and name, its reader, and when it was last changed
    (UTC, ISO 8601).
    """

    read: int
    exam: int
    name: str
    reader: str
    changed: str


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

    kind: the first or the second read of the exam, or its arbitration. authors: who decided with the reader.
    started, signed: UTC, ISO 8601; signed is None for a draft. final: since when it cannot be changed any more; until
    then nobody else sees it, and no label is taken from it. amends: the number of the read of which this is a later
    version; it has the same reader and kind. seconds: reading time. informed: whether the reader saw the model's
    answers, or marks of other programs, before signing. model_shown: when the reader saw them first.
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
    final: str | None = None
    amends: int | None = None
    authors: tuple[str, ...] = ()
    model_shown: str | None = None


class Stamp(NamedTuple):
    """When and how a reading was made, as an imported file states it. The fields are those of `Read`."""

    started: str
    seconds: float
    signed: str | None
    form_version: int
    birads_edition: str
    informed: bool
    final: str | None = None
    model_shown: str | None = None


@dataclass(frozen=True)
class Job:
    """A job of the worker, such as a fine-tuning or an import.

    settings, result: JSON values. state: queued, running, done, failed or cancelled. cancel: whether cancellation was
    requested. progress: 0..1. created, ended, started: UTC, ISO 8601; started is None until a worker takes it.
    owner: who may stop it; "" for a job of 0.4.0.
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
    started: str | None = None

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
class SiteVersion:
    """What a site has made of a model's scores of a task: a calibration, or an operating point.

    weights: checksum of the weights whose scores it is for. head: the fine-tuned head that gave them, "" for none.
    active: whether it is applied. record: what it is and how good it is, JSON values.
    """

    id: int
    task: str
    weights: str
    head: str
    created: str
    active: bool
    record: dict


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
    last date of the exam, YYYYMMDD; an exam without a date is left out. score: the lowest one. in_list: the number of a
    list of exams, see `store.lists`. seen_by: what reads state and the model answered is searched and filtered by only
    in exams of which this reader has a final read; None for all exams.
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
    in_list: int | None = None
    seen_by: str | None = None


def independent_reads(reads: Iterable[Read]) -> list[Read]:
    """Return the reads of an exam that count when readers are compared: final, and not informed by the model.

    Of a read that was amended, the newest version of this kind. An arbitration is no independent read.
    """
    versions: dict[int, Read] = {}  # the number of a read, or of the version of it that is open -> what counts of it
    for read in sorted(reads, key=lambda read: read.id):
        if read.kind is ReadKind.ARBITRATION or not read.final or read.informed:
            continue
        if read.amends is not None:
            versions.pop(read.amends, None)
        versions[read.id] = read
    return list(versions.values())


class Version(Protocol):
    """What `oldest_first` and `final_versions` look at: a read, or a row of it."""

    @property
    def id(self) -> int:
        """The number of the read."""
        ...

    @property
    def started(self) -> str:
        """When it was begun."""
        ...

    @property
    def kind(self) -> ReadKind:
        """First, second or arbitration."""
        ...

    @property
    def final(self) -> str | None:
        """When it became final."""
        ...

    @property
    def amends(self) -> int | None:
        """The number of the read of which it is a later version."""
        ...


AnyVersion = TypeVar("AnyVersion", bound=Version)


def oldest_first(reads: Sequence[AnyVersion]) -> list[AnyVersion]:
    """Return the reads of an exam in the order in which they were begun.

    A version follows what it amends, also where the clock was set back between them.
    """
    since: dict[int | None, str] = {}
    for read in sorted(reads, key=lambda read: read.id):  # what a version amends was stored before it
        since[read.id] = max(read.started, since.get(read.amends, ""))
    return sorted(reads, key=lambda read: (since[read.id], read.id))


def final_versions(reads: Iterable[AnyVersion]) -> list[AnyVersion]:
    """Return what each reader decided in the end: the newest final version of each read, also after the model was seen.

    An arbitration is no such read.
    """
    final = [read for read in reads if read.final and read.kind is not ReadKind.ARBITRATION]
    amended = {read.amends for read in final}
    return [read for read in final if read.id not in amended]


def disagreeing_pair(reads: Iterable[Read]) -> tuple[Read, Read] | None:
    """Return two reads of an exam that disagree in the end, first read first; None where none do."""
    decided = sorted(final_versions(reads), key=lambda read: (read.kind is not ReadKind.FIRST, read.signed))
    pairs = ((a, b) for number, a in enumerate(decided) for b in decided[number + 1 :])
    return next((pair for pair in pairs if disagreements(pair[0].reading, pair[1].reading)), None)


def newest_versions(reads: Iterable[Read]) -> list[Read]:
    """Return the reads of an exam without the versions that were amended later."""
    reads = list(reads)
    amended = {read.amends for read in reads}
    return [read for read in reads if read.id not in amended]


def reference_reading(readings: Iterable[Read], reader: str | None = None) -> Read | None:
    """Return the reading that labels are taken from: the arbitration, else the newest final read.

    Reads made before the model's answers were seen are preferred. A version that was amended after they were seen is
    never returned. reader: consider only readings of this reader.
    """
    final = [read for read in readings if read.final and (reader is None or read.reader == reader)]
    usable = newest_versions(read for read in final if not (read.informed and read.amends is not None))
    for candidates in (
        [read for read in usable if read.kind is ReadKind.ARBITRATION],
        [read for read in usable if read.kind is not ReadKind.ARBITRATION],
    ):
        if candidates:
            return max(candidates, key=lambda read: (not read.informed, read.signed, read.id))
    return None
