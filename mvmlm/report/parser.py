"""Read findings from report text: every wording of `writer`, and free text as far as it uses the same phrases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from .findings import ExamFindings, Finding, Findings
from .lexicon import EXAM_FIELDS, KIND_FIELDS, LEXICON, NOUNS


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


_FIELDS = {name: _Phrases(values) for name, values in LEXICON.items()}
_NOUN = _Phrases(NOUNS)
_CODE = re.compile(r"\(?\bbi-rads\s*:?\s*(0|1|2|3|4[abc]?|5)\b\)?", re.I)


def parse_report(text: str) -> Findings:
    """Return the findings of a breast's report. Text that the grammar does not know is left out, never guessed."""
    density = birads = None
    present: list[Finding] = []
    absent: set[str] = set()
    for sentence in re.split(r"\.(?:\s+|$)|;\s*|\n", text):
        sentence = sentence.strip().lower()
        if not sentence:
            continue
        if sentence.startswith(("no ", "without ")) and not sentence.startswith("no evidence of malignancy"):
            absent.update(_kinds_in(sentence))
        elif kind := next(iter(_kinds_in(sentence)), None):
            present.append(_parse_finding(kind, sentence))
        elif (value := _FIELDS["density"].take(sentence)[0]) is not None:
            density = value
        elif code := _CODE.search(sentence):
            birads = code[1].upper()
        elif (value := _FIELDS["birads"].take(sentence)[0]) is not None:
            birads = value
    return Findings(density, tuple(present), frozenset(absent), birads)


def _kinds_in(sentence: str) -> list[str]:
    """The kinds of findings that a sentence names, in order."""
    kinds: list[str] = []
    while True:
        kind, sentence = _NOUN.take(sentence)
        if kind is None:
            return kinds
        kinds.append(kind)


def _parse_finding(kind: str, sentence: str) -> Finding:
    values: dict[str, Any] = {}
    if code := _CODE.search(sentence):
        values["birads"] = code[1].upper()
        sentence = sentence.replace(code[0], " ")
    if kind == "asymmetry":
        values["asymmetry"], sentence = _FIELDS["asymmetry"].take(sentence)
    features = []
    while (taken := _FIELDS["feature"].take(sentence))[0] is not None:
        features.append(taken[0])
        sentence = taken[1]
    for name in ("place", "depth", *(name for name in KIND_FIELDS[kind] if name != "asymmetry")):
        values[name], sentence = _FIELDS[name].take(sentence)
    if size := re.search(r"(\d+(?:\.\d+)?) mm\b", sentence):
        values["size_mm"] = float(size[1])
    if clock := re.search(r"(\d+) o'clock", sentence):
        values["clock"] = int(clock[1])
    return Finding(kind, features=tuple(features), **values)


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
