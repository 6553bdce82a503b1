"""CDD-CESM's descriptions of findings in English, such as "High density mass with speculated margin$IMLN".

`$` separates statements; each has an assessment of its own where the column BIRADS holds as many. In a statement the
words before a noun describe it ("high density irregular mass"), and so do those after "with" up to "margin". What the
lexicon has no word for is listed, and so are words that are read as another one: misspelt or of an earlier edition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from ..report.findings import Finding
from ..report.lexicon import KINDS
from .case import NOT_UNDERSTOOD
from .columns import WordReader, birads_category
from .same_findings import with_word

COLUMN = "Findings"
_SPELLING = {
    "speculated": "spiculated", "asymmetrial": "asymmetrical", "asymmetrcial": "asymmetrical",
    "assymetrical": "asymmetrical", "circumsribed": "circumscribed", "mircocalcifications": "microcalcifications",
    "macrocalcificaion": "macrocalcification", "macrocalification": "macrocalcification",
    "calcificaton": "calcification", "distorton": "distortion", "dystophic": "dystrophic",
}  # fmt: skip
_KIND_NOUNS = {
    **dict.fromkeys(("mass", "masses", "mass lesion", "nodule", "nodules"), "mass"),
    **dict.fromkeys(
        ("calcification", "calcifications", "microcalcification", "microcalcifications", "macrocalcification",
         "macrocalcifications", "calcific foci"), "calcification"),
    **dict.fromkeys(("asymmetrical increased density", "asymmetrical increased densities", "asymmetry"), "asymmetry"),
    "architectural distortion": "distortion",
}  # fmt: skip
_FEATURES = {
    "imln": "intramammary lymph node", "nipple retraction": "nipple retraction", "skin retraction": "skin retraction",
    "skin and nipple retraction": "skin retraction", "skin thickening": "skin thickening",
    **dict.fromkeys(("dilated duct", "dilated ducts"), "dilated duct"),
    **dict.fromkeys(("edema", "edema pattern", "diffuse edematous changes"), "edema"),
}  # fmt: skip
#: word -> (kind, field, value); kind "" for any
_DESCRIPTORS = {
    "high density": ("mass", "mass_density", "high"), "equal density": ("mass", "mass_density", "equal"),
    "low density": ("mass", "mass_density", "low"), "iso": ("mass", "mass_density", "equal"),
    "oval": ("mass", "shape", "oval"), "irregular": ("mass", "shape", "irregular"),
    "circumscribed": ("mass", "margin", "circumscribed"), "obscured": ("mass", "margin", "obscured"),
    "partially obscured": ("mass", "margin", "obscured"), "indistinct": ("mass", "margin", "indistinct"),
    "ill defined": ("mass", "margin", "indistinct"), "microlobulated": ("mass", "margin", "microlobulated"),
    "spiculated": ("mass", "margin", "spiculated"),
    "focal": ("asymmetry", "asymmetry", "focal asymmetry"), "global": ("asymmetry", "asymmetry", "global asymmetry"),
    "retroareolar": ("", "place", "retroareolar"),
    "vascular": ("calcification", "morphology", "vascular"), "pop corn": ("calcification", "morphology", "coarse"),
    "punctate": ("calcification", "morphology", "punctate"),
    "pleomorphic": ("calcification", "morphology", "pleomorphic"),
    "dystrophic": ("calcification", "morphology", "dystrophic"),
    "clusters": ("calcification", "distribution", "grouped"), "cluster": ("calcification", "distribution", "grouped"),
    "segmental": ("calcification", "distribution", "segmental"),
    "regional": ("calcification", "distribution", "regional"), "diffuse": ("calcification", "distribution", "diffuse"),
    "scattered": ("calcification", "distribution", "diffuse"),
}  # fmt: skip
_NUMBERS = {"two": 2, "three": 3}
#: words by which a statement denies or doubts what it names; the table has none, so such a statement is not read
_NOT_SURE = frozenset(
    ("no", "not", "without", "absent", "absence", "free", "none", "nor", "resolved", "removed", "excised", "possible",
     "possibly", "probable", "probably", "questionable", "cannot", "previous", "previously")
)  # fmt: skip
_LOBULATED_MASS = re.compile(r"\blobulated (?=(equal density |high density )?mass)")
_BREAKS = {"with", "and", "of", "overlying", "adjacent", "surrounding", "one", "them", "show"}
_FILLERS = {"with", "and", "of", "overlying", "margin", "pattern", "normal"}
_REASONS = {
    "benign": "an assessment, which the column BIRADS gives", "multiple": "a number that is not told",
    "surrounding": "a place that the lexicon does not have",
}  # fmt: skip
#: phrases without a word in the lexicon, listed as a whole
_PHRASES_UNREAD = {
    "linear branching", "diffuse air/dark density", "linear tortous densities", "nodular increased density",
    "intraductal extension", "ductal extension", "surgical clip", "surgical clips", "postoperative scar",
    "post operative scar", "contour bulge", "prominent duct system", "mixed density",
}  # fmt: skip
_PHRASES = sorted({*_KIND_NOUNS, *_FEATURES, *_DESCRIPTORS, *_NUMBERS, *_PHRASES_UNREAD}, key=len, reverse=True)
_TOKEN = re.compile("|".join(rf"\b{re.escape(phrase)}\b" for phrase in _PHRASES) + r"|[\w/]+")


class _Descriptor(NamedTuple):
    """A word of a text and what it means: the kind that it describes ("" for any), the field and its value."""

    token: str
    kind: str
    name: str
    value: str


@dataclass
class Description:
    """What a description says. normal: it says that there is nothing. has_unknown_words: some are not
    understood. assessments: BI-RADS of each statement."""

    findings: list[Finding] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    normal: bool = False
    has_unknown_words: bool = False
    assessments: list[str] = field(default_factory=list)

    @property
    def absent(self) -> frozenset[str]:
        """The kinds that are denied: all where the breast is normal."""
        return frozenset(KINDS) if self.normal and not self.findings else frozenset()


def read_description(text: str, assessments: str, words: WordReader) -> Description:
    """Return what the columns Findings and BIRADS of a picture say. words: collects what is not used."""
    statements = [statement.strip() for statement in text.split("$") if statement.strip()]
    told = [part.strip() for part in assessments.split("$") if part.strip()]
    found, read_before = Description(), len(words.unread)
    found.assessments = [birads for part in told if (birads := _assessment(part, words))]
    for number, statement in enumerate(statements):
        own = birads_category(told[number]) if len(told) == len(statements) > 1 else None
        _read_statement(statement, own, found, words)
    normal = "normal" in [statement.lower() for statement in statements]
    found.has_unknown_words = any(word.reason == NOT_UNDERSTOOD for word in words.unread[read_before:])
    found.normal = normal and not found.has_unknown_words
    return found


def _assessment(part: str, words: WordReader) -> str | None:
    if part == "6":
        words.skip("BIRADS", part, "a known cancer: an outcome, which enters no report")
        return None
    return words.read("BIRADS", part, birads_category)


def _read_statement(statement: str, birads: str | None, found: Description, words: WordReader) -> None:
    """Add the findings and features of one statement, each with the statement's assessment."""
    if not _NOT_SURE.isdisjoint(re.findall(r"\w+", statement.lower())):
        words.skip(COLUMN, statement)
        return
    plain = " ".join(_spelt(word, words) for word in statement.lower().replace(",", " ").split())
    if "lobulated" in plain and _LOBULATED_MASS.search(plain):
        words.skip(COLUMN, "lobulated", "read as oval, its word in the 5th edition")
        plain = _LOBULATED_MASS.sub("oval ", plain)
    if "retroareolar duct" in plain:
        words.skip(COLUMN, "retroareolar", "a feature of the breast has no place")
        plain = plain.replace("retroareolar duct", "duct")
    first, waiting, number = len(found.findings), list[_Descriptor](), 1
    for token in _TOKEN.findall(plain):
        if token in _KIND_NOUNS:
            kind = _KIND_NOUNS[token]
            finding = Finding(kind, birads=birads)
            finding = _described(finding, [item for item in waiting if item.kind in (kind, "")])
            _unused([item for item in waiting if item.kind not in (kind, "")], found.findings[first:], words)
            found.findings += [finding] * (number if kind == "mass" or token.endswith("densities") else 1)
            waiting, number = [], 1
        elif token in _FEATURES:
            found.features += [_FEATURES[token], *(["nipple retraction"] if token.startswith("skin and") else [])]
            waiting = _unused(waiting, found.findings[first:], words)
        elif token in _DESCRIPTORS:
            waiting.append(_Descriptor(token, *_DESCRIPTORS[token]))
        elif token == "margin":
            waiting = _margin(found.findings, first, waiting, words)
        elif token in _NUMBERS:
            number = _NUMBERS[token]
        else:
            number = 1 if token in _BREAKS else number
            if token not in _FILLERS:
                words.skip(COLUMN, token, _REASONS.get(token, NOT_UNDERSTOOD))
    _unused(waiting, found.findings[first:], words)


