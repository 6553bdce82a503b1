"""The sentences of a report, each with the breasts that it is about and the section that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from ..exam import Laterality
from .measurements import items_of
from .phrases import Item, tokens_of

BOTH = frozenset(Laterality)
LONGEST_REPORT = 100_000
_SIDE = re.compile(r"\b(right|left|bilateral(?:ly)?|(?:both|n?either|each) (?:breasts?|sides?|axillae))\b", re.I)
_HEADING = re.compile(
    r"\s*(?:in )?(?:the )?(right|left|bilateral|both)(?: (?:breasts?|sides?|mammograms?))?\s*(?::|\s[-–—]\s|$)", re.I
)
_OTHER_BREAST = re.compile(r"\b(?:contralateral|(?:opposite|other) (?:breast|side))\b", re.I)
#: "right" and "left" that may name no breast
_NO_BREAST = re.compile(
    r"\b(?:right|left) (?:now|away|on (?:the |this )?(?:image|film|picture|view)|in place|in situ|behind|of|to|over|"
    r"alone|untreated)\b|\bwhat(?: is|'s) left\b|\b(?:was|were|been) left\b(?![ -](?:breast|side))",
    re.I,
)
_LETTER = re.compile(r"(?<![\w.'’-])[RL](?![\w.'’-])")
_END = re.compile(r"([.!?]+)(?:\s+|$)|;\s*|\n|(?<=[a-z)])\.(?=[A-Z])|(?<=[A-Za-z]{3})\.(?=[A-Za-z]{3})")
_LIST_MARK = re.compile(r"(?:[-•*·]+|\(?\d{1,2}[.)])\s+")
_NUMBER = re.compile(r"\(?\d{1,2}[.)]?")
_QUERY = re.compile(r"(?m)(?:^|(?<=[\s(]))\?+ ?(?=[A-Za-z])")
_ABBREVIATIONS = (
    (re.compile(r"\brt\b\.?", re.I), "right"),
    (re.compile(r"\blt\b\.?", re.I), "left"),
    (re.compile(r"(?m)\bR(?= breast\b)|^ ?R(?= ?[:-])|\(R\)"), "right"),
    (re.compile(r"(?m)\bL(?= breast\b)|^ ?L(?= ?[:-])|\(L\)"), "left"),
    (re.compile(r"\bR(?=(?:CC|MLO|ML|LM)\b)"), "right "),
    (re.compile(r"\bL(?=(?:CC|MLO|ML|LM)\b)"), "left "),
    (re.compile(r"\bpost\b\.?(?= (?:depth|third)\b)", re.I), "posterior"),
    (re.compile(r"\bant\b\.?(?= (?:depth|third)\b)", re.I), "anterior"),
    (re.compile(r"\b(approx|vs|ca|diam|max|dr|incl|resp)\.(?= )", re.I), r"\1"),
)
#: section -> its headings. What stands under the first three is no finding.
_SECTIONS = {
    "history": r"indications?|(?:clinical|medical|personal|family|patient|surgical)? ?history|hx|"
    r"clinical (?:information|indications?|data|details|presentation|findings?)|reason for [a-z]+",
    "recommendation": r"recommendations?|plan|management(?! category)|follow[- ]?up|advice",
    "technique": r"technique|procedure|exam|examination|study|comparisons?|compared|device|age|views",
    "findings": r"findings?|mammograms?|mammography|report|narrative|description|results?",
    "summary": r"impression|conclusion|summary|opinion|overall|final",
    "addendum": r"addend(?:um|a)|corrections?|(?:corrected|amended) report|amendment|errat(?:um|a)",
}  # fmt: skip
_SECTION = re.compile("|".join(rf"(?P<{name}>{words})" for name, words in _SECTIONS.items()), re.I)
_COLON = re.compile(r"(?: [a-z0-9]+){0,2} ?:| ?$", re.I)
_CATEGORY = re.compile(r" ?[0-6][abc]?\b(?! ?(?:mm|cm|x|o'clock|\.\d))", re.I)
#: behind "addendum" a heading may tell a date, a time and a name
_ADDENDUM_COLON = re.compile(r"(?: \d{1,2}:\d\d|[ ,]{1,2}[^\s:,]{1,20}){0,10} ?:| ?$")
_SUMMARY = re.compile(r"(?:impression|conclusion|summary|overall|final|recommendation)\b", re.I)
#: a line that ends with one of these goes on in the next one
_OPEN_WORDS = (
    "a an the no not without of in at on with and or nor neither for to from by is are was were be been measuring "
    "suspicious dominant discrete definite any possible evidence x both either which that upper lower inner outer "
    "associated category rads right left approximately about"
)
_OPEN = frozenset(_OPEN_WORDS.split())
_GOES_ON = re.compile(r"(?:or|and|nor|but|is|are|was|were|has|have|seen|identified|noted|of|mm|cm|o'clock|with)\b")


class Passage(NamedTuple):
    """A sentence of a report.

    sides: the breasts that it names, or that the heading above it names; none where neither does. section: "" where no
    heading names one. addendum: whether it was added later. why: why it cannot be taken, "" where it can.
    """

    text: str
    sides: frozenset[Laterality]
    section: str = ""
    addendum: bool = False
    why: str = ""


def passages_of(text: str) -> Iterator[Passage]:
    """Yield the sentences of a report. Raises ValueError for one that is longer than any."""
    text = re.sub(r"[^\S\n]+", " ", text.replace("’", "'").replace("\r", "\n"))
    text = re.sub(r"\n(?: ?\n)+", "\n\n", text)  # long gaps would be looked through again from each of their places
    if len(text) > LONGEST_REPORT:
        raise ValueError(f"This report has more than {LONGEST_REPORT:,} letters. Take it in parts.")
    text = _QUERY.sub("query ", text)
    for pattern, word in _ABBREVIATIONS:
        text = pattern.sub(word, text)
    reader = _Headings()
    for paragraph in text.split("\n\n"):
        reader.paragraph()
        for sentence, question in _sentences(_unwrapped(paragraph)):
            if (passage := reader.passage(sentence, question)) is not None:
                yield from _for_each_breast(passage)


def _unwrapped(paragraph: str) -> str:
    """Join a line that cannot end where it ends with the next one."""
    lines: list[str] = []
    for line in paragraph.split("\n"):
        line = line.strip()
        if lines and line and _is_open(lines[-1], line):
            lines[-1] += " " + line
        else:
            lines.append(line)
    return "\n".join(lines)


def _is_open(line: str, following: str) -> bool:
    words = line[-200:].split()
    if not words or line[-1] in ".;:!?":
        return False
    last = words[-1].lower()
    if last == "a" and words[-2:-1] and words[-2].lower() in ("density", "composition", "category", "acr"):
        return False
    if last in _OPEN or line[-1] in ",/" or _GOES_ON.match(following):
        return True
    if last[-1].isdecimal() and following[:2] in ("mm", "cm", "x "):
        return True
    items = items_of(tokens_of(line[-200:]))
    opened = max((i for i, item in enumerate(items) if item.is_a("deny before", "doubt before")), default=-1)
    return opened >= 0 and not any(item.is_a("noun", "feature", "birads") for item in items)


def _sentences(text: str) -> Iterator[tuple[str, bool]]:
    """Each sentence without its stop, and whether it is a question."""
    start = 0
    for end in _END.finditer(text):
        yield text[start : end.start()], "?" in (end[1] or "")
        start = end.end()
    yield text[start:], False


class _Headings:
    """The headings above the sentence that is read."""

    def __init__(self) -> None:
        self.under: frozenset[Laterality] = frozenset()
        self.section, self.addendum, self.bare = "", False, False

    def paragraph(self) -> None:
        """Begin a paragraph: a heading reaches into it only where nothing stood under it."""
        if not self.bare:
            self.under, self.section = frozenset(), ""

    def passage(self, sentence: str, question: bool) -> Passage | None:
        """Return a sentence with what stands above it, None for one that is a heading or a list's mark only."""
        sentence = sentence.strip()
        mark = _LIST_MARK.match(sentence)
        sentence = sentence[mark.end() :] if mark else sentence
        if not sentence or _NUMBER.fullmatch(sentence) or not sentence.strip(" -.:,*=_"):
            return None
        once = ""
        for _ in range(3):
            cut, name = self._heading(sentence)
            if not cut:
                break
            once = name if name == "technique" else ""
            self.section = "" if name in ("technique", "findings", "addendum") else name or ""
            sentence = sentence[cut:].strip()
        if _NUMBER.fullmatch(sentence):
            sentence = ""
        self.bare = not sentence
        if _SUMMARY.match(sentence):
            self.under = frozenset()
        if not sentence:
            self.section = once or self.section
            return None
        passage = _with_sides(sentence, self.under)
        why = "is a question" if question else passage.why
        return passage._replace(section=once or self.section, addendum=self.addendum, why=why)

    def _heading(self, sentence: str) -> tuple[int, str]:
        """The length of the heading that a sentence begins with, and the section that it names; (0, "") without one."""
        if side := _HEADING.match(sentence):
            self.under = sides_of(side[1])
            return side.end(), "findings"
        section = _SECTION.match(sentence)
        colon = section and _colon_of(section).match(sentence, section.end())
        if not section or not colon or (not colon[0].strip() and section.lastgroup not in ("findings", "addendum")):
            return 0, ""
        if _CATEGORY.match(sentence, colon.end()):
            return 0, ""  # "final assessment category: 4C"
        name = section.lastgroup or ""
        self.addendum |= name == "addendum"
        self.under = frozenset()
        return colon.end(), name


