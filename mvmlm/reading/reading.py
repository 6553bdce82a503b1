"""A reading: what a reader says of an exam (fields for each breast and the exam, findings with their marks). Plain data.

The form, the store, training and exchange files all speak of readings through this one place, and it is drawn from `tasks.py`
and the lexicon: a new task is a new field with no line here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

from ..exam import Laterality, ViewName
from ..report.lexicon import (
    ASSESSMENTS,
    ASYMMETRY_KINDS,
    BENIGN_MORPHOLOGIES,
    CALCIFICATION_DISTRIBUTIONS,
    DEPTHS,
    FEATURES,
    KINDS,
    MASS_DENSITIES,
    MASS_MARGINS,
    MASS_SHAPES,
    PLACES,
    SUSPICIOUS_MORPHOLOGIES,
)
from ..report.writer import ExamFindings, Finding, Findings
from ..tasks import TASK, TASKS, Kind, Level, Task

FORM_VERSION = 2  # 2: the date of the outcome
BIRADS_EDITION = "5"
NOTE_LETTERS = 5000
SHAPES = {"box": 2, "point": 1, "region": 3}  # and how many points one has at least
MAX_POINTS = 5000


class Round(str, Enum):
    """Which look it was."""

    FIRST = "first"  # before the model's answers were seen
    AFTER = "after the model"
    CONSENSUS = "consensus"


class Mark(NamedTuple):
    """What a reader drew on a view. points: (column, row) in DICOM pixels, (0, 0) the centre of the first one; a box has
    its two corners, a region its outline."""

    view: ViewName
    kind: str
    label: str
    points: tuple[tuple[float, float], ...]

    def plain(self) -> dict:
        """As the browser, the store and JSON take it."""
        return {
            "view": str(self.view),
            "kind": self.kind,
            "label": self.label,
            "points": [list(point) for point in self.points],
        }

    @classmethod
    def of(cls, row: Mapping) -> Mark:
        """The inverse of `plain`. Raises ValueError for anything that is no mark."""
        try:
            name, kind, label = ViewName.parse(row["view"]), row["kind"], str(row["label"])
            points = tuple((float(column), float(line)) for column, line in row["points"])
        except (KeyError, TypeError, ValueError):
            raise ValueError("a mark without a view, kind, label and points") from None
        if kind not in SHAPES:
            raise ValueError(f"a mark of kind {kind!r}: expected {', '.join(SHAPES)}")
        if not SHAPES[kind] <= len(points) <= MAX_POINTS or not all(
            math.isfinite(value) for point in points for value in point
        ):
            raise ValueError("a mark with too few, too many or impossible points")
        return cls(name, kind, label, points)

    @property
    def centre(self) -> tuple[float, float]:
        """(column, row) of the middle of its bounding box."""
        columns, rows = zip(*self.points)
        return (min(columns) + max(columns)) / 2, (min(rows) + max(rows)) / 2


@dataclass(frozen=True)
class SeenFinding:
    """One thing seen, in one or several views of a breast. what: its descriptors; None for a mark of no BI-RADS kind."""

    laterality: Laterality
    label: str
    what: Finding | None = None
    marks: tuple[Mark, ...] = ()

    def __post_init__(self):
        if any(mark.view.laterality is not self.laterality for mark in self.marks):
            raise ValueError(f"a finding of the {self.laterality.word} breast with a mark on the other one")
        if self.what is not None and self.what.kind != self.label:
            raise ValueError(f"a finding called {self.label} that describes a {self.what.kind}")

    def plain(self) -> dict:
        """Plain JSON values."""
        what = {k: v for k, v in asdict(self.what).items() if v not in (None, ())} if self.what else None
        return {
            "laterality": self.laterality.value,
            "label": self.label,
            "what": what,
            "marks": [m.plain() for m in self.marks],
        }

    @classmethod
    def of(cls, row: Mapping) -> SeenFinding:
        """The inverse of `plain`. Raises ValueError."""
        what = row.get("what")
        if what is not None:
            what = Finding(**{**what, "features": tuple(what.get("features", ()))})
        return cls(
            Laterality(row["laterality"]),
            str(row["label"]),
            what,
            tuple(Mark.of(mark) for mark in row.get("marks", ())),
        )


#: (side or None for the exam, field name) -> value as text
Fields = Mapping[tuple[Laterality | None, str], str]


@dataclass(frozen=True)
class Reading:
    """fields: only what was said; findings: by number, which stays when others are deleted. Raises ValueError for a value that
    the form does not know."""

    fields: Fields = field(default_factory=dict)
    findings: Mapping[int, SeenFinding] = field(default_factory=dict)

    def check(self, tasks: Sequence[Task] = TASKS) -> Reading:
        """Itself, or ValueError that names the field, its value and what was expected."""
        known = {(side, f.name): f for f in form(tasks) for side in f.sides}
        for (side, name), value in self.fields.items():
            if (side, name) not in known:
                raise ValueError(
                    f"{name} of the {side.word + ' breast' if side else 'exam'}: the form has no such field"
                )
            known[side, name].check(value)
        return self

    def plain(self) -> dict:
        """Plain JSON values."""
        fields = {
            f"{side.value if side else 'exam'} {name}": value
            for (side, name), value in sorted(self.fields.items(), key=str)
        }
        return {
            "fields": fields,
            "findings": {str(number): finding.plain() for number, finding in self.findings.items()},
        }

    @classmethod
    def of(cls, data: Mapping) -> Reading:
        """The inverse of `plain`. Raises ValueError."""
        fields = {}
        for key, value in data["fields"].items():
            side, _, name = key.partition(" ")
            fields[None if side == "exam" else Laterality(side), name] = value
        return cls(fields, {int(number): SeenFinding.of(finding) for number, finding in data["findings"].items()})

    def said(self, name: str, side: Laterality | None = None) -> str | None:
        return self.fields.get((side, name))

    def contradictions(self) -> list[str]:
        """Sentences on what cannot both be true: shown before a reading is signed."""
        said = []
        for finding in self.findings.values():
            if self.said(finding.label, finding.laterality) == "0":
                said.append(
                    f"{finding.laterality.word} breast: {finding.label} is said to be absent, and one is marked"
                )
        for side in Laterality:
            level = (self.said("birads", side) or "")[:1]
            if level == "1" and any(self.said(kind, side) == "1" for kind in KINDS):
                said.append(f"{side.word} breast: BI-RADS 1 says that nothing was found, and a finding is present")
        if self.said("cancer") and not self.said("risk_years") and not self.said("outcome_date"):
            said.append("follow-up: the outcome is given without its years or date")
        return said


@dataclass(frozen=True)
class FormField:
    """One question of the form. choices: (shown, stored); empty for typed text. ordered: they are steps of a scale."""

    name: str
    title: str
    level: Level
    choices: tuple[tuple[str, str], ...] = ()
    ordered: bool = False

    @property
    def sides(self) -> tuple[Laterality | None, ...]:
        return tuple(Laterality) if self.level is Level.BREAST else (None,)

    def check(self, value: str) -> None:
        """Raises ValueError."""
        if not isinstance(value, str):
            raise ValueError(f"{self.name}={value!r}: expected text")
        if self.choices and value not in [stored for _, stored in self.choices]:
            raise ValueError(
                f"{self.name}={value!r}: expected one of {', '.join(stored for _, stored in self.choices)}"
            )
        if self.name == "risk_years":
            try:
                years = float(value)
            except ValueError:
                years = math.nan
            if not 0 < years <= 100:
                raise ValueError(f"risk_years={value!r}: expected years between 0 and 100")
        if self.name == "outcome_date":
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError(f"outcome_date={value!r}: expected a date such as 2026-05-31") from None
        if len(value) > NOTE_LETTERS:
            raise ValueError(f"{self.name}: at most {NOTE_LETTERS} letters")


@dataclass(frozen=True)
class FindingField:
    """One question about a finding. choices: the lexicon's words, empty for a number; many: any of them may hold."""

    name: str
    title: str
    kinds: tuple[str, ...] = KINDS
    choices: tuple[str, ...] = ()
    many: bool = False


