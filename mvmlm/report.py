"""Findings (BI-RADS fields) -> report text: the writer of synthetic reports.

Nothing that is not in the fields is ever said, and outcomes (biopsy, cancer) are no field here, so they cannot leak.
The words are those of the BI-RADS lexicon; the sentences are ours.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .exam import Laterality
from .tasks import DENSITY_WORDS

MASS_SHAPES = ("round", "oval", "irregular")
MASS_MARGINS = ("circumscribed", "obscured", "microlobulated", "indistinct", "spiculated")
CALCIFICATION_MORPHOLOGIES = (
    "round", "punctate", "coarse", "amorphous", "coarse heterogeneous", "fine pleomorphic", "fine linear branching"
)  # fmt: skip
CALCIFICATION_DISTRIBUTIONS = ("grouped", "linear", "segmental", "regional", "diffuse")
ASYMMETRY_KINDS = ("asymmetry", "focal asymmetry", "global asymmetry")
QUADRANTS = ("upper outer", "upper inner", "lower outer", "lower inner")
ASSESSMENT_WORDS = {
    1: ("negative",),
    2: ("benign finding", "benign"),
    3: ("probably benign finding", "probably benign"),
    4: ("suspicious finding", "suspicious abnormality"),
    5: ("highly suggestive of malignancy", "highly suspicious finding"),
}


@dataclass(frozen=True)
class Mass:
    shape: str | None = None
    margin: str | None = None
    size_mm: int | None = None
    quadrant: str | None = None


@dataclass(frozen=True)
class Calcification:
    morphology: str | None = None
    distribution: str | None = None
    quadrant: str | None = None


@dataclass(frozen=True)
class Asymmetry:
    kind: str | None = None
    quadrant: str | None = None


@dataclass(frozen=True)
class Distortion:
    quadrant: str | None = None


@dataclass(frozen=True)
class Findings:
    """What a table says of one breast. A finding that is None is absent; a field that is None is not known.

    Two breasts with equal findings have the same report, whatever its wording: equality is the rule by which the
    objective knows positives.
    """

    density: str | None = None
    mass: Mass | None = None
    calcification: Calcification | None = None
    asymmetry: Asymmetry | None = None
    distortion: Distortion | None = None
    birads: int | None = None


def write_report(findings: Findings, rng: random.Random, laterality: Laterality | None = None) -> str:
    """One wording of a breast's report; `rng` chooses synonyms, order, negations and style.

    The side is named only when `laterality` is given (and then only sometimes): training images are mirrored to one
    orientation, so most wordings leave it out.
    """
    sentences = [_density(findings, rng)] + _shuffled(rng, _present(findings, rng) + _absent(findings, rng))
    sentences.append(_assessment(findings, rng))
    sentences = [s for s in sentences if s]
    if laterality and rng.random() < 0.3:
        sentences.insert(0, rng.choice([f"{laterality.word} breast", f"{laterality.word} mammogram"]))
    if rng.random() < 0.15:  # telegraphic: the single most telling phrase
        telling = _present(findings, rng) or [_assessment(findings, rng)]
        return rng.choice([s for s in telling if s] or sentences)
    return ". ".join(sentences)


def _shuffled(rng, items):
    return rng.sample(items, len(items))


def _joined(*words: str | None) -> str:
    return " ".join(word for word in words if word)


def _where(quadrant: str | None, rng) -> str | None:
    if quadrant is None or rng.random() < 0.3:
        return None
    return rng.choice([f"in the {quadrant} quadrant", f"{quadrant} quadrant", f"in the {quadrant} breast"])


def _seen(noun: str, rng, plural: bool = False) -> str:
    be, article = ("are", "") if plural else ("is", "an " if noun[0] in "aeiou" else "a ")
    return rng.choice(
        [f"there {be} {article}{noun}", f"{article}{noun} {be} seen", noun, f"{article}{noun} {be} present"]
    )


def _density(findings: Findings, rng) -> str | None:
    if findings.density is None or rng.random() < 0.1:
        return None
    words = DENSITY_WORDS[findings.density]
    return rng.choice(
        [f"the breast is {words}", words, f"breast composition: {words}", f"density {findings.density}, {words}"]
    )


def _present(findings: Findings, rng) -> list[str]:
    said = []
    if mass := findings.mass:
        shape, margin = (word if rng.random() < 0.85 else None for word in (mass.shape, mass.margin))
        size = f"{mass.size_mm} mm" if mass.size_mm and rng.random() < 0.4 else None
        if rng.random() < 0.5:
            said.append(_joined(_seen(_joined(size, shape, margin, "mass"), rng), _where(mass.quadrant, rng)))
        else:
            margins = margin and rng.choice([f"with {margin} margins", f"with {margin} margin"])
            said.append(_joined(_seen(_joined(size, shape, "mass"), rng), margins, _where(mass.quadrant, rng)))
    if calcification := findings.calcification:
        words = [w if rng.random() < 0.85 else None for w in (calcification.distribution, calcification.morphology)]
        noun = _joined(*_shuffled(rng, words), "calcifications")
        said.append(_joined(_seen(noun, rng, plural=True), _where(calcification.quadrant, rng)))
    if asymmetry := findings.asymmetry:
        said.append(_joined(_seen(asymmetry.kind or "asymmetry", rng), _where(asymmetry.quadrant, rng)))
    if distortion := findings.distortion:
        seen = rng.choice(
            ["there is architectural distortion", "architectural distortion is seen", "architectural distortion"]
        )
        said.append(_joined(seen, _where(distortion.quadrant, rng)))
    return said


def _absent(findings: Findings, rng) -> list[str]:
    nouns = {
        "mass": ["no mass", "no focal mass", "no mass is seen"],
        "calcification": ["no calcifications", "no calcifications are seen", "no suspicious calcifications"],
        "asymmetry": ["no asymmetry", "no asymmetry is seen"],
        "distortion": ["no architectural distortion", "no architectural distortion is seen"],
    }
    absent = [name for name in nouns if getattr(findings, name) is None]
    if len(absent) == 4 and rng.random() < 0.3:
        return [rng.choice(["no suspicious finding", "no mass, calcifications or architectural distortion"])]
    return [rng.choice(nouns[name]) for name in absent if rng.random() < 0.6]


def _assessment(findings: Findings, rng) -> str | None:
    if findings.birads is None or rng.random() < 0.15:
        return None
    words = rng.choice(ASSESSMENT_WORDS[findings.birads])
    if findings.birads == 1:
        words = rng.choice(["negative", "no suspicious finding", "no evidence of malignancy"])
    return rng.choice([f"{words}, BI-RADS {findings.birads}", f"BI-RADS {findings.birads}", words])
