"""The header fields of a DICOM mammogram or DICOMDIR as plain JSON values."""

from __future__ import annotations

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset

from .dicom_checks import (
    bits_stored,
    check_mammogram,
    decoded_bytes,
    is_directory,
    read_dataset,
    sop_class,
    transfer_syntax,
)
from .dicom_values import LONGEST_TEXT, codes, number, numbers, text, texts
from .file_header import FileHeader, SpacingHeader, WindowHeader

LOSSY_SYNTAXES = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit)
SPACING_RANGE_MM = (0.005, 2.0)  # a spacing outside is an error in the header
MAX_AGE_YEARS = 130
DESCRIPTIONS = ("ProtocolName", "AcquisitionProtocolName", "DerivationDescription")
#: of the whole study, or about its findings
STUDY_DESCRIPTIONS = (
    "StudyDescription", "RequestedProcedureDescription", "PerformedProcedureStepDescription", "ImageComments",
)  # fmt: skip


def read_dicom_header(path: str) -> FileHeader:
    """Return the header of a mammogram, or the files that a DICOMDIR names. Raises Unusable."""
    ds = read_dataset(path)
    if is_directory(ds):
        return {"kind": "dicomdir", "files": _directory_files(ds)}
    check_mammogram(ds)
    return _image_fields(ds) | _view_fields(ds) | _acquisition_fields(ds)


def _image_fields(ds: Dataset) -> FileHeader:
    """Size and grey levels."""
    return {
        "kind": "dicom",
        "rows": int(ds.Rows),
        "columns": int(ds.Columns),
        "decoded_bytes": decoded_bytes(ds),
        "bits": bits_stored(ds),
        "rescale": _rescale(ds),
        "inverted": text(ds, "PhotometricInterpretation") == "MONOCHROME1",
        "for_processing": text(ds, "PresentationIntentType") == "FOR PROCESSING"
        or sop_class(ds) == uid.DigitalMammographyXRayImageStorageForProcessing,
        "lossy": transfer_syntax(ds) in LOSSY_SYNTAXES or text(ds, "LossyImageCompression") == "01",
        "padding": _padding(ds),
        "windows": [*_voi_tables(ds), *_voi_windows(ds)],
        "spacing": _spacing(ds),
    }


def _view_fields(ds: Dataset) -> FileHeader:
    """What identifies the view and the exam."""
    views = ds.get("ViewCodeSequence", None) or []
    return {
        "burned_in": text(ds, "BurnedInAnnotation") == "YES",
        "implant": text(ds, "BreastImplantPresent") == "YES",
        "image_laterality": text(ds, "ImageLaterality"),
        "frame_laterality": _frame_laterality(ds),
        "laterality": text(ds, "Laterality"),
        "view_codes": codes(ds, "ViewCodeSequence"),
        "view_modifiers": [code for holder in (*views, ds) for code in codes(holder, "ViewModifierCodeSequence")],
        "view_position": text(ds, "ViewPosition"),
        "device_processing": text(ds, "AcquisitionDeviceProcessingDescription"),
        "orientation": texts(ds, "PatientOrientation"),
        "series_description": text(ds, "SeriesDescription"),
        "descriptions": _descriptions(ds, DESCRIPTIONS),
        "study_descriptions": _descriptions(ds, STUDY_DESCRIPTIONS),
        "image_type": texts(ds, "ImageType"),
        "patient_id": text(ds, "PatientID"),
        "issuer": text(ds, "IssuerOfPatientID"),
        "birth_date": text(ds, "PatientBirthDate"),
        "sex": text(ds, "PatientSex"),
        "study_uid": text(ds, "StudyInstanceUID"),
        "study_date": text(ds, "StudyDate"),
        "acquisition_date": text(ds, "AcquisitionDate"),
        "paddle": text(ds, "PaddleDescription"),
    }


def _acquisition_fields(ds: Dataset) -> FileHeader:
    """The machine and the exposure."""
    return {
        "magnification": number(ds, "EstimatedRadiographicMagnificationFactor"),
        "source_ratio": _source_ratio(ds),
        "manufacturer": text(ds, "Manufacturer"),
        "model": text(ds, "ManufacturerModelName"),
        "kvp": number(ds, "KVP"),
        "exposure_mas": _exposure_mas(ds),
        "thickness_mm": number(ds, "BodyPartThickness"),
        "age_years": _age_years(ds),
    }


def _descriptions(ds: Dataset, keywords: tuple[str, ...]) -> dict[str, str]:
    """What is written in each of the attributes that are there."""
    written = {keyword: "; ".join(texts(ds, keyword))[:LONGEST_TEXT] for keyword in keywords}
    return {keyword: value for keyword, value in written.items() if value}


