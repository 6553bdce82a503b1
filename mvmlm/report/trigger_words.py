"""The words that deny, doubt, date or plan a finding, and those that end their reach.

The families and their directions are those of NegEx (Chapman et al., "A Simple Algorithm for Identifying Negated
Findings and Diseases in Discharge Summaries", 2001) and ConText (Harkema et al., "ConText: An Algorithm for Determining
Negation, Experiencer, and Temporal Status from Clinical Reports", 2009); the words are those of mammography. The
libraries medspacy and negspacy hold the same families, but bring spaCy (hundreds of MB) for what a table does here.

A template stands for several phrases: "(is|are) not seen" for two, "not (clearly|) seen" also for one without the word.
"""

from __future__ import annotations

_SEEN = (
    "(seen|identified|noted|visualized|visualised|present|demonstrated|detected|appreciated|observed|evident|apparent|"
    "visible|found|shown|recognized|recognised|discernible|depicted|reproduced|confirmed|there|in evidence)"
)
_PRIOR = (
    "(the|) (prior|previous|earlier|last|outside) "
    "(mammogram|mammograms|mammography|exam|examination|study|studies|films|images)"
)
_SHOW = "(show|demonstrate|reveal|contain|have|exhibit|display|identify|detect|find|see|harbor|depict)"

