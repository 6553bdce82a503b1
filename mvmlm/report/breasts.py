"""The breasts that a sentence names, and sentences that name a finding of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from ..exam import Laterality
from .measurements import items_of
from .phrases import Item, tokens_of

BOTH = frozenset(Laterality)
_SIDE = re.compile(r"\b(right|left|bilateral(?:ly)?|(?:both|n?either|each) (?:breasts?|sides?|axillae))\b", re.I)
#: "no mass is seen in the right breast or the left breast"
_IN_NEITHER = re.compile(
    r"(?:there (?:is|are|was|were) )?no\b(?![^.;:]{0,40}\bchange)[^.;:]{0,160}\b(?:right|left)(?: breasts?| side)? "
    r"(?:or|nor) (?:in )?(?:the )?(?:right|left)(?: breasts?| side)?[ .]*$",
    re.I,
)
_OTHER_BREAST = re.compile(r"\b(?:contralateral|(?:opposite|other) (?:breast|side))\b", re.I)
#: "right" and "left" that may name no breast
_NO_BREAST = re.compile(
    r"\b(?:is|was|are|were|lies|lie|located|sits) right (?:at|on|in|under|near|next|by|beneath|below|above)\b|"
    r"\b(?:is|are) left[ .]*$|"
    r"\b(?:right|left) (?:now|away|on (?:the |this )?(?:image|film|picture|view)|in place|in situ|behind|of|to|over|"
    r"alone|untreated)\b|\bwhat(?: is|'s) left\b|\b(?:was|were|been) left\b(?![ -](?:breast|side))",
    re.I,
)
#: without one of these no breast is named, but by a letter
_MAY_NAME_A_BREAST = re.compile(r"right|left|bilat|lateral|both|ither|each|other|opposite", re.I)
_LETTER = re.compile(r"(?<![\w.'’-])[RL](?![\w.'’-])")
#: what a patient feels, which is no finding
COMPLAINT = re.compile(
    r"\b(?:pains?|painful|tender|tenderness|lumps?|lumpiness|palpable|mastalgia|discharge|felt|soreness|complaints?)\b",
    re.I,
)
#: what stands in front of or behind the findings, and whose side is not theirs: "compared with the left mammogram"
_IN_FRONT = re.compile(
    r"(?:(?:when |as |in )?compar(?:ed|ison) (?:with|to)|history|indication|because|given|due to|"
    r"in (?:this|a) (?:woman|patient)|"
    r"status post|\d+[ -]year|(?:the|this) (?:patient|woman) (?:has|with|presents|reports))\b[^.,:]{0,160}[,:] |"
    r"[^.,:]{0,60}\b(?:pain|tenderness|lump|discharge)\b[^.,:]{0,60}[,:] |"
    r"for (?:the |her )?(?:right|left) breast (?:pain|tenderness|lump|discharge),? ",
    re.I,
)
_COMPARED = re.compile(
    r",? (?:when |as |in )?compar(?:ed|ison) (?:with|to) the (?:right|left)(?: breast| side| mammogram)?"
    r"(?: (?:of|from) \d{4})?[ .]*$",
    re.I,
)


class Passage(NamedTuple):
    """A sentence of a report.

    sides: the breasts that it names, or that the heading above it names; none where neither does. section: "" where no
    heading names one. addendum: whether it was added later. why: why it cannot be taken, "" where it can. corrects:
    whether the heading of its addendum says that it corrects what is above it.
    """

    text: str
    sides: frozenset[Laterality]
    section: str = ""
    addendum: bool = False
    why: str = ""
    corrects: bool = False


LONGEST_OF_BOTH, MOST_JOINTS = 240, 6  # letters and joints of a sentence on both breasts that is taken apart
NAMES_BOTH = "names both breasts; write a sentence for each"
_JOINT = re.compile(r",? (?:while|whereas|but) |, (?:and )?| and ")
_COMPARES_SIDES = re.compile(
    r",? (?:more|most|greater|greatest|larger|largest|worse|especially|particularly) [^,;0-9]{0,60}\b(?:right|left)\b",
    re.I,
)
#: "BI-RADS right 4C, left 1"
_CODES = re.compile(
    r"((?:acr |final |overall )*(?:bi-?rads|assessment|category)[a-z :-]{0,24}?)[ :(-]*\b(right|left)(?: breasts?)?"
    r"[ :=)-]*([0-6][abc]?)\b[ ,/;]*(?:and )?\(?(right|left)(?: breasts?)?[ :=)-]*([0-6][abc]?)\b[ .]*",
    re.I,
)
#: "oval masses in both breasts, the largest 12 mm on the right"
_LARGEST = re.compile(
    r"[^,;]{0,160}\b(?:both|bilateral|bilaterally)\b[^,;]{0,80}(, the (?:largest|larger|biggest) )", re.I
)
OF_NO_NAME = "speaks of the other breast without naming it"
MAY_BE_A_LETTER = "may name a breast by a letter; write right or left"
_REACHES_ON = ("deny before", "deny after", "doubt before", "doubt after", "past before", "plan before", "earlier")


def for_each_breast(passage: Passage) -> Iterator[Passage]:
    """Yield a passage, or its two parts where each names a finding and breasts of its own.

    A part that is joined by "and" or a comma only may be reached by a denial or doubt of the other one; then the
    passage stays whole.
    """
    if passage.why != NAMES_BOTH or len(passage.text) > LONGEST_OF_BOTH:
        yield passage
        return
    if codes := _CODES.fullmatch(passage.text):
        for side, code in ((codes[2], codes[3]), (codes[4], codes[5])):
            yield passage._replace(text=f"{side} {codes[1]} {code}", sides=sides_of(side), why="")
        return
    if largest := _LARGEST.match(passage.text):
        first = with_sides(passage.text[: largest.start(1)], frozenset())
        yield passage._replace(text=first.text, sides=first.sides, why=first.why)
        yield passage._replace(text=passage.text[largest.start(1) + 2 :], why="tells one of several findings")
        return
    joints = sorted(_JOINT.finditer(passage.text), key=lambda joint: joint[0].strip(", ") in ("", "and"))
    for joint in joints[:MOST_JOINTS]:
        one, other = _parts(passage.text, joint)
        if not (_SIDE.search(one) and _SIDE.search(other)) or not _names_a_finding(_items(one.strip())):
            continue
        texts = _with_its_finding(one, other)
        parts = [with_sides(text.strip(), frozenset()) for text in texts]
        items = [_items(part.text) for part in parts]
        whole = all(part.sides and not part.why for part in parts) and parts[0].sides != parts[1].sides
        findings = all(map(_names_a_finding, items))
        findings |= is_none(items[1]) and any(item.is_a("noun") for item in items[0])
        apart = joint[0].strip(", ") not in ("", "and") or is_none(items[1]) or _stand_alone(*items)
        if whole and findings and apart:
            yield from (passage._replace(text=part.text, sides=part.sides, why="") for part in parts)
            return
    yield passage


@lru_cache(maxsize=256)
def _items(text: str) -> tuple[Item, ...]:
    """The items of a part, which are only looked at here."""
    return tuple(items_of(tokens_of(text)))


def _names_a_finding(items: Sequence[Item]) -> bool:
    return any(item.is_a("noun", "feature", "code") for item in items)


_WHERE = re.compile(r",? (?=(?:in|at|within) )", re.I)
_ONLY_PLACES = ("place", "depth", "clock", "side", "preposition", "the", "plain", "verb")


def _with_its_finding(first: str, second: str) -> tuple[str, str]:
    """Put the finding of the first part before the second one where that tells its place in the other breast only."""
    places = _items(second.strip())
    if not all(item.is_a(*_ONLY_PLACES) or item.text == "one" for item in places):
        return first, second
    finding = _WHERE.split(first, maxsplit=1)[0]
    head, whole = _items(finding), _items(first.strip())
    names_one = sum(item.is_a("noun", "feature") for item in head) == 1 == sum(item.is_a("noun") for item in whole)
    told = any(item.is_a(*_REACHES_ON, "side", "sort", "the") or item.number > 1 for item in head)
    placed = all(any(item.is_a("place", "depth", "clock") for item in part) for part in (whole, places))
    if not names_one or told or not placed:
        return first, second
    second = re.sub(r"^(?:the )?(?=right|left)", "in the ", second.strip().removeprefix("one "))
    return first, f"{finding} {second if _WHERE.match(' ' + second) else 'at ' + second}"


def is_none(items: Sequence[Item]) -> bool:
    """Return whether a sentence says "none on the right": none of what the one before names."""
    return any(item.text == "none" for item in items) and not any(item.is_a("noun", "feature") for item in items)


def _stand_alone(first: Sequence[Item], second: Sequence[Item]) -> bool:
    """Whether no trigger and no verb of one part reaches into the other."""
    triggers = any(item.is_a(*_REACHES_ON) for item in (*first, *second))
    verbs = [any(item.is_a("verb", "affirm") for item in part) for part in (first, second)]
    return not triggers and (verbs[0] or not verbs[1])


def _parts(text: str, joint: re.Match[str]) -> tuple[str, str]:
    return text[: joint.start()], text[joint.end() :]


def with_sides(sentence: str, under: frozenset[Laterality]) -> Passage:
    """A sentence with its breasts. under: those of its heading."""
    if not _MAY_NAME_A_BREAST.search(sentence):
        letter = bool(_LETTER.search(sentence))
        return Passage(sentence, frozenset() if letter else under, why=MAY_BE_A_LETTER if letter else "")
    told = _of_the_findings(sentence)
    compared = _COMPARES_SIDES.search(told)
    words = [sides_of(word) for word in _SIDE.findall(told[: compared.start()] if compared else told)]
    if compared and words != [BOTH]:
        words = [sides_of(word) for word in _SIDE.findall(told)]
    named = frozenset[Laterality]().union(*words)
    if _OTHER_BREAST.search(sentence):
        return Passage(sentence, frozenset(), why=OF_NO_NAME)
    if _NO_BREAST.search(sentence):
        rest = frozenset[Laterality]().union(*map(sides_of, _SIDE.findall(_NO_BREAST.sub("", sentence))))
        return Passage(sentence, rest, why="says right or left in words that may name no breast")
    if not named and _LETTER.search(sentence):
        return Passage(sentence, frozenset(), why=MAY_BE_A_LETTER)
    if len(words) == 2 and _IN_NEITHER.match(told):
        words = [BOTH]
    if len(set(words)) > 1:
        return Passage(sentence, named, why=NAMES_BOTH)
    if under and named and named != under and not _is_assessment(sentence):
        return Passage(sentence, under | named, why="names another breast than the heading above it")
    return Passage(sentence, named or under)


def names_another(passage: Passage, under: frozenset[Laterality]) -> bool:
    """Return whether a sentence may name another breast than its heading: what follows is no longer the heading's."""
    return not passage.sides <= under or passage.why in (OF_NO_NAME, MAY_BE_A_LETTER)


def _of_the_findings(sentence: str) -> str:
    """Return a sentence without what the patient feels or an earlier exam in front of or behind its findings."""
    if front := _IN_FRONT.match(sentence):
        sentence = sentence[front.end() :]
    behind = _COMPARED.search(sentence) if "compar" in sentence else None
    return sentence[: behind.start()] if behind else sentence


def _is_assessment(sentence: str) -> bool:
    if len(sentence) > LONGEST_OF_BOTH:
        return False
    items = _items(sentence)
    return any(item.is_a("code") for item in items) and not any(item.is_a("noun", "feature") for item in items)


def sides_of(word: str) -> frozenset[Laterality]:
    """Return the breasts that a word such as "left" or "bilateral" names."""
    return {"right": frozenset({Laterality.RIGHT}), "left": frozenset({Laterality.LEFT})}.get(word.lower(), BOTH)
