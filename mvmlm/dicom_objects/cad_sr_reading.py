"""Mammography CAD SR of any program -> a report on an exam that is open, and what of it is not used.

Only what is understood is taken. A mark on a picture that is not in the exam, or that contradicts the exam, is told and
never moved to another picture.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import MammographyCADSRStorage

from ..exam import ViewName
from ..imaging.dicom_checks import read_dataset, sop_class
from ..imaging.dicom_values import items, number, text, value
from ..imaging.limits import Unusable
from ..imaging.view_identification import VIEW_CODES
from . import codes
from .cad_report import Algorithm, CadFinding, CadReport, Intent, Performed, Point, Status, Summary
from .graphics import OUTLINE, POINT, Kinds, Unused, check_inside, middle, points_of
from .sources import Source, Sources
from .sr_tree import OddTree, SrTree, children, instance_of, is_cut_off, is_named

MAX_BYTES, MAX_LETTERS = 50_000_000, 2000
_DETECTIONS = ((codes.SUCCESSFUL_DETECTIONS, True), (codes.FAILED_DETECTIONS, False))
_ANALYSES = ((codes.SUCCESSFUL_ANALYSES, True), (codes.FAILED_ANALYSES, False))

State = TypeVar("State", bound=Enum)


class NotCadSr(ValueError):
    """Why a file cannot be read as a Mammography CAD SR, in one sentence for the reader."""


class ReadReport(NamedTuple):
    """A report of another program. told: a sentence for everything that is not used.

    refused: the UIDs of pictures that it describes otherwise than the exam.
    """

    report: CadReport
    told: tuple[str, ...]
    refused: frozenset[str] = frozenset()


def read_cad_sr(path: Path, sources: Sources) -> ReadReport:
    """Return what a Mammography CAD SR says of the pictures of an exam. Raises NotCadSr."""
    with warnings.catch_warnings():  # those of pydicom show values of the file
        warnings.simplefilter("ignore")
        return _read(path, sources)


def _read(path: Path, sources: Sources) -> ReadReport:
    if path.stat().st_size > MAX_BYTES:
        raise NotCadSr(f"{path.name}: larger than {MAX_BYTES // 1_000_000} MB, which no CAD SR is.")
    try:
        ds = read_dataset(str(path))
        kind = sop_class(ds)
    except Unusable as error:
        raise NotCadSr(f"{path.name}: {error}") from None
    except Exception:  # pydicom raises nearly everything for a damaged file
        raise NotCadSr(f"{path.name}: not a DICOM file, or a damaged one. Export it again.") from None
    if kind != MammographyCADSRStorage:
        raise NotCadSr(f"{path.name}: not a Mammography CAD SR ({kind.name or 'unknown kind of object'}).")
    try:
        return cad_report_of(ds, list(sources.values()))
    except NotCadSr as error:
        raise NotCadSr(f"{path.name}: {error}") from None


def cad_report_of(ds: Dataset, pictures: Sequence[Source]) -> ReadReport:
    """Return what the data set of a Mammography CAD SR says of pictures, several of one view among them.

    Raises NotCadSr, whose text follows the name of the file.
    """
    try:
        if is_cut_off(ds):
            raise NotCadSr("the file ends in the middle of its data. Copy or export it again.")
        return _Reader(ds, pictures).read()
    except NotCadSr:
        raise
    except OddTree as error:
        raise NotCadSr(str(error)) from None
    except Exception:  # a malformed value anywhere in the tree
        raise NotCadSr("its content is damaged, so none of it is used. Export it again.") from None


class _Reader:
    """Reads the content tree of one object."""

    def __init__(self, ds: Dataset, pictures: Sequence[Source]):
        self._tree, self._pictures = SrTree(ds), pictures
        self._by_instance = {picture.instance: picture for picture in pictures}
        self._unused: Counter[str] = Counter()
        self._refused: set[str] = set()
        self._library = self._read_library()

    def read(self) -> ReadReport:
        """Return the report."""
        if not any(True for _ in self._tree.named(codes.FINDINGS_SUMMARY)):
            raise NotCadSr("it has no summary of its findings, so whether anything was found is not known.")
        impressions = [str(value(item, "TextValue") or "")[:MAX_LETTERS] for item in self._tree.named(codes.IMPRESSION)]
        report = CadReport(
            tuple(dict.fromkeys(picture.name for picture in self._pictures if picture.instance in self._library)),
            tuple(found for item in self._tree.named(codes.SINGLE_FINDING) if (found := self._finding(item))),
            self._performed(codes.DETECTION, _DETECTIONS),
            self._performed(codes.ANALYSIS, _ANALYSES),
            " ".join(filter(None, impressions)),
            self._state(codes.FINDINGS_SUMMARY, Summary),
            self._state(codes.DETECTIONS, Status),
            self._state(codes.ANALYSES, Status),
        )
        self._count_gaps(report)
        told = tuple(f"{count} × {why}" for why, count in self._unused.items())
        return ReadReport(report, told, frozenset(self._refused))

    def _count_gaps(self, report: CadReport) -> None:
        """Count what would else be silent: content that is not understood, and summaries that do not fit it."""
        for item in self._tree.items:
            if text(item, "ValueType") is None and value(item, "ReferencedContentItemIdentifier") is None:
                self._unused["content of an unknown kind"] += 1
        for item in self._tree.named(codes.INDIVIDUAL_IMPRESSION):
            if not any(is_named(below, codes.SINGLE_FINDING) for below in self._tree.below(item)):
                self._unused["an impression without a finding that is read"] += 1
        if report.summary in (None, Summary.FOUND, Summary.PARTLY_FOUND) and not report.findings:
            self._unused["a summary that does not say that nothing was found, though no finding is read"] += 1
        if report.detection_status is not Status.NOT_ATTEMPTED and not report.detections:
            self._unused["a report that does not say what it looked for: no kind counts as attempted"] += 1

    def _read_library(self) -> dict[str, Source]:
        """The pictures of the image library that the exam has, by instance; one whose side differs is left out."""
        found = {}
        for heading in self._tree.named(codes.IMAGE_LIBRARY):
            for item in children(heading):
                instance = instance_of(item)
                if instance is None:
                    continue
                picture = self._by_instance.get(instance)
                if picture is None:
                    self._unused["a picture that is not in this exam"] += 1
                elif contradiction := self._contradiction(item, picture.name):
                    self._unused[contradiction] += 1
                    self._refused.add(instance)
                else:
                    found[instance] = picture
        return found

    def _contradiction(self, item: Dataset, name: ViewName) -> str | None:
        """Why a picture of the library is not the exam's view; None where nothing says so."""
        for child in children(item):
            concept, said = codes.code_of(child, "ConceptNameCodeSequence"), codes.code_of(child, "ConceptCodeSequence")
            if codes.same(concept, codes.IMAGE_LATERALITY):
                side = codes.key_of(said, codes.SIDES) or codes.key_of(said, codes.LATERALITIES)
                if side is not name.laterality:
                    return f"the exam's {name}, {_taken_for('side', side)}; its marks are not used"
            if codes.same(concept, codes.IMAGE_VIEW):
                projection = VIEW_CODES.get(said.value) if said else None
                if projection is not name.projection:
                    return f"the exam's {name}, {_taken_for('view', projection)}; its marks are not used"
        return None

    def _finding(self, item: Dataset) -> CadFinding | None:
        """The finding of a content item; None where it cannot be used, which is counted."""
        try:
            return self._used_finding(item)
        except Unused as why:
            self._unused[str(why)] += 1
            return None

    def _used_finding(self, item: Dataset) -> CadFinding:
        said = codes.code_of(item, "ConceptCodeSequence")
        if said is None:
            raise Unused("a finding without a code")
        places = [child for child in children(item) if text(child, "ValueType") == "SCOORD"]
        centres = self._marked(places, codes.CENTRE, POINT)
        outlines = self._marked(places, codes.OUTLINE, OUTLINE)
        pictures = {picture for picture, _ in filter(None, (centres, outlines))}
        if not pictures:
            raise Unused(f"“{said.meaning}” without a centre or an outline")
        if len(pictures) > 1:
            raise Unused(f"“{said.meaning}” with its centre and its outline on two pictures")
        outline = outlines[1] if outlines else ()
        centre = centres[1][0] if centres else middle(outline)
        intents = (self._state_of(child, codes.RENDERING_INTENT, Intent) for child in children(item))
        picture = pictures.pop()
        return CadFinding(
            picture.name,
            codes.kind_of(said) or "other",
            centre,
            outline,
            self._share(item, codes.CERTAINTY),
            self._share(item, codes.CANCER),
            self._algorithm(item),
            said.meaning,
            next(filter(None, intents), Intent.OPTIONAL),
            picture.instance,
        )

    def _marked(self, places: list[Dataset], name: Code, kinds: Kinds) -> tuple[Source, tuple[Point, ...]] | None:
        """The picture and the points of a centre or an outline; None where the finding has none."""
        for place in places:
            if is_named(place, name):
                picture = self._picture_of(place)
                points = points_of(place, kinds)
                check_inside(points, picture.view)
                return picture, points
        return None

    def _picture_of(self, place: Dataset) -> Source:
        """The picture that coordinates are on, by value or by a reference into the image library."""
        for child in children(place):
            instance = instance_of(self._tree.resolved(child))
            if instance is not None:
                if instance not in self._by_instance:
                    raise Unused("a mark on a picture that is not in this exam")
                if instance in self._refused:
                    raise Unused("a mark on a picture that the report describes otherwise than the exam")
                return self._by_instance[instance]
        raise Unused("a mark without a picture")

    def _performed(self, name: Code, headings: tuple[tuple[Code, bool], ...]) -> tuple[Performed, ...]:
        """What was tried. headings: those that it stands under, and whether they say that it succeeded."""
        found = []
        for heading, succeeded in headings:
            for item in (child for group in self._tree.named(heading) for child in children(group)):
                said = codes.code_of(item, "ConceptCodeSequence")
                if said is None or not is_named(item, name):
                    continue
                kind = codes.kind_of(said) or said.meaning
                pictures, named = self._pictures_of(item)
                views = tuple(dict.fromkeys(picture.name for picture in pictures))
                instances = tuple(picture.instance for picture in pictures)
                found.append(Performed(kind, self._algorithm(item), views, succeeded, instances, named))
        return tuple(found)

    def _pictures_of(self, item: Dataset) -> tuple[list[Source], bool]:
        """The pictures of the exam that something was tried on, and whether each of them is named."""
        found: dict[str, Source] = {}
        named, some_unknown = False, False
        for child in children(item):
            try:
                instance = instance_of(self._tree.resolved(child))
            except Unused as why:
                self._unused[str(why)] += 1
                some_unknown = True
                continue
            named |= instance is not None
            some_unknown |= text(child, "ValueType") == "UIDREF"  # a whole series
            if instance in self._by_instance and instance not in self._refused:
                found[instance] = self._by_instance[instance]
        return list(found.values()), named and not some_unknown

    def _algorithm(self, item: Dataset) -> Algorithm:
        named = {codes.ALGORITHM_NAME: "", codes.ALGORITHM_VERSION: ""}
        for child in children(item):
            for name in named:
                if is_named(child, name):
                    named[name] = named[name] or text(child, "TextValue") or ""
        return Algorithm(*named.values())

    def _share(self, item: Dataset, name: Code) -> float | None:
        """A percentage as a share, 0..1; None where none is given or it is none."""
        for child in children(item):
            if is_named(child, name):
                for measured in items(child, "MeasuredValueSequence"):
                    percent = number(measured, "NumericValue")
                    unit = codes.code_of(measured, "MeasurementUnitsCodeSequence")
                    if percent is not None and codes.same(unit, codes.PERCENT) and 0 <= percent <= 100:
                        return percent / 100
                self._unused[f"{name.meaning} that is no percentage"] += 1
        return None

    def _state(self, name: Code, states: Iterable[State]) -> State | None:
        found = (self._state_of(item, name, states) for item in children(self._tree.root))
        return next(filter(None, found), None)

    @staticmethod
    def _state_of(item: Dataset, name: Code, states: Iterable[State]) -> State | None:
        """The member of an enumeration of codes that an item of this name holds."""
        if not is_named(item, name):
            return None
        said = codes.code_of(item, "ConceptCodeSequence")
        return next((state for state in states if codes.same(said, state.value)), None)


def _taken_for(what: str, said: object) -> str:
    if said is None:
        return f"whose {what} the report gives with a code that is not known"
    return f"which the report takes for another {what}"
