"""Signs behind a finding: "mass (-)" and "mass: neg" deny it, "mass (+)" and "mass: positive" affirm it."""

from __future__ import annotations

from .phrases import Item
from .status import TARGETS

_DENY = frozenset({"-", "( - )", "[ - ]", "neg", "negative"})
_AFFIRM = frozenset({"+", "( + )", "[ + ]", "pos", "positive"})
_OPEN, _CLOSED = ("(", "["), (")", "]")
#: words between a finding and its sign: "mass in the right breast: -"
_BETWEEN = frozenset({":", "=", "is", "are", "breast", "breasts", "quadrant"})
_PLACES = ("side", "the", "preposition", "place", "depth", "clock")
_BOTH = "±"


def mark_signs(items: list[Item]) -> list[Item]:
    """Return the items of a sentence with each sign as one that denies what stands before it, or as one that affirms.

    A sign that can be read in two ways ("+/-", "mass + calcification -") makes its clause unclear.
    """
    targets = [i for i, item in enumerate(items) if item.is_a(*TARGETS)]
    spans = {i: span for i in targets if (span := _span(items, i)) is not None}
    table = len(targets) > 1 and len(spans) == len(targets)
    signs = {start: (end, denies) for start, end, denies in spans.values() if _stands(items, start, end, table)}
    if not any(denies is not True or items[start].text != "negative" for start, (_, denies) in signs.items()):
        return items
    marked: list[Item] = []
    at = 0
    while at < len(items):
        if at not in signs:
            marked.append(items[at])
            at += 1
            continue
        end, denies = signs[at]
        role = "unclear" if denies is None or _joins(items, at, end) else "deny after" if denies else "plain"
        marked.append(Item(" ".join(item.text for item in items[at:end]), {role: ""}, used=role == "plain"))
        _end_the_clause(items, end, marked)
        at = end
    return marked


def _span(items: list[Item], target: int) -> tuple[int, int, bool | None] | None:
    """The sign behind a finding: where it begins and ends, and whether it denies; None for a sign of both."""
    start = target + 1
    while start < len(items) and (items[start].text in _BETWEEN or items[start].is_a(*_PLACES)):
        start += 1
    end = start + (start < len(items) and items[start].text in _OPEN)
    told: set[bool] = set()
    while end < len(items) and (items[end].text in {*_DENY, *_AFFIRM, _BOTH} or (told and items[end].text == "/")):
        told |= set() if items[end].text == "/" else _meanings(items[end].text)
        end += 1
    if not told:
        return None
    end += end < len(items) and items[end].text == "ve"
    end += items[start].text in _OPEN and end < len(items) and items[end].text in _CLOSED
    return start, end, None if len(told) == 2 else told.pop()


def _meanings(sign: str) -> set[bool]:
    """Whether a sign denies; both for one that may."""
    return {True, False} if sign == _BOTH else {sign in _DENY}


def _stands(items: list[Item], start: int, end: int, table: bool) -> bool:
    """Whether a sign says whether the finding is there: not a dash before its description, nor one behind a denial."""
    if any(item.is_a("deny before") for item in items[:start]):
        return False
    if end == len(items) or items[start].text[0] in "([" or items[end].is_a("comma", "end"):
        return True
    if items[start - 1].text == ":" and items[end].is_a("code"):
        return True  # "mass: - BI-RADS 1"; in "mass - BI-RADS 4" the sign is a dash
    return items[end].is_a("and") or table and items[end].is_a(*TARGETS)


def _joins(items: list[Item], start: int, end: int) -> bool:
    """Whether a bare "+" may be an "and": "mass + calcification -"."""
    return items[start].text == "+" and end < len(items) and items[end].is_a(*TARGETS)


def _end_the_clause(items: list[Item], end: int, marked: list[Item]) -> None:
    """End the clause of a sign before the next finding: at the last comma in front of it, or right behind the sign."""
    following = next((i for i in range(end, len(items)) if items[i].is_a(*TARGETS)), None)
    if following is None:
        return
    joints = [i for i in range(end, following) if items[i].is_a("comma", "and")]
    if joints:
        items[joints[-1]].roles = {"end": ""}
    elif not any(item.is_a("end") for item in items[end:following]):
        marked.append(Item(",", {"end": ""}, used=True))
