"""The data set of a DICOM file, with or without the file format around it, and what follows the image in the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.tag import BaseTag

from .dicom_values import kind_name
from .file_header import MarkHeader
from .file_signature import Bare, signature
from .limits import Unusable

PIXEL_DATA = 0x7FE00010
AFTER_PIXELS = (0xFFFAFFFA, 0xFFFCFFFC)  # digital signatures and padding may follow (PS3.10 7.2, PS3.3 C.12)
_UNDEFINED = 0xFFFFFFFF


def read_file(path: str) -> Dataset:
    """Return the data set of a file up to its image, pixels undecoded; its `file_meta` names the transfer syntax.

    Raises Unusable, and what pydicom raises for damage.
    """
    bare = signature(path).bare
    with open(path, "rb") as file:
        return _read_bare(file, bare) if bare else read_partial(file, stop_when=_stop())


def _stop() -> Callable[[BaseTag, str | None, int], bool]:
    """When reading ends: at the first tag behind the image that cannot stand there."""
    seen = False

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal seen
        ended = seen and tag not in AFTER_PIXELS
        seen = seen or tag == PIXEL_DATA
        return ended

    return stop


def _read_bare(file: BinaryIO, bare: Bare) -> Dataset:
    file.seek(bare.offset)
    meta = FileMetaDataset()
    implicit, little_endian = bare.implicit, bare.little_endian
    if bare.meta:
        meta.update(read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2))
        syntax = uid.UID(str(meta.get("TransferSyntaxUID", "")))
        if syntax == uid.DeflatedExplicitVRLittleEndian:
            raise Unusable("deflated, and without the DICOM file format around it; export it again", "no-file-format")
        implicit, little_endian = syntax == uid.ImplicitVRLittleEndian, syntax != uid.ExplicitVRBigEndian
    ds = read_dataset(file, implicit, little_endian, stop_when=_stop())
    if not bare.meta:
        native = uid.ExplicitVRLittleEndian if little_endian else uid.ExplicitVRBigEndian
        meta.TransferSyntaxUID = uid.ImplicitVRLittleEndian if implicit else native
        if "PixelData" in ds and ds["PixelData"].is_undefined_length:
            raise Unusable("compressed, and the file does not say how; export it again", "no-file-format")
    ds.file_meta = meta
    return ds


def file_marks(path: str, ds: Dataset) -> list[MarkHeader]:
    """Return what the reader must know about the file around a data set."""
    marks: list[MarkHeader] = []
    if signature(path).bare:
        text = "The file lacks the DICOM file format. It is read because its first data elements are sound."
        marks.append({"code": "no-file-format", "text": text})
    inside, outside = str(ds.get("SOPClassUID", "")), str(ds.file_meta.get("MediaStorageSOPClassUID", ""))
    if not inside:
        text = (
            "The file does not say what kind of object it is (SOPClassUID). It is read because all else says mammogram."
        )
        marks.append({"code": "no-sop-class", "text": text})
    elif outside and inside != outside:
        names = f"{kind_name(uid.UID(outside))} in its header, {kind_name(uid.UID(inside))} in its data"
        marks.append({"code": "sop-class-conflict", "text": f"The file says that it is {names}. The data are used."})
    if after := _bytes_after(path, ds):
        text = f"{after:,} bytes follow the image in this file and do not belong to it. They are not used."
        marks.append({"code": "bytes-after-image", "text": text})
    return marks


def _bytes_after(path: str, ds: Dataset) -> int:
    """How many bytes follow the last element that was read; 0 where they are all zero, as some archives pad."""
    if ds.file_meta.get("TransferSyntaxUID", "") == uid.DeflatedExplicitVRLittleEndian:
        return 0
    last = ds.get_item(max(ds.keys()))
    if last is None or not isinstance(last.value, bytes):
        return 0
    position = getattr(last, "value_tell", None) or getattr(last, "file_tell", None)
    if position is None:
        return 0
    undefined = getattr(last, "length", None) == _UNDEFINED or getattr(last, "is_undefined_length", False)
    end = position + len(last.value) + (8 if undefined else 0)
    with open(path, "rb") as file:
        file.seek(end)
        sample = file.read(1 << 16)
        size = file.seek(0, 2)
    return size - end if sample.strip(b"\0") else 0
