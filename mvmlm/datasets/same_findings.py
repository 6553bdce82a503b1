"""Findings put together: word by word, and the lists that views or tables give of one breast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..report.findings import Finding
from ..report.lexicon import KINDS, WORD_FIELDS
from .case import Disagreement
from .several_rows import finding_of_rows

_OTHER_FIELDS = ("size_mm", "clock", "birads", "subtlety")


def with_word(finding: Finding, name: str, word: str) -> Finding:
    """Return a finding with one more word of a field, which holds beside those that it has.

    A kind of asymmetry takes the place of the plain one, which every asymmetry has.
    """
    if name == "asymmetry" or getattr(finding, name) is None:
        values: dict[str, Any] = {name: word}
        return replace(finding, **values)
    return replace(finding, also=(*finding.also, (name, word)))


def merge_findings(
    subject: str, lists: Mapping[str, Sequence[Finding]]
) -> tuple[tuple[Finding, ...], tuple[Disagreement, ...]]:
    """Return the findings of a breast, and where the lists disagree. lists: the findings by where they stand, "CC".

    The findings of a kind are taken in their order as the same ones: the first of one list is the first of the others,
    and the longest list says how many there are. Different words for one field are kept (`finding_of_rows`); of
    different numbers or assessments none is known.
    """
    merged: list[Finding] = []
    disagreements: list[Disagreement] = []
    for kind in KINDS:
        of_kind = {name: [finding for finding in found if finding.kind == kind] for name, found in lists.items()}
        for number in range(max(map(len, of_kind.values()), default=0)):
            same = {name: found[number] for name, found in of_kind.items() if number < len(found)}
            values = {name: _agreed(name, list(same.values())) for name in _OTHER_FIELDS}
            words = [{name: found.words(name) for name in WORD_FIELDS} for found in same.values()]
            merged.append(finding_of_rows(kind, words, **values))
            disagreements += _disagreements(subject, kind, same)
    return tuple(merged), tuple(disagreements)


def _agreed(name: str, findings: Sequence[Finding]) -> Any:
    values = {value for finding in findings if (value := getattr(finding, name)) is not None}
    return values.pop() if len(values) == 1 else None


def _disagreements(subject: str, kind: str, same: Mapping[str, Finding]) -> list[Disagreement]:
    found = []
    for name in (*WORD_FIELDS, *_OTHER_FIELDS):
        told = tuple(dict.fromkeys(text for finding in same.values() if (text := finding.described(name))))
        if len(told) > 1:
            found.append(Disagreement(subject, f"{kind} {name}", told, " and ".join(same)))
    return found
