"""Words that the parser knows besides the writer's: synonyms, plain words, and phrases that only look like findings."""

from __future__ import annotations

#: field -> value -> templates (see `trigger_words`)
SYNONYMS: dict[str, dict[str, tuple[str, ...]]] = {
    "shape": {
        "oval": ("oval shaped", "ovoid shaped", "lobulated", "lobular", "oval in shape", "shape oval", "elliptical"),
        "round": ("round shaped", "rounded", "round in shape", "shape round"),
        "irregular": ("irreg", "irreg .", "irregularly shaped", "irregular shaped", "irregular in shape",
                      "irregular shape"),
    },
    "margin": {
        "circumscribed": (
            "well circumscribed", "well defined", "sharply defined",
            "well marginated", "well demarcated", "circ", "circ .", "well circ",
        ),
        "obscured": ("partially obscured", "partly obscured"),
        "microlobulated": ("micro lobulated",),
        "indistinct": (
            "ill defined", "poorly defined", "ill circumscribed", "indistinctly marginated", "poorly marginated",
            "indist", "partly indistinct",
        ),
        "spiculated": ("spiculate", "spiculations", "spiculation", "spicules", "spic", "spic .", "partly spiculated"),
    },
    "mass_density": {
        "high": ("high density", "hyper dense", "of high density", "density high", "increased density"),
        "equal": ("equal density", "iso dense", "of equal density", "density equal"),
        "low": ("low density", "hypo dense", "of low density", "density low"),
        "fat-containing": ("fat containing", "containing fat", "fat density", "density fat"),
    },
    "morphology": {
        "amorphous": ("indistinct amorphous",),
        "coarse": ("popcorn like", "popcorn", "coarse popcorn like"),
        "coarse heterogeneous": ("coarse and heterogeneous", "heterogeneous coarse"),
        "fine pleomorphic": ("finely pleomorphic",),
        "fine linear branching": (
            "fine linear and branching", "fine branching", "fine linear or fine linear branching", "linear branching",
            "finely branching",
        ),
        "skin": ("dermal", "cutaneous"),
        "vascular": ("arterial", "breast arterial", "vascular type"),
        "rod-like": ("large rod like", "rod shaped", "secretory", "rodlike"),
        "rim": ("rim like", "eggshell", "egg shell"),
        "milk of calcium": ("layering milk of calcium", "teacup"),
        "lucent-centered": ("lucent centered", "lucent centred", "with lucent centers"),
        "punctate": ("punctuate",),
    },
    "distribution": {
        "grouped": (
            "(group|groups|cluster|clusters|grouping|groupings) of", "in a (cluster|group)", "clustered", "grouped",
            "in clusters", "in groups",
        ),
        "linear": ("in a linear distribution", "linearly distributed", "linearly arranged"),
        "segmental": ("segmentally distributed",),
        "diffuse": ("diffusely scattered", "diffusely distributed", "diffusely", "scattered throughout"),
        "regional": ("regionally distributed",),
    },
    "asymmetry": {
        "focal asymmetry": ("focal (asymm|asym) (.|)", "focal asymmetric (density|densities)"),
        "global asymmetry": ("global (asymm|asym) (.|)",),
        "developing asymmetry": ("developing (asymm|asym) (.|)", "developing (asymmetric|) (density|densities)"),
    },
    "place": {
        "upper outer": (
            "upper (and|/|) outer", "outer (and|/|) upper", "(superior|supero) (and|/|) lateral", "superolateral",
            "lateral superior", "lateral upper", "upper lateral", "superior outer",
            "(superior|supero|upper) external", "external (superior|upper)",
        ),
        "upper inner": (
            "upper (and|/|) inner", "inner (and|/|) upper", "(superior|supero) (and|/|) medial", "superomedial",
            "medial superior", "medial upper", "upper medial", "superior inner",
            "(superior|supero|upper) internal", "internal (superior|upper)",
        ),
        "lower outer": (
            "lower (and|/|) outer", "outer (and|/|) lower", "(inferior|infero) (and|/|) lateral", "inferolateral",
            "lateral inferior", "lateral lower", "lower lateral", "inferior outer",
            "(inferior|infero|lower) external", "external (inferior|lower)",
        ),
        "lower inner": (
            "lower (and|/|) inner", "inner (and|/|) lower", "(inferior|infero) (and|/|) medial", "inferomedial",
            "medial inferior", "medial lower", "lower medial", "inferior inner",
            "(inferior|infero|lower) internal", "internal (inferior|lower)",
        ),
        "upper": ("upper", "superior", "superiorly", "upper half", "(upper|superior) aspect"),
        "lower": ("lower", "inferior", "inferiorly", "lower half", "(lower|inferior) aspect"),
        "outer": ("outer", "lateral", "laterally", "outer half", "(outer|lateral) aspect"),
        "inner": ("inner", "medial", "medially", "inner half", "(inner|medial) aspect"),
        "central": ("central", "centrally"),
        "retroareolar": (
            "subareolar", "sub areolar", "retro areolar", "periareolar", "behind the nipple", "beneath the areola",
            "retroareolar", "(behind|beneath|deep to) the (right|left|) (nipple|areola)",
        ),
        "axillary tail": ("axillary tail", "tail of spence"),
    },
    "depth": {
        "anterior": (
            "anterior depth", "depth anterior", "anterior third", "anteriorly", "anterior (right|left|) breast",
            "anterior (aspect|part|portion)", "ant depth",
        ),
        "middle": (
            "middle depth", "depth middle", "mid depth", "middle third", "mid third", "mid breast depth",
            "(middle|mid) (right|left|) breast", "mid portion",
        ),
        "posterior": (
            "posterior depth", "depth posterior", "posterior third", "posteriorly", "posterior (right|left|) breast",
            "posterior (aspect|part|portion)", "far posterior", "post depth",
        ),
    },
    "feature": {
        "skin thickening": ("thickened skin", "thickening of the skin", "skin is thickened", "cutaneous thickening"),
        "skin retraction": ("retraction of the skin", "skin is retracted", "retracted skin", "skin dimpling"),
        "nipple retraction": ("retracted nipple", "retraction of the nipple", "nipple is retracted"),
        "trabecular thickening": ("thickened trabeculae", "trabeculae are thickened"),
        "axillary adenopathy": (
            "axillary (adenopathy|lymphadenopathy) in the (right|left|) axilla",
            "axillary lymphadenopathy", "adenopathy in the (right|left|) axilla", "axillary nodal enlargement",
            "enlarged (right|left|) axillary (lymph|) (node|nodes)",
            "enlarged (lymph|) nodes in the (right|left|) (axilla|axillae)", "enlarged (lymph|) (node|nodes)",
            "lymphadenopathy in the (right|left|) axilla",
        ),
        "suspicious lymph node": (
            "suspicious (right|left|) (axillary|) (lymph|) nodes", "suspicious (right|left|) axillary (lymph|) node",
            "suspicious lymph nodes",
        ),
        "abnormal lymph node": (
            "abnormal (right|left|) (axillary|) (lymph|) nodes", "abnormal (right|left|) axillary (lymph|) node",
        ),
        "intramammary lymph node": ("intramammary (lymph|) nodes", "intramammary node", "intra mammary lymph node"),
        "dilated duct": (
            "(duct|ductal) ectasia", "ectatic (duct|ducts)",
            "(dilated|prominent) (retroareolar|subareolar) (duct|ducts)",
            "dilated ducts", "solitary dilated duct", "ductal dilatation", "duct dilatation",
        ),
        "skin lesion": ("skin lesions",),
    },
    "density": {
        "A": (
            "(almost|) entirely (fatty|fat)", "(mostly|predominantly|largely|mainly) (fatty|fat)", "fatty replaced",
            "(almost|) entirely (fatty replaced|replaced by fat)", "(almost|) entirely fatty replaced",
            "predominantly fatty replaced", "almost completely fatty", "(almost|) entirely replaced by fat",
            "predominantly fatty tissue", "almost entirely fatty tissue",
        ),
        "B": (
            "scattered (areas of|) fibroglandular (density|densities|tissue|tissues|elements|parenchyma)",
            "scattered fibroglandular", "scattered areas of fibroglandular tissue",
        ),
        "C": ("heterogeneously dense", "heterogenously dense"),
        "D": ("extremely dense",),
    },
    "birads": {
        "0": (
            "incomplete", "need additional imaging evaluation", "needs additional imaging evaluation",
            "additional imaging needed", "additional imaging evaluation needed", "incomplete assessment",
            "need additional imaging evaluation and / or prior mammograms for comparison",
            "incomplete ( : | , | - | . |) need additional imaging evaluation and / or prior mammograms for comparison",
            "(incomplete|incomplete assessment) ( : | , | - |) (need|needs) additional imaging (evaluation|)",
        ),
        "1": (
            "no (mammographic|radiographic|imaging|) (evidence|features|signs|sign) of (malignancy|cancer)",
            "negative (mammogram|mammography|examination|exam|study)", "normal mammogram",
            "negative for malignancy", "no mammographic evidence for malignancy", "no evidence for malignancy",
        ),
        "2": ("benign findings", "benign mammogram"),
        "3": ("probably benign findings", "probable benign"),
        "4": ("suspicious abnormalities", "suspicious for malignancy", "suspicious finding", "suspicious findings"),
        "4A": ("low suspicion (for|of) malignancy",),
        "4B": ("moderate suspicion (for|of) malignancy", "intermediate suspicion (for|of) malignancy"),
        "4C": ("high suspicion (for|of) malignancy",),
        "5": ("highly suggestive of (malignancy|cancer)",),
    },
}  # fmt: skip

