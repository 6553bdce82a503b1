"""Words and sizes behind a finding that tell of something else: "with a 5 mm satellite", "medial to the scar"."""

from __future__ import annotations

from .phrases import Item
from .withheld import is_unknown

LOCATIONS = ("place", "depth", "clock")


def is_of_another_thing(items: list[Item], i: int, noun: int, name: str) -> bool:
    """Return whether a word of a field does not describe the finding that would take it. noun: the finding's place."""
    if name in ("place", "depth") and (_beside_a_thing(items, i) or _of_a_margin(items, i)):
        return True
    if noun > i:
        return False
    if name in (*LOCATIONS, "size_mm") and _of_an_unknown_thing(items, i):
        return True
    return name == "size_mm" and _of_a_feature(items[noun:i]) or _of_another_thing(items, i)


def _of_an_unknown_thing(items: list[Item], i: int) -> bool:
    """Whether a place belongs to what is not known: "a mass, and there is a clip at 3 o'clock"."""
    before = next(
        (item for item in reversed(items[:i]) if not (item.describes or item.is_a("preposition", "the"))), None
    )
    return before is not None and (is_unknown(before) or before.text in ("clip", "bb"))


def _beside_a_thing(items: list[Item], i: int) -> bool:
    """Whether a direction is told from something else than the nipple: "medial to the scar"."""
    behind = [item for item in items[i + 1 : i + 4] if not item.is_a("the")]
    return len(behind) > 1 and behind[0].text == "to" and behind[1].text not in ("nipple", "areola")


def _of_a_margin(items: list[Item], i: int) -> bool:
    """Whether a place is that of a part of the margin: "the medial margin"."""
    if i + 1 < len(items) and _is_margin(items[i + 1]):
        return True
    apart = sum(map(_is_margin, items)) > 1  # "spiculated margins laterally" alone tells where the mass is
    return apart and i > 0 and items[i].text.endswith("ly") and _is_margin(items[i - 1])


def _is_margin(item: Item) -> bool:
    return item.text.split(" ")[-1].rstrip("s") in ("margin", *_OUTLINES)


_OUTLINES = ("contour", "border", "outline", "edge")


def _of_another_thing(items: list[Item], i: int) -> bool:
    """Whether a word or size is that of something else: "with a 5 mm satellite", "with central lucency"."""
    before = items[i - 2] if i > 1 and items[i - 1].is_a("article") else items[i - 1]
    if i + 1 == len(items) or not before.is_a("with"):
        return False
    thing = items[i + 1]
    if items[i].is_a("size") and thing.text.endswith("ations"):
        return True  # "with 5 mm spiculations"
    return not thing.roles and thing.text.isalpha() and thing.text.rstrip("s") not in _OUTLINES


def _of_a_feature(before: list[Item]) -> bool:
    """Whether a size belongs to a feature behind the finding: "a mass with skin thickening of 4 mm"."""
    last = next((i for i in range(len(before) - 1, 0, -1) if before[i].is_a("feature")), None)
    return last is not None and not any(item.is_a("comma", "and") for item in before[last:])
