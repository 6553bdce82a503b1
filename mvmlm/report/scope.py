"""What each finding of a sentence is said to be: present, denied, doubtful, past, planned or unclear.

The rules are those of NegEx and ConText (see `trigger_words`): a trigger reaches forward or backward over the findings
of its clause, until a word that ends its reach, another trigger, or a verb of its own. Where two triggers disagree, or
a denial has words that are not known, the finding is unclear: it is said, and not taken.
"""

from __future__ import annotations

from enum import Enum

from .phrases import Item
from .typing_errors import resembles_a_trigger


class Status(str, Enum):
    """What a sentence says of a finding."""

    PRESENT = "present"
    DENIED = "denied"
    NOT_SUSPICIOUS = "denied as suspicious"
    POSSIBLE = "possible"
    PAST = "past"
    PLANNED = "planned"
    LIMITED = "denied in part"  # only one sort, or in one place
    UNCLEAR = "unclear"


#: what a trigger can speak of
TARGETS = ("noun", "feature")
ADVERBS = ("plain", "verb", "whole", "still", "earlier")


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
    forward = _forward(clause)
    backward, lost = _backward(clause)
    whole = _of_the_whole_clause(clause)
    for i in range(len(clause)):
        found[start + i] = whole or _together(forward[i], backward[i])
    return lost


def _together(forward: Status, backward: Status) -> Status:
    """One status from what stands before and what stands behind."""
    if Status.PRESENT in (forward, backward):
        return backward if forward is Status.PRESENT else forward
    for strongest in (Status.PLANNED, Status.PAST):
        if strongest in (forward, backward):
            return strongest
    return forward if forward is backward is not Status.DENIED else Status.UNCLEAR


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
                    between.used = True
                break


def _of_the_whole_clause(clause: list[Item]) -> Status | None:
    """A status that every finding of the clause has, whatever its place."""
    if any(item.is_a("unclear") for item in clause):
        return Status.UNCLEAR
    if any(item.is_a("past around") for item in clause):
        return Status.PAST
    if any(item.is_a("earlier") and not _of_a_size(clause, i) for i, item in enumerate(clause)):
        still = any(item.is_a("still") for item in clause)
        gone = any(item.is_a("deny before", "deny after", "past after") for item in clause)
        if not still or gone:
            return Status.PAST
    return None


def _of_a_size(clause: list[Item], i: int) -> bool:
    """Whether an earlier size follows: "(previously 8 mm)" does not make the finding one of the past."""
    return i + 1 < len(clause) and clause[i + 1].is_a("earlier size")


def _forward(clause: list[Item]) -> list[Status]:
    """The status that triggers give to what stands behind them."""
    found = []
    reach = _Reach(clause)
    for i, item in enumerate(clause):
        reach.enter(i, item)
        found.append(reach.status(i, item))
    reach.close(found)
    return found


