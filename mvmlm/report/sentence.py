"""One sentence of a report: its findings, what it says of them, and what of it is not understood."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from .asides import mark_asides
from .breasts import is_none
from .features import features_of
from .findings import Finding, Findings
from .lexicon import KIND_FIELDS
from .measurements import items_of
from .mentions import Mention, mentions_of, open_choice
from .one_of_several import ONE, mark_ones
from .phrases import Item, tokens_of
from .scope import statuses
from .signs import mark_signs
from .status import Status
from .withheld import withhold

LONGEST_SENTENCE = 1000
#: why nothing of a sentence is taken, by what it says
REASONS = {
    Status.UNCLEAR: "denies, doubts or relates something in words that are not understood",
    Status.LIMITED: "denies something, but only one sort of it or in one place",
    Status.PAST: "speaks of the past or of what is gone",
    Status.PLANNED: "speaks of a plan, a question or a condition",
}
NOT_UNDERSTOOD = "not understood"
_EXPLAINED = (
    "plain", "verb", "and", "or", "comma", "with", "the", "article", "preposition", "side", "affirm", "several", "view",
    "views", "whole", "still", "remark", "change", "earlier", "earlier size", "it",
)  # fmt: skip
#: words of a further finding: "a second mass", "additional calcifications"
_NEXT = ("second", "third", "fourth", "fifth", "another", "additional", "further")
_PLURALS = ("masses", "mass lesions", "asymmetries", "distortions", "architectural distortions", "they", "these")
#: trigger families -> the statuses that account for them
_ACCOUNTS = {
    "deny before": (Status.DENIED, Status.NOT_SUSPICIOUS, Status.LIMITED),
    "deny after": (Status.DENIED, Status.NOT_SUSPICIOUS, Status.LIMITED, Status.PAST),
    "doubt before": (Status.POSSIBLE,), "doubt after": (Status.POSSIBLE,),
    "past before": (Status.PAST,), "past after": (Status.PAST,), "past around": (Status.PAST,),
    "plan before": (Status.PLANNED,), "plan after": (Status.PLANNED,), "sort": (Status.LIMITED,),
    "suspicious": (Status.NOT_SUSPICIOUS,), "suspicious after": (Status.NOT_SUSPICIOUS,),
}  # fmt: skip


_NONE = Findings()


class SentenceReading(NamedTuple):
    """What is understood of a sentence.

    statuses: what it says of the findings that it names, of which `findings` holds those that can be taken. refers:
    whether its findings may be those of an earlier sentence ("the mass", "it"). by_figure: whether its BI-RADS category
    is written as one. of_all: whether they are all of an earlier sentence ("the masses"). not_understood: words that
    the findings do not account for. why: why nothing is taken, "" where something is.
    """

    findings: Findings = Findings()
    statuses: frozenset[Status] = frozenset()
    refers: bool = False
    by_figure: bool = False
    of_all: bool = False
    not_understood: str = ""
    why: str = ""


@lru_cache(maxsize=1024)
def read_sentence(text: str, before: str | None = None, named: str | None = None) -> SentenceReading:
    """Return what is understood of a sentence.

    before: the kind of the one finding of the sentence before, which "it" or "size: 12 mm" may be about. named: the
    kind that the sentence before names or denies without a description, which "none on the right" denies.
    """
    if len(text) > LONGEST_SENTENCE:
        return SentenceReading(why=f"is longer than {LONGEST_SENTENCE} letters; write it as several sentences")
    items = mark_signs(items_of(tokens_of(text)))
    continues = _continues(items, before)
    if continues and before:
        items.insert(0, Item(items[0].text if items[0].text in _PLURALS else "it", {"noun": before, "the": ""}))
    if named and is_none(items):
        none = next(i for i, item in enumerate(items) if item.text == "none")
        role = "noun" if named in KIND_FIELDS else "feature"
        items = [Item("it", {role: named}), items[none], *items[:none], *items[none + 1 :]]
    mark_asides(items)
    mark_ones(items)
    found = withhold(items, statuses(items))
    mentions = mentions_of(items, found)
    if open_choice(items, mentions):
        for mention in mentions:
            if mention.status is Status.PRESENT:
                mention.status = Status.UNCLEAR
    return _Sentence(items, found, mentions).reading(continues)


def _continues(items: list[Item], before: str | None) -> bool:
    if before is None or not items or any(item.is_a("noun", "feature") for item in items):
        return False
    first = 1 if items[0].is_a("comma") and len(items) > 1 else 0
    return items[first].is_a("it") and any(item.describes for item in items)


class _Sentence:
    """A sentence while its findings are put together."""

    def __init__(self, items: list[Item], found: list[Status], mentions: list[Mention]):
        self.items, self.found, self.mentions = items, found, mentions
        self.said: set[Status] = set()
        self.left: list[str] = []
        self.present: list[Finding] = []
        self.possible: list[Finding] = []
        self.features: list[str] = []
        self.absent: set[str] = set()
        self.not_suspicious: set[str] = set()
        self.by_figure = False

    def reading(self, continues: bool) -> SentenceReading:
        """Return what is understood of the sentence."""
        self._bare_heading()
        self._announced()
        birads = self._birads()
        features = features_of(self.items, self.found, self.mentions)
        try:
            for mention in self.mentions:
                self._take(mention)
            for feature, status in features:
                self._take_feature(feature, status)
            self._take_exceptions()
            findings = Findings(
                self._density(), tuple(self.present), frozenset(self.absent), birads,
                tuple(self.possible), frozenset(self.not_suspicious), tuple(self.features),
            )  # fmt: skip
        except ValueError as error:
            return SentenceReading(why=str(error))
        refers = continues or any(m.definite for m in self.mentions if m.status is Status.PRESENT)
        of_all = any((m.definite or continues) and m.text in _PLURALS for m in self.mentions)
        words = " ".join([*self._unexplained(), *self.left])
        why = "" if findings != _NONE else self._why()
        return SentenceReading(findings, frozenset(self.said), refers, self.by_figure, of_all, words, why)

    def _bare_heading(self) -> None:
        """ "Masses:" with nothing behind it is a heading, no finding."""
        if len(self.mentions) == 1 and self.items[-1].text == ":" and self.mentions[0].at == len(self.items) - 2:
            self.mentions[0].status = Status.UNCLEAR

    def _announced(self) -> None:
        """ "Two masses: an oval one and ...": the masses behind the colon are the two."""
        self._ones()
        first, later = (self.mentions[0], self.mentions[1:]) if self.mentions else (None, [])
        if first is None or first.count != len(later) or {m.kind for m in later} != {first.kind}:
            return
        if any(item.text == ":" for item in self.items[first.at : later[0].at]):
            self.mentions = later

    def _ones(self) -> None:
        """ "Two oval masses, one at 3 o'clock": each of them is oval, and one is at 3 o'clock."""
        ones = [m for m in self.mentions if self.items[m.at].roles.get(ONE) == "part"]
        if not ones:
            return
        head = next(m for m in reversed(self.mentions) if m.at < ones[0].at and m not in ones)
        for one in ones:
            one.take_over(head)
        if head.count == 1 or len(ones) == head.count:
            self.mentions = [m for m in self.mentions if m is not head]
        elif len(ones) < head.count:
            head.count -= len(ones)
        else:
            head.status = Status.UNCLEAR

    def _take(self, mention: Mention) -> None:
        self.said.add(mention.status)
        if mention.status is Status.PRESENT:
            self.present += mention.findings()
        elif mention.status is Status.POSSIBLE:
            self.possible += mention.findings()
        elif mention.status is Status.DENIED and mention.asymmetry in (None, "asymmetry"):
            self.absent.add(mention.kind)
        elif mention.status is Status.NOT_SUSPICIOUS and mention.asymmetry in (None, "asymmetry"):
            self.not_suspicious.add(mention.kind)
        else:
            self.said.discard(mention.status)
            limited = mention.status in (Status.DENIED, Status.NOT_SUSPICIOUS)  # "no focal asymmetry"
            self.said.add(Status.LIMITED if limited else mention.status)
            self.left.append(self.items[mention.at].text)

    def _take_feature(self, feature: str, status: Status) -> None:
        if (
            feature.endswith("lymph node")
            and "intra" not in feature
            and any(item.is_a("benign node") for item in self.items)
        ):
            status = Status.UNCLEAR  # "axillary lymph nodes with fatty hila" are no finding
        self.said.add(status)
        if status is Status.PRESENT:
            self.features.append(feature)
        elif status is Status.DENIED:
            self.absent.add(feature)
        elif status is Status.NOT_SUSPICIOUS:
            self.not_suspicious.add(feature)
        else:
            self.left.append(feature)

    def _take_exceptions(self) -> None:
        """ "No masses except for an oval one" and "apart from a mass, no masses" do not deny what they name."""
        excepted = max((i for i, item in enumerate(self.items) if item.is_a("except")), default=-1)
        if excepted < 0:
            return
        self.absent -= {finding.kind for finding in self.present} | set(self.features)
        if self.absent and not self.present and not any(item.is_a("deny before") for item in self.items[excepted:]):
            self.left += sorted(self.absent)  # "no distortion other than at the scar"
            self.absent = set()
            self.said = {Status.LIMITED}

    def _birads(self) -> str | None:
        """The BI-RADS category of the breast; a category behind a finding is the finding's."""
        given = [i for i, item in enumerate(self.items) if item.is_a("code")]
        worded = [i for i, item in enumerate(self.items) if item.is_a("birads")]
        codes = {self.items[i].roles["code"] for i in given if self._stands(i)}
        if len(codes) != 1 or len(given) != sum(map(self._stands, given)):
            return None if given else self._worded(worded)
        (code,) = codes
        if any(not agrees(self.items[i].roles["birads"], code) for i in worded if self._stands(i)):
            return None
        for i in (*given, *(i for i in worded if self._stands(i))):
            self.items[i].used = True
        for item in self.items:
            item.used |= item.text == "suspicious" and code[0] == "4" and not self.mentions
        self.by_figure = True
        taken = [m for m in self.mentions if m.status in (Status.PRESENT, Status.POSSIBLE)]
        if not taken:
            return code
        owner = next((m for m in reversed(taken) if m.at < given[0]), taken[0])
        owner.birads = code
        return None

    def _worded(self, places: list[int]) -> str | None:
        words = {self.items[i].roles["birads"] for i in places}
        if len(words) != 1 or self.mentions or not all(map(self._stands, places)):
            return None
        if any(item.is_a("deny before", "deny after", "known cancer", "no category", "feature") for item in self.items):
            return None
        if any(not item.roles for item in self.items):  # "ultrasound negative", "benign cyst"
            return None
        for i in places:
            self.items[i].used = True
        return words.pop()

    def _stands(self, i: int) -> bool:
        """Whether an assessment is neither denied, doubted, past nor planned."""
        if self.items[i].is_a("birads") and not self.items[i].is_a("code"):
            return self.found[i] is Status.PRESENT
        denied = any(item.is_a("deny before") for item in self.items[max(0, i - 1) : i])
        return not denied and self.found[i] not in (Status.PAST, Status.PLANNED, Status.UNCLEAR)

    def _density(self) -> str | None:
        places = [i for i, item in enumerate(self.items) if item.is_a("density") and self.found[i] is Status.PRESENT]
        places = [i for i in places if not self._is_of_a_finding(i)]
        letters = {self.items[i].roles["density"] for i in places}
        if len(letters) != 1:
            return None
        for i in places:
            self.items[i].used = True
        return letters.pop()

    def _is_of_a_finding(self, i: int) -> bool:
        """Whether a density describes a finding, not the breast: "a predominantly fatty oval mass"."""
        behind = next((item for item in self.items[i + 1 :] if not item.describes), None)
        return behind is not None and behind.is_a("noun", "feature")

    def _unexplained(self) -> list[str]:
        """The words that the findings do not account for."""
        words = []
        for item in self.items:
            if item.used or item.is_a(*_EXPLAINED) and not (item.describes or item.is_a("birads", "density")):
                continue
            if any(not self.said.isdisjoint(_ACCOUNTS[family]) for family in item.roles if family in _ACCOUNTS):
                continue
            if item.is_a("count") and item.number == 1 or item.text in _NEXT and self.present:
                continue
            words.append(item.text)
        return words

    def _why(self) -> str:
        reasons = [reason for status, reason in REASONS.items() if status in self.said]
        if reasons:
            return reasons[0]
        statuses_of_all = {status for status in self.found if status in REASONS}
        if Status.PAST in statuses_of_all:
            return REASONS[Status.PAST]
        if Status.PLANNED in statuses_of_all:
            return REASONS[Status.PLANNED]
        if any(item.is_a("known cancer") for item in self.items):
            return "BI-RADS 6 is a known cancer, an outcome, which is not taken"
        return NOT_UNDERSTOOD


def agrees(words: str, code: str) -> bool:
    """Return whether the words of an assessment (as its category) allow a category in figures.

    "No evidence of malignancy", which is category 1 alone, goes with a benign finding and with an incomplete exam too.
    """
    return words[0] == code[0] or words == "1" and code in ("0", "2")
