"""The pixels of a DICOM mammogram: decode the frame, mask unused bits, restore the sign, apply the modality LUT."""

from __future__ import annotations

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels import apply_modality_lut

from .dicom_checks import CODECS, check_mammogram, read_dataset, transfer_syntax
from .dicom_values import number
from .limits import Unusable


def read_dicom_pixels(path: str) -> np.ndarray:
    """Return (rows, columns) values after the modality LUT, contiguous. Raises Unusable."""
    ds = read_dataset(path)
    check_mammogram(ds)  # the limits again: nothing is allocated before them
    return _after_modality_lut(ds, _stored_values(ds))


def _stored_values(ds: Dataset) -> np.ndarray:
    """(rows, columns) integers as stored, of the type that BitsStored and PixelRepresentation ask for."""
    syntax = transfer_syntax(ds)
    if syntax in CODECS:
        pixels = getattr(imagecodecs, CODECS[syntax])(get_frame(ds.PixelData, 0, number_of_frames=1))
    else:
        pixels = ds.pixel_array
    if pixels.shape != (ds.Rows, ds.Columns):
        size = " x ".join(map(str, pixels.shape[::-1]))
        raise Unusable(f"its frame has {size} pixels, its header says {ds.Columns} x {ds.Rows}; export it again")
    bits, signed = int(ds.BitsStored), bool(ds.get("PixelRepresentation", 0))
    width = pixels.dtype.itemsize * 8
    if signed:  # the sign is the highest stored bit, whatever type the codec returns
        pixels = pixels.astype(f"i{pixels.dtype.itemsize}")
        return pixels if bits >= width else (pixels << (width - bits)) >> (width - bits)
    pixels = pixels.astype(f"u{pixels.dtype.itemsize}")
    return pixels if bits >= width else pixels & ((1 << bits) - 1)


def _after_modality_lut(ds: Dataset, stored: np.ndarray) -> np.ndarray:
    """ModalityLUTSequence or rescale (PS3.3 C.11.1): integers wherever slope and intercept are whole numbers."""
    slope, intercept = number(ds, "RescaleSlope"), number(ds, "RescaleIntercept") or 0.0
    if "ModalityLUTSequence" in ds:
        values = apply_modality_lut(stored, ds)
    elif slope in (None, 1.0) and intercept == 0:
        values = stored
    else:
        values = stored * np.float32(slope or 1.0) + np.float32(intercept)
        if (slope or 1.0).is_integer() and intercept.is_integer():
            values = values.astype(np.int32)
    return np.ascontiguousarray(values)
