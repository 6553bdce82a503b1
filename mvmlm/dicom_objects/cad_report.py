"""What a Mammography CAD SR says, as plain data: what was looked for, on which views, and what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from pydicom.sr.coding import Code

from ..exam import ViewName

Point = tuple[float, float]


class Status(Enum):
    """What became of the detections, or of the analyses, of a report (CID 6042)."""

    SUCCEEDED = Code("111222", "DCM", "Succeeded")
    PARTLY = Code("111223", "DCM", "Partially Succeeded")
    FAILED = Code("111224", "DCM", "Failed")
    NOT_ATTEMPTED = Code("111225", "DCM", "Not Attempted")


class Summary(Enum):
    """Whether the algorithms succeeded, and whether they found anything (CID 6047)."""

    NOTHING_FOUND = Code("111241", "DCM", "All algorithms succeeded; without findings")
    FOUND = Code("111242", "DCM", "All algorithms succeeded; with findings")
    PARTLY_NOTHING_FOUND = Code("111243", "DCM", "Not all algorithms succeeded; without findings")
    PARTLY_FOUND = Code("111244", "DCM", "Not all algorithms succeeded; with findings")
    NONE_SUCCEEDED = Code("111245", "DCM", "No algorithms succeeded; without findings")


class Intent(Enum):
    """Whether a finding is to be shown (CID 6034)."""

    REQUIRED = Code("111150", "DCM", "Presentation Required: Rendering device is expected to present")
    OPTIONAL = Code("111151", "DCM", "Presentation Optional: Rendering device may present")
    HIDDEN = Code("111152", "DCM", "Not for Presentation: Rendering device expected not to present")


class Outcome(str, Enum):
    """What a report says of one kind of finding on one view."""

    FOUND = "found"
    NOTHING_FOUND = "nothing found"
    FAILED = "failed"
    NOT_ATTEMPTED = "not attempted"
    UNSAID = "looked for, though not said whether here"


class Algorithm(NamedTuple):
    """What made a finding: its name and version, "" where a report does not say it."""

    name: str
    version: str


@dataclass(frozen=True)
class Performed:
    """A detection or an analysis that was tried.

    kind: one of `lexicon.KINDS`, or the meaning of the code of anything else. views: those that it was tried on, of the
    exam. instances: the SOPInstanceUIDs of their pictures, where a report was read. pictures_named: whether it says for
    each picture that it was tried there; not so for one that names whole series, or none.
    """

    kind: str
    algorithm: Algorithm
    views: tuple[ViewName, ...]
    succeeded: bool = True
    instances: tuple[str, ...] = field(default=(), compare=False, repr=False)
    pictures_named: bool = field(default=True, compare=False, repr=False)


@dataclass(frozen=True)
class CadFinding:
    """A place that was marked on one view.

    kind: one of `lexicon.KINDS`, or "other". centre, outline: (column, row) in DICOM pixels of the view, (0, 0) is the
    centre of the first pixel; the outline is () where none is given. certainty: that it is of its kind, 0..1. cancer:
    the probability that it is one, 0..1. None where they are not given. said: the meaning of the code of the kind.
    instance: the SOPInstanceUID of the picture, where a report was read.
    """

    view: ViewName
    kind: str
    centre: Point
    outline: tuple[Point, ...] = ()
    certainty: float | None = None
    cancer: float | None = None
    algorithm: Algorithm = Algorithm("", "")
    said: str = ""
    intent: Intent = Intent.OPTIONAL
    instance: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class CadReport:
    """A report on an exam.

    views: those that it lists. detections, analyses: what was tried; what is not there was not attempted. impression:
    text on the whole exam. summary, detection_status, analysis_status: as the report states them, None where it does
    not; a report that is to be written has them from its contents.
    """

    views: tuple[ViewName, ...]
    findings: tuple[CadFinding, ...] = ()
    detections: tuple[Performed, ...] = ()
    analyses: tuple[Performed, ...] = ()
    impression: str = ""
    summary: Summary | None = None
    detection_status: Status | None = None
    analysis_status: Status | None = None

    def outcome(self, kind: str, view: ViewName) -> Outcome:
        """Return what became of the search for a kind of finding on a view; nothing found is not "not attempted"."""
        if any((found.kind, found.view) == (kind, view) for found in self.findings):
            return Outcome.FOUND
        of_kind = [run for run in self.detections if run.kind == kind]
        tried = [run for run in of_kind if view in run.views]
        if not tried:
            return Outcome.NOT_ATTEMPTED if all(run.pictures_named for run in of_kind) else Outcome.UNSAID
        return Outcome.NOTHING_FOUND if all(run.succeeded for run in tried) else Outcome.FAILED


def status_of(tried: tuple[Performed, ...]) -> Status:
    """Return what became of all detections or analyses together."""
    succeeded = [run.succeeded for run in tried]
    if not succeeded:
        return Status.NOT_ATTEMPTED
    return Status.SUCCEEDED if all(succeeded) else Status.PARTLY if any(succeeded) else Status.FAILED


def summary_of(report: CadReport) -> Summary:
    """Return the summary of a report from its contents."""
    succeeded = [run.succeeded for run in (*report.detections, *report.analyses)]
    if not any(succeeded):
        return Summary.NONE_SUCCEEDED
    if all(succeeded):
        return Summary.FOUND if report.findings else Summary.NOTHING_FOUND
    return Summary.PARTLY_FOUND if report.findings else Summary.PARTLY_NOTHING_FOUND
