"""Mammography CAD SR of any program -> a report on an exam that is open, and what of it is not used.

Only what is understood is taken. A mark on a picture that is not in the exam, or that contradicts the exam, is told and
never moved to another picture.
"""

from __future__ import annotations

import math
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from enum import Enum
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.coding import Code
from pydicom.uid import MammographyCADSRStorage

from ..exam import ViewName
from ..imaging.dicom_checks import read_dataset, sop_class
from ..imaging.dicom_values import items, number, text, value
from ..imaging.limits import Unusable
from . import codes
from .cad_report import Algorithm, CadFinding, CadReport, Intent, Performed, Point, Status, Summary
from .content import HALF
from .sources import Sources

MAX_BYTES, MAX_ITEMS, MAX_DEPTH = 50_000_000, 20_000, 40
UNDEFINED_LENGTH = 0xFFFFFFFF
MAX_POINTS, MAX_LETTERS = 5000, 2000
ROUND_POINTS = 32  # of the polygon that stands for a circle or an ellipse
_DETECTIONS = ((codes.SUCCESSFUL_DETECTIONS, True), (codes.FAILED_DETECTIONS, False))
_ANALYSES = ((codes.SUCCESSFUL_ANALYSES, True), (codes.FAILED_ANALYSES, False))
#: kind of coordinates -> how many points they have at least and at most (PS3.3 C.18.6.1.2)
_CENTRE_KINDS = {"POINT": (1, 1)}
_OUTLINE_KINDS = {"POLYLINE": (3, MAX_POINTS), "CIRCLE": (2, 2), "ELLIPSE": (4, 4)}


State = TypeVar("State", bound=Enum)


class NotCadSr(ValueError):
    """Why a file cannot be read as a Mammography CAD SR, in one sentence for the reader."""


class ReadReport(NamedTuple):
    """A report of another program. told: a sentence for everything that is not used."""

    report: CadReport
    told: tuple[str, ...]


class _Unused(Exception):
    """Why a finding is not used."""


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
        if _is_cut_off(ds):
            raise NotCadSr("the file ends in the middle of its data. Copy or export it again.")
        return _Reader(ds, sources).read()
    except NotCadSr as error:
        raise NotCadSr(f"{path.name}: {error}") from None
    except Exception:  # a malformed value anywhere in the tree
        raise NotCadSr(f"{path.name}: its content is damaged, so none of it is used. Export it again.") from None


def _is_cut_off(ds: Dataset) -> bool:
    """Whether an element is shorter than it says; pydicom reads such a sequence as one of fewer items."""
    raw = (ds.get_item(tag) for tag in list(ds.keys()))
    return any(
        isinstance(element, RawDataElement)
        and element.length != UNDEFINED_LENGTH
        and len(element.value or b"") < element.length
        for element in raw
    )


