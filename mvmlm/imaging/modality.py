"""Stored values -> values: the modality LUT or the rescale of a DICOM file (PS3.3 C.11.1), as small as they can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from ..messages import quoted
from .dicom_values import decimals, items, malformed
from .file_header import MarkHeader
from .lut import BadTable, LookupTable, read_table

LARGEST_SLOPE, LARGEST_INTERCEPT = 1e6, 1e9  # beyond, a rescale is an error in the header
SMALLEST_SLOPE = 1e-9
WITHOUT = "it is left out, and so are the windows, which were made for the values behind it"


@dataclass(frozen=True)
class Modality:
    """The modality LUT or rescale of a file. usable: False where the file has one that cannot be used."""

    slope: float = 1.0
    intercept: float = 0.0
    table: LookupTable | None = None
    usable: bool = True

    @property
    def identity(self) -> bool:
        """Whether the values are the stored ones."""
        return self.table is None and self.slope == 1 and self.intercept == 0

    @property
    def whole(self) -> bool:
        """Whether whole stored values give whole values."""
        return self.table is not None or (self.slope.is_integer() and self.intercept.is_integer())

    def value_range(self, low: int, high: int) -> tuple[int, int]:
        """Return bounds on the values of the stored values from `low` to `high`."""
        if self.table is not None:
            return 0, (1 << self.table.bits) - 1
        ends = sorted((low * self.slope + self.intercept, high * self.slope + self.intercept))
        return int(np.floor(ends[0])), int(np.ceil(ends[1]))

    def __call__(self, stored: np.ndarray) -> np.ndarray:
        """Return the values of stored integers of any shape: the smallest type of whole numbers, else float32.

        At most 4 bytes a value and one array more than the result are allocated.
        """
        if self.table is not None:
            return self.table(stored)
        if self.identity:
            return stored
        low, high = int(stored.min()), int(stored.max())
        ends = [int(end * self.slope) + int(self.intercept) for end in (low, high)] if self.whole else []
        small = next((kind for kind in ("u2", "i2", "i4") if ends and _fits(ends, kind)), None)
        if small and _fits([*ends, low, high, *(int(end * self.slope) for end in (low, high))], "i4"):
            whole = stored.astype(np.int32)
            whole *= int(self.slope)
            whole += int(self.intercept)
            return whole.astype(small, copy=False)
        values = stored.astype(np.float32)
        values *= np.float32(self.slope)
        values += np.float32(self.intercept)
        return values


def _fits(values: list[int], kind: str) -> bool:
    limits = np.iinfo(kind)
    return all(limits.min <= value <= limits.max for value in values)


def read_modality(ds: Dataset, stored: tuple[int, int], marks: list[MarkHeader]) -> Modality:
    """Return the first modality LUT of a data set, else its rescale; what cannot be used is added to `marks`.

    stored: the smallest and largest possible stored value.
    """
    rescale = _read_rescale(ds, marks)
    tables = items(ds, "ModalityLUTSequence")
    if malformed(ds, "ModalityLUTSequence"):
        marks.append({"code": "modality-lut", "text": f"ModalityLUTSequence cannot be read; {WITHOUT}."})
        return Modality(usable=False)
    if not tables:
        return rescale
    try:
        table = read_table(tables[0], stored)
    except BadTable as error:
        marks.append({"code": "modality-lut", "text": f"The modality LUT {error}; {WITHOUT}."})
        return Modality(usable=False)
    if table.odd:
        marks.append({"code": "modality-lut", "text": f"The modality LUT {table.odd}."})
    if len(tables) > 1 or not rescale.identity:
        beside = f"{len(tables)} modality LUTs" if len(tables) > 1 else "a modality LUT and a rescale"
        marks.append(
            {"code": "modality-lut", "text": f"The file has {beside}, of which one is allowed; the first LUT is used."}
        )
    return Modality(table=table)


def _read_rescale(ds: Dataset, marks: list[MarkHeader]) -> Modality:
    values = {}
    for keyword, default, largest in (
        ("RescaleSlope", 1.0, LARGEST_SLOPE),
        ("RescaleIntercept", 0.0, LARGEST_INTERCEPT),
    ):
        found = decimals(ds, keyword)
        value = default if not found else found[0][1]
        odd = (
            value is None
            or len(found) > 1
            or abs(value) > largest
            or (keyword == "RescaleSlope" and abs(value) < SMALLEST_SLOPE)
        )
        if value is None or odd:
            told = "\\".join(text for text, _ in found[:3])[:40]
            marks.append({"code": "rescale", "text": f"{keyword} {quoted(told)} cannot be used; {WITHOUT}."})
            return Modality(usable=False)
        values[keyword] = value
    return Modality(values["RescaleSlope"], values["RescaleIntercept"])
