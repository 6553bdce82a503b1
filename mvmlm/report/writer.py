"""Write report text from findings, in many wordings.

The lexicon gives each value of each field its phrases; the writer chooses among them, and the parser looks them up. A
report therefore states what the fields hold and nothing else: `parse_report(write_report(findings, rng)) == findings`
for every rng. Outcomes (biopsy, cancer) are no field, so no report can mention them. The terms are those of the BI-RADS
lexicon; the sentences are ours.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import partial

from ..exam import Laterality
from . import prose, telegraphic
from .findings import SUSPICIOUS_NODE, ExamFindings, Finding, Findings, soften_denials
from .grammar import capitalised
from .lexicon import KINDS
from .noun_phrases import Mention

#: named last in a list of denials, so that its "suspicious" covers nothing else
_LAST = SUSPICIOUS_NODE
NAME_SIDE, NAME_SIDE_OF_SHORT = 0.5, 0.8  # of the reports of a breast whose side is known; of those of two statements
OPENINGS_TRIED = 50  # every sentence has openings enough that a few draws find another one
#: writes one wording of a sentence
Sentence = partial[str]


def write_report(findings: Findings, rng: random.Random, laterality: Laterality | None = None) -> str:
    """Return one wording of a breast's report, in full sentences or telegraphic style, with every field that is known.

    laterality: where it is given, some wordings name it; the parser ignores it.
    """
    if findings.absent >= set(KINDS):
        findings = soften_denials(findings)
    return rng.choice((in_prose, in_prose, in_key_words))(findings, rng, laterality)


def in_prose(findings: Findings, rng: random.Random, laterality: Laterality | None = None) -> str:
    """Return a report in full sentences."""
    named = laterality is not None and rng.random() < NAME_SIDE
    breast = f"the {laterality.word} breast" if laterality and named else prose.ANY_BREAST
    blocks = [[partial(prose.finding_sentence, m, breast) for m in kind] for kind in mentions(findings)]
    blocks += [[partial(prose.feature_sentence, feature)] for feature in findings.features]
    blocks += [[partial(prose.denial_sentence, names, suspicious)] for names, suspicious in _denials(findings, rng)]
    density = partial(prose.density_sentence, findings.density, breast) if findings.density else None
    assessment = partial(prose.assessment_sentence, findings.birads, breast) if findings.birads else None
    sentences: list[str] = []
    for sentence in _arranged(blocks, density, assessment, rng):
        sentences.append(_with_another_opening(sentences[-1] if sentences else "", sentence, rng))
    heading = _heading(findings, laterality, (":\n", ": "), rng)
    return heading + rng.choice((" ", " ", "\n")).join(f"{capitalised(sentence)}." for sentence in sentences)


def in_key_words(findings: Findings, rng: random.Random, laterality: Laterality | None = None) -> str:
    """Return a report in telegraphic style."""
    end = rng.choice((". ", ". ", "; ", "\n"))
    heading = _heading(findings, laterality, (": ", ":\n", "\n" if end == "\n" else ". "), rng)
    named = laterality is not None and not heading and rng.random() < NAME_SIDE
    breast = f"{laterality.word} breast" if laterality and named else telegraphic.ANY_BREAST
    blocks = [[partial(telegraphic.finding_words, m, breast) for m in kind] for kind in mentions(findings)]
    blocks += [[partial(telegraphic.feature_words, feature)] for feature in findings.features]
    blocks += [[partial(telegraphic.denial_words, names, denied)] for names, denied in _denials(findings, rng)]
    density = partial(telegraphic.density_words, findings.density, breast) if findings.density else None
    told = bool(findings.present or findings.possible or findings.features)
    words = partial(telegraphic.assessment_words, beside_a_finding=told)
    assessment = partial(words, findings.birads) if findings.birads else None
    sentences = [sentence(rng) for sentence in _arranged(blocks, density, assessment, rng)]
    if end == "; " and sentences:
        return heading + capitalised("; ".join(sentences)) + rng.choice(("", "."))
    return heading + end.join(map(capitalised, sentences)) + ("." if sentences and end == ". " else "")


def _heading(findings: Findings, laterality: Laterality | None, joints: Sequence[str], rng: random.Random) -> str:
    """A heading that names the side, with what joins it to the text, or ""; a short report has it more often."""
    told = (*findings.present, *findings.possible, *findings.features, findings.density, findings.birads)
    statements = len([fact for fact in told if fact]) + bool(findings.absent) + bool(findings.not_suspicious)
    named = NAME_SIDE_OF_SHORT if statements <= 2 else NAME_SIDE
    if laterality is None or not statements or rng.random() > named:
        return ""
    side = laterality.word
    plain = [f"{side}{noun}" for noun in (" breast", " mammogram", " side")]
    return rng.choice((*map(capitalised, plain), *map(str.upper, plain))) + rng.choice(joints)


def _with_another_opening(before: str, sentence: Sentence, rng: random.Random) -> str:
    """A wording of the sentence that does not begin with the two words of the one before, as far as it has one."""
    opening = before.split()[:2]
    for _ in range(OPENINGS_TRIED):
        text = sentence(rng)
        if text.split()[:2] != opening:
            break
    return text


def _arranged(
    blocks: list[list[Sentence]], density: Sentence | None, assessment: Sentence | None, rng: random.Random
) -> list[Sentence]:
    """The sentences in one order: density mostly first, assessment last, the findings of one kind together."""
    rng.shuffle(blocks)
    sentences = [sentence for block in blocks for sentence in block]
    if density:
        sentences.insert(rng.choice((0, 0, 0, len(sentences))), density)
    return sentences + ([assessment] if assessment else [])


def mentions(findings: Findings) -> Iterator[list[Mention]]:
    """Yield the mentions of each kind of finding: equal ones together, others as "a second", possible ones last."""
    nouns = dict.fromkeys((finding.kind, finding.described("asymmetry")) for finding in findings.present)
    for noun in nouns:
        of_noun = [finding for finding in findings.present if (finding.kind, finding.described("asymmetry")) == noun]
        yield list(_counted(of_noun, certain=True))
    for mention in _counted(findings.possible, certain=False):
        yield [mention]


def _counted(found: Sequence[Finding], certain: bool) -> Iterator[Mention]:
    """Mentions of findings of one noun; those with features of their own are not told as a number."""
    before = 0
    for finding, number in Counter(found).items():
        for several in [1] * number if finding.features else [number]:
            yield Mention(finding, several, before + 1 if certain else 1, certain)
            before += several


def _denials(findings: Findings, rng: random.Random) -> Iterator[tuple[list[str], bool]]:
    """Yield lists of what is denied, and whether only as something suspicious; each name in one of them."""
    for names, suspicious in ((findings.absent, False), (findings.not_suspicious, True)):
        rest = rng.sample(sorted(names), len(names))
        while rest:
            denied, rest = _split(rest, rng.choice((1, 2, 3, len(rest), len(rest))))
            yield sorted(denied, key=_LAST.__eq__), suspicious


def _split(names: list[str], at: int) -> tuple[list[str], list[str]]:
    return names[:at], names[at:]


def write_exam_report(exam: ExamFindings, rng: random.Random) -> str:
    """Return one wording of an exam's report: indication and comparison, each breast, recommendation."""
    lines = []
    for name in ("indication", "comparison"):
        if value := getattr(exam, name):
            lines.append(f"{name.capitalize()}: {value}")
    sides = [(side, getattr(exam, side.word)) for side in Laterality]
    rng.shuffle(sides)
    for side, findings in sides:
        if findings is not None:
            heading = rng.choice(
                [f"{side.word} breast".capitalize(), side.word.capitalize(), f"{side.word.upper()} BREAST"]
            )
            lines.append(f"{heading}: {write_report(findings, rng)}".rstrip(". "))
    if exam.recommendation:
        lines.append(f"Recommendation: {exam.recommendation}")
    return "".join(f"{line}.\n" for line in lines).rstrip("\n")


