"""Edits of a reading's marked findings, each as a new reading: draw, name, link, unlink, delete."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import NamedTuple

from ..exam import Laterality, ViewName
from ..report.findings import Finding
from ..report.lexicon import KIND_FIELDS, KINDS
from .edit import DESCRIPTORS, complete_descriptors
from .merge import Conflict
from .reading import MARK_LABELS, Mark, MarkedFinding, Reading

SAME_PLACE_PIXELS = 0.011  # a browser's corners differ by rounding, those of a file may have more decimals
#: descriptors that every kind of finding has
SHARED_FIELDS = ("features", *(name for name in DESCRIPTORS if all(name not in own for own in KIND_FIELDS.values())))


class DrawnMark(NamedTuple):
    """A mark on screen, and the number of its finding; None for one that was drawn just now."""

    mark: Mark
    finding: int | None = None


def marks_of(reading: Reading) -> tuple[Mark, ...]:
    """Return the marks of all findings of a reading."""
    return tuple(mark for finding in reading.findings.values() for mark in finding.marks)


def same_place(a: Mark, b: Mark) -> bool:
    """Whether two marks lie on the same pixels of a view but for rounding; a box may have either pair of corners."""
    if a.view != b.view or a.kind != b.kind or len(a.points) != len(b.points):
        return False
    pairs = zip(_corners(a), _corners(b), strict=True)
    return all(abs(x - u) <= SAME_PLACE_PIXELS and abs(y - v) <= SAME_PLACE_PIXELS for (x, y), (u, v) in pairs)


def _corners(mark: Mark) -> tuple[tuple[float, float], ...]:
    if mark.kind != "box":
        return mark.points
    columns, rows = zip(*mark.points, strict=True)
    return (min(columns), min(rows)), (max(columns), max(rows))


def redraw_marks(reading: Reading, before: Mapping[str, DrawnMark], after: Mapping[str, DrawnMark]) -> Reading:
    """Return the reading with what a reader changed when the marks on screen went from `before` to `after`.

    before, after: by a key that a mark keeps while it is on screen. A mark that moved stays with its finding, a new one
    makes a new finding, and a finding that lost its last mark is deleted. One that the reading does not have any more
    stays deleted. Raises Conflict for a mark that was moved on screen and is gone or elsewhere in the reading.
    """
    findings = dict(reading.findings)
    for key, (old, number) in before.items():
        new = after[key].mark if key in after else None
        if new is not None and same_place(old, new):
            continue
        owner = _owner(findings, old, number)
        if owner is None and new is not None:
            raise Conflict([f"a mark on {str(old.view).replace('_', ' ')}"])
        if owner is None:
            continue
        moved = () if new is None else (new._replace(label=findings[owner].label),)
        marks = tuple(part for mark in findings[owner].marks for part in (moved if same_place(mark, old) else (mark,)))
        if marks:
            findings[owner] = replace(findings[owner], marks=marks)
        else:
            del findings[owner]
    for key, (mark, _) in after.items():
        if key not in before:
            descriptors = Finding(mark.label) if mark.label in KINDS else None
            number = max([*findings, *reading.findings], default=0) + 1
            findings[number] = MarkedFinding(mark.view.laterality, mark.label, descriptors, (mark,))
    return _with_findings(reading, findings)


def _owner(findings: Mapping[int, MarkedFinding], mark: Mark, number: int | None) -> int | None:
    """The number of the finding that has a mark: the one that the screen names, else any."""
    having = [n for n, finding in findings.items() if any(same_place(mark, other) for other in finding.marks)]
    return number if number in having else next(iter(having), None)


def name_finding(reading: Reading, number: int, label: str) -> Reading:
    """Return the reading with another kind of a finding; descriptors that the kind does not have go.

    label: one of MARK_LABELS. Raises KeyError for a number that is unknown, ValueError for another label.
    """
    if label not in MARK_LABELS:
        raise ValueError(f"kind={label!r}: expected one of {', '.join(MARK_LABELS)}")
    finding = reading.findings[number]
    descriptors = _of_kind(finding.descriptors, label)
    marks = tuple(mark._replace(label=label) for mark in finding.marks)
    named = MarkedFinding(finding.laterality, label, descriptors, marks, finding.suspicion)
    return _with_findings(reading, {**reading.findings, number: named})


def _of_kind(old: Finding | None, kind: str) -> Finding | None:
    """The descriptors `old` as those of another kind: without what only the old kind has."""
    if kind not in KINDS:
        return None
    if old is None or old.kind == kind:
        return old or Finding(kind)
    values = {name: getattr(old, name) for name in SHARED_FIELDS}
    for further in ("also", "either"):
        values[further] = tuple(word for word in getattr(old, further) if word[0] in SHARED_FIELDS)
    return Finding(kind, **values)


def link_findings(reading: Reading, number: int, into: int) -> Reading:
    """Return the reading with finding `number` as a part of finding `into`: both are one thing in several views.

    Its marks move. Of findings of the same kind, what `into` does not describe is taken from `number`; where `into` has
    no kind, kind and descriptors are. Raises KeyError for a number that is unknown, ValueError for findings of
    different breasts.
    """
    joined, kept = reading.findings[number], reading.findings[into]
    if number == into:
        return reading
    if joined.laterality is not kept.laterality:
        raise ValueError("these findings lie in different breasts")
    label, descriptors = kept.label, kept.descriptors
    if label not in KINDS:
        label, descriptors = joined.label, joined.descriptors
    elif label == joined.label and joined.descriptors is not None:
        descriptors = complete_descriptors(descriptors, joined.descriptors)
    marks = tuple(mark._replace(label=label) for mark in (*kept.marks, *joined.marks))
    findings = {n: finding for n, finding in reading.findings.items() if n != number}
    suspicion = joined.suspicion if kept.suspicion is None else kept.suspicion
    findings[into] = MarkedFinding(kept.laterality, label, descriptors, marks, suspicion)
    return _with_findings(reading, findings)


def unlink_view(reading: Reading, number: int, view: ViewName) -> Reading:
    """Return the reading with the marks of one view of a finding as a finding of their own, of the same kind.

    The descriptors stay with `number`. Raises KeyError for a number that is unknown, ValueError where the finding has
    no marks on the view, or none on another.
    """
    finding = reading.findings[number]
    own = tuple(mark for mark in finding.marks if mark.view == view)
    others = tuple(mark for mark in finding.marks if mark.view != view)
    if not own or not others:
        raise ValueError(f"finding {number} is not marked on {str(view).replace('_', ' ')} and on another view")
    descriptors = Finding(finding.label) if finding.label in KINDS else None
    apart = MarkedFinding(finding.laterality, finding.label, descriptors, own)
    findings = {**reading.findings, number: replace(finding, marks=others), max(reading.findings) + 1: apart}
    return _with_findings(reading, findings)


def delete_finding(reading: Reading, number: int) -> Reading:
    """Return the reading without a finding. Raises KeyError for a number that is unknown."""
    if number not in reading.findings:
        raise KeyError(number)
    return _with_findings(reading, {n: finding for n, finding in reading.findings.items() if n != number})


def add_findings(reading: Reading, others: Reading) -> Reading:
    """Return the reading with the findings of another one, but those whose marks it has.

    A finding keeps its number where that is free.
    """
    findings, known = dict(reading.findings), marks_of(reading)
    for number, finding in others.findings.items():
        if not finding.marks or any(not any(same_place(mark, old) for old in known) for mark in finding.marks):
            findings[number if number not in findings else max(*findings, *others.findings) + 1] = finding
    return _with_findings(reading, findings)


def without_views(reading: Reading, gone: Collection[ViewName]) -> Reading:
    """Return the reading without the marks on some views, and without the findings that had no others."""
    findings = {}
    for number, finding in reading.findings.items():
        marks = tuple(mark for mark in finding.marks if mark.view not in gone)
        if marks or not finding.marks:
            findings[number] = replace(finding, marks=marks)
    return _with_findings(reading, findings)


def _with_findings(reading: Reading, findings: Mapping[int, MarkedFinding]) -> Reading:
    """The reading with other findings.

    A kind that a breast did not have before is present; where the last finding of a kind went, "present" goes with it.
    """
    before, after = _kinds(reading.findings), _kinds(findings)
    gone = {kind for kind in before if kind not in after and reading.fields.get(kind) == "1"}
    answers = {key: value for key, value in reading.fields.items() if key not in gone}
    numbered = dict(sorted(findings.items()))
    return Reading({**answers, **{kind: "1" for kind in after if kind not in before}}, numbered)


def _kinds(findings: Mapping[int, MarkedFinding]) -> dict[tuple[Laterality | None, str], None]:
    """The kinds of findings that each breast has, in the order of the findings."""
    return {(finding.laterality, finding.label): None for finding in findings.values() if finding.label in KINDS}
