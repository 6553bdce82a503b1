"""The data set of a DICOM file, with or without the file format around it, and what follows the image in the file."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

from pydicom import filereader, uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset, read_partial
from pydicom.tag import BaseTag

from .dicom_values import kind_name
from .file_header import MarkHeader
from .file_signature import Bare, signature
from .limits import MAX_ELEMENTS, MAX_INFLATED_BYTES, Unusable

ENDS_EARLY = "truncated: the file ends in the middle of its data; copy or export it again"
PIXEL_DATA = 0x7FE00010
AFTER_PIXELS = (0xFFFAFFFA, 0xFFFCFFFC)  # digital signatures and padding may follow (PS3.10 7.2, PS3.3 C.12)
_UNDEFINED = 0xFFFFFFFF
_ELEMENT_HEADER = 12  # bytes at most


class _BoundedStream(io.BufferedReader):
    """The bytes of a data set for pydicom, which else reserves as much memory and takes as long as a file asks for.

    size: of all bytes. Every element and every item begins with a read of a few bytes.
    """

    def __init__(self, raw: io.RawIOBase, size: int):
        super().__init__(raw)
        self.size, self._begun = size, 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, or the rest. Raises Unusable past MAX_ELEMENTS elements and items."""
        left = max(self.size - self.tell(), 0)
        wanted = left if size is None or size < 0 else min(size, left)
        if wanted <= _ELEMENT_HEADER:
            self._begun += 1
            if self._begun > MAX_ELEMENTS:
                text = f"more than {MAX_ELEMENTS:,} data elements, which no mammogram has; export it again"
                raise Unusable(text, "too-large")
        return super().read(wanted)


def read_file(path: str) -> Dataset:
    """Return the data set of a file up to its image, pixels undecoded; its `file_meta` names the transfer syntax.

    Raises Unusable, and what pydicom raises for damage.
    """
    bare = signature(path).bare
    with _BoundedStream(io.FileIO(path), Path(path).stat().st_size) as file:
        try:
            return _read_bare(file, bare) if bare else _read_format(file)
        except OSError as error:  # pydicom turns whatever ends the reading of an item into one
            if isinstance(error.__context__, Unusable):
                raise error.__context__ from None
            raise


def _read_format(file: _BoundedStream) -> Dataset:
    """The data set of a file with the DICOM file format."""
    filereader.read_preamble(file, False)
    meta = filereader._read_file_meta_info(file)
    if meta.get("TransferSyntaxUID", "") == uid.DeflatedExplicitVRLittleEndian:
        inflated = _inflated(file.read())
        stream = _BoundedStream(cast(io.RawIOBase, io.BytesIO(inflated)), len(inflated))
        ds = read_dataset(stream, False, True, stop_when=_stop(stream))
        ds.file_meta = meta
        return ds
    file.seek(0)
    return read_partial(file, stop_when=_stop(file))


def _inflated(deflated: bytes) -> bytes:
    """What deflated data (PS3.5 A.5) unpack to, within the limit."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(deflated, MAX_INFLATED_BYTES)
    except zlib.error:
        text = "damaged: its deflated data cannot be unpacked; copy or export it again"
        raise Unusable(text, "damaged") from None
    if len(inflated) >= MAX_INFLATED_BYTES:
        raise Unusable(f"unpacks to more than {MAX_INFLATED_BYTES >> 20} MB, the limit for a deflated file")
    if not inflater.eof:
        raise Unusable(ENDS_EARLY, "truncated")
    return inflated


def _stop(file: _BoundedStream) -> Callable[[BaseTag, str | None, int], bool]:
    """When reading ends: at the first tag behind the image that cannot stand there.

    It raises Unusable for an element before the image that is longer than the rest of the file.
    """
    seen = False

    def stop(tag: BaseTag, vr: str | None, length: int) -> bool:
        nonlocal seen
        ended = seen and tag not in AFTER_PIXELS
        seen = seen or tag == PIXEL_DATA
        if not seen and length != _UNDEFINED and file.tell() + length > file.size:
            raise Unusable(ENDS_EARLY, "truncated")
        return ended

    return stop


def _read_bare(file: _BoundedStream, bare: Bare) -> Dataset:
    file.seek(bare.offset)
    meta = FileMetaDataset()
    implicit, little_endian = bare.implicit, bare.little_endian
    if bare.meta:
        meta.update(read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag.group != 2))
        syntax = uid.UID(str(meta.get("TransferSyntaxUID", "")))
        if syntax == uid.DeflatedExplicitVRLittleEndian:
            raise Unusable("deflated, and without the DICOM file format around it; export it again", "no-file-format")
        implicit, little_endian = syntax == uid.ImplicitVRLittleEndian, syntax != uid.ExplicitVRBigEndian
    ds = read_dataset(file, implicit, little_endian, stop_when=_stop(file))
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