def drop_random_fields(findings: Findings, rng: random.Random, keep: float = 0.8) -> Findings:
    """Return the findings without some of their fields, so that reports of many lengths can be written from them.

    keep: the probability that a field stays, 0..1. Every finding and feature stays; what is denied may be dropped.
    """
    present, possible = (
        tuple(_with_dropped_fields(finding, rng, keep) for finding in found)
        for found in (findings.present, findings.possible)
    )
    absent, not_suspicious = (
        frozenset(name for name in sorted(names) if rng.random() < keep)
        for names in (findings.absent, findings.not_suspicious)
    )
    density, birads = (value if rng.random() < keep else None for value in (findings.density, findings.birads))
    return Findings(density, present, absent, birads, possible, not_suspicious, findings.features)


def _with_dropped_fields(finding: Finding, rng: random.Random, keep: float) -> Finding:
    stay = ("kind", "asymmetry", "also", "either")
    return finding.without(*(f.name for f in fields(finding) if f.name not in stay and rng.random() > keep))


def diversity(texts: Sequence[str], n: int = 2) -> dict[str, float]:
    """Return the share of distinct wordings among `texts`, and distinct-n.

    distinct-n: distinct n-grams of words over all n-grams (Li et al., "A Diversity-Promoting Objective Function for
    Neural Conversation Models", 2016).
    """
    grams = [tuple(words[i : i + n]) for words in (t.lower().split() for t in texts) for i in range(len(words) - n + 1)]
    return {"distinct wordings": len(set(texts)) / len(texts), f"distinct-{n}": len(set(grams)) / max(len(grams), 1)}
