"""The child process that opens untrusted files: one request a line in, one JSON line (and raw pixels) out.

It runs as `python -m mvmlm.imaging.decode_worker` under limits on memory (`decode.py` adds the limit on time), so a hostile
frame ends this process and not the app. It never raises for a bad file: it answers with one sentence.
"""

from __future__ import annotations

import json
import math
import sys
import warnings
import zlib

import numpy as np

MAX_FILE_BYTES = 1 << 30
MAX_PIXELS = 64_000_000  # the largest film scans have about 45 million
MAX_INFLATED_BYTES = 1 << 28
MAX_WORKER_BYTES = 1_400_000_000

PICTURE_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
MAMMOGRAPHY_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.1.2": "For Presentation",
    "1.2.840.10008.5.1.4.1.1.1.2.1": "For Processing",
}
OTHER_IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.7",  # secondary capture, and its multi-frame kinds
    "1.2.840.10008.5.1.4.1.1.7.2",
    "1.2.840.10008.5.1.4.1.1.7.3",
    "1.2.840.10008.5.1.4.1.1.1",  # computed radiography
    "1.2.840.10008.5.1.4.1.1.1.1",  # digital X-ray
    "1.2.840.10008.5.1.4.1.1.1.1.1",
}
TOMOSYNTHESIS = "1.2.840.10008.5.1.4.1.1.13.1.3"
DICOMDIR_CLASS = "1.2.840.10008.1.3.10"
DEFLATED = "1.2.840.10008.1.2.1.99"
NATIVE = {"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", DEFLATED}
RLE = "1.2.840.10008.1.2.5"
CODECS = {  # transfer syntax -> imagecodecs decoder
    "1.2.840.10008.1.2.4.50": "jpeg",
    "1.2.840.10008.1.2.4.51": "jpeg",
    "1.2.840.10008.1.2.4.57": "jpegsof3",
    "1.2.840.10008.1.2.4.70": "jpegsof3",
    "1.2.840.10008.1.2.4.80": "jpegls",
    "1.2.840.10008.1.2.4.81": "jpegls",
    "1.2.840.10008.1.2.4.90": "jpeg2k",
    "1.2.840.10008.1.2.4.91": "jpeg2k",
}
LOSSY = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}


class Unusable(Exception):
    """Why a file is not used, as a sentence for its reader (without the file's name)."""


# ------------------------------------------------------------------ headers


def read_header(path: str) -> dict:
    """What `dicom.py` needs to know of a file, as plain JSON values. Raises Unusable."""
    with open(path, "rb") as file:
        start = file.read(132)
        size = file.seek(0, 2)
    if size == 0:
        raise Unusable("the file is empty")
    if size > MAX_FILE_BYTES:
        raise Unusable(f"larger than {MAX_FILE_BYTES >> 20} MB, the limit for one file")
    if start.startswith(PICTURE_SIGNATURES):
        return _picture_header(path)
    if start[128:] != b"DICM":
        raise Unusable("neither a DICOM file nor a PNG, TIFF or JPEG picture")
    ds = _dataset(path)
    return _dicom_header(ds)


def _picture_header(path: str) -> dict:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None  # our own limit is checked below, before anything is decoded
    with Image.open(path) as picture:
        (columns, rows), kind, frames = picture.size, picture.format, getattr(picture, "n_frames", 1)
    _check_size(rows, columns, 1, 1)
    if frames > 1:
        raise Unusable(f"holds {frames} pictures; save each view as a file of its own")
    return {"kind": "picture", "format": kind, "rows": rows, "columns": columns, "lossy": kind == "JPEG"}


