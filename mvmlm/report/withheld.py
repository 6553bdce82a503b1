"""What is withheld because it is open what a sentence says of it: it is said, and neither taken nor denied.

A denial, a doubt or a plan can be told in words that no table holds ("neg mass", "mass: unknown", "called back for a
mass"), and a list can be read in two ways ("no masses, calcifications present"). Such findings are never guessed.
"""

from __future__ import annotations

from .phrases import Item
from .status import TARGETS, Status
from .typing_errors import resembles_a_descriptor

#: words that the lexicon lacks, and that deny and doubt nothing; so do adverbs
_HARMLESS_WORDS = (
    "towards nipple long standing longstanding sub centimetre centimeter "
    "smooth small tiny little large big huge minute calcified noncalcified solid dense denser faint mild moderate "
    "marked severe slight minimal extensive bulky sparse very well best far toward somewhat calcific subcentimeter "
    "palpable benign typical looking incidental postsurgical postoperative postlumpectomy lumpectomy postbiopsy "
    "surgical radiation post single superficial deep prominent coalescent innumerable nonspecific indeterminate "
    "isolated lucent fatty glandular layering sharp lobular nodular elongated bilobed multilobulated heterogeneous "
    "homogeneous uniform stellate tubular following distinct separate adjacent satellite what vague focal dominant "
    "asymmetric stromal axilla axillae axillary areola fine least less more than finding findings lesion lesions "
    "abnormality nodule density densities corresponds corresponding correlates harbors overlies underlies marks bb "
    "clip surrounded accompanied arranged oriented distributed confined centered contour contours border borders "
    "lump lumps marker markers scar scars biopsy clips nonpalpable impalpable partly better subcentimetre "
    "measurable maximal fold folds bilat optimally angular lenticular behind beneath cyst cysts fibroadenoma "
    "fibroadenomas hamartoma lipoma hematoma seroma necrosis papilloma partially yes newly likewise same additional "
    "attached rather quite markedly mixed complex simple raised old chronic thick thin mobile too imaged included "
    "captured abutting near next close tethered layered clumped crowded"
)
_HARMLESS = frozenset(_HARMLESS_WORDS.split())
_HARMLESS_ENDS = ("ly", "lobulated", "ular", "linear", "shaped", "oid")
#: what stands in front of one of these only tells where a finding is: "a clip within the mass"
_PLACING = frozenset({"in", "at", "within", "near", "on", "along"})
_OPENERS = ("article", "the", "count", "several", "with")
_JOINTS = (":", "-", "=")
#: a denial with one of these is one of a part of the breast
_IN_PART = frozenset({"elsewhere", "rest", "remainder"})
#: a denial in front of one of these is one of some of the findings
_ALL = frozenset({"all", "every", "always", "each"})
_SEEN = frozenset({"present", "seen", "noted", "identified", "visible", "evident", "found", "visualized"})
_TAKEN = (Status.PRESENT, Status.POSSIBLE)
_DENIALS = (Status.DENIED, Status.NOT_SUSPICIOUS)


def withhold(items: list[Item], statuses: list[Status]) -> list[Status]:
    """Return the statuses of a sentence's items, UNCLEAR or LIMITED for the findings that are not to be taken."""
    lost = _is_lost(items)
    found = list(statuses)
    for i, item in enumerate(items):
        if not item.is_a(*TARGETS):
            continue
        if found[i] in _TAKEN:
            if (lost and found[i] is Status.PRESENT) or _turned_before(items, i) or _turned_behind(items, i):
                found[i] = Status.UNCLEAR
        elif found[i] in _DENIALS:
            if _may_begin_anew(items, i):
                found[i] = Status.UNCLEAR
            elif _is_in_part(items, i) or _is_of_new_ones(items, i):
                found[i] = Status.LIMITED
    return found


def _is_lost(items: list[Item]) -> bool:
    """Whether a clause doubts or denies what another one names ("..., but is unlikely"), or a doubt has no object."""
    end = max((i for i, item in enumerate(items) if not item.is_a("plain", "verb", "comma")), default=-1)
    if end >= 0 and items[end].is_a("doubt before") and not items[end].is_a("doubt after"):
        return True
    unclear = named = False
    for item in items:
        if item.is_a("end", "except"):
            if unclear and not named:
                return True
            unclear = named = False
        unclear |= item.is_a("unclear", "past around")
        named |= item.is_a(*TARGETS)
    return unclear and not named


def _may_begin_anew(items: list[Item], noun: int) -> bool:
    """Whether a denied finding may begin a statement of its own: "no masses and calcifications are seen"."""
    behind = items[noun + 1] if noun + 1 < len(items) else None
    if behind is None or not (behind.is_a("verb") or behind.text in _SEEN):
        return False
    joints = 0
    for i in range(noun - 1, -1, -1):
        item = items[i]
        if item.is_a("or") or item.text in ("nor", "neither"):
            return False
        if item.is_a("deny before"):
            return joints == 1 and not any(x.is_a("affirm") for x in items[:i])
        joints += item.is_a("and", "comma")
    return False


def _is_in_part(items: list[Item], noun: int) -> bool:
    """Whether a denial is one in a part of the breast, or one of some findings: "does not show all masses"."""
    denied = False
    for item in items[:noun]:
        denied |= item.is_a("deny before")
        if denied and item.text in _ALL:
            return True
    return any(item.text in _IN_PART for item in items)


def _is_of_new_ones(items: list[Item], noun: int) -> bool:
    """Whether a denial is one of what is new only: "no masses that are new"."""
    behind = items[noun + 1 :]
    return bool(behind) and behind[0].text in ("that", "which") and any(item.is_a("sort") for item in behind)


def is_unknown(item: Item) -> bool:
    """Return whether an item is a word that is not known, and not one that denies and doubts nothing."""
    word = item.text
    if item.roles or not (word.isalpha() or word == "0") or word in _HARMLESS or word.endswith(_HARMLESS_ENDS):
        return False
    return not resembles_a_descriptor(word)


def _turned_before(items: list[Item], noun: int) -> bool:
    """Whether an unknown word stands before a finding and outside of its phrase: "concerned about a mass"."""
    pending = False
    opened = False
    for item in reversed(items[:noun]):
        if item.is_a("affirm", "comma", "and", "or", "end", "except", *TARGETS):
            return pending
        if item.is_a(*_OPENERS):
            opened, pending = True, False
        elif opened and item.text in _PLACING:
            return False
        elif is_unknown(item):
            if opened:
                return True
            pending = True
    return pending


def _turned_behind(items: list[Item], noun: int) -> bool:
    """Whether an unknown word says what a finding is: "mass: unknown", "the mass was aspirated", "mass doubted"."""
    said = False
    for i, item in enumerate(items[noun + 1 :], start=noun + 1):
        if is_unknown(item):
            return said or (i == noun + 1 and (i + 1 == len(items) or items[i + 1].is_a("end", "comma")))
        if item.is_a("verb") or item.text in _JOINTS:
            said = True
        elif not item.is_a("plain", "still", "article", "the"):
            return False
    return False
