"""Write report text from findings, in many wordings.

The lexicon gives each value of each field its phrases; the writer chooses among them, and the parser looks them up. A
report therefore states what the fields hold and nothing else: `parse_report(write_report(findings, rng)) == findings`
for every rng. Outcomes (biopsy, cancer) are no field, so no report can mention them. The terms are those of the BI-RADS
lexicon; the sentences are ours.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from ..exam import Laterality, Projection
from .findings import ExamFindings, Finding, Findings
from .lexicon import LEXICON, NOUNS, QUADRANTS


@dataclass(frozen=True)
class Background:
    """Facts by which an image could be matched with its report without reading the image.

    Each is left out of 80 % of the reports. age: years.
    """

    age: int | None = None
    history: str | None = None
    device: str | None = None


KEEP_BACKGROUND = 0.2


def write_report(findings: Findings, rng: random.Random, laterality: Laterality | None = None) -> str:
    """Return one wording of a breast's report, in full sentences or telegraphic style, with every field that is known.

    laterality: where it is given, some wordings name it; the parser ignores it.
    """
    sentences = [_finding(finding, rng) for finding in findings.present] + _negations(findings.absent, rng)
    rng.shuffle(sentences)
    if findings.density:
        density = _density(findings.density, rng)
        sentences.insert(rng.choice([0, 0, len(sentences)]), density)
    if findings.birads:
        sentences.append(_assessment(findings.birads, rng))
    if laterality and rng.random() < 0.3:
        sentences.insert(0, rng.choice([f"{laterality.word} breast", f"{laterality.word} mammogram"]))
    end = rng.choice([". ", ". ", "; ", "\n"])
    if rng.random() < 0.5 or not sentences:
        return end.join(sentences)
    return ". ".join(sentence[:1].upper() + sentence[1:] for sentence in sentences) + "."


def write_exam_report(exam: ExamFindings, rng: random.Random, background: Background = Background()) -> str:
    """Return one wording of an exam's report: background (mostly left out), indication, each breast, recommendation."""
    sentences = []
    if background.age is not None and rng.random() < KEEP_BACKGROUND:
        sentences.append(rng.choice([f"{background.age}-year-old woman", f"age {background.age}"]))
    if background.history and rng.random() < KEEP_BACKGROUND:
        sentences.append(f"history: {background.history}")
    if background.device and rng.random() < KEEP_BACKGROUND:
        sentences.append(f"device: {background.device}")
    for name in ("indication", "comparison"):
        if value := getattr(exam, name):
            sentences.append(f"{name}: {value}")
    sides = [(side, getattr(exam, side.word)) for side in Laterality]
    rng.shuffle(sides)
    for side, findings in sides:
        if findings is not None:
            heading = rng.choice([f"{side.word} breast:", f"{side.word}:".capitalize(), f"{side.word.upper()} BREAST:"])
            sentences.append(f"{heading} {write_report(findings, rng)}".rstrip(". "))
    if exam.recommendation:
        sentences.append(f"recommendation: {exam.recommendation}")
    return ".\n".join(sentences)


def for_view(findings: Findings, projection: Projection) -> Findings:
    """Return the findings as one view can show them.

    A CC view separates outer from inner, an MLO view upper from lower; neither gives a clock position.
    """
    axis = {Projection.CC: 1, Projection.MLO: 0}[projection]
    visible = []
    for finding in findings.present:
        place = finding.place.split()[axis] if finding.place in QUADRANTS else finding.place
        if place in (("upper", "lower") if axis else ("outer", "inner")):
            place = None
        visible.append(replace(finding, place=place, clock=None))
    return replace(findings, present=tuple(visible))


def drop_random_fields(findings: Findings, rng: random.Random, keep: float = 0.8) -> Findings:
    """Return the findings without some of their fields, so that reports of many lengths can be written from them.

    keep: the probability that a field stays, 0..1. Every present finding stays; a denied kind may be dropped.
    """
    present = tuple(_with_dropped_fields(finding, rng, keep) for finding in findings.present)
    absent = frozenset(kind for kind in sorted(findings.absent) if rng.random() < keep)
    density, birads = (value if rng.random() < keep else None for value in (findings.density, findings.birads))
    return Findings(density, present, absent, birads)