def _dataset(path: str):
    import pydicom

    meta = pydicom.filereader.read_file_meta_info(path)
    if str(meta.get("TransferSyntaxUID", "")) == DEFLATED:
        _check_inflated(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pydicom.dcmread(path)


def _check_inflated(path: str) -> None:
    """A deflated data set is measured with a bound before pydicom inflates all of it."""
    import pydicom

    with open(path, "rb") as file:
        pydicom.filereader.read_preamble(file, False)
        pydicom.filereader._read_file_meta_info(file)
        squeezed = file.read()
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    if len(inflater.decompress(squeezed, MAX_INFLATED_BYTES)) >= MAX_INFLATED_BYTES:
        raise Unusable(f"unpacks to more than {MAX_INFLATED_BYTES >> 20} MB, the limit for a deflated file")


def _check_size(rows, columns, frames, samples) -> None:
    for name, value in (("Rows", rows), ("Columns", columns)):
        if value is None or value < 1:
            raise Unusable(f"{name} is {value}: the file does not say how large its picture is")
    if rows * columns * frames * samples > MAX_PIXELS:
        raise Unusable(f"{columns} x {rows} pixels: more than {MAX_PIXELS // 10**6} million, the limit for one picture")


def _dicom_header(ds) -> dict:
    sop_class = str(ds.get("SOPClassUID", "") or ds.file_meta.get("MediaStorageSOPClassUID", ""))
    if sop_class == DICOMDIR_CLASS or "DirectoryRecordSequence" in ds:
        return {"kind": "dicomdir", "files": _directory_files(ds)}
    modality = _text(ds, "Modality")
    if sop_class == TOMOSYNTHESIS:
        raise Unusable("a tomosynthesis volume; only two-dimensional views are read")
    if "PixelData" not in ds:
        what = f" ({modality})" if modality else ""
        raise Unusable(f"no pixel data{what}; if this should be a picture, export it again")
    if sop_class not in MAMMOGRAPHY_CLASSES and sop_class not in OTHER_IMAGE_CLASSES:
        name = ds.file_meta.MediaStorageSOPClassUID.name if "MediaStorageSOPClassUID" in ds.file_meta else sop_class
        raise Unusable(f"not a mammogram ({name or 'unknown kind of object'})")
    part = (_text(ds, "BodyPartExamined") or "").upper()
    if modality not in ("MG", "CR", "DX", "OT", None) or (modality != "MG" and part != "BREAST"):
        raise Unusable(f"not a mammogram (modality {modality or 'not given'}, body part {part or 'not given'})")
    if part and part not in ("BREAST", "MAMMO", "MAMMOGRAPHY") and sop_class not in MAMMOGRAPHY_CLASSES:
        raise Unusable(f"shows another body part ({part})")
    rows, columns = _number(ds, "Rows"), _number(ds, "Columns")
    frames, samples = int(_number(ds, "NumberOfFrames") or 1), int(_number(ds, "SamplesPerPixel") or 1)
    if frames > 1:
        raise Unusable(f"holds {frames} frames; only single pictures are read")
    _check_size(rows, columns, frames, samples)
    photometric = _text(ds, "PhotometricInterpretation")
    if samples != 1 or photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise Unusable(f"not a grey-scale picture ({photometric}, {samples} samples a pixel)")
    allocated = int(_number(ds, "BitsAllocated") or 0)
    stored = int(_number(ds, "BitsStored") or allocated)
    if allocated not in (8, 16, 32) or not 1 <= stored <= allocated:
        raise Unusable(f"BitsAllocated {allocated}, BitsStored {stored}: not a depth that can be read")
    syntax = str(ds.file_meta.get("TransferSyntaxUID", ""))
    if syntax not in NATIVE and syntax != RLE and syntax not in CODECS:
        raise Unusable(f"transfer syntax {ds.file_meta.TransferSyntaxUID.name if syntax else 'not given'} is not read")
    if syntax in NATIVE:
        expected, held = int(rows) * int(columns) * allocated // 8, len(ds.PixelData)
        if held < expected:
            raise Unusable(f"truncated: {held:,} of {expected:,} bytes of pixel data; export it again")
    return {
        "kind": "dicom",
        "rows": int(rows),
        "columns": int(columns),
        "bits": stored,
        "inverted": photometric == "MONOCHROME1",
        "for_processing": _text(ds, "PresentationIntentType") == "FOR PROCESSING"
        or MAMMOGRAPHY_CLASSES.get(sop_class) == "For Processing",
        "lossy": syntax in LOSSY or _text(ds, "LossyImageCompression") == "01",
        "burned_in": _text(ds, "BurnedInAnnotation") == "YES",
        "implant": _text(ds, "BreastImplantPresent") == "YES",
        "padding": _padding(ds),
        "windows": _windows(ds),
        "image_laterality": _text(ds, "ImageLaterality"),
        "frame_laterality": _frame_laterality(ds),
        "laterality": _text(ds, "Laterality"),
        "view_codes": _codes(ds, "ViewCodeSequence"),
        "view_modifiers": [code for item in ds.get("ViewCodeSequence", None) or [] for code in _codes(item, "ViewModifierCodeSequence")],
        "view_position": _text(ds, "ViewPosition"),
        "device_processing": _text(ds, "AcquisitionDeviceProcessingDescription"),
        "orientation": _strings(ds, "PatientOrientation"),
        "series_description": _text(ds, "SeriesDescription"),
        "patient_id": _text(ds, "PatientID"),
        "study_uid": _text(ds, "StudyInstanceUID"),
        "study_date": _text(ds, "StudyDate"),
        "paddle": _text(ds, "PaddleDescription"),
        "spacing": _spacing(ds),
        "magnification": _number(ds, "EstimatedRadiographicMagnificationFactor"),
        "manufacturer": _text(ds, "Manufacturer"),
        "model": _text(ds, "ManufacturerModelName"),
        "kvp": _number(ds, "KVP"),
        "exposure_mas": _exposure(ds),
        "thickness_mm": _number(ds, "BodyPartThickness"),
        "age_years": _age_years(ds),
    }  # fmt: skip


def _directory_files(ds) -> list[list[str]]:
    files = []
    for record in ds.get("DirectoryRecordSequence", None) or []:
        parts = record.get("ReferencedFileID", None)
        if parts:
            files.append([parts] if isinstance(parts, str) else [str(part) for part in parts])
    return files


def _text(ds, name: str) -> str | None:
    value = ds.get(name, None)
    if value is None or isinstance(value, list | tuple):
        return None
    return str(value).strip()[:200] or None


def _strings(ds, name: str) -> list[str]:
    value = ds.get(name, None) or []
    return [value.strip()] if isinstance(value, str) else [str(v).strip() for v in value]


def _number(ds, name: str) -> float | None:
    try:
        value = float(ds.get(name, None))
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _exposure(ds) -> float | None:
    micro = _number(ds, "ExposureInuAs")
    return _number(ds, "Exposure") if micro is None else micro / 1000


def _age_years(ds) -> int | None:
    """PatientAge "052Y"; ages in days, weeks and months are not a woman's."""
    age = _text(ds, "PatientAge") or ""
    return int(age[:-1]) if age[-1:] == "Y" and age[:-1].isdecimal() and int(age[:-1]) < 130 else None


def _codes(ds, name: str) -> list[list[str]]:
    """[scheme, value, meaning] of each item of a code sequence."""
    items = ds.get(name, None) or []
    return [
        [_text(item, "CodingSchemeDesignator"), _text(item, "CodeValue"), _text(item, "CodeMeaning")] for item in items
    ]


def _frame_laterality(ds) -> str | None:
    try:
        return str(ds.SharedFunctionalGroupsSequence[0].FrameAnatomySequence[0].FrameLaterality)
    except (AttributeError, IndexError):
        return None


def _spacing(ds) -> dict | None:
    for tag, kind in (("ImagerPixelSpacing", "imager"), ("PixelSpacing", "pixel")):
        try:
            row, column = (float(v) for v in ds.get(tag))
        except (TypeError, ValueError):
            continue
        if 0.005 <= row <= 2 and 0.005 <= column <= 2:
            return {"row_mm": row, "column_mm": column, "from": kind}
    return None


def _padding(ds) -> list[int] | None:
    value, limit = _number(ds, "PixelPaddingValue"), _number(ds, "PixelPaddingRangeLimit")
    if value is None:
        return None
    slope, intercept = _number(ds, "RescaleSlope") or 1, _number(ds, "RescaleIntercept") or 0
    ends = sorted(v * slope + intercept for v in (value, value if limit is None else limit))
    return [math.floor(ends[0]), math.ceil(ends[1])]


def _windows(ds) -> list[dict]:
    windows = []
    for index, item in enumerate(ds.get("VOILUTSequence", None) or []):
        count, first, bits = (int(v) for v in item.LUTDescriptor)
        data = item.LUTData
        table = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.atleast_1d(np.asarray(data))
        count = count or 65536
        if len(table) * 2 == count or (bits == 8 and len(table) != count and isinstance(data, bytes)):
            table = np.frombuffer(data, np.uint8)
        if not 2 <= len(table) <= 65536 or not 8 <= bits <= 16:
            continue
        if _number(ds, "PixelRepresentation") and first >= 32768:
            first -= 65536
        name = _text(item, "LUTExplanation") or f"VOI LUT {index + 1}"
        scaled = (table.astype(np.float64) / ((1 << bits) - 1)).clip(0, 1).tolist()
        windows.append({"name": name, "function": "TABLE", "table": scaled, "first": first})
    centers, widths = (_numbers(ds, tag) for tag in ("WindowCenter", "WindowWidth"))
    names = _strings(ds, "WindowCenterWidthExplanation")
    function = (_text(ds, "VOILUTFunction") or "LINEAR").upper()
    for index, (center, width) in enumerate(zip(centers, widths, strict=False)):
        if width > 0 and function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
            name = names[index] if index < len(names) else f"window {index + 1}"
            windows.append({"name": name[:60], "function": function, "center": center, "width": width})
    return windows


def _numbers(ds, name: str) -> list[float]:
    value = ds.get(name, None)
    values = [] if value is None else [value] if isinstance(value, int | float | str) else list(value)
    return [float(v) for v in values if str(v) and math.isfinite(float(v))]


# ------------------------------------------------------------------ pixels


def read_pixels(path: str) -> np.ndarray:
    """(rows, columns) values after the modality LUT, contiguous. Raises Unusable."""
    with open(path, "rb") as file:
        if file.read(8).startswith(PICTURE_SIGNATURES):
            return _picture_pixels(path)
    ds = _dataset(path)
    _dicom_header(ds)  # the checks again: nothing is allocated before them
    return _modality(ds, _stored(ds))


def _picture_pixels(path: str) -> np.ndarray:
    import cv2

    _picture_header(path)
    pixels = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise Unusable("the picture cannot be decoded; it may be truncated")
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[2] == 2 else cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise Unusable(f"a picture of {pixels.dtype} values; 8 or 16 bits are read")
    return np.ascontiguousarray(pixels)


def _stored(ds) -> np.ndarray:
    syntax = str(ds.file_meta.TransferSyntaxUID)
    if syntax in CODECS:
        import imagecodecs
        from pydicom.encaps import get_frame

        frame = get_frame(ds.PixelData, 0, number_of_frames=1)
        pixels = getattr(imagecodecs, CODECS[syntax] + "_decode")(frame)
    else:
        pixels = ds.pixel_array
    if pixels.shape != (ds.Rows, ds.Columns):
        raise Unusable(f"its frame is {pixels.shape[::-1]}, its header says {ds.Columns} x {ds.Rows}")
    bits, signed = int(ds.BitsStored), bool(ds.get("PixelRepresentation", 0))
    width = pixels.dtype.itemsize * 8
    if signed:  # the sign is the highest stored bit, whatever the codec made of it
        pixels = pixels.astype(f"i{pixels.dtype.itemsize}")
        return pixels if bits >= width else (pixels << (width - bits)) >> (width - bits)
    pixels = pixels.astype(f"u{pixels.dtype.itemsize}")
    return pixels if bits >= width else pixels & ((1 << bits) - 1)


def _modality(ds, stored: np.ndarray) -> np.ndarray:
    slope, intercept = _number(ds, "RescaleSlope"), _number(ds, "RescaleIntercept") or 0.0
    if "ModalityLUTSequence" in ds:
        from pydicom.pixels import apply_modality_lut

        values = apply_modality_lut(stored, ds)
    elif slope in (None, 1.0) and intercept == 0:
        values = stored
    else:
        values = stored * np.float32(slope or 1.0) + np.float32(intercept)
        if (slope or 1.0).is_integer() and float(intercept).is_integer():
            values = values.astype(np.int32)
    return np.ascontiguousarray(values)


# ------------------------------------------------------------------ the loop


def answer(request: dict) -> tuple[dict, bytes]:
    """One request -> JSON reply and raw bytes."""
    try:
        if request["verb"] == "header":
            return {"header": read_header(request["path"])}, b""
        pixels = read_pixels(request["path"])
        return {"shape": pixels.shape, "dtype": pixels.dtype.str, "bytes": pixels.nbytes}, pixels.data.cast("B")
    except Unusable as error:
        return {"unusable": str(error)}, b""
    except MemoryError:
        return {"unusable": "needs more memory than one file may take"}, b""
    except Exception as error:  # pydicom and the codecs raise nearly everything on broken files
        return {"unusable": f"damaged: it cannot be read ({type(error).__name__})"}, b""


def main() -> None:
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MAX_WORKER_BYTES, MAX_WORKER_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError):
        pass  # no such limit on this system; the limits on pixels and time stand
    for line in sys.stdin.buffer:
        reply, raw = answer(json.loads(line))
        sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
