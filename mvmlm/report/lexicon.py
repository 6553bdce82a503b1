"""The words of reports: the phrases of each value of each field.

The first phrase of a value is the term of the ACR BI-RADS Atlas, 5th edition; the synonyms are ours.
"""

from __future__ import annotations

from ..tasks import DENSITY_WORDS

KINDS = ("mass", "calcification", "asymmetry", "distortion")
#: the fields of a finding that only one kind has
KIND_FIELDS = {
    "mass": ("mass_density", "shape", "margin"), "calcification": ("morphology", "distribution"),
    "asymmetry": ("asymmetry",), "distortion": (),
}  # fmt: skip

MASS_SHAPES = ("round", "oval", "irregular")
MASS_MARGINS = ("circumscribed", "obscured", "microlobulated", "indistinct", "spiculated")
MASS_DENSITIES = ("high", "equal", "low", "fat-containing")
SUSPICIOUS_MORPHOLOGIES = ("amorphous", "coarse heterogeneous", "fine pleomorphic", "fine linear branching")
BENIGN_MORPHOLOGIES = (
    "round", "punctate", "coarse", "skin", "vascular", "rod-like", "rim", "dystrophic", "milk of calcium", "suture"
)  # fmt: skip
CALCIFICATION_MORPHOLOGIES = BENIGN_MORPHOLOGIES[:3] + SUSPICIOUS_MORPHOLOGIES
#: words of earlier editions and of tables that no single word of the 5th edition equals
EARLIER_MORPHOLOGIES = ("pleomorphic", "fine linear", "lucent-centered", "typically benign")
CALCIFICATION_DISTRIBUTIONS = ("grouped", "linear", "segmental", "regional", "diffuse")
ASYMMETRY_KINDS = ("asymmetry", "focal asymmetry", "global asymmetry", "developing asymmetry")
QUADRANTS = ("upper outer", "upper inner", "lower outer", "lower inner")
PLACES = (*QUADRANTS, "upper", "lower", "outer", "inner", "central", "retroareolar", "axillary tail")
DEPTHS = ("anterior", "middle", "posterior")
#: associated features, and findings that are none of KINDS
FEATURES = (
    "skin thickening", "skin retraction", "nipple retraction", "trabecular thickening", "axillary adenopathy",
    "suspicious lymph node", "intramammary lymph node", "dilated duct", "skin lesion", "edema",
    "lymph node", "normal lymph node", "prominent lymph node", "abnormal lymph node",
)  # fmt: skip
#: fields of a finding that several words can describe at once, or of which views or readers give different ones
WORD_FIELDS = ("shape", "margin", "mass_density", "morphology", "distribution", "asymmetry", "place", "depth")
ASSESSMENTS = ("0", "1", "2", "3", "4", "4A", "4B", "4C", "5")  # 6 is a known cancer: an outcome, which is not reported

