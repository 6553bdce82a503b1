"""What each finding of a sentence is said to be: present, denied, doubtful, past, planned or unclear.

The rules are those of NegEx and ConText (see `trigger_words`): a trigger reaches forward or backward over the findings
of its clause, until a word that ends its reach, another trigger, or a verb of its own. Where two triggers disagree, or
a denial has words that are not known, the finding is unclear: it is said, and not taken.
"""

from __future__ import annotations

from .backward_reach import backward
from .forward_reach import forward
from .phrases import Item
from .status import TARGETS, Status
from .typing_errors import resembles_a_trigger
from .withheld import is_unknown

_HOW_MUCH = ("appreciable", "substantial", "relevant", "notable", "detectable", "perceptible", "important")


def statuses(items: list[Item]) -> list[Status]:
    """Return the status of each item of a sentence; it matters for findings, features and descriptors only.

    Triggers that were understood are marked as used, so that the others can be told.
    """
    found = [Status.PRESENT] * len(items)
    start = 0
    lost = any(map(resembles_a_trigger, items))
    ends = [i for i, item in enumerate(items) if item.is_a("end", "except")]
    ends = sorted({*ends, *filter(None, (_main_clause(items, i) for i in ends if i == 0))})
    for at in [*ends, len(items)]:
        lost |= _read_clause(items, start, at, found)
        if at < len(items):
            items[at].used = True
        start = at + 1
    taken = (Status.PRESENT, Status.DENIED, Status.NOT_SUSPICIOUS)
    return [Status.UNCLEAR if lost and status in taken else status for status in found]


def _read_clause(items: list[Item], start: int, end: int, found: list[Status]) -> bool:
    """Set the statuses of a clause, and return whether one of its triggers speaks of nothing that is known."""
    clause = items[start:end]
    _mark_changes(clause)
    before = forward(clause)
    behind, lost = backward(clause)
    whole = _of_the_whole_clause(clause)
    for i in range(len(clause)):
        found[start + i] = whole or _together(before[i], behind[i])
    return lost


def _together(before: Status, behind: Status) -> Status:
    """One status from what stands before and what stands behind."""
    if Status.PRESENT in (before, behind):
        return behind if before is Status.PRESENT else before
    for strongest in (Status.PLANNED, Status.PAST):
        if strongest in (before, behind):
            return strongest
    return before if before is behind is not Status.DENIED else Status.UNCLEAR


def _main_clause(items: list[Item], first: int) -> int | None:
    """The comma at which the main clause of "although there is no mass, calcifications are seen" begins."""
    verbs = [i for i, item in enumerate(items) if item.is_a("verb", "affirm")]
    commas = [i for i, item in enumerate(items) if item.text == "," and verbs and first < i < verbs[-1]]
    if not commas or items[first].text not in ("although", "though", "while", "whereas"):
        return None
    return commas[-1] if any(item.is_a(*TARGETS) for item in items[commas[-1] : verbs[-1]]) else None


def _mark_changes(clause: list[Item]) -> None:
    """ "No significant change in the mass" denies a change: the denial and its words lose their meaning as triggers."""
    for i, item in enumerate(clause):
        if not item.is_a("deny before"):
            continue
        for k, other in enumerate(clause[i + 1 : i + 7], start=i + 1):
            if other.is_a("noun", "feature", "deny before", "deny after", "birads", "density", "end"):
                break
            if other.is_a("change"):
                item.roles = {"plain": "", "still": ""}
                for between in clause[i:k]:
                    between.used |= not is_unknown(between) or between.text in _HOW_MUCH
                break


def _of_the_whole_clause(clause: list[Item]) -> Status | None:
    """A status that every finding of the clause has, whatever its place."""
    if any(item.is_a("unclear") and not _reads_a_category(clause, i) for i, item in enumerate(clause)):
        return Status.UNCLEAR
    if any(item.is_a("past around") for item in clause):
        return Status.PAST
    if any(item.is_a("earlier") and not _of_a_size(clause, i) for i, item in enumerate(clause)):
        still = any(item.is_a("still") for item in clause)
        gone = any(item.is_a("deny before", "deny after", "past after") for item in clause)
        if not still or gone:
            return Status.PAST
    return None


def _reads_a_category(clause: list[Item], i: int) -> bool:
    """Whether a category follows: "the assessment should read BI-RADS 3"."""
    behind = next((item for item in clause[i + 1 :] if not item.is_a("plain")), None)
    return clause[i].is_a("reads") and behind is not None and behind.is_a("code")


def _of_a_size(clause: list[Item], i: int) -> bool:
    """Whether an earlier size follows: "(previously 8 mm)" does not make the finding one of the past."""
    return i + 1 < len(clause) and clause[i + 1].is_a("earlier size")
