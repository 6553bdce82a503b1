"""The pixels of a DICOM mammogram: decode the frame, mask unused bits, restore the sign, apply the modality LUT."""

from __future__ import annotations

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame

from .codestream import read_codestream
from .dicom_checks import NATIVE_SYNTAXES, check_mammogram, read_dataset, transfer_syntax
from .file_header import MarkHeader
from .frames import decode_frame, decode_rle
from .limits import Unusable
from .modality import read_modality
from .stored_bits import StoredBits, bit_layout, check_cells


def read_dicom_pixels(path: str) -> np.ndarray:
    """Return (rows, columns) values after the modality LUT, contiguous. Raises Unusable."""
    ds = read_dataset(path)
    check_mammogram(ds)  # the limits again: nothing is allocated before them
    bits = bit_layout(ds)
    modality = read_modality(ds, bits.value_range, [])  # the header has its marks
    return np.ascontiguousarray(modality(_stored_values(ds, bits)))


def native_cells(ds: Dataset) -> np.ndarray | None:
    """Return (rows x columns,) unsigned cells of uncompressed pixel data, not copied; None for compressed data."""
    syntax = transfer_syntax(ds)
    if syntax not in NATIVE_SYNTAXES:
        return None
    width, big = int(ds.BitsAllocated) // 8, syntax == uid.ExplicitVRBigEndian
    if big and width == 1 and ds["PixelData"].VR == "OW":  # the bytes of each 16-bit word are swapped
        cells = np.frombuffer(ds.PixelData[: len(ds.PixelData) // 2 * 2], ">u2").astype("<u2").view(np.uint8)
    else:
        cells = np.frombuffer(ds.PixelData, f"{'>' if big else '<'}u{width}", count=len(ds.PixelData) // width)
    return cells[: int(ds.Rows) * int(ds.Columns)]


def compressed_frame(ds: Dataset) -> bytes | None:
    """Return the only frame of compressed pixel data, its fragments joined; None for uncompressed data."""
    if transfer_syntax(ds) in NATIVE_SYNTAXES:
        return None
    return get_frame(ds.PixelData, 0, number_of_frames=1)


def _stored_values(ds: Dataset, bits: StoredBits) -> np.ndarray:
    """(rows, columns) integers as stored."""
    rows, columns = int(ds.Rows), int(ds.Columns)
    cells = native_cells(ds)
    if cells is not None:
        return bits.values(cells.astype(cells.dtype.newbyteorder("="), copy=False)).reshape(rows, columns)
    frame = compressed_frame(ds) or b""
    if transfer_syntax(ds) == uid.RLELossless:
        cells = decode_rle(frame, rows, columns, bits.allocated // 8)
        marks: list[MarkHeader] = []
        check_cells(ds, cells, marks)
        if any(mark["code"] == "unused-bits" for mark in marks):
            raise Unusable(
                f"its frame has values of more than the {bits.stored} bits of BitsStored; export it again",
                "bits-stored",
            )
        return bits.values(cells)
    codestream = read_codestream(frame)
    if codestream.bits > bits.allocated:
        raise Unusable(f"its frame has {codestream.bits} bits, its header says {bits.allocated}; export it again")
    pixels = decode_frame(frame, rows, columns)
    if codestream.signed and not bits.signed:  # the frame itself is right about its sign
        return pixels
    shift = bits.shift if codestream.bits > bits.stored else 0
    if not bits.signed and not shift and pixels.max() >> bits.stored:
        used = int(pixels.max()).bit_length()
        raise Unusable(
            f"its frame has values of {used} bits, BitsStored is {bits.stored}; export it again", "bits-stored"
        )
    return StoredBits(bits.allocated, bits.stored, shift, bits.signed).values(pixels)
