"""Which DICOM objects are read: two-dimensional mammograms in one grey channel, within the limits on size.

Every check raises `Unusable` with a sentence for the reader, before any pixel is decoded.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator

from pydicom import uid
from pydicom.dataset import Dataset

from ..messages import quoted
from .dicom_file import ENDS_EARLY, read_file
from .dicom_values import codes, kind_name, number, text
from .file_header import MARKS, MarkHeader
from .limits import Unusable, check_picture_size
from .own_uids import IMPLEMENTATION
from .stored_bits import bit_layout

MAMMOGRAPHY_CLASSES = (
    uid.DigitalMammographyXRayImageStorageForPresentation,
    uid.DigitalMammographyXRayImageStorageForProcessing,
)
#: classes in which film scans and converted mammograms come, where their headers name the breast
OTHER_IMAGE_CLASSES = (
    uid.SecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    uid.ComputedRadiographyImageStorage,
    uid.DigitalXRayImageStorageForPresentation,
    uid.DigitalXRayImageStorageForProcessing,
)
NATIVE_SYNTAXES = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
)
#: of frames that `frames.decode_frame` decodes
CODEC_SYNTAXES = (
    uid.JPEGBaseline8Bit,
    uid.JPEGExtended12Bit,
    uid.JPEGLossless,
    uid.JPEGLosslessSV1,
    uid.JPEGLSLossless,
    uid.JPEGLSNearLossless,
    uid.JPEG2000Lossless,
    uid.JPEG2000,
    uid.HTJ2KLossless,
    uid.HTJ2KLosslessRPCL,
    uid.HTJ2K,
)
ITEM = b"\xfe\xff\x00\xe0"  # begins compressed pixel data (PS3.5 A.4)
BREAST_NAMES = (
    "BREAST",
    "MAMMO",
    "MAMMOGRAPHY",
    "BREASTS",
    "MAMMA",
    "LBREAST",
    "RBREAST",
    "BREAST LEFT",
    "BREAST RIGHT",
)
#: defined terms that a sentence may repeat (PS3.3 C.7.3.1.1.1, PS3.16 Annex L, PS3.3 C.8.6.1 and C.7.6.3.1.2)
MODALITIES = frozenset([
    "AR", "AU", "BI", "CR", "CT", "DG", "DX", "ECG", "EPS", "ES", "FID", "GM", "HD", "IO", "IVOCT", "IVUS", "KO",
    "LEN", "LP", "MG", "MR", "NM", "OAM", "OCT", "OP", "OPM", "OPT", "OPTBSV", "OPTENF", "OPV", "OSS", "OT", "PLAN",
    "PR", "PT", "PX", "REG", "RESP", "RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN", "RTRECORD", "RTSTRUCT", "RWV", "SC",
    "SEG", "SM", "SMR", "SR", "SRF", "STAIN", "TG", "US", "VA", "XA", "XC",
])  # fmt: skip
BODY_PARTS = frozenset([
    "ABDOMEN", "ABDOMENPELVIS", "ADRENAL", "ANKLE", "AORTA", "ARM", "AXILLA", "BACK", "BLADDER", "BRAIN", "BREAST",
    "CALCANEUS", "CALF", "CAROTID", "CHEST", "CHESTABDOMEN", "CLAVICLE", "COCCYX", "COLON", "CSPINE", "EAR",
    "ELBOW", "EXTREMITY", "EYE", "FACE", "FEMUR", "FINGER", "FOOT", "FOREARM", "HAND", "HEAD", "HEADNECK", "HEART",
    "HIP", "HUMERUS", "JAW", "KIDNEY", "KNEE", "LEG", "LIVER", "LSPINE", "LUNG", "MANDIBLE", "MAXILLA", "NECK",
    "NOSE", "ORBIT", "PANCREAS", "PELVIS", "PROSTATE", "RIB", "RIBS", "SCAPULA", "SHOULDER", "SINUS", "SKULL",
    "SPINE", "SPLEEN", "SSPINE", "STERNUM", "THIGH", "THORAX", "THUMB", "TOE", "TSPINE", "UTERUS", "WHOLEBODY",
    "WRIST", "ZYGOMA",
])  # fmt: skip
CONVERSIONS = frozenset([
    "DV", "DI", "DF", "WSD", "SD", "SI", "DRW", "SYN",
])  # fmt: skip
PHOTOMETRICS = frozenset(
    ["missing", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "HSV",
     "ARGB", "CMYK", "XYB"]
)  # fmt: skip
BREAST_CODES = {"76752008", "T-04000", "80248007", "T-04020", "73056007", "T-04030", "63762007", "T-04080"}
#: values of ViewPosition of other body parts
OTHER_POSITIONS = ("AP", "PA", "LL", "RL", "RLD", "LLD", "RLO", "LLO")
OTHER_PARTS = re.compile(
    r"\b(?:chest(?! wall)|thorax|lungs?|abdomen|pelvis|spine|skull|hip|knee|foot|hand|wrist|elbow|shoulder|ankle|"
    r"ribs?)\b",
    re.IGNORECASE,
)
MOST_NESTED, MOST_ELEMENTS = 100, 100_000  # sequences in each other, and elements, of the objects below
#: objects without a picture that hold marks of other programs, which `dicom_objects` reads
MARK_CLASSES = (
    uid.MammographyCADSRStorage,
    uid.EnhancedSRStorage,
    uid.ComprehensiveSRStorage,
    uid.Comprehensive3DSRStorage,
    uid.GrayscaleSoftcopyPresentationStateStorage,
)
#: of a tomosynthesis, Breast Projection X-Ray Image Storage
PROJECTION_CLASSES = ("1.2.840.10008.5.1.4.1.1.13.1.4", "1.2.840.10008.5.1.4.1.1.13.1.5")


def read_dataset(path: str) -> Dataset:
    """Return the data set of a DICOM file, pixels undecoded. Raises Unusable, and what pydicom raises for damage."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        ds = read_file(path)
    if any("End of file" in str(warning.message) for warning in warned):
        raise Unusable(ENDS_EARLY, "truncated")
    return ds