#: family -> templates. BEFORE: the trigger stands before what it speaks of; AFTER: behind it; AROUND: either
TRIGGERS: dict[str, tuple[str, ...]] = {
    "deny before": (
        "no", "not", "without", "w / o", "with out", "w / out",
        "neither", "never", "non", "negative for", "free (of|from)", "clear of",
        "devoid of", "absence of", "lack of", "lacks", "lacking", "unremarkable for", "denies", "nothing to suggest",
        f"(does|do|did|can|could) not {_SHOW}", "(fail|fails|failed) to (show|demonstrate|reveal|identify)",
        "(rules|ruled) out", "excludes", "negative for (any|) evidence of", "nor",
        "nor (is|are|was|were) there", "(no|without) e / o", "rather than",
        "as opposed to", "and not", "absent of",
        "without evidence of", "not a single", "neither (breast|side) (contains|shows|has)",
        "no (mammographic|sonographic) (or|and) (mammographic|sonographic) (evidence|sign|signs) of",
        "unable to (see|identify|detect|find|demonstrate|appreciate)",
        "no (mammographic|radiographic|imaging|definite|convincing|) (evidence|sign|signs|indication) (of|for)",
    ),
    "deny after": (
        f"not (currently|now|otherwise|) {_SEEN}", f"(can|could) not be {_SEEN}", "absent", "none", "nil",
        f"none {_SEEN}", "(has|have) been (excluded|ruled out)", "(is|are|was|were) (excluded|ruled out)",
        "ruled out", "excluded",
    ),
    "doubt before": (
        "possible", "possibly", "probable", "probably", "likely", "likely represents", "(most|very) likely",
        "question of", "questionable",
        "questioned", "query", "suspected", "equivocal", "suspicion (of|for)", "suspicious for", "concern for",
        "concerning for", "worrisome for", "(may|might|could) (represent|be|reflect|indicate|have|contain|suggest)",
        "(can|could) not (entirely|completely|definitely|) (exclude|rule out)", "(does|do|did) not (exclude|rule out)",
        "not (exclude|rule out)", "(unable|difficult|impossible|hard) to (exclude|rule out)", "suggestive of",
        "suggests",
        "suggesting", "suggestion of", "possibility of", "versus", "vs", "presumed", "presumably", "perhaps", "whether",
        "not certain", "uncertain", "unclear", "(appears|appear|seems|seem) to be (a|an)",
        "(it is|) (uncertain|unclear|not certain|questionable) (whether|if) (there is|there are|there|)",
        "(there|what|this|it|these) (appears|appear|seems|seem) to be (a|an|)",
        "thought to (represent|be)", "favored to (represent|be)", "maybe",
        "(raise|raises|raised|raising) (the|a|) (possibility|question|suspicion|concern) (of|for)",
        "differential", "apparent", "borderline", "doubtful", "dubious", "suspicious of", "hint of", "impression of a",
    ),
    "doubt after": (
        "(can|could) not be (entirely|completely|definitely|) (excluded|ruled out)",
        "(is|are|) not (entirely|completely|definitely|) (excluded|ruled out)", "not (excluded|ruled out)",
        "(has|have|had) (not|never) been (entirely|completely|definitely|) (excluded|ruled out)",
        "(is|are|was|were|) (believed|thought|felt|presumed|assumed|said|considered) to be (present|there|seen)",
        "(appears|appear|seems|seem|seemed|appeared) to be (present|there|seen|visible)",
        "(may|might|could) be (present|seen|there)", "(is|are|) (difficult|impossible|hard) to (exclude|rule out)",
        "(is|are|) (suspected|questioned|questionable|possible|probable)",
        "should be considered", "(is|are) considered", "(is|are) a (consideration|possibility)", "versus", "vs",
        "likely present", "equivocal", "(is|are) (uncertain|unclear|equivocal|likely|probable)",
        "remains possible", "not certain", "(is|are) suggested", "doubtful", "dubious",
    ),
    "past before": (
        "history of", "hx of", "h / o", "status post", "s / p", "st post", "(interval|) resolution of",
        "(interval|prior|previous|) (removal|excision|resection) of", "resolved", "former", "formerly",
        "(prior|previous) biopsy of", "(patient|she) had", "no history of", "family history", "personal history",
        "clinical history", "disappearance of",
    ),
    "past after": (
        "(has|have|) (completely|since|now|) resolved", "resolves", "(has|have|) disappeared", "disappears", "excised",
        "removed", "resected", "biopsied", "effaces", "effaced", "dissipates", "dissipated", "disperses", "dispersed",
        "(does|did|do) not persist", "not (persisting|persistent|sustained|reproducible)",
        "(non|no longer) (persisting|persistent)", "gone", "ago", "(was|were) (present|seen|noted) (then|before)",
        "(on|in) (the|) (prior|previous|earlier|last|outside) "
        "(mammogram|mammograms|mammography|exam|examination|study|studies|films|images|report)",
    ),
    "past around": ("no longer", "not seen (today|now)", "not (present|identified|visualized) (today|now)"),
    "earlier": (
        "(previously|initially) questioned", "questioned (on|at|in) (the|) (prior|previous|screening)",
        "previously", "prior", "previous", "(seen|noted|described|identified|reported) (previously|before|earlier)",
        "seen at screening", "earlier", "had", "used to (be|have|show)", "last (visit|year|time|month)",
        "(old|outside|last) (film|films|mammogram|mammograms|images|study|studies|exam|examination|report)",
    ),
    "plan before": (
        "if", "in case", "unless", "(should|to|) be evaluated for", "(evaluate|evaluated|assess|check|look) for",
        "(further|) (evaluation|assessment) (of|for)", "to (evaluate|assess|exclude|characterize|rule out|confirm)",
        "rule out", "r / o", "screening for", "(recommend|recommends|recommended|recommendation|recommending)",
        "(biopsy|aspiration|sampling|localization|monitoring|surveillance) (of|for)", "follow up (of|for)",
        "(advise|advised)", "please", "consider", "correlate", "correlation", "risk (of|for)", "detection of",
        "sensitivity (for|of)", "looking for", "watch for", "(may|can|could) (obscure|hide|mask|present as)", "would",
        "until", "patient (feels|reports|complains|presents|noticed|noted|states|describes)", "complains of",
        "(presents|presenting) with", "feels", "palpates", "self detected", "mother", "sister", "aunt", "daughter",
        "to (determine|document|establish|decide|check|see)", "(return|returns|come back) (in|for)", "undergo",
        "reason for (exam|examination|study)", "indication", "limits (the|) evaluation", "when", "should", "should a",
        "suggest", "question", "concern of", "patient concern",
    ),
    #: a category behind one of these is the right one; what else stands behind it is not understood
    "reads": (
        "(should|is to|ought to) (read|say|be)", "(is|has been|was) (changed|revised|amended|upgraded|downgraded) to",
    ),
    "plan after": (
        "(is|are|was|were) (recommended|advised|suggested|requested|planned|scheduled)",
        "(may|might|can|could|would|will) (be|go|remain) "
        "(missed|obscured|hidden|masked|overlooked|undetected|concealed|unseen|invisible|occult)",
    ),
    "end": (
        "but", "only",
        "however", "although", "though", "yet", "nevertheless", "whereas", "while", "despite", ";", "instead",
        "but (also|)", "on the other hand", "notwithstanding",
    ),
    "except": (
        "except", "except for", "other than", "apart from", "aside from", "besides", "with the exception of",
        "nothing but", "no (other|) (finding|findings|abnormality) (other than|except|apart from)",
    ),
    #: what follows is no finding, and explains the one before: "consistent with a fibroadenoma"
    "explains": (
        "(most|more|) consistent with", "compatible with", "in keeping with", "c / w", "s / o", "suspicious (of|for)",
        "(representing|represents|represent)", "(most|very|) likely (representing|represents|represent|reflecting)",
        "(likely|probably|presumably|possibly|perhaps) (due to|related to|from|secondary to|reflecting)",
        "(is|are) (likely|probable)", "(most likely|very likely|probably|presumably|likely|possibly|perhaps)",
        "to represent",
        "(typical|characteristic|diagnostic|suggestive|suspicious|indicative|worrisome|concerning) (of|for)",
        "(due|secondary|related) to", "because of", "(may|might|could) (represent|be|reflect|indicate)",
        "(thought|felt|favored|favoured|believed|presumed) to (represent|be|reflect)",
        "suggesting", "(suggests|suggest)", "reflecting", "with features of", "with the appearance of",
        "(corresponding|corresponds|correspond|correlating|correlates|correlate) (to|with)", "attributed to",
    ),
    #: a denial of these is none of a finding: NegEx's pseudo-negations
    "change": (
        "change", "changes", "changed", "increase", "increased", "increases", "decrease", "decreased", "growth",
        "grown", "enlargement", "enlarged", "progression", "progressed", "difference", "different", "alteration",
        "altered", "evolved", "evolution", "worsening",
    ),
    "still": (
        "stable", "unchanged", "again", "again (seen|noted|identified|demonstrated)", "persists", "persist",
        "persistent", "remains", "remain", "similar", "today", "now", "currently", "new", "newly", "larger", "smaller",
        "redemonstrated", "redemonstration of", "increasing", "decreasing", "enlarging", "unaltered", "stability of",
        f"(previously|formerly) not {_SEEN}", f"not (previously|formerly) {_SEEN}",
        f"not {_SEEN} (previously|before|earlier)", f"not {_SEEN} (on|in) {_PRIOR}",
        f"(than|since|from) (on|in|) {_PRIOR}", "than before", "has developed", "has appeared",
        "(is|are) also (seen|noted|present)", "developed",
        "than (on|in|at|) (the|) (prior|previous|previously|earlier)",
        f"(when|as) compared (with|to) {_PRIOR}",
        "(when|as|) compared (with|to) (the|) (prior|previous|before|earlier)",
        f"in comparison (with|to) {_PRIOR}", f"comparison is made (with|to) {_PRIOR}", "stable appearing",
    ),
    "suspicious": (
        "susp", "susp .", "suspicious", "suspicious appearing", "suspicious looking",
        "worrisome", "worrisome appearing", "concerning",
        "malignant", "malignant appearing", "mammographically suspicious", "abnormal", "significant",
    ),
    "suspicious after": (
        "to suggest malignancy", "suggesting malignancy", "suggestive of malignancy", "to suggest (cancer|carcinoma)",
        "(suspicious|worrisome|concerning) for malignancy", "(of|with) concern", "that (is|are) suspicious",
        "(that|which) (suggest|suggests) malignancy", "indicative of malignancy",
    ),
    "whole": (
        "dominant", "discrete", "definite", "definable", "convincing", "mammographic", "radiographic", "discernible",
        "focal abnormality or", "identifiable", "demonstrable", "visible", "associated", "underlying", "such",
    ),
    "sort": (
        "other", "additional", "further", "new", "newly", "enlarging", "residual", "recurrent", "known", "palpable",
        "larger", "growing", "increasing", "more", "second", "third",
        "fourth", "fifth", "another", "developing", "interval", "(interval|) development of", "similar",
    ),
    "affirm": (
        "there (is|are|was|were)", "there (has|have) been", "(shows|show|showed|showing|demonstrates|demonstrated)",
        "(demonstrate|demonstrating|contains|contain|reveals|reveal|revealed|exhibits|displays)", "has a", "has an",
        "(has|have|we see|i see)", "is seen to have", "(also|) present (is|are)", "(confirm|confirms|confirmed)",
    ),
    #: a sentence with one of these is not taken: what it says cannot be told from its words
    "unclear": (
        "unlikely", "paucity", f"not (definitely|clearly|well|convincingly|reliably) {_SEEN}",
        "(almost|virtually|practically|nearly) (no|without)",
        "hardly", "barely", "scarcely", "none of", "nowhere", "nothing", "not all", "less likely",
        "few if any", "nor is", "no one", "instead of", "contrary to", "denied", "cannot tell", "nothing else",
        "coronary", "renal", "aortic", "carotid", "artery", "bone", "lung", "liver", "thyroid", "uterine", "pelvic",
        "consistent with", "compatible with", "in keeping with", "representing", "represents", "mimics", "mimicking",
        "simulates", "simulating", "pseudomass", "thought not", "questionably", "false",
        "erroneous", "(should|is to|ought to) (read|say|be)",
        "(is|has been|was) (revised|amended|upgraded|downgraded) to",
        "cancelled", "disregard", "motion", "blur", "blurring", "blurred",
        "(is|are|was|were|due to|from|represent) (an|) (artifact|artifacts|artefact|artefacts)", "artifactual",
        "may", "might", "could", "will", "must", "women", "patients", "percent", "%", "whose", "monitor",
        "technologist", "of the (image|images|picture|pictures|film)",
        "(image|picture|geometric|geometrical|optical) distortion",
        "improbable",
        "(no|any|without) (evidence|sign|signs|indication|suggestion|question|doubt) that", "no (question|doubt) of",
        "(mri|ultrasound|sonography|sonogram|ct|pet) "
        "(shows|showed|show|demonstrates|demonstrated|reveals|revealed|identifies|identified|found|confirms|confirmed)",
        "(on|by|at|with) targeted (ultrasound|sonography)",
        "(on|by|at|with) (the|) (mri|ultrasound|sonography|sonogram|ct|pet)",
        "(may|might|could) be that", "(i|we) (think|believe|guess|assume|feel)", "per", "according to", "reportedly",
        "allegedly", "supposedly", "so called", "?", "(scratch|strike|delete|cancel|retract) that",
        "not (assessed|evaluated|evaluable|assessable|applicable|known|stated|reported|mentioned|documented|recorded)",
        "not (specified|examined|commented)", "not (in|at|on|within|located)",
        "correction", "i mean", "( - )", "( + )", "( )", "[ ]", "[ x ]", "[ - ]", "[ + ]",
    ),
}  # fmt: skip
