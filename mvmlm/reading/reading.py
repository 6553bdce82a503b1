"""A reading: what a reader states about an exam, as answers to questions and as findings with their marks.

Plain data, shared by the form, the store, fine-tuning and the exchange files. The questions come from `tasks.py` and
the lexicon, so a new task needs no change here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, NamedTuple

from ..exam import Laterality, ViewName
from ..report.findings import Finding
from ..report.lexicon import KINDS
from ..tasks import TASKS, Task
from .form import form_questions
from .opinion import NOTHING_SUSPECTED, is_suspicious, opinion_problems

MIN_POINTS = {"box": 2, "point": 1, "region": 3}  # the fewest points of each kind of mark
MAX_POINTS = 5000
MARK_LABELS = (*KINDS, "other")  # what a mark can be called
NOT_DESCRIBED = ("kind", "also", "either")  # fields of Finding that `described` shows with the field they belong to


class ReadKind(str, Enum):
    """The kind of a read. Its first and its second read are given by readers who do not see each other's."""

    FIRST = "first"
    SECOND = "second"
    ARBITRATION = "arbitration"  # decides where the first and the second read disagree


class Mark(NamedTuple):
    """A mark that a reader drew on a view.

    kind: box, point or region. label: one of MARK_LABELS. points: (column, row) in DICOM pixels of the view, (0, 0) is
    the centre of the first pixel; two opposite corners of a box, the outline of a region.
    """

    view: ViewName
    kind: str
    label: str
    points: tuple[tuple[float, float], ...]

    def to_json(self) -> dict:
        """Return JSON values, as the browser, the store and the exchange files use them."""
        return {
            "view": str(self.view),
            "kind": self.kind,
            "label": self.label,
            "points": [list(point) for point in self.points],
        }

    @classmethod
    def from_json(cls, row: Mapping) -> Mark:
        """Return the mark of `to_json`'s values. Raises ValueError for a missing key or an impossible value."""
        try:
            name, kind, label = ViewName.parse(str(row["view"])), str(row["kind"]), str(row["label"])
            points = tuple((float(column), float(line)) for column, line in row["points"])
        except (KeyError, TypeError, ValueError, OverflowError):
            raise ValueError("a mark without a view, kind, label and points") from None
        if kind not in MIN_POINTS:
            raise ValueError(f"a mark of kind {kind[:40]!r}: expected {', '.join(MIN_POINTS)}")
        if not MIN_POINTS[kind] <= len(points) <= MAX_POINTS or not all(
            math.isfinite(value) for point in points for value in point
        ):
            raise ValueError("a mark with too few, too many or impossible points")
        return cls(name, kind, label, points)

    @property
    def centre(self) -> tuple[float, float]:
        """The middle (column, row) of the mark's bounding box."""
        columns, rows = zip(*self.points)
        return (min(columns) + max(columns)) / 2, (min(rows) + max(rows)) / 2


@dataclass(frozen=True)
class MarkedFinding:
    """A finding of one breast, marked on any number of its views.

    label: one of MARK_LABELS. descriptors: the finding in BI-RADS terms; None for the label "other". suspicion: of
    malignancy, from 1 (normal) to 5 (malignant), None where it was not given. Raises ValueError for a mark on the other
    breast, descriptors of another kind than the label, or a suspicion that is off the scale.
    """

    laterality: Laterality
    label: str
    descriptors: Finding | None = None
    marks: tuple[Mark, ...] = ()
    suspicion: int | None = None

    def __post_init__(self):
        if self.suspicion is not None and (type(self.suspicion) is not int or self.suspicion not in range(1, 6)):
            raise ValueError(f"suspicion={self.suspicion!r}: expected a whole number from 1 to 5")
        if any(mark.view.laterality is not self.laterality for mark in self.marks):
            raise ValueError(f"a finding of the {self.laterality.word} breast with a mark on the other one")
        if self.descriptors is not None and self.descriptors.kind != self.label:
            raise ValueError(f"a finding called {self.label} that describes a {self.descriptors.kind}")

    def described(self) -> dict[str, str]:
        """Return each descriptor that is known, by its field, as text such as `12` or `skin thickening`."""
        described = {} if self.suspicion is None else {"suspicion": str(self.suspicion)}
        if (found := self.descriptors) is None:
            return described
        names = [field.name for field in fields(found) if field.name not in NOT_DESCRIBED]
        return {name: text for name in names if (text := found.described(name))} | described

    def value(self, name: str) -> Any:
        """Return what is given in a field of the form (`FINDING_FIELDS`); None where nothing is."""
        return self.suspicion if name == "suspicion" else getattr(self.descriptors, name, None)

    def to_json(self) -> dict:
        """Return JSON values; `what` holds the descriptors that are known, `suspicion` is there where it was given."""
        return {
            "laterality": self.laterality.value,
            "label": self.label,
            "what": self.descriptors.to_json() if self.descriptors else None,
            "marks": [m.to_json() for m in self.marks],
        } | ({} if self.suspicion is None else {"suspicion": self.suspicion})

    @classmethod
    def from_json(cls, row: Mapping) -> MarkedFinding:
        """Return the finding of `to_json`'s values. Raises ValueError for a value outside the lexicon."""
        what = row.get("what")
        return cls(
            Laterality(row["laterality"]),
            str(row["label"]),
            None if what is None else Finding.from_json(what),
            tuple(Mark.from_json(mark) for mark in row.get("marks", ())),
            row.get("suspicion"),
        )