def sop_class(ds: Dataset) -> uid.UID:
    """Return SOPClassUID, or the one of the file's meta header; empty where both are missing."""
    return uid.UID(str(ds.get("SOPClassUID", "") or ds.file_meta.get("MediaStorageSOPClassUID", "")))


def transfer_syntax(ds: Dataset) -> uid.UID:
    """Return the transfer syntax of a file; empty where it is missing."""
    return uid.UID(str(ds.file_meta.get("TransferSyntaxUID", "")))


def is_directory(ds: Dataset) -> bool:
    """Return whether the file is a DICOMDIR."""
    return sop_class(ds) == uid.MediaStorageDirectoryStorage or "DirectoryRecordSequence" in ds


def check_mammogram(ds: Dataset) -> None:
    """Raise Unusable unless the data set is one grey picture of a breast that can be decoded within the limits."""
    _check_object(ds)
    _check_image(ds)
    _check_pixel_data(ds)


def _check_object(ds: Dataset) -> None:
    """Kind of object, modality and body part."""
    kind, modality = sop_class(ds), text(ds, "Modality")
    if kind in MARK_CLASSES:
        _count_content(ds, 0, iter(range(MOST_ELEMENTS)))
        what = f"no picture, but marks or a report of a program ({kind.name.removesuffix(' Storage')})"
        raise Unusable(f"{what}; on the page they are shown on request, key Shift+O", MARKS)
    if kind == uid.BreastTomosynthesisImageStorage:
        raise Unusable("a tomosynthesis volume; only two-dimensional views are read", "tomosynthesis")
    if kind in PROJECTION_CLASSES:
        raise Unusable("a projection of a tomosynthesis; only whole two-dimensional views are read", "tomosynthesis")
    if "FloatPixelData" in ds or "DoubleFloatPixelData" in ds:
        raise Unusable(
            "its pixel data are fractions; only whole numbers are read. Export it as integers", "other-object"
        )
    if "PixelData" not in ds or ds["PixelData"].is_empty:
        text_of_modality = f" ({quoted(modality, MODALITIES)})" if modality else ""
        raise Unusable(f"no pixel data{text_of_modality}; if it is an image, export it again", "no-pixels")
    if not isinstance(ds["PixelData"].value, bytes):
        raise Unusable("its pixel data are not stored as bytes; export it again", "damaged")
    if kind and kind not in MAMMOGRAPHY_CLASSES and kind not in OTHER_IMAGE_CLASSES:
        raise Unusable(f"not a mammogram ({kind_name(kind)})", "other-object")
    if modality not in ("MG", "CR", "DX", "RG", "SC", "OT", None) or (modality != "MG" and not names_breast(ds)):
        part = _told_part(text(ds, "BodyPartExamined"))
        raise Unusable(f"not a mammogram (modality {_told_modality(modality)}, body part {part})", "not-breast")
    if kind not in MAMMOGRAPHY_CLASSES and (other := other_part(ds)):
        raise Unusable(f"an image of another body part ({other})", "not-breast")


def _count_content(ds: Dataset, depth: int, allowed: Iterator[int]) -> None:
    """Read every element, in this process, before another one does: what is damaged or too much in it ends here.

    allowed: counts the elements that may follow.
    """
    if depth > MOST_NESTED:
        raise Unusable("its content is nested more deeply than that of any report")
    for element in ds:
        if next(allowed, None) is None:
            raise Unusable("it has more content than any report")
        for item in element.value if element.VR == "SQ" else ():
            _count_content(item, depth + 1, allowed)


