"""A report as radiologists write it: indication, comparison, composition, findings, assessment, recommendation.

Made from what is known of an exam, section by section, in one fixed wording for a reader to edit. What is not known is
named in square brackets. A screening opinion says what is recommended: that stands there; no recommendation follows
from a BI-RADS category, and nothing is converted from one scale to another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ..exam import Laterality, ViewName
from ..tasks import DENSITY_WORDS
from .findings import Finding
from .lexicon import ASSESSMENT_WORDS, KINDS, NOUNS, QUADRANTS

RESEARCH_ONLY = "Research use only, not for diagnosis."
NOT_GIVEN = "[not given]"
_NAMES = {kind: nouns[0] for kind, nouns in NOUNS.items()} | {"asymmetry": "asymmetry"}


@dataclass(frozen=True)
class ReportedFinding:
    """A finding of one breast with what the reader stated of it.

    number: by which the reader knows it; None where it has none. label: a word of KINDS, or "other". views: on which it
    is marked. estimated: where its marks lie, as a phrase, "" where that is not known. suspicion: 1 to 5.
    """

    laterality: Laterality
    label: str
    finding: Finding | None = None
    number: int | None = None
    views: tuple[ViewName, ...] = ()
    estimated: str = ""
    suspicion: int | None = None


@dataclass(frozen=True)
class ReportContent:
    """What is known of an exam for its report; what is None or empty is not known.

    exam: its name in the worklist. views: the views that were read, missing: the standard views that there are not.
    comparison: what there is to compare with. absent: the kinds of findings that the reader denied, by breast. opinion:
    the opinion on the exam, as a word of a screening reader; repeats: the views to repeat for a technical recall, each
    with its reason; breast_opinions: of each breast. assessments: the BI-RADS category of each breast, such as "4B".
    notes: the reader's own. signature: who read it, when, and in which state it is.
    """

    exam: str = ""
    exam_date: str = ""
    views: tuple[ViewName, ...] = ()
    missing: tuple[ViewName, ...] = ()
    comparison: str = ""
    density: str | None = None
    findings: tuple[ReportedFinding, ...] = ()
    absent: Mapping[Laterality, frozenset[str]] = field(default_factory=dict)
    opinion: str = ""
    repeats: Mapping[ViewName, str] = field(default_factory=dict)
    breast_opinions: Mapping[Laterality, str] = field(default_factory=dict)
    assessments: Mapping[Laterality, str] = field(default_factory=dict)
    notes: str = ""
    signature: str = ""


def write_template(content: ReportContent) -> str:
    """Return the report as text, a heading and its lines for each section."""
    sections = [
        ("MAMMOGRAM", _heading(content)),
        ("INDICATION", ["Screening." if content.opinion else NOT_GIVEN]),
        ("COMPARISON", [content.comparison or NOT_GIVEN]),
        ("BREAST COMPOSITION", [_composition(content.density)]),
        ("FINDINGS", [line for side in Laterality for line in _findings(content, side)]),
        ("ASSESSMENT", _assessment(content)),
        ("RECOMMENDATION", [_recommendation(content)]),
    ]
    if content.notes:
        sections.append(("NOTES", [content.notes]))
    text = "\n\n".join("\n".join([title, *lines]) for title, lines in sections)
    return "\n\n".join(filter(None, (text, content.signature, RESEARCH_ONLY)))


def _heading(content: ReportContent) -> list[str]:
    """The exam, its date and its views."""
    lines = [", ".join(filter(None, (content.exam, content.exam_date)))] if content.exam or content.exam_date else []
    lines.append(f"Views: {_names(content.views) or NOT_GIVEN}.")
    if content.missing:
        lines.append(f"Not there: {_names(content.missing)}.")
    return lines


def _composition(density: str | None) -> str:
    if density is None:
        return NOT_GIVEN
    words = DENSITY_WORDS[density]
    verb = "There are" if words.startswith("scattered") else "The breasts are"
    return f"{verb} {words} (density {density})."


def _findings(content: ReportContent, side: Laterality) -> list[str]:
    """The lines on the findings of a breast: those that are there, those that are not, and what is not said."""
    heading = f"{side.word.capitalize()} breast:"
    if content.views and not any(name.laterality is side for name in content.views):
        return [heading, "[no view of this breast]"]
    found = [finding for finding in content.findings if finding.laterality is side]
    lines = [_finding_line(finding) for finding in found]
    absent = content.absent.get(side, frozenset())
    if absent:
        lines.append(f"No {_or([_plural(kind) for kind in KINDS if kind in absent])}.")
    silent = [kind for kind in KINDS if kind not in absent and kind not in {finding.label for finding in found}]
    if len(silent) == len(KINDS) and not found:
        normal = "normal" in (content.breast_opinions.get(side), content.opinion)
        return [heading, "Normal: no finding is recorded." if normal else NOT_GIVEN]
    if silent:
        lines.append(f"[not stated: {', '.join(_plural(kind) for kind in silent)}]")
    return [heading, *lines]


def _finding_line(reported: ReportedFinding) -> str:
    """One finding: what it is, its size, its place, what goes with it, its assessment, its views, what lacks."""
    found = reported.finding
    size = f"{found.size_mm:g} mm" if found is not None and found.size_mm is not None else ""
    place = _place(found) if found is not None else ""
    features = f"with {_and(found.features)}" if found is not None and found.features else ""
    birads = f"BI-RADS {found.birads}" if found is not None and found.birads else ""
    suspicion = f"suspicion {reported.suspicion} of 5" if reported.suspicion else ""
    stated = ", ".join(filter(None, (_name(reported), size, place, features, birads, suspicion)))
    estimated = f"[place estimated from the marks: {reported.estimated}]" if reported.estimated else "[place not given]"
    rest = [
        f"Marked on {_names(reported.views)}." if reported.views else "[not marked on a view]",
        "" if size else "[size not given]",
        "" if place else estimated,
    ]
    number = f"{reported.number}. " if reported.number is not None else ""
    return f"{number}{stated}. {' '.join(filter(None, rest))}"


def _name(reported: ReportedFinding) -> str:
    """The finding with its descriptors: "Irregular mass, spiculated margin, high density"."""
    found = reported.finding
    if found is None:
        return "Finding of another kind" if reported.label not in KINDS else _NAMES[reported.label].capitalize()
    noun = found.described("asymmetry") if found.kind == "asymmetry" else _NAMES[found.kind]
    first = found.described("shape") or found.described("morphology")
    phrases = [f"{first} {noun}".strip()]
    for name, phrase in (("margin", "{} margin"), ("mass_density", "{} density"), ("distribution", "{} distribution")):
        if value := found.described(name):
            phrases.append(value if value == "fat-containing" else phrase.format(value))
    text = ", ".join(phrases)
    return text[0].upper() + text[1:]


def _place(found: Finding) -> str:
    """The place that the reader gave, with clock position and depth; "" for none."""
    place = found.described("place")
    given = (
        f"{place} quadrant" if place in QUADRANTS else f"{place} breast" if place in _HALVES else place,
        f"{found.clock} o’clock" if found.clock else "",
        f"{found.described('depth')} third" if found.depth else "",
    )
    return ", ".join(filter(None, given))


_HALVES = ("upper", "lower", "outer", "inner", "central")


def _assessment(content: ReportContent) -> list[str]:
    """The opinion on the exam, then each breast with its opinion and assessments."""
    lines = [f"Opinion: {content.opinion}."] if content.opinion else []
    if content.repeats:
        repeated = (f"{str(view).replace('_', ' ')} ({reason})" for view, reason in content.repeats.items())
        lines.append(f"To repeat: {', '.join(repeated)}.")
    given = [side for side in Laterality if content.assessments.get(side) or content.breast_opinions.get(side)]
    if not given:
        return lines or [NOT_GIVEN]
    for side in Laterality:
        category = content.assessments.get(side, "")
        values = "; ".join(filter(None, (content.breast_opinions.get(side, ""), category and _category(category))))
        lines.append(f"{side.word.capitalize()} breast: {f'{values}.' if values else NOT_GIVEN}")
    return lines


def _category(category: str) -> str:
    """A BI-RADS category with its words."""
    words = ASSESSMENT_WORDS.get(category)
    return f"BI-RADS {category}" + (f", {words[0]}" if words else "")


def _recommendation(content: ReportContent) -> str:
    """What a screening opinion recommends."""
    if content.opinion == "normal":
        return "Routine screening."
    if content.opinion == "technical recall":
        return f"Repeat {_names(content.repeats)}." if content.repeats else NOT_GIVEN
    recalled = [side.word for side in Laterality if content.breast_opinions.get(side, "normal") != "normal"]
    if content.opinion == "recall" and recalled:
        return f"Recall for assessment of the {_and(recalled)} breast{'s' if len(recalled) > 1 else ''}."
    return NOT_GIVEN


def _plural(kind: str) -> str:
    return {"mass": "mass", "calcification": "calcifications"}.get(kind, _NAMES[kind])


def _names(names: Iterable[ViewName]) -> str:
    return ", ".join(str(name).replace("_", " ") for name in names)


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _or(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
