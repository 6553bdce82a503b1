"""What the triggers of a clause say of the findings before them."""

from __future__ import annotations

from .phrases import Item
from .status import ADVERBS, TARGETS, Status, leads_a_finding

_BACKWARD = {"deny after": Status.DENIED, "doubt after": Status.POSSIBLE, "past after": Status.PAST}
_BACKWARD["plan after"] = Status.PLANNED


def backward(clause: list[Item]) -> tuple[list[Status], bool]:
    """Return the status that triggers give to what stands before them, and whether one has nothing before it."""
    found = [Status.PRESENT] * len(clause)
    if not any(item.is_a(*_BACKWARD, "deny before") or item.text == "negative" for item in clause):
        return found, False
    affirmed = _affirmed(clause)
    status: Status | None = None
    close = passed_noun = lost = waiting = False
    for i in range(len(clause) - 1, -1, -1):
        item = clause[i]
        role = next((r for r in _BACKWARD if r in item.roles), None) or _closing_denial(clause, i)
        if role == "doubt after" and item.is_a("doubt before") and item.text not in ("versus", "vs"):
            role = None if leads_a_finding(clause, i) else role  # "distortion with a possible mass"
        if role is not None:
            lost |= waiting and _BACKWARD[role] is not status
            status, close, passed_noun, waiting = _BACKWARD[role], True, False, not item.is_a("doubt before")
            if status is Status.DENIED and (
                _of_one_view(clause, i) or _says_before(clause, i) or _none_of_a_sort(clause, i)
            ):
                status = Status.UNCLEAR
            if item.roles.pop("deny before", None) is not None or item.text == "negative":
                item.roles, item.used = {"plain": ""}, True
        elif status is None:
            continue
        elif status is Status.DENIED and item.text in ("that", "which", "who", "before", "previously"):
            status = Status.UNCLEAR  # "a mass that was not seen before"
        elif status is Status.DENIED and item.is_a("with"):
            status = Status.LIMITED  # "a mass with calcifications is not seen"
            found[i:] = [Status.LIMITED if other is Status.DENIED else other for other in found[i:]]
        elif item.is_a(*TARGETS):
            waiting = False
            if affirmed[i] and status is not Status.PAST:
                found[i] = Status.UNCLEAR if not passed_noun else Status.PRESENT
                if passed_noun:
                    status = None
                    continue
            else:
                found[i] = _backward_status(clause, i, status)
            close = False
        elif item.is_a("verb", "affirm") and not close:
            status = None
        elif item.is_a("comma") and clause[i + 1].text.startswith(("associated", "accompanying")):
            status = None  # "calcifications, associated mass not seen"
        elif item.is_a("and", "comma") and not close and affirmed[i]:
            passed_noun = True
        elif not item.is_a(*ADVERBS, "comma", "and", "or"):
            close = False
    return found, lost or waiting


def _backward_status(clause: list[Item], i: int, status: Status) -> Status:
    """A denial behind a finding: of a certain one ("the mass is not seen"), or of one with descriptors, is not flat."""
    if status is not Status.DENIED:
        return status
    for item in reversed(clause[:i]):
        if item.is_a("the"):
            return Status.PAST
        if item.describes or not (item.roles or item.text.isalpha()):
            return Status.LIMITED
        if item.is_a("sort") or not item.roles:
            return Status.LIMITED
        if item.is_a("suspicious"):
            return Status.NOT_SUSPICIOUS
        if not item.is_a("plain", "article", "whole"):
            break
    after = clause[i + 1 :]
    for item in after:
        if item.is_a("verb", "deny after", *TARGETS):
            break
        if item.describes or not item.roles:
            return Status.LIMITED
    return status


def _affirmed(clause: list[Item]) -> list[bool]:
    """For each item, whether "there is", "shows" or the like stands before it."""
    found, seen = [], False
    for item in clause:
        seen = (seen or item.is_a("affirm")) and not item.is_a("deny before")
        found.append(seen)
    return found


def _closing_denial(clause: list[Item], i: int) -> str | None:
    """ "Mass: no", "calcifications - negative": a denial with nothing behind it speaks of what stands before."""
    item = clause[i]
    if item.is_a("aside") or not item.is_a("deny before") and item.text != "negative":
        return None
    behind = all(x.is_a("plain", "verb") and not x.is_a(*TARGETS) for x in clause[i + 1 :])
    return "deny after" if behind and any(x.is_a(*TARGETS) for x in clause[:i]) else None


def _says_before(clause: list[Item], i: int) -> bool:
    """Whether a denial is one of an earlier time: "not seen before"."""
    return any(item.text in ("before", "previously", "then", "earlier") for item in clause[i + 1 : i + 3])


def _none_of_a_sort(clause: list[Item], i: int) -> bool:
    """Whether a denial is one of some of those that are told before: "calcifications are seen, none grouped"."""
    behind = clause[i + 1 : i + 2]
    return clause[i].text == "none" and (
        any(item.is_a("verb", "affirm") for item in clause[:i])
        or any(item.describes or not item.is_a("plain", "verb", "comma", "and") for item in behind)
    )


def _of_one_view(clause: list[Item], i: int) -> bool:
    """Whether a denial is one of a single view: "not seen on the MLO view"."""
    return any(item.is_a("view") and not item.is_a("views") for item in clause[i + 1 :])
