"""Findings (BI-RADS fields) <-> report text: the writer of synthetic reports, and the parser that reads every wording back.

A lexicon (`lexicon.py`) gives each value of each field its phrases; the writer chooses among them, the parser looks them up. So
nothing that is not in the fields can be said, and `parse_report(write_report(findings, rng)) == findings` for every rng.
Outcomes (biopsy, cancer) are no field, so they cannot leak. The words are those of the BI-RADS lexicon; the sentences are
ours.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from ..exam import Laterality, Projection
from .lexicon import ASYMMETRY_KINDS, EXAM_FIELDS, FEATURES, KINDS, LEXICON, NOUNS, QUADRANTS


@dataclass(frozen=True)
class Finding:
    """One thing seen. A field that is None is not known and is never said; which fields apply depends on `kind`."""

    kind: str
    shape: str | None = None
    margin: str | None = None
    mass_density: str | None = None
    morphology: str | None = None
    distribution: str | None = None
    asymmetry: str | None = None
    size_mm: int | None = None
    place: str | None = None
    clock: int | None = None
    depth: str | None = None
    features: tuple[str, ...] = ()
    birads: str | None = None

    def __post_init__(self):
        _check("kind", self.kind, KINDS)
        for name, lexicon in (("shape", "shape"), ("margin", "margin"), ("mass_density", "mass_density"),
                              ("morphology", "morphology"), ("distribution", "distribution"), ("place", "place"),
                              ("depth", "depth"), ("birads", "birads")):  # fmt: skip
            _check(name, getattr(self, name), LEXICON[lexicon])
        _check("asymmetry", self.asymmetry, ASYMMETRY_KINDS)
        for feature in self.features:
            _check("features", feature, FEATURES)
        own = {"mass": ("shape", "margin", "mass_density"), "calcification": ("morphology", "distribution"),
               "asymmetry": ("asymmetry",), "distortion": ()}  # fmt: skip
        for kind, names in own.items():
            for name in names:
                if kind != self.kind and getattr(self, name) is not None:
                    raise ValueError(f"{name}={getattr(self, name)!r}: a {self.kind} has no {name}")
        object.__setattr__(self, "features", tuple(sorted(self.features)))
        if self.kind == "asymmetry" and self.asymmetry is None:
            object.__setattr__(self, "asymmetry", "asymmetry")


@dataclass(frozen=True)
class Findings:
    """What a table says of one breast (or of one view of it).

    present: the findings; absent: kinds that are known not to be there; a kind in neither is not known. Two breasts with
    equal findings have the same report, whatever its wording: equality is the rule by which the objective knows positives.
    """

    density: str | None = None
    present: tuple[Finding, ...] = ()
    absent: frozenset[str] = frozenset()
    birads: str | None = None

    def __post_init__(self):
        _check("density", self.density, LEXICON["density"])
        _check("birads", self.birads, LEXICON["birads"])
        for kind in self.absent:
            _check("absent", kind, KINDS)
        both = {finding.kind for finding in self.present} & set(self.absent)
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: present and absent at once")
        object.__setattr__(self, "present", tuple(sorted(self.present, key=repr)))
        object.__setattr__(self, "absent", frozenset(self.absent))

    @property
    def key(self) -> int:
        """A number that is equal for equal findings, in every process and run (56 bits); never 0."""
        said = repr((self.density, self.present, sorted(self.absent), self.birads))
        return int.from_bytes(hashlib.sha256(said.encode()).digest()[:7], "big") + 1

    def first(self, kind: str) -> Finding | None:
        """The first finding of a kind."""
        return next((finding for finding in self.present if finding.kind == kind), None)


@dataclass(frozen=True)
class ExamFindings:
    """What a table says of an exam. A side that is None was not looked at."""

    right: Findings | None = None
    left: Findings | None = None
    indication: str | None = None
    comparison: str | None = None
    recommendation: str | None = None

    def __post_init__(self):
        for name, known in EXAM_FIELDS.items():
            _check(name, getattr(self, name), known)


@dataclass(frozen=True)
class Background:
    """Facts on which a pair could be matched without looking; each is left out of 80 % of the reports."""

    age: int | None = None
    history: str | None = None
    device: str | None = None


KEEP_BACKGROUND = 0.2


def _check(name: str, value: str | None, known: Iterable[str]) -> None:
    if value is not None and value not in known:
        raise ValueError(f"{name}={value!r}: expected one of {', '.join(known)}")


def write_report(findings: Findings, rng: random.Random, laterality: Laterality | None = None) -> str:
    """One wording of a breast's report, in a full or a telegraphic style; says every field and no more.

    laterality: named sometimes where it is given; it is not a field, and the parser leaves it out.
    """
    said = [_finding(finding, rng) for finding in findings.present] + _negations(findings.absent, rng)
    rng.shuffle(said)
    if findings.density:
        density = _density(findings.density, rng)
        said.insert(rng.choice([0, 0, len(said)]), density)
    if findings.birads:
        said.append(_assessment(findings.birads, rng))
    if laterality and rng.random() < 0.3:
        said.insert(0, rng.choice([f"{laterality.word} breast", f"{laterality.word} mammogram"]))
    end = rng.choice([". ", ". ", "; ", "\n"])
    text = end.join(said)
    return text if rng.random() < 0.5 else ". ".join(part[:1].upper() + part[1:] for part in said) + "." * bool(said)


def write_exam_report(exam: ExamFindings, rng: random.Random, background: Background = Background()) -> str:
    """One wording of an exam's report: background (mostly left out), indication, each breast, recommendation."""
    said = []
    if background.age is not None and rng.random() < KEEP_BACKGROUND:
        said.append(rng.choice([f"{background.age}-year-old woman", f"age {background.age}"]))
    if background.history and rng.random() < KEEP_BACKGROUND:
        said.append(f"history: {background.history}")
    if background.device and rng.random() < KEEP_BACKGROUND:
        said.append(f"device: {background.device}")
    for name in ("indication", "comparison"):
        if value := getattr(exam, name):
            said.append(f"{name}: {value}")
    sides = [(side, getattr(exam, side.word)) for side in Laterality]
    rng.shuffle(sides)
    for side, findings in sides:
        if findings is not None:
            heading = rng.choice([f"{side.word} breast:", f"{side.word}:".capitalize(), f"{side.word.upper()} BREAST:"])
            said.append(f"{heading} {write_report(findings, rng)}".rstrip(". "))
    if exam.recommendation:
        said.append(f"recommendation: {exam.recommendation}")
    return ".\n".join(said)