def _colon_of(section: re.Match[str]) -> re.Pattern[str]:
    return _ADDENDUM_COLON if section.lastgroup == "addendum" else _COLON


LONGEST_OF_BOTH, MOST_JOINTS = 240, 6  # letters and joints of a sentence on both breasts that is taken apart
NAMES_BOTH = "names both breasts; write a sentence for each"
_JOINT = re.compile(r",? (?:while|whereas|but) |, (?:and )?| and ")
_COMPARES_SIDES = re.compile(
    r",? (?:more|most|greater|greatest|larger|largest|worse|especially|particularly) [^,;0-9]{0,60}\b(?:right|left)\b",
    re.I,
)
_REACHES_ON = ("deny before", "deny after", "doubt before", "doubt after", "past before", "plan before", "earlier")


def _for_each_breast(passage: Passage) -> Iterator[Passage]:
    """Yield a passage, or its two parts where each names a finding and breasts of its own.

    A part that is joined by "and" or a comma only may be reached by a denial or doubt of the other one; then the
    passage stays whole.
    """
    if passage.why != NAMES_BOTH or len(passage.text) > LONGEST_OF_BOTH:
        yield passage
        return
    for joint in islice(_JOINT.finditer(passage.text), MOST_JOINTS):
        parts = [_with_sides(text.strip(), frozenset()) for text in _parts(passage.text, joint)]
        items = [items_of(tokens_of(part.text)) for part in parts]
        whole = all(part.sides and not part.why for part in parts) and parts[0].sides != parts[1].sides
        findings = all(any(item.is_a("noun", "feature", "code") for item in found) for found in items)
        if whole and findings and (joint[0].strip(", ") not in ("", "and") or _stand_alone(*items)):
            yield from (passage._replace(text=part.text, sides=part.sides, why="") for part in parts)
            return
    yield passage