#: field -> value -> phrases
LEXICON: dict[str, dict[str, tuple[str, ...]]] = {
    "shape": {shape: (shape,) for shape in MASS_SHAPES} | {"oval": ("oval", "ovoid"), "round": ("round", "rounded")},
    "margin": {margin: (margin,) for margin in MASS_MARGINS}
    | {"indistinct": ("indistinct", "ill-defined"),
       "circumscribed": ("circumscribed", "well-circumscribed", "well-defined")},
    "mass_density": {
        "high": ("high-density", "hyperdense", "of high density", "high density"),
        "equal": ("equal-density", "isodense", "of equal density", "equal density"),
        "low": ("low-density", "hypodense", "of low density", "low density"),
        "fat-containing": ("fat-containing",),
    },
    "morphology": {m: (m,) for m in (*BENIGN_MORPHOLOGIES, *SUSPICIOUS_MORPHOLOGIES, *EARLIER_MORPHOLOGIES)}
    | {"fine linear branching": ("fine linear branching", "fine linear or branching"),
       "vascular": ("vascular", "arterial"), "rod-like": ("rod-like", "large rod-like"), "skin": ("skin", "dermal"),
       "rim": ("rim", "eggshell"), "lucent-centered": ("lucent-centered", "lucent-centred")},
    "asymmetry": {kind: (kind, kind.replace("asymmetry", "asymmetries")) for kind in ASYMMETRY_KINDS},
    "distribution": {d: (d,) for d in CALCIFICATION_DISTRIBUTIONS}
    | {"grouped": ("grouped", "clustered"), "linear": ("linear", "in a line"), "diffuse": ("diffuse", "scattered")},
    "place": {quadrant: (f"in the {quadrant} quadrant", f"in the {quadrant} breast", f"{quadrant} quadrant",
                  f"{quadrant} breast", initials)
       for quadrant, initials in zip(QUADRANTS, ("UOQ", "UIQ", "LOQ", "LIQ"), strict=True)}
    | {
        "upper": ("in the upper breast", "upper breast", "superiorly"),
        "lower": ("in the lower breast", "lower breast", "inferiorly"),
        "outer": ("in the outer breast", "outer breast", "laterally"),
        "inner": ("in the inner breast", "inner breast", "medially"),
        "central": ("in the central breast", "central breast", "centrally"),
        "retroareolar": ("in the retroareolar region", "retroareolar region", "retroareolar"),
        "axillary tail": ("in the axillary tail", "axillary tail"),
    },
    "depth": {d: (f"at {d} depth", f"in the {d} third", f"{d} depth", f"{d} third") for d in DEPTHS},
    "feature": {f: (f,) for f in FEATURES},
    "subtlety": {"1": ("very subtle",), "2": ("subtle",), "3": ("moderately subtle",), "4": ("conspicuous",),
                 "5": ("obvious",)},
    "density": {letter: (words, f"density {letter}") for letter, words in DENSITY_WORDS.items()}
    | {"A": ("almost entirely fatty", "almost entirely fat", "predominantly fatty", "density A"),
       "B": ("scattered areas of fibroglandular density", "scattered fibroglandular densities", "density B")},
    "birads": {
        "0": ("incomplete: need additional imaging evaluation", "incomplete, additional imaging evaluation is needed"),
        "1": ("negative", "no evidence of malignancy"),
        "2": ("benign finding", "benign"),
        "3": ("probably benign finding", "probably benign"),
        "4": ("suspicious finding", "suspicious abnormality"),
        "4A": ("low suspicion for malignancy",),
        "4B": ("moderate suspicion for malignancy",),
        "4C": ("high suspicion for malignancy",),
        "5": ("highly suggestive of malignancy",),
    },
}  # fmt: skip
NOUNS = {
    "mass": ("mass", "masses"),
    "calcification": ("calcifications", "microcalcifications", "calcification", "microcalcification"),
    "asymmetry": ("asymmetry", "asymmetries"),
    "distortion": ("architectural distortion", "distortion", "architectural distortions", "distortions"),
}
#: kind -> nouns that deny one of it, and no more than the kind: "no microcalcification" would allow larger ones
SINGULAR_NOUNS = {
    "mass": ("mass",), "calcification": ("calcification",), "asymmetry": ("asymmetry",),
    "distortion": ("architectural distortion", "distortion"),
}  # fmt: skip
#: densities whose phrases are nouns ("there are scattered areas of ..."); the others are adjectives
DENSITY_NOUNS = ("B",)
#: a density whose phrase is a noun without being a tissue: "parenchyma" and "tissue" are not almost entirely fat
FAT = ("almost entirely fat",)
#: what stands before the letter of a density
DENSITY_CODES = (
    "density", "ACR density", "breast density", "ACR breast density", "density category", "ACR category",
    "BI-RADS density", "breast composition category",
)  # fmt: skip
#: assessment -> words that stand beside its code
ASSESSMENT_WORDS = {
    "0": ("incomplete", "incomplete: need additional imaging evaluation"),
    "1": ("negative",),
    "2": ("benign",),
    "3": ("probably benign",),
    "4": ("suspicious",),
    "4A": ("low suspicion for malignancy",),
    "4B": ("moderate suspicion for malignancy",),
    "4C": ("high suspicion for malignancy",),
    "5": ("highly suggestive of malignancy",),
}
#: words of an assessment that are adjectives: "the study is classified as benign"; the others are nouns
ASSESSMENT_ADJECTIVES = (
    "incomplete", "negative", "benign", "probably benign", "suspicious", "highly suggestive of malignancy"
)  # fmt: skip

EXAM_FIELDS = {
    "indication": ("screening", "diagnostic", "palpable lump", "follow-up"),
    "comparison": ("none available", "prior mammogram", "no change from prior mammogram"),
    "recommendation": ("routine screening", "short-interval follow-up", "additional imaging", "tissue sampling"),
}
