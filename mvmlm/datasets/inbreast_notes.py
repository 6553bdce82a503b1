"""INbreast's notes of findings: short phrases in Portuguese, such as "nódulo QSE + micros;Cluster".

A note is cut at `+`, `;`, `-` and "e" (and) into parts. A part that names a kind of finding starts a new one, and the
words of its part describe it. A part without one describes what went before: "Cluster" the calcifications, "Spiculated
Region" the mass, a place every finding since the last `;`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ..exam import Laterality
from ..report.findings import Finding
from .case import NOT_UNDERSTOOD
from .columns import WordReader
from .same_findings import with_word

COLUMN = "Findings Notes"
_KINDS = {
    "nodulo": "mass", "nodulos": "mass", "massa": "mass", "opacidade nodular": "mass", "opacidades nodulares": "mass",
    "micro": "calcification", "micros": "calcification", "calcificacao": "calcification",
    "calcificacoes": "calcification", "microcalcificacoes": "calcification", "calcifications": "calcification",
    "densidade assimetrica": "asymmetry", "densidade": "asymmetry", "distorcao": "distortion",
}  # fmt: skip
_PLACES = {
    "qse": "upper outer", "qsi": "upper inner", "qie": "lower outer", "qii": "lower inner",
    "tqs": "upper", "quadrantes internos": "inner",  # tqs: the transition between the upper quadrants
}  # fmt: skip
_DESCRIPTORS = {
    "cluster": ("calcification", "distribution", "grouped"), "vasos": ("calcification", "morphology", "vascular"),
    "spiculated region": ("mass", "margin", "spiculated"), "regiao espiculada": ("mass", "margin", "spiculated"),
}  # fmt: skip
_SIDES = {"direita": Laterality.RIGHT, "esquerda": Laterality.LEFT}
_NUMBERS = {"1": 1, "uma": 1, "2": 2, "duas": 2, "3": 3, "tres": 3}
_HISTORY = "history or the kind of exam, not a finding"
_OUTCOME = "an outcome or an opinion, which is no finding"
_NOT_USED = {
    "follow up": _HISTORY, "exame": _HISTORY, "pos": _HISTORY, "qt": _HISTORY, "cirurgia": _HISTORY,
    "ja biopsado": _OUTCOME, "fibroadenoma": _OUTCOME, "benigno": _OUTCOME, "benigna": _OUTCOME, "benignas": _OUTCOME,
    "macrocistos": _OUTCOME,
}  # fmt: skip
#: without, not, absence, never, possible: the table has none of them, so that their clause is not read
_DENIALS = frozenset(("sem", "nao", "ausencia", "ausente", "nunca", "possivel", "provavel"))
_FILLERS = {"mama", "cc", "com", "do", "a", "estroma", "normal"}  # breast, view, with, of, at, tissue; normal
_PHRASES = sorted({*_KINDS, *_PLACES, *_DESCRIPTORS, *_SIDES, *_NUMBERS, *_NOT_USED, *_FILLERS}, key=len, reverse=True)
_TOKEN = re.compile("|".join(rf"\b{phrase}\b" for phrase in _PHRASES) + r"|\w+")
_PLAIN = str.maketrans("áàâãéêíóôõúç", "aaaaeeiooouc")


@dataclass
class _Part:
    """What one part of a note says."""

    kinds: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    descriptors: list[tuple[str, str, str]] = field(default_factory=list)
    number: int = 1


def read_notes(text: str, side: Laterality, words: WordReader) -> tuple[list[Finding], bool]:
    """Return the findings that a note names, and whether it speaks of the other breast, so that none was taken.

    side: the breast of the row. words: collects what is not used.
    """
    plain = text.lower().translate(_PLAIN).replace("follow-up", "follow up")
    plain = re.sub(r"(?<=\d)(?=[a-z])|(?<=[a-z])(?=\d)", " ", plain)  # "2nodulos", "micro1"
    named = {_SIDES[word] for word in _TOKEN.findall(plain) if word in _SIDES}
    if named - {side}:
        words.skip(COLUMN, text, "speaks of the other breast")
        return [], True
    findings: list[Finding] = []
    for clause in plain.split(";"):
        of_clause = len(findings)
        if not _DENIALS.isdisjoint(re.findall(r"\w+", clause)):
            words.skip(COLUMN, clause.strip())
            continue
        for piece in re.split(r"[+–-]|\be\b", clause):
            part = _read_part(piece, words)
            if part.kinds:
                findings += _new_findings(part)
            else:
                _describe(findings, range(of_clause, len(findings)), part, words)
    return findings, False


def _read_part(piece: str, words: WordReader) -> _Part:
    part = _Part()
    for token in _TOKEN.findall(piece):
        if token in _KINDS:
            part.kinds.append(_KINDS[token])
        elif token in _PLACES:
            part.places.append(_PLACES[token])
        elif token in _DESCRIPTORS:
            part.descriptors.append(_DESCRIPTORS[token])
        elif token in _NUMBERS:
            part.number = _NUMBERS[token]
        elif token not in _FILLERS and token not in _SIDES:
            words.skip(COLUMN, token, _NOT_USED.get(token, NOT_UNDERSTOOD))
    return part


def _new_findings(part: _Part) -> list[Finding]:
    """The findings of a part; a number counts masses ("2 nódulos"), but not the dots of calcifications."""
    found = []
    for kind in part.kinds:
        finding = _placed(Finding(kind), part.places)
        for of_kind, name, word in part.descriptors:
            if of_kind == kind:
                finding = with_word(finding, name, word)
        found += [finding] * (part.number if kind == "mass" else 1)
    return found


def _describe(findings: list[Finding], of_clause: range, part: _Part, words: WordReader) -> None:
    """Add the words of a part without a kind to the findings before it."""
    if part.places and not of_clause and findings:  # "micros TQS e QSE" has its second place in a part of its own
        of_clause = range(len(findings) - 1, len(findings))
    for index in of_clause:
        findings[index] = _placed(findings[index], part.places)
    if not of_clause:
        for place in part.places:
            words.skip(COLUMN, place, "a place without a kind of finding")
    for kind, name, word in part.descriptors:
        last = [number for number, finding in enumerate(findings) if finding.kind == kind][-1:]
        for number in last:
            findings[number] = with_word(findings[number], name, word)
        if not last:
            words.skip(COLUMN, word, f"describes a {kind} that the note does not name")


def _placed(finding: Finding, places: list[str]) -> Finding:
    for place in places:
        finding = with_word(finding, "place", place)
    return finding
