"""The content tree of an SR, within limits: its items, what stands below them, and what they refer to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.sr.coding import Code

from ..imaging.dicom_values import items, text, value
from . import codes
from .graphics import Unused

MAX_ITEMS, MAX_DEPTH = 10_000, 40
UNDEFINED_LENGTH = 0xFFFFFFFF


class OddTree(ValueError):
    """Why nothing of an object is used, as the end of a sentence for the reader."""


class SrTree:
    """The content items of an SR. Raises OddTree for more, or more deeply nested ones, than any report has."""

    def __init__(self, ds: Dataset):
        self.root = ds
        self.items = list(islice(self.below(ds), MAX_ITEMS + 1))
        if len(self.items) > MAX_ITEMS:
            raise OddTree("it has more content than any report, so none of it is used.")

    def named(self, name: Code) -> Iterator[Dataset]:
        """Return every item with this name, from the top."""
        return (item for item in self.items if is_named(item, name))

    def below(self, item: Dataset, depth: int = 0) -> Iterator[Dataset]:
        """Return everything below an item, from the top."""
        if depth > MAX_DEPTH:
            raise OddTree("its content is nested more deeply than any report, so none of it is used.")
        for child in children(item):
            yield child
            yield from self.below(child, depth + 1)

    def resolved(self, item: Dataset) -> Dataset:
        """Return the item itself, or the one that it refers to by its position in the tree. Raises Unused."""
        position = value(item, "ReferencedContentItemIdentifier")
        if position is None:
            return item
        numbers = [int(n) for n in ([position] if isinstance(position, int) else position)]
        found = self.root
        for place in numbers[1:]:
            below = children(found)
            if not 1 <= place <= len(below):
                raise Unused("a mark that refers to something that the report does not have")
            found = below[place - 1]
        return found

    def pictures_of(self, item: Dataset) -> list[Dataset]:
        """Return the pictures that stand below an item, by value or by reference. Raises Unused."""
        return [found for child in children(item) if instance_of(found := self.resolved(child)) is not None]


def children(item: Dataset) -> list[Dataset]:
    """Return the items directly below an item."""
    try:
        found = item.get("ContentSequence")  # `dicom_values.value` bounds it as that of a picture
    except Exception:  # pydicom raises nearly everything on a malformed sequence
        return []
    return list(found) if isinstance(found, Sequence) else []


def is_named(item: Dataset, name: Code) -> bool:
    """Return whether the concept name of an item is this code."""
    return codes.same(codes.code_of(item, "ConceptNameCodeSequence"), name)


def instance_of(item: Dataset) -> str | None:
    """Return the SOPInstanceUID of the picture that an item is; None for any other item."""
    if text(item, "ValueType") != "IMAGE":
        return None
    return next((text(found, "ReferencedSOPInstanceUID") for found in items(item, "ReferencedSOPSequence")), None)


def is_cut_off(ds: Dataset) -> bool:
    """Return whether an element is shorter than it says; pydicom reads such a sequence as one of fewer items."""
    raw = (ds.get_item(tag) for tag in list(ds.keys()))
    return any(
        isinstance(element, RawDataElement)
        and element.length != UNDEFINED_LENGTH
        and len(element.value or b"") < element.length
        for element in raw
    )
