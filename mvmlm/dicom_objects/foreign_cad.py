"""Mammography CAD SR -> marks of another program, and in words what it looked for on each picture and did not find."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset

from ..exam import Exam, View
from ..report.lexicon import KINDS
from .cad_report import CadFinding, CadReport, Intent, Outcome, Status
from .cad_sr_reading import ReadReport, cad_report_of
from .foreign_marks import ForeignMark, ForeignStatement, NamedPictures, Shape
from .sources import Source

NOT_ATTEMPTED = "not attempted on this picture"
UNSAID = "the report does not say what it looked for on this picture"
MOST_KINDS = 20  # besides those of the lexicon that are named of one picture
REFUSED = "the report describes this picture otherwise than the exam, so nothing of it is shown here"


def read_on_pictures(ds: Dataset, named: NamedPictures) -> ReadReport:
    """Return what a CAD SR says of the pictures of an exam whose view is known. Raises NotCadSr."""
    pictures = []
    for instance, views in named.views.items():
        for view in views[:1]:
            if view.name is not None:
                header = Dataset()
                header.SOPInstanceUID = instance
                pictures.append(Source(view, header))
    return cad_report_of(ds, pictures)


def cad_marks(report: CadReport) -> tuple[ForeignMark, ...]:
    """Return the places of a report as marks; those that are not for presentation are rejected ones."""
    return tuple(_mark(found) for found in report.findings)


def cad_statements(read: ReadReport, exam: Exam, study: str) -> tuple[ForeignStatement, ...]:
    """Return for each picture of the exam, the prior's excepted, what was found, not found, and not looked for.

    study: the StudyInstanceUID of the report; of other studies it says nothing, as of none where it lists no picture.
    """
    report = read.report
    if not (report.views or report.findings or read.refused or any(run.instances for run in report.detections)):
        return ()
    return tuple(
        ForeignStatement(view.identity.instance_uid, _said(read, view))
        for view in (*exam.views.values(), *exam.extra)
        if view.name is not None and view.identity is not None and view.identity.study_uid == study
    )


def programs_of(report: CadReport) -> list[str]:
    """Return the names and versions of the algorithms of a report."""
    made = [found.algorithm for found in report.findings]
    made += [run.algorithm for run in (*report.detections, *report.analyses)]
    return list(dict.fromkeys(" ".join(filter(None, algorithm)) for algorithm in made if algorithm.name))


def _mark(found: CadFinding) -> ForeignMark:
    shares = [("certainty", found.certainty), ("probability of cancer", found.cancer)]
    told = [f"{name} {100 * share:.0f} %" for name, share in shares if share is not None]
    said = ", ".join([found.kind if found.kind != "other" else found.said or "other", *told])
    shape = Shape.OUTLINE if found.outline else Shape.POINT
    points = found.outline or (found.centre,)
    return ForeignMark(found.instance, shape, points, said, rejected=found.intent is Intent.HIDDEN)


def _said(read: ReadReport, view: View) -> str:
    """What a report says of one picture: of each kind whether it was found, looked for in vain, or not looked for."""
    assert view.identity is not None  # `cad_statements` takes such views only
    instances, report = {view.identity.instance_uid, *view.identity.made_from}, read.report
    if instances & read.refused:
        return REFUSED
    tried = [run for run in report.detections if instances & set(run.instances)]
    found = [finding for finding in report.findings if finding.instance in instances]
    perhaps = [run.kind for run in report.detections if not run.pictures_named]
    says = bool(report.detections) or report.detection_status is Status.NOT_ATTEMPTED
    if not tried and not found and not perhaps:
        return NOT_ATTEMPTED if says else UNSAID
    by_outcome: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    kinds = list(dict.fromkeys([*KINDS, *(finding.kind for finding in found), *(run.kind for run in tried), *perhaps]))
    for kind in kinds[: len(KINDS) + MOST_KINDS]:
        runs = [run.succeeded for run in tried if run.kind == kind]
        if of_kind := [finding for finding in found if finding.kind == kind]:
            by_outcome[Outcome.FOUND].append(_counted(kind, of_kind))
        elif runs:
            by_outcome[Outcome.NOTHING_FOUND if all(runs) else Outcome.FAILED].append(kind)
        elif kind in perhaps:
            by_outcome[Outcome.UNSAID].append(kind)
        elif says:
            by_outcome[Outcome.NOT_ATTEMPTED].append(kind)
    said = [f"{outcome.value}: {', '.join(names)}" for outcome, names in by_outcome.items() if names]
    more = len(kinds) - len(KINDS) - MOST_KINDS
    return "; ".join([*said, *([f"{more} more kinds, which are not listed here"] if more > 0 else [])])


def _counted(kind: str, found: Iterable[CadFinding]) -> str:
    """A kind with the number of its marks, and how many of them are not for presentation."""
    intents = [finding.intent for finding in found]
    hidden = sum(intent is Intent.HIDDEN for intent in intents)
    return f"{len(intents)} × {kind}" + (f" ({hidden} not for presentation)" if hidden else "")
