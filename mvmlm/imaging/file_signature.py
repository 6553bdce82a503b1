"""What a file is by its first bytes: a DICOM file, a data set without the file format, a picture, or why neither.

Signatures are tested in the order in which they can hide each other: a DICOM preamble may hold the start of a TIFF.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .limits import Unusable

START_BYTES = 4096  # looked at
PREAMBLE = 128  # bytes before "DICM" (PS3.10 7.1)
PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
MIN_SOUND_ELEMENTS = 3

#: (offset, first bytes) -> code and sentence
_OTHERS: tuple[tuple[int, bytes, str, str], ...] = (
    *((0, start, "archive", "a zip inside another one; unpack it first") for start in ZIP),
    (0, b"\x1f\x8b", "archive", "a gzip archive; unpack it first"),
    (0, b"7z\xbc\xaf'\x1c", "archive", "a 7-Zip archive; unpack it first"),
    (0, b"Rar!", "archive", "a RAR archive; unpack it first"),
    (0, b"BZh", "archive", "a bzip2 archive; unpack it first"),
    (0, b"\xfd7zXZ\0", "archive", "an xz archive; unpack it first"),
    (0, b"\x28\xb5\x2f\xfd", "archive", "a zstd archive; unpack it first"),
    (257, b"ustar", "archive", "a tar archive; unpack it first"),
    (0, b"MZ", "document", "a program for Windows; if it unpacks itself, unpack it first"),
    (0, b"%PDF", "document", "a PDF document; export the images themselves"),
    (0, b"\xd0\xcf\x11\xe0", "document", "an Office document; export the images themselves"),
    (0, b"{\\rtf", "document", "a text document; export the images themselves"),
    (0, b"HTTP/", "wado", "the reply of a web server with its headers; save only the file that it holds"),
    (0, b"GIF8", "other-picture", "a GIF picture, which has 256 grey levels at most; export the image as DICOM or PNG"),
    (0, b"BM", "other-picture", "a BMP picture; save it as PNG"),
    (8, b"WEBP", "other-picture", "a WebP picture; save it as PNG"),
    (0, b"\0\0\0\x0cjP  ", "other-picture", "a JPEG 2000 picture outside DICOM; save it as PNG"),
    (0, b"\xff\x4f\xff\x51", "other-picture", "a JPEG 2000 codestream outside DICOM; save it as PNG"),
    (4, b"ftyp", "other-picture", "a film or a HEIC picture; save the image as PNG"),
    (0, b"II+\0", "other-picture", "a BigTIFF picture; save it as TIFF or PNG"),
    (0, b"MM\0+", "other-picture", "a BigTIFF picture; save it as TIFF or PNG"),
    (0, b"8BPS", "other-picture", "a Photoshop picture; save it as PNG"),
    (0, b"NRRD", "other-picture", "an NRRD picture; save it as DICOM or PNG"),
    (344, b"n+1\0", "other-picture", "a NIfTI picture; save it as DICOM or PNG"),
    (0, b"\x93NUMPY", "other-picture", "a NumPy array; save it as DICOM or PNG"),
    (0, b"\x89HDF", "other-picture", "an HDF5 file; save the images as DICOM or PNG"),
    (0, b"\0\x05\x16\x07", "not-an-image", "what macOS notes about another file"),
    (0, b"SQLite format 3", "not-an-image", "a database"),
)
_EXPLICIT_VRS = frozenset(
    (b"AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US OB OD OF OL OV OW SQ SV UC UN UR UT UV").split()
)
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())


class Bare(NamedTuple):
    """Where a data set begins in a file without the DICOM file format, and how it is encoded.

    meta: whether group 0002 comes first, which names the encoding itself.
    """

    offset: int
    meta: bool
    implicit: bool
    little_endian: bool


class Signature(NamedTuple):
    """What a file is. bare: only of a "bare" one."""

    kind: Literal["dicom", "bare", "picture"]
    bare: Bare | None = None


def signature(path: str) -> Signature:
    """Return what a file is. Raises Unusable with a sentence of its own for everything that is not read."""
    with open(path, "rb") as file:
        start = file.read(START_BYTES)
        size = file.seek(0, 2)
    if start[PREAMBLE : PREAMBLE + 4] == b"DICM" and not (_is_picture(start) and start[132:134] != b"\x02\0"):
        return Signature("dicom")
    if _is_picture(start):
        return Signature("picture")
    if bare := _bare(start, size):
        return Signature("bare", bare)
    for offset, first, code, text in _OTHERS:
        if start[offset : offset + len(first)] == first:
            raise Unusable(text, code)
    _refuse_text(start)
    raise Unusable("neither a DICOM file nor a PNG, TIFF or JPEG picture", "not-an-image")


def is_zip(path: str) -> bool:
    """Return whether a file begins as a zip does; a zip behind a picture does not make the picture one."""
    with open(path, "rb") as file:
        start = file.read(PREAMBLE + 4)
    return start.startswith(ZIP) and start[PREAMBLE:] != b"DICM"


def _is_picture(start: bytes) -> bool:
    return start.startswith(PICTURES)


def _refuse_text(start: bytes) -> None:
    """Raise Unusable for the kinds of text that are taken for images most often."""
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"--") and b"content-type:" in text or text.startswith((b"content-type:", b"mime-version:")):
        raise Unusable("the reply of a web server in several parts; save only the DICOM part as a file", "wado")
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        raise Unusable("a web page, often the error message of a server; download the image again", "document")
    if text.startswith((b"<?xml", b"<nativedicommodel")):
        raise Unusable("an XML text, not an image", "document")
    if text.startswith((b"{", b"[")) and b'"' in text[:200]:
        raise Unusable("a JSON text, not an image", "document")


def _bare(start: bytes, size: int) -> Bare | None:
    """The data set of a file that lacks the preamble or its "DICM", when its first elements are sound."""
    offsets = [0]
    if start[:4] == b"DICM":
        offsets = [4]
    elif not start[:PREAMBLE].strip(b"\0"):
        offsets = [PREAMBLE, PREAMBLE + 4]
    for offset in offsets:
        for little_endian in (True, False):
            for implicit in (False, True) if little_endian else (False,):
                if _is_sound(start[offset:], size - offset, implicit, little_endian):
                    meta = start[offset : offset + 2] == b"\x02\0"
                    return Bare(offset, meta, implicit, little_endian)
    return None


def _is_sound(start: bytes, size: int, implicit: bool, little_endian: bool) -> bool:
    """Whether bytes begin with elements of group 0002 or 0008, in ascending order and with lengths that fit."""
    order: Literal["little", "big"] = "little" if little_endian else "big"
    at, last, sound = 0, (0, -1), 0
    while sound < MIN_SOUND_ELEMENTS and at + 8 <= len(start):
        tag = int.from_bytes(start[at : at + 2], order), int.from_bytes(start[at + 2 : at + 4], order)
        if tag[0] not in ((2, 8) if not implicit else (8,)) or tag <= last or (not sound and tag[1] > 0x60):
            return False
        header, length = _length(start[at:], implicit, order)
        if length is None or at + header + length > size:
            return False
        at, last, sound = at + header + length, tag, sound + 1
    return sound == MIN_SOUND_ELEMENTS


def _length(element: bytes, implicit: bool, order: Literal["little", "big"]) -> tuple[int, int | None]:
    """The length of an element's header, and of its value; None where it cannot be one."""
    if implicit:
        return 8, int.from_bytes(element[4:8], order)
    vr = element[4:6]
    if vr not in _EXPLICIT_VRS:
        return 8, None
    if vr in _LONG_VRS:
        return (12, int.from_bytes(element[8:12], order)) if element[6:8] == b"\0\0" else (12, None)
    return 8, int.from_bytes(element[6:8], order)
