"""The columns of a table of labels that describe a finding, read and written in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .findings import Finding

#: kind of finding -> field of Finding -> column
FINDING_COLUMNS: dict[str, dict[str, str]] = {
    "mass": {"shape": "mass_shape", "margin": "mass_margin", "mass_density": "mass_density", "size_mm": "mass_size_mm"},
    "calcification": {"morphology": "calcification_morphology", "distribution": "calcification_distribution"},
    "asymmetry": {"asymmetry": "asymmetry_kind"},
    "distortion": {},
}
MAX_SIZE_MM = 300
LOCATION_COLUMNS = ("place", "depth")  # fields of Finding of the same names


def finding_from_columns(kind: str, value_of: Callable[[str], str | None]) -> Finding:
    """Return the finding of a kind that a row describes.

    value_of: returns the value of a column, "" or None where it is not known. Raises ValueError for a word outside the
    lexicon or a size that is no number.
    """
    columns = FINDING_COLUMNS[kind] | {name: name for name in LOCATION_COLUMNS}
    values: dict[str, Any] = {field: value_of(column) or None for field, column in columns.items()}
    if values.get("size_mm"):
        values["size_mm"] = _millimetres(values["size_mm"])
    return Finding(kind, **values)


def _millimetres(text: str) -> int:
    try:
        size = float(text)
    except ValueError:
        size = 0.0
    if not 0.5 <= size <= MAX_SIZE_MM:  # not so for NaN either
        raise ValueError(f"mass_size_mm={text!r}: expected millimetres, 1 to {MAX_SIZE_MM}")
    return round(size)


def columns_of_finding(finding: Finding) -> dict[str, str]:
    """Return the finding's descriptors by column; "" for one that is not known."""
    columns = FINDING_COLUMNS[finding.kind] | {name: name for name in LOCATION_COLUMNS}
    return {column: str(getattr(finding, field) or "") for field, column in columns.items()}
