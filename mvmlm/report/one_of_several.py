"""Words that stand for one of several findings: "two masses, one oval and the other round", "a mass and another".

They are made nouns of the kind that stands before them, so that each takes its own words.
"""

from __future__ import annotations

from .phrases import Item

#: words for one of several; "the other" and "the second" with or without "one" behind them
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "other", "another", "larger", "smaller")
_LARGEST = ("the larger", "the largest", "the largest one")
#: what may stand between such a word and what it tells of the finding
_BEHIND = ("preposition", "verb", "comma", "and", "with", "end", "several", "affirm")
_OF_THESE = frozenset({"which", "them", "these", "those"})
_MEASURING = frozenset({"measuring", "measures", "located", ":", "."})
ONE = "one of several"


def mark_ones(items: list[Item]) -> None:
    """Give words for one of several findings the role of a noun, and the role ONE, where the kind is known.

    The value of ONE: "more" for one beside a single finding, "part" for one of those that are counted before.
    """
    _mark_elliptic(items)
    head: Item | None = None
    counted, kinds = 0, set[str]()
    for i, item in enumerate(items):
        if item.is_a("deny before", "deny after", "except"):
            return
        if item.is_a("noun"):
            head, counted = item, _number_before(items, i)
            kinds.add(item.roles["noun"])
        elif head is not None and _is_one(items, i, counted):
            if len(kinds) > 1:
                return
            several = counted > 1 or not counted and head.text.endswith("s") and head.text != "mass"
            item.roles = {"noun": head.roles["noun"], ONE: "part" if several else "more"}
            if several and item.text in _LARGEST:
                item.text = "one"
            if "asymmetry" in head.roles:
                item.roles["asymmetry"] = head.roles["asymmetry"]
            if i + 1 < len(items) and items[i + 1].text == "one":
                items[i + 1].roles, items[i + 1].used = {"plain": ""}, True


def _mark_elliptic(items: list[Item]) -> None:
    """Mark the first "an" of "an oval and a round mass", which are two."""
    for i, item in enumerate(items):
        if not _begins(item):
            continue
        joint = _behind_words(items, i)
        if not joint or joint == i + 1 or not items[joint].is_a("and", "comma") or joint + 1 == len(items):
            continue
        noun = _behind_words(items, joint + 1) if _begins(items[joint + 1]) else 0
        if noun > joint + 2 and items[noun].is_a("noun"):
            kept = {name: value for name, value in items[noun].roles.items() if name in ("noun", "asymmetry")}
            item.roles = {**kept, ONE: "more"}


def _begins(item: Item) -> bool:
    return item.text in ("a", "an", "one") and item.is_a("article", "count")


def _behind_words(items: list[Item], i: int) -> int:
    """The place of the first item behind one that is no word of a description; 0 where none is."""
    return next((k for k in range(i + 1, len(items)) if not items[k].describes), 0)


def _number_before(items: list[Item], noun: int) -> int:
    """The number in front of a noun's phrase; 0 without one."""
    for item in reversed(items[:noun]):
        if item.is_a("count"):
            return int(item.number)
        if item.is_a("verb", "affirm", "noun", "comma", "end", "several"):
            return 0
    return 0


def _is_one(items: list[Item], i: int, counted: int) -> bool:
    """Whether an item stands for a finding that it does not name."""
    text = items[i].text
    if text in _LARGEST:
        if counted < 2:
            return False
    elif text not in _ORDINALS and not (text == "one" and items[i].is_a("count")):
        return False
    if text == "one" and items[i - 1].text in _ORDINALS:
        return False
    before = items[i - 1]
    if text in ("larger", "smaller") and not before.is_a("the"):
        return False
    before = items[i - 2] if before.is_a("the") and i > 1 else before
    if before.is_a("preposition") or before.text == "than":
        return False  # "2 cm anterior to the first"
    for k, item in enumerate(items[i + 1 :], start=i + 1):
        if item.is_a("noun", "feature", "code") or not item.roles:
            return False
        if item.text == "of":
            return items[k + 1].text in _OF_THESE if k + 1 < len(items) else False
        if item.is_a(*_BEHIND) or item.text in _MEASURING:
            return True
        if not item.describes and item.text != "one":
            return False
    return True
