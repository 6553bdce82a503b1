"""The codes of what a reader says of a finding or a breast; words without a code of PS3.16 keep their text."""

from __future__ import annotations

from collections.abc import Mapping

from pydicom.sr.coding import Code

from ..reading.reading import MarkedFinding
from ..report.findings import Finding
from ..report.lexicon import ASSESSMENT_WORDS, QUADRANTS, WORD_FIELDS
from ..tasks import DENSITY_WORDS
from .codes import dcm, own, sct

ASSESSMENT = dcm("111005", "Assessment Category")
QUADRANT = dcm("111048", "Quadrant location")
COMPOSITION = dcm("111006", "Breast composition")

#: CID 6054; kinds of findings, with those of asymmetry
FINDINGS = {
    "mass": sct("129788004", "Mammographic breast mass"),
    "calcification": sct("309587003", "Calcification of breast"),
    "distortion": sct("129792006", "Architectural distortion of breast"),
    "asymmetry": sct("129790003", "Asymmetric breast tissue"),
    "focal asymmetry": sct("129789007", "Focal asymmetric breast tissue"),
}
#: field of a finding -> the name of the evaluation
NAMES = {
    "shape": sct("300842002", "Shape"),
    "margin": dcm("111037", "Margins"),
    "mass_density": dcm("111035", "Lesion Density"),
    "morphology": dcm("111009", "Calcification Type"),
    "distribution": dcm("111008", "Calcification Distribution"),
    "place": dcm("111014", "Clockface or region"),
    "clock": dcm("111014", "Clockface or region"),
    "depth": dcm("111020", "Depth"),
    "birads": ASSESSMENT,
}
_CLOCK = (
    "129772004", "129773009", "129774003", "129775002", "129776001", "129777005", "129778000", "129779008",
    "129780006", "129781005", "129782003", "129783008",
)  # fmt: skip
#: the assessments without 4A to 4C, for which PS3.16 lists no code of SCT
ASSESSMENTS = {
    "0": sct("397138000", "Category 0: need additional imaging evaluation"),
    "1": sct("397140005", "Category 1: negative"),
    "2": sct("397141009", "Category 2: benign finding"),
    "3": sct("397143007", "Category 3: probably benign finding"),
    "4": sct("397144001", "Category 4: suspicious abnormality"),
    "5": sct("397145000", "Category 5: highly suggestive of malignancy"),
}
#: CID 6000
COMPOSITIONS = {
    "A": sct("129716005", "Almost entirely fat"),
    "B": sct("129717001", "Scattered fibroglandular densities"),
    "C": sct("129718006", "Heterogeneously dense"),
    "D": sct("129719003", "Extremely dense"),
}
#: field -> word of the lexicon -> code: CID 6004, 6006, 6008, 6010, 6012, 6018 and 6020, CID 6056 for features
WORDS: dict[str, dict[str, Code]] = {
    "shape": {
        "round": sct("42700002", "Round shape"),
        "oval": sct("84360004", "Ovoid shape (Oval)"),
        "irregular": sct("49608001", "Irregular"),
    },
    "margin": {
        "circumscribed": sct("129738007", "Circumscribed lesion"),
        "obscured": sct("129740002", "Obscured lesion"),
        "microlobulated": sct("129739004", "Microlobulated lesion"),
        "indistinct": sct("129741003", "Indistinct lesion"),
        "spiculated": sct("129742005", "Spiculated lesion"),
    },
    "mass_density": {
        "high": sct("129744006", "High density lesion"),
        "equal": sct("129745007", "Equal density (isodense) lesion"),
        "low": sct("129746008", "Low density (not containing fat) lesion"),
        "fat-containing": sct("129747004", "Fat containing (radiolucent) lesion"),
    },
    "morphology": {
        "round": sct("129756007", "Round shaped calcification"),
        "punctate": sct("129755006", "Punctate calcification"),
        "coarse": sct("129749001", "Coarse (popcorn-like) calcification"),
        "skin": sct("129757003", "Calcified skin of breast"),
        "vascular": sct("129759000", "Vascular calcification"),
        "rod-like": sct("129752009", "Large rod-like calcification"),
        "rim": sct("129751002", "Eggshell calcification"),
        "dystrophic": sct("129750001", "Dystrophic calcification"),
        "milk of calcium": sct("129753004", "Milk of calcium calcification"),
        "suture": sct("129758008", "Calcified suture material"),
        "amorphous": sct("129760005", "Amorphous calcification"),
        "coarse heterogeneous": sct("129763007", "Heterogeneous calcification"),
        "fine pleomorphic": dcm("111344", "Fine pleomorphic calcification"),
        "fine linear": sct("129761009", "Fine, linear (casting) calcification"),
        "fine linear branching": sct("129762002", "Fine linear, branching (casting) calcification"),
        "lucent-centered": sct("129754005", "Lucent-centered calcification"),
    },
    "distribution": {
        "grouped": sct("129766004", "Grouped calcification distribution"),
        "linear": sct("129765000", "Linear calcification distribution"),
        "segmental": sct("129768003", "Segmental calcification distribution"),
        "regional": sct("129767008", "Regional calcification distribution"),
        "diffuse": sct("129764001", "Diffuse calcification distribution"),
    },
    "place": {
        "upper outer": sct("76365002", "Upper outer quadrant of breast"),
        "upper inner": sct("77831004", "Upper inner quadrant of breast"),
        "lower outer": sct("33564002", "Lower outer quadrant of breast"),
        "lower inner": sct("19100000", "Lower inner quadrant of breast"),
        "central": sct("129786000", "Central region of breast"),
        "retroareolar": sct("129784002", "Subareolar region"),
        "axillary tail": sct("129785001", "Axillary tail region"),
    },
    "clock": {str(hour): sct(value, f"{hour} o'clock position") for hour, value in enumerate(_CLOCK, 1)},
    "features": {
        "skin thickening": sct("129797000", "Skin thickening of breast"),
        "skin retraction": sct("129796009", "Skin retraction of breast"),
        "trabecular thickening": sct("129795008", "Trabecular thickening of breast"),
        "axillary adenopathy": sct("127189005", "Axillary adenopathy"),
        "intramammary lymph node": sct("443808008", "Intramammary lymph node"),
        "skin lesion": sct("95324001", "Skin lesion"),
        "edema": sct("79654002", "Edema"),
    },
}


