"""The header of one file as plain JSON values: what the decoding process sends to the program that asked."""

from __future__ import annotations

from typing import Literal, TypedDict

MARKS = "marks-of-others"  # why an object that holds marks of other programs is not used as a picture, as a code
Code = tuple[str | None, str | None, str | None]  # (scheme, value, meaning) of a DICOM code; a list in JSON


class WindowHeader(TypedDict, total=False):
    """One window or VOI LUT of a file: fields of `exam.Window`.

    The table is base64 of its float32 values 0..1, little endian.
    """

    name: str
    function: str
    center: float
    width: float
    table: str
    first: int
    table_bits: int
    table_vr: str
    explained: bool


class SpacingHeader(TypedDict):
    """Distance between pixel centres in mm, and what gave it; see `dicom_spacing.read_spacing`.

    origin: "imager" for ImagerPixelSpacing, "nominal" for NominalScannedPixelSpacing, "calibrated" for a PixelSpacing
    that is calibrated, "pixel" for one of which the file does not say what it means.
    """

    row_mm: float
    column_mm: float
    origin: Literal["imager", "calibrated", "nominal", "pixel"]


class MarkHeader(TypedDict):
    """What the reader must know about the file: the fields of `exam.FileMark` without the file."""

    code: str
    text: str


class FileHeader(TypedDict, total=False):
    """What is read from a file before its pixels are decoded. A missing key or None: the file does not say.

    kind: "dicom", "picture" (PNG, TIFF, JPEG; `format` says which) or "dicomdir" (`files` lists the path parts of each
    referenced file). decoded_bytes: what its decoded pixels take at most. All other fields are those of the DICOM
    attributes of similar names, but for those of phantoms: see `phantom_files.phantom_claim`.
    """

    kind: Literal["dicom", "picture", "dicomdir"]
    files: list[list[str]]
    format: str | None
    rows: int
    columns: int
    decoded_bytes: int
    bits: int
    rescale: tuple[float, float]
    modality_lut: bool
    inverted: bool
    for_processing: bool
    lossy: bool
    burned_in: bool
    implant: bool
    partial: str
    padding: list[float] | None
    windows: list[WindowHeader]
    image_laterality: str | None
    frame_laterality: str | None
    laterality: str | None
    view_codes: list[Code]
    view_modifiers: list[Code]
    view_position: str | None
    device_processing: str | None
    orientation: list[str]
    series_description: str | None
    descriptions: dict[str, str]
    study_descriptions: dict[str, str]
    image_type: list[str]
    source_ratio: float | None
    patient_name: str | None
    patient_id: str | None
    issuer: str | None
    birth_date: str | None
    sex: str | None
    study_uid: str | None
    instance_uid: str | None
    made_from: list[str]
    study_date: str | None
    acquisition_date: str | None
    paddle: str | None
    spacing: SpacingHeader | None
    magnification: float | None
    manufacturer: str | None
    model: str | None
    kvp: float | None
    exposure_mas: float | None
    thickness_mm: float | None
    age_years: int | None
    compression_n: float | None
    organ_dose_mgy: float | None
    entrance_dose_mgy: float | None
    institution: str | None
    operator: str | None
    phantom_checksum: str | None
    phantom_of_earlier_version: bool
    marks: list[MarkHeader]