class _Reach:
    """The forward triggers that are open while a clause is read from left to right."""

    def __init__(self, clause: list[Item]):
        self.clause = clause
        self.verb_follows = _verb_follows(clause)
        self.named = False  # whether a finding has been named
        self.planned = self.past = self.doubt = self.with_past = self.with_verb = False
        self.deny = -1  # the place of the open denial
        self.targets: list[int] = []  # findings under the open denial or doubt
        self.suspicious = self.limited = self.unclear = self.done = self.joined_with = False
        self.limited_lists: list[list[int]] = []
        self.weak_lists: list[list[int]] = []

    def _open(self, deny: int) -> None:
        self._end_list()
        self.deny, self.targets = deny, []
        self.suspicious = self.limited = self.unclear = self.done = self.joined_with = False

    def _end_list(self) -> None:
        if self.limited and self.targets:
            self.limited_lists.append(self.targets)

    def enter(self, i: int, item: Item) -> None:
        """Take note of an item."""
        if item.is_a("plan before"):
            self.planned = True
        elif item.is_a("past before"):
            self.past = True
        elif item.is_a("doubt before") or (item.is_a("doubt after") and not self.named):
            if self.deny >= 0:
                self.unclear = True
            elif not self.doubt:
                self._open(-1)
            self.doubt = True
        elif item.is_a("deny before"):
            self._deny(i, item)
        elif item.is_a("affirm") and (self.targets or self.deny < 0):
            self._open(-1)
            self.doubt = False
        elif item.is_a("whole") and self.doubt and self.targets and item.text == "definite":
            self.doubt = False
        elif item.is_a("with"):
            self.joined_with = bool(self.targets)
            self.with_verb = self.done
            self.with_past = self.past
        elif item.is_a("verb") and self.targets:
            self.done = True
        elif item.is_a("suspicious after") and self.deny >= 0:
            self.weak_lists.append(self.targets)
        elif item.is_a("suspicious") and self.deny >= 0:
            self.suspicious = True
        elif self.deny >= 0:
            self._limit(i, item)

    def _deny(self, i: int, item: Item) -> None:
        nested = self.deny >= 0 and not self.targets and item.text != "nor" and not self._between(self.deny, i, "comma")
        behind = self.deny >= 0 and self.targets and item.text in ("without", "lacking", "lacks", "w / o")
        joined = i > 0 and self.clause[i - 1].is_a("and", "or", "comma")
        if item.text == "nor" and self.deny >= 0 and not self.done:
            return
        if self.doubt and not self.targets:
            self.unclear = True
            return
        self.limited |= bool(behind and not joined)
        suspicious = self.suspicious and item.text == "nor"
        self._open(i)
        self.doubt = False
        self.suspicious = suspicious
        self.unclear = bool(nested or (behind and not joined))

    def _between(self, first: int, last: int, role: str) -> bool:
        return any(item.is_a(role) for item in self.clause[first + 1 : last])

    def _limit(self, i: int, item: Item) -> None:
        """A denial with a word that is not known, or that tells one sort or place, is not one of the kind."""
        if item.is_a("noun", "feature", "plain", "whole", "verb", "and", "or", "comma", "article", "preposition",
                     "side", "the", "views", "code", "with"):  # fmt: skip
            return
        if item.is_a("sort") and not self._names_a_finding(i):
            return
        if self.done and self.verb_follows[i] and item.describes and not item.led and self._begins_anew(i):
            self._open(-1)  # "no mass is seen, grouped calcifications are present"
            return
        if item.describes or item.is_a("sort", "view") or self._names_a_finding(i) or not self._own_phrase(i):
            self.limited = True

    def _names_a_finding(self, i: int) -> bool:
        """Whether a finding follows before the list goes on."""
        for item in self.clause[i + 1 :]:
            if item.is_a(*TARGETS):
                return True
            if item.is_a("or", "verb", "deny before") or (item.is_a("and", "comma") and self.targets):
                return False
        return False

    def _begins_anew(self, i: int) -> bool:
        """Whether a comma or "and" stands before a row of descriptors."""
        before = next((item for item in reversed(self.clause[:i]) if not item.describes), None)
        return before is not None and before.is_a("comma", "and")

    def _own_phrase(self, i: int) -> bool:
        """Whether an unknown word is an entry of the list of its own, such as "or other findings"."""
        for item in reversed(self.clause[:i]):
            if item.is_a("and", "or", "comma", "deny before"):
                return True
            if item.is_a("verb", "preposition", *TARGETS):
                return False
        return False

    def status(self, i: int, item: Item) -> Status:
        """Return the status that the open triggers give to an item."""
        target = item.is_a(*TARGETS)
        self.named |= target
        if self.planned:
            return Status.PLANNED
        if self.past:
            return Status.UNCLEAR if self.with_past else Status.PAST
        if self.deny < 0 and not self.doubt:
            return Status.PRESENT
        if self.done and target:
            joined = i > 0 and any(x.is_a("or") for x in self.clause[max(0, i - 2) : i])
            if self.verb_follows[i] and not joined:
                self._open(-1)
                self.doubt = False
                return Status.PRESENT
            if not joined and not (self.deny < 0 and self.with_verb):
                return Status.UNCLEAR
        if target:
            self.targets.append(i)
        if self.unclear or (self.joined_with and target and self.deny >= 0):
            if self.joined_with:
                self.limited = True
            return Status.UNCLEAR
        if self.deny < 0:
            return Status.POSSIBLE
        flat = not self.suspicious or "suspicious" in item.text  # "no suspicious lymph nodes" denies just these
        status = Status.DENIED if flat else Status.NOT_SUSPICIOUS
        self.suspicious |= target and "suspicious" in item.text  # and no suspicious masses behind them
        return status

    def close(self, found: list[Status]) -> None:
        """Weaken the denials of lists that a later word limits."""
        self._end_list()
        for targets in self.weak_lists:
            for i in targets:
                if found[i] is Status.DENIED:
                    found[i] = Status.NOT_SUSPICIOUS
        for targets in self.limited_lists:
            for i in targets:
                if found[i] in (Status.DENIED, Status.NOT_SUSPICIOUS):
                    found[i] = Status.LIMITED


def _verb_follows(clause: list[Item]) -> list[bool]:
    """For each item, whether a verb or a new statement stands behind it."""
    follows, seen = [], False
    for item in reversed(clause):
        follows.append(seen)
        seen = seen or item.is_a("verb", "affirm", "deny after", "still", "past after", "doubt after")
    return follows[::-1]