def for_view(findings: Findings, projection: Projection) -> Findings:
    """What one view can show: a CC tells outer from inner, an MLO upper from lower, neither a clock position."""
    axis = {Projection.CC: 1, Projection.MLO: 0}[projection]
    seen = []
    for finding in findings.present:
        place = finding.place.split()[axis] if finding.place in QUADRANTS else finding.place
        if place in (("upper", "lower") if axis else ("outer", "inner")):
            place = None
        seen.append(replace(finding, place=place, clock=None))
    return replace(findings, present=tuple(seen))


def fewer_fields(findings: Findings, rng: random.Random, keep: float = 0.8) -> Findings:
    """The same findings with some fields forgotten, so that texts of many lengths are learned; findings stay."""
    fewer = [
        replace(f, **{
            field.name: () if field.name == "features" else None
            for field in fields(f) if field.name not in ("kind", "asymmetry") and rng.random() > keep
        })
        for f in findings.present
    ]  # fmt: skip
    absent = frozenset(kind for kind in sorted(findings.absent) if rng.random() < keep)
    density, birads = (value if rng.random() < keep else None for value in (findings.density, findings.birads))
    return Findings(density, tuple(fewer), absent, birads)


def _say(field: str, value: str, rng) -> str:
    return rng.choice(LEXICON[field][value])