def finding_type(finding: MarkedFinding) -> Code:
    """Return the code of the kind of a finding; an asymmetry that PS3.16 does not list is one of ours."""
    kind = finding.label
    if kind == "asymmetry" and finding.descriptors and finding.descriptors.asymmetry:
        kind = finding.descriptors.described("asymmetry")
    return FINDINGS.get(kind) or own(kind, kind)


def evaluations(finding: MarkedFinding) -> list[tuple[Code, Code]]:
    """Return what is known of a finding, without its size, as the name and the value of evaluations.

    Words that hold together are one evaluation each. Words that exclude each other ("round or oval") are one of ours.
    """
    found = []
    for name, text in finding.described().items():
        if name in ("size_mm", "asymmetry"):
            continue
        concept = NAMES.get(name) or own(name, name.replace("_", " "))
        for word in _words(finding, name, text):
            value = assessment(word) if name == "birads" else WORDS.get(name, {}).get(word) or own(word, word)
            found.append((QUADRANT if word in QUADRANTS else concept, value))
    return found


def _words(finding: MarkedFinding, name: str, text: str) -> tuple[str, ...]:
    descriptors: Finding | None = finding.descriptors
    if descriptors is None or name not in (*WORD_FIELDS, "features"):
        return (text,)
    if name == "features":
        return descriptors.features
    return (text,) if descriptors.other_words(name) else descriptors.words(name)


def assessment(category: str) -> Code:
    """Return the code of a BI-RADS category; 4A to 4C have one of ours."""
    words: Mapping[str, tuple[str, ...]] = ASSESSMENT_WORDS
    return ASSESSMENTS.get(category) or own(f"birads-{category}", f"Category {category}: {words[category][0]}")


def composition(letter: str) -> Code:
    """Return the code of a breast density, A to D."""
    return COMPOSITIONS.get(letter) or own(letter, DENSITY_WORDS.get(letter, letter))