#: kind -> further nouns
MORE_NOUNS = {
    "mass": ("masses", "mass lesion", "mass lesions"),
    "calcification": (
        "calcification", "microcalcification", "micro calcifications", "calcific deposits", "macrocalcifications",
        "calcs", "microcalcs", "calc", "calc .", "calcs .", "microcalc", "calcium deposits",
    ),
    "asymmetry": ("asymmetries", "asymm", "asymm .", "asym", "asymms", "asymmetric density", "asymmetric densities"),
    "distortion": (
        "architectural distortions", "distortions", "distortion of the (normal|) architecture",
        "distortion of the parenchyma", "parenchymal distortion", "arch dist", "arch . dist .", "arch . distortion",
        "arch distortion", "architectural dist", "structural distortion", "distortion of architecture",
    ),
}  # fmt: skip

#: phrases that hold a noun of a finding and mean something else
NO_FINDING = (
    "asymmetry (of|in) (the|) (breasts|breast size|size)", "(size|breast size) asymmetry",
    "mass general",
    "body mass", "body mass index", "bone mass", "mass effect", "mass like", "masslike", "image distortion",
    "motion distortion", "bone density", "lean mass", "muscle mass", "non mass", "mass screening",
    "(benign|reactive|normal appearing|benign appearing) (axillary|) (lymph|) (node|nodes)", "fatty lymph (node|nodes)",
    "(axillary|) (lymph|) (node|nodes) (is|are) (not|neither) (enlarged|suspicious|abnormal|prominent|pathologic)",
    "normal (appearing|looking|) (right|left|bilateral|) axillary (lymph|) (node|nodes)",
    "non suspicious", "nonsuspicious", "calcification score", "geometric distortion", "mass spectrometry",
    "calcium score", "non (calcified|tender|palpable|specific|spiculated|circumscribed|dense)",
)  # fmt: skip

