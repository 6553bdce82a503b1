"""The built-in tasks as plain data: heads, pages, reports, stored rows and metrics are made from them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Level(str, Enum):
    """What an answer is about: each breast, or the exam."""

    BREAST = "breast"
    EXAM = "exam"


class Kind(str, Enum):
    """How the classes of a task exclude each other."""

    BINARY = "binary"  # one class, "present", with a probability of its own
    MULTICLASS = "multiclass"  # exactly one class holds; the classes may be ordered
    SURVIVAL = "survival"  # the classes are years, with cumulative probabilities


@dataclass(frozen=True)
class Task:
    """A question that the model answers.

    name: in tables and JSON. title: on screen. classes: those of the answers. prompts: for each class the sentences
    that ask for it in words; a binary task has "present" and "absent". prevalence: how many of 1,000 breasts in a
    screening population have it, the starting value of the page's natural frequencies (None: not shown); a round number
    in the range of screening programmes, to be replaced by the reader. ordered: the classes are steps of a scale.
    """

    name: str
    title: str
    level: Level
    kind: Kind
    classes: tuple[str, ...]
    prompts: dict[str, tuple[str, ...]]
    prevalence: float | None = None
    ordered: bool = False

    @property
    def outputs(self) -> int:
        """How many numbers a head computes for the task."""
        return len(self.classes) + (self.kind is Kind.SURVIVAL)

    @property
    def nominal(self) -> bool:
        """Whether the classes have no order: none is higher than another."""
        return self.kind is Kind.MULTICLASS and not self.ordered


def _binary(name: str, title: str, prevalence: float, present: tuple[str, ...], absent: tuple[str, ...]) -> Task:
    prompts = {"present": present, "absent": absent}
    return Task(name, title, Level.BREAST, Kind.BINARY, ("present",), prompts, prevalence)


DENSITY_WORDS = {
    "A": "almost entirely fatty",
    "B": "scattered areas of fibroglandular density",
    "C": "heterogeneously dense",
    "D": "extremely dense",
}

TASKS: tuple[Task, ...] = (
    _binary(
        "malignancy",
        "Malignancy",
        3.0,
        ("suspicious finding, BI-RADS 5", "highly suggestive of malignancy", "suspicious abnormality, BI-RADS 4"),
        ("no suspicious finding, BI-RADS 1", "negative", "benign finding, BI-RADS 2"),
    ),
    _binary(
        "mass",
        "Mass",
        50.0,
        ("there is a mass", "a mass is seen", "irregular spiculated mass"),
        ("no mass", "no mass is seen", "no focal mass"),
    ),
    _binary(
        "calcification",
        "Calcification",
        50.0,
        ("there are grouped calcifications", "calcifications are seen", "fine pleomorphic calcifications"),
        ("no calcifications", "no suspicious calcifications", "no calcifications are seen"),
    ),
    _binary(
        "asymmetry",
        "Asymmetry",
        25.0,
        ("there is a focal asymmetry", "an asymmetry is seen"),
        ("no asymmetry", "no asymmetry is seen"),
    ),
    _binary(
        "distortion",
        "Architectural distortion",
        6.0,
        ("there is architectural distortion", "architectural distortion is seen"),
        ("no architectural distortion", "no architectural distortion is seen"),
    ),
    Task(
        "birads",
        "Suspicion level (BI-RADS scale)",
        Level.BREAST,
        Kind.MULTICLASS,
        ("1", "2", "3", "4", "5"),
        {
            "1": ("negative, BI-RADS 1",),
            "2": ("benign finding, BI-RADS 2",),
            "3": ("probably benign finding, BI-RADS 3",),
            "4": ("suspicious finding, BI-RADS 4",),
            "5": ("highly suggestive of malignancy, BI-RADS 5",),
        },
        ordered=True,
    ),
    Task(
        "density",
        "Breast density",
        Level.EXAM,
        Kind.MULTICLASS,
        tuple(DENSITY_WORDS),
        {letter: (f"the breast is {words}", words) for letter, words in DENSITY_WORDS.items()},
        ordered=True,
    ),
    Task(
        "risk",
        "Cancer risk, years 1 to 5",
        Level.EXAM,
        Kind.SURVIVAL,
        ("1", "2", "3", "4", "5"),
        {},
    ),
)

TASK = {task.name: task for task in TASKS}


def at_prevalence(probability: float, trained_at: float, prevalence: float) -> float:
    """Return the probability after a change of prevalence, by Bayes' rule on the odds.

    probability: calibrated at a share of positives of `trained_at`. All three are in 0..1. Raises ValueError for a
    share of 0 or 1.
    """
    for name, share in (("trained_at", trained_at), ("prevalence", prevalence)):
        if not 0 < share < 1:
            raise ValueError(f"{name}={share}: expected a share between 0 and 1, both excluded")
    ratio = prevalence / (1 - prevalence) * (1 - trained_at) / trained_at
    return probability * ratio / (probability * ratio + 1 - probability)


def natural_frequency(probability: float, what: str = "exams") -> str:
    """Return a probability, 0..1, in words: 0.037 is "about 1 in 27 such exams".

    It has two digits and nothing rarer than 1 in 1,000: no calibration on some hundred women tells more.
    """
    rarest = 1_000
    if probability <= 0 or 1 / probability > rarest:
        return f"fewer than 1 in {rarest:,} such {what}"
    if probability >= 0.95:
        return f"about {min(round(probability * 100), 99)} in 100 such {what}"
    if probability >= 0.5:
        return f"about {min(round(probability * 10), 10)} in 10 such {what}"
    if probability > 0.1:
        return f"about {probability * 100:.0f} in 100 such {what}"
    among = 1 / probability
    return f"about 1 in {round(among, -1 if among >= 100 else None):,.0f} such {what}"
