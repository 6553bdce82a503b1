"""Edits of a reading, each as a new reading: describe or add a finding, apply marks or a parsed report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

from ..exam import Laterality
from ..report.findings import ExamFindings, Finding, Findings
from ..report.lexicon import KINDS
from .form import FINDING_FIELDS
from .merge import Conflict
from .reading import Mark, MarkedFinding, Reading

DESCRIPTORS = tuple(f.name for f in fields(Finding) if f.name not in ("kind", "features", "also", "either"))
SAME_PLACE_PIXELS = 0.011  # a browser's corners differ by rounding, those of a file may have more decimals


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
        if value in (None, "", []) or finding.label not in field.kinds:
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
    descriptors = reading.findings[number].descriptors
    values = {field.name: getattr(descriptors, field.name, None) for field in FINDING_FIELDS}
    return describe_finding(reading, number, values | {name: value})


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


def to_findings(reading: Reading) -> ExamFindings:
    """Return the reading as findings, for the report writer. Outcomes (pathology, later cancer) are left out."""
    return ExamFindings(
        right=_breast_findings(reading, Laterality.RIGHT), left=_breast_findings(reading, Laterality.LEFT)
    )


def _breast_findings(reading: Reading, side: Laterality) -> Findings | None:
    present = [
        finding.descriptors or Finding(finding.label)
        for finding in reading.findings.values()
        if finding.laterality is side and finding.label in KINDS
    ]
    listed = {finding.kind for finding in present}
    present += [Finding(kind) for kind in KINDS if reading.answer(kind, side) == "1" and kind not in listed]
    absent = frozenset(kind for kind in KINDS if reading.answer(kind, side) == "0" and kind not in listed)
    findings = Findings(reading.answer("density"), tuple(present), absent, reading.answer("birads", side))
    return findings if findings != Findings() else None


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
                marked[numbers[0]] = replace(old, descriptors=_completed(old.descriptors, finding, overwrite))
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


def _completed(old: Finding | None, reported: Finding, overwrite: bool) -> Finding:
    """The descriptors `old` with those of a report that are not given yet; with `overwrite` with all of the report."""
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


def change_marks(stored: Sequence[Mark], before: Sequence[Mark], after: Sequence[Mark]) -> tuple[Mark, ...]:
    """Return `stored` with what a reader changed when the marks on screen went from `before` to `after`.

    A mark that `stored` does not have any more stays deleted. Raises Conflict for one that was moved on screen and
    moved or deleted in `stored`.
    """
    added = list(after)
    removed = [mark for mark in before if not _take(mark, added)]
    kept, gone = list(stored), []
    for mark in removed:
        if not _take(mark, kept):
            gone.append(mark)
    for mark in gone:
        if any(new[:3] == mark[:3] for new in added):
            raise Conflict([f"a mark of a {mark.label} on {str(mark.view).replace('_', ' ')}"])
    return (*kept, *added)


def same_marks(a: Sequence[Mark], b: Sequence[Mark]) -> bool:
    """Whether two lists hold the same marks but for rounding, in any order."""
    rest = list(b)
    return len(a) == len(b) and all(_take(mark, rest) for mark in a)


def _take(mark: Mark, marks: list[Mark]) -> bool:
    """Remove a mark from a list; return whether it was there."""
    found = next((other for other in marks if _same_place(mark, other)), None)
    if found is not None:
        marks.remove(found)
    return found is not None


def _same_place(a: Mark, b: Mark) -> bool:
    """Whether two marks are the same but for rounding; a box may be given by either pair of opposite corners."""
    if a[:3] != b[:3] or len(a.points) != len(b.points):
        return False
    pairs = zip(_corners(a), _corners(b), strict=True)
    return all(abs(x - u) <= SAME_PLACE_PIXELS and abs(y - v) <= SAME_PLACE_PIXELS for (x, y), (u, v) in pairs)


def _corners(mark: Mark) -> tuple[tuple[float, float], ...]:
    if mark.kind != "box":
        return mark.points
    columns, rows = zip(*mark.points, strict=True)
    return (min(columns), min(rows)), (max(columns), max(rows))


def apply_marks(reading: Reading, marks: Iterable[Mark], linked: Mapping[int, int] = MappingProxyType({})) -> Reading:
    """Return the reading after the marks on screen became `marks`.

    A mark that only moved stays with its finding. A new mark makes a new finding; a finding that lost all its marks is
    deleted. linked: finding number -> the number of the finding that it is joined with, because both are one thing.
    """
    marks_of_finding, new_marks = _match_marks(reading, marks)
    findings = {
        number: replace(finding, marks=tuple(marks_of_finding[number]))
        for number, finding in reading.findings.items()
        if marks_of_finding[number] or not finding.marks
    }
    for mark in new_marks:
        descriptors = Finding(mark.label) if mark.label in KINDS else None
        number = max([*findings, *reading.findings], default=0) + 1
        findings[number] = MarkedFinding(mark.view.laterality, mark.label, descriptors, (mark,))
    _join(findings, linked)
    fields = dict(reading.fields)
    for number, finding in findings.items():
        if number not in reading.findings and finding.label in KINDS:
            fields[finding.laterality, finding.label] = "1"
    return Reading(fields, findings)


def _match_marks(reading: Reading, marks: Iterable[Mark]) -> tuple[dict[int, list[Mark]], list[Mark]]:
    """The marks of each finding, unchanged ones first, and those that belong to none."""
    free = list(marks)
    matched: dict[int, list[Mark]] = {number: [] for number in reading.findings}
    for number, finding in reading.findings.items():
        for mark in finding.marks:
            if mark in free:
                free.remove(mark)
                matched[number].append(mark)
    for number, finding in reading.findings.items():
        for mark in finding.marks:
            if mark in matched[number]:
                continue
            moved = next((new for new in free if new[:3] == mark[:3]), None)  # same view, kind and label
            if moved is not None:
                free.remove(moved)
                matched[number].append(moved)
    return matched, free


def _join(findings: dict[int, MarkedFinding], linked: Mapping[int, int]) -> None:
    """Move the marks of each linked finding of the same breast into the finding that it is joined with."""
    for number, into in linked.items():
        if number == into or number not in findings or into not in findings:
            continue
        if findings[number].laterality is findings[into].laterality:
            joined = findings[into].marks + findings.pop(number).marks
            findings[into] = replace(findings[into], marks=joined)
