"""The distance between pixels, with what it means: at the detector, calibrated, of a scanned film, or not said."""

from __future__ import annotations

from pydicom.dataset import Dataset

from ..messages import quoted
from .dicom_values import decimals, text
from .file_header import MarkHeader, SpacingHeader

SPACING_RANGE_MM = (0.005, 2.0)  # a spacing outside is an error in the header
SAME = 1e-3  # relative; the same spacing written with other digits
MOST_OBLONG = 1.02  # the longer side of a pixel over the shorter one


def read_spacing(ds: Dataset, marks: list[MarkHeader]) -> SpacingHeader | None:
    """Return the spacing by the rules of PS3.3 10.7.1.3; what cannot be read is added to `marks`.

    PixelSpacing is calibrated where PixelSpacingCalibrationType says so, and where it differs from ImagerPixelSpacing;
    then it is used. NominalScannedPixelSpacing is that of a film in its scanner.
    """
    imager, nominal, pixel = (
        _pair(ds, keyword, marks) for keyword in ("ImagerPixelSpacing", "NominalScannedPixelSpacing", "PixelSpacing")
    )
    calibrated = text(ds, "PixelSpacingCalibrationType") in ("GEOMETRY", "FIDUCIAL")
    if pixel and (calibrated or (imager and not _same(pixel, imager))):
        return {"row_mm": pixel[0], "column_mm": pixel[1], "origin": "calibrated"}
    if imager:
        return {"row_mm": imager[0], "column_mm": imager[1], "origin": "imager"}
    if nominal:
        return {"row_mm": nominal[0], "column_mm": nominal[1], "origin": "nominal"}
    return {"row_mm": pixel[0], "column_mm": pixel[1], "origin": "pixel"} if pixel else None


def check_square(ds: Dataset, spacing: SpacingHeader | None, marks: list[MarkHeader]) -> None:
    """Add a mark where the pixels are not square, by the spacing or by PixelAspectRatio (vertical, horizontal)."""
    ratio = [value for _, value in decimals(ds, "PixelAspectRatio") if value]
    sides = (spacing["row_mm"], spacing["column_mm"]) if spacing else (ratio[0], ratio[1]) if len(ratio) == 2 else None
    if sides and max(sides) > MOST_OBLONG * min(sides):
        told = f"{sides[0]:g} x {sides[1]:g}{' mm' if spacing else ''}"
        text = f"Its pixels are not square ({told}); the picture is shown and scored distorted, as if they were."
        marks.append({"code": "oblong-pixels", "text": text})


def _pair(ds: Dataset, keyword: str, marks: list[MarkHeader]) -> tuple[float, float] | None:
    written = decimals(ds, keyword)
    if not written:
        return None
    low, high = SPACING_RANGE_MM
    values = [value for _, value in written if value is not None and low <= value <= high]
    if len(written) == len(values) == 2:
        return values[0], values[1]
    told = "\\".join(text for text, _ in written[:3])[:40]
    marks.append(
        {"code": "spacing", "text": f"{keyword} {quoted(told)} is not a pair of spacings in mm; it is left out."}
    )
    return None


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= SAME * b for a, b in zip(one, other, strict=True))