#: these make a lymph node a normal one
BENIGN_NODES = (
    "(preserved|normal|central|) fatty (hilum|hila|hilus|hilar|center|centre)",
    "of normal (size|appearance|morphology)",
)
#: what these words say is no finding and limits none
REMARKS = (
    "(which|that|this|) (may|can|could) obscure (small|) (mass|masses|lesions)",
    "(which|that|this|) (may|can|could) obscure detection of (small|) (mass|masses|lesions)",
    "which (lowers|limits|reduces) the sensitivity of mammography", "may obscure masses",
    "none of (which|them|these|those) (is|are|appear|appears) (suspicious|worrisome|concerning)",
    "whose (margins|margin|shape|borders|border) (can|could) not be (fully|well|completely|) (assessed|evaluated|seen)",
    "(margins|margin|shape|borders|border) (can|could) not be (fully|well|completely|) (assessed|evaluated|seen)",
    "(we are|i am) (pleased|happy|glad) to (tell|inform) you that your",
    "(size|shape|margin|margins|location|depth|morphology|distribution|density) (is|are|) not "
    "(stated|known|specified|reported|mentioned|assessed|recorded|documented|evaluated)",
    "(on|upon) (further|second|closer|renewed|) review", "(in retrospect|retrospectively)",
    "not only", "(secondary|other|additional) (sign|signs|feature|features) of malignancy",
    "(compared|comparison) (with|to) (the|) (prior|previous) "
    "(study|studies|exam|exams|examination|examinations|mammogram|mammograms|mammography|images)",
)  # fmt: skip

