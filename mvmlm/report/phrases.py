"""A sentence as a row of items: the phrases of the lexicon, trigger words, measurements, and words that are not known.

The longest phrase that begins at a word is taken, by a walk through a tree of words: the time grows with the length of
the sentence and no faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from . import synonyms
from .lexicon import ASYMMETRY_KINDS, LEXICON, NOUNS
from .trigger_words import TRIGGERS

_TOKEN = re.compile(r"\d+(?:[.,]\d+)?|(?<![\w.,])[.,]\d+|[a-z]+(?:'[a-z]+)?|\S")
_HYPHEN = re.compile(r"(?<=[a-z])[-‐](?=[a-z])|(?<=[0-9])-(?=[a-z])")
_NO_WITH_ZERO = re.compile(r"\bn0\b")  # "n0 mass": a typing error that would turn a denial around
_HOURS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_HOUR_WORD = re.compile(rf"\b({'|'.join(_HOURS)})(?= (?:o'?|o ')? ?clock\b)")
_LETTERS = str.maketrans({"’": "'", "‘": "'", "×": "x", "–": "-", "—": "-", "‑": "-", "®": " ", "“": '"', "”": '"'})
#: fields that a word or number describes
DESCRIPTORS = ("shape", "margin", "mass_density", "morphology", "distribution", "place", "depth", "subtlety")


@dataclass(slots=True)
class Item:
    """A phrase of a sentence. roles: what it may stand for -> the value. number: of a size in mm, an hour or a count.

    led: whether a preposition stands in front of it within the phrase. used: whether the reading accounts for it.
    """

    text: str
    roles: dict[str, str] = field(default_factory=dict)
    number: float = 0
    led: bool = False
    used: bool = False

    def is_a(self, *roles: str) -> bool:
        """Return whether the item may stand for one of the roles."""
        for role in self.roles:  # noqa: SIM110 (any() takes thrice the time)
            if role in roles:
                return True
        return False

    @property
    def describes(self) -> bool:
        """Whether it is a word or number of a finding's field."""
        return self.is_a(*DESCRIPTORS, "size", "clock")


class Token(NamedTuple):
    """A word, number or sign, in small letters, with its place in the sentence."""

    text: str
    start: int
    end: int


def tidy(sentence: str) -> str:
    """Return a sentence with plain signs, and without hyphens within words; no letter is moved."""
    return _HYPHEN.sub(" ", sentence.translate(_LETTERS).lower())


def tokens_of(sentence: str) -> list[Token]:
    """Return the words, numbers and signs of a sentence in small letters."""
    sentence = tidy(sentence)
    if "clock" in sentence:
        sentence = _HOUR_WORD.sub(lambda match: str(_HOURS.index(match[1]) + 1), sentence)
    text = (
        _NO_WITH_ZERO.sub("nno", sentence)
        .replace("can't", "can not")
        .replace("cannot", "can not")
        .replace("n't", " not")
    )
    return [Token(match[0], match.start(), match.end()) for match in _TOKEN.finditer(text)]


def expand(template: str) -> Iterator[str]:
    """Return the phrases that a template such as "(is|are) not (clearly|) seen" stands for."""
    opened = template.find("(")
    while opened >= 0 and template[opened : opened + 3] == "( )":
        opened = template.find("(", opened + 1)
    closed = template.find(")", opened)
    if opened < 0 or "|" not in template[opened:closed]:
        yield " ".join(template.split())
        return
    for choice in template[opened + 1 : closed].split("|"):
        yield from expand(template[:opened] + choice + template[closed + 1 :])


class _Tree:
    """Phrases by their words, each with its roles."""

    def __init__(self) -> None:
        self.root: dict = {}

    def add(self, role: str, value: str, templates: Iterable[str]) -> None:
        for template in templates:
            for phrase in expand(template):
                branch = self.root
                for token in tokens_of(phrase):
                    branch = branch.setdefault(token.text, {})
                roles, _ = branch.setdefault("", ({}, phrase))
                roles.setdefault(role, value)

    def longest(self, tokens: list[Token], at: int) -> tuple[int, dict[str, str]]:
        """Return the number of tokens of the longest phrase that begins at a token, and its roles; 0 if none does."""
        branch, best, roles = self.root, 0, {}
        for index in range(at, len(tokens)):
            if tokens[index].text not in branch:
                break
            branch = branch[tokens[index].text]
            if "" in branch:
                best, roles = index + 1 - at, branch[""][0]
        return best, roles


def _plurals(nouns: Iterable[str]) -> Iterator[str]:
    for noun in nouns:
        yield noun
        if not noun.endswith("s"):
            yield noun[:-1] + "ies" if noun.endswith("y") else noun + "s"


def _tree() -> _Tree:
    tree = _Tree()
    for kind, nouns in NOUNS.items():
        tree.add("noun", kind, (*_plurals(nouns), *synonyms.MORE_NOUNS[kind]))
    for word in ASYMMETRY_KINDS:
        tree.add("asymmetry", word, _plurals([word]))
        tree.add("noun", "asymmetry", _plurals([word]))
    for phrases in synonyms.SYNONYMS["asymmetry"].values():
        tree.add("noun", "asymmetry", phrases)
    for name in (*DESCRIPTORS, "feature", "birads", "density"):
        for value, phrases in LEXICON[name].items():
            plain = [p for p in phrases if not (name == "density" and p.lower().startswith("density "))]
            if name == "feature":
                plain = [*_plurals(plain)]
            tree.add(name, value, (p.replace("(", " ").replace(")", " ") for p in plain))
    for name, values in synonyms.SYNONYMS.items():  # behind all of the lexicon, whose phrases keep their values
        for value, phrases in values.items():
            tree.add(name, value, phrases)
    for family, words in TRIGGERS.items():
        tree.add(family, "", words)
    for word, number in synonyms.COUNTS.items():
        tree.add("count", str(number), [word])
    for role, templates in (("verb", synonyms.VERBS), ("with", synonyms.WITH), ("the", synonyms.DEFINITE),
                            ("article", synonyms.INDEFINITE), ("preposition", synonyms.PREPOSITIONS),
                            ("several", synonyms.SEVERAL), ("view", synonyms.VIEWS), ("views", synonyms.ALL_VIEWS),
                            ("it", synonyms.IT), ("remark", synonyms.REMARKS), ("other thing", synonyms.NO_FINDING),
                            ("benign node", synonyms.BENIGN_NODES),
                            ("plain", synonyms.PLAIN.split()), *synonyms.JOINING.items()):  # fmt: skip
        tree.add(role, "", templates)
    tree.add("side", "right", ["(right|rt) (breast|side|sided|mammogram|)", "(right|rt) ."])
    tree.add("side", "left", ["(left|lt) (breast|side|sided|mammogram|)", "(left|lt) ."])
    return tree


TREE = _tree()
WORDS = frozenset(TREE.root)