def _spelt(word: str, words: WordReader) -> str:
    if word in _SPELLING:
        words.skip(COLUMN, word, f"misspelt: read as {_SPELLING[word]}")
    return _SPELLING.get(word, word)


def _described(finding: Finding, items: list[_Descriptor]) -> Finding:
    """The finding with words before or after its noun; several words of a field hold together."""
    for _, _, name, value in items:
        finding = with_word(finding, name, value)
    return finding


def _margin(findings: list[Finding], first: int, waiting: list[_Descriptor], words: WordReader) -> list[_Descriptor]:
    """Give the waiting words to the last masses of the statement, which "margin" ends; return those that stay."""
    last = next((finding for finding in reversed(findings[first:]) if finding.kind == "mass"), None)
    if last is None:
        return waiting
    of_mass = [item for item in waiting if item.kind == "mass"]
    described = _described(last, of_mass)
    for index in range(len(findings) - 1, first - 1, -1):
        if findings[index].kind == "mass":
            if findings[index] != last:
                break
            findings[index] = described
    return _unused([item for item in waiting if item.kind != "mass"], [], words)


def _unused(items: list[_Descriptor], before: list[Finding], words: WordReader) -> list[_Descriptor]:
    """List descriptors that no noun takes; nothing is left waiting."""
    for item in items:
        words.skip(
            COLUMN, item.token, "describes nothing that is named" if not before else "not clear what it describes"
        )
    return []
