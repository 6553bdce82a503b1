"""Changes of a reading: describe or add a finding, take marks or a parsed report over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from ..exam import Laterality
from ..report.findings import ExamFindings, Finding, Findings
from ..report.lexicon import KINDS
from ..tasks import TASK
from .form import FINDING_FIELDS
from .reading import Mark, MarkedFinding, Reading


def described(reading: Reading, number: int, said: Mapping[str, object]) -> Reading:
    """The reading after finding `number` is described by `said` (field -> its word, number or words; empty: not said).

    Raises KeyError for a finding that is gone, ValueError for a word that the lexicon does not have or that its kind cannot have.
    """
    finding = reading.findings[number]
    if finding.label not in KINDS:
        raise ValueError(f"a mark called {finding.label} is no BI-RADS finding and has no descriptors")
    what: dict[str, object] = {}
    for one in FINDING_FIELDS:
        value = said.get(one.name)
        if value in (None, "", []) or finding.label not in one.kinds:
            continue
        if one.many:
            what[one.name] = tuple(value)
        elif one.name in ("size_mm", "clock"):
            number_said = float(value)
            if not 0 < number_said < 300 or one.name == "clock" and number_said not in range(1, 13):
                raise ValueError(f"{one.name}={value!r}: not possible")
            what[one.name] = round(number_said)
        else:
            what[one.name] = value
    return Reading(reading.fields, {**reading.findings, number: replace(finding, what=Finding(finding.label, **what))})


def add_finding(reading: Reading, side: Laterality, kind: str) -> tuple[Reading, int]:
    """The reading with a finding that is not marked on a view, and its number."""
    number = max(reading.findings, default=0) + 1
    fields = {**reading.fields, (side, kind): "1"}
    return Reading(fields, {**reading.findings, number: MarkedFinding(side, kind, Finding(kind))}), number


def findings_of(reading: Reading) -> ExamFindings:
    """The reading as findings: what `report.py` can put into words. The outcome is no finding."""
    sides = {}
    for side in Laterality:
        own = [f for f in reading.findings.values() if f.laterality is side]
        present = [f.what or Finding(f.label) for f in own if f.label in KINDS]
        described = {finding.kind for finding in present}
        present += [Finding(kind) for kind in KINDS if reading.answer(kind, side) == "1" and kind not in described]
        absent = frozenset(kind for kind in KINDS if reading.answer(kind, side) == "0" and kind not in described)
        found = Findings(reading.answer("density"), tuple(present), absent, reading.answer("birads", side))
        sides[side.word] = found if found != Findings() else None
    return ExamFindings(**sides)


def apply_report(reading: Reading, told: Mapping[Laterality, Findings]) -> Reading:
    """The reading with what a parsed report says of each breast; what the report does not mention stays."""
    fields, findings = dict(reading.fields), dict(reading.findings)
    for side, found in told.items():
        if found.density:
            fields[None, "density"] = found.density
        if found.birads:
            fields[side, "birads"] = found.birads
        for kind in found.absent:
            fields[side, kind] = "0"
        for finding in found.present:
            fields[side, finding.kind] = "1"
            same = [n for n, f in findings.items() if f.laterality is side and f.label == finding.kind]
            if len(same) == 1:
                findings[same[0]] = replace(findings[same[0]], what=finding)
            elif not same:
                findings[max(findings, default=0) + 1] = MarkedFinding(side, finding.kind, finding)
    return Reading(fields, findings)


def apply_marks(reading: Reading, marks: Iterable[Mark], linked: Mapping[int, int] = MappingProxyType({})) -> Reading:
    """The reading after the marks on screen became `marks`: findings whose marks are all gone go, new marks make new findings.

    linked: finding number -> the finding it is one thing with (the reader said so). A mark that only moved stays with its finding.
    """
    marks = list(marks)
    free = list(marks)
    held: dict[int, list[Mark]] = {number: [] for number in reading.findings}
    for number, finding in reading.findings.items():
        for mark in finding.marks:
            if mark in free:
                free.remove(mark)
                held[number].append(mark)
    for number, finding in reading.findings.items():
        for mark in finding.marks:
            if mark in held[number]:
                continue
            moved = next(
                (new for new in free if (new.view, new.kind, new.label) == (mark.view, mark.kind, mark.label)), None
            )
            if moved is not None:
                free.remove(moved)
                held[number].append(moved)
    findings = {}
    for number, finding in reading.findings.items():
        if held[number] or not finding.marks:
            findings[number] = replace(finding, marks=tuple(held[number]))
    for mark in free:
        what = Finding(mark.label) if mark.label in TASK and mark.label in KINDS else None
        findings[max([*findings, *reading.findings], default=0) + 1] = MarkedFinding(
            mark.view.laterality, mark.label, what, (mark,)
        )
    for number, into in linked.items():
        if (
            number in findings
            and into in findings
            and number != into
            and findings[number].laterality is findings[into].laterality
        ):
            findings[into] = replace(findings[into], marks=findings[into].marks + findings.pop(number).marks)
    fields = dict(reading.fields)
    for number, finding in findings.items():
        if number not in reading.findings and finding.label in KINDS:
            fields[finding.laterality, finding.label] = "1"
    return Reading(fields, findings)
