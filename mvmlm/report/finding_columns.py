"""The columns of a table of labels that describe a finding, read and written in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .findings import Finding, Word

#: kind of finding -> field of Finding -> column
FINDING_COLUMNS: dict[str, dict[str, str]] = {
    "mass": {"shape": "mass_shape", "margin": "mass_margin", "mass_density": "mass_density", "size_mm": "mass_size_mm"},
    "calcification": {"morphology": "calcification_morphology", "distribution": "calcification_distribution"},
    "asymmetry": {"asymmetry": "asymmetry_kind"},
    "distortion": {},
}
LOCATION_COLUMNS = ("place", "depth")  # fields of Finding of the same names


def finding_from_columns(kind: str, value_of: Callable[[str], str | None]) -> Finding:
    """Return the finding of a kind that a row describes.

    value_of: returns the value of a column, "" or None where it is not known; several words are joined as in
    "indistinct and spiculated" or "round or oval". Raises ValueError for a word outside the lexicon or a size that is
    no number.
    """
    columns = FINDING_COLUMNS[kind] | {name: name for name in LOCATION_COLUMNS}
    values: dict[str, Any] = {}
    also: list[Word] = []
    either: list[Word] = []
    for field, column in columns.items():
        if not (text := value_of(column)):
            continue
        if field == "size_mm":
            values[field] = _millimetres(text)
            continue
        together, *others = text.split(" or ")
        values[field], *more = together.split(" and ")
        also += [(field, word) for word in more]
        either += [(field, word) for word in others]
    return Finding(kind, **values, also=tuple(also), either=tuple(either))


def _millimetres(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"mass_size_mm={text!r}: expected millimetres") from None


def columns_of_finding(finding: Finding) -> dict[str, str]:
    """Return the finding's descriptors by column, as `finding_from_columns` reads them; "" for one not known."""
    columns = FINDING_COLUMNS[finding.kind] | {name: name for name in LOCATION_COLUMNS}
    return {column: finding.described(field) for field, column in columns.items()}
