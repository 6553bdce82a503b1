"""The header fields of a DICOM mammogram or DICOMDIR as plain JSON values."""

from __future__ import annotations

from collections.abc import MutableSequence

from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from .codestream import Codestream, read_codestream
from .dicom_checks import (
    check_mammogram,
    decoded_bytes,
    is_directory,
    object_marks,
    read_dataset,
    sop_class,
    transfer_syntax,
)
from .dicom_file import file_marks
from .dicom_grey import grey_fields
from .dicom_pixels import compressed_frame, native_cells
from .dicom_spacing import check_square, read_spacing
from .dicom_values import LONGEST_TEXT, codes, items, number, text, texts, value
from .file_header import FileHeader, MarkHeader
from .partial_view import read_partial_view
from .phantom_files import phantom_claim
from .stored_bits import bit_layout, check_cells, check_coding

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
    header = _image_fields(ds) | _view_fields(ds) | _acquisition_fields(ds) | phantom_claim(ds)
    header["marks"] = [*(header.get("marks") or []), *file_marks(path, ds), *object_marks(ds)]
    return header


def _image_fields(ds: Dataset) -> FileHeader:
    """Size, grey levels and spacing."""
    marks: list[MarkHeader] = []
    check_cells(ds, native_cells(ds), marks)
    coding = _coding(ds)
    grey = grey_fields(ds, marks)
    spacing = read_spacing(ds, marks)
    check_square(ds, spacing, marks)
    if coding is not None:
        check_coding(bit_layout(ds), coding, marks)
        grey["bits"] = min(grey["bits"], coding.bits) if not grey["modality_lut"] else grey["bits"]
    return {
        "kind": "dicom",
        "rows": int(ds.Rows),
        "columns": int(ds.Columns),
        "decoded_bytes": decoded_bytes(ds),
        **grey,
        "for_processing": text(ds, "PresentationIntentType") == "FOR PROCESSING"
        or sop_class(ds) == uid.DigitalMammographyXRayImageStorageForProcessing,
        "lossy": text(ds, "LossyImageCompression") == "01" or (coding is not None and coding.lossy),
        "spacing": spacing,
        "marks": marks,
    }


def _coding(ds: Dataset) -> Codestream | None:
    """The header of the compressed frame; None for uncompressed data and RLE, which have none."""
    frame = None if transfer_syntax(ds) == uid.RLELossless else compressed_frame(ds)
    return read_codestream(frame) if frame is not None else None


def _view_fields(ds: Dataset) -> FileHeader:
    """What identifies the view and the exam."""
    views = items(ds, "ViewCodeSequence")
    return {
        "burned_in": text(ds, "BurnedInAnnotation") == "YES",
        "implant": text(ds, "BreastImplantPresent") == "YES",
        "partial": read_partial_view(ds),
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
        "patient_name": text(ds, "PatientName"),
        "patient_id": text(ds, "PatientID"),
        "issuer": text(ds, "IssuerOfPatientID"),
        "birth_date": text(ds, "PatientBirthDate"),
        "sex": text(ds, "PatientSex"),
        "study_uid": text(ds, "StudyInstanceUID"),
        "instance_uid": text(ds, "SOPInstanceUID"),
        "made_from": _made_from(ds),
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
        "compression_n": number(ds, "CompressionForce"),
        "organ_dose_mgy": _organ_dose_mgy(ds),
        "entrance_dose_mgy": number(ds, "EntranceDoseInmGy"),
        "institution": text(ds, "InstitutionName"),
        "operator": _people(ds, "OperatorsName"),
    }


def _made_from(ds: Dataset) -> list[str]:
    """The UIDs of the pictures from which this one was made with every place where it was (PS3.3 C.7.6.1.1.4)."""
    same_places = (
        item for item in items(ds, "SourceImageSequence") if text(item, "SpatialLocationsPreserved") == "YES"
    )
    return [uid_ for item in same_places if (uid_ := text(item, "ReferencedSOPInstanceUID"))]


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
    records = value(ds, "DirectoryRecordSequence")
    for record in records if isinstance(records, Sequence) else []:
        parts = value(record, "ReferencedFileID")
        if parts:
            files.append([parts] if isinstance(parts, str) else [str(part) for part in parts])
    return files


def _exposure_mas(ds: Dataset) -> float | None:
    """ExposureInuAs is finer than Exposure, which holds whole mAs."""
    micro = number(ds, "ExposureInuAs")
    return number(ds, "Exposure") if micro is None else micro / 1000


def _people(ds: Dataset, keyword: str) -> str | None:
    """Every name of an attribute of names (VR PN), of which one is no list."""
    found = value(ds, keyword)
    names = found if isinstance(found, MutableSequence) else [] if found is None else [found]
    return ", ".join(filter(None, (str(name).strip() for name in names)))[:LONGEST_TEXT] or None


def _organ_dose_mgy(ds: Dataset) -> float | None:
    """OrganDose (0040,0316), which is in dGy, in mGy."""
    dose = number(ds, "OrganDose")
    return None if dose is None else round(dose * 100, 6)


def _age_years(ds: Dataset) -> int | None:
    """PatientAge "052Y" (PS3.5 6.2, VR AS); ages in days, weeks and months are not a woman's."""
    age = text(ds, "PatientAge") or ""
    return int(age[:-1]) if age[-1:] == "Y" and age[:-1].isdecimal() and int(age[:-1]) < MAX_AGE_YEARS else None


def _frame_laterality(ds: Dataset) -> str | None:
    try:
        return str(ds.SharedFunctionalGroupsSequence[0].FrameAnatomySequence[0].FrameLaterality)
    except (AttributeError, IndexError):
        return None
