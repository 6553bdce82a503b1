"""Which DICOM objects are read: two-dimensional mammograms in one grey channel, within the limits on size.

Every check raises `Unusable` with a sentence for the reader, before any pixel is decoded.
"""

from __future__ import annotations

import warnings
import zlib

import pydicom
from pydicom import uid
from pydicom.dataset import Dataset

from .dicom_values import number, text
from .limits import MAX_INFLATED_BYTES, Unusable, check_picture_size
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
BREAST_NAMES = ("BREAST", "MAMMO", "MAMMOGRAPHY")


def read_dataset(path: str) -> Dataset:
    """Return the data set of a DICOM file, pixels undecoded. Raises Unusable, and what pydicom raises for damage."""
    meta = pydicom.filereader.read_file_meta_info(path)
    if meta.get("TransferSyntaxUID", "") == uid.DeflatedExplicitVRLittleEndian:
        _check_inflated_size(path)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        ds = pydicom.dcmread(path)
    if any("End of file" in str(warning.message) for warning in warned):
        raise Unusable("truncated: the file ends in the middle of its data; copy or export it again", "truncated")
    return ds


def _check_inflated_size(path: str) -> None:
    """Inflate up to the limit before pydicom inflates all of the data set."""
    with open(path, "rb") as file:
        pydicom.filereader.read_preamble(file, False)
        pydicom.filereader._read_file_meta_info(file)
        deflated = file.read()
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    if len(inflater.decompress(deflated, MAX_INFLATED_BYTES)) >= MAX_INFLATED_BYTES:
        raise Unusable(f"unpacks to more than {MAX_INFLATED_BYTES >> 20} MB, the limit for a deflated file")


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
    if kind == uid.BreastTomosynthesisImageStorage:
        raise Unusable("a tomosynthesis volume; only two-dimensional views are read")
    if "PixelData" not in ds:
        raise Unusable(f"no pixel data{f' ({modality})' if modality else ''}; if it is an image, export it again")
    if kind not in MAMMOGRAPHY_CLASSES and kind not in OTHER_IMAGE_CLASSES:
        name = ds.file_meta.MediaStorageSOPClassUID.name if "MediaStorageSOPClassUID" in ds.file_meta else kind
        raise Unusable(f"not a mammogram ({name or 'unknown kind of object'})")
    part = (text(ds, "BodyPartExamined") or "").upper()
    if modality not in ("MG", "CR", "DX", "OT", None) or (modality != "MG" and part != "BREAST"):
        raise Unusable(f"not a mammogram (modality {modality or 'not given'}, body part {part or 'not given'})")
    if part and part not in BREAST_NAMES and kind not in MAMMOGRAPHY_CLASSES:
        raise Unusable(f"an image of another body part ({part})")


def _check_image(ds: Dataset) -> None:
    """Number of frames, size, channels and bits."""
    frames, samples = int(number(ds, "NumberOfFrames") or 1), int(number(ds, "SamplesPerPixel") or 1)
    if frames > 1:
        raise Unusable(f"holds {frames} frames; only single pictures are read")
    check_picture_size(number(ds, "Rows"), number(ds, "Columns"))
    photometric = text(ds, "PhotometricInterpretation")
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise Unusable(f"not a grey-scale picture (PhotometricInterpretation {photometric}, SamplesPerPixel {samples})")
    allocated = int(number(ds, "BitsAllocated") or 0)
    stored = bit_layout(ds).stored
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated:
        raise Unusable(f"BitsAllocated is {allocated} and BitsStored {stored}, a depth that cannot be read")


def _check_pixel_data(ds: Dataset) -> None:
    """Transfer syntax, and the length of uncompressed pixel data."""
    syntax = transfer_syntax(ds)
    if syntax not in NATIVE_SYNTAXES and syntax != uid.RLELossless and syntax not in CODEC_SYNTAXES:
        raise Unusable(f"transfer syntax {syntax.name if syntax else 'not given'} is not read; export it uncompressed")
    if syntax in NATIVE_SYNTAXES:
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
