"""The UIDs of the DICOM files that this program writes."""

from __future__ import annotations

import hashlib

from pydicom.uid import UID


def uid(*parts: str) -> UID:
    """Return a UID that depends on `parts` only (2.25 root, PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


IMPLEMENTATION = uid("mvmlm")  # of every file that this program writes: copies and phantoms