_BACKWARD = {"deny after": Status.DENIED, "doubt after": Status.POSSIBLE, "past after": Status.PAST}
_BACKWARD["plan after"] = Status.PLANNED


def _backward(clause: list[Item]) -> tuple[list[Status], bool]:
    """The status that triggers give to what stands before them, and whether a trigger has nothing before it."""
    found = [Status.PRESENT] * len(clause)
    affirmed = _affirmed(clause)
    status: Status | None = None
    close = passed_noun = lost = waiting = False
    for i in range(len(clause) - 1, -1, -1):
        item = clause[i]
        role = next((r for r in _BACKWARD if item.is_a(r)), None) or _closing_denial(clause, i)
        if role == "doubt after" and item.is_a("doubt before") and item.text not in ("versus", "vs"):
            role = None if _leads_a_finding(clause, i) else role  # "distortion with a possible mass"
        if role is not None:
            lost |= waiting
            status, close, passed_noun, waiting = _BACKWARD[role], True, False, not item.is_a("doubt before")
            if status is Status.DENIED and (_of_one_view(clause, i) or _says_before(clause, i)):
                status = Status.UNCLEAR
            if item.roles.pop("deny before", None) is not None or item.text == "negative":
                item.roles, item.used = {"plain": ""}, True
        elif status is None:
            continue
        elif status is Status.DENIED and item.text in ("that", "which", "who", "before", "previously"):
            status = Status.UNCLEAR  # "a mass that was not seen before"
        elif status is Status.DENIED and item.is_a("with"):
            status = Status.LIMITED  # "a mass with calcifications is not seen"
            found[i:] = [Status.LIMITED if other is Status.DENIED else other for other in found[i:]]
        elif item.is_a(*TARGETS):
            waiting = False
            if affirmed[i] and status is not Status.PAST:
                found[i] = Status.UNCLEAR if not passed_noun else Status.PRESENT
                if passed_noun:
                    status = None
                    continue
            else:
                found[i] = _backward_status(clause, i, status)
            close = False
        elif item.is_a("verb", "affirm") and not close:
            status = None
        elif item.is_a("and", "comma") and not close and affirmed[i]:
            passed_noun = True
        elif not item.is_a(*ADVERBS, "comma", "and", "or"):
            close = False
    return found, lost or waiting


def _backward_status(clause: list[Item], i: int, status: Status) -> Status:
    """A denial behind a finding: of a certain one ("the mass is not seen"), or of one with descriptors, is not flat."""
    if status is not Status.DENIED:
        return status
    for item in reversed(clause[:i]):
        if item.is_a("the"):
            return Status.PAST
        if item.describes or not (item.roles or item.text.isalpha()):
            return Status.LIMITED
        if item.is_a("sort") or not item.roles:
            return Status.LIMITED
        if item.is_a("suspicious"):
            return Status.NOT_SUSPICIOUS
        if not item.is_a("plain", "article", "whole"):
            break
    after = clause[i + 1 :]
    for item in after:
        if item.is_a("verb", "deny after", *TARGETS):
            break
        if item.describes or not item.roles:
            return Status.LIMITED
    return status


def _affirmed(clause: list[Item]) -> list[bool]:
    """For each item, whether "there is", "shows" or the like stands before it."""
    found, seen = [], False
    for item in clause:
        seen = (seen or item.is_a("affirm")) and not item.is_a("deny before")
        found.append(seen)
    return found


def _leads_a_finding(clause: list[Item], i: int) -> bool:
    """Whether a finding stands behind an item, with nothing between them but words of its description."""
    for item in clause[i + 1 :]:
        if item.is_a(*TARGETS):
            return True
        if item.is_a("and", "or", "comma", "verb", "affirm", "with", "deny before"):
            return False
    return False


def _closing_denial(clause: list[Item], i: int) -> str | None:
    """ "Mass: no", "calcifications - negative": a denial with nothing behind it speaks of what stands before."""
    item = clause[i]
    if not item.is_a("deny before") and item.text != "negative":
        return None
    behind = all(x.is_a("plain", "verb") and not x.is_a(*TARGETS) for x in clause[i + 1 :])
    return "deny after" if behind and any(x.is_a(*TARGETS) for x in clause[:i]) else None


def _says_before(clause: list[Item], i: int) -> bool:
    """Whether a denial is one of an earlier time: "not seen before"."""
    return any(item.text in ("before", "previously", "then", "earlier") for item in clause[i + 1 : i + 3])


def _of_one_view(clause: list[Item], i: int) -> bool:
    """Whether a denial is one of a single view: "not seen on the MLO view"."""
    return any(item.is_a("view") and not item.is_a("views") for item in clause[i + 1 :])
