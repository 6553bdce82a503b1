"""Three-way merge of readings that were changed in two places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ..exam import Laterality
from ..report.findings import Finding
from .form import answer_word
from .reading import MarkedFinding, Reading

OF_THE_FINDING = ("marks", "suspicion")  # what a marked finding has besides its descriptors


class Conflict(ValueError):
    """The same thing was changed in two places. about: one sentence for each, with both values."""

    def __init__(self, about: Sequence[str]):
        self.about = tuple(about)
        super().__init__("changed elsewhere in the meantime: " + "; ".join(about))


def merge_readings(base: Reading, mine: Reading, stored: Reading) -> Reading:
    """Return `stored` with the changes that lead from `base` to `mine`.

    Findings are merged descriptor by descriptor. A new finding of `mine` whose number was given to another new finding
    in `stored` gets the next free number. Raises Conflict where `stored` changed the same answer, descriptor or marks
    to another value.
    """
    conflicts: list[str] = []
    answers = dict(stored.fields)
    for key in sorted({*base.fields, *mine.fields}, key=str):
        if base.fields.get(key) == mine.fields.get(key) or mine.fields.get(key) == stored.fields.get(key):
            continue
        if base.fields.get(key) != stored.fields.get(key):
            conflicts.append(_answers_apart(key, mine, stored))
        elif key in mine.fields:
            answers[key] = mine.fields[key]
        else:
            answers.pop(key, None)
    findings = _merge_findings(base.findings, mine.findings, stored.findings, conflicts)
    if conflicts:
        raise Conflict(conflicts)
    return Reading(answers, findings)


def differences(mine: Reading, stored: Reading) -> list[str]:
    """Return a phrase for each answer and finding that differs between what is shown here and what is stored."""
    keys = sorted({*mine.fields, *stored.fields}, key=str)
    numbers = sorted({*mine.findings, *stored.findings})
    return [_answers_apart(key, mine, stored) for key in keys if mine.fields.get(key) != stored.fields.get(key)] + [
        _findings_apart(number, mine.findings.get(number), stored.findings.get(number))
        for number in numbers
        if mine.findings.get(number) != stored.findings.get(number)
    ]


def _merge_findings(
    base: Mapping[int, MarkedFinding],
    mine: Mapping[int, MarkedFinding],
    stored: Mapping[int, MarkedFinding],
    conflicts: list[str],
) -> dict[int, MarkedFinding]:
    """Merge the findings by number; a phrase is added to `conflicts` for each that cannot be merged."""
    merged = dict(stored)
    for number in sorted({*base, *mine}):
        old, new, there = base.get(number), mine.get(number), stored.get(number)
        if old == new or new == there:
            continue
        if old == there:
            if new is None:
                merged.pop(number, None)
            else:
                merged[number] = new
        elif old is None and new is not None:  # both places gave this number to a new finding
            merged[max(*merged, *mine) + 1] = new
        else:
            both = _merge_finding(old, new, there)
            if both is None:
                conflicts.append(_findings_apart(number, new, there))
            else:
                merged[number] = both
    return dict(sorted(merged.items()))


def _merge_finding(
    old: MarkedFinding | None, new: MarkedFinding | None, there: MarkedFinding | None
) -> MarkedFinding | None:
    """Return the finding `there` with the changes from `old` to `new`; None where they touch the same thing."""
    if old is None or new is None or there is None:
        return None
    if not old.laterality is new.laterality is there.laterality or not old.label == new.label == there.label:
        return None
    values: dict[str, Any] = {}
    for name in (*OF_THE_FINDING, *(field.name for field in fields(Finding) if field.name != "kind")):
        before, here, other = (_part(finding, name) for finding in (old, new, there))
        if before != here and before != other and here != other:
            return None
        values[name] = here if before != here else other
    own = {name: values.pop(name) for name in OF_THE_FINDING}
    descriptors = new.descriptors or there.descriptors
    return replace(there, **own, descriptors=replace(descriptors, **values) if descriptors else None)


def _part(finding: MarkedFinding, name: str) -> object:
    return getattr(finding if name in OF_THE_FINDING else finding.descriptors, name, None)


def _answers_apart(key: tuple[Laterality | None, str], mine: Reading, stored: Reading) -> str:
    side, name = key
    here, there = (answer_word(name, reading.fields.get(key, "")) or "no answer" for reading in (mine, stored))
    return f"{side.word if side else 'exam'} {name}: {here} here, {there} there"


def _findings_apart(number: int, mine: MarkedFinding | None, stored: MarkedFinding | None) -> str:
    return f"finding {number}: {_summary(mine)} here, {_summary(stored)} there"


def _summary(finding: MarkedFinding | None) -> str:
    if finding is None:
        return "none"
    marks = "1 mark" if len(finding.marks) == 1 else f"{len(finding.marks)} marks"
    return ", ".join([f"{finding.label} with {marks}", *finding.described().values()])
