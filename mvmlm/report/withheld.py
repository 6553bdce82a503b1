"""What is withheld because it is open what a sentence says of it: it is said, and neither taken nor denied.

A denial, a doubt or a plan can be told in words that no table holds ("neg mass", "mass: unknown", "called back for a
mass"), and a list can be read in two ways ("no masses, calcifications present"). Such findings are never guessed.
"""

from __future__ import annotations

from itertools import islice

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
#: signs that say nothing of a finding
_MARKS_ONLY = frozenset("•·…°~≈≤≥«»§→⇒±²³µ“”„")
_PLACING = frozenset({"in", "at", "within", "near", "on", "along"})
_OPENERS = ("article", "the", "count", "several", "with")
_JOINTS = (":", "-", "=")
#: a denial with one of these is one of a part of the breast
_IN_PART = frozenset({"elsewhere", "rest", "remainder"})
#: a denial in front of one of these is one of some of the findings
_ALL = frozenset({"all", "every", "always", "each"})
_YES = frozenset({"present", "yes", "seen", "positive", "noted", "y"})
_NO = frozenset({"negative", "neg", "n"})
_SEEN = frozenset({"present", "seen", "noted", "identified", "visible", "evident", "found", "visualized"})
_TAKEN = (Status.PRESENT, Status.POSSIBLE)
_DENIALS = (Status.DENIED, Status.NOT_SUSPICIOUS)


def withhold(items: list[Item], statuses: list[Status]) -> list[Status]:
    """Return the statuses of a sentence's items, UNCLEAR or LIMITED for the findings that are not to be taken."""
    differ = _answers_differ(items)
    lost = differ or _is_lost(items)
    part = any(item.text in _IN_PART for item in items)
    found = list(statuses)
    for i, item in enumerate(items):
        if not item.is_a(*TARGETS):
            continue
        if found[i] in _TAKEN:
            turned = _turned_before(items, i) or _turned_behind(items, i) or _denied_behind_a_sign(items, i)
            if (lost and found[i] is Status.PRESENT) or turned or _is_a_choice(items, i):
                found[i] = Status.UNCLEAR
        elif found[i] in _DENIALS:
            if differ or _may_begin_anew(items, i):
                found[i] = Status.UNCLEAR
            elif part or _is_of_some(items, i) or _is_of_new_ones(items, i):
                found[i] = Status.LIMITED
    return found


def _is_lost(items: list[Item]) -> bool:
    """Whether a clause doubts or denies what another one names ("..., but is unlikely"), or a doubt has no object."""
    end = max((i for i, item in enumerate(items) if not item.is_a("plain", "verb", "comma")), default=-1)
    if end >= 0 and items[end].is_a("doubt before") and not items[end].is_a("doubt after"):
        return True
    if len(items) > 2 and items[0].text in _NO and items[1].text in _JOINTS:
        return True  # "negative: masses, calcifications"
    if any(item.text == "s" and items[i + 1].is_a(*TARGETS) for i, item in enumerate(items[:-1]) if i):
        return True  # "mass s calcifications" stands for "sine"
    unclear = named = False
    for item in items:
        if item.is_a("end", "except"):
            if unclear and not named:
                return True
            unclear = named = False
        unclear |= item.is_a("unclear", "past around")
        named |= item.is_a(*TARGETS)
    return unclear and not named


def _answers_differ(items: list[Item]) -> bool:
    """Whether a list of findings has several answers behind it: "mass/calcifications: none/present"."""
    targets = [i for i, item in enumerate(items) if item.is_a(*TARGETS)]
    if len(targets) < 2:
        return False
    tail = items[targets[-1] + 1 :]
    denied = any(item.is_a("deny before", "deny after") or item.text in _NO for item in tail)
    return denied and tail[0].text in _JOINTS and any(item.text in _YES for item in tail)


def _denied_behind_a_sign(items: list[Item], noun: int) -> bool:
    """Whether what stands behind a heading denies what it does not name: "calcifications: no suspicious ones"."""
    if noun + 2 >= len(items) or items[noun + 1].text not in _JOINTS:
        return False
    behind = items[noun + 2 :]
    denial = next((i for i, item in enumerate(behind) if not item.is_a("plain", "verb", "affirm", "article")), -1)
    if denial < 0 or not behind[denial].is_a("deny before"):
        return False
    return not any(item.describes or item.is_a(*TARGETS) for item in behind)


def _is_a_choice(items: list[Item], noun: int) -> bool:
    """Whether "or" leaves open whether it is the finding or something else: "a mass or a cyst"."""
    for joint, step in ((noun + 1, 1), (noun - 1, -1)):
        if step < 0:
            while joint > 0 and items[joint].is_a("article", "the"):
                joint -= 1
        if not 0 < joint < len(items) - 1 or not items[joint].is_a("or"):
            continue
        other = joint + step
        while step > 0 and other < len(items) - 1 and items[other].is_a("article", "the"):
            other += 1
        if not items[other].roles and items[other].text.isalpha():
            return True
    before = (item for item in reversed(items[:noun]) if not (item.describes or item.is_a("article", "the")))
    return any(item.text == "than" for item in islice(before, 1))  # "smaller than the mass"


def _may_begin_anew(items: list[Item], noun: int) -> bool:
    """Whether a denied finding may begin a statement of its own: "no masses and calcifications are seen"."""
    if _stands_apart(items, noun):
        return True
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


def _stands_apart(items: list[Item], noun: int) -> bool:
    """Whether a finding is no entry of the list that a denial reaches over.

    "No mass calcifications", "no mass or calcifications, distortion", "no mass (calcifications)".
    """
    before = items[noun - 1]
    if before.is_a(*TARGETS):
        return not any(item.is_a("or") for item in items[noun:])
    if before.text == "(":
        return noun > 1 and items[noun - 2].is_a(*TARGETS)
    if before.text != ",":
        return False
    opened = max((i for i in range(noun) if items[i].is_a("deny before")), default=0)
    closed = any(item.is_a("or") for item in items[opened:noun])
    return closed and not any(item.is_a("or", "and", "deny before") for item in items[noun:])


def _is_of_some(items: list[Item], noun: int) -> bool:
    """Whether a denial is one of some of the findings: "does not show all masses"."""
    denied = False
    for item in items[:noun]:
        denied |= item.is_a("deny before")
        if denied and item.text in _ALL:
            return True
    return False


def _is_of_new_ones(items: list[Item], noun: int) -> bool:
    """Whether a denial is one of what is new only: "no masses that are new"."""
    behind = items[noun + 1 :]
    return bool(behind) and behind[0].text in ("that", "which") and any(item.is_a("sort") for item in behind)


def is_unknown(item: Item) -> bool:
    """Return whether an item is a word that is not known, and not one that denies and doubts nothing."""
    word = item.text
    if item.roles or not (word.isalpha() or word == "0" or _is_sign(word)):
        return False
    return word not in _HARMLESS and not word.endswith(_HARMLESS_ENDS) and not resembles_a_descriptor(word)


def _is_sign(word: str) -> bool:
    """Whether a word is a sign such as a tick, a cross or an empty box, which may deny what stands beside it."""
    return not word.isascii() and not word.isalnum() and word not in _MARKS_ONLY


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
