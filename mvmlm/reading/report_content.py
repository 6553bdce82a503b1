"""What a reading and its exam say for the report: the content of `report.template`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..exam import STANDARD_VIEWS, Exam, Laterality, ViewName
from ..report.findings import Finding
from ..report.lexicon import KINDS
from ..report.template import ReportContent, ReportedFinding
from .location import FindingLocation
from .reading import Reading


def content_of(
    reading: Reading,
    exam: Exam,
    locations: Mapping[int, FindingLocation] | None = None,
    name: str = "",
    signature: str = "",
) -> ReportContent:
    """Return what is known for the report. Outcomes (pathology, later cancer) are left out.

    locations: where the marks of findings lie, by number. name: of the exam. signature: who read it, and in which state
    the read is.
    """
    return replace(
        reading_content(reading, locations),
        exam=name,
        exam_date=exam_date(exam),
        views=tuple(exam.views),
        missing=exam.missing,
        comparison=_comparison(exam),
        signature=signature,
    )


def reading_content(reading: Reading, locations: Mapping[int, FindingLocation] | None = None) -> ReportContent:
    """Return what a reading says for the report, without what its exam says."""
    findings = [
        ReportedFinding(
            found.laterality,
            found.label,
            found.descriptors,
            number,
            tuple(dict.fromkeys(mark.view for mark in found.marks)),
            str((locations or {}).get(number, "")),
            found.suspicion,
        )
        for number, found in reading.findings.items()
    ]
    listed = {(found.laterality, found.label) for found in findings}
    for side in Laterality:
        findings += [
            ReportedFinding(side, kind, Finding(kind))
            for kind in KINDS
            if reading.answer(kind, side) == "1" and (side, kind) not in listed
        ]
    assessments = {side: value for side in Laterality if (value := reading.answer("birads", side))}
    opinions = {side: value for side in Laterality if (value := reading.answer("breast_opinion", side))}
    return ReportContent(
        density=reading.answer("density"),
        findings=tuple(findings),
        absent={
            side: frozenset(kind for kind in KINDS if reading.answer(kind, side) == "0" and (side, kind) not in listed)
            for side in Laterality
        },
        opinion=reading.answer("opinion") or "",
        repeats=_views_to_repeat(reading),
        breast_opinions=opinions,
        assessments=assessments,
        notes=reading.answer("note") or "",
    )


def _views_to_repeat(reading: Reading) -> dict[ViewName, str]:
    """The views that a technical recall wants again, each with the reason."""
    return {
        name: reason
        for name in STANDARD_VIEWS
        if (reason := reading.answer(f"repeat_{name.projection.value.lower()}", name.laterality))
    }


def exam_date(exam: Exam) -> str:
    """Return the date of an exam as 2026-05-31; "" where its files do not say it, or say different ones."""
    dates = {view.acquisition.date for view in exam.views.values()} - {None}
    date = dates.pop() if len(dates) == 1 else ""
    return f"{date[:4]}-{date[4:6]}-{date[6:]}" if date and len(date) == 8 and date.isdigit() else ""


def _comparison(exam: Exam) -> str:
    """The earlier exam that is there to compare with. Whether it was compared is for the reader to write."""
    if exam.prior is None:
        return "[no earlier mammogram is here]"
    date = exam_date(exam.prior)
    return f"[there to compare: mammogram {f'of {date}' if date else 'without a date'}]"
