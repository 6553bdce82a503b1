"""What a sentence can say of a finding."""

from __future__ import annotations

from enum import Enum

from .phrases import Item


class Status(str, Enum):
    """What a sentence says of a finding."""

    PRESENT = "present"
    DENIED = "denied"
    NOT_SUSPICIOUS = "denied as suspicious"
    POSSIBLE = "possible"
    PAST = "past"
    PLANNED = "planned"
    LIMITED = "denied in part"  # only one sort, or in one place
    UNCLEAR = "unclear"


#: what a trigger can speak of
TARGETS = ("noun", "feature")
ADVERBS = ("plain", "verb", "whole", "still", "earlier")


def leads_a_finding(clause: list[Item], i: int) -> bool:
    """Return whether a finding stands behind an item, with nothing between them but words of its description."""
    for item in clause[i + 1 :]:
        if item.is_a(*TARGETS):
            return True
        if item.is_a("and", "or", "comma", "verb", "affirm", "with", "deny before"):
            return False
    return False
