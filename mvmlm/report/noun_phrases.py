"""A finding as a noun phrase: what stands before the noun, the noun, and what stands after it.

Only words of the finding's fields are used. Words that say more than the field does, such as "microcalcifications" for
coarse ones, are not.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

from .findings import Finding
from .grammar import article, counted, listed, pluralised, with_article
from .lexicon import KINDS, LEXICON, SINGULAR_NOUNS

PREPOSITIONS = ("in ", "at ", "of ")
#: morphologies of which every single calcification is small
FINE_MORPHOLOGIES = frozenset({"amorphous", "fine pleomorphic", "fine linear branching", "fine linear", "punctate"})
COUNTED_KINDS = ("mass", "asymmetry")  # of the others, areas are counted
UNCERTAIN = ("possible", "questionable")
ORDINALS = {2: "a second", 3: "a third", 4: "a fourth"}
#: endings of associated features that are not counted: "skin thickening", "axillary adenopathy"
_UNCOUNTED = ("ing", "tion", "pathy", "edema", "ity")


class NounPhrase(NamedTuple):
    """A noun phrase in parts, and whether its verb is plural.

    determiner: "a", "two", "another" or "". core: adjectives and noun. near: what follows the noun directly, after a
    comma where it is told of a further finding: "a second mass of low density" would say that the first one has it too.
    """

    determiner: str
    core: str
    near: str
    plural: bool


class Denied(NamedTuple):
    """A list of what is denied, also with an article where it takes one, and whether its first and last are plural."""

    text: str
    with_article: str
    first_plural: bool
    last_plural: bool


class Mention(NamedTuple):
    """How a finding is mentioned: `number` equal ones, the `nth` of its kind in the report, certain or possible."""

    finding: Finding
    number: int = 1
    nth: int = 1
    certain: bool = True


def attributive(field: str, value: str) -> list[str]:
    """Return the phrases of a value that can stand before a noun."""
    return [
        p
        for p in LEXICON[field][value]
        if not p.startswith(PREPOSITIONS) and not p.endswith(" density") and " or " not in p
    ]


def prepositional(field: str, value: str) -> list[str]:
    """Return the phrases of a value that can stand in a full sentence after the noun or the verb."""
    return [p for p in LEXICON[field][value] if p.startswith(PREPOSITIONS) or p.endswith("ly")]


def adjectives(finding: Finding, name: str, rng: random.Random) -> str:
    """Return the words of a field before a noun, such as "indistinct and spiculated" or "round or oval"; "" if none."""
    if not finding.words(name):
        return ""
    together = [rng.choice(attributive(name, word)) for word in finding.words(name)]
    instead = [rng.choice(attributive(name, word)) for word in finding.other_words(name)]
    return " or ".join([listed(together, "and"), *instead])


def size(finding: Finding) -> str:
    """Return the size, such as "12 mm"; "" where it is not known."""
    return "" if finding.size_mm is None else f"{finding.size_mm:g} mm"


def feature_noun(feature: str) -> str:
    """Return an associated feature with its article, where it has one: "a dilated duct", "skin thickening"."""
    return feature if feature.endswith((*_UNCOUNTED, "s")) else with_article(feature)


def plural_feature(feature: str) -> str:
    """Return an associated feature as one of a list of plurals: "dilated ducts", "skin thickening"."""
    return feature if feature.endswith((*_UNCOUNTED, "s")) else pluralised(feature)


def location(finding: Finding, name: str, rng: random.Random) -> str:
    """Return a place or depth in a full sentence, such as "in the upper breast and in the outer breast"; "" if none."""
    if not finding.words(name):
        return ""
    together = [rng.choice(prepositional(name, word)) for word in finding.words(name)]
    instead = [rng.choice(prepositional(name, word)) for word in finding.other_words(name)]
    return " or ".join([listed(together, "and"), *instead])


def describe(mention: Mention, rng: random.Random) -> NounPhrase:
    """Return the noun phrase of a mention, in one of its wordings."""
    finding = mention.finding
    before, near = _descriptors(mention, rng)
    first = [word for word in (doubt(mention, rng), subtlety(finding, rng)) if word]
    counts = finding.kind in COUNTED_KINDS
    if finding.size_mm is not None:
        if mention.number > 1 or (counts and rng.choice((True, False))):
            first.append(size(finding))
        else:
            near["size"] = f"measuring {size(finding)}"
    phrases = [near[slot] for slot in ("of", "size", "with", "in") if slot in near]
    phrase = noun(mention, rng)
    if counts:
        before = [*first, *before]
        start = determiner(mention, " ".join(before), phrase, rng)
        near_it = _following(phrases, apart=mention.nth > 1)
        return NounPhrase(start, " ".join([*before, phrase]), near_it, mention.number > 1)
    return _uncounted(mention, "".join(f"{word} " for word in first), " ".join([*before, phrase]), phrases, rng)


def _following(phrases: Sequence[str], apart: bool) -> str:
    """The phrases as they follow a noun, each after a comma where they are to be set apart."""
    return "".join((", " if apart else " ") + phrase for phrase in phrases)


def doubt(mention: Mention, rng: random.Random) -> str:
    """Return "possible" or the like for a finding that is not certain, else ""."""
    return "" if mention.certain else rng.choice(UNCERTAIN)


def subtlety(finding: Finding, rng: random.Random) -> str:
    """Return how subtle the finding is; "" where it is not known."""
    return "" if finding.subtlety is None else rng.choice(LEXICON["subtlety"][str(finding.subtlety)])


def determiner(mention: Mention, adjectives: str, noun: str, rng: random.Random) -> str:
    """Return the article, number or "another" of something that is counted, before its adjectives and noun.

    "A second round mass" would say that the first one is round too, so a comma keeps adjectives apart from "second".
    """
    if mention.number > 1:
        again = " additional" if mention.nth > 1 else ""
        return counted(mention.number) + again + ("," if again and adjectives else "")
    if mention.nth == 1:
        return article(adjectives or noun)
    ordinal = ORDINALS.get(mention.nth, "an additional")
    return f"{ordinal}," if adjectives else rng.choice((ordinal, "another", "an additional"))


def _uncounted(mention: Mention, first: str, phrase: str, near: Sequence[str], rng: random.Random) -> NounPhrase:
    """The noun phrase of calcifications and distortion, of which areas are counted."""
    calcifications = mention.finding.kind == "calcification"
    if mention.number > 1:
        return NounPhrase(
            counted(mention.number), f"{first}areas of {phrase.removesuffix('s')}", _following(near, False), True
        )
    if not calcifications and rng.choice((True, False)):
        area = f"area of {phrase}"
        near_it = _following(near, apart=mention.nth > 1)
        return NounPhrase(determiner(mention, first, area, rng), first + area, near_it, False)
    bare = not near and not first and " " not in phrase
    again = rng.choice(("additional", "further")) if mention.nth > 1 and bare else ""
    return NounPhrase(again, first + phrase, _following(near, False), calcifications)


def noun(mention: Mention, rng: random.Random) -> str:
    """Return the noun of a mention, in the plural where there are several."""
    finding = mention.finding
    if finding.kind == "mass":
        return "masses" if mention.number > 1 else "mass"
    if finding.kind == "distortion":
        return rng.choice(("architectural distortion", "distortion"))
    if finding.kind == "asymmetry":
        nouns = [listed(finding.words("asymmetry"), "and"), *finding.other_words("asymmetry")]
        return " or ".join(pluralised(noun) if mention.number > 1 else noun for noun in nouns)
    words = {*finding.words("morphology"), *finding.other_words("morphology")}
    fine = bool(words) and words <= FINE_MORPHOLOGIES
    return rng.choice(("calcifications", "microcalcifications") if fine else ("calcifications",))


def _descriptors(mention: Mention, rng: random.Random) -> tuple[list[str], dict[str, str]]:
    """The adjectives before the noun, and the phrases after it. Only one list of several words stands before it."""
    before: list[str] = []
    near: dict[str, str] = {}
    lists, finding = 0, mention.finding
    names = ("morphology", "distribution") if finding.kind == "calcification" else ("mass_density", "shape", "margin")
    for name in names:
        if not (words := adjectives(finding, name, rng)):
            continue
        several = " or " in words or " and " in words
        clash = bool(set(words.split()) & set(" ".join(before).split()))  # "linear fine linear calcifications"
        after = _after_noun(mention, name, words, rng)
        slot = after.split(" ")[0]
        if after and slot not in near and (clash or (several and lists) or rng.choice((True, False))):
            near[slot] = after
        else:
            before.append(words)
            lists += several
    return list(rng.choice(tuple(permutations(before)))), near


def _after_noun(mention: Mention, name: str, words: str, rng: random.Random) -> str:
    """The words of a field as a phrase after the noun, "of", "with" or "in"; "" for a field that has none."""
    if name == "margin":
        single = () if " " in words or mention.number > 1 else (f"with {with_article(words)} margin",)
        return rng.choice((f"with {words} margins", *single))
    if name == "shape":
        return f"of {words} shape"
    if name == "distribution":
        return f"in {with_article(words)} distribution"
    if name == "mass_density" and " " not in words and mention.finding.mass_density != "fat-containing":
        return f"of {mention.finding.mass_density} density"
    return ""


def denied(names: Sequence[str], suspicious: bool, rng: random.Random) -> Denied:
    """Return what is denied. names: kinds and features, in their order. suspicious: only suspicious ones are denied."""
    form = rng.choice(("singular", "plural", "usual"))
    nouns, plurals = [], []
    for name in names:
        plural = form == "plural" or (form == "usual" and name == "calcification")
        if name in KINDS:
            word = rng.choice(SINGULAR_NOUNS[name])
            if plural:
                word = f"areas of {word}" if name == "distortion" else pluralised(word)
        else:
            word = plural_feature(name) if plural else name
            plural = word.endswith("s")
        nouns.append(word)
        plurals.append(plural)
    text = ("suspicious " if suspicious else "") + listed(nouns, "or", rng.choice(("", ",")))
    kind = names[0] in KINDS
    counts = not plurals[0] and (names[0] in COUNTED_KINDS if kind else feature_noun(names[0]) != names[0])
    return Denied(text, with_article(text) if counts else text, plurals[0], plurals[-1])
