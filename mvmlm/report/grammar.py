"""English grammar of report sentences: articles, plurals, lists and agreement."""

from __future__ import annotations

import re
from collections.abc import Sequence

#: number words; more than ten of one thing are written in figures
NUMBER_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_LEADING_NUMBER = re.compile(r"\d+")


def article(phrase: str) -> str:
    """Return "a" or "an", by the first sound of the phrase: "an 8 mm mass", "an 11 mm mass", "a 10 mm mass"."""
    number = _LEADING_NUMBER.match(phrase)
    if number:
        vowel = number[0][0] == "8" or number[0] in ("11", "18")
    else:
        vowel = phrase[0].lower() in "aeio"  # of the words of reports with "u", "unilateral" and "UOQ" start with "you"
    return "an" if vowel else "a"


def with_article(phrase: str) -> str:
    """Return the phrase with "a" or "an" before it."""
    return f"{article(phrase)} {phrase}"


def pluralised(noun: str) -> str:
    """Return the plural of a noun, or of a phrase that ends with it."""
    if noun.endswith("y"):
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith("s") else "s")


def counted(number: int) -> str:
    """Return "two" for 2, "11" for 11."""
    return NUMBER_WORDS[number] if number < len(NUMBER_WORDS) else str(number)


def listed(words: Sequence[str], conjunction: str, comma: str = "") -> str:
    """Return "a, b or c". comma: "," for one before the conjunction of three or more words."""
    if len(words) < 2:
        return "".join(words)
    return ", ".join(words[:-1]) + (comma if len(words) > 2 else "") + f" {conjunction} {words[-1]}"


def capitalised(sentence: str) -> str:
    """Return the sentence with a capital first letter; the others stay as they are."""
    return sentence[:1].upper() + sentence[1:]
