"""What the triggers of a clause say of the findings behind them."""

from __future__ import annotations

from .phrases import Item
from .status import TARGETS, Status, leads_a_finding

#: the roles of which a reach takes note
_TAKEN_NOTE_OF = (
    "plan before", "past before", "doubt before", "doubt after", "deny before", "affirm", "whole", "with", "verb",
    "suspicious after", "suspicious",
)  # fmt: skip

#: the roles that open a reach
_OPENERS = ("plan before", "past before", "doubt before", "doubt after", "deny before")


def forward(clause: list[Item]) -> list[Status]:
    """Return the status that the triggers of a clause give to what stands behind them."""
    if not any(item.is_a(*_OPENERS) for item in clause):
        return [Status.PRESENT] * len(clause)
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
        self.after_another = False  # whether the denial stands behind a finding of its own
        self.limited_from: int | None = None  # the first finding of the list that a descriptor limits
        self.limited_lists: list[list[int]] = []
        self.weak_lists: list[list[int]] = []

    def _open(self, deny: int) -> None:
        self._end_list()
        self.deny, self.targets, self.limited_from = deny, [], None
        self.suspicious = self.limited = self.unclear = self.done = self.joined_with = False

    def _end_list(self) -> None:
        if self.limited:
            self.limited_lists.append(self.targets)
        elif self.limited_from is not None:
            self.limited_lists.append(self.targets[self.limited_from :])

    def enter(self, i: int, item: Item) -> None:
        """Take note of an item."""
        if not item.is_a(*_TAKEN_NOTE_OF):
            if self.deny >= 0:
                self._limit(i, item)
        elif item.is_a("plan before"):
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
        self.after_another = self.named and self.clause[i - 1].is_a(*TARGETS)
        self.doubt = False
        self.suspicious = suspicious
        self.unclear = bool(nested or (behind and not joined))

    def _between(self, first: int, last: int, role: str) -> bool:
        return any(item.is_a(role) for item in self.clause[first + 1 : last])

    def _limit(self, i: int, item: Item) -> None:
        """A denial with a word that is not known, or that tells one sort or place, is not one of the kind."""
        if item.is_a("noun", "feature", "plain", "whole", "verb", "and", "or", "comma", "article", "preposition",
                     "side", "the", "views", "code", "with", "aside"):  # fmt: skip
            return
        if item.is_a("sort") and not self._names_a_finding(i):
            return
        if self.after_another and self.targets and item.is_a("place", "depth", "clock"):
            return  # "a mass without calcifications in the outer breast" tells where the mass is
        if self.done and self.verb_follows[i] and item.describes and not item.led and self._begins_anew(i):
            self._open(-1)  # "no mass is seen, grouped calcifications are present"
            return
        if item.describes and self.targets and not self.done and leads_a_finding(self.clause, i):
            self.limited_from = self.limited_from or len(
                self.targets
            )  # "no mass or grouped calcifications" denies masses
        elif item.describes or item.is_a("sort", "view") or self._names_a_finding(i) or not self._own_phrase(i):
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
