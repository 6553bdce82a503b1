"""Sentences of a report in telegraphic style: key words without verbs. They come without capital letter and stop."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import permutations

from .findings import Finding
from .grammar import listed
from .lexicon import ASSESSMENT_ADJECTIVES, ASSESSMENT_WORDS, DENSITY_CODES, DENSITY_NOUNS, FAT, LEXICON
from .noun_phrases import (
    PREPOSITIONS,
    Mention,
    adjectives,
    denied,
    describe,
    determiner,
    doubt,
    noun,
    size,
    subtlety,
)  # fmt: skip

AREAS = ("calcification", "distortion")  # several of them are several areas
ANY_BREAST = "breast"  # whose side is not named
STATED = ("present", "seen", "noted", "identified", "visible", "evident")
DESCRIPTORS = {
    "mass": ("shape", "mass_density", "margin"), "calcification": ("morphology", "distribution"), "asymmetry": (),
    "distortion": (),
}  # fmt: skip


def finding_words(mention: Mention, breast: str, rng: random.Random) -> str:
    """Return the key words of a finding, such as "mass, 12 mm, irregular, spiculated margins, UOQ".

    breast: "breast" or "left breast", which stands where no other place is known.
    """
    finding = mention.finding
    after = [
        *_locations(finding, breast, rng),
        *finding.features,
        *([f"BI-RADS {finding.birads}"] if finding.birads else []),
    ]
    if mention.nth == 1 and rng.choice((True, False)):  # adjectives before the noun
        phrase = describe(mention, rng)
        start = _without_article(phrase.determiner) + phrase.core + phrase.near
        if not after:
            return rng.choice((start, *(f"{start} {stated}" for stated in STATED)))
        if finding.place and rng.choice((True, False)):
            return f"{after[0]}: {', '.join([start, *after[1:]])}"
        return ", ".join([start, *after])
    head = _head(mention, rng)
    described = [*_measure(mention), *_details(finding, rng), *after]
    if not described:
        return rng.choice((head, *(f"{head} {stated}" for stated in STATED)))
    return head + rng.choice((", ", ", ", ": ")) + ", ".join(described)


def feature_words(feature: str, rng: random.Random) -> str:
    """Return the key words of a feature of the breast."""
    return rng.choice((feature, *(f"{feature} {stated}" for stated in STATED)))


def denial_words(names: Sequence[str], suspicious: bool, rng: random.Random) -> str:
    """Return key words that deny kinds or features, in their order. suspicious: only suspicious ones are denied."""
    nouns = denied(names, suspicious, rng).text
    return rng.choice(
        (
            f"no {nouns}",
            *(f"no {nouns} {seen}" for seen in STATED[1:]),
            f"no evidence of {nouns}",
            f"no mammographic evidence of {nouns}",
        )
    )


def density_words(letter: str, breast: str, rng: random.Random) -> str:
    """Return the key words of the breast density. breast: "breast" or "left breast"."""
    words = rng.choice([phrase for phrase in LEXICON["density"][letter] if not phrase.startswith("density ")])
    codes = [f"{name} {letter}" for name in DENSITY_CODES]
    titles = [f"{breast} {noun}: " for noun in ("composition", "density", "tissue")]
    told = [words, *(title + words for title in titles), f"composition: {words}"]
    if letter not in DENSITY_NOUNS:
        told += [f"{breast} {words}", f"{breast} tissue {words}"]
        told += [] if words in FAT else [f"{words} {breast}", f"{words} tissue", f"{words} parenchyma"]
    if words not in FAT:
        told.append(f"parenchyma: {words}")
    ends = ["", *(f" ({code})" for code in codes), *(f", {code}" for code in codes)]
    alone = [f"{start}{code}" for start in ("", f"{breast} composition: ") for code in codes]
    first = [f"{code}{end}" for code in codes for end in (f": {words}", f", {words}", f" ({words})")]
    return rng.choice([*(start + end for start in told for end in ends), *alone, *first])


def assessment_words(birads: str, rng: random.Random, beside_a_finding: bool = False) -> str:
    """Return the key words of the assessment category.

    beside_a_finding: whether a finding is told, beside which words alone ("negative") do not say category 1.
    """
    words = rng.choice((*ASSESSMENT_WORDS[birads], *LEXICON["birads"][birads]))
    code = rng.choice((f"BI-RADS {birads}", f"BI-RADS {birads}", f"BI-RADS category {birads}"))
    alone = rng.choice(LEXICON["birads"][birads])
    frames = [(code, code), (code, f"{code}, {words}"), (code, f"{code} ({words})"), (words, f"{words}, {code}"),
              (words, f"{words} ({code})")]  # fmt: skip
    if birads != "1" or not beside_a_finding:
        frames.append((alone, alone))
    first, result = rng.choice(frames)
    verb = ("assessed as ",) if first == code or first in ASSESSMENT_ADJECTIVES else ()
    return rng.choice(("", "assessment: ", *verb)) + result


def _head(mention: Mention, rng: random.Random) -> str:
    """The noun, after its number and "possible"."""
    uncertain, name = doubt(mention, rng), noun(mention, rng)
    if mention.finding.kind == "calcification" and mention.number == 1:
        start = "additional " if mention.nth > 1 else ""
    else:
        name = f"areas of {name.removesuffix('s')}" if mention.number > 1 and mention.finding.kind in AREAS else name
        start = _without_article(determiner(mention, "", name, rng))
    return start + (f"{uncertain} " if uncertain else "") + name


def _without_article(determiner: str) -> str:
    """A determiner without "a" or "an", and with a space after it."""
    words = [word for word in determiner.split() if word not in ("a", "an")]
    return "".join(f"{word} " for word in words)


def _measure(mention: Mention) -> list[str]:
    if mention.finding.size_mm is None:
        return []
    return [size(mention.finding) + (" each" if mention.number > 1 else "")]


def _details(finding: Finding, rng: random.Random) -> list[str]:
    """The descriptors, each as an item of a list."""
    details = [words] if (words := subtlety(finding, rng)) else []
    for name in rng.choice(tuple(permutations(DESCRIPTORS[finding.kind]))):
        words = adjectives(finding, name, rng)
        if words:
            details.append(f"{words} margins" if name == "margin" else words)
    return details


def _locations(finding: Finding, breast: str, rng: random.Random) -> list[str]:
    """Place, clock position and depth, each as an item of a list; the breast where none of them is known."""
    clock = [f"{finding.clock} o'clock"] if finding.clock is not None else []
    if not (finding.place or clock or finding.depth or breast == ANY_BREAST):
        return rng.choice(([], [breast]))
    return [*_bare(finding, "place", rng), *clock, *_bare(finding, "depth", rng)]


def _bare(finding: Finding, name: str, rng: random.Random) -> list[str]:
    """A place or depth without its preposition, as a list of one or none."""
    if not finding.words(name):
        return []

    def word(value: str) -> str:
        return rng.choice([phrase for phrase in LEXICON[name][value] if not phrase.startswith(PREPOSITIONS)])

    together = listed([word(value) for value in finding.words(name)], "and")
    return [" or ".join([together, *(word(value) for value in finding.other_words(name))])]
