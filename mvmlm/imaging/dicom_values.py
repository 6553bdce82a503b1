"""Values of DICOM attributes as plain Python values; None or an empty list where they are missing or malformed."""

from __future__ import annotations

import math
from typing import Any

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, UID_dictionary

from ..messages import quoted
from .file_header import Code

LONGEST_TEXT, MOST_VALUES = 200, 64  # of an attribute that are read
#: of a sequence, which pydicom reads whole when one item is asked for; 20 VOI LUTs of 16 bits take 2.6 MB
MAX_SEQUENCE_BYTES, MAX_ITEMS = 4 << 20, 10_000
_ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")  # how an item begins (PS3.5 7.5), little and big endian


def value(ds: Dataset, keyword: str) -> Any:
    """Return what pydicom makes of an attribute; None where it is missing, so malformed that pydicom raises, or a
    sequence that is larger than any of a mammogram."""
    try:
        if _is_huge(ds, keyword):
            return None
        return ds.get(keyword, None)
    except Exception:  # pydicom raises nearly everything; a malformed attribute must not cost the picture
        return None


def _is_huge(ds: Dataset, keyword: str) -> bool:
    """Whether a sequence that was not read yet has more bytes or items than one is read with."""
    raw = ds.get_item(keyword) if keyword in ds else None
    if not isinstance(raw, RawDataElement) or not isinstance(raw.value, bytes) or len(raw.value) < MAX_ITEMS:
        return False
    if raw.VR != "SQ" and (raw.VR not in (None, "UN") or dictionary_VR(raw.tag) != "SQ"):
        return False
    return len(raw.value) > MAX_SEQUENCE_BYTES or any(raw.value.count(begin) > MAX_ITEMS for begin in _ITEMS)


def written(ds: Dataset, keyword: str) -> bool:
    """Return whether an attribute is there and not empty, whether or not it can be read."""
    return keyword in ds and bool(ds.get_item(keyword).value)


def malformed(ds: Dataset, keyword: str) -> bool:
    """Return whether an attribute is there and not empty, but cannot be read."""
    return written(ds, keyword) and value(ds, keyword) is None


def text(ds: Dataset, keyword: str) -> str | None:
    """Return a single value as stripped text of at most 200 letters."""
    found = value(ds, keyword)
    if found is None or isinstance(found, list | tuple | bytes):
        return None
    return str(found).strip()[:LONGEST_TEXT] or None


def texts(ds: Dataset, keyword: str) -> list[str]:
    """Return the first 64 values of an attribute as stripped text of at most 200 letters."""
    found = value(ds, keyword) or []
    values = [found] if isinstance(found, str) else list(found)
    return [str(v).strip()[:LONGEST_TEXT] for v in values[:MOST_VALUES]]


def number(ds: Dataset, keyword: str) -> float | None:
    """Return a single finite number."""
    try:
        converted = float(value(ds, keyword))
    except (TypeError, ValueError, OverflowError):
        return None
    return converted if math.isfinite(converted) else None


def decimals(ds: Dataset, keyword: str) -> list[tuple[str, float | None]]:
    """Return the first 64 values of an attribute of decimal strings: each as written, and as a number.

    None where it is no finite number. The text is read as it stands in the file, so that one malformed value does not
    cost the others.
    """
    if keyword not in ds:
        return []
    element = ds.get_item(keyword)
    if isinstance(element.value, bytes) and element.VR in (None, "DS", "IS", "UN", "LO", "SH"):
        written = element.value.decode("latin-1").split("\\")
    else:
        found = value(ds, keyword)
        written = [str(v) for v in ([] if found is None else found if isinstance(found, list | tuple) else [found])]
    return [(v.strip(" \0")[:LONGEST_TEXT], _finite(v)) for v in written[:MOST_VALUES] if v.strip(" \0")]


def _finite(written: str) -> float | None:
    try:
        converted = float(written.strip(" \0"))
    except ValueError:
        return None
    return converted if math.isfinite(converted) else None


def items(ds: Dataset, keyword: str) -> list[Dataset]:
    """Return the first 64 items of a sequence; none where it is missing or malformed."""
    found = value(ds, keyword)
    return list(found[:MOST_VALUES]) if isinstance(found, Sequence) else []


def codes(ds: Dataset, keyword: str) -> list[Code]:
    """Return (scheme, value, meaning) of each item of a code sequence (PS3.3 8.8)."""
    return [
        (text(item, "CodingSchemeDesignator"), text(item, "CodeValue"), text(item, "CodeMeaning"))
        for item in items(ds, keyword)
    ]


def kind_name(kind: UID | None) -> str:
    """Return the name of a UID of DICOM; any other one in quotation marks."""
    if not kind:
        return "not given"
    return kind.name if kind in UID_dictionary else quoted(str(kind))
