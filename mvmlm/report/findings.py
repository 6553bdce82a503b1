"""Findings of a breast and of an exam as plain data, in BI-RADS terms."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .lexicon import EXAM_FIELDS, FEATURES, KIND_FIELDS, KINDS, LEXICON, QUADRANTS, WORD_FIELDS

MIN_SIZE_MM, MAX_SIZE_MM = 0.5, 300
#: a feature whose name holds the word, so that its flat and its limited denial are the same
SUSPICIOUS_NODE = "suspicious lymph node"
NODES = frozenset({SUSPICIOUS_NODE, "lymph node"})
#: (field, word) of a finding
Word = tuple[str, str]


@dataclass(frozen=True)
class Finding:
    """One finding in BI-RADS terms.

    A field that is None is not known and is left out of reports. Which fields apply depends on `kind`: an asymmetry has
    a kind of asymmetry, a calcification a morphology and a distribution, a mass a shape, a margin and a density.
    size_mm: the largest dimension. clock: 1 to 12. subtlety: 1 (very subtle) to 5 (obvious). also: further words of a
    field that hold as well ("indistinct and spiculated"). either: words that another view or reader gives instead
    ("round or oval"). Equal words in another order make equal findings. Raises ValueError for a word outside the
    lexicon, a number out of range, or a field that does not apply.
    """

    kind: str
    shape: str | None = None
    margin: str | None = None
    mass_density: str | None = None
    morphology: str | None = None
    distribution: str | None = None
    asymmetry: str | None = None
    size_mm: float | None = None
    place: str | None = None
    clock: int | None = None
    depth: str | None = None
    features: tuple[str, ...] = ()
    birads: str | None = None
    subtlety: int | None = None
    also: tuple[Word, ...] = ()
    either: tuple[Word, ...] = ()

    def __post_init__(self):
        _check("kind", self.kind, KINDS)
        if self.kind == "asymmetry" and self.asymmetry is None:
            object.__setattr__(self, "asymmetry", "asymmetry")
        for name in (*WORD_FIELDS, "birads"):
            _check(name, getattr(self, name), LEXICON[name])
        _check("subtlety", None if self.subtlety is None else str(self.subtlety), LEXICON["subtlety"])
        for feature in self.features:
            _check("features", feature, FEATURES)
        for kind, names in KIND_FIELDS.items():
            for name in names:
                if kind != self.kind and getattr(self, name) is not None:
                    raise ValueError(f"{name}={getattr(self, name)!r}: a {self.kind} has no {name}")
        object.__setattr__(self, "features", tuple(sorted(self.features)))
        _check_number("size_mm", self.size_mm, MIN_SIZE_MM, MAX_SIZE_MM)
        _check_number("clock", self.clock, 1, 12)
        if self.clock is not None and self.clock != int(self.clock):
            raise ValueError(f"clock={self.clock!r}: expected a whole number")
        for name in ("size_mm", "clock"):
            number = getattr(self, name)
            if number is not None and number == int(number):
                object.__setattr__(self, name, int(number))
        self._order_words()

    def _order_words(self) -> None:
        """Put the words of each field into the lexicon's order; the first one is the field's own."""
        if not self.also and not self.either:
            object.__setattr__(self, "also", ())
            object.__setattr__(self, "either", ())
            return
        for name, word in (*self.also, *self.either):
            _check("also, either", name, WORD_FIELDS)
            _check(name, word, LEXICON[name])
            if getattr(self, name) is None:
                raise ValueError(f"{name}: {word!r} is a further word of a field that has none")
        also: list[Word] = []
        either: list[Word] = []
        for name in WORD_FIELDS:
            order = list(LEXICON[name]).index
            words = sorted({getattr(self, name), *self._further(name, self.also)} - {None}, key=order)
            if name == "place":  # the upper outer breast is in the upper breast
                halves = {half for word in words if word in QUADRANTS for half in word.split()}
                words = [word for word in words if word not in halves]
            others = sorted(set(self._further(name, self.either)) - set(words), key=order)
            if len(words) == 1 and others:
                first, *others = sorted([*words, *others], key=order)
                words = [first]
            if words:
                object.__setattr__(self, name, words[0])
            also += [(name, word) for word in words[1:]]
            either += [(name, word) for word in others]
        object.__setattr__(self, "also", tuple(also))
        object.__setattr__(self, "either", tuple(either))

    @staticmethod
    def _further(name: str, words: Iterable[Word]) -> list[str]:
        return [word for field, word in words if field == name]

    def words(self, name: str) -> tuple[str, ...]:
        """Return the words of a field that hold together, in the lexicon's order; () where it is not known."""
        first = getattr(self, name)
        return () if first is None else (first, *self._further(name, self.also))

    def other_words(self, name: str) -> tuple[str, ...]:
        """Return the words that another view or reader gives for a field instead of `words`."""
        return tuple(self._further(name, self.either))

    def described(self, name: str) -> str:
        """Return a field as text, such as "12", "indistinct and spiculated" or "round or oval"; "" if not known."""
        value = getattr(self, name)
        if value is None:
            return ""
        if name not in WORD_FIELDS:
            return ", ".join(value) if isinstance(value, tuple) else f"{value}"
        return " or ".join([" and ".join(self.words(name)), *self.other_words(name)])

    def without(self, *names: str) -> Finding:
        """Return the finding without the given fields and their further words."""
        gone: dict[str, Any] = {name: () if name == "features" else None for name in names}
        gone["also"] = tuple(word for word in self.also if word[0] not in names)
        gone["either"] = tuple(word for word in self.either if word[0] not in names)
        return replace(self, **gone)

    def to_json(self) -> dict[str, Any]:
        """Return the fields that are known as plain JSON values."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: [list(item) if isinstance(item, tuple) else item for item in value] if type(value) is tuple else value
            for name, value in values.items()
            if value not in (None, ())
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Finding:
        """Return the finding of a value that `to_json` made. Raises ValueError or TypeError for anything else."""
        several = {"features": tuple(data.get("features", ()))}
        several |= {name: tuple((field, word) for field, word in data.get(name, ())) for name in ("also", "either")}
        return cls(**{**data, **several})


@dataclass(frozen=True)
class Findings:
    """The findings of one breast.

    present: the findings; several of a kind are several entries. possible: findings that are uncertain, neither present
    nor absent. features: what is seen besides, words of FEATURES. absent: what is known not to be there, words of KINDS
    and FEATURES. not_suspicious: what is known not to be there as something suspicious; benign ones may be. What is in
    none of them is not known. Two breasts with equal findings have the same report, whatever its wording; the training
    objective takes such pairs as positives. Raises ValueError for a word outside the lexicon, or for what is present
    and absent at once.
    """

    density: str | None = None
    present: tuple[Finding, ...] = ()
    absent: frozenset[str] = frozenset()
    birads: str | None = None
    possible: tuple[Finding, ...] = ()
    not_suspicious: frozenset[str] = frozenset()
    features: tuple[str, ...] = ()

    def __post_init__(self):
        _check("density", self.density, LEXICON["density"])
        _check("birads", self.birads, LEXICON["birads"])
        for name in (*self.absent, *self.not_suspicious):
            _check("absent", name, (*KINDS, *FEATURES))
        for feature in self.features:
            _check("features", feature, FEATURES)
        if nodes := NODES & set(self.not_suspicious):  # "no suspicious lymph node" denies one feature flatly
            object.__setattr__(self, "not_suspicious", frozenset(self.not_suspicious) - nodes)
            object.__setattr__(self, "absent", frozenset(self.absent) | {SUSPICIOUS_NODE})
        object.__setattr__(self, "absent", frozenset(self.absent))
        seen = {finding.kind for finding in (*self.present, *self.possible)} | set(self.features)
        seen |= {feature for finding in self.present for feature in finding.features}
        if both := seen & self.absent:
            raise ValueError(f"{', '.join(sorted(both))}: present and absent at once")
        object.__setattr__(self, "present", tuple(sorted(self.present, key=repr)))
        object.__setattr__(self, "possible", tuple(sorted(self.possible, key=repr)))
        object.__setattr__(self, "not_suspicious", frozenset(self.not_suspicious) - self.absent)
        object.__setattr__(self, "features", tuple(sorted(set(self.features))))

    @property
    def key(self) -> int:
        """A number from 1 to 2**56 that is equal for equal findings, in every process and run."""
        content = repr(sorted(self.to_json().items()))
        return int.from_bytes(hashlib.sha256(content.encode()).digest()[:7], "big") + 1

    def first(self, kind: str) -> Finding | None:
        """Return the first finding of a kind that is present, or None."""
        return next((finding for finding in self.present if finding.kind == kind), None)

    def to_json(self) -> dict[str, Any]:
        """Return what is known as plain JSON values."""
        values: dict[str, Any] = {
            "density": self.density,
            "birads": self.birads,
            "present": [finding.to_json() for finding in self.present],
            "possible": [finding.to_json() for finding in self.possible],
            "absent": sorted(self.absent),
            "not_suspicious": sorted(self.not_suspicious),
            "features": list(self.features),
        }
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Findings:
        """Return the findings of a value that `to_json` made."""
        return cls(
            data.get("density"),
            tuple(map(Finding.from_json, data.get("present", ()))),
            frozenset(data.get("absent", ())),
            data.get("birads"),
            tuple(map(Finding.from_json, data.get("possible", ()))),
            frozenset(data.get("not_suspicious", ())),
            tuple(data.get("features", ())),
        )


def soften_denials(findings: Findings) -> Findings:
    """Return the findings with flat denials as denials of something suspicious, where BI-RADS 2 forbids more.

    BI-RADS 2 asserts something benign. Where none is named, it may be of any kind that is denied. Adapters and drafts
    build their findings through this; a report that denies every kind flatly is written through it.
    """
    if findings.birads != "2" or findings.present or findings.possible or findings.features:
        return findings
    return replace(findings, absent=frozenset(), not_suspicious=findings.absent | findings.not_suspicious)


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


def _check_number(name: str, value: Any, least: float, most: float) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:  # not so for NaN
        raise ValueError(f"{name}={value!r}: expected a number from {least:g} to {most}")
