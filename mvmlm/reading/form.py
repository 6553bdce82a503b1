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
from .opinion import BREAST_OPINION, OPINION, REPEAT_REASONS, REPEATED, BreastOpinion, Opinion, repeat_field

FORM_VERSION = 3  # 2 added the date of the outcome, 3 the screening opinion and the suspicion of a finding
BIRADS_EDITION = "5"
MAX_LETTERS = 5000
MAX_YEARS = 100


@dataclass(frozen=True)
class FormField:
    """One question of the form.

    choices: (text on screen, stored answer); empty for typed text. ordered: the choices are steps of a scale.
    """

    name: str
    title: str
    level: Level
    choices: tuple[tuple[str, str], ...] = ()
    ordered: bool = False

    @property
    def sides(self) -> tuple[Laterality | None, ...]:
        """The breasts that are asked about, or (None,) for a question about the exam."""
        return tuple(Laterality) if self.level is Level.BREAST else (None,)

    def check(self, value: str) -> None:
        """Raise ValueError for an answer that the question does not allow, with what was expected."""
        if not isinstance(value, str):
            raise ValueError(f"{self.name}={value!r}: expected text")
        allowed = [stored for _, stored in self.choices]
        if allowed and value not in allowed:
            raise ValueError(f"{self.name}={value!r}: expected one of {', '.join(allowed)}")
        if self.name == "risk_years":
            try:
                years = float(value)
            except ValueError:
                years = math.nan
            if not 0 < years <= MAX_YEARS:
                raise ValueError(f"risk_years={value!r}: expected years between 0 and {MAX_YEARS}")
        if self.name == "outcome_date":
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError(f"outcome_date={value!r}: expected a date such as 2026-05-31") from None
        if len(value) > MAX_LETTERS:
            raise ValueError(f"{self.name}: at most {MAX_LETTERS} letters")


@dataclass(frozen=True)
class FindingField:
    """One question about a finding.

    kinds: the kinds of findings that it applies to. choices: the lexicon's words, empty for a number. many: several
    choices may hold at once.
    """

    name: str
    title: str
    kinds: tuple[str, ...] = KINDS
    choices: tuple[str, ...] = ()
    many: bool = False


SUSPICIONS = ("1", "2", "3", "4", "5")  # normal, benign, indeterminate, suspicious, malignant
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
    FindingField("suspicion", "Suspicion, 1 to 5", (*KINDS, "other"), SUSPICIONS),
    FindingField("birads", "BI-RADS of this finding", choices=ASSESSMENTS),
    FindingField("features", "Associated features", choices=FEATURES, many=True),
)


#: what is found out after the pictures were read; it is no part of an opinion
TRUTH_FIELDS = ("malignancy", "cancer", "outcome_date", "risk_years")
PRESENT = (("present", "1"), ("absent", "0"))
NUMBERS = ("density", "birads", "risk_years")  # fields whose answers 1 and 0 are no words


def answer_word(name: str, answer: str) -> str:
    """Return a stored answer as a reader reads it: `1` and `0` as words, except where they are numbers."""
    return answer if name in NUMBERS else {stored: word for word, stored in PRESENT}.get(answer, answer)


def _opinion_questions() -> list[FormField]:
    """The questions of a screening opinion."""
    reasons = tuple((reason, reason) for reason in REPEAT_REASONS)
    repeats = [FormField(repeat_field(view), f"Repeat the {view.value}", Level.BREAST, reasons) for view in REPEATED]
    breast = tuple((opinion.value, opinion.value) for opinion in BreastOpinion)
    exam = (("normal", "normal"), ("technical recall", "technical recall"), ("recall for assessment", "recall"))
    assert [stored for _, stored in exam] == [opinion.value for opinion in Opinion]
    return [
        FormField(OPINION, "Opinion", Level.EXAM, exam),
        FormField(BREAST_OPINION, "Opinion on the breast", Level.BREAST, breast),
        *repeats,
    ]


def form_questions(tasks: Sequence[Task] = TASKS) -> tuple[FormField, ...]:
    """Return the questions of the form in order: those about each breast, then those about the exam."""
    fields: list[FormField] = [*_opinion_questions()]
    choices: tuple[tuple[str, str], ...]
    for task in tasks:
        if task.name == "malignancy":
            choices = (("cancer proven", "1"), ("no cancer", "0"))
            fields.append(FormField(task.name, "Cancer now (outcome)", task.level, choices))
        elif task.kind is Kind.BINARY:
            fields.append(FormField(task.name, task.title, task.level, PRESENT))
        elif task.name == "birads":
            choices = tuple((category, category) for category in ASSESSMENTS)
            fields.append(FormField("birads", "BI-RADS assessment", task.level, choices, ordered=True))
        elif task.kind is Kind.SURVIVAL:
            choices = (("cancer found", "1"), ("none found", "0"))
            fields += [
                FormField("cancer", "Cancer later (follow-up)", task.level, choices),
                FormField("outcome_date", "Date of that cancer, or of the last follow-up (2026-05-31)", task.level),
                FormField("risk_years", "Or: years until then", task.level),
            ]
        else:
            choices = tuple((class_, class_) for class_ in task.classes)
            fields.append(FormField(task.name, task.title, task.level, choices, task.ordered))
    fields.append(FormField("note", "Note", Level.EXAM))
    return tuple(sorted(fields, key=lambda field: field.level is Level.EXAM))