#: words that join: "or" is kept apart, because it leaves open which one holds
JOINING = {"and": ("and", "as well as", "&", "plus", "along with", "also"), "or": ("or", "and / or"),
           "comma": (",", "/", "(", ")", "[", "]", "+", "|")}  # fmt: skip
WITH = ("with", "w /", "with associated", "having", "containing", "showing", "associated with")
VERBS = (
    "(is|are|was|were|has been|have been|can be|be|) (also|) "
    "(seen|identified|noted|visualized|visualised|present|demonstrated|depicted|detected|appreciated|"
    "observed|evident|visible|found|shown)",
    "measures", "measure", "persists", "exists", "is", "are", "was", "were", "be", "been", "has been", "have been",
    "appears", "appear", "being", "located", 
    "extending", "covers", "covering", "occupying", "spread", "(is|are) located", "lies",
    "occupies", "occupy", "extend", "extends",
)  # fmt: skip
DEFINITE = ("the", "this", "these", "that", "those", "its", "such")
INDEFINITE = ("a", "an", "any", "some", "one or more")
PREPOSITIONS = (
    "in",
    "at",
    "of",
    "on",
    "within",
    "near",
    "throughout",
    "along",
    "from",
    "to",
    "for",
    "by",
    "into",
    "over",
)
SEVERAL = ("multiple", "several", "numerous", "many", "a few", "few", "some")
COUNTS = {word: number for number, word in enumerate(
    ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), start=1)} | {
    "single": 1, "solitary": 1, "a single": 1, "a pair of": 2}  # fmt: skip
VIEWS = (
    "(cc|mlo|ml|lm|xccl|mediolateral|craniocaudal|spot compression|magnification|tangential|oblique|lateral|additional)"
    " (and mlo|and cc|magnification|compression|) (view|views|image|images|projection|projections)", "cc", "mlo",
    "(right|left|) (cc|mlo|ml|lm|mediolateral oblique|mediolateral|craniocaudal) (view|image|projection|) (only|alone)",
    "(1|one) view only", "only (on|in) (the|) (right|left|) (cc|mlo) (view|)", "(cc|mlo) only",
    "only one view", "one view", "one view only", "single view", "two views",
)  # fmt: skip
ALL_VIEWS = (
    "(the|) (additional|spot|implant displaced|diagnostic) (views|images)",
    "(any|either|all|both|these|the) (view|views|image|images|study)",
    "on any (of the|) (view|views)",
    "(on|in|) (the|) (2 d|3 d) (or|and|/|) (2 d|3 d|) (images|views|mammography|)",
)

#: words that change nothing in what a sentence states
PLAIN = (
    "a b c d above accounting after all amount appearance appearing approximately area areas around as assessment "
    "associated average axis bi-rads birads both breast breasts category clear clock comparison compared composition "
    "currently density described detail diameter dimension direction distribution each either elsewhere "
    "evidence evident examination exam exhibit extending extent evidently findings focus foci found fibroglandular "
    "greatest has have having here i images imaging it largest level line location mammogram mammograms mammography "
    "mammographic mammographically margin margins margined marginated maximum max measuring measurement measurements "
    "measures morphology o'clock otherwise our overlying parenchyma parenchymal part portion position projecting "
    "quadrant quadrants radiographically region regions remainder rest seen segment shape shaped side sided sides "
    "sign signs site situated size sized spanning spans shows slightly study surrounding that there these this "
    "thus tissue tissues today tomosynthesis total type types up upon view views visible visualized we where which "
    "within about circa ca number count in is are on over well who year years month months week weeks since interval "
    "time surgically today's "
    "assessed classified categorized categorised composed rated code final "
    "overall screening diagnostic bilateral bilaterally digital "
    "spot compression magnification impression conclusion summary report exam acr atlas cm mm - : . ' " 
    '" # = * ! ⇒ only still also likewise similarly therefore patient it\'s there\'s s they them it its his her'
)  # fmt: skip
#: words that stand for the finding of the sentence before
IT = ("it", "this", "they", "these", "its", "this finding", "the finding", "the findings", "the margins", "the lesion",
      "the margin", "the shape", "the abnormality", "the size", "size", "shape", "margin", "margins", "this lesion",
      "distribution", "morphology", "location", "the largest", "the largest one", "the larger")  # fmt: skip
