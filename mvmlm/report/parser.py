"""Read findings from report text: every wording of `writer`, and free text as radiologists write it.

Each sentence is read alone (`sentence`), after the headings above it (`sections`); what is not understood is said, and
never guessed. A later sentence about "the mass" adds to it, and an addendum replaces what it corrects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from ..exam import Laterality
from .breasts import BOTH, MAY_BE_A_LETTER, OF_NO_NAME, Passage
from .findings import Finding, Findings
from .gathering import Gathered, Told, gather, higher
from .lexicon import KIND_FIELDS, NOUNS
from .sections import NAMES_A_BREAST, passages_of
from .sentence import NOT_UNDERSTOOD, REASONS, SentenceReading, read_sentence
from .status import Status
from .trigger_words import TRIGGERS

#: sections that hold no findings -> why
_NO_FINDINGS = {
    "history": "stands under the history or the indication",
    "recommendation": "stands under the recommendation",
    "technique": "stands under the technique or the comparison",
}

_NONE = Findings()


class ReadSentence(NamedTuple):
    """A sentence of a report and what is understood of it.

    sides: the breasts that it is about, none where it names none. section: of `sections`, "" without a heading.
    addendum: whether it stands in one. reading: its findings, what it says of them, and the words that are not
    understood. why: why nothing of it is taken, "" where something is. corrects: whether it stands under "Correction".
    """

    text: str
    sides: frozenset[Laterality]
    section: str
    addendum: bool
    reading: SentenceReading
    why: str
    corrects: bool = False

    @property
    def findings(self) -> Findings:
        """What is taken of it."""
        return _NONE if self.why else self.reading.findings

    @property
    def not_understood(self) -> str:
        """The words that are not understood; the whole sentence where nothing of it is taken."""
        return self.text if self.why else self.reading.not_understood

    @property
    def past(self) -> bool:
        """Whether it speaks of the past or of a plan only, or stands in such a section."""
        return self.why in (REASONS[Status.PAST], REASONS[Status.PLANNED], *_NO_FINDINGS.values())


class ReadReport(NamedTuple):
    """What a report states.

    breasts: the findings of each breast that it names. unsided: of sentences that name none. contradictions: (what, how
    the report contradicts itself); nothing of it is in the findings. problem: why nothing of the report may be taken,
    "" where it may. findings: everything together, for the report of a single breast.
    """

    sentences: tuple[ReadSentence, ...]
    breasts: Mapping[Laterality, Findings]
    unsided: Findings
    findings: Findings
    contradictions: tuple[tuple[str, str], ...] = ()
    problem: str = ""

    @property
    def sides(self) -> frozenset[Laterality]:
        """The breasts that the report names."""
        return frozenset(side for sentence in self.sentences for side in sentence.sides)


class _OfBoth:
    """Whether all findings so far are told of both breasts at once: a denial or an assessment behind them is, too."""

    def __init__(self) -> None:
        self.told, self.all_of_both = False, True

    def sides(self, sentence: ReadSentence) -> frozenset[Laterality]:
        """Return both breasts for a sentence that speaks of both though it names none."""
        found = sentence.findings
        if sentence.sides:
            tells = found != _NONE and replace(found, density=None) != _NONE
            self.told |= tells
            self.all_of_both &= sentence.sides == BOTH or not tells
        if found.present or found.possible or found.features or found.density or not (self.told and self.all_of_both):
            return frozenset()
        return BOTH


def parse_report(text: str) -> Findings:
    """Return the findings of a breast's report; sides are ignored, and what is not understood is left out.

    Raises ValueError for a report that contradicts itself, that an addendum moves to the other breast, or that is
    longer than `sections.LONGEST_REPORT`.
    """
    sentences = _withdrawn(_read(passages_of(text)))
    if problem := _moved(sentences):
        raise ValueError(problem)
    sentences = _without_words_beside_findings([sentence._replace(sides=frozenset()) for sentence in sentences])
    together = _gathered(sentence for sentence in sentences if not sentence.why)
    if together.contradictions:
        raise ValueError("; ".join(f"{what}: {how}" for what, how in together.contradictions))
    return together.findings


def read_report(text: str) -> ReadReport:
    """Return what a report states, sentence by sentence and for each breast.

    A sentence that names no breast is about the one that the report's findings name, if it names one only; a side in a
    history, an indication, a comparison or a plan is none of them. Raises ValueError for a report longer than
    `sections.LONGEST_REPORT`.
    """
    sentences = _withdrawn(_read(passages_of(text)))
    if not sentences and text.strip():
        sentences = [ReadSentence(text.strip(), frozenset(), "", False, SentenceReading(), NOT_UNDERSTOOD)]
    named = frozenset(side for sentence in sentences if not _is_gone(sentence) for side in sentence.sides)
    another = any(sentence.why in (OF_NO_NAME, MAY_BE_A_LETTER) for sentence in sentences)
    only = named if len(named) == 1 and not another and any(map(_tells_the_breast, sentences)) else frozenset()
    parts: dict[Laterality | None, list[ReadSentence]] = {None: []}
    of_both = _OfBoth()
    for i, sentence in enumerate(sentences):
        if not sentence.why:
            both = of_both.sides(sentence)
            sentences[i] = sentence._replace(sides=sentence.sides or only or both)
    sentences = _without_words_beside_findings(sentences)
    for sentence in sentences:
        for side in (sentence.sides or (None,)) if not sentence.why or sentence.why == BESIDE_A_FINDING else ():
            parts.setdefault(side, []).append(sentence)
    breasts: dict[Laterality, Findings] = {}
    contradictions = []
    for side in (*Laterality, None):
        gathered = _gathered(parts.get(side, ()))
        contradictions += [(f"{side.word} {what}" if side else what, how) for what, how in gathered.contradictions]
        if side is None:
            unsided = gathered.findings
        elif side in parts:
            breasts[side] = gathered.findings
    if unsided.birads:
        category = _of_the_exam(unsided.birads, sentences, breasts)
        if category is None:
            contradictions.append(("BI-RADS", f"the report says {unsided.birads}, and its addendum a lower one"))
        unsided = replace(unsided, birads=category)
    if len(named) < 2:
        together = breasts.get(next(iter(named), Laterality.LEFT), unsided)
    else:
        together = _gathered(sentence for sentence in sentences if not sentence.why).findings
    return ReadReport(
        tuple(sentences), breasts, unsided, together, tuple(contradictions), _moved(sentences)
    )  # fmt: skip


BESIDE_A_FINDING = "says that there is no sign of cancer beside a finding, which gives no category"


def _without_words_beside_findings(sentences: list[ReadSentence]) -> list[ReadSentence]:
    """ "No evidence of malignancy" without a figure is category 1 only where the same breasts have no finding."""
    taken = [sentence for sentence in sentences if not sentence.why]
    found = {
        side
        for sentence in taken
        if sentence.findings.present or sentence.findings.possible or sentence.findings.features
        for side in sentence.sides or (None,)
    }
    coded = {
        side
        for sentence in taken
        if sentence.findings.birads and not _is_category_1_in_words(sentence)
        for side in sentence.sides or (None,)
    }
    told = []
    for sentence in sentences:
        own: set[Laterality | None] = set(sentence.sides or (None,))
        beside = found and (None in own | found or own & found)
        if not sentence.why and _is_category_1_in_words(sentence) and beside and not own & coded:
            findings = replace(sentence.findings, birads=None)
            reading = sentence.reading._replace(findings=findings, not_understood=sentence.text)
            sentence = sentence._replace(reading=reading, why=BESIDE_A_FINDING if findings == _NONE else "")
        told.append(sentence)
    return told


def _is_category_1_in_words(sentence: ReadSentence) -> bool:
    return sentence.findings.birads == "1" and not sentence.reading.by_figure


def _of_the_exam(
    category: str, sentences: Iterable[ReadSentence], breasts: Mapping[Laterality, Findings]
) -> str | None:
    """The exam's category behind the addenda that give one breast's.

    A higher one is the exam's, too. A lower one of the only breast with a finding leaves none.
    """
    told = [side for side, findings in breasts.items() if findings.present or findings.possible or findings.features]
    for sentence in sentences:
        found = sentence.findings
        given = [found.birads, *(finding.birads for finding in (*found.present, *found.possible))]
        for code in filter(None, given if sentence.addendum and sentence.sides else ()):
            if higher(code, category):
                category = code
            elif code != category and sentence.sides == frozenset(told):
                return None
    return category


def _is_gone(sentence: ReadSentence) -> bool:
    """Whether a sentence tells what a breast had once: it does not say which breast the others are about."""
    gone = sentence.why == REASONS[Status.PAST] and Status.PAST not in sentence.reading.statuses
    return gone or "mastectomy" in sentence.text.lower()


#: pictures of one breast alone: what they show does not say which breast the mammogram's findings are in
_OTHER_EXAM = re.compile(r"\b(?:ultraso\w+|sonogra\w+|mri|magnetic|biops\w+|aspiration)\b", re.I)


def _tells_the_breast(sentence: ReadSentence) -> bool:
    """Whether sentences that name no breast are about the one that this sentence names: it tells what is seen there."""
    taken = bool(sentence.sides) and not sentence.why and not _is_gone(sentence)
    return taken and not _OTHER_EXAM.search(sentence.text)


def _gathered(sentences: Iterable[ReadSentence]) -> Gathered:
    ordered = _addenda_last(sentences)
    return gather(Told(s.reading, s.section, s.addendum, s.addendum and _adds(s)) for s in ordered)


def _addenda_last(sentences: Iterable[ReadSentence]) -> list[ReadSentence]:
    """The sentences with those of an addendum, which may stand above the report, behind the others."""
    return sorted(sentences, key=lambda sentence: sentence.addendum)


def _adds(sentence: ReadSentence) -> bool:
    """Whether an addendum tells a further finding: "there is also a mass"; "a mass" is one that is not told yet."""
    words = sentence.text.lower().split()
    if sentence.corrects or any(word.startswith(_CORRECTS) for word in words):
        return False
    return not {*_ADDS, "new"}.isdisjoint(words) or not sentence.reading.refers and not {"a", "an"}.isdisjoint(words)


def _read(passages: Iterable[Passage]) -> list[ReadSentence]:
    sentences: list[ReadSentence] = []
    kind: str | None = None
    named: str | None = None  # the kind that "none on the right" denies
    for passage in passages:
        reading = read_sentence(passage.text, kind, named)
        why = passage.why or _NO_FINDINGS.get(passage.section, "") or reading.why
        sentence = ReadSentence(
            passage.text, passage.sides, passage.section, passage.addendum, reading, why, passage.corrects
        )
        above = sentences[-1] if sentences else None
        if above and not (passage.sides or why or above.why):
            behind = bool(above.findings.present and _ASSOCIATED.search(passage.text))
            of = _breast_of(reading, sentences) if reading.refers else above.sides if behind else frozenset()
            sentence = sentence._replace(sides=of)
        sentences.append(sentence)
        seen = sentence.findings.present
        if seen or not reading.refers:
            kind = seen[0].kind if len({finding.kind for finding in seen}) == 1 else None
            named = _bare_kind(sentence.findings)
    return sentences


#: a finding with one of these is in the breast of the one before it
_ASSOCIATED = re.compile(r"\b(?:associated|accompanying)\b(?! with)", re.I)


def _breast_of(reading: SentenceReading, told: Sequence[ReadSentence]) -> frozenset[Laterality]:
    """The breasts of the nearest sentence with a finding of the kind to which "the mass" refers."""
    kinds = {finding.kind for finding in reading.findings.present}
    for sentence in reversed(told):
        found = (*sentence.findings.present, *sentence.findings.possible)
        if not kinds.isdisjoint(finding.kind for finding in found):
            return sentence.sides
    return frozenset()


_TAKES_BACK = ("scratch that", "strike that", "delete that", "cancel that", "retract that", "disregard that")


def _withdrawn(sentences: list[ReadSentence]) -> list[ReadSentence]:
    """ "It has resolved" takes back what the sentence before said."""
    for i in range(1, len(sentences)):
        words = sentences[i].text.lower().split()
        gone = sentences[i].why and words[0] in ("it", "this", "they", "these") and _says_gone(sentences[i].text)
        gone = gone or " ".join(words[:2]) in _TAKES_BACK
        if gone and sentences[i - 1].findings.present:
            sentences[i - 1] = sentences[i - 1]._replace(why="the sentence behind it takes it back")
    return sentences


def _bare_kind(findings: Findings) -> str | None:
    """The only kind that a sentence names or denies, None where it describes it."""
    bare = {f.kind for f in findings.present if not any(map(f.words, KIND_FIELDS[f.kind])) or f == Finding(f.kind)}
    kinds = {finding.kind for finding in findings.present} | findings.absent
    return next(iter(kinds)) if len(kinds) == 1 and kinds == bare | findings.absent else None


_PAST = ("past before", "past after", "past around", "earlier")
_PAST_WORDS = {word for family in _PAST for template in TRIGGERS[family] for word in re.findall("[a-z]+", template)}


def _says_gone(text: str) -> bool:
    words = re.findall("[a-z]+", text.lower())
    return not _PAST_WORDS.isdisjoint(words) and Status.PAST in read_sentence(f"a mass, {text}").statuses


_CORRECTS = (
    "should", "correct", "instead", "error", "erroneous", "not the", "mislabel", "laterality", "wrong", "disregard",
    "retract", "inadvertent", "void", "revis", "amend", "reversed", "swapped", "mistake", "typographical",
)  # fmt: skip
#: an addendum with one of these says that a side above it is wrong, though it may name none
_SIDE_IS_WRONG = ("laterality", "wrong side", "wrong breast", "reversed", "swapped", "other side", "opposite side")
#: an addendum with one of these adds a finding to those above it
_ADDS = ("also", "additional", "another", "second", "further")


def _moved(sentences: list[ReadSentence]) -> str:
    """Why an addendum blocks the report: it names another breast, or corrects it in words that are not understood."""
    told: dict[str, set[Laterality]] = {}
    denied: set[str] = set()
    anew = "Write the report anew with {}; nothing of it is taken."
    for sentence in _addenda_last(sentences):
        kinds = {finding.kind for finding in sentence.findings.present}
        if not sentence.addendum:
            for kind in kinds:
                told.setdefault(kind, set()).update(sentence.sides)
            denied |= sentence.findings.absent
        elif _names_another_breast(sentence, told, kinds):
            what = anew.format("the breast that is meant")
            return f"The addendum (“{sentence.text}”) names another breast than the report above it. {what}"
        elif sentence.why and (_may_correct(sentence, told) or _may_find(sentence, denied)):
            what = anew.format("what is meant")
            return f"The addendum (“{sentence.text}”) may correct the report above it, and is not understood. {what}"
    return ""


def _names_another_breast(sentence: ReadSentence, told: Mapping[str, set[Laterality]], kinds: Iterable[str]) -> bool:
    words, sides = sentence.text.lower(), sentence.sides
    above = frozenset[Laterality]().union(*told.values())
    corrects = any(word in words for word in _CORRECTS)
    if corrects and (len(sides) == 2 or (above and sides - above)):
        return True
    if told and any(word in words for word in _SIDE_IS_WRONG):
        return True
    if above and sentence.why == NAMES_A_BREAST:
        return bool(sides - above)
    elsewhere = any(told.get(kind) and sides and not sides <= told[kind] for kind in kinds)
    return elsewhere and (sentence.reading.refers or "above" in words or not any(word in words for word in _ADDS))


def _may_find(sentence: ReadSentence, denied: Iterable[str]) -> bool:
    """Whether a sentence that is not understood may tell of a finding that is denied above it."""
    words = sentence.text.lower()
    return not _DENIES.search(words) and any(noun in words for kind in denied for noun in NOUNS.get(kind, (kind,)))


_DENIES = re.compile(r"\b(?:no|not|without|none|absent|negative|benign)\b")


def _may_correct(sentence: ReadSentence, told: Mapping[str, set[Laterality]]) -> bool:
    """Whether a sentence that is not understood may take back what is told above it."""
    words = sentence.text.lower()
    named = any(noun in words for kind in told for noun in (*NOUNS[kind], "finding", "lesion"))
    corrects = any(word in words for word in _CORRECTS if word != "should")
    changed = "should" in words and any(word in words for word in ("should read", "should say", "rads", "size"))
    return named or corrects or changed
