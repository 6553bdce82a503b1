"""Sizes, hours, categories and densities of a sentence: everything that is told by numbers or single letters."""

from __future__ import annotations

import re

from .findings import MAX_SIZE_MM, MIN_SIZE_MM
from .lexicon import ASSESSMENTS
from .phrases import TREE, Item, Token

_LEADING = {"in", "at", "on", "behind", "beneath", "of", "with"}
_SMALL_COUNT = re.compile(r"[2-9]|1\d")
_NUMBER = re.compile(r"(?:\d+)?[.,]?\d+")
_THOUSANDS = re.compile(r"[.,]\d{3}\b")
_UNITS = {"mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0, "millimetres": 1.0,
          "cm": 10.0, "centimeter": 10.0, "centimeters": 10.0, "centimetre": 10.0, "centimetres": 10.0}  # fmt: skip
_AWAY = {"from", "fn", "away", "apart", "above", "below", "behind", "deep", "posterior", "anterior", "slice", "slices",
         "superior", "inferior", "lateral", "medial", "cmfn", "section", "sections", "thick", "collimation",
         "proximal", "distal", "intervals"}  # fmt: skip
_LIMITS = {"than", "<", ">", "under", "over", "exceeding", "least", "below", "above", "≤", "≥", "~<"}
#: "extending over 3 cm" is a size, "over 3 cm" is none
_EXTENDS = {"extend", "extends", "extending", "extended", "distributed", "spread", "spreads", "spreading"}
_EARLIER = {"previously", "was", "prior", "formerly", "before", "initially", "earlier", "were"}
#: words in front of a length that is none of the finding's: a distance, or the length of something else
_OF_OTHERS = {"at", "within", "fn", "distance", "nipple", "depth", "thickness", "clip", "marker"}
#: words in front of a length that is a change of the size
_GROWTH = {"grown", "grew", "grow", "grows", "increased", "increase", "increases", "decreased", "decrease", "decreases",
           "shrunk", "enlarged", "enlargement", "growth", "gained", "lost", "change", "changed"}  # fmt: skip
#: words behind a length that is no size
_NO_SIZE = {"larger", "smaller", "bigger", "longer", "shorter", "greater", "increase", "decrease", "growth", "change",
            "enlargement", "difference", "interval", "under", "beneath", "underneath", "clip", "marker", "more",
            "less"}  # fmt: skip
#: words that are looked past: "grown by about 4 mm"
_ABOUT = {"about", "approximately", "approx", "roughly", "nearly", "almost", "some", "an", "a", "another", "~", "only"}
_DEPTHS = {"anterior", "middle", "mid", "posterior"}
_ROMAN = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "v": "5", "vi": "6"}
_HEAD = {"bi", "rads", "birads", "acr", "category", "cat", "assessment", "code", "score", "final", "overall", "class"}
_JOINTS = {":", "-", "is", "#", "=", "(", ".", "of"}
_DENSITY_HEAD = {"density", "composition", "acr", "type", "category", "class", "grade", "bi", "rads", "birads"}
_HEADS = _HEAD | _DENSITY_HEAD


def measured(tokens: list[Token], at: int) -> tuple[int, Item | None]:
    """Return the number of tokens of the measurement that begins at a token, and its item; 0 and None if none does.

    An item that is not to be taken (a distance, a range, an hour that is none, category 6) has no role.
    """
    first = tokens[at].text
    if first not in _HEADS and not first[-1].isdecimal():
        return 0, None
    for read in (_code, _density, _size, _hour, _date):
        length, roles, number = read(tokens, at)
        if length:
            return length, Item(" ".join(t.text for t in tokens[at : at + length]), roles, number)
    return 0, None


Read = tuple[int, dict[str, str], float]
_NOTHING: Read = (0, {}, 0.0)


def _text(tokens: list[Token], at: int) -> str:
    return tokens[at].text if 0 <= at < len(tokens) else ""


