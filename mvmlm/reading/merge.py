"""Three-way merge of readings that were changed in two places."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ..exam import Laterality
from .reading import MarkedFinding, Reading

Key = TypeVar("Key")
Value = TypeVar("Value")


class Conflict(ValueError):
    """The same thing was changed in two places. about: one sentence for each, with both values."""

    def __init__(self, about: Sequence[str]):
        self.about = tuple(about)
        super().__init__("changed elsewhere in the meantime: " + "; ".join(about))


def merge_readings(base: Reading, mine: Reading, stored: Reading) -> Reading:
    """Return `stored` with the changes that lead from `base` to `mine`.

    Raises Conflict where `stored` changed the same field or finding to another value.
    """
    conflicts: list[str] = []
    fields = _merge(
        base.fields, mine.fields, stored.fields, _field_title, lambda value: value or "no answer", conflicts
    )
    findings = _merge(
        base.findings, mine.findings, stored.findings, lambda number: f"finding {number}", _summary, conflicts
    )
    if conflicts:
        raise Conflict(conflicts)
    return Reading(fields, findings)


def _merge(
    base: Mapping[Key, Value], mine: Mapping[Key, Value], stored: Mapping[Key, Value],
    title: Callable[[Key], str], summary: Callable[[Value | None], str], conflicts: list[str],
) -> dict[Key, Value]:  # fmt: skip
    """Merge one mapping; a sentence is added to `conflicts` for each key that was changed in both places."""
    result = dict(stored)
    for key in {*base, *mine}:
        if base.get(key) == mine.get(key) or mine.get(key) == stored.get(key):
            continue
        if base.get(key) != stored.get(key):
            conflicts.append(f"{title(key)}: {summary(mine.get(key))} here, {summary(stored.get(key))} there")
        elif key in mine:
            result[key] = mine[key]
        else:
            result.pop(key, None)
    return result


def _field_title(key: tuple[Laterality | None, str]) -> str:
    side, name = key
    return f"{side.word if side else 'exam'} {name}"


def _summary(finding: MarkedFinding | None) -> str:
    return "deleted" if finding is None else f"{finding.label} with {len(finding.marks)} marks"
