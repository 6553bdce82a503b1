"""Read findings from report text: every wording of `writer`, and free text as far as it uses the same phrases."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .findings import ExamFindings, Finding, Findings
from .grammar import NUMBER_WORDS, pluralised
from .lexicon import EXAM_FIELDS, FEATURES, KIND_FIELDS, LEXICON, NOUNS


class _Phrases:
    """The phrases of a field: finds its value in a sentence by the longest phrase."""

    def __init__(self, values: Mapping[str, Sequence[str]]):
        pairs = sorted(((p.lower(), v) for v, ps in values.items() for p in ps), key=lambda pair: -len(pair[0]))
        self.values = dict(pairs)
        self.pattern = re.compile(r"(?<![\w-])(" + "|".join(re.escape(phrase) for phrase, _ in pairs) + r")(?![\w-])")

    def take(self, sentence: str) -> tuple[str | None, str]:
        """Return the value that the sentence holds (or None), and the sentence without its phrase."""
        found = max(self.pattern.finditer(sentence), key=lambda m: len(m[0]), default=None)
        if found is None:
            return None, sentence
        return self.values[found[0]], sentence[: found.start()] + " , " + sentence[found.end() :]

    def take_all(self, sentence: str) -> tuple[list[tuple[int, str]], str]:
        """Return the place and value of every phrase, in the order of the sentence, and the sentence without them."""
        found = [(match.start(), self.values[match[0]]) for match in self.pattern.finditer(sentence)]
        return found, self.pattern.sub(lambda match: " " * len(match[0]), sentence)


_FIELDS = {name: _Phrases(values) for name, values in LEXICON.items()}
_NOUN = _Phrases(NOUNS)
_PLURAL_FEATURE = _Phrases({f: (f, pluralised(f)) for f in FEATURES})
_CODE = re.compile(r"\(?\bbi-rads(?: category)?\s*:?\s*(0|1|2|3|4[abc]?|5)\b\)?", re.I)
_NUMBER = re.compile(
    r"\b(" + "|".join(NUMBER_WORDS[2:]) + r"|\d+) (?!mm|o'clock)(?=.*?\b(?:masses|asymmetries|areas)\b)"
)
_NO = re.compile(r"(?:there (?:is|are) |[a-z]+ (?:[a-z]+ )?(?:shows?|demonstrates) )?(?:no|without) ")


def parse_report(text: str) -> Findings:
    """Return the findings of a breast's report. Text that the grammar does not know is left out, never guessed."""
    density = birads = None
    present: list[Finding] = []
    possible: list[Finding] = []
    absent: dict[bool, set[str]] = {True: set(), False: set()}
    features: set[str] = set()
    for sentence in re.split(r"\.(?:\s+|$)|;\s*|\n", text):
        sentence = sentence.strip().lower()
        if not sentence:
            continue
        kind = next(iter(_kinds_in(sentence)), None)
        if _NO.match(sentence) and not sentence.startswith("no evidence of malignancy"):
            named, rest = _PLURAL_FEATURE.take_all(sentence)
            absent["suspicious" in rest] |= {*_kinds_in(rest), *(value for _, value in named)}
        elif kind:
            number = _NUMBER.search(sentence)
            many = 1 if not number else NUMBER_WORDS.index(number[1]) if number[1] in NUMBER_WORDS else int(number[1])
            found = possible if re.search("possible|questionable", sentence) else present
            found += [_parse_finding(kind, sentence)] * many
        elif (value := _FIELDS["density"].take(sentence)[0]) is not None:
            density = value
        elif code := _CODE.search(sentence):
            birads = code[1].upper()
        elif (value := _FIELDS["birads"].take(sentence)[0]) is not None:
            birads = value
        else:
            features |= {value for _, value in _FIELDS["feature"].take_all(sentence)[0]}
    return Findings(
        density, tuple(present), frozenset(absent[False]), birads, tuple(possible), frozenset(absent[True]),
        tuple(features),
    )  # fmt: skip


def _kinds_in(sentence: str) -> list[str]:
    """The kinds of findings that a sentence names, in order."""
    return [value for _, value in _NOUN.take_all(sentence)[0]]


def _parse_finding(kind: str, sentence: str) -> Finding:
    values: dict[str, Any] = {}
    further: dict[str, list[tuple[str, str]]] = {"also": [], "either": []}
    if code := _CODE.search(sentence):
        values["birads"] = code[1].upper()
        sentence = sentence.replace(code[0], " ")
    features, sentence = _FIELDS["feature"].take_all(sentence)
    for name in ("place", "depth", "subtlety", *KIND_FIELDS[kind]):
        whole = sentence
        found, sentence = _FIELDS[name].take_all(sentence)
        if found:
            values[name] = int(found[0][1]) if name == "subtlety" else found[0][1]
            for (before, _), (at, value) in itertools.pairwise(found):
                further["either" if " or " in whole[before:at] else "also"].append((name, value))
    if size := re.search(r"(\d+(?:\.\d+)?) mm\b", sentence):
        values["size_mm"] = float(size[1])
    if clock := re.search(r"(\d+) o'clock", sentence):
        values["clock"] = int(clock[1])
    values |= {name: tuple(words) for name, words in further.items()}
    return Finding(kind, features=tuple(value for _, value in features), **values)


def parse_exam_report(text: str) -> ExamFindings:
    """Return the findings of an exam's report. The background (age, history, device) is ignored."""
    values: dict[str, Any] = {}
    for name in EXAM_FIELDS:
        if found := re.search(rf"(?im)^{name}: ([^.\n]+)", text):
            values[name] = found[1].strip()
            text = text.replace(found[0], "")
    sections = re.split(r"(?im)^(right|left)(?: breast)?:", text)
    for side, body in zip(sections[1::2], sections[2::2], strict=True):
        values[side.lower()] = parse_report(body)
    return ExamFindings(**values)