#: (side, or None for the exam; field name) -> the answer as text
Fields = Mapping[tuple[Laterality | None, str], str]


@dataclass(frozen=True)
class Reading:
    """A reader's answers and findings of one exam.

    fields: the answers that were given. findings: by number; a finding keeps its number when others are deleted.
    """

    fields: Fields = field(default_factory=dict)
    findings: Mapping[int, MarkedFinding] = field(default_factory=dict)

    def check(self, tasks: Sequence[Task] = TASKS) -> Reading:
        """Return the reading itself. Raises ValueError that names the field, its value and what was expected."""
        known = {(side, f.name): f for f in form_questions(tasks) for side in f.sides}
        for (side, name), value in self.fields.items():
            if (side, name) not in known:
                raise ValueError(
                    f"{name} of the {side.word + ' breast' if side else 'exam'}: the form has no such field"
                )
            known[side, name].check(value)
        return self

    def to_json(self) -> dict:
        """Return JSON values."""
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
        """Return the reading of `to_json`'s values. Raises ValueError for an impossible value."""
        fields = {}
        for key, value in data["fields"].items():
            side, _, name = key.partition(" ")
            fields[None if side == "exam" else Laterality(side), name] = value
        return cls(
            fields, {int(number): MarkedFinding.from_json(finding) for number, finding in data["findings"].items()}
        )

    def with_fields(self, given: Fields) -> Reading:
        """Return the reading with these answers in place of its own; the findings stay."""
        return Reading(given, self.findings)

    def answer(self, name: str, side: Laterality | None = None) -> str | None:
        """Return the answer to a question, of a breast or (None) of the exam; None where none was given."""
        return self.fields.get((side, name))

    def contradictions(self, breasts: Collection[Laterality] = tuple(Laterality)) -> list[str]:
        """Return a sentence for each pair of answers that cannot both be true; such a reading cannot be signed.

        breasts: those of which the exam has a view; of the others no opinion is asked for.
        """
        sentences = []
        for number, finding in self.findings.items():
            if self.answer(finding.label, finding.laterality) == "0":
                sentences.append(
                    f"{finding.laterality.word} breast: {finding.label} is answered with “absent”, but one is marked"
                )
            category = self.answer("birads", finding.laterality)
            if category in NOTHING_SUSPECTED and is_suspicious(finding):
                sentences.append(
                    f"{finding.laterality.word} breast: BI-RADS {category}, but finding {number} is suspicious"
                )
        for side in Laterality:
            level = (self.answer("birads", side) or "")[:1]
            if level == "1" and any(self.answer(kind, side) == "1" for kind in KINDS):
                sentences.append(
                    f"{side.word} breast: BI-RADS 1 means no finding, but a finding is answered with “present”"
                )
        if self.answer("cancer") and not self.answer("risk_years") and not self.answer("outcome_date"):
            sentences.append("follow-up: the outcome needs its date, or the years until then")
        return [*opinion_problems(self, breasts), *sentences]
