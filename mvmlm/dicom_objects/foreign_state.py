"""Grayscale Softcopy Presentation State of any program -> its graphics and texts on the pictures that it names.

Windows, shutters and turns of the state are not applied: only what is drawn over a picture is taken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, MutableSequence
from functools import partial

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ..imaging.dicom_values import number, text, value
from .cad_report import Point
from .foreign_marks import ForeignMark, ForeignStatement, NamedPictures, Shape
from .foreign_places import MOST_LETTERS, checked, marks_at
from .graphics import ANY, MAX_POINTS, Kinds, Unused, from_corner, points_of
from .sr_tree import OddTree

_KINDS: Kinds = {**ANY, "INTERPOLATED": (2, MAX_POINTS)}
#: what is read of one state, in points: a mark with its picture takes as long as ITEM points
MOST_READ, ITEM = 200_000, 50
OVERLAYS = range(0x6000, 0x6020, 2)  # the groups of bitmap overlays
_Convert = Callable[[float, float], Point]


class StateReader:
    """Reads what a state draws. `marks`, `statements` and `unused` hold what was found after `read`."""

    def __init__(self, ds: Dataset, named: NamedPictures):
        self._ds, self._named = ds, named
        self.marks: list[ForeignMark] = []
        self.statements: list[ForeignStatement] = []
        self.unused: Counter[str] = Counter()
        self._left = MOST_READ

    def read(self) -> None:
        """Read every annotation; one that names no picture is on all pictures of the state (PS3.3 C.10.5).

        Raises OddTree for a state that draws more than any.
        """
        series = _items(self._ds, "ReferencedSeriesSequence")
        every = _once(item for one in series for item in _pictures(one))
        for annotation in _items(self._ds, "GraphicAnnotationSequence"):
            simple = [*_items(annotation, "GraphicObjectSequence"), *_items(annotation, "TextObjectSequence")]
            given_simply = {value(item, "CompoundGraphicInstanceID") for item in simple} - {None}
            for compound in _items(annotation, "CompoundGraphicSequence"):
                if value(compound, "CompoundGraphicInstanceID") not in given_simply:
                    self.unused[f"a compound graphic ({text(compound, 'CompoundGraphicType') or 'no kind'})"] += 1
            for picture in _once(_pictures(annotation)) or every:
                self._read_on(annotation, picture)
        if any((group, 0x3000) in self._ds for group in OVERLAYS):
            self.unused["a bitmap overlay, which is not read"] += 1

    def _read_on(self, annotation: Dataset, picture: Dataset) -> None:
        """Read an annotation on one of its pictures."""
        instance = text(picture, "ReferencedSOPInstanceUID") or ""
        readers = (
            ("GraphicObjectSequence", self._read_graphic),
            ("TextObjectSequence", self._read_text),
        )
        for keyword, read in readers:
            for item in _items(annotation, keyword):
                given = value(item, "GraphicData")
                self._left -= ITEM + (len(given) // 2 if isinstance(given, MutableSequence) else 0)
                if self._left < 0:
                    raise OddTree("it draws more than any presentation state, so none of it is used.")
                try:
                    if number(picture, "ReferencedFrameNumber") not in (None, 1.0):
                        raise Unused("a mark on another frame than the first")
                    read(item, instance)
                except Unused as why:
                    self.unused[str(why)] += 1

    def _read_graphic(self, item: Dataset, instance: str) -> None:
        if number(item, "GraphicDimensions") not in (None, 2.0):
            raise Unused("a mark that is not in two dimensions")
        convert = self._converter(text(item, "GraphicAnnotationUnits"), instance)
        points = checked(points_of(item, _KINDS, convert), instance, self._named)
        if text(item, "GraphicType") == "INTERPOLATED":
            self.unused["a smooth curve, drawn with straight lines between its points"] += 1
        self.marks += marks_at(item, points, instance, "")

    def _read_text(self, item: Dataset, instance: str) -> None:
        said = " ".join(str(value(item, "UnformattedTextValue") or "").split())[:MOST_LETTERS]
        if not said:
            return
        if (anchor := _pair(item, "AnchorPoint")) is not None:
            units, (x, y) = text(item, "AnchorPointAnnotationUnits"), anchor
        elif (box := _pair(item, "BoundingBoxTopLeftHandCorner")) is not None:
            units, (x, y) = text(item, "BoundingBoxAnnotationUnits"), box
            if units == "DISPLAY":  # at a place of the screen, not of the picture
                checked((), instance, self._named)
                self.statements.append(ForeignStatement(instance, said))
                return
        else:
            raise Unused("a text without a place")
        points = checked((self._converter(units, instance)(x, y),), instance, self._named)
        self.marks.append(ForeignMark(instance, Shape.TEXT, points, said))

    def _converter(self, units: str | None, instance: str) -> _Convert:
        """What makes a point of the picture of a pair of numbers in these units (PS3.3 C.10.5.1.1)."""
        if units == "PIXEL":
            return from_corner
        if units != "DISPLAY":
            raise Unused(f"a mark in units that are not read ({units or 'none given'})")
        if number(self._ds, "ImageRotation") not in (None, 0.0) or text(self._ds, "ImageHorizontalFlip") == "Y":
            raise Unused("a mark relative to the screen on a picture that is shown turned")
        return partial(_from_display, *self._displayed(instance))

    def _displayed(self, instance: str) -> tuple[Point, Point]:
        """The first and the last pixel that are displayed of a picture, (column, row), the first pixel is (1, 1)."""
        for area in _items(self._ds, "DisplayedAreaSelectionSequence"):
            pictures = {text(item, "ReferencedSOPInstanceUID") for item in _pictures(area)}
            first, last = (
                _pair(area, "DisplayedAreaTopLeftHandCorner"),
                _pair(area, "DisplayedAreaBottomRightHandCorner"),
            )
            if first and last and (not pictures or instance in pictures) and first[0] < last[0] and first[1] < last[1]:
                return first, last
        raise Unused("a mark relative to the screen, though what is displayed is not said")


def _from_display(first: Point, last: Point, x: float, y: float) -> Point:
    """A pair of fractions of the displayed area, whose corners are those of its pixels, as a point of the picture."""
    return from_corner(first[0] - 1 + x * (last[0] - first[0] + 1), first[1] - 1 + y * (last[1] - first[1] + 1))


def _items(ds: Dataset, keyword: str) -> Iterable[Dataset]:
    """Every item of a sequence; none where it is missing or malformed."""
    found = value(ds, keyword)
    return list(found) if isinstance(found, Sequence) else []


def _pictures(ds: Dataset) -> list[Dataset]:
    return list(_items(ds, "ReferencedImageSequence"))


def _once(pictures: Iterable[Dataset]) -> list[Dataset]:
    """Pictures without those that are named again."""
    by_name = {
        (text(item, "ReferencedSOPInstanceUID"), number(item, "ReferencedFrameNumber")): item for item in pictures
    }
    return list(by_name.values())


def _pair(ds: Dataset, keyword: str) -> Point | None:
    found = value(ds, keyword)
    try:
        x, y = (float(part) for part in found or ())
    except (TypeError, ValueError):
        return None
    return x, y


def drawn_by(ds: Dataset, named: NamedPictures) -> StateReader:
    """Return what a state draws on pictures. Raises OddTree."""
    reader = StateReader(ds, named)
    reader.read()
    return reader