def object_marks(ds: Dataset) -> list[MarkHeader]:
    """Return the mark of an image that is stored as another kind than a digital mammogram, and is taken for one."""
    kind, modality = sop_class(ds), text(ds, "Modality")
    part = text(ds, "BodyPartExamined")
    if kind in MAMMOGRAPHY_CLASSES and modality == "MG" and part and part.upper() not in BREAST_NAMES:
        named = _told_part(part)
        said = f"BodyPartExamined says {named}, but the file is stored as a digital mammogram. It is taken for one."
        return [{"code": "body-part", "text": said}]
    ours = str(ds.file_meta.get("ImplementationClassUID", "")) == IMPLEMENTATION and modality == "MG"
    if ours or (kind in MAMMOGRAPHY_CLASSES or not kind) and modality == "MG":
        return []
    converted = text(ds, "ConversionType")
    conversion = f", conversion {quoted(converted, CONVERSIONS)}" if converted else ""
    details = f"{kind_name(kind)}, modality {_told_modality(modality)}{conversion}"
    return [
        {"code": "other-class", "text": f"Not stored as a digital mammogram, but as: {details}. It is taken for one."}
    ]


def _told_modality(modality: str | None) -> str:
    return quoted(modality, MODALITIES) if modality else "not given"


def _told_part(part: str | None) -> str:
    return quoted(part, BODY_PARTS) if part else "not given"


def names_breast(ds: Dataset) -> bool:
    """Return whether the body part or the anatomic region is the breast."""
    regions = {value for _, value, _ in codes(ds, "AnatomicRegionSequence")}
    part = (text(ds, "BodyPartExamined") or "").upper()
    return part in BREAST_NAMES or (not part and bool(regions & BREAST_CODES))


def other_part(ds: Dataset) -> str | None:
    """Return what says that the image shows no breast, or None: the body part, the projection, or free text."""
    part, position = (text(ds, "BodyPartExamined") or "").upper(), (text(ds, "ViewPosition") or "").upper()
    if part and part not in BREAST_NAMES:
        return _told_part(part)
    if position in OTHER_POSITIONS:
        return f"ViewPosition {position}"
    for keyword in ("SeriesDescription", "ProtocolName", "StudyDescription"):
        if found := OTHER_PARTS.search(text(ds, keyword) or ""):
            return f"“{found[0]}” in {keyword}"
    return None


def _check_image(ds: Dataset) -> None:
    """Number of frames, size, channels and bits."""
    frames, samples = int(number(ds, "NumberOfFrames") or 1), int(number(ds, "SamplesPerPixel") or 1)
    if frames > 1:
        raise Unusable(f"holds {frames} frames; only single pictures are read")
    check_picture_size(number(ds, "Rows"), number(ds, "Columns"))
    photometric = text(ds, "PhotometricInterpretation")
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        kind = f"PhotometricInterpretation {quoted(photometric or 'missing', PHOTOMETRICS)}, SamplesPerPixel {samples}"
        raise Unusable(f"not a grey-scale picture ({kind}); export it as one")
    allocated = int(number(ds, "BitsAllocated") or 0)
    stored = bit_layout(ds).stored
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated:
        raise Unusable(
            f"BitsAllocated is {allocated} and BitsStored {stored}, a depth that cannot be read; export it again"
        )


def _check_pixel_data(ds: Dataset) -> None:
    """Transfer syntax, and the length of uncompressed pixel data."""
    syntax = transfer_syntax(ds)
    if syntax not in NATIVE_SYNTAXES and syntax != uid.RLELossless and syntax not in CODEC_SYNTAXES:
        raise Unusable(f"transfer syntax {kind_name(syntax)} is not read; export it uncompressed")
    if syntax in NATIVE_SYNTAXES:
        if ds["PixelData"].is_undefined_length or ds.PixelData.startswith(ITEM):
            text = f"its pixel data are compressed, but its transfer syntax is {syntax.name}; export it again"
            raise Unusable(text, "transfer-syntax")
        cell = int(ds.BitsAllocated) // 8
        expected, found = int(ds.Rows) * int(ds.Columns) * cell, len(ds.PixelData)
        if found < expected:
            text = f"truncated: {found:,} of {expected:,} bytes of pixel data; export it again"
            raise Unusable(text, "truncated")
        if found - expected > int(ds.Columns) * cell:  # less is padding
            text = f"{found:,} bytes of pixel data, but its header describes {expected:,}; export it again"
            raise Unusable(text, "pixel-data-size")


def decoded_bytes(ds: Dataset) -> int:
    """Return how many bytes the values after the modality LUT take at most; the pixels are not decoded."""
    rescaled = number(ds, "RescaleSlope") not in (None, 1.0) or number(ds, "RescaleIntercept") not in (None, 0.0)
    if rescaled or "ModalityLUTSequence" in ds:
        value = 4  # int32 or float32
    elif transfer_syntax(ds) in NATIVE_SYNTAXES:
        value = int(ds.BitsAllocated) // 8
    else:  # a codec returns 16 bits where the compressed frame has more than 8, whatever BitsAllocated says
        value = max(2, int(ds.BitsAllocated) // 8)
    return int(ds.Rows) * int(ds.Columns) * value
