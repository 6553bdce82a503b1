"""Three-way merge of readings that were changed in two places."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .reading import MarkedFinding, Reading


class Conflict(ValueError):
    """Two people, or two tabs, changed the same thing. `about` says what, with both values."""

    def __init__(self, about: Sequence[str]):
        self.about = tuple(about)
        super().__init__("changed elsewhere in the meantime: " + "; ".join(about))


def merge_readings(base: Reading, mine: Reading, stored: Reading) -> Reading:
    """What `mine` changed since `base`, applied to `stored`. Raises Conflict where both changed the same thing otherwise."""
    about: list[str] = []
    fields = _merge(base.fields, mine.fields, stored.fields, _field_named, about)
    findings = _merge(base.findings, mine.findings, stored.findings, lambda n, v: f"finding {n} {_shown(v)}", about)
    if about:
        raise Conflict(about)
    return Reading(fields, findings)


def _merge(base: Mapping, mine: Mapping, stored: Mapping, name, about: list[str]) -> dict:
    result = dict(stored)
    for key in {*base, *mine}:
        if base.get(key) == mine.get(key) or mine.get(key) == stored.get(key):
            continue
        if base.get(key) != stored.get(key):
            about.append(f"{name(key, mine.get(key))} here, {name(key, stored.get(key)).split(' ', 2)[-1]} there")
        elif key in mine:
            result[key] = mine[key]
        else:
            result.pop(key, None)
    return result


def _field_named(key, value) -> str:
    side, name = key
    return f"{side.word if side else 'exam'} {name} {value or 'not said'}"


def _shown(finding: MarkedFinding | None) -> str:
    return "deleted" if finding is None else f"{finding.label} with {len(finding.marks)} marks"