def _touches(tokens: list[Token], at: int) -> bool:
    """Whether a token follows the one before it without a gap."""
    return 0 < at < len(tokens) and tokens[at - 1].end == tokens[at].start


def _value(text: str) -> float:
    return float(text.replace(",", "."))


def _code(tokens: list[Token], at: int) -> Read:
    """ "BI-RADS category: 4B", "category 4B", "ACR 2" or "assessment: 4"."""
    if _text(tokens, at) not in _HEAD:
        return _NOTHING
    end, words = at, set()
    while (word := _text(tokens, end)) in _HEAD or word in _JOINTS:
        words.add(word)
        end += 1
        if end - at > 12:
            return _NOTHING
    if not words & {"bi", "birads", "category", "cat", "acr"} and not ("assessment" in words and ":" in words):
        return _NOTHING
    digit = _ROMAN.get(_text(tokens, end), _text(tokens, end)) if words & {"rads", "birads"} else _text(tokens, end)
    if not digit.isdecimal() or len(digit) > 1 or _text(tokens, end + 1) in (*_UNITS, "x", "o'clock"):
        return _NOTHING
    end += 1
    if digit == "4" and (length := _letter_apart(tokens, end)):
        digit += tokens[end + length // 2].text.upper()
        end += length
    letter = _text(tokens, end)
    if (
        len(digit) == len(letter) == 1
        and letter.isalpha()
        and (_touches(tokens, end) or letter in "bc")
        and letter != "x"
    ):
        digit += letter.upper()
        end += 1
    another = _text(tokens, end + 1)[:1].isdecimal() and _text(tokens, end + 2) not in _UNITS
    if another and _text(tokens, end) in ("or", "/", "to", "-", "vs"):
        return end + 2 - at, {}, 0.0
    if digit not in ASSESSMENTS:
        return end - at, {"known cancer" if digit[0] == "6" else "no category": digit}, 0.0
    return end - at, {"code": digit}, 0.0


def _letter_apart(tokens: list[Token], at: int) -> int:
    """The number of tokens of the letter of "4-B", "4 (B)" or "4 a."; 0 without one."""
    sign, letter = _text(tokens, at), _text(tokens, at + 1)
    if sign == "(" and letter in ("a", "b", "c") and _text(tokens, at + 2) == ")":
        return 3
    if sign == "-" and letter in ("a", "b", "c") and _touches(tokens, at) and _touches(tokens, at + 1):
        return 2
    return int(sign == "a" and letter in ("", ".", ",", ")", ";"))


def _density(tokens: list[Token], at: int) -> Read:
    """ "Density C", "ACR B", "breast composition category: b"."""
    if _text(tokens, at) not in _DENSITY_HEAD:
        return _NOTHING
    end, words = at, set()
    while (word := _text(tokens, end)) in _DENSITY_HEAD or word in (":", "-", "is", "breast", "("):
        words.add(word)
        end += 1
        if end - at > 12:
            return _NOTHING
    letter, after = _text(tokens, end), _text(tokens, end + 1)
    if letter not in ("a", "b", "c", "d") or not words & {"density", "composition", "acr"}:
        return _NOTHING
    if after in ("/", "-", "to", "or", "vs", "versus", "and") and _text(tokens, end + 2) in ("a", "b", "c", "d"):
        return end + 3 - at, {}, 0.0
    if letter == "a" and after[:1].isalpha() and after not in ("almost", "entirely", "fatty", "and", "category"):
        return _NOTHING
    return end + 1 - at, {"density": letter.upper()}, 0.0


def _size(tokens: list[Token], at: int) -> Read:
    """A length in mm or cm, or several joined by "x": the largest one, in mm."""
    values: list[float] = []
    units: list[str] = []
    end = at
    while _NUMBER.fullmatch(_text(tokens, end)) and len(values) < 4:
        values.append(_value(tokens[end].text))
        end += 1
        units.append(_text(tokens, end) if _text(tokens, end) in _UNITS else "")
        end += bool(units[-1])
        if _text(tokens, end) not in ("x", "by", "*") or not _NUMBER.fullmatch(_text(tokens, end + 1)):
            break
        end += 1
    if not any(units):
        return _range_of_sizes(tokens, at)
    size = round(max(value * _UNITS[unit] for value, unit in zip(values, _completed(units))), 3)
    length, before = end - at, _text(tokens, at - 1)
    stated = before in ("of", "measuring", "measures") and _text(tokens, end) in ("behind", "posterior", "deep")
    if (_text(tokens, end) in _AWAY and not stated) or (_text(tokens, end) == "to" and _text(tokens, end + 1) == "the"):
        return length + 1, {}, 0.0
    extends = before == "over" and _text(tokens, at - 2) in _EXTENDS
    if (before in _LIMITS and not extends) or before in ("-", "to") and _NUMBER.fullmatch(_text(tokens, at - 2)):
        return length, {}, 0.0
    if _is_of_something_else(tokens, at, end) or _THOUSANDS.search(" ".join(t.text for t in tokens[at:end])):
        return length, {}, 0.0
    if _text(tokens, end) == "⇒" or before in ("with", "to") and _text(tokens, at - 2) == "compared":
        return length, {"earlier size": ""}, 0.0
    if before in _EARLIER or before == "from":
        told = before != "from" or _text(tokens, end) == "to"  # "from 9 mm" alone leaves open what it is now
        return length, {"earlier size": ""} if told else {}, 0.0
    if not MIN_SIZE_MM <= size <= MAX_SIZE_MM:
        return length, {"no size": ""}, 0.0
    return length, {"size": ""}, size


def _completed(units: list[str]) -> list[str]:
    """The unit of each number of "9 x 7 mm" or "3 mm x 2 cm": its own, else the next one, else the last one."""
    last = next(unit for unit in reversed(units) if unit)
    for i in range(len(units) - 1, -1, -1):
        last = units[i] = units[i] or last
    return units


def _is_of_something_else(tokens: list[Token], at: int, end: int) -> bool:
    """Whether a length is a distance, a change, one end of a range, a fraction, or not the finding's: it is no size."""
    if _text(tokens, end) in _NO_SIZE or _text(tokens, end) == "of" and _text(tokens, at - 1) == "within":
        return True
    first = at - 1
    if _text(tokens, first) in ("/", "or", "and", ",", "+") and _is_bare_number(tokens, first - 1):
        return True
    if _is_bare_number(tokens, first) and not _SMALL_COUNT.fullmatch(_text(tokens, first)):
        return True
    for _ in range(4):
        if _text(tokens, first) not in _ABOUT:
            break
        first -= 1
    word, before = _text(tokens, first), _text(tokens, first - 1)
    if word == "by":
        return any(_text(tokens, i) in _GROWTH for i in range(first - 4, first))
    if word in ("of", ":"):
        return before in _OF_OTHERS or before in _GROWTH or before in ("margin", "margins")
    if word in ("is", "measuring", "measures"):
        if before == "depth":
            return _text(tokens, first - 2) not in _DEPTHS  # "at posterior depth measuring 6 mm"
        return before in ("thickness", "distance", "clip")
    return word in _GROWTH or (word in _OF_OTHERS and _text(tokens, first + 1) not in ("a", "an", "another"))


def _is_bare_number(tokens: list[Token], at: int) -> bool:
    """Whether a number without a unit stands at a token; not an hour, a year or a category."""
    if not _text(tokens, at)[:1].isdecimal() or len(_text(tokens, at)) == 4:
        return False
    hour = _text(tokens, at - 1) == ":" and _touches(tokens, at) and _touches(tokens, at - 1)
    return not hour and _text(tokens, at - 1) not in _HEAD and _text(tokens, at + 1) not in _UNITS


def _range_of_sizes(tokens: list[Token], at: int) -> Read:
    """ "From 9 to 14 mm" is 14 mm now; any other range is not one size."""
    if not _NUMBER.fullmatch(_text(tokens, at)) or _text(tokens, at + 1) not in ("-", "to"):
        return _NOTHING
    unit = _text(tokens, at + 3)
    if not _NUMBER.fullmatch(_text(tokens, at + 2)) or unit not in _UNITS:
        return _NOTHING
    size = round(_value(tokens[at + 2].text) * _UNITS[unit], 3)
    grew = _text(tokens, at - 1) == "from" and _text(tokens, at + 1) == "to"
    return 4, {"size": ""} if grew and MIN_SIZE_MM <= size <= MAX_SIZE_MM else {}, size


def _hour(tokens: list[Token], at: int) -> Read:
    """ "2 o'clock", "2:00"; not "5:30", "13 o'clock" or "10-11 o'clock"."""
    if not _text(tokens, at).isdecimal():
        return _NOTHING
    end, whole = at + 1, True
    minutes = _touches(tokens, end) and _touches(tokens, end + 1) and _text(tokens, end + 1).isdecimal()
    if _text(tokens, end) == ":" and minutes:
        whole = set(tokens[end + 1].text) == {"0"}
        end += 2
    elif _text(tokens, end) in ("-", "to", "/", "and") and _text(tokens, end + 1).isdecimal():
        if not (length := _clock_word(tokens, end + 2)) and _text(tokens, end + 2) != ":":
            return _NOTHING
        return (end + 2 + length if length else end + 4) - at, {}, 0.0
    length = _clock_word(tokens, end)
    if not length and end == at + 1:
        return _NOTHING
    end += length
    hour = int(tokens[at].text)
    if _text(tokens, end) in ("-", "to") and _text(tokens, end + 1).isdecimal():
        if length := _clock_word(tokens, end + 2):
            return end + 2 + length - at, {}, 0.0  # "3 o'clock - 5 o'clock"
        if _text(tokens, end + 2) == ":":
            return end + 4 - at, {}, 0.0  # "2:00 - 3:00"
    if _text(tokens, end) in ("am", "pm", "hours", "hrs", "h") or not whole or not 1 <= hour <= 12:
        return end - at, {"no hour": ""}, 0.0
    return end - at, {"clock": ""}, hour


def _clock_word(tokens: list[Token], at: int) -> int:
    if _text(tokens, at) in ("o'clock", "oclock"):
        return 1
    if [_text(tokens, at + i) for i in range(3)] == ["o", "'", "clock"]:
        return 3
    return 2 if (_text(tokens, at), _text(tokens, at + 1)) == ("o", "clock") else 0


def _date(tokens: list[Token], at: int) -> Read:
    """A year, or a date with slashes: "in 2015" speaks of the past, "since 2015" compares."""
    end = at
    while _text(tokens, end).isdecimal() and _text(tokens, end + 1) in ("/", ".") and end - at < 5:
        end += 2
    year = _text(tokens, end)
    if not (year.isdecimal() and (len(year) == 4 and year[:2] in ("19", "20") or end - at == 4)):
        return _NOTHING
    before = _text(tokens, at - 1)
    compares = before in ("since", "to", "with", "and", "from", "dated", "of", "than", "(", ":")
    past = "past before" if before == "in" and at == 1 else "past after"  # "in 2019, a mass was seen"
    return end + 1 - at, {"plain": ""} if compares else {past: ""}, 0.0


def items_of(tokens: list[Token]) -> list[Item]:
    """Return the items of a sentence: measurements first, then the longest phrases, then single unknown words."""
    items, at = [], 0
    while at < len(tokens):
        length, item = measured(tokens, at)
        if item is None:
            length, roles = TREE.longest(tokens, at)
            length = max(length, 1)
            words = " ".join(token.text for token in tokens[at : at + length])
            item = Item(words, dict(roles), led=length > 1 and words.split()[0] in _LEADING)
            if item.is_a("count"):
                item.number = float(item.roles["count"])
            elif _SMALL_COUNT.fullmatch(words):
                item.roles["count"], item.number = words, float(words)
        items.append(item)
        at += length
    return items
