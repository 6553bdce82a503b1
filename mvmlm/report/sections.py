"""The sentences of a report, each with the breasts that it is about and the section that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..exam import Laterality
from .breasts import BOTH, COMPLAINT, LONGEST_OF_BOTH, Passage, for_each_breast, names_another, sides_of, with_sides
from .measurements import items_of
from .phrases import tokens_of

LONGEST_REPORT = 100_000
_HEADING = re.compile(
    r"\s*(?:(?:in|on) )?(?:the )?(right|left|bilateral|both)(?: (?:breasts?|sides?|mammograms?|mammography|findings))*"
    r"(?: ?\([a-z ]{1,20}\))?\s*(?::|\s[-–—]\s|$)",
    re.I,
)
_END = re.compile(r"([.!?]+)(?:\s+|$)|;\s*|(?<=[a-z)])\.(?=[A-Z])|(?<=[A-Za-z]{3})\.(?=[A-Za-z]{3})")
_LIST_MARK = re.compile(r"(?:[-•*·]+|#\d{1,2}[.:)]?|\(?\d{1,2}[.)])\s+")
_NUMBER = re.compile(r"\(?\d{1,2}[.)]?")
_NEGATIVE = re.compile(r"(?:(?:the )?(?:right|left|both)(?: breasts?| sides?)?[ :-]+)?neg", re.I)
_QUERY = re.compile(r"(?m)(?:^|(?<=[\s(]))\?+ ?(?=[A-Za-z])")
#: "mass No. 2", not "calcifications: No. 2 masses" or "no. 3 mm mass"
_NUMBERED = re.compile(
    r"(?<=[a-z] )no\. ?(?=\d{1,2}\b(?! ?(?:mm|cm|x|by|o'clock)\b|[.,:]\d| (?:\w+ )?(?:mass|calc|asym|distor)))", re.I
)
_DOTTED = "asymm?|calc|susp|arch|dist|irreg|spic|circ|mammo|quad|indist|prob|poss|cat"
_BEGINS = "no|there|bi|birads|category|assessment|acr|impression"  # behind an abbreviation these begin a sentence
_ABBREVIATIONS = (
    (re.compile(r"\brt\b\.?", re.I), "right"),
    (re.compile(r"\blt\b\.?", re.I), "left"),
    (re.compile(r"\(R\)|(?<![\w.,/'’+-])R(?![\w./'’+]|-[A-Za-z]| ?[,&/+>=]| and L\b)"), "right"),
    (re.compile(r"\(L\)|(?<![\w.,/'’+-])L(?![\w./'’+]|-[A-Za-z]| ?[,&/+>=]| and R\b| ?\d)"), "left"),
    (re.compile(r"\bR(?=(?:CC|MLO|ML|LM|UOQ|UIQ|LOQ|LIQ)\b)"), "right "),
    (re.compile(r"\bL(?=(?:CC|MLO|ML|LM|UOQ|UIQ|LOQ|LIQ)\b)"), "left "),
    (re.compile(r"\bbilat\b\.?", re.I), "bilateral"),
    (_NUMBERED, "number "),
    (re.compile(r"(\d(?:[.,]\d{1,3})? ?(?:[mc]m)?) ?(?:-{1,2}>|=>|→|⇒) ?(?=\d)"), r"\1 ⇒ "),
    (re.compile(r"(?<=[mc]m) (?:vs\.?|versus) (?=\d)", re.I), " compared with "),
    (re.compile(rf"\b({_DOTTED})\.(?= (?!(?:{_BEGINS})\b)(?-i:[a-z\d]))", re.I), r"\1"),
    (re.compile(r"\b(skin|nipple) (or|and|nor) (?=(?:skin|nipple) (retraction)\b)", re.I), r"\1 \3 \2 "),
    (re.compile(r"\b(skin|trabecular) (or|and|nor) (?=(?:skin|trabecular) (thickening)\b)", re.I), r"\1 \3 \2 "),
    (re.compile(r"\b(bi-?rads|category|assessment|density|composition) should (?:read|be|say):? "
                r"(?=(?:[0-6][abc]?|[a-d])\b)", re.I), r"\1: "),
    (re.compile(r"\bpost\b\.?(?= (?:depth|third)\b)", re.I), "posterior"),
    (re.compile(r"\bant\b\.?(?= (?:depth|third)\b)", re.I), "anterior"),
    (re.compile(r"\b(approx|vs|ca|diam|max|dr|incl|resp)\.(?= )", re.I), r"\1"),
)  # fmt: skip
#: section -> its headings. What stands under the first three is no finding.
_SECTIONS = {
    "history": r"indications?|(?:clinical|medical|personal|family|patient|surgical)? ?history|hx|"
    r"clinical (?:information|indications?|data|details|presentation|findings?|context|notes?)|clinical|"
    r"reason for [a-z]+|symptoms?|presentation|complaints?|risk factors",
    "recommendation": r"recommendations?|plan|management(?! category)|follow[- ]?up|advice",
    "technique": r"technique|procedure|exam|examination|study|comparisons?|compared|device|age|views|"
    r"prior(?: studies| exams?)?",
    "findings": r"findings?|mammo(?:grams?)?|mammography|report|narrative|description|results?",
    "summary": r"impression|imp|conclusion|concl|summary|opinion|overall|final|diagnosis",
    "addendum": r"(?:(?:second|third|further|new|another|final) )?addend(?:um|a)|corrections?|"
    r"(?:corrected|amended|revised|supplement(?:al|ary)) report|supplement|late entry|amendment|errat(?:um|a)",
}  # fmt: skip
_CORRECTED = re.compile("correct|amend|revised|errat", re.I)
_ADDENDUM = re.compile(r"addend(?:um|a)\b", re.I)
#: lines and stars around a heading: "***ADDENDUM***", "--- Findings ---"
_ORNAMENT = re.compile(r"(?m)^ ?(?:[*=_~]+|#+(?!\d)|-{3,}) ?|(?<=[A-Za-z:]) ?(?:[*=_~#]+|-{3,}) ?$")
_ASSESSMENT = re.compile(r"(?:(?:overall|final|bi-?rads) )*assessment(?: category)? ?:", re.I)
_ASSESSED = re.compile(r"\b(?:bi-?rads|assess\w*|category)\b", re.I)
_SILENT = ("history", "recommendation", "technique")
_SECTION = re.compile("|".join(rf"(?P<{name}>{words})" for name, words in _SECTIONS.items()), re.I)
_NO_HEADING = (
    "absent|negative|none|not?|without|excluded|right|left|both|unlikely|doubtful|possible|probable|questionable|"
    "uncertain|suspected|old|prior|previous|former|past|earlier"
)
#: a heading may have two words more, but none that denies, doubts or dates what it stands above: "findings absent:"
_COLON = re.compile(rf"(?: (?!(?:{_NO_HEADING})\b)[a-z0-9]+){{0,2}} ?:| ?$", re.I)
_OF_A_BREAST = re.compile(
    r",? (?:(?:in|on|of|for) )?(?=(?:the )?(?:right|left|both|bilateral)(?: (?:breasts?|sides?))? ?:)", re.I
)
_CATEGORY = re.compile(r" ?[0-6][abc]?\b(?! ?(?:mm|cm|x|o'clock|\.\d))", re.I)
#: behind "addendum" a heading may tell a date, a time and a name
_ADDENDUM_COLON = re.compile(r"(?: \d{1,2}:\d\d|[ ,]{1,2}[^\s:,]{1,20}){0,10} ?:| ?$")
_SUMMARY = re.compile(r"(?:impression|conclusion|summary|overall|final|recommendation)\b", re.I)
#: how a sentence of findings begins that follows an indication in the same paragraph
_TELLS = re.compile(
    r"there (?:is|are) |no |(?:the |both )?breasts? |(?:acr|bi-?rads|category|density|scattered|heterogeneously)\b|"
    r"(?:(?:the|digital|screening|diagnostic|bilateral) )*mammogra|(?:in|on|within) the (?:right|left)|"
    r"the (?:right|left) |(?:an?|two|three|multiple|several) [^.]{0,150}\b(?:is|are) (?:seen|identified|noted|present)",
    re.I,
)
_TOLD = re.compile(r"mass|calc|asymm|distort|rads|category|retract|thicken|node", re.I)
_COMPLAINS = re.compile(
    r"\b(?<!to the )(?<!with the )palp|"
    r"\b(?:felt|feels|patient|reports|she|her|history|prior|previous|family|biops|surg|known|mother|sister|pain)",
    re.I,
)
NAMES_A_BREAST = "names a breast, and nothing of it"
#: a line that ends with one of these goes on in the next one
_OPEN_WORDS = (
    "a an the no not without of in at on with and or nor neither for to from by is are was were be been measuring "
    "suspicious dominant discrete definite any possible evidence x both either which that upper lower inner outer "
    "associated category rads right left approximately about"
)
_OPEN = frozenset(_OPEN_WORDS.split())
#: the next entry of a form
_ENTRY = re.compile(r"[a-z]{4,20}(?: [a-z]{3,20})? ?:", re.I)
_GOES_ON = re.compile(r"(?:or|and|nor|but|is|are|was|were|has|have|seen|identified|noted|of|mm|cm|o'clock|with)\b")


def passages_of(text: str) -> Iterator[Passage]:
    """Yield the sentences of a report. Raises ValueError for one that is longer than any."""
    text = re.sub(r"[^\S\n]+", " ", text.replace("’", "'").replace("\r", "\n"))
    text = re.sub(r"\n(?: ?\n)+", "\n\n", text)  # long gaps would be looked through again from each of their places
    if len(text) > LONGEST_REPORT:
        raise ValueError(f"This report has more than {LONGEST_REPORT:,} letters. Take it in parts.")
    text = _QUERY.sub("query ", _ORNAMENT.sub("", text))
    for pattern, word in _ABBREVIATIONS:
        text = pattern.sub(word, text)
    reader = _Headings()
    for paragraph in text.split("\n\n"):
        reader.paragraph()
        for line in _unwrapped(paragraph).split("\n"):
            reader.line()
            for sentence, sign, rest in _sentences(line):
                if (passage := reader.passage(sentence, sign, rest)) is not None:
                    yield from for_each_breast(passage)


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
    if _ENTRY.match(following):
        return False
    last = words[-1].lower()
    if last in ("no", "not") and words[-2:-1] and words[-2][-1] in ":-–=":
        return False  # the answer of a form: "calcifications: no"
    if last == "a" and words[-2:-1] and words[-2].lower() in ("density", "composition", "category", "acr"):
        return False
    if last in "-–—" and items_of(tokens_of(following[:80]))[0].describes:
        return True
    if last in _OPEN or line[-1] in ",/" or _GOES_ON.match(following):
        return True
    if last[-1].isdecimal() and following[:2] in ("mm", "cm", "x "):
        return True
    items = items_of(tokens_of(line[-200:]))
    opened = max((i for i, item in enumerate(items) if item.is_a("deny before", "doubt before")), default=-1)
    return opened >= 0 and not any(item.is_a("noun", "feature", "birads") for item in items)


def _sentences(text: str) -> Iterator[tuple[str, str, str]]:
    """Each sentence without its stop, the stop, and how the next one begins."""
    start = 0
    for end in _END.finditer(text):
        yield text[start : end.start()], end[1] or "", text[end.end() : end.end() + 80]
        start = end.end()
    yield text[start:], "", ""


def _is_list_number(sentence: str, sign: str) -> bool:
    """Whether a sentence is the number of an entry: "1." of "1. Mass"."""
    return bool(_NUMBER.fullmatch(sentence) and sign and sentence != "0")


def _tells_findings(sentence: str) -> bool:
    """Whether a sentence behind "Indication: lump." tells what the mammogram shows."""
    if not _TELLS.match(sentence) or _COMPLAINS.search(sentence):
        return False
    items = items_of(tokens_of(sentence[:LONGEST_OF_BOTH]))
    return any(item.is_a("noun", "feature", "code", "density") for item in items)


class _Headings:
    """The headings above the sentence that is read."""

    def __init__(self) -> None:
        self.under: frozenset[Laterality] = frozenset()
        self.section, self.addendum, self.corrects, self.bare = "", False, False, False
        self.above, self.assessed = (
            frozenset[Laterality](),
            False,
        )  # the breasts of all headings; whether one has a category
        self.begins = True  # whether the sentence begins a line
        self.inline = False  # whether something stands behind the heading, in its own line
        self.told = False  # whether findings stand above an addendum

    def paragraph(self) -> None:
        """Begin a paragraph: a heading reaches into it only where nothing stood under it."""
        if not self.bare:
            self.under, self.section = frozenset(), ""
            self._end_first_addendum()

    def _end_first_addendum(self) -> None:
        """End an addendum that stands above the report: with a paragraph, or with a heading of the report."""
        if not self.told:
            self.addendum = self.corrects = False

    def line(self) -> None:
        """Begin a line."""
        self.begins = True

    def passage(self, sentence: str, sign: str, rest: str) -> Passage | None:
        """Return a sentence with what stands above it, None for one that is a heading or a list's mark only.

        sign: the stop behind it. rest: how the next sentence begins.
        """
        sentence = sentence.strip()
        mark = _LIST_MARK.match(sentence)
        sentence = sentence[mark.end() :] if mark else sentence
        if not sentence or _is_list_number(sentence, sign) or not sentence.strip(" -.:,*=_"):
            return None
        once, whole = "", sentence
        if self.inline and self.section == "history" and _tells_findings(sentence):
            self.section = ""
        name, of_a_side = "", False
        for _ in range(3):
            cut, name = self._heading(sentence, name)
            if not cut:
                break
            self.inline, self.begins, of_a_side = True, False, name == "side"
            once = name if name == "technique" else ""
            if name != "side" or self.section != "summary":  # "impression: right breast: mass" sums up, too
                self.section = "" if name in ("technique", "findings", "addendum", "side") else name or ""
            sentence = sentence[cut:].strip()
        self.addendum |= bool(_ADDENDUM.match(sentence))
        if _NUMBER.fullmatch(sentence):
            ends = not rest or of_a_side and _HEADING.match(rest)  # "Right: 0. Left: 1."
            sentence = whole if ends or not _is_list_number(sentence, sign) else ""
        elif _NEGATIVE.fullmatch(sentence):
            sentence += "ative"
        self.bare = not sentence
        if _SUMMARY.match(sentence) or self._ends_the_exam(sentence):
            self.under = frozenset()
        if not sentence:
            self.section = once or self.section
            self.inline = False
            bare = self.addendum and self.under and not whole.endswith((":", "-", "–", "—"))
            return Passage(whole, self.under, "", True, NAMES_A_BREAST) if bare else None
        passage = with_sides(sentence, self.under)
        if self.under and names_another(passage, self.under):
            self.under = frozenset()
        self.told |= not self.addendum and self.section not in _SILENT and bool(_TOLD.search(sentence))
        why = "is a question" if "?" in sign else passage.why
        return passage._replace(section=once or self.section, addendum=self.addendum, why=why, corrects=self.corrects)

    def _ends_the_exam(self, sentence: str) -> bool:
        """Whether "assessment: 4B" stands behind both breasts, of which none was assessed: it is the exam's."""
        ends = self.begins and self.above == BOTH and not self.assessed and bool(_ASSESSMENT.match(sentence))
        self.assessed |= bool(_ASSESSED.search(sentence))
        self.begins = False
        return ends

    def _heading(self, sentence: str, behind: str) -> tuple[int, str]:
        """The length of the heading that a sentence begins with, and the section that it names; (0, "") without one.

        behind: the section of the heading in front of it in the same sentence.
        """
        if side := _HEADING.match(sentence):
            if behind in _SILENT or self.section in _SILENT and self._tells_no_finding(side, sentence[side.end() :]):
                return 0, ""  # "indication: left breast: pain"
            self.under = sides_of(side[1])
            self.above |= self.under
            return side.end(), "side"
        section = _SECTION.match(sentence)
        if (
            section
            and section.lastgroup in ("findings", "summary")
            and (of := _OF_A_BREAST.match(sentence, section.end()))
        ):
            self.under = frozenset()
            return of.end(), section.lastgroup  # "findings, right breast:"
        colon = section and _colon_of(section).match(sentence, section.end())
        if not section or not colon or (not colon[0].strip() and section.lastgroup not in ("findings", "addendum")):
            return 0, ""
        if _CATEGORY.match(sentence, colon.end()):
            return 0, ""  # "final assessment category: 4C"
        name = section.lastgroup or ""
        if self.begins and not self.bare and name != "addendum":
            self._end_first_addendum()
        self.addendum |= name == "addendum"
        self.corrects |= name == "addendum" and bool(_CORRECTED.match(sentence))
        self.under = frozenset()
        return colon.end(), name

    def _tells_no_finding(self, side: re.Match[str], rest: str) -> bool:
        """Whether a breast under a history, a plan or a technique is part of it, and no heading that ends it."""
        if not rest.strip():
            return self.bare and not side[0].rstrip().endswith((":", "-", "–", "—"))
        items = items_of(tokens_of(rest[:LONGEST_OF_BOTH])) if self.bare else []
        told = any(item.is_a("noun", "feature", "code", "density") for item in items)
        return bool(COMPLAINT.search(rest)) or self.bare and not told


def _colon_of(section: re.Match[str]) -> re.Pattern[str]:
    return _ADDENDUM_COLON if section.lastgroup == "addendum" else _COLON