def _stand_alone(first: list[Item], second: list[Item]) -> bool:
    """Whether no trigger and no verb of one part reaches into the other."""
    triggers = any(item.is_a(*_REACHES_ON) for item in (*first, *second))
    verbs = [any(item.is_a("verb", "affirm") for item in part) for part in (first, second)]
    return not triggers and (verbs[0] or not verbs[1])


def _parts(text: str, joint: re.Match[str]) -> tuple[str, str]:
    return text[: joint.start()], text[joint.end() :]


def _with_sides(sentence: str, under: frozenset[Laterality]) -> Passage:
    """A sentence with its breasts. under: those of its heading."""
    compared = _COMPARES_SIDES.search(sentence)
    words = [sides_of(word) for word in _SIDE.findall(sentence[: compared.start()] if compared else sentence)]
    if compared and words != [BOTH]:
        words = [sides_of(word) for word in _SIDE.findall(sentence)]
    named = frozenset[Laterality]().union(*words)
    if _OTHER_BREAST.search(sentence):
        return Passage(sentence, frozenset(), why="speaks of the other breast without naming it")
    if _NO_BREAST.search(sentence):
        return Passage(sentence, frozenset(), why="says right or left in words that may name no breast")
    if not named and _LETTER.search(sentence):
        return Passage(sentence, frozenset(), why="may name a breast by a letter; write right or left")
    if len(set(words)) > 1:
        return Passage(sentence, named, why=NAMES_BOTH)
    if under and named and named != under and not _is_assessment(sentence):
        return Passage(sentence, under | named, why="names another breast than the heading above it")
    return Passage(sentence, named or under)


def _is_assessment(sentence: str) -> bool:
    if len(sentence) > LONGEST_OF_BOTH:
        return False
    items = items_of(tokens_of(sentence))
    return any(item.is_a("code") for item in items) and not any(item.is_a("noun", "feature") for item in items)


def sides_of(word: str) -> frozenset[Laterality]:
    """Return the breasts that a word such as "left" or "bilateral" names."""
    return {"right": frozenset({Laterality.RIGHT}), "left": frozenset({Laterality.LEFT})}.get(word.lower(), BOTH)
