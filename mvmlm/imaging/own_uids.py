"""The UIDs of the DICOM files that this program writes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import pydicom
from pydicom.uid import UID


def uid(*parts: str) -> UID:
    """Return a UID that depends on `parts` only (2.25 root, PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


IMPLEMENTATION = uid("mvmlm")  # of every file that this program writes: copies and phantoms


class OwnUids(NamedTuple):
    """The UIDs of an image that this program wrote: of its study, its series, itself, and its kind of object."""

    study: str
    series: str
    instance: str
    sop_class: str


def uids_made_here(path: Path) -> OwnUids | None:
    """Return the UIDs of a file that this program wrote, made by `uid`; None for every other file.

    So no UID of a hospital is returned, which would tell whose picture it is.
    """
    tags = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"]
    try:
        ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=tags)
        found = OwnUids(*(str(ds[tag].value) for tag in tags))
        ours = str(ds.file_meta.get("ImplementationClassUID", "")) == IMPLEMENTATION
    except Exception:  # a file that is gone or damaged is none of ours; pydicom raises nearly anything for it
        return None
    made_here = all(UID(value).is_valid and value.startswith("2.25.") for value in found[:3])
    return found if ours and made_here and not UID(found.sop_class).is_private else None
