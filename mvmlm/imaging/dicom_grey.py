"""The grey levels of a DICOM file: depth, polarity, padding, windows and VOI LUTs, and marks on what is odd in them.

One malformed part costs that part: it is left out with a mark, and the rest is read.
"""

from __future__ import annotations

import base64
import re

import numpy as np
from pydicom.dataset import Dataset

from ..messages import quoted
from .dicom_values import decimals, items, malformed, number, text, texts, written
from .file_header import FileHeader, MarkHeader, WindowHeader
from .lut import BadTable, read_table
from .modality import Modality, read_modality
from .stored_bits import bit_layout

MOST_WINDOWS, MOST_TABLES = 20, 20  # of one file that are read
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def grey_fields(ds: Dataset, marks: list[MarkHeader]) -> FileHeader:
    """Return the fields of `FileHeader` about grey levels; what is odd is added to `marks`."""
    bits = bit_layout(ds)
    low, high = bits.value_range
    modality = read_modality(ds, (low, high), marks)
    windows = [*_tables(ds, modality.value_range(low, high), marks), *_windows(ds, marks)]
    return {
        "bits": modality.table.bits if modality.table else bits.stored,
        "rescale": (modality.slope, modality.intercept),
        "modality_lut": modality.table is not None,
        "inverted": _inverted(ds, marks),
        "padding": _padding(ds, modality, marks),
        "windows": windows if modality.usable else [],
    }


def _inverted(ds: Dataset, marks: list[MarkHeader]) -> bool:
    """Whether the smallest value is white: MONOCHROME1, or PresentationLUTShape INVERSE (PS3.3 C.11.6)."""
    photometric, shape = text(ds, "PhotometricInterpretation"), text(ds, "PresentationLUTShape")
    if (photometric, shape) in (("MONOCHROME2", "INVERSE"), ("MONOCHROME1", "IDENTITY")):
        says = "PresentationLUTShape INVERSE" if shape == "INVERSE" else "PhotometricInterpretation MONOCHROME1"
        written = f"PhotometricInterpretation {photometric} and PresentationLUTShape {shape} contradict each other"
        marks.append({"code": "polarity", "text": f"{written}; the picture is shown inverted, as {says} says."})
    return photometric == "MONOCHROME1" or shape == "INVERSE"


def _padding(ds: Dataset, modality: Modality, marks: list[MarkHeader]) -> list[float] | None:
    """The range of padding values (PS3.3 C.7.5.1.1.2), ends included, exactly as the pixels get them."""
    value, limit = number(ds, "PixelPaddingValue"), number(ds, "PixelPaddingRangeLimit")
    if value is None:
        if limit is not None or written(ds, "PixelPaddingValue"):
            text = "PixelPaddingValue cannot be read, so no values are taken for padding."
            marks.append({"code": "padding", "text": text})
        return None
    low, high = bit_layout(ds).value_range
    ends = sorted(_as_stored(end, low, high) for end in (value, value if limit is None else limit))
    if modality.table is not None:
        inside = np.arange(max(ends[0], low), min(ends[1], high) + 1)
        values = modality.table(inside) if inside.size else np.asarray(ends)
    else:
        values = modality(np.asarray(ends, np.int64))
    return [values.min().item(), values.max().item()]


def _as_stored(value: float, low: int, high: int) -> int:
    """A padding value as an integer of the stored range, which its 16 bits may express with the other sign."""
    whole = int(value)
    if low <= whole <= high:
        return whole
    kept = whole & (high - low)
    return kept if kept <= high else kept - (high - low + 1)


def _tables(ds: Dataset, inputs: tuple[int, int], marks: list[MarkHeader]) -> list[WindowHeader]:
    """VOILUTSequence (PS3.3 C.11.2.1.1)."""
    tables: list[WindowHeader] = []
    found = items(ds, "VOILUTSequence")
    for index, item in enumerate(found[:MOST_TABLES]):
        explanation = text(item, "LUTExplanation")
        name = explanation or f"VOI LUT {index + 1}"
        try:
            table = read_table(item, inputs)
        except BadTable as error:
            marks.append({"code": "voi-lut", "text": f"VOI LUT {index + 1} {error}; it is left out."})
            continue
        if table.odd:
            marks.append({"code": "voi-lut", "text": f"VOI LUT {index + 1} {table.odd}."})
        levels = table.entries.astype(np.float64) / ((1 << table.bits) - 1)
        tables.append(
            {
                "name": name[:60],
                "function": "TABLE",
                "table": base64.b64encode(levels.astype("<f4").tobytes()).decode("ascii"),
                "first": table.first,
                "table_bits": table.bits,
                "table_vr": table.vr,
                "explained": explanation is not None,
            }
        )
    if malformed(ds, "VOILUTSequence"):
        marks.append({"code": "voi-lut", "text": "VOILUTSequence cannot be read; it is left out."})
    if len(found) > MOST_TABLES:
        marks.append(
            {"code": "voi-lut", "text": f"The file has more than {MOST_TABLES} VOI LUTs; the others are left out."}
        )
    return tables


def _windows(ds: Dataset, marks: list[MarkHeader]) -> list[WindowHeader]:
    """WindowCenter and WindowWidth with their function (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    centers, widths = decimals(ds, "WindowCenter"), decimals(ds, "WindowWidth")
    names = texts(ds, "WindowCenterWidthExplanation")
    function = _function(ds, marks) if centers else "LINEAR"
    if len(centers) != len(widths):
        numbers = f"The file has {len(centers)} window centres and {len(widths)} widths"
        marks.append({"code": "window", "text": f"{numbers}; those without a counterpart are left out."})
    windows: list[WindowHeader] = []
    for index, ((center_text, center), (width_text, width)) in enumerate(zip(centers, widths, strict=False)):
        if center is None or width is None or width <= 0:
            values = f"centre {quoted(center_text[:20])}, width {quoted(width_text[:20])}"
            marks.append({"code": "window", "text": f"Window {index + 1} ({values}) cannot be read; it is left out."})
            continue
        own = function
        if function == "LINEAR" and width < 1:
            own = "LINEAR_EXACT"
            reason = f"Window {index + 1} has a width of {width:g}, below 1, which LINEAR does not allow"
            marks.append({"code": "window", "text": f"{reason}; it is applied as LINEAR_EXACT."})
        explained = index < len(names) and bool(names[index])
        name = names[index] if explained else f"window {index + 1}"
        windows.append({"name": name[:60], "function": own, "center": center, "width": width, "explained": explained})
    if len(windows) > MOST_WINDOWS:
        marks.append(
            {"code": "window", "text": f"The file has more than {MOST_WINDOWS} windows; the others are left out."}
        )
    return windows[:MOST_WINDOWS]


def _function(ds: Dataset, marks: list[MarkHeader]) -> str:
    """VOILUTFunction; LINEAR where it is missing or unknown."""
    function = (text(ds, "VOILUTFunction") or "LINEAR").upper()
    if function in FUNCTIONS:
        return function
    told = re.sub(r"[^A-Z0-9_ ]", "?", function)[:20]
    marks.append(
        {
            "code": "voi-function",
            "text": f"VOILUTFunction {quoted(told)} is not known; its windows are applied as LINEAR.",
        }
    )
    return "LINEAR"
