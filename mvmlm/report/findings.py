"""Findings of a breast and of an exam as plain data, in BI-RADS terms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from .lexicon import ASYMMETRY_KINDS, EXAM_FIELDS, FEATURES, KIND_FIELDS, KINDS, LEXICON


@dataclass(frozen=True)
class Finding:
    """One finding in BI-RADS terms.

    A field that is None is not known and is left out of reports. Which fields apply depends on `kind`: an asymmetry has
    a kind of asymmetry, a calcification a morphology and a distribution, a mass a shape, a margin and a density. clock:
    1 to 12. Raises ValueError for a word outside the lexicon, or a field that does not apply.
    """

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
        for kind, names in KIND_FIELDS.items():
            for name in names:
                if kind != self.kind and getattr(self, name) is not None:
                    raise ValueError(f"{name}={getattr(self, name)!r}: a {self.kind} has no {name}")
        object.__setattr__(self, "features", tuple(sorted(self.features)))
        if self.kind == "asymmetry" and self.asymmetry is None:
            object.__setattr__(self, "asymmetry", "asymmetry")


@dataclass(frozen=True)
class Findings:
    """The findings of one breast, or those that one of its views can show.

    present: the findings. absent: the kinds that are known not to be there; a kind in neither is not known. Two breasts
    with equal findings have the same report, whatever its wording; the training objective takes such pairs as
    positives. Raises ValueError for a word outside the lexicon, or a kind that is present and absent at once.
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
        """A number from 1 to 2**56 that is equal for equal findings, in every process and run."""
        content = repr((self.density, self.present, sorted(self.absent), self.birads))
        return int.from_bytes(hashlib.sha256(content.encode()).digest()[:7], "big") + 1

    def first(self, kind: str) -> Finding | None:
        """Return the first finding of a kind, or None."""
        return next((finding for finding in self.present if finding.kind == kind), None)


@dataclass(frozen=True)
class ExamFindings:
    """The findings of an exam. A side that is None was not examined."""

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