def _finding(finding: Finding, rng) -> str:
    before, after = [], []
    if finding.size_mm is not None:
        (before if rng.random() < 0.5 else after).append(f"{finding.size_mm} mm")
    for name in ("mass_density", "shape", "distribution", "morphology"):
        if (value := getattr(finding, name)) is not None:
            before.append(_say(name, value, rng))
    if finding.margin is not None:
        word = _say("margin", finding.margin, rng)
        if rng.random() < 0.5:
            before.append(word)
        else:
            after.append(rng.choice([f"with {word} margins", f"with {word} margin", f"{word} margins"]))
    rng.shuffle(before)
    noun = finding.asymmetry or rng.choice(NOUNS[finding.kind])
    where = []
    if finding.place is not None:
        where.append(_say("place", finding.place, rng))
    if finding.clock is not None:
        where.append(rng.choice([f"at {finding.clock} o'clock", f"at the {finding.clock} o'clock position"]))
    if finding.depth is not None:
        where.append(_say("depth", finding.depth, rng))
    rng.shuffle(where)
    tail = after + where
    if finding.features:
        tail.append(rng.choice(["with ", "with associated "]) + " and ".join(finding.features))
    if finding.birads is not None:
        tail.append(f"(BI-RADS {finding.birads})")
    if rng.random() < 0.3:  # telegraphic
        return ", ".join([noun, *before, *tail])
    phrase = " ".join([*before, noun])
    plural = noun.endswith("s") and finding.kind == "calcification"
    article = "" if plural or finding.kind == "distortion" else ("an " if phrase[0] in "aeio" else "a ")
    be = "are" if plural else "is"
    rest = (" " if tail else "") + " ".join(tail)
    return rng.choice(
        [f"there {be} {article}{phrase}{rest}", f"{article}{phrase} {be} seen{rest}", f"{article}{phrase}{rest}",
         f"{article}{phrase} {be} present{rest}"]
    )  # fmt: skip


def _negations(absent: frozenset[str], rng) -> list[str]:
    """Denies every kind in `absent`, one by one or several in a sentence."""
    kinds = rng.sample(sorted(absent), len(absent))
    said = []
    while kinds:
        take = kinds[: rng.choice([1, 1, 2, 3, 4])]
        kinds = kinds[len(take) :]
        nouns = [rng.choice(NOUNS[kind]) for kind in take]
        listed = nouns[0] if len(nouns) == 1 else ", ".join(nouns[:-1]) + " or " + nouns[-1]
        many = len(nouns) > 1 or nouns[0].endswith("s") and take[0] == "calcification"
        said.append(
            rng.choice(
                [
                    f"no {listed}",
                    f"no {listed} {'are' if many else 'is'} seen",
                    f"no suspicious {listed}",
                    f"without {listed}",
                ]
            )
        )
    return said


def _density(letter: str, rng) -> str:
    words = _say("density", letter, rng)
    if words.startswith("density"):
        return rng.choice([f"breast {words}", words])
    return rng.choice([f"the breast is {words}", words, f"breast composition: {words}", f"density {letter}, {words}"])


def _assessment(birads: str, rng) -> str:
    words = _say("birads", birads, rng)
    return rng.choice([f"{words}, BI-RADS {birads}", f"BI-RADS {birads}", f"assessment: BI-RADS {birads}", words])


class _Phrases:
    """Finds the value of a field by its longest phrase and takes that phrase out of the sentence."""

    def __init__(self, values: dict[str, Sequence[str]]):
        pairs = sorted(((p.lower(), v) for v, ps in values.items() for p in ps), key=lambda pair: -len(pair[0]))
        self.values = dict(pairs)
        self.pattern = re.compile(r"(?<![\w-])(" + "|".join(re.escape(phrase) for phrase, _ in pairs) + r")(?![\w-])")

    def take(self, sentence: str) -> tuple[str | None, str]:
        found = max(self.pattern.finditer(sentence), key=lambda m: len(m[0]), default=None)
        if found is None:
            return None, sentence
        return self.values[found[0]], sentence[: found.start()] + " , " + sentence[found.end() :]