def _source_ratio(ds: Dataset) -> float | None:
    """DistanceSourceToDetector over DistanceSourceToPatient (PS3.3 C.8.7.5): 1.0 to 1.1 for a contact view."""
    detector, patient = number(ds, "DistanceSourceToDetector"), number(ds, "DistanceSourceToPatient")
    return detector / patient if detector and patient and patient > 0 else None


def _directory_files(ds: Dataset) -> list[list[str]]:
    """The parts of each ReferencedFileID (PS3.3 F.5)."""
    files = []
    for record in ds.get("DirectoryRecordSequence", None) or []:
        parts = record.get("ReferencedFileID", None)
        if parts:
            files.append([parts] if isinstance(parts, str) else [str(part) for part in parts])
    return files


def _exposure_mas(ds: Dataset) -> float | None:
    """ExposureInuAs is finer than Exposure, which holds whole mAs."""
    micro = number(ds, "ExposureInuAs")
    return number(ds, "Exposure") if micro is None else micro / 1000


def _age_years(ds: Dataset) -> int | None:
    """PatientAge "052Y" (PS3.5 6.2, VR AS); ages in days, weeks and months are not a woman's."""
    age = text(ds, "PatientAge") or ""
    return int(age[:-1]) if age[-1:] == "Y" and age[:-1].isdecimal() and int(age[:-1]) < MAX_AGE_YEARS else None


def _frame_laterality(ds: Dataset) -> str | None:
    try:
        return str(ds.SharedFunctionalGroupsSequence[0].FrameAnatomySequence[0].FrameLaterality)
    except (AttributeError, IndexError):
        return None


def _spacing(ds: Dataset) -> SpacingHeader | None:
    low, high = SPACING_RANGE_MM
    for keyword in ("ImagerPixelSpacing", "PixelSpacing"):
        try:
            row, column = (float(v) for v in ds.get(keyword))
        except (TypeError, ValueError):
            continue
        if low <= row <= high and low <= column <= high:
            return {
                "row_mm": row,
                "column_mm": column,
                "origin": "imager" if keyword == "ImagerPixelSpacing" else "pixel",
            }
    return None


def _rescale(ds: Dataset) -> tuple[float, float]:
    """RescaleSlope and RescaleIntercept (PS3.3 C.11.1); (1, 0) where a modality LUT is used instead."""
    if "ModalityLUTSequence" in ds:
        return 1.0, 0.0
    return number(ds, "RescaleSlope") or 1.0, number(ds, "RescaleIntercept") or 0.0


def _padding(ds: Dataset) -> list[float] | None:
    """The range of padding values after the rescale (PS3.3 C.7.5.1.1.2), ends included, exactly as pixels get them."""
    value, limit = number(ds, "PixelPaddingValue"), number(ds, "PixelPaddingRangeLimit")
    if value is None:
        return None
    slope, intercept = (np.float32(part) for part in _rescale(ds))
    ends = (np.float32(v) * slope + intercept for v in (value, value if limit is None else limit))
    return sorted(float(end) for end in ends)


def _voi_tables(ds: Dataset) -> list[WindowHeader]:
    """VOILUTSequence (PS3.3 C.11.2.1.1)."""
    tables: list[WindowHeader] = []
    for index, item in enumerate(ds.get("VOILUTSequence", None) or []):
        count, first, bits = (int(v) for v in item.LUTDescriptor)
        data = item.LUTData
        table = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.atleast_1d(np.asarray(data))
        count = count or 65536  # the standard writes 65536 entries as 0
        if len(table) * 2 == count or (bits == 8 and len(table) != count and isinstance(data, bytes)):
            table = np.frombuffer(data, np.uint8)
        if not 2 <= len(table) <= 65536 or not 8 <= bits <= 16:
            continue
        if number(ds, "PixelRepresentation") and first >= 32768:
            first -= 65536
        name = text(item, "LUTExplanation") or f"VOI LUT {index + 1}"
        scaled = (table.astype(np.float64) / ((1 << bits) - 1)).clip(0, 1).tolist()
        tables.append({"name": name, "function": "TABLE", "table": scaled, "first": first, "table_bits": bits})
    return tables


def _voi_windows(ds: Dataset) -> list[WindowHeader]:
    """WindowCenter and WindowWidth with their function (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
    windows: list[WindowHeader] = []
    centers, widths = numbers(ds, "WindowCenter"), numbers(ds, "WindowWidth")
    names = texts(ds, "WindowCenterWidthExplanation")
    function = (text(ds, "VOILUTFunction") or "LINEAR").upper()
    for index, (center, width) in enumerate(zip(centers, widths, strict=False)):
        if width > 0 and function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            name = names[index] if index < len(names) else f"window {index + 1}"
            windows.append({"name": name[:60], "function": function, "center": center, "width": width})
    return windows
