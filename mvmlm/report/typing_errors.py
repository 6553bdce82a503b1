"""Words with typing errors: "wihtout mass" turns its sentence around, "a spiculted mass" does not."""

from __future__ import annotations

from collections.abc import Iterable

from .lexicon import LEXICON
from .phrases import DESCRIPTORS, Item


def resembles_a_trigger(item: Item) -> bool:
    """Return whether an unknown word may be a trigger with a typing error, which would turn the sentence around."""
    word = item.text
    if item.roles or not word.isalpha():
        return False
    return word in _MISTYPED or any(word.startswith(no) and word[len(no) :] in _JOINED for no in ("no", "without"))


def resembles_a_descriptor(word: str) -> bool:
    """Return whether a word may be one of a description with a typing error: it is not read, and turns nothing."""
    return word in _MISTYPED_DESCRIPTORS and word not in _MISTYPED


def _mistyped(words: Iterable[str]) -> frozenset[str]:
    """Every word that one missing, doubled, wrong or swapped letter makes of the given ones."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    wrong = set()
    for word in words:
        for i in range(len(word) + 1):
            head, tail = word[:i], word[i:]
            wrong |= {head + tail[1:], head + tail[1:2] + tail[:1] + tail[2:]}
            wrong |= {head + letter + tail[1:] for letter in letters} | {head + letter + tail for letter in letters}
    return frozenset(wrong)


#: words that a missing blank joins to a denial: "nomass"
_NAMED = (
    "mass masses calcification calcifications microcalcifications asymmetry asymmetries distortion architectural "
    "suspicious dominant discrete focal evidence definite abnormal"
)
_JOINED = frozenset(_NAMED.split())
#: the triggers whose typing errors would make a finding of a denial, or of the past
_TURNING = "without absent neither never negative resolved removed excised excluded possible previously history"
_MISTYPED = _mistyped(_TURNING.split()) | {"nto", "noo", "nno", "onn", "noe", "nont", "ont", "wo", "whitout", "wtihout"}
#: long words of descriptions, and the words around them
_PHRASES = [phrase for name in DESCRIPTORS for phrases in LEXICON[name].values() for phrase in phrases]
_DESCRIBING = {word for phrase in _PHRASES for word in phrase.split() if len(word) > 5 and word.isalpha()}
_AROUND = "there breast breasts right left upper outer inner lower quadrant bilateral measuring multiple several"
_MISTYPED_DESCRIPTORS = _mistyped((*_DESCRIBING, *_AROUND.split()))
