"""A report of a CAD program -> Mammography CAD SR, after the templates TID 4000 to 4021 of PS3.16."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.sr.coding import Code
from pydicom.uid import MammographyCADSRStorage

from ..exam import ViewName
from . import codes, content
from .cad_report import Algorithm, CadFinding, CadReport, Intent, Performed, status_of, summary_of
from .header import USE, add_own_scheme, evidence, finish, new_object, object_uids, reference
from .sources import Source, Sources

Positions = dict[ViewName, tuple[int, ...]]  # where the picture of each view stands in the tree
LIBRARY = (1, 2)  # where the image library stands in the tree


def cad_sr_object(report: CadReport, sources: Sources, algorithm: Algorithm, created: datetime) -> FileDataset:
    """Return a report as a Mammography CAD SR object.

    algorithm: what gives the impression. created: when the report was made, local time. The summaries and states are
    those that follow from the report's contents. Raises ValueError for a view that has no source, a finding of a kind
    without a code, and a mark outside its picture.
    """
    for name in {found.view for found in report.findings} | {v for r in _tried(report) for v in r.views}:
        if name not in sources:
            raise ValueError(f"{name}: the report is about a view that the exam does not have")
    for found in report.findings:
        _check_marks(found, sources[found.view])
    ds = new_object(MammographyCADSRStorage, "SR")
    uids = object_uids(sources, created, f"cad-sr/{algorithm.name}", algorithm.version, repr(report))
    finish(ds, sources, uids, created, "MV-MLM CAD marks")
    ds.ReferencedPerformedProcedureStepSequence, ds.PerformedProcedureCodeSequence = Sequence(), Sequence()
    ds.CompletionFlag, ds.VerificationFlag = "COMPLETE", "UNVERIFIED"
    ds.CompletionFlagDescription = USE
    ds.CurrentRequestedProcedureEvidenceSequence = evidence(sources)
    ds.ValueType, ds.ContinuityOfContent = "CONTAINER", "SEPARATE"
    ds.ConceptNameCodeSequence = content.coded(codes.CAD_REPORT)
    template = Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "4000"
    ds.ContentTemplateSequence = Sequence([template])
    add_own_scheme(ds)
    positions: Positions = {name: (*LIBRARY, number) for number, name in enumerate(sources, 1)}
    ds.ContentSequence = Sequence([
        content.code("HAS CONCEPT MOD", codes.LANGUAGE, codes.ENGLISH),
        content.container("CONTAINS", codes.IMAGE_LIBRARY, map(_library_entry, sources.values())),
        _summary(report, algorithm, positions),
        _detections(report.detections, positions),
        _analyses(report.analyses, positions),
    ])  # fmt: skip
    return ds


def _tried(report: CadReport) -> tuple[Performed, ...]:
    return (*report.detections, *report.analyses)


def _check_marks(found: CadFinding, source: Source) -> None:
    if found.kind not in codes.SINGLE_FINDINGS:
        raise ValueError(f"a finding called {found.kind}: expected one of {', '.join(codes.SINGLE_FINDINGS)}")
    for column, row in (found.centre, *found.outline):
        if not (-0.5 <= column <= source.view.columns - 0.5 and -0.5 <= row <= source.view.rows - 0.5):
            raise ValueError(f"{found.view}: a mark at column {column:g}, row {row:g} lies outside the picture")
    for name, share in (("certainty", found.certainty), ("cancer", found.cancer)):
        if share is not None and not 0 <= share <= 1:
            raise ValueError(f"{name}={share}: expected a number from 0 to 1")


def _library_entry(source: Source) -> Dataset:
    """A picture with its side, view and orientation (TID 4020)."""
    orientation = source.view.orientation
    facts = [
        content.code("HAS ACQ CONTEXT", codes.IMAGE_LATERALITY, codes.SIDES[source.name.laterality]),
        content.code("HAS ACQ CONTEXT", codes.IMAGE_VIEW, codes.VIEWS[source.name.projection]),
        content.text("HAS ACQ CONTEXT", codes.ROW_ORIENTATION, orientation.row),
    ]
    if orientation.column:
        facts.append(content.text("HAS ACQ CONTEXT", codes.COLUMN_ORIENTATION, orientation.column))
    return content.image("CONTAINS", reference(source), facts)


def _summary(report: CadReport, algorithm: Algorithm, positions: Positions) -> Dataset:
    """The overall impression (TID 4001), and one individual impression for each finding (TID 4003)."""
    below = [content.text("HAS PROPERTIES", codes.IMPRESSION, f"{USE}. {report.impression}".strip())]
    below += _algorithm(algorithm)
    for found in report.findings:
        children = [_intent(found.intent), _finding(found, positions[found.view])]
        below.append(content.container("INFERRED FROM", codes.INDIVIDUAL_IMPRESSION, children))
    return content.code("CONTAINS", codes.FINDINGS_SUMMARY, summary_of(report).value, below)


def _finding(found: CadFinding, picture: tuple[int, ...]) -> Dataset:
    """A place on one picture (TID 4006)."""
    below = [_intent(found.intent), *_algorithm(found.algorithm)]
    for name, share in ((codes.CERTAINTY, found.certainty), (codes.CANCER, found.cancer)):
        if share is not None:
            below.append(content.number("HAS PROPERTIES", name, 100 * share, codes.PERCENT))
    below.append(content.coordinates("HAS PROPERTIES", codes.CENTRE, [found.centre], picture))
    if found.outline:
        below.append(content.coordinates("HAS PROPERTIES", codes.OUTLINE, found.outline, picture))
    return content.code("CONTAINS", codes.SINGLE_FINDING, codes.SINGLE_FINDINGS[found.kind], below)


def _intent(intent: Intent) -> Dataset:
    return content.code("HAS CONCEPT MOD", codes.RENDERING_INTENT, intent.value)


def _algorithm(algorithm: Algorithm) -> list[Dataset]:
    """The name and version of an algorithm (TID 4019)."""
    return [
        content.text("HAS PROPERTIES", codes.ALGORITHM_NAME, algorithm.name),
        content.text("HAS PROPERTIES", codes.ALGORITHM_VERSION, algorithm.version),
    ]


def _detections(tried: tuple[Performed, ...], positions: Positions) -> Dataset:
    """The detections that were tried, by success (TID 4015 and 4017)."""
    groups = [
        (codes.SUCCESSFUL_DETECTIONS, [run for run in tried if run.succeeded]),
        (codes.FAILED_DETECTIONS, [run for run in tried if not run.succeeded]),
    ]
    below = [
        content.container("INFERRED FROM", name, [
            _performed(codes.DETECTION, codes.SINGLE_FINDINGS[run.kind], run, positions) for run in runs
        ])
        for name, runs in groups if runs
    ]  # fmt: skip
    return content.code("CONTAINS", codes.DETECTIONS, status_of(tried).value, below)


def _analyses(tried: tuple[Performed, ...], positions: Positions) -> Dataset:
    """The analyses that were tried, by success (TID 4016 and 4018)."""
    groups = [
        (codes.SUCCESSFUL_ANALYSES, [run for run in tried if run.succeeded]),
        (codes.FAILED_ANALYSES, [run for run in tried if not run.succeeded]),
    ]
    below = [
        content.container("INFERRED FROM", name, [
            _performed(codes.ANALYSIS, codes.own(run.kind, run.kind), run, positions) for run in runs
        ])
        for name, runs in groups if runs
    ]  # fmt: skip
    return content.code("CONTAINS", codes.ANALYSES, status_of(tried).value, below)


def _performed(name: Code, what: Code, run: Performed, positions: Positions) -> Dataset:
    pictures = []
    for view in run.views:
        item = Dataset()
        item.RelationshipType, item.ReferencedContentItemIdentifier = "HAS PROPERTIES", list(positions[view])
        pictures.append(item)
    return content.code("CONTAINS", name, what, [*_algorithm(run.algorithm), *pictures])