FINDING_FIELDS = (
    FindingField("shape", "Shape", ("mass",), MASS_SHAPES),
    FindingField("margin", "Margin", ("mass",), MASS_MARGINS),
    FindingField("mass_density", "Density of the mass", ("mass",), MASS_DENSITIES),
    FindingField("morphology", "Morphology", ("calcification",), SUSPICIOUS_MORPHOLOGIES + BENIGN_MORPHOLOGIES),
    FindingField("distribution", "Distribution", ("calcification",), CALCIFICATION_DISTRIBUTIONS),
    FindingField("asymmetry", "Kind of asymmetry", ("asymmetry",), ASYMMETRY_KINDS),
    FindingField("size_mm", "Size, mm"),
    FindingField("place", "Place", choices=PLACES),
    FindingField("clock", "Clock position", choices=tuple(str(hour) for hour in range(1, 13))),
    FindingField("depth", "Depth", choices=DEPTHS),
    FindingField("birads", "BI-RADS of this finding", choices=ASSESSMENTS),
    FindingField("features", "Associated features", choices=FEATURES, many=True),
)


def described(reading: Reading, number: int, said: Mapping[str, object]) -> Reading:
    """The reading after finding `number` is described by `said` (field -> its word, number or words; empty: not said).

    Raises KeyError for a finding that is gone, ValueError for a word that the lexicon does not have or that its kind cannot have.
    """
    finding = reading.findings[number]
    if finding.label not in KINDS:
        raise ValueError(f"a mark called {finding.label} is no BI-RADS finding and has no descriptors")
    what: dict[str, object] = {}
    for one in FINDING_FIELDS:
        value = said.get(one.name)
        if value in (None, "", []) or finding.label not in one.kinds:
            continue
        if one.many:
            what[one.name] = tuple(value)
        elif one.name in ("size_mm", "clock"):
            number_said = float(value)
            if not 0 < number_said < 300 or one.name == "clock" and number_said not in range(1, 13):
                raise ValueError(f"{one.name}={value!r}: not possible")
            what[one.name] = round(number_said)
        else:
            what[one.name] = value
    return Reading(reading.fields, {**reading.findings, number: replace(finding, what=Finding(finding.label, **what))})


