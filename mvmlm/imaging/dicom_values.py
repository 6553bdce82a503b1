"""Values of DICOM attributes as plain Python values; None or an empty list where they are missing or malformed."""

from __future__ import annotations

import math

from pydicom.dataset import Dataset

from .file_header import Code

LONGEST_TEXT = 200


def text(ds: Dataset, keyword: str) -> str | None:
    """Return a single value as stripped text of at most 200 letters."""
    value = ds.get(keyword, None)
    if value is None or isinstance(value, list | tuple):
        return None
    return str(value).strip()[:LONGEST_TEXT] or None


def texts(ds: Dataset, keyword: str) -> list[str]:
    """Return every value of an attribute as stripped text."""
    value = ds.get(keyword, None) or []
    return [value.strip()] if isinstance(value, str) else [str(v).strip() for v in value]


def number(ds: Dataset, keyword: str) -> float | None:
    """Return a single finite number."""
    value = ds.get(keyword, None)
    if value is None:
        return None
    try:
        converted = float(value)
    except (TypeError, ValueError):
        return None
    return converted if math.isfinite(converted) else None


def numbers(ds: Dataset, keyword: str) -> list[float]:
    """Return every finite number of an attribute. Raises ValueError for a value that is no number."""
    value = ds.get(keyword, None)
    values = [] if value is None else [value] if isinstance(value, int | float | str) else list(value)
    return [float(v) for v in values if str(v) and math.isfinite(float(v))]


def codes(ds: Dataset, keyword: str) -> list[Code]:
    """Return (scheme, value, meaning) of each item of a code sequence (PS3.3 8.8)."""
    return [
        (text(item, "CodingSchemeDesignator"), text(item, "CodeValue"), text(item, "CodeMeaning"))
        for item in ds.get(keyword, None) or []
    ]
