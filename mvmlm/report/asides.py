"""Parts of a sentence that say nothing of its findings: explanations, plans of their own, "nothing else".

"Consistent with a fibroadenoma", ", biopsy is recommended" and "- just normal tissue" stand beside a finding that is
told before them, and name none. Their words are said to be not understood, and neither deny nor doubt the finding.
"""

from __future__ import annotations

from .phrases import Item
from .status import TARGETS

#: words that begin a part that adds nothing: "no mass, just normal tissue"
_ONLY = frozenset({"just", "only", "merely", "simply"})
_SIGNS = frozenset({":", "-", ";"})
#: "normal left breast" behind a list of denials
_NORMAL = frozenset({"normal", "unremarkable", "negative", "clear", "benign"})
#: a place behind an explanation is one of the finding: "consistent with a cyst at 2 o'clock"
_LOCATIONS = ("place", "depth", "clock", "size")
_PLANS = ("plan before", "plan after")
_PLANNED = frozenset({"suggested", "advised", "needed", "required", "warranted", "indicated", "should be considered"})
#: a part with one of these is none: it may turn the finding around
_TURNS = ("deny before", "deny after", "past before", "past after", "past around", "earlier", "code", "density")
#: what a part may hold of triggers when it explains
_PICTURE = frozenset({"artifact", "artifacts", "artefact", "artefacts", "motion", "blur", "artifactual"})
#: "no abnormality", "nothing else", "the examination is negative" in front of or behind "except for ..."
_NOTHING = frozenset({"nothing", "negative", "normal", "unremarkable"})


def mark_asides(items: list[Item]) -> None:
    """Give the role "aside" alone to the items of parts that say nothing of the findings."""
    _mark_heading(items)
    _mark_nothing_else(items)
    starts = _starts(items)
    named = False
    for first, end in zip(starts, [*starts[1:], len(items)]):
        part = items[first:end]
        if any(item.is_a(*TARGETS, "birads", "code", "density") for item in part):
            named = True
        elif named and _is_aside(items, first, part):
            _set_aside(part)


def _mark_heading(items: list[Item]) -> None:
    """Mark "lymph nodes:" of "lymph nodes: no axillary adenopathy"."""
    named = len(items) > 2 and items[0].is_a("feature") and items[1].text == ":"
    if named and any(item.is_a(*TARGETS) for item in items[2:]):
        items[0].roles = {"aside": ""}


def _set_aside(part: list[Item]) -> None:
    for item in part:
        if not item.is_a("side", "comma", "article", "the", "preposition", "and", "verb"):
            item.roles = {"aside": ""}


def _starts(items: list[Item]) -> list[int]:
    """Where the parts of a sentence begin: behind a comma or sign, and with words that explain."""
    starts, told = [0], False
    for i, item in enumerate(items[1:], start=1):
        begins = items[i - 1].is_a("comma") or items[i - 1].text in _SIGNS
        explains = item.is_a("explains") or item.text in _ONLY or _which(items, i)
        told = told or item.is_a("explains")
        explains |= told and item.is_a(*_LOCATIONS)
        if begins or explains or item.is_a("end", "except"):
            starts.append(i)
    return starts


def _which(items: list[Item], i: int) -> bool:
    """Whether "for which" or "which" begins here."""
    return items[i].text == "which" or (items[i].text == "for" and i + 1 < len(items) and items[i + 1].text == "which")


def _is_aside(items: list[Item], first: int, part: list[Item]) -> bool:
    words = [item for item in part if item.text.isalpha() and not item.roles]
    if any(item.is_a(*_TURNS) or item.text in _PICTURE for item in part):
        return False
    if any(item.is_a(*_PLANS) or item.text in _PLANNED for item in part):
        return part[0].is_a("plan before") or bool(words)
    if any(item.describes for item in part):
        return False
    if part[0].text in _ONLY:
        return True
    if part[0].is_a("explains"):
        return not _is_of_the_finding(part) and not _is_denied(items[:first])
    return (
        _is_denied(items[:first])
        and items[first - 1].text in _SIGNS
        and part[0].text in _NORMAL
        and not part[0].is_a("birads")
    )


def _is_of_the_finding(part: list[Item]) -> bool:
    """Whether words that explain have nothing to explain: "a mass is likely", "mass, possibly"."""
    behind = [item for item in part[1:] if not item.is_a("article", "the", "plain", "preposition", "comma", "side")]
    return not behind and not part[0].is_a("birads") or any(item.is_a("birads") for item in behind)


def _is_denied(before: list[Item]) -> bool:
    """Whether a denial stands in the clause before: "no mass consistent with a fibroadenoma" is one of a sort."""
    for item in reversed(before):
        if item.is_a("end", "except"):
            return False
        if item.is_a("deny before"):
            return True
    return False


def _mark_nothing_else(items: list[Item]) -> None:
    """Mark "there is no abnormality" of "except for a mass, there is no abnormality"."""
    if not any(item.is_a("except") for item in items):
        return
    last = max((i for i, item in enumerate(items) if item.is_a(*TARGETS)), default=len(items))
    for i in range(last + 1, len(items)):
        if items[i].is_a("affirm", "deny before", "unclear") or items[i].text in _NOTHING:
            tail = items[i:]
            denies = any(item.is_a("deny before") or item.text in _NOTHING for item in tail)
            if denies and not any(item.describes or item.is_a("code", "density") for item in tail):
                _set_aside(tail)
            return
