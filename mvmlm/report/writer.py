"""Findings (BI-RADS fields) <-> report text: the writer of synthetic reports, and the parser that reads every wording back.

A lexicon (`lexicon.py`) gives each value of each field its phrases; the writer chooses among them, the parser looks them up. So
nothing that is not in the fields can be said, and `parse_report(write_report(findings, rng)) == findings` for every rng.
Outcomes (biopsy, cancer) are no field, so they cannot leak. The words are those of the BI-RADS lexicon; the sentences are
ours.
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
    """Facts on which a pair could be matched without looking; each is left out of 80 % of the reports."""

    age: int | None = None
    history: str | None = None
    device: str | None = None


KEEP_BACKGROUND = 0.2


def write_report(findings: Findings, rng: random.Random, laterality: Laterality | None = None) -> str:
    """One wording of a breast's report, in a full or a telegraphic style; says every field and no more.

    laterality: named sometimes where it is given; it is not a field, and the parser leaves it out.
    """
    said = [_finding(finding, rng) for finding in findings.present] + _negations(findings.absent, rng)
    rng.shuffle(said)
    if findings.density:
        density = _density(findings.density, rng)
        said.insert(rng.choice([0, 0, len(said)]), density)
    if findings.birads:
        said.append(_assessment(findings.birads, rng))
    if laterality and rng.random() < 0.3:
        said.insert(0, rng.choice([f"{laterality.word} breast", f"{laterality.word} mammogram"]))
    end = rng.choice([". ", ". ", "; ", "\n"])
    text = end.join(said)
    return text if rng.random() < 0.5 else ". ".join(part[:1].upper() + part[1:] for part in said) + "." * bool(said)


def write_exam_report(exam: ExamFindings, rng: random.Random, background: Background = Background()) -> str:
    """One wording of an exam's report: background (mostly left out), indication, each breast, recommendation."""
    said = []
    if background.age is not None and rng.random() < KEEP_BACKGROUND:
        said.append(rng.choice([f"{background.age}-year-old woman", f"age {background.age}"]))
    if background.history and rng.random() < KEEP_BACKGROUND:
        said.append(f"history: {background.history}")
    if background.device and rng.random() < KEEP_BACKGROUND:
        said.append(f"device: {background.device}")
    for name in ("indication", "comparison"):
        if value := getattr(exam, name):
            said.append(f"{name}: {value}")
    sides = [(side, getattr(exam, side.word)) for side in Laterality]
    rng.shuffle(sides)
    for side, findings in sides:
        if findings is not None:
            heading = rng.choice([f"{side.word} breast:", f"{side.word}:".capitalize(), f"{side.word.upper()} BREAST:"])
            said.append(f"{heading} {write_report(findings, rng)}".rstrip(". "))
    if exam.recommendation:
        said.append(f"recommendation: {exam.recommendation}")
    return ".\n".join(said)


def for_view(findings: Findings, projection: Projection) -> Findings:
    """What one view can show: a CC tells outer from inner, an MLO upper from lower, neither a clock position."""
    axis = {Projection.CC: 1, Projection.MLO: 0}[projection]
    seen = []
    for finding in findings.present:
        place = finding.place.split()[axis] if finding.place in QUADRANTS else finding.place
        if place in (("upper", "lower") if axis else ("outer", "inner")):
            place = None
        seen.append(replace(finding, place=place, clock=None))
    return replace(findings, present=tuple(seen))


def drop_random_fields(findings: Findings, rng: random.Random, keep: float = 0.8) -> Findings:
    """The same findings with some fields forgotten, so that texts of many lengths are learned; findings stay."""
    fewer = [
        replace(f, **{
            field.name: () if field.name == "features" else None
            for field in fields(f) if field.name not in ("kind", "asymmetry") and rng.random() > keep
        })
        for f in findings.present
    ]  # fmt: skip
    absent = frozenset(kind for kind in sorted(findings.absent) if rng.random() < keep)
    density, birads = (value if rng.random() < keep else None for value in (findings.density, findings.birads))
    return Findings(density, tuple(fewer), absent, birads)


def _say(field: str, value: str, rng) -> str:
    return rng.choice(LEXICON[field][value])


def _finding(finding: Finding, rng) -> str:
    before, after = [], []
    if finding.size_mm is not None:
        (before if rng.random() < 0.5 else after).append(f"{finding.size_mm} mm")
    for name in ("mass_density", "shape", "distribution", "morphology"):
        if (value := getattr(finding, name)) is not None:
            before.append(_say(name, value, rng))
    if finding.margin is not None:
        word = _say("margin", finding.margin, rng)
        if rng.random() < 0.5:
            before.append(word)
        else:
            after.append(rng.choice([f"with {word} margins", f"with {word} margin", f"{word} margins"]))
    rng.shuffle(before)
    noun = finding.asymmetry or rng.choice(NOUNS[finding.kind])
    where = []
    if finding.place is not None:
        where.append(_say("place", finding.place, rng))
    if finding.clock is not None:
        where.append(rng.choice([f"at {finding.clock} o'clock", f"at the {finding.clock} o'clock position"]))
    if finding.depth is not None:
        where.append(_say("depth", finding.depth, rng))
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


def _negations(absent: frozenset[str], rng) -> list[str]:
    """Denies every kind in `absent`, one by one or several in a sentence."""
    kinds = rng.sample(sorted(absent), len(absent))
    said = []
    while kinds:
        take = kinds[: rng.choice([1, 1, 2, 3, 4])]
        kinds = kinds[len(take) :]
        nouns = [rng.choice(NOUNS[kind]) for kind in take]
        listed = nouns[0] if len(nouns) == 1 else ", ".join(nouns[:-1]) + " or " + nouns[-1]
        many = len(nouns) > 1 or nouns[0].endswith("s") and take[0] == "calcification"
        said.append(
            rng.choice(
                [
                    f"no {listed}",
                    f"no {listed} {'are' if many else 'is'} seen",
                    f"no suspicious {listed}",
                    f"without {listed}",
                ]
            )
        )
    return said


def _density(letter: str, rng) -> str:
    words = _say("density", letter, rng)
    if words.startswith("density"):
        return rng.choice([f"breast {words}", words])
    return rng.choice([f"the breast is {words}", words, f"breast composition: {words}", f"density {letter}, {words}"])


def _assessment(birads: str, rng) -> str:
    words = _say("birads", birads, rng)
    return rng.choice([f"{words}, BI-RADS {birads}", f"BI-RADS {birads}", f"assessment: BI-RADS {birads}", words])


def diversity(texts: Sequence[str], n: int = 2) -> dict[str, float]:
    """Share of distinct wordings among `texts`, and distinct-n: distinct n-grams over all n-grams (Li et al., 2016)."""
    grams = [tuple(words[i : i + n]) for words in (t.lower().split() for t in texts) for i in range(len(words) - n + 1)]
    return {"distinct wordings": len(set(texts)) / len(texts), f"distinct-{n}": len(set(grams)) / max(len(grams), 1)}
