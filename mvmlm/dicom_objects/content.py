"""Content items of an SR, as PS3.3 C.17.3 and C.18 define them; by reference too, which highdicom does not write."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.coding import Code
from pydicom.valuerep import format_number_as_ds

from ..imaging.deidentification import code_item
from .cad_report import Point

HALF = 0.5  # SR counts from the corner of the first pixel (PS3.3 C.18.6.1.1), this program from its centre


def coded(code: Code) -> Sequence:
    """Return a code as a sequence of one item."""
    return Sequence([code_item(code.scheme_designator, code.value, code.meaning)])


def container(relation: str, name: Code, children: Iterable[Dataset]) -> Dataset:
    """Return a heading with what stands below it."""
    item = _item(relation, "CONTAINER", name, children)
    item.ContinuityOfContent = "SEPARATE"
    return item


def code(relation: str, name: Code, value: Code, children: Iterable[Dataset] = ()) -> Dataset:
    """Return a coded value."""
    item = _item(relation, "CODE", name, children)
    item.ConceptCodeSequence = coded(value)
    return item


def text(relation: str, name: Code, value: str) -> Dataset:
    """Return a text."""
    item = _item(relation, "TEXT", name)
    item.TextValue = value
    return item


def number(relation: str, name: Code, value: float, unit: Code) -> Dataset:
    """Return a measured value."""
    measured = Dataset()
    measured.MeasurementUnitsCodeSequence = coded(unit)
    measured.NumericValue = format_number_as_ds(round(value, 6))
    item = _item(relation, "NUM", name)
    item.MeasuredValueSequence = Sequence([measured])
    return item


def image(relation: str, referenced: Dataset, children: Iterable[Dataset] = ()) -> Dataset:
    """Return a picture. referenced: as `header.reference` returns it."""
    item = _item(relation, "IMAGE", None, children)
    item.ReferencedSOPSequence = Sequence([referenced])
    return item


def coordinates(relation: str, name: Code, points: Iterable[Point], picture: tuple[int, ...]) -> Dataset:
    """Return a point, or a closed polyline of several. points: (column, row), (0, 0) is the centre of the first pixel.

    picture: the position in the tree of the content item of the picture, the root is (1,).
    """
    places = list(points)
    if len(places) > 1 and places[0] != places[-1]:
        places.append(places[0])
    selected = Dataset()
    selected.RelationshipType, selected.ReferencedContentItemIdentifier = "SELECTED FROM", list(picture)
    item = _item(relation, "SCOORD", name, [selected])
    item.GraphicType = "POLYLINE" if len(places) > 1 else "POINT"
    item.GraphicData = [value + HALF for point in places for value in point]
    return item


def _item(relation: str, kind: str, name: Code | None, children: Iterable[Dataset] = ()) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType = relation, kind
    if name is not None:
        item.ConceptNameCodeSequence = coded(name)
    if below := list(children):
        item.ContentSequence = Sequence(below)
    return item
