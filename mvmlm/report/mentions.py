"""The findings that a sentence names, each with its descriptors and with what the sentence says of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .findings import Finding, Word
from .lexicon import KIND_FIELDS
from .one_of_several import ONE
from .other_things import LOCATIONS, is_of_another_thing
from .phrases import DESCRIPTORS, Item
from .status import Status

#: words between the parts of a noun phrase: "an irregular area of distortion"
_OF = ("of",)
MOST_OF_A_KIND = 20


@dataclass
class Mention:
    """A noun of a finding in a sentence.

    at: its place among the items. words: field -> its words, each with whether "or" stands before it, None where only a
    comma does. definite: whether it is "the mass", which may be one of an earlier sentence.
    """

    at: int
    text: str
    kind: str
    status: Status
    asymmetry: str | None = None
    words: dict[str, list[tuple[str, bool | None]]] = field(default_factory=dict)
    numbers: dict[str, list[float]] = field(default_factory=dict)
    features: list[str] = field(default_factory=list)
    birads: str | None = None
    count: int = 1
    definite: bool = False
    of_the_largest: bool = False
    margins: list[int] = field(default_factory=list)

    def findings(self) -> list[Finding]:
        """Return its findings: several where a number is given. Raises ValueError for two sizes or hours."""
        values: dict[str, Any] = {"features": tuple(dict.fromkeys(self.features)), "birads": self.birads}
        also: list[Word] = []
        either: list[Word] = []
        for name, words in self.words.items():
            values[name] = words[0][0]
            open_choice = False
            for word, alternative in reversed(words[1:]):
                open_choice = open_choice if alternative is None else alternative
                (either if open_choice else also).append((name, word))
        each: dict[str, Any] = {
            n: v for n, v in self.numbers.items() if len(v) == self.count > 1
        }  # "two masses, 8 mm and 11 mm"
        for name, numbers in self.numbers.items():
            if len(set(numbers)) > 1 and name not in each:
                raise ValueError(f"two values of one {name.replace('_mm', '')}")
            values[name] = numbers[0]
        if subtlety := values.pop("subtlety", None):
            values["subtlety"] = int(subtlety)
        if self.asymmetry and "asymmetry" not in self.words:
            values["asymmetry"] = self.asymmetry
        single = Finding(self.kind, **values, also=tuple(also), either=tuple(either))
        if each:
            return [replace(single, **{n: v[k] for n, v in each.items()}) for k in range(self.count)]
        others = single.without("size_mm") if self.of_the_largest else single
        return [single, *[others] * (self.count - 1)]

    def takes(self, item: Item) -> str | None:
        """Return the field that an item describes of this kind of finding, or None."""
        for name in (*KIND_FIELDS[self.kind], "place", "depth", "subtlety"):
            if name != "asymmetry" and name in item.roles:
                return name
        return "size_mm" if item.is_a("size") else "clock" if item.is_a("clock") else None

    def describe(self, name: str, item: Item, alternative: bool | None) -> None:
        """Add what an item says of a field."""
        if name in ("size_mm", "clock"):
            self.numbers.setdefault(name, []).append(item.number)
        elif item.roles[name] not in [word for word, _ in self.words.setdefault(name, [])]:
            self.words[name].append((item.roles[name], alternative))
        item.used = True

    def take_over(self, head: Mention) -> None:
        """Take the words of the findings that it is one of, where it has none of a field."""
        for name, words in head.words.items():
            self.words.setdefault(name, list(words))
        for name, numbers in head.numbers.items():
            self.numbers.setdefault(name, list(numbers))
        self.features += [feature for feature in head.features if feature not in self.features]

    @property
    def located(self) -> bool:
        """Whether it has a place, a depth or an hour."""
        return any(name in self.words or name in self.numbers for name in LOCATIONS)


def mentions_of(items: list[Item], statuses: list[Status]) -> list[Mention]:
    """Return the mentions of a sentence in their order, described. Items that describe one are marked as used."""
    mentions = [
        Mention(i, item.text, item.roles["noun"], statuses[i], item.roles.get("asymmetry"))
        for i, item in enumerate(items)
        if item.is_a("noun")
    ]
    mentions = _of_several_words(items, mentions)
    at = {mention.at: mention for mention in mentions}
    left = _nearest(items, at)
    before = _modified(items, at, left)
    for i, item in enumerate(items):
        if item.describes and i not in at:
            _attach(items, statuses, i, at, left[i], before[i])
        elif item.is_a("count") and (noun := before[i]) is not None:
            _count(items, i, at[noun])
    for mention in mentions:
        _drop_margin_in_part(items, mention)
        mention.definite = not items[mention.at].is_a(ONE) and _is_definite(items, mention.at)
        items[mention.at].used = True
    return mentions


_IN_PART = (
    "partially", "partly", "mostly", "largely", "incompletely", "predominantly", "mainly", "primarily", "chiefly",
    "nearly", "almost", "partial", "generally", "somewhat",
)  # fmt: skip


def _drop_margin_in_part(items: list[Item], mention: Mention) -> None:
    """A margin that is circumscribed in part is none, unless another word tells what the other part is."""
    in_part = [i for i in mention.margins if items[i].roles.get("margin") == "circumscribed" and _is_in_part(items, i)]
    alone = len(mention.words.get("margin", ())) == 1 and len(in_part) == len(mention.margins)
    for i in in_part:
        items[i].used = not alone
        for item in items[max(0, i - 1) : i]:
            item.used |= not alone and item.text in _IN_PART
    if in_part and alone:
        del mention.words["margin"]


def _is_in_part(items: list[Item], i: int) -> bool:
    behind = " ".join(item.text for item in items[i + 1 : i + 3])
    before = any(item.text in _IN_PART for item in items[max(0, i - 1) : i])
    return (
        before
        or behind.startswith(("in part", *_IN_PART[:2]))
        and not any(item.is_a("margin") for item in items[i + 2 : i + 3])
    )


def _of_several_words(items: list[Item], mentions: list[Mention]) -> list[Mention]:
    """ "A global asymmetry or developing asymmetry" is one finding; a second article would make it two."""
    kept: list[Mention] = []
    last = -1
    for mention in mentions:
        joints = items[last + 1 : mention.at]
        one = (
            not items[mention.at].is_a(ONE)
            and kept
            and kept[-1].kind == mention.kind == "asymmetry"
            and kept[-1].status is mention.status
        )
        if one and joints and all(x.is_a("and", "or", "comma") for x in joints) and len(joints) <= 2:
            words = kept[-1].words.setdefault("asymmetry", [(kept[-1].asymmetry or "asymmetry", False)])
            words.append((mention.asymmetry or "asymmetry", _joint(joints)))
            kept[-1].text = items[mention.at].text
            items[mention.at].used = True
        else:
            kept.append(mention)
        last = mention.at
    return kept


def _joint(joints: list[Item]) -> bool | None:
    """Whether a word is an alternative to the one before it; None where only a comma tells."""
    if any(x.is_a("or") or x.text == "to" for x in joints):
        return True
    return False if not joints or any(not x.is_a("comma") for x in joints) else None


def _nearest(items: list[Item], at: dict[int, Mention]) -> list[list[int]]:
    """For each item the nouns that stand before it in its clause, the nearest last."""
    found: list[list[int]] = []
    nouns: list[int] = []
    for i, item in enumerate(items):
        if item.is_a("end", "except"):
            nouns = []
        found.append(nouns)
        if i in at:
            nouns = [*nouns, i]
    return found


def _modified(items: list[Item], at: dict[int, Mention], left: list[list[int]]) -> list[int | None]:
    """For each item the noun in front of which it stands: "irregular" and "12 mm" of "an irregular 12 mm mass"."""
    found: list[int | None] = [None] * len(items)
    noun: int | None = None
    for i in range(len(items) - 1, -1, -1):
        item = items[i]
        if i in at:
            noun = i
            continue
        if noun is None:
            continue
        found[i] = noun
        if item.led or item.is_a("verb", "with", "article", "the", "deny before", "affirm", "end", "except", "feature"):
            noun = None
        elif item.is_a("preposition"):
            noun = noun if item.text in _OF and i and items[i - 1].text.startswith(_REGIONS) else None
        elif item.is_a("comma", "and", "or") and (i + 1 == noun or left[i]):
            together = 0 < i < len(items) - 1 and _same_field(items[i - 1], items[i + 1])
            noun = noun if together else None
        if item.led or (noun is None and item.is_a("preposition", "comma", "and", "or")):
            found[i] = None
    return found


_OF_ONE = ("largest", "the largest", "the largest one", "larger", "the larger")
_COMPARED = ("less", "more", "increasingly")
_SEVERAL_REGIONS = ("areas", "regions", "foci", "zones")
_REGIONS = ("area", "region", "focus", "foci", "zone", "site", "amount", "number")


def _same_field(one: Item, other: Item) -> bool:
    return any(name in one.roles and name in other.roles for name in DESCRIPTORS)


def _attach(
    items: list[Item], statuses: list[Status], i: int, at: dict[int, Mention], left: list[int], before: int | None
) -> None:
    """Give a descriptor to the noun that it describes; one that fits none, or is denied or doubtful, is left."""
    item = items[i]
    following = (
        [n for n in at if n > i and not any(x.is_a("end", "except") for x in items[i:n])][:1] if not left else []
    )
    candidates = [before] if before is not None else [*reversed(left), *following]
    if item.is_a("size") and before is None and len(left) > 1 and _is_aside(items, left[-2], left[-1], i):
        candidates = candidates[1:]
    target = next((n for n in candidates if at[n].takes(item)), None)
    if target is None:
        return
    status = statuses[i]
    if before is None and at[target].status is status is Status.DENIED and item.is_a(*LOCATIONS):
        others = (n for n in candidates if at[n].status is Status.PRESENT and at[n].takes(item))
        target = next(others, target)  # "a mass without calcifications in the outer breast"
        status = at[target].status
    mention = at[target]
    name = mention.takes(item)
    assert name is not None
    if mention.status not in (Status.PRESENT, Status.POSSIBLE):
        item.used = True  # the mention's status says it
        return
    if status is not Status.PRESENT and status is not mention.status:
        return
    if i and items[i - 1].text in _COMPARED:
        return  # "less conspicuous" is a comparison
    if is_of_another_thing(items, i, target, name):
        return
    mention.describe(name, item, _alternative(items, i))
    if name == "margin":
        mention.margins.append(i)
    up_to = mention.count > 1 and [x.text for x in items[max(0, i - 2) : i]] == ["up", "to"]
    if name == "size_mm" and (up_to or any(x.text in _OF_ONE for x in items[max(0, i - 4) : i])):
        mention.of_the_largest = True
    if name in LOCATIONS and target != before:
        _share(items, at, target, i, name)


def _is_aside(items: list[Item], head: int, other: int, size: int) -> bool:
    """Whether a size behind a comma is that of the head: "a mass with calcifications, 21 mm"."""
    joined = any(item.is_a("with") or "associated" in item.text for item in items[head + 1 : other])
    return joined and any(item.text == "," for item in items[other + 1 : size])


def _share(items: list[Item], at: dict[int, Mention], target: int, i: int, name: str) -> None:
    """A place behind "a mass and calcifications" is one of both; so is a place in front of them."""
    nouns = sorted(at)
    chain = [target]
    step = 1 if i < target else -1
    index = nouns.index(target) + step
    while 0 <= index < len(nouns):
        first, last = sorted((chain[-1], nouns[index]))
        between = items[first + 1 : last]
        if any(x.is_a("verb", "affirm", "end", "except", "deny before", *LOCATIONS) for x in between):
            break
        chain.append(nouns[index])
        index += step
    for noun in chain[1:]:
        other = at[noun]
        adverb = other.kind == at[target].kind and i > target and items[i].text.endswith("ly")
        if adverb or items[noun].is_a(ONE) or items[target].is_a(ONE):
            break  # "a mass, 8 mm, and a mass, 5 mm, posteriorly"
        if other.status is at[target].status and not (other.located and name not in other.words):
            other.describe(name, items[i], alternative=False)


def _alternative(items: list[Item], i: int) -> bool | None:
    """Whether "or" or "to" stands between a word and the one of the same field before it; None for a comma alone."""
    for k in range(i - 1, max(-1, i - 6), -1):
        if _same_field(items[k], items[i]):
            return _joint([x for x in items[k + 1 : i] if x.is_a("or", "and", "comma") or x.text == "to"])
    return False


def _count(items: list[Item], i: int, mention: Mention) -> None:
    number, noun = int(items[i].number), mention.text
    if any(x.roles.get("distribution") == "grouped" and x.text.endswith("of") for x in items[max(0, i - 2) : i]):
        items[i].used = True  # "a group of five calcifications" is one finding
        return
    plural = noun.endswith("s") and noun != "mass" or noun.startswith(_SEVERAL_REGIONS)
    plural = plural or any(x.text in _SEVERAL_REGIONS for x in items[i : mention.at])
    if number == 1 or (plural and number <= MOST_OF_A_KIND and not _is_about(items, i)):
        mention.count, items[i].used = number, True


_THAT_ONE = ("larger", "smaller", "largest", "known", "palpable", "dominant")
_NUMBERED = ("#", "finding", "findings", "lesion", "number", "no")
_LIMITS = (
    "than", "least", "most", "over", "under", "about", "approximately", "around", "circa", "ca", "roughly", "nearly",
    "almost", "approx", "some",
)  # fmt: skip


def _is_about(items: list[Item], i: int) -> bool:
    """Whether a number of findings is not the number: "up to four masses", "at least two", "finding 2"."""
    before = [item.text for item in items[max(0, i - 2) : i]]
    if items[i + 1].text == ":" or before and before[-1] in _NUMBERED:
        return True  # "finding 2: calcifications"
    if before[-1:] == ["to"] and before[:1] == ["up"] or before and before[-1] in _LIMITS:
        return True
    joint = items[i - 1] if i > 1 else None
    return joint is not None and (joint.is_a("or") or joint.text in ("to", "-", "/")) and items[i - 2].is_a("count")


_ENTRIES = ("shape", "margin", "margins", "size", "density", "location", "depth", "morphology", "distribution", "type")


def _is_definite(items: list[Item], noun: int) -> bool:
    """Whether "the" or "this" stands in front of the noun's phrase, or an entry of a form: "mass shape: oval"."""
    after = [item.text for item in items[noun + 1 : noun + 3]]
    if len(after) == 2 and after[0] in _ENTRIES and after[1] == ":":
        return True
    for item in reversed(items[:noun]):
        if item.is_a("the"):
            return True
        if item.text in _OF_ONE[1:]:
            return True
        known = item.describes or item.is_a("plain", "still", "earlier", "count") or item.text in _THAT_ONE
        if not known or item.is_a("preposition", "verb", "affirm"):
            return False
    return False


def open_choice(items: list[Item], mentions: list[Mention]) -> bool:
    """Whether "or" leaves open which of two findings is there: "a mass or focal asymmetry", "mass/asymmetry"."""
    present = [m.at for m in mentions if m.status is Status.PRESENT]
    return any(
        any(x.is_a("or") or x.text == "/" for x in items[one + 1 : other])
        and not any(_between_words(items, one, other))
        for one, other in zip(present, present[1:])
    )


def _between_words(items: list[Item], one: int, other: int) -> list[bool]:
    """Whether the "or" between two nouns joins two words of one field instead of the nouns."""
    return [
        items[k].is_a("or") and _same_field(items[k - 1], items[k + 1])
        for k in range(one + 1, other)
        if k + 1 < len(items)
    ]