def with_finding(reading: Reading, side: Laterality, kind: str) -> tuple[Reading, int]:
    """The reading with a finding that is not marked on a view, and its number."""
    number = max(reading.findings, default=0) + 1
    fields = {**reading.fields, (side, kind): "1"}
    return Reading(fields, {**reading.findings, number: SeenFinding(side, kind, Finding(kind))}), number


PRESENT = (("present", "1"), ("absent", "0"))


def form(tasks: Sequence[Task] = TASKS) -> tuple[FormField, ...]:
    """The questions of the form, in order: those of a breast, then those of the exam."""
    fields = []
    for task in tasks:
        if task.kind is Kind.BINARY:
            words = (("cancer proven", "1"), ("no cancer", "0")) if task.name == "malignancy" else PRESENT
            title = "Cancer now (outcome)" if task.name == "malignancy" else task.title
            fields.append(FormField(task.name, title, task.level, words))
        elif task.name == "birads":
            fields.append(
                FormField(
                    "birads",
                    "BI-RADS assessment",
                    task.level,
                    tuple((level, level) for level in ASSESSMENTS),
                    ordered=True,
                )
            )
        elif task.kind is Kind.SURVIVAL:
            fields.append(
                FormField(
                    "cancer", "Cancer later (follow-up)", task.level, (("cancer found", "1"), ("none found", "0"))
                )
            )
            fields.append(
                FormField("outcome_date", "Date of that cancer, or of the last follow-up (2026-05-31)", task.level)
            )
            fields.append(FormField("risk_years", "Or: years until then", task.level))
        else:
            fields.append(
                FormField(task.name, task.title, task.level, tuple((c, c) for c in task.classes), task.ordered)
            )
    fields.append(FormField("note", "Note", Level.EXAM))
    return tuple(sorted(fields, key=lambda one: one.level is Level.EXAM))


def follow_up_years(reading: Reading, exam_date: str | None) -> float | None:
    """Years from the exam (YYYYMMDD) to the outcome or the end of follow-up; None where that was not said, or lies before the exam."""
    if years := reading.said("risk_years"):
        return float(years)
    try:
        days = (
            date.fromisoformat(reading.said("outcome_date") or "") - datetime.strptime(exam_date or "", "%Y%m%d").date()
        ).days
    except ValueError:
        return None
    return round(days / 365.25, 3) if days > 0 else None


def label_of(
    reading: Reading, task: Task, side: Laterality | None, exam_date: str | None = None
) -> int | tuple[float, bool] | None:
    """What training learns: a class index, (years, cancer) for survival, None where the reader did not say."""
    if task.kind is Kind.SURVIVAL:
        years, cancer = follow_up_years(reading, exam_date), reading.said("cancer")
        return (years, cancer == "1") if years and cancer else None
    value = reading.said(task.name, side)
    if value is None:
        return None
    if task.kind is Kind.BINARY:
        return int(value)
    value = value[:1] if task.name == "birads" else value  # 4A is a 4; 0 is incomplete: no label
    return task.classes.index(value) if value in task.classes else None


