"""Partial views: pictures of a part of a breast that is larger than the detector (PS3.3 C.8.11.7)."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ..exam import FileMark
from .deidentification import code_item
from .dicom_values import codes, text

UNKNOWN = "unknown"  # the part, where the file does not name it
#: PS3.16 CID 4005, Partial View Section for Mammography, in SNOMED CT and the older SRT codes
SECTIONS = {
    "264217000": "superior", "R-42191": "superior",
    "261089000": "inferior", "R-4094A": "inferior",
    "49370004": "lateral", "G-A104": "lateral",
    "255561001": "medial", "R-404D5": "medial",
    "26216008": "central", "G-A110": "central",
    "255549009": "anterior", "R-404CC": "anterior",
    "255551008": "posterior", "R-404CE": "posterior",
}  # fmt: skip


def read_partial_view(ds: Dataset) -> str:
    """Return the parts of the breast that a partial view shows, such as "superior, lateral"; "" for a whole breast.

    By PartialView (0028,1350) and PartialViewCodeSequence (0028,1352); the free text of PartialViewDescription is not
    used.
    """
    found = [SECTIONS[value] for _, value, _ in codes(ds, "PartialViewCodeSequence") if value in SECTIONS]
    if text(ds, "PartialView") != "YES":
        return ""
    return ", ".join(dict.fromkeys(found)) or UNKNOWN


def add_partial_view(ds: Dataset, partial: str) -> None:
    """Write what `read_partial_view` reads."""
    ds.PartialView = "YES"
    code_of = {part: code for code, part in SECTIONS.items() if code.isdecimal()}
    if parts := [part for part in partial.split(", ") if part in code_of]:
        ds.PartialViewCodeSequence = Sequence([code_item("SCT", code_of[part], part.capitalize()) for part in parts])


def partial_marks(partial: str, file: str) -> list[FileMark]:
    """Return what the reader must know about a partial view; nothing about a whole breast."""
    if not partial:
        return []
    which = "a part of the breast that it does not name" if partial == UNKNOWN else f"the {partial} part of the breast"
    text = f"PartialView says that the picture shows {which}. Another picture may show the rest; the model reads one."
    return [FileMark("partial-view", file, text)]
