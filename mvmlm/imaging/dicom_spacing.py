"""The distance between pixels, with what it means: at the detector, calibrated, of a scanned film, or not said."""

from __future__ import annotations

from pydicom.dataset import Dataset

from .dicom_values import decimals, text
from .file_header import MarkHeader, SpacingHeader

SPACING_RANGE_MM = (0.005, 2.0)  # a spacing outside is an error in the header
SAME = 1e-3  # relative; the same spacing written with other digits


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


def _pair(ds: Dataset, keyword: str, marks: list[MarkHeader]) -> tuple[float, float] | None:
    written = decimals(ds, keyword)
    if not written:
        return None
    low, high = SPACING_RANGE_MM
    values = [value for _, value in written if value is not None and low <= value <= high]
    if len(written) == len(values) == 2:
        return values[0], values[1]
    told = "\\".join(text for text, _ in written[:3])[:40]
    marks.append({"code": "spacing", "text": f"{keyword} “{told}” is not a pair of spacings in mm; it is left out."})
    return None


def _same(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return all(abs(a - b) <= SAME * b for a, b in zip(one, other, strict=True))
