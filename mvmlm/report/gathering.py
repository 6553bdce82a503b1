"""The findings of several sentences together: what refers to an earlier finding, what contradicts, what replaces it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any, NamedTuple

from .findings import Finding, Findings
from .sentence import SentenceReading, agrees

#: findings back to which "the mass" can refer
FURTHEST = 20
#: the categories of a breast, the one that goes before the others last
RANKS = ("1", "2", "3", "0", "4", "4A", "4B", "4C", "5")
_FIELDS = tuple(f.name for f in fields(Finding) if f.name not in ("kind", "features", "also", "either"))
#: how a field that is a number or a letter is written
_WRITTEN = {"size_mm": "{} mm", "clock": "{} o'clock", "birads": "BI-RADS {}"}


class Gathered(NamedTuple):
    """The findings of several sentences. contradictions: (what, how); neither side of one is in the findings."""

    findings: Findings
    contradictions: tuple[tuple[str, str], ...]


class Told(NamedTuple):
    """A sentence to gather. adds: whether it adds to the findings of its kind, though it stands in an addendum."""

    reading: SentenceReading
    section: str
    addendum: bool
    adds: bool = False


def gather(sentences: Iterable[Told]) -> Gathered:
    """Return the findings of sentences, in their order, together."""
    together = _Together()
    for sentence in sentences:
        together.add(*sentence)
    return together.gathered()


class _Together:
    def __init__(self) -> None:
        self.present: list[Finding] = []
        self.possible: list[Finding] = []
        self.features: list[str] = []
        self.absent: set[str] = set()
        self.not_suspicious: set[str] = set()
        self.figures: list[str] = []
        self.words: list[str] = []
        self.densities: list[str] = []
        self.open: list[tuple[str, str]] = []

    def add(self, reading: SentenceReading, section: str, addendum: bool, adds: bool) -> None:
        """Add a sentence."""
        summary = section == "summary"
        found = reading.findings
        if addendum:
            self._replace(found)
        for finding in found.present:
            if not adds and reading.refers and self._is_open(finding, reading.of_all, summary, addendum):
                continue
            self._add_finding(finding, (reading.refers or addendum) and not adds, summary, addendum)
        self.possible += [f for f in found.possible if not (summary and f in self.possible[-FURTHEST:])]
        self.features += found.features
        self.absent |= found.absent
        self.not_suspicious |= found.not_suspicious
        if found.birads:
            (self.figures if reading.by_figure else self.words).append(found.birads)
        if found.density:
            self.densities.append(found.density)

    def _replace(self, found: Findings) -> None:
        """An addendum replaces what it speaks of."""
        if found.birads:
            self.figures, self.words = [], []
            coded = [i for i, finding in enumerate(self.present) if finding.birads]
            if len(coded) == 1:
                self.present[coded[0]] = self.present[coded[0]].without("birads")
        else:
            self._replace_category(found)
        if found.density:
            self.densities = []
        denied = found.absent
        self.present = [f for f in self.present if f.kind not in denied]
        self.possible = [f for f in self.possible if f.kind not in denied]
        self.features = [f for f in self.features if f not in denied]
        seen = {finding.kind for finding in found.present} | set(found.features)
        self.absent -= seen
        self.not_suspicious -= seen

    def _replace_category(self, found: Findings) -> None:
        """The category of an addendum's finding is the breast's where one stands above; an added one only if higher."""
        told = {finding.kind for finding in self.present}
        for finding in (*found.present, *found.possible):
            above = self.figures or self.words
            if not above or not finding.birads:
                continue
            added = bool(told) and finding.kind not in told
            if not added or all(higher(finding.birads, category) for category in above):
                self.figures, self.words = [finding.birads], []

    def _add_finding(self, finding: Finding, refers: bool, summary: bool, addendum: bool) -> None:
        """Add a finding, or its words to the one that it refers to."""
        first = max(0, len(self.present) - FURTHEST) if refers or summary else len(self.present)
        same = [i for i in range(first, len(self.present)) if self.present[i].kind == finding.kind]
        joined = same if addendum and len(same) == 1 else _fitting(self.present, same, finding)
        if (refers and len(joined) == 1) or (summary and joined):
            self.present[joined[0]] = _merged(self.present[joined[0]], finding)
        else:
            self.present.append(finding)

    def _is_open(self, finding: Finding, of_all: bool, summary: bool, addendum: bool) -> bool:
        """Whether "the mass" may be several of those above it; "the masses" are all of them."""
        near = range(max(0, len(self.present) - FURTHEST), len(self.present))
        same = [i for i in near if self.present[i].kind == finding.kind]
        joined = _fitting(self.present, same, finding)
        if len(same) == 1 and not (joined or addendum):
            return self._has_two_sizes(same[0], finding)
        if len(same) < 2 or len(joined) == 1 or summary and joined or not joined and not addendum:
            return False
        alike = len({self.present[i] for i in joined}) == 1
        if len(joined) == len(same) and (of_all or alike):
            for i in joined if of_all else joined[:1]:
                self.present[i] = _merged(self.present[i], finding)
        elif not any(_holds(self.present[i], finding) for i in joined):
            told = [(name, finding.described(name)) for name in _FIELDS if getattr(finding, name) is not None]
            said = [_WRITTEN.get(name, "{}").format(value) for name, value in told]
            self.open.append((finding.kind, f"the report does not say which of several it means: {', '.join(said)}"))
        return True

    def _has_two_sizes(self, place: int, finding: Finding) -> bool:
        """Whether "the mass" differs from the only one above it by its size alone, which then is none."""
        old, new = self.present[place], finding.without("size_mm")
        if not _fitting([old], [0], new):
            return False
        self.open.append((finding.kind, f"the report says {old.size_mm} and {finding.size_mm} mm"))
        self.present[place] = _merged(old, new).without("size_mm")
        return True

    def gathered(self) -> Gathered:
        """Return everything that was added, without what contradicts."""
        contradictions = list(self.open)
        seen = {f.kind for f in (*self.present, *self.possible)} | set(self.features)
        seen |= {feature for finding in self.present for feature in finding.features}
        for kind in sorted(self.absent & seen):
            contradictions.append((kind, "the report says that it is there, and that it is not"))
            self.present = [f.without("features") if kind in f.features else f for f in self.present if f.kind != kind]
            self.possible = [f for f in self.possible if f.kind != kind]
            self.features = [f for f in self.features if f != kind]
            self.absent.discard(kind)
        birads, said = self._birads()
        if said:
            contradictions.append(("BI-RADS", said))
        densities = sorted(set(self.densities))
        if len(densities) > 1:
            contradictions.append(("density", f"the report says {' and '.join(densities)}"))
        findings = Findings(
            densities[0] if len(densities) == 1 else None, tuple(self.present), frozenset(self.absent), birads,
            tuple(self.possible), frozenset(self.not_suspicious), tuple(self.features),
        )  # fmt: skip
        return Gathered(findings, tuple(contradictions))

    def _birads(self) -> tuple[str | None, str]:
        """The category, and how the report contradicts itself. A figure goes before words, "4B" before "4"."""
        said = sorted(set(self.figures or self.words))
        if self.figures and (others := {w for w in self.words if not all(agrees(w, code) for code in said)}):
            said = sorted({*said, *others})
        levels = {code[0] for code in said}
        if len(said) == 2 and len(levels) == 1 and said[0] == "4":
            said = said[1:]
        if not self.figures and said == ["1", "2"]:
            said = ["2"]
        if len(said) > 1:
            return None, f"the report says {' and '.join(said)}"
        return (said[0] if said else None), ""


def higher(category: str, other: str) -> bool:
    """Return whether a category goes before another one."""
    return RANKS.index(category) > RANKS.index(other)


def _told(finding: Finding) -> list[str]:
    """The fields that a finding tells; that it is an asymmetry is none."""
    said = [name for name in _FIELDS if getattr(finding, name) is not None]
    if finding.asymmetry == "asymmetry":
        said.remove("asymmetry")
    return said


def _same(old: Finding, new: Finding, name: str) -> bool:
    return getattr(old, name) == getattr(new, name) and old.described(name) == new.described(name)


def _fitting(findings: Sequence[Finding], places: Iterable[int], new: Finding) -> list[int]:
    """The places of the findings of which no word differs from those of `new`."""
    said = _told(new)
    return [i for i in places if all(_fits(findings[i], new, name) for name in said)]


def _fits(old: Finding, new: Finding, name: str) -> bool:
    given = getattr(old, name)
    return given is None or (name == "asymmetry" and given == "asymmetry") or _same(old, new, name)


def _holds(old: Finding, new: Finding) -> bool:
    """Whether `old` has every word of `new`."""
    return {*new.features} <= {*old.features} and all(_same(old, new, name) for name in _told(new))


def _merged(old: Finding, new: Finding) -> Finding:
    """`old` with the words of `new`, which replace its own."""
    if _holds(old, new):
        return old
    said = _told(new)
    values: dict[str, Any] = {name: getattr(new, name) for name in said}
    for name in ("also", "either"):
        kept = [word for word in getattr(old, name) if word[0] not in said]
        values[name] = (*kept, *(word for word in getattr(new, name) if word[0] in said))
    return replace(old, **values, features=tuple(dict.fromkeys((*old.features, *new.features))))
