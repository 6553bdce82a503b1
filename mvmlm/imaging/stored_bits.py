"""Where a stored value lies in its cell: BitsAllocated, BitsStored, HighBit and PixelRepresentation (PS3.5 8.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset

from .codestream import Codestream
from .dicom_values import number
from .file_header import MarkHeader

OVERLAY_GROUPS = range(0x6000, 0x6020, 2)


@dataclass(frozen=True)
class StoredBits:
    """A cell of `allocated` bits holds a value of `stored` bits, `shift` bits above its lowest one."""

    allocated: int
    stored: int
    shift: int
    signed: bool

    @property
    def value_range(self) -> tuple[int, int]:
        """The smallest and largest value that can be stored."""
        return (-(1 << self.stored - 1), (1 << self.stored - 1) - 1) if self.signed else (0, (1 << self.stored) - 1)

    def values(self, cells: np.ndarray) -> np.ndarray:
        """Return the values in cells of any shape and type: unsigned or signed integers of the same width."""
        width = cells.dtype.itemsize * 8
        if self.signed:  # the sign is the highest stored bit
            cells = cells.astype(f"i{width // 8}", copy=False)
            above = width - self.stored - self.shift
            return (cells << above) >> (above + self.shift) if above > 0 or self.shift else cells
        cells = cells.astype(f"u{width // 8}", copy=False)
        if self.shift:
            cells = cells >> self.shift
        return cells & ((1 << self.stored) - 1) if self.stored < width else cells


def bit_layout(ds: Dataset) -> StoredBits:
    """Return the layout that the header gives; BitsStored is BitsAllocated where it is missing.

    A HighBit that does not fit is taken for BitsStored - 1, and a PixelRepresentation other than 1 for unsigned.
    """
    allocated = int(number(ds, "BitsAllocated") or 0)
    stored = int(number(ds, "BitsStored") or allocated)
    high = number(ds, "HighBit")
    shift = int(high) + 1 - stored if high is not None and stored - 1 <= high < allocated else 0
    return StoredBits(allocated, stored, shift, number(ds, "PixelRepresentation") == 1)


def check_cells(ds: Dataset, cells: np.ndarray | None, marks: list[MarkHeader]) -> None:
    """Add to `marks` what is odd in the layout. cells: those of an uncompressed picture."""
    bits, high = bit_layout(ds), number(ds, "HighBit")
    if number(ds, "BitsStored") is None:
        text = f"BitsStored is missing; it is taken for BitsAllocated, {bits.allocated}."
        marks.append({"code": "bits-stored", "text": text})
    if number(ds, "PixelRepresentation") not in (0, 1):
        marks.append(
            {"code": "sign", "text": "PixelRepresentation is neither 0 nor 1; the values are read as unsigned."}
        )
    if high is not None and high != bits.stored - 1:
        lowest = f"the values are taken from bits {bits.shift} to {bits.shift + bits.stored - 1}"
        marks.append({"code": "high-bit", "text": f"HighBit is {high:g} and BitsStored {bits.stored}; {lowest}."})
    if cells is None or bits.stored == bits.allocated or bits.signed:  # unused bits of signed values repeat the sign
        return
    used = ((1 << bits.stored) - 1) << bits.shift
    if not bits.shift and cells.max() <= used:  # four times as fast as joining all bits
        return
    unused = int(np.bitwise_or.reduce(cells)) & ~used
    for group in OVERLAY_GROUPS:
        if (group, 0x0102) in ds:  # OverlayBitPosition
            unused &= ~(1 << int(ds[group, 0x0102].value or 0))
    if unused:
        text = f"Bits outside the {bits.stored} of BitsStored are set; they are not part of the picture."
        marks.append({"code": "unused-bits", "text": text})


def check_coding(bits: StoredBits, coding: Codestream, marks: list[MarkHeader]) -> None:
    """Add to `marks` where the header of a compressed frame contradicts that of the file."""
    if coding.bits < bits.stored:
        text = (
            f"The compressed picture has {coding.bits} bits, but BitsStored is {bits.stored}; {coding.bits} are shown."
        )
        marks.append({"code": "bits-stored", "text": text})
    if coding.signed and not bits.signed:
        text = (
            "The compressed picture has signed values, but PixelRepresentation says unsigned; they are read as signed."
        )
        marks.append({"code": "sign", "text": text})
