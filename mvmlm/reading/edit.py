"""Edits of a reading, each as a new reading: describe or add a finding, apply a parsed report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ..exam import Laterality
from ..report.findings import Finding, Findings
from ..report.lexicon import KINDS
from .form import FINDING_FIELDS
from .reading import MarkedFinding, Reading

DESCRIPTORS = tuple(f.name for f in fields(Finding) if f.name not in ("kind", "features", "also", "either"))


def describe_finding(reading: Reading, number: int, descriptors: Mapping[str, Any]) -> Reading:
    """Return the reading with new descriptors of a finding, in place of its old ones.

    descriptors: field name -> a word, a number or several words; None, "" and [] mean not described. A field that does
    not apply to the finding's kind is left out. What the form has no field for stays: further words of a field whose
    word stays, and the subtlety. Raises KeyError for a number that is unknown, ValueError for a mark
    that is no BI-RADS finding, a word outside the lexicon or a number out of range.
    """
    finding = reading.findings[number]
    if finding.label not in KINDS:
        raise ValueError(f"a mark called {finding.label} is no BI-RADS finding and has no descriptors")
    values: dict[str, Any] = {}
    for field in FINDING_FIELDS:
        value = descriptors.get(field.name)
        if value in (None, "", []) or finding.label not in field.kinds or field.name == "suspicion":
            continue
        if field.many:
            values[field.name] = tuple(value)
        elif field.name in ("size_mm", "clock"):
            values[field.name] = _number(field.name, value)
        else:
            values[field.name] = value
    if (old := finding.descriptors) is not None:
        values["subtlety"] = old.subtlety
        for further in ("also", "either"):
            values[further] = tuple(w for w in getattr(old, further) if values.get(w[0]) == getattr(old, w[0]))
    described = replace(finding, descriptors=Finding(finding.label, **values))
    return Reading(reading.fields, {**reading.findings, number: described})


def set_descriptor(reading: Reading, number: int, name: str, value: Any) -> Reading:
    """Return the reading with one descriptor of a finding set; its others stay. Raises what `describe_finding` does."""
    if name == "suspicion":
        return set_suspicion(reading, number, value)
    descriptors = reading.findings[number].descriptors
    values = {field.name: getattr(descriptors, field.name, None) for field in FINDING_FIELDS}
    return describe_finding(reading, number, values | {name: value})


def set_suspicion(reading: Reading, number: int, value: Any) -> Reading:
    """Return the reading with the suspicion of a finding, 1 to 5; None and "" mean that none is given.

    Raises KeyError for a number that is unknown, ValueError for a value off the scale.
    """
    finding = reading.findings[number]
    suspicion = None if value in (None, "", []) else _number("suspicion", value)
    if suspicion is not None and not suspicion.is_integer():
        raise ValueError(f"suspicion={value!r}: expected a whole number from 1 to 5")
    described = replace(finding, suspicion=None if suspicion is None else int(suspicion))
    return Reading(reading.fields, {**reading.findings, number: described})


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name}={value!r}: expected a number") from None


def add_finding(reading: Reading, side: Laterality, kind: str) -> tuple[Reading, int]:
    """Return the reading with a new finding that is not marked on a view, and the finding's number."""
    number = max(reading.findings, default=0) + 1
    fields = {**reading.fields, (side, kind): "1"}
    return Reading(fields, {**reading.findings, number: MarkedFinding(side, kind, Finding(kind))}), number


def apply_report(reading: Reading, report: Mapping[Laterality, Findings], overwrite: bool = False) -> Reading:
    """Return the reading with what a parsed report states of each breast and was not answered yet.

    overwrite: also replace answers and descriptors that differ from the report. What the report does not mention stays,
    and so does every finding of a kind of which the breast has several, in the reading or the report.
    """
    fields, marked = dict(reading.fields), dict(reading.findings)

    def answer(side: Laterality | None, name: str, value: str | None) -> None:
        if value and (overwrite or (side, name) not in fields):
            fields[side, name] = value

    for side, findings in report.items():
        answer(None, "density", findings.density)
        answer(side, "birads", findings.birads)
        for kind in findings.absent & set(KINDS):
            answer(side, kind, "0")
        for finding in findings.present:
            answer(side, finding.kind, "1")
            numbers = _numbers_of(reading, side, finding.kind)
            if not numbers:
                marked[max(marked, default=0) + 1] = MarkedFinding(side, finding.kind, finding)
            elif len(numbers) == 1 and _count(findings, finding.kind) == 1:
                old = marked[numbers[0]]
                marked[numbers[0]] = replace(old, descriptors=complete_descriptors(old.descriptors, finding, overwrite))
    return Reading(fields, marked)


def unclear_findings(reading: Reading, report: Mapping[Laterality, Findings]) -> list[str]:
    """Return a sentence for each kind of which it is not known which finding of the reading a report means."""
    return [
        f"{side.word} {kind}: {len(numbers)} in the list already, {_count(findings, kind)} in the report; describe "
        "them in the list"
        for side, findings in report.items()
        for kind in KINDS
        if (numbers := _numbers_of(reading, side, kind))
        and _count(findings, kind)
        and (len(numbers) > 1 or _count(findings, kind) > 1)
    ]


def _numbers_of(reading: Reading, side: Laterality, kind: str) -> list[int]:
    return [n for n, other in reading.findings.items() if other.laterality is side and other.label == kind]


def _count(findings: Findings, kind: str) -> int:
    return sum(finding.kind == kind for finding in findings.present)


def complete_descriptors(old: Finding | None, reported: Finding, overwrite: bool = False) -> Finding:
    """Return descriptors with those of a report that are not given yet; with `overwrite` with all of the report."""
    if old is None:
        return reported
    features = tuple(dict.fromkeys((*old.features, *reported.features)))
    said = {name for name in DESCRIPTORS if getattr(reported, name) is not None}
    if not overwrite:
        said = {name for name in said if getattr(old, name) in (None, "asymmetry")}
    kept, taken = old.without(*said), reported.without(*(set(DESCRIPTORS) - said))
    return replace(
        old,
        **{name: getattr(reported, name) for name in said},
        features=features,
        also=kept.also + taken.also,
        either=kept.either + taken.either,
    )