class _Reader:
    """Reads the content tree of one object."""

    def __init__(self, ds: Dataset, sources: Sources):
        self._root, self._sources = ds, sources
        self._by_instance = {source.instance: name for name, source in sources.items()}
        self._unused: Counter[str] = Counter()
        self._items = list(islice(self._below(ds, 0), MAX_ITEMS + 1))
        if len(self._items) > MAX_ITEMS:
            raise NotCadSr("it has more content than any CAD SR, so none of it is used.")
        self._refused: set[str] = set()
        self._library = self._read_library()

    def read(self) -> ReadReport:
        """Return the report."""
        if not any(True for _ in self._named(codes.FINDINGS_SUMMARY)):
            raise NotCadSr("it has no summary of its findings, so whether anything was found is not known.")
        impressions = [str(value(item, "TextValue") or "")[:MAX_LETTERS] for item in self._named(codes.IMPRESSION)]
        report = CadReport(
            tuple(name for name in self._sources if name in self._library.values()),
            tuple(found for item in self._named(codes.SINGLE_FINDING) if (found := self._finding(item))),
            self._performed(codes.DETECTION, _DETECTIONS),
            self._performed(codes.ANALYSIS, _ANALYSES),
            " ".join(filter(None, impressions)),
            self._state(codes.FINDINGS_SUMMARY, Summary),
            self._state(codes.DETECTIONS, Status),
            self._state(codes.ANALYSES, Status),
        )
        self._count_gaps(report)
        return ReadReport(report, tuple(f"{count} × {why}" for why, count in self._unused.items()))

    def _count_gaps(self, report: CadReport) -> None:
        """Count what would else be silent: content that is not understood, and summaries that do not fit it."""
        for item in self._items:
            if text(item, "ValueType") is None and value(item, "ReferencedContentItemIdentifier") is None:
                self._unused["content of an unknown kind"] += 1
        for item in self._named(codes.INDIVIDUAL_IMPRESSION):
            if not any(_is_named(below, codes.SINGLE_FINDING) for below in self._below(item, 0)):
                self._unused["an impression without a finding that is read"] += 1
        if report.summary in (None, Summary.FOUND, Summary.PARTLY_FOUND) and not report.findings:
            self._unused["a summary that does not say that nothing was found, though no finding is read"] += 1
        if report.detection_status is not Status.NOT_ATTEMPTED and not report.detections:
            self._unused["a report that does not say what it looked for: no kind counts as attempted"] += 1

    def _read_library(self) -> dict[str, ViewName]:
        """The pictures of the image library that the exam has, by instance; one whose side differs is left out."""
        found = {}
        for heading in self._named(codes.IMAGE_LIBRARY):
            for item in self._children(heading):
                instance = _instance(item)
                if instance is None:
                    continue
                name = self._by_instance.get(instance)
                if name is None:
                    self._unused["a picture that is not in this exam"] += 1
                elif contradiction := self._contradiction(item, name):
                    self._unused[contradiction] += 1
                    self._refused.add(instance)
                else:
                    found[instance] = name
        return found

    def _contradiction(self, item: Dataset, name: ViewName) -> str | None:
        """Why a picture of the library is not the exam's view; None where nothing says so."""
        for child in self._children(item):
            concept, said = codes.code_of(child, "ConceptNameCodeSequence"), codes.code_of(child, "ConceptCodeSequence")
            if codes.same(concept, codes.IMAGE_LATERALITY):
                side = codes.key_of(said, codes.SIDES)
                if side is not name.laterality:
                    return f"the exam's {name}, which the report takes for another side; its marks are not used"
            if codes.same(concept, codes.IMAGE_VIEW):
                projection = codes.key_of(said, codes.VIEWS)
                if projection is not name.projection:
                    return f"the exam's {name}, which the report takes for another view; its marks are not used"
        return None

    def _finding(self, item: Dataset) -> CadFinding | None:
        """The finding of a content item; None where it cannot be used, which is counted."""
        try:
            return self._used_finding(item)
        except _Unused as why:
            self._unused[str(why)] += 1
            return None

    def _used_finding(self, item: Dataset) -> CadFinding:
        said = codes.code_of(item, "ConceptCodeSequence")
        if said is None:
            raise _Unused("a finding without a code")
        places = [child for child in self._children(item) if text(child, "ValueType") == "SCOORD"]
        centres = self._marked(places, codes.CENTRE, _CENTRE_KINDS)
        outlines = self._marked(places, codes.OUTLINE, _OUTLINE_KINDS)
        views = {view for view, _ in filter(None, (centres, outlines))}
        if not views:
            raise _Unused(f"“{said.meaning}” without a centre or an outline")
        if len(views) > 1:
            raise _Unused(f"“{said.meaning}” with its centre and its outline on two pictures")
        outline = outlines[1] if outlines else ()
        centre = centres[1][0] if centres else _middle(outline)
        intents = (self._state_of(child, codes.RENDERING_INTENT, Intent) for child in self._children(item))
        return CadFinding(
            views.pop(),
            codes.kind_of(said) or "other",
            centre,
            outline,
            self._share(item, codes.CERTAINTY),
            self._share(item, codes.CANCER),
            self._algorithm(item),
            said.meaning,
            next(filter(None, intents), Intent.OPTIONAL),
        )

    def _marked(
        self, places: list[Dataset], name: Code, kinds: Mapping[str, tuple[int, int]]
    ) -> tuple[ViewName, tuple[Point, ...]] | None:
        """The view and the points of a centre or an outline; None where the finding has none."""
        for place in places:
            if _is_named(place, name):
                view = self._view_of(place)
                points = _points(place, kinds)
                size = self._sources[view].view
                if not all(-1 <= x <= size.columns and -1 <= y <= size.rows for x, y in points):
                    raise _Unused("a mark outside its picture")
                return view, points
        return None

    def _view_of(self, place: Dataset) -> ViewName:
        """The view that coordinates are on, by value or by a reference into the image library."""
        for child in self._children(place):
            instance = _instance(self._resolved(child))
            if instance is not None:
                if instance not in self._by_instance:
                    raise _Unused("a mark on a picture that is not in this exam")
                if instance in self._refused:
                    raise _Unused("a mark on a picture that the report describes otherwise than the exam")
                return self._by_instance[instance]
        raise _Unused("a mark without a picture")

    def _resolved(self, item: Dataset) -> Dataset:
        """The item itself, or the one that it refers to by its position in the tree."""
        position = value(item, "ReferencedContentItemIdentifier")
        if position is None:
            return item
        numbers = [int(n) for n in ([position] if isinstance(position, int) else position)]
        found = self._root
        for place in numbers[1:]:
            below = self._children(found)
            if not 1 <= place <= len(below):
                raise _Unused("a mark that refers to something that the report does not have")
            found = below[place - 1]
        return found

    def _performed(self, name: Code, headings: tuple[tuple[Code, bool], ...]) -> tuple[Performed, ...]:
        """What was tried. headings: those that it stands under, and whether they say that it succeeded."""
        found = []
        for heading, succeeded in headings:
            for item in (child for group in self._named(heading) for child in self._children(group)):
                said = codes.code_of(item, "ConceptCodeSequence")
                if said is None or not _is_named(item, name):
                    continue
                kind = codes.kind_of(said) or said.meaning
                found.append(Performed(kind, self._algorithm(item), self._views_of(item), succeeded))
        return tuple(found)

    def _views_of(self, item: Dataset) -> tuple[ViewName, ...]:
        """The views of the exam that something was tried on."""
        names: dict[ViewName, None] = {}
        for child in self._children(item):
            try:
                instance = _instance(self._resolved(child))
            except _Unused as why:
                self._unused[str(why)] += 1
                continue
            if instance in self._by_instance and instance not in self._refused:
                names[self._by_instance[instance]] = None
        return tuple(names)

    def _algorithm(self, item: Dataset) -> Algorithm:
        named = {codes.ALGORITHM_NAME: "", codes.ALGORITHM_VERSION: ""}
        for child in self._children(item):
            for name in named:
                if _is_named(child, name):
                    named[name] = named[name] or text(child, "TextValue") or ""
        return Algorithm(*named.values())

    def _share(self, item: Dataset, name: Code) -> float | None:
        """A percentage as a share, 0..1; None where none is given or it is none."""
        for child in self._children(item):
            if _is_named(child, name):
                for measured in items(child, "MeasuredValueSequence"):
                    percent = number(measured, "NumericValue")
                    unit = codes.code_of(measured, "MeasurementUnitsCodeSequence")
                    if percent is not None and codes.same(unit, codes.PERCENT) and 0 <= percent <= 100:
                        return percent / 100
                self._unused[f"{name.meaning} that is no percentage"] += 1
        return None

    def _state(self, name: Code, states: Iterable[State]) -> State | None:
        found = (self._state_of(item, name, states) for item in self._children(self._root))
        return next(filter(None, found), None)

    @staticmethod
    def _state_of(item: Dataset, name: Code, states: Iterable[State]) -> State | None:
        """The member of an enumeration of codes that an item of this name holds."""
        if not _is_named(item, name):
            return None
        said = codes.code_of(item, "ConceptCodeSequence")
        return next((state for state in states if codes.same(said, state.value)), None)

    def _named(self, name: Code) -> Iterator[Dataset]:
        """Every item of the tree with this name, from the top."""
        for item in self._items:
            if _is_named(item, name):
                yield item

    def _below(self, item: Dataset, depth: int) -> Iterator[Dataset]:
        if depth > MAX_DEPTH:
            raise NotCadSr("its content is nested more deeply than any CAD SR, so none of it is used.")
        for child in self._children(item):
            yield child
            yield from self._below(child, depth + 1)

    @staticmethod
    def _children(item: Dataset) -> list[Dataset]:
        try:
            found = item.get("ContentSequence")  # `dicom_values.value` bounds it as that of a picture
        except Exception:  # pydicom raises nearly everything on a malformed sequence
            return []
        return list(found) if isinstance(found, Sequence) else []


