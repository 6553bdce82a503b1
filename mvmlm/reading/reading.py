"""A reading: what a reader says of an exam (fields for each breast and the exam, findings with their marks). Plain data.

The form, the store, training and exchange files all speak of readings through this one place, and it is drawn from `tasks.py`
and the lexicon: a new task is a new field with no line here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import NamedTuple

from ..exam import Laterality, ViewName
from ..report.findings import Finding
from ..report.lexicon import KINDS
from ..tasks import TASKS, Task
from .form import form_questions

SHAPES = {"box": 2, "point": 1, "region": 3}  # and how many points one has at least
MAX_POINTS = 5000
MARK_LABELS = (*KINDS, "other")  # what a mark can be called; app/viewer/src/marks.js lists the same


class ReadKind(str, Enum):
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

    def to_json(self) -> dict:
        """As the browser, the store and JSON take it."""
        return {
            "view": str(self.view),
            "kind": self.kind,
            "label": self.label,
            "points": [list(point) for point in self.points],
        }

    @classmethod
    def from_json(cls, row: Mapping) -> Mark:
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
class MarkedFinding:
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

    def to_json(self) -> dict:
        """Plain JSON values."""
        what = {k: v for k, v in asdict(self.what).items() if v not in (None, ())} if self.what else None
        return {
            "laterality": self.laterality.value,
            "label": self.label,
            "what": what,
            "marks": [m.to_json() for m in self.marks],
        }

    @classmethod
    def from_json(cls, row: Mapping) -> MarkedFinding:
        """The inverse of `plain`. Raises ValueError."""
        what = row.get("what")
        if what is not None:
            what = Finding(**{**what, "features": tuple(what.get("features", ()))})
        return cls(
            Laterality(row["laterality"]),
            str(row["label"]),
            what,
            tuple(Mark.from_json(mark) for mark in row.get("marks", ())),
        )


#: (side or None for the exam, field name) -> value as text
Fields = Mapping[tuple[Laterality | None, str], str]


@dataclass(frozen=True)
class Reading:
    """fields: only what was said; findings: by number, which stays when others are deleted. Raises ValueError for a value that
    the form does not know."""

    fields: Fields = field(default_factory=dict)
    findings: Mapping[int, MarkedFinding] = field(default_factory=dict)

    def check(self, tasks: Sequence[Task] = TASKS) -> Reading:
        """Itself, or ValueError that names the field, its value and what was expected."""
        known = {(side, f.name): f for f in form_questions(tasks) for side in f.sides}
        for (side, name), value in self.fields.items():
            if (side, name) not in known:
                raise ValueError(
                    f"{name} of the {side.word + ' breast' if side else 'exam'}: the form has no such field"
                )
            known[side, name].check(value)
        return self

    def to_json(self) -> dict:
        """Plain JSON values."""
        fields = {
            f"{side.value if side else 'exam'} {name}": value
            for (side, name), value in sorted(self.fields.items(), key=str)
        }
        return {
            "fields": fields,
            "findings": {str(number): finding.to_json() for number, finding in self.findings.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping) -> Reading:
        """The inverse of `plain`. Raises ValueError."""
        fields = {}
        for key, value in data["fields"].items():
            side, _, name = key.partition(" ")
            fields[None if side == "exam" else Laterality(side), name] = value
        return cls(
            fields, {int(number): MarkedFinding.from_json(finding) for number, finding in data["findings"].items()}
        )

    def answer(self, name: str, side: Laterality | None = None) -> str | None:
        return self.fields.get((side, name))

    def contradictions(self) -> list[str]:
        """Sentences on what cannot both be true: shown before a reading is signed."""
        said = []
        for finding in self.findings.values():
            if self.answer(finding.label, finding.laterality) == "0":
                said.append(
                    f"{finding.laterality.word} breast: {finding.label} is said to be absent, and one is marked"
                )
        for side in Laterality:
            level = (self.answer("birads", side) or "")[:1]
            if level == "1" and any(self.answer(kind, side) == "1" for kind in KINDS):
                said.append(f"{side.word} breast: BI-RADS 1 says that nothing was found, and a finding is present")
        if self.answer("cancer") and not self.answer("risk_years") and not self.answer("outcome_date"):
            said.append("follow-up: the outcome is given without its years or date")
        return said
