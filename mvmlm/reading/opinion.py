"""A screening opinion of an exam: normal, technical recall, or recall for assessment; and when two opinions differ.

An opinion is part of a reading: its answers are ordinary fields. Diagnostic exams have a BI-RADS assessment instead.
Neither is ever converted into the other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Any, Protocol, Self, TypeVar

from ..exam import Laterality, Projection, ViewName

OPINION, BREAST_OPINION, ASSESSMENT = "opinion", "breast_opinion", "birads"  # names of fields
NOTHING_SUSPECTED = ("1", "2")  # BI-RADS categories
SUSPICIOUS = 3  # the lowest suspicion of a finding for which a breast is abnormal, on the scale from 1 to 5
REPEATED = (Projection.CC, Projection.MLO)
REPEAT_REASONS = ("positioning", "cut off", "blurred", "exposure", "compression", "artefact", "other")


class Opinion(str, Enum):
    """What a screening reader decides about an exam."""

    NORMAL = "normal"  # routine recall
    TECHNICAL_RECALL = "technical recall"  # views are to be repeated
    RECALL = "recall"  # for assessment


class BreastOpinion(str, Enum):
    """What a screening reader states about a breast of an exam that is recalled for assessment."""

    NORMAL = "normal"
    SYMPTOMS = "symptoms only"
    ABNORMAL = "abnormal"


class ReadingScale(str, Enum):
    """What a reader is asked for: a screening opinion, or BI-RADS assessments of both breasts."""

    SCREENING = "screening"
    DIAGNOSTIC = "diagnostic"


class Stated(Protocol):
    """What a reading states: see `reading.Reading`, which asks this module what contradicts itself."""

    @property
    def fields(self) -> Mapping[tuple[Laterality | None, str], str]:
        """The answers."""
        ...

    @property
    def findings(self) -> Mapping[int, Any]:
        """The findings by number, with laterality and suspicion: see `reading.MarkedFinding`."""
        ...

    def answer(self, name: str, side: Laterality | None = None) -> str | None:
        """Return an answer."""
        ...

    def with_fields(self, given: Mapping[tuple[Laterality | None, str], str]) -> Self:
        """Return it with other answers."""
        ...


AnyReading = TypeVar("AnyReading", bound=Stated)


def repeat_field(projection: Projection) -> str:
    """Return the name of the field that holds why a view is to be repeated."""
    return f"repeat_{projection.value.lower()}"


def opinion_of(reading: Stated) -> Opinion | None:
    """Return the opinion on the exam; None where the reader gave none."""
    given = reading.answer(OPINION)
    return Opinion(given) if given else None


def breast_opinion_of(reading: Stated, side: Laterality) -> BreastOpinion | None:
    """Return the opinion on a breast; None where the reader gave none."""
    given = reading.answer(BREAST_OPINION, side)
    return BreastOpinion(given) if given else None


def views_to_repeat(reading: Stated) -> dict[ViewName, str]:
    """Return the views that are to be repeated, each with the reason."""
    wanted = {}
    for side in Laterality:
        for projection in REPEATED:
            if reason := reading.answer(repeat_field(projection), side):
                wanted[ViewName(side, projection)] = reason
    return wanted


def give_opinion(
    reading: AnyReading,
    opinion: Opinion,
    scale: ReadingScale = ReadingScale.SCREENING,
    breasts: Collection[Laterality] = tuple(Laterality),
) -> AnyReading:
    """Return the reading with an opinion on the exam, in place of an earlier one.

    breasts: those of which the exam has a view; nothing is answered for another one. Normal answers for each of them;
    on the diagnostic scale it is BI-RADS 1 of each. Recall makes those breasts
    abnormal that have a suspicious finding, since they cannot be anything else; the others stay without an answer.
    What belonged to another opinion (views to repeat, opinions on a breast) is removed; on the diagnostic scale so is
    a screening opinion. Raises ValueError for another opinion than normal on the diagnostic scale, and for normal there
    where a finding is suspicious.
    """
    fields = dict(reading.fields)
    if scale is ReadingScale.DIAGNOSTIC:
        if opinion is not Opinion.NORMAL:
            raise ValueError("a diagnostic exam has BI-RADS assessments, no recall; give them for each breast")
        suspicious = [number for side in Laterality for number in suspicious_findings(reading, side)]
        if suspicious:
            raise ValueError(f"finding {suspicious[0]} is suspicious; give the BI-RADS assessment of each breast")
        kept = {key: value for key, value in fields.items() if not _is_opinion(key[1])}
        return reading.with_fields(kept | {(side, ASSESSMENT): "1" for side in breasts})
    fields[None, OPINION] = opinion.value
    if opinion is not Opinion.TECHNICAL_RECALL:
        for name in views_to_repeat(reading):
            del fields[name.laterality, repeat_field(name.projection)]
    for side in Laterality:
        if opinion is Opinion.NORMAL and side in breasts:
            fields[side, BREAST_OPINION] = BreastOpinion.NORMAL.value
        elif opinion_of(reading) is not opinion:
            fields.pop((side, BREAST_OPINION), None)
        if opinion is Opinion.RECALL and suspicious_findings(reading, side):
            fields[side, BREAST_OPINION] = BreastOpinion.ABNORMAL.value
    return reading.with_fields(fields)


def _is_opinion(field: str) -> bool:
    """Whether a field belongs to a screening opinion."""
    return field in (OPINION, BREAST_OPINION, *(repeat_field(projection) for projection in REPEATED))


def suspicious_findings(reading: Stated, side: Laterality) -> list[int]:
    """Return the numbers of the findings of a breast whose suspicion makes the breast abnormal."""
    return [
        number
        for number, finding in reading.findings.items()
        if finding.laterality is side and (finding.suspicion or 0) >= SUSPICIOUS
    ]


def is_suspicious(finding: Any) -> bool:
    """Whether a finding cannot belong to a breast that is normal: by its suspicion, or by its BI-RADS category."""
    category = finding.value(ASSESSMENT)
    return (finding.suspicion or 0) >= SUSPICIOUS or (bool(category) and category not in NOTHING_SUSPECTED)


def opinion_problems(reading: Stated, breasts: Collection[Laterality] = tuple(Laterality)) -> list[str]:
    """Return a sentence for each thing that an opinion lacks, or that contradicts it; it cannot be signed so.

    breasts: those of which the exam has a view; of the others no opinion is asked for.
    """
    opinion, repeats = opinion_of(reading), views_to_repeat(reading)
    problems = []
    if opinion is Opinion.TECHNICAL_RECALL and not repeats:
        problems.append("technical recall: tick the views to repeat, each with a reason")
    if repeats and opinion is not Opinion.TECHNICAL_RECALL:
        problems.append("views are to be repeated, but the opinion is not technical recall")
    if opinion is Opinion.RECALL:
        given = {side: breast_opinion_of(reading, side) for side in breasts}
        problems += [f"recall: is the {side.word} breast normal?" for side in given if given[side] is None]
        if set(given.values()) == {BreastOpinion.NORMAL}:
            problems.append(f"recall: {'both breasts are' if len(given) > 1 else 'the breast is'} normal")
    for side in Laterality:
        problems += _breast_problems(reading, side, opinion)
    return problems + _scales_apart(reading)


def _breast_problems(reading: Stated, side: Laterality, opinion: Opinion | None) -> list[str]:
    """What contradicts itself in the opinion on a breast; without one, it is normal where the exam is."""
    breast = breast_opinion_of(reading, side) or (BreastOpinion.NORMAL if opinion is Opinion.NORMAL else None)
    if breast is None:
        return []
    if breast is BreastOpinion.ABNORMAL:
        problems = []
        if not suspicious_findings(reading, side):
            problems.append(f"{side.word} breast: abnormal needs a finding of suspicion {SUSPICIOUS} or more")
        if opinion in (Opinion.NORMAL, Opinion.TECHNICAL_RECALL):
            problems.append(f"{side.word} breast: abnormal, but the opinion is {opinion.value}")
        return problems
    return [
        f"{side.word} breast: {breast.value}, but finding {number} {_why_suspicious(finding)}"
        for number, finding in reading.findings.items()
        if finding.laterality is side and is_suspicious(finding)
    ][:1]


def _why_suspicious(finding: Any) -> str:
    if (finding.suspicion or 0) >= SUSPICIOUS:
        return f"has suspicion {finding.suspicion}"
    return f"is BI-RADS {finding.value(ASSESSMENT)}"


def _scales_apart(reading: Stated) -> list[str]:
    """A sentence for each breast whose opinion and BI-RADS assessment cannot both be true."""
    problems = []
    for side in Laterality:
        opinion, category = breast_opinion_of(reading, side), reading.answer(ASSESSMENT, side)
        if opinion and category and (opinion is BreastOpinion.ABNORMAL) is (category in NOTHING_SUSPECTED):
            problems.append(f"{side.word} breast: {opinion.value}, but BI-RADS {category}")
    return problems


def disagreements(first: Stated, second: Stated) -> list[str]:
    """Return a sentence for each way in which two readings disagree; none where they agree.

    Two opinions disagree where they differ, where both want other views repeated, or where both recall but differ on a
    breast. Readings with BI-RADS assessments disagree on a breast with another category, or none. An opinion and an
    assessment cannot be compared: somebody has to look at both. Marks, notes and details do not count, except between
    readings that give neither an opinion nor an assessment: there each answer counts.
    """
    opinions = opinion_of(first), opinion_of(second)
    if opinions[0] and opinions[1]:
        return _opinions_apart(first, second, opinions[0], opinions[1])
    one, other = ({side: reading.answer(ASSESSMENT, side) for side in Laterality} for reading in (first, second))
    if any(one.values()) and any(other.values()):
        return [
            f"{side.word} breast: BI-RADS {one[side] or 'not given'} and {other[side] or 'not given'}"
            for side in Laterality
            if one[side] != other[side]
        ]
    if _decides(first) and _decides(second):
        return ["one gives a screening opinion, the other BI-RADS assessments: they cannot be compared"]
    if _decides(first) or _decides(second):
        return []
    both: Mapping = {key: value for key, value in first.fields.items() if key in second.fields and key[1] != "note"}
    return [
        f"{side.word + ' ' if side else ''}{name.replace('_', ' ')}: {value} and {second.fields[side, name]}"
        for (side, name), value in both.items()
        if second.fields[side, name] != value
    ]


def _opinions_apart(first: Stated, second: Stated, one: Opinion, other: Opinion) -> list[str]:
    if one is not other:
        return [f"{one.value} and {other.value}"]
    if one is Opinion.TECHNICAL_RECALL and views_to_repeat(first).keys() != views_to_repeat(second).keys():
        names = [" and ".join(str(name).replace("_", " ") for name in views_to_repeat(r)) for r in (first, second)]
        return [f"views to repeat: {names[0]}, or {names[1]}"]
    if one is Opinion.RECALL:
        pairs = {side: (breast_opinion_of(first, side), breast_opinion_of(second, side)) for side in Laterality}
        return [
            f"{side.word} breast: {a.value if a else 'no opinion'} and {b.value if b else 'no opinion'}"
            for side, (a, b) in pairs.items()
            if a is not b
        ]
    return []


def _decides(reading: Stated) -> bool:
    """Whether a reading gives an opinion or an assessment."""
    return opinion_of(reading) is not None or any(reading.answer(ASSESSMENT, side) for side in Laterality)