def _is_named(item: Dataset, name: Code) -> bool:
    return codes.same(codes.code_of(item, "ConceptNameCodeSequence"), name)


def _instance(item: Dataset) -> str | None:
    """The SOPInstanceUID of the picture that an item is."""
    if text(item, "ValueType") != "IMAGE":
        return None
    return next((text(found, "ReferencedSOPInstanceUID") for found in items(item, "ReferencedSOPSequence")), None)


def _points(place: Dataset, kinds: Mapping[str, tuple[int, int]]) -> tuple[Point, ...]:
    """The points of coordinates, (0, 0) is the centre of the first pixel; a closed line without its last point."""
    kind, given = text(place, "GraphicType") or "", value(place, "GraphicData")
    if kind not in kinds:
        raise _Unused(f"a mark of the kind {kind or 'without a name'}, which is not read")
    values = given if isinstance(given, MutableSequence) else [] if given is None else [given]
    data = [float(number) for number in values]
    least, most = kinds[kind]
    if len(data) % 2 or not least <= len(data) // 2 <= most or not all(map(math.isfinite, data)):
        raise _Unused("a mark with impossible coordinates")
    points = [(x - HALF, y - HALF) for x, y in zip(data[::2], data[1::2])]
    if kind == "CIRCLE":
        radius = math.dist(points[0], points[1])
        return _round(points[0], (radius, 0.0), (0.0, radius))
    if kind == "ELLIPSE":  # the ends of one axis, then those of the other
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = points
        return _round(((ax + bx) / 2, (ay + by) / 2), ((bx - ax) / 2, (by - ay) / 2), ((dx - cx) / 2, (dy - cy) / 2))
    return tuple(points[:-1] if len(points) > 1 and points[0] == points[-1] else points)


def _round(centre: Point, axis: Point, other: Point) -> tuple[Point, ...]:
    """A polygon for an ellipse. axis, other: from the centre to the end of each half axis."""
    turns = [2 * math.pi * number / ROUND_POINTS for number in range(ROUND_POINTS)]
    return tuple(
        (
            centre[0] + axis[0] * math.cos(turn) + other[0] * math.sin(turn),
            centre[1] + axis[1] * math.cos(turn) + other[1] * math.sin(turn),
        )
        for turn in turns
    )


def _middle(points: tuple[Point, ...]) -> Point:
    """The middle of the box around points."""
    columns, rows = zip(*points)
    return (min(columns) + max(columns)) / 2, (min(rows) + max(rows)) / 2
