"""Findings of a breast and of an exam as plain data, in BI-RADS terms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from .lexicon import ASYMMETRY_KINDS, EXAM_FIELDS, FEATURES, KINDS, LEXICON


@dataclass(frozen=True)
class Finding:
    """One thing seen. A field that is None is not known and is never said; which fields apply depends on `kind`."""

    kind: str
    shape: str | None = None
    margin: str | None = None
    mass_density: str | None = None
    morphology: str | None = None
    distribution: str | None = None
    asymmetry: str | None = None
    size_mm: int | None = None
    place: str | None = None
    clock: int | None = None
    depth: str | None = None
    features: tuple[str, ...] = ()
    birads: str | None = None

    def __post_init__(self):
        _check("kind", self.kind, KINDS)
        for name, lexicon in (("shape", "shape"), ("margin", "margin"), ("mass_density", "mass_density"),
                              ("morphology", "morphology"), ("distribution", "distribution"), ("place", "place"),
                              ("depth", "depth"), ("birads", "birads")):  # fmt: skip
            _check(name, getattr(self, name), LEXICON[lexicon])
        _check("asymmetry", self.asymmetry, ASYMMETRY_KINDS)
        for feature in self.features:
            _check("features", feature, FEATURES)
        own = {"mass": ("shape", "margin", "mass_density"), "calcification": ("morphology", "distribution"),
               "asymmetry": ("asymmetry",), "distortion": ()}  # fmt: skip
        for kind, names in own.items():
            for name in names:
                if kind != self.kind and getattr(self, name) is not None:
                    raise ValueError(f"{name}={getattr(self, name)!r}: a {self.kind} has no {name}")
        object.__setattr__(self, "features", tuple(sorted(self.features)))
        if self.kind == "asymmetry" and self.asymmetry is None:
            object.__setattr__(self, "asymmetry", "asymmetry")


@dataclass(frozen=True)
class Findings:
    """What a table says of one breast (or of one view of it).

    present: the findings; absent: kinds that are known not to be there; a kind in neither is not known. Two breasts with
    equal findings have the same report, whatever its wording: equality is the rule by which the objective knows positives.
    """

    density: str | None = None
    present: tuple[Finding, ...] = ()
    absent: frozenset[str] = frozenset()
    birads: str | None = None

    def __post_init__(self):
        _check("density", self.density, LEXICON["density"])
        _check("birads", self.birads, LEXICON["birads"])
        for kind in self.absent:
            _check("absent", kind, KINDS)
        both = {finding.kind for finding in self.present} & set(self.absent)
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: present and absent at once")
        object.__setattr__(self, "present", tuple(sorted(self.present, key=repr)))
        object.__setattr__(self, "absent", frozenset(self.absent))

    @property
    def key(self) -> int:
        """A number that is equal for equal findings, in every process and run (56 bits); never 0."""
        said = repr((self.density, self.present, sorted(self.absent), self.birads))
        return int.from_bytes(hashlib.sha256(said.encode()).digest()[:7], "big") + 1

    def first(self, kind: str) -> Finding | None:
        """The first finding of a kind."""
        return next((finding for finding in self.present if finding.kind == kind), None)


@dataclass(frozen=True)
class ExamFindings:
    """What a table says of an exam. A side that is None was not looked at."""

    right: Findings | None = None
    left: Findings | None = None
    indication: str | None = None
    comparison: str | None = None
    recommendation: str | None = None

    def __post_init__(self):
        for name, known in EXAM_FIELDS.items():
            _check(name, getattr(self, name), known)


def _check(name: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in known:
        raise ValueError(f"{name}={value!r}: expected one of {', '.join(known)}")
