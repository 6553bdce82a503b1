"""Sentences of a report in full: each has a verb. They come without the capital letter and the full stop."""

from __future__ import annotations

import random
from collections.abc import Sequence

from .grammar import listed
from .lexicon import ASSESSMENT_ADJECTIVES, ASSESSMENT_WORDS, DENSITY_CODES, DENSITY_NOUNS, FAT, LEXICON
from .noun_phrases import Mention, denied, describe, feature_noun, location

SEEN = ("seen", "noted", "identified", "present", "visible", "demonstrated", "observed", "evident")
SHOWS = (
    "the mammogram shows",
    "the mammogram demonstrates",
    "the images show",
    "imaging shows",
    "the study shows",
    "mammography shows",
)
ANY_BREAST = "the breast"  # whose side is not named
ASSESSED = ("is", "is assessed as", "is classified as", "is categorized as")


def finding_sentence(mention: Mention, breast: str, rng: random.Random) -> str:
    """Return a sentence that states a finding. breast: "the breast" or "the left breast"."""
    phrase = describe(mention, rng)
    where = _where(mention, breast, rng)
    be = "are" if phrase.plural else "is"
    what = f"{phrase.determiner} {phrase.core}".lstrip() + phrase.near
    end = "," if phrase.near.startswith(",") else ""
    after = f" {where}" if where else ""
    placed = f"{what}{end}{after}" if where else what
    frames = [
        f"there {be} {placed}",
        f"there {be} {placed}",
        *(f"{what}{end} {be} {seen}{after}" for seen in SEEN),
        *(f"{shows} {placed}" for shows in (*SHOWS, *([] if "breast" in after else [f"{breast} shows"]))),
        *([f"{where}, there {be} {what}", f"{where}, {what}{end} {be} {rng.choice(SEEN)}"] if where else []),
    ]
    return rng.choice(frames) + _associated(mention, rng) + _assessed(mention, rng)


def feature_sentence(feature: str, rng: random.Random) -> str:
    """Return a sentence that states a feature of the breast, such as "there is skin thickening"."""
    plural = feature.endswith("s")
    be = "are" if plural else "is"
    noun = feature_noun(feature)
    return rng.choice(
        (f"there {be} {noun}", *(f"{noun} {be} {seen}" for seen in SEEN), *(f"{shows} {noun}" for shows in SHOWS))
    )


def denial_sentence(names: Sequence[str], suspicious: bool, rng: random.Random) -> str:
    """Return a sentence that denies kinds or features, in their order. suspicious: only suspicious ones are denied."""
    what = denied(names, suspicious, rng)
    no, has, have = f"no {what.text}", "are" if what.last_plural else "is", "are" if what.first_plural else "is"
    return rng.choice(
        (
            *(f"{no} {has} {seen}" for seen in SEEN),
            *(f"there {have} {no}",) * 3,
            f"there is no evidence of {what.with_article}",
            f"there is no mammographic evidence of {what.with_article}",
            *(f"{shows} {no}" for shows in SHOWS),
        )
    )


def density_sentence(letter: str, breast: str, rng: random.Random) -> str:
    """Return a sentence that states the breast density."""
    words = rng.choice([phrase for phrase in LEXICON["density"][letter] if not phrase.startswith("density ")])
    codes = [f"{name} {letter}" for name in DENSITY_CODES]
    of = _density_areas if letter in DENSITY_NOUNS else _density_of_tissue
    frame = rng.choice(("", *of(words, breast)))
    if not frame:
        return f"{rng.choice((breast, f'{breast} tissue'))} is classified as {rng.choice(codes)}"
    return frame + rng.choice(("", *(f" ({code})" for code in codes), *(f", {code}" for code in codes)))


def _density_of_tissue(words: str, breast: str) -> list[str]:
    """Frames for a density that is an adjective, such as "heterogeneously dense"."""
    tissues = [f"{breast} tissue", f"the tissue of {breast}", f"{breast} parenchyma", f"the parenchyma of {breast}"]
    frames = [
        f"{subject} {verb} {words}"
        for subject in (breast, *([] if words in FAT else tissues))
        for verb in ("is", "appears")
    ]
    frames += [f"the composition of {breast} is {words}", f"{breast} composition is {words}"]
    if words in FAT:
        return frames
    frames.append(f"{breast} is composed of {words} tissue")
    for noun in ("breast tissue", "tissue", "parenchyma", "breast parenchyma"):
        tissue = f"{words} {noun}"
        for inside in ("",) if "breast" in noun else ("", f" in {breast}"):
            frames += _stated(tissue, "is", inside)
    return frames


def _density_areas(words: str, breast: str) -> list[str]:
    """Frames for a density that is a noun, such as "scattered areas of fibroglandular density"."""
    return [
        *(frame for inside in ("", f" in {breast}") for frame in _stated(words, "are", inside)),
        *(f"{breast} {verb} {words}" for verb in ("shows", "has", "contains", "demonstrates")),
        *(f"{subject} shows {words}" for subject in (f"{breast} tissue", f"{breast} parenchyma")),
    ]


def _stated(noun: str, be: str, inside: str) -> list[str]:
    """Every frame that states a noun. inside: "" or " in the breast"."""
    return [
        f"there {be} {noun}{inside}",
        *(f"{noun} {be} {seen}{inside}" for seen in SEEN),
        *(f"{shows} {noun}{inside}" for shows in SHOWS),
    ]


def assessment_sentence(birads: str, breast: str, rng: random.Random) -> str:
    """Return a sentence that states the assessment category."""
    code, words = f"BI-RADS {birads}", rng.choice(ASSESSMENT_WORDS[birads])
    category = rng.choice((code, f"BI-RADS category {birads}"))
    results = [category, f"{category}, {words}", f"{category} ({words})"]
    if words in ASSESSMENT_ADJECTIVES:
        results += [f"{words} ({category})", f"{words}, {category}"]
    result = rng.choice(results)
    subjects = ("assessment", "final assessment", "overall assessment", "impression")
    return rng.choice(
        (
            *(f"the {subject} is {result}" for subject in subjects),
            *(
                f"{subject} {verb} {result}"
                for subject in ("the mammogram", "the study", breast)
                for verb in ASSESSED[1:]
            ),
        )
    )


def _where(mention: Mention, breast: str, rng: random.Random) -> str:
    """Where a finding is, such as "in the upper outer quadrant at 2 o'clock, middle depth"; "" if unknown."""
    finding = mention.finding
    place, clock = location(finding, "place", rng), ""
    if place.endswith(("quadrant", "region")) and rng.choice((True, False)):
        place += f" of {breast}"
    if finding.clock is not None:
        clock = rng.choice((f"at {finding.clock} o'clock", f"at the {finding.clock} o'clock position"))
    where = " ".join(filter(None, rng.choice(((place, clock), (clock, place)))))
    depth = location(finding, "depth", rng)
    if not where and not depth and breast != ANY_BREAST:
        return rng.choice(("", f"in {breast}", f"within {breast}"))
    return f"{where}, {depth}" if where and depth else where or depth


def _associated(mention: Mention, rng: random.Random) -> str:
    features = mention.finding.features
    if not features:
        return ""
    return rng.choice((", with ", ", associated with ")) + listed([feature_noun(f) for f in features], "and")


def _assessed(mention: Mention, rng: random.Random) -> str:
    birads = mention.finding.birads
    return "" if birads is None else rng.choice((f" (BI-RADS {birads})", f", BI-RADS {birads}"))
