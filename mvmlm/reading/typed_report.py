"""A typed report: which breast each sentence is about, what is understood of it, and what is not.

A sentence is taken only where its breast and its meaning are clear. What it becomes is listed for the reader to check.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..exam import Laterality
from ..report.findings import Finding, Findings
from ..report.lexicon import KINDS, LEXICON, NOUNS
from ..report.parser import parse_report
from .reading import MarkedFinding

BOTH = frozenset(Laterality)
_SIDE = re.compile(r"\b(right|left|bilateral(?:ly)?|both (?:breasts|sides))\b", re.I)
_HEADING = re.compile(
    r"\s*(?:in )?(?:the )?(right|left|bilateral|both)(?: (?:breasts?|sides?|mammograms?))?\s*(?::|\s[-–—]\s|$)", re.I
)
_OTHER_BREAST = re.compile(r"\b(?:contralateral|(?:opposite|other) (?:breast|side))\b", re.I)
_SUMMARY = re.compile(r"\s*(?:impression|conclusion|summary|overall|final|recommendation)\b", re.I)
_END = re.compile(r"\.(?:\s+|$)|;\s*|\n")
_ABBREVIATIONS = (
    (re.compile(r"\brt\b\.?", re.I), "right"),
    (re.compile(r"\blt\b\.?", re.I), "left"),
    (re.compile(r"(?m)\bR(?= breast\b)|^\s*R(?=\s*:)"), "right"),
    (re.compile(r"(?m)\bL(?= breast\b)|^\s*L(?=\s*:)"), "left"),
)
_DENIAL = re.compile(
    r"\b(?:no|not|without|never|neither|nor|none|absent|negative|resolved|excluded|denied|unlikely|cannot)\b", re.I
)
_WORD = re.compile(r"[a-z0-9][a-z0-9'./-]*", re.I)
#: words that change nothing in what a sentence states
_PLAIN = frozenset(
    _WORD.findall(
        "a an and are associated assessment at bi-rads breast breasts both bilateral bilaterally category clock "
        "composition density identified in is left located margin margins measures measuring mm noted o'clock of on or "
        "position present right seen side sided that the there this visible which with category "
        "mammogram images imaging study shows show demonstrates demonstrated observed evident impression final overall assessed as classified "
        "categorized area areas mammographic shape distribution"
    )
)
#: words of a sentence that denies a finding altogether
_OF_DENIAL = _PLAIN | {"no", "without", "suspicious", "evidence", "any", "discrete", "dominant", "definite", "either"}
NO_BREAST = "names no breast"


class TypedReport(NamedTuple):
    """What a typed report states.

    breasts: the findings of each breast. density: of the exam. understood: (sentence, what it means, words of it that
    are not understood). left_out: (sentence, why it is not taken).
    """

    breasts: Mapping[Laterality, Findings]
    density: str | None
    understood: tuple[tuple[str, str, str], ...]
    left_out: tuple[tuple[str, str], ...]


class SideClash(ValueError):
    """A report speaks of another breast than the one that was chosen for it. Nothing of it may be taken."""


class _Sentence(NamedTuple):
    """A sentence and the breasts that it is about: none where it names none. why: why it cannot be taken."""

    text: str
    sides: frozenset[Laterality]
    why: str = ""


def read_typed_report(text: str, chosen: Laterality | None = None) -> TypedReport:
    """Return what a report states of each breast.

    chosen: the breast that it is about, where the report names none. Raises SideClash where it names another one.
    """
    sentences = list(_sentences(text))
    named = frozenset(side for sentence in sentences for side in sentence.sides)
    if chosen is not None and named - {chosen}:
        words = "both breasts" if named == BOTH else f"the {next(iter(named)).word} breast"
        raise SideClash(f"The report speaks of {words}, but “{chosen.word}” is chosen. Nothing was taken.")
    only = named if len(named) == 1 else frozenset({chosen}) if chosen and not named else frozenset()
    found: dict[Laterality, list[Findings]] = {side: [] for side in Laterality}
    densities: list[str] = []
    understood, left_out = [], []
    for sentence in sentences:
        why, findings = sentence.why, Findings()
        if not why:
            findings, why = _understand(sentence.text)
        sides = sentence.sides or only
        if not why and not sides and findings.density is None:
            why = NO_BREAST
        if why:
            left_out.append((sentence.text, why))
            continue
        densities += [findings.density] if findings.density else []
        for side in sides:
            found[side].append(findings)
        understood.append((sentence.text, _meaning(findings, sides), " ".join(_unexplained(sentence.text, findings))))
    breasts = {side: _together(side, parts, left_out) for side, parts in found.items() if parts}
    density = densities[0] if len(set(densities)) == 1 else None
    if len(set(densities)) > 1:
        left_out.append(("density", f"the report says {' and '.join(sorted(set(densities)))}"))
    return TypedReport(breasts, density, tuple(understood), tuple(left_out))


def _sentences(text: str) -> Iterator[_Sentence]:
    """The sentences of a text with the breasts that they name, or that the heading above them names."""
    text = re.sub(r"[^\S\n]+", " ", text.replace("’", "'"))
    text = re.sub(r"\n(?: ?\n)+", "\n\n", text)  # long gaps would be looked through again from each of their places
    for pattern, word in _ABBREVIATIONS:
        text = pattern.sub(word, text)
    under: frozenset[Laterality] = frozenset()
    bare_heading = False
    for paragraph in re.split(r"\n\s*\n", text):
        if not bare_heading:
            under = frozenset()
        for part in _END.split(paragraph):
            if not (sentence := part.strip()):
                continue
            if _SUMMARY.match(sentence):
                under = frozenset()
            heading = _HEADING.match(sentence)
            if heading:
                under, sentence = _sides_of(heading[1]), sentence[heading.end() :].strip()
            bare_heading = bool(heading) and not sentence
            if sentence:
                yield _with_sides(sentence, under)


def _with_sides(sentence: str, under: frozenset[Laterality]) -> _Sentence:
    """A sentence with its breasts. under: those of its heading."""
    words = [_sides_of(word) for word in _SIDE.findall(sentence)]
    named = frozenset().union(*words)
    if _OTHER_BREAST.search(sentence):
        return _Sentence(sentence, frozenset(), "speaks of the other breast without naming it")
    if len(set(words)) > 1:
        return _Sentence(sentence, named, "names both breasts; write a sentence for each")
    if under and named and named != under:
        return _Sentence(sentence, under | named, "names another breast than the heading above it")
    return _Sentence(sentence, named or under)


def _sides_of(word: str) -> frozenset[Laterality]:
    return {"right": frozenset({Laterality.RIGHT}), "left": frozenset({Laterality.LEFT})}.get(word.lower(), BOTH)


def _understand(sentence: str) -> tuple[Findings, str]:
    """What a sentence states, and why it cannot be taken ("" where it can)."""
    try:
        findings = parse_report(_SUMMARY.sub("", sentence).lstrip(" :"))
    except ValueError as error:
        return Findings(), str(error)
    if findings == Findings():
        return findings, "not understood"
    if findings.present and _DENIAL.search(sentence):
        return Findings(), "denies something in words that are not understood; write “No …” as a sentence of its own"
    if findings.absent and (rest := _unexplained(sentence, findings)):
        return Findings(), f"denies something, but not in words that are understood ({' '.join(rest)})"
    return findings, ""


def _meaning(findings: Findings, sides: frozenset[Laterality]) -> str:
    """What is taken from a sentence, in the words of the form."""
    where = " and ".join(side.word for side in Laterality if side in sides)
    parts = [f"density {findings.density}"] if findings.density else []
    for finding in findings.present:
        described = MarkedFinding(Laterality.RIGHT, finding.kind, finding).described()
        details = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in described.items())
        parts.append(f"{where} {finding.kind} present" + (f" ({details})" if details else ""))
    parts += [f"{where} {kind} absent" for kind in KINDS if kind in findings.absent]
    if findings.birads:
        parts.append(f"{where} BI-RADS {findings.birads}")
    return "; ".join(parts)


def _unexplained(sentence: str, findings: Findings) -> list[str]:
    """The words of a sentence that its meaning does not account for."""
    known = set(_OF_DENIAL if findings.absent else _PLAIN)
    phrases = [noun for kind in {*findings.absent, *(f.kind for f in findings.present)} for noun in NOUNS[kind]]
    for field, value in (("density", findings.density), ("birads", findings.birads)):
        if value:
            phrases += [value, *LEXICON[field][value]]
    for finding in findings.present:
        phrases += _phrases(finding)
    known |= {word for phrase in phrases for word in _WORD.findall(phrase.lower())}
    words = [word.rstrip(".'/-") for word in _WORD.findall(_SUMMARY.sub("", sentence).lower())]
    return [word for word in words if word not in known]


def _phrases(finding: Finding) -> Iterator[str]:
    """The phrases that stand for the descriptors of a finding."""
    for name, value in MarkedFinding(Laterality.RIGHT, finding.kind, finding).described().items():
        yield value
        for single in finding.features if name == "features" else (value,):
            yield from LEXICON.get("feature" if name == "features" else name, {}).get(single, ())


def _together(side: Laterality, parts: list[Findings], left_out: list[tuple[str, str]]) -> Findings:
    """The findings of one breast from its sentences; what they contradict each other in is added to `left_out`."""
    present = [finding for part in parts for finding in part.present]
    absent = {kind for part in parts for kind in part.absent}
    for kind in sorted(absent & {finding.kind for finding in present}):
        left_out.append((f"{side.word} {kind}", "the report says that it is there, and that it is not"))
        present = [finding for finding in present if finding.kind != kind]
        absent.discard(kind)
    assessments = sorted({part.birads for part in parts if part.birads})
    if len(assessments) > 1:
        left_out.append((f"{side.word} BI-RADS", f"the report says {' and '.join(assessments)}"))
    return Findings(None, tuple(present), frozenset(absent), assessments[0] if len(assessments) == 1 else None)
