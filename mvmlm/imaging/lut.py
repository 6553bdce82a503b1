"""One lookup table of a DICOM file: its descriptor and its data, in every way in which they are written.

Source: PS3.3 C.11.1.1.1 and C.11.2.1.1. The bytes are read here, not by pydicom, which takes the values of an implicit
VR or a big-endian file for another type than the one meant.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

BITS = range(8, 17)  # of an entry


class BadTable(ValueError):
    """Why a lookup table cannot be used, as the end of a sentence that begins with its name."""


@dataclass(frozen=True)
class LookupTable:
    """Values from `first` on become `entries`, uint16 of `bits` bits; those outside become the first or last entry.

    odd: what is wrong with the table although it can be used, as the end of a sentence; "" for nothing. vr: the value
    representation of its data, "" where the file does not say.
    """

    first: int
    entries: np.ndarray
    bits: int
    odd: str = ""
    vr: str = ""

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Return (any shape) the entries of integer values."""
        low, high = int(values.min()), int(values.max())
        wide = np.int64 if values.dtype.itemsize > 2 else np.int32
        if high - low >= len(self.entries) + values.size:  # a few values far apart
            return self.entries[np.clip(values.astype(wide) - self.first, 0, len(self.entries) - 1)]
        table = self.entries[np.clip(np.arange(low, high + 1) - self.first, 0, len(self.entries) - 1)]
        return table[values] if low == 0 else table[values.astype(wide) - low]


def read_table(item: Dataset, inputs: tuple[int, int]) -> LookupTable:
    """Return the table of an item of ModalityLUTSequence or VOILUTSequence. Raises BadTable.

    inputs: the smallest and largest value that the table may be given. They decide whether a first value from 32768 on
    is meant as a negative one, where the file's VR leaves it open or contradicts them.
    """
    count, first, bits, kind = _descriptor(item)
    chosen, other = (
        (first - 65536, first) if kind == "SS" or (kind is None and inputs[0] < 0) else (first, first - 65536)
    )
    if first < 32768:
        chosen = other = first
    if not _meets(chosen, count, inputs) and _meets(other, count, inputs):
        chosen = other
    entries, odd = _entries(item, count, bits)
    used = max(int(entries.max()).bit_length(), 1)
    if bits not in BITS or used > bits or used < bits - 1:
        told, bits = bits, max(used, BITS.start)
        if told != bits:
            odd = f"says that its entries have {told} bits, but they have {bits}"
    return LookupTable(chosen, entries, bits, odd, (_element(item, "LUTData") or (b"", True, None))[2] or "")


def _meets(first: int, count: int, inputs: tuple[int, int]) -> bool:
    return first <= inputs[1] and first + count > inputs[0]


def _descriptor(item: Dataset) -> tuple[int, int, int, str | None]:
    """Number of entries (0 in the file is 65536), first value as unsigned, bits of an entry, and the VR if given."""
    raw = _element(item, "LUTDescriptor")
    if raw is None:
        raise BadTable("has no descriptor")
    data, little, kind = raw
    if len(data) != 6:
        raise BadTable(f"has a descriptor of {len(data) // 2} values instead of 3")
    count, first, bits = struct.unpack("<3H" if little else ">3H", data)
    return count or 65536, first, bits, kind


def _entries(item: Dataset, count: int, bits: int) -> tuple[np.ndarray, str]:
    """(count,) uint16 and what is odd: in 16-bit words each, or in bytes where the length says so."""
    raw = _element(item, "LUTData")
    if raw is None or not raw[0]:
        raise BadTable("has no data")
    data, little, kind = raw
    in_bytes = bits <= 8 and len(data) < 2 * count
    if in_bytes and not little and kind == "OW":
        data = np.frombuffer(data[: len(data) // 2 * 2], ">u2").astype("<u2").tobytes()
    table = np.frombuffer(
        data if in_bytes else data[: len(data) // 2 * 2], "u1" if in_bytes else "<u2" if little else ">u2"
    )
    if len(table) < count:
        raise BadTable(f"has {len(table):,} of the {count:,} entries that its descriptor announces")
    if count < 2:
        raise BadTable("has a single entry")
    surplus = len(table) - count - (count % 2 if in_bytes else 0)
    odd = f"has {len(table):,} entries, but its descriptor says {count:,}; the rest is not used" if surplus > 0 else ""
    return table[:count].astype(np.uint16), odd


def _element(item: Dataset, keyword: str) -> tuple[bytes, bool, str | None] | None:
    """The bytes of an element as in the file, whether they are little endian, and its VR if it is explicit."""
    if keyword not in item:
        return None
    element = item.get_item(keyword)
    if isinstance(element, RawDataElement):
        return element.value or b"", element.is_little_endian, element.VR
    if isinstance(element.value, bytes):
        return element.value, True, element.VR
    values = np.atleast_1d(np.asarray(element.value, np.int64))
    return (values & 0xFFFF).astype("<u2").tobytes(), True, element.VR