_FIELDS = {name: _Phrases(values) for name, values in LEXICON.items()}
_NOUN = _Phrases(NOUNS)
_ASYMMETRY = _Phrases({kind: (kind,) for kind in ASYMMETRY_KINDS})
_OWN_FIELDS = {
    "mass": ("mass_density", "shape", "margin"), "calcification": ("morphology", "distribution"),
    "asymmetry": (), "distortion": (),
}  # fmt: skip
_CODE = re.compile(r"\(?\bbi-rads\s*:?\s*(0|1|2|3|4[abc]?|5)\b\)?", re.I)


def parse_report(text: str) -> Findings:
    """A breast's report -> its findings. What the grammar does not know is left out, never guessed."""
    density = birads = None
    present: list[Finding] = []
    absent: set[str] = set()
    for sentence in re.split(r"\.(?:\s+|$)|;\s*|\n", text):
        sentence = sentence.strip().lower()
        if not sentence:
            continue
        if sentence.startswith(("no ", "without ")) and not sentence.startswith("no evidence of malignancy"):
            absent.update(_kinds_in(sentence))
        elif kind := next(iter(_kinds_in(sentence)), None):
            present.append(_parse_finding(kind, sentence))
        elif (value := _FIELDS["density"].take(sentence)[0]) is not None:
            density = value
        elif code := _CODE.search(sentence):
            birads = code[1].upper()
        elif (value := _FIELDS["birads"].take(sentence)[0]) is not None:
            birads = value
    return Findings(density, tuple(present), frozenset(absent), birads)


def _kinds_in(sentence: str) -> list[str]:
    kinds = []
    while True:
        kind, sentence = _NOUN.take(sentence)
        if kind is None:
            return kinds
        kinds.append(kind)


def _parse_finding(kind: str, sentence: str) -> Finding:
    got: dict = {}
    if code := _CODE.search(sentence):
        got["birads"] = code[1].upper()
        sentence = sentence.replace(code[0], " ")
    if kind == "asymmetry":
        got["asymmetry"], sentence = _ASYMMETRY.take(sentence)
    features = []
    while (taken := _FIELDS["feature"].take(sentence))[0] is not None:
        features.append(taken[0])
        sentence = taken[1]
    for name in ("place", "depth", *_OWN_FIELDS[kind]):
        got[name], sentence = _FIELDS[name].take(sentence)
    if size := re.search(r"(\d+) mm\b", sentence):
        got["size_mm"] = int(size[1])
    if clock := re.search(r"(\d+) o'clock", sentence):
        got["clock"] = int(clock[1])
    return Finding(kind, features=tuple(features), **got)


def parse_exam_report(text: str) -> ExamFindings:
    """An exam's report -> its findings; background is read over."""
    got = {}
    for name in EXAM_FIELDS:
        if found := re.search(rf"(?im)^{name}: ([^.\n]+)", text):
            got[name] = found[1].strip()
            text = text.replace(found[0], "")
    parts = re.split(r"(?im)^(right|left)(?: breast)?:", text)
    for side, body in zip(parts[1::2], parts[2::2], strict=True):
        got[side.lower()] = parse_report(body)
    return ExamFindings(**got)


def diversity(texts: Sequence[str], n: int = 2) -> dict[str, float]:
    """Share of distinct wordings among `texts`, and distinct-n: distinct n-grams over all n-grams (Li et al., 2016)."""
    grams = [tuple(words[i : i + n]) for words in (t.lower().split() for t in texts) for i in range(len(words) - n + 1)]
    return {"distinct wordings": len(set(texts)) / len(texts), f"distinct-{n}": len(set(grams)) / max(len(grams), 1)}
