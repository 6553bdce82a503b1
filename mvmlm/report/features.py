"""The features that a sentence names, such as skin thickening: those of a finding, and those of the breast."""

from __future__ import annotations

from .mentions import Mention
from .phrases import Item
from .status import Status


def features_of(items: list[Item], statuses: list[Status], mentions: list[Mention]) -> list[tuple[str, Status]]:
    """Return the features that belong to no finding, with what is said of each.

    A feature behind "a mass with ...", or in a list behind the mass without a verb, is added to that mention.
    """
    found = []
    for i, item in enumerate(items):
        if not item.is_a("feature"):
            continue
        item.used = True
        owner = next((m for m in reversed(mentions) if m.at < i), None)
        alike = owner and owner.status in (Status.PRESENT, Status.POSSIBLE)
        if owner and alike and statuses[i] in (Status.PRESENT, owner.status) and _is_tied(items, owner.at, i):
            owner.features.append(item.roles["feature"])
        else:
            found.append((item.roles["feature"], statuses[i]))
    return found


def _is_tied(items: list[Item], owner: int, feature: int) -> bool:
    """Whether a feature is one of the finding before it."""
    tied = listed = False
    for item in items[owner + 1 : feature]:
        if item.is_a("end", "except", "affirm"):
            return False
        if item.is_a("with") or "associated" in item.text:
            tied = True
        elif item.is_a("verb"):
            tied = listed = False
        elif item.text in (",", ":"):
            listed = True
    prose = any(item.is_a("verb", "affirm") for item in (*items[:owner], *items[feature + 1 :]))
    return tied or (listed and not prose and not any(item.is_a("verb") for item in items[owner:feature]))
