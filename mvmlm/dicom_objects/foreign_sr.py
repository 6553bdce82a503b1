"""Regions on pictures in an SR after TID 1500 -> marks of another program, with what their group says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from pydicom.dataset import Dataset
from pydicom.uid import SegmentationStorage

from ..exam import Laterality
from ..imaging.dicom_values import items, number, text
from . import codes
from .foreign_marks import ForeignMark, NamedPictures
from .foreign_places import MOST_LETTERS, checked, marks_at
from .graphics import ANY, Unused, points_of
from .sr_tree import OddTree, SrTree, children, instance_of, is_named

MOST_NUMBERS = 3  # of a group that are named
#: titles of a report after TID 1500 (CID 7021)
_TITLES = ("126000", "126001", "126002", "126003")
_GROUP = codes.dcm("125007", "Measurement Group")
_FINDING = codes.dcm("121071", "Finding")
_TRACKING = codes.dcm("112039", "Tracking Identifier")


def read_regions(ds: Dataset, named: NamedPictures) -> tuple[tuple[ForeignMark, ...], Counter[str]]:
    """Return the marks of a measurement report on pictures, and what is not used of it.

    Raises OddTree for a report that is none after TID 1500, or has more content than any.
    """
    title = codes.code_of(ds, "ConceptNameCodeSequence")
    templates = [text(item, "TemplateIdentifier") for item in items(ds, "ContentTemplateSequence")]
    if "1500" not in templates and not (title and title.scheme_designator == "DCM" and title.value in _TITLES):
        raise OddTree("no measurement report after TID 1500, so what its regions mean is not known.")
    tree, unused, marks = SrTree(ds), Counter[str](), list[ForeignMark]()
    for item, group in _places(ds, _Group("", None)):
        try:
            marks += _marks(tree, item, group, named)
        except Unused as why:
            unused[str(why)] += 1
    unused["a segmentation, which is not read"] += sum(map(_is_segmentation, tree.items))
    return tuple(marks), +unused


class _Group(NamedTuple):
    """What a measurement group says in words, and of which breast; None where it names none, or both."""

    said: str
    side: Laterality | None


def _places(item: Dataset, group: _Group) -> Iterator[tuple[Dataset, _Group]]:
    """Every place below an item, with its measurement group."""
    for child in children(item):
        if text(child, "ValueType") in ("SCOORD", "SCOORD3D"):
            yield child, group
        yield from _places(child, _Group(_of_group(child), _side_of(child)) if is_named(child, _GROUP) else group)


def _marks(tree: SrTree, place: Dataset, group: _Group, named: NamedPictures) -> list[ForeignMark]:
    if text(place, "ValueType") == "SCOORD3D":
        raise Unused("a mark in space, not on a picture")
    pictures = tree.pictures_of(place)
    if len(pictures) != 1:
        raise Unused("a mark on several pictures at once" if pictures else "a mark without a picture")
    referenced = items(pictures[0], "ReferencedSOPSequence")[0]
    if number(referenced, "ReferencedFrameNumber") not in (None, 1.0):
        raise Unused("a mark on another frame than the first")
    instance = instance_of(pictures[0]) or ""
    points = checked(points_of(place, ANY), instance, named)
    sides = {view.name.laterality for view in named.views[instance] if view.name is not None}
    if group.side and sides - {group.side}:
        raise Unused(f"a mark of the {group.side.word} breast on a picture of the other one")
    return marks_at(place, points, instance, group.said)


def _side_of(group: Dataset) -> Laterality | None:
    """The breast that the finding sites of a group are in."""
    sides = set[Laterality | None]()
    for site in (child for child in children(group) if is_named(child, codes.FINDING_SITE)):
        sides.add(codes.key_of(codes.code_of(site, "ConceptCodeSequence"), codes.SIDES))
        for child in (child for child in children(site) if is_named(child, codes.LATERALITY)):
            sides.add(codes.key_of(codes.code_of(child, "ConceptCodeSequence"), codes.LATERALITIES))
    found = sides - {None}
    return found.pop() if len(found) == 1 else None


def _of_group(group: Dataset) -> str:
    """What a measurement group says: its finding, or else its name, and its first numbers."""
    finding = name = ""
    numbers: list[str] = []
    for child in children(group):
        if is_named(child, _FINDING) and (said := codes.code_of(child, "ConceptCodeSequence")):
            finding = said.meaning
        elif is_named(child, _TRACKING):
            name = text(child, "TextValue") or ""
        elif text(child, "ValueType") == "NUM":
            numbers += _measured(child)
    return ", ".join(filter(None, [finding or name, *numbers[:MOST_NUMBERS]]))[:MOST_LETTERS]


def _measured(item: Dataset) -> list[str]:
    concept = codes.code_of(item, "ConceptNameCodeSequence")
    for measured in items(item, "MeasuredValueSequence"):
        found, unit = number(measured, "NumericValue"), codes.code_of(measured, "MeasurementUnitsCodeSequence")
        if concept and found is not None:
            return [f"{concept.meaning} {found:g} {unit.value if unit else ''}".strip()]
    return []


def _is_segmentation(item: Dataset) -> bool:
    return any(
        text(found, "ReferencedSOPClassUID") == SegmentationStorage for found in items(item, "ReferencedSOPSequence")
    )