def findings_of(reading: Reading) -> ExamFindings:
    """The reading as findings: what `report.py` can put into words. The outcome is no finding."""
    sides = {}
    for side in Laterality:
        own = [f for f in reading.findings.values() if f.laterality is side]
        present = [f.what or Finding(f.label) for f in own if f.label in KINDS]
        described = {finding.kind for finding in present}
        present += [Finding(kind) for kind in KINDS if reading.said(kind, side) == "1" and kind not in described]
        absent = frozenset(kind for kind in KINDS if reading.said(kind, side) == "0" and kind not in described)
        found = Findings(reading.said("density"), tuple(present), absent, reading.said("birads", side))
        sides[side.word] = found if found != Findings() else None
    return ExamFindings(**sides)


def with_report(reading: Reading, told: Mapping[Laterality, Findings]) -> Reading:
    """The reading with what a parsed report says of each breast; what the report does not mention stays."""
    fields, findings = dict(reading.fields), dict(reading.findings)
    for side, found in told.items():
        if found.density:
            fields[None, "density"] = found.density
        if found.birads:
            fields[side, "birads"] = found.birads
        for kind in found.absent:
            fields[side, kind] = "0"
        for finding in found.present:
            fields[side, finding.kind] = "1"
            same = [n for n, f in findings.items() if f.laterality is side and f.label == finding.kind]
            if len(same) == 1:
                findings[same[0]] = replace(findings[same[0]], what=finding)
            elif not same:
                findings[max(findings, default=0) + 1] = SeenFinding(side, finding.kind, finding)
    return Reading(fields, findings)


class Conflict(ValueError):
    """Two people, or two tabs, changed the same thing. `about` says what, with both values."""

    def __init__(self, about: Sequence[str]):
        self.about = tuple(about)
        super().__init__("changed elsewhere in the meantime: " + "; ".join(about))


def merged(base: Reading, mine: Reading, stored: Reading) -> Reading:
    """What `mine` changed since `base`, applied to `stored`. Raises Conflict where both changed the same thing otherwise."""
    about: list[str] = []
    fields = _merge(base.fields, mine.fields, stored.fields, _field_named, about)
    findings = _merge(base.findings, mine.findings, stored.findings, lambda n, v: f"finding {n} {_shown(v)}", about)
    if about:
        raise Conflict(about)
    return Reading(fields, findings)


def _merge(base: Mapping, mine: Mapping, stored: Mapping, name, about: list[str]) -> dict:
    result = dict(stored)
    for key in {*base, *mine}:
        if base.get(key) == mine.get(key) or mine.get(key) == stored.get(key):
            continue
        if base.get(key) != stored.get(key):
            about.append(f"{name(key, mine.get(key))} here, {name(key, stored.get(key)).split(' ', 2)[-1]} there")
        elif key in mine:
            result[key] = mine[key]
        else:
            result.pop(key, None)
    return result


def _field_named(key, value) -> str:
    side, name = key
    return f"{side.word if side else 'exam'} {name} {value or 'not said'}"


def _shown(finding: SeenFinding | None) -> str:
    return "deleted" if finding is None else f"{finding.label} with {len(finding.marks)} marks"


def with_marks(reading: Reading, marks: Iterable[Mark], linked: Mapping[int, int] = MappingProxyType({})) -> Reading:
    """The reading after the marks on screen became `marks`: findings whose marks are all gone go, new marks make new findings.

    linked: finding number -> the finding it is one thing with (the reader said so). A mark that only moved stays with its finding.
    """
    marks = list(marks)
    free = list(marks)
    held: dict[int, list[Mark]] = {number: [] for number in reading.findings}
    for number, finding in reading.findings.items():
        for mark in finding.marks:
            if mark in free:
                free.remove(mark)
                held[number].append(mark)
    for number, finding in reading.findings.items():
        for mark in finding.marks:
            if mark in held[number]:
                continue
            moved = next(
                (new for new in free if (new.view, new.kind, new.label) == (mark.view, mark.kind, mark.label)), None
            )
            if moved is not None:
                free.remove(moved)
                held[number].append(moved)
    findings = {}
    for number, finding in reading.findings.items():
        if held[number] or not finding.marks:
            findings[number] = replace(finding, marks=tuple(held[number]))
    for mark in free:
        what = Finding(mark.label) if mark.label in TASK and mark.label in KINDS else None
        findings[max([*findings, *reading.findings], default=0) + 1] = SeenFinding(
            mark.view.laterality, mark.label, what, (mark,)
        )
    for number, into in linked.items():
        if (
            number in findings
            and into in findings
            and number != into
            and findings[number].laterality is findings[into].laterality
        ):
            findings[into] = replace(findings[into], marks=findings[into].marks + findings.pop(number).marks)
    fields = dict(reading.fields)
    for number, finding in findings.items():
        if number not in reading.findings and finding.label in KINDS:
            fields[finding.laterality, finding.label] = "1"
    return Reading(fields, findings)
