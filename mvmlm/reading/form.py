"""The questions of the reading form, made from the tasks and the lexicon."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from ..exam import Laterality
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
from ..tasks import TASKS, Kind, Level, Task

FORM_VERSION = 2  # 2: the date of the outcome


BIRADS_EDITION = "5"


NOTE_LETTERS = 5000


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


PRESENT = (("present", "1"), ("absent", "0"))


def form_questions(tasks: Sequence[Task] = TASKS) -> tuple[FormField, ...]:
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