def _with_dropped_fields(finding: Finding, rng: random.Random, keep: float) -> Finding:
    stay = ("kind", "asymmetry", "also", "either")
    return finding.without(*(f.name for f in fields(finding) if f.name not in stay and rng.random() > keep))


def _phrase(field: str, value: str, rng: random.Random) -> str:
    return rng.choice(LEXICON[field][value])


def _finding(finding: Finding, rng: random.Random) -> str:
    before: list[str] = []
    after: list[str] = []
    if finding.size_mm is not None:
        (before if rng.random() < 0.5 else after).append(f"{finding.size_mm:g} mm")
    for name in ("mass_density", "shape", "distribution", "morphology"):
        if (value := getattr(finding, name)) is not None:
            before.append(_phrase(name, value, rng))
    if finding.margin is not None:
        word = _phrase("margin", finding.margin, rng)
        if rng.random() < 0.5:
            before.append(word)
        else:
            after.append(rng.choice([f"with {word} margins", f"with {word} margin", f"{word} margins"]))
    rng.shuffle(before)
    noun = finding.asymmetry or rng.choice(NOUNS[finding.kind])
    where = []
    if finding.place is not None:
        where.append(_phrase("place", finding.place, rng))
    if finding.clock is not None:
        where.append(rng.choice([f"at {finding.clock} o'clock", f"at the {finding.clock} o'clock position"]))
    if finding.depth is not None:
        where.append(_phrase("depth", finding.depth, rng))
    rng.shuffle(where)
    tail = after + where
    if finding.features:
        tail.append(rng.choice(["with ", "with associated "]) + " and ".join(finding.features))
    if finding.birads is not None:
        tail.append(f"(BI-RADS {finding.birads})")
    if rng.random() < 0.3:  # telegraphic
        return ", ".join([noun, *before, *tail])
    phrase = " ".join([*before, noun])
    plural = noun.endswith("s") and finding.kind == "calcification"
    article = "" if plural or finding.kind == "distortion" else ("an " if phrase[0] in "aeio" else "a ")
    be = "are" if plural else "is"
    rest = (" " if tail else "") + " ".join(tail)
    return rng.choice(
        [f"there {be} {article}{phrase}{rest}", f"{article}{phrase} {be} seen{rest}", f"{article}{phrase}{rest}",
         f"{article}{phrase} {be} present{rest}"]
    )  # fmt: skip


def _negations(absent: frozenset[str], rng: random.Random) -> list[str]:
    """Sentences that deny every kind in `absent`, one or several kinds in each."""
    kinds = rng.sample(sorted(absent), len(absent))
    sentences = []
    while kinds:
        denied = kinds[: rng.choice([1, 1, 2, 3, 4])]
        kinds = kinds[len(denied) :]
        nouns = [rng.choice(NOUNS[kind]) for kind in denied]
        listed = nouns[0] if len(nouns) == 1 else ", ".join(nouns[:-1]) + " or " + nouns[-1]
        plural = len(nouns) > 1 or nouns[0].endswith("s") and denied[0] == "calcification"
        seen = f"no {listed} {'are' if plural else 'is'} seen"
        sentences.append(rng.choice([f"no {listed}", seen, f"no suspicious {listed}", f"without {listed}"]))
    return sentences


def _density(letter: str, rng: random.Random) -> str:
    words = _phrase("density", letter, rng)
    if words.startswith("density"):
        return rng.choice([f"breast {words}", words])
    return rng.choice([f"the breast is {words}", words, f"breast composition: {words}", f"density {letter}, {words}"])


def _assessment(birads: str, rng: random.Random) -> str:
    words = _phrase("birads", birads, rng)
    return rng.choice([f"{words}, BI-RADS {birads}", f"BI-RADS {birads}", f"assessment: BI-RADS {birads}", words])


def diversity(texts: Sequence[str], n: int = 2) -> dict[str, float]:
    """Return the share of distinct wordings among `texts`, and distinct-n.

    distinct-n: distinct n-grams of words over all n-grams (Li et al., "A Diversity-Promoting Objective Function for
    Neural Conversation Models", 2016).
    """
    grams = [tuple(words[i : i + n]) for words in (t.lower().split() for t in texts) for i in range(len(words) - n + 1)]
    return {"distinct wordings": len(set(texts)) / len(texts), f"distinct-{n}": len(set(grams)) / max(len(grams), 1)}
