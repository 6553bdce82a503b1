"""One compressed frame -> its values, or a sentence where a part of its data is missing."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np

from .codestream import CUT_SHORT, PART_MISSING, Codestream, read_codestream
from .limits import Unusable

#: bytes without a marker; a decoder that has run out of data takes them for data, one that is done skips them
FILL = b"\x5a\x36\xc9\x13" * 64

#: of lossless JPEG: a code of 16 bits and a difference of 16; jpegsof3 reads on so far where its data end early
MOST_BYTES_OF_A_PIXEL = 4

RLE_PADDING = 1024  # bytes that a segment may hold beyond its picture


def decode_frame(frame: bytes, rows: int, columns: int) -> np.ndarray:
    """Return (rows, columns) values of one grey frame as its codec gives them.

    Raises Unusable for another size, for colours and for missing data, and whatever the codecs raise for damage.
    """
    codestream = read_codestream(frame)
    if (codestream.rows, codestream.columns) != (rows, columns):
        size = f"{codestream.columns} x {codestream.rows}"
        raise Unusable(f"its frame has {size} pixels, its header says {columns} x {rows}; export it again")
    if codestream.components != 1:
        raise Unusable(f"its frame has {codestream.components} colours, its header says 1; export it again")
    pixels = _decode(frame, codestream)
    if codestream.coding == "lossless JPEG" and pixels.max() >> codestream.bits:  # lost its place in the data
        raise Unusable(PART_MISSING, "truncated")
    return pixels


def _decode(frame: bytes, codestream: Codestream) -> np.ndarray:
    if codestream.coding == "JPEG-LS":
        return imagecodecs.jpegls_decode(frame)  # refuses missing data itself
    if codestream.coding == "JPEG 2000":
        return _decode_htj2k(frame) if codestream.high_throughput else imagecodecs.jpeg2k_decode(frame)
    if codestream.coding == "DCT":
        return decode_checked(imagecodecs.jpeg_decode, frame, codestream)
    if not codestream.restart and not codestream.shifted:
        try:
            return decode_checked(imagecodecs.ljpeg_decode, frame, codestream)  # three times as fast as the other
        except imagecodecs.LjpegError:
            pass  # a coding that it does not know, or damage: the other codec tells which
    behind = bytes(MOST_BYTES_OF_A_PIXEL * codestream.rows * codestream.columns)
    return decode_checked(lambda data: imagecodecs.jpegsof3_decode(data + behind), frame, codestream)


def decode_checked(decode: Callable[[bytes], np.ndarray], frame: bytes, codestream: Codestream) -> np.ndarray:
    """Return what `decode` makes of a JPEG. Raises Unusable where it runs out of data, for then `FILL` changes it."""
    ends = codestream.segments if codestream.coding == "DCT" else codestream.segments[-1:]
    parts, start = [], 0
    for end in ends:
        parts += [frame[start:end], FILL]
        start = end
    with ThreadPoolExecutor(1) as thread:  # the codecs run in parallel
        filled = thread.submit(decode, b"".join([*parts, frame[start:]]))
        pixels = decode(frame)
        if not np.array_equal(pixels, filled.result()):
            raise Unusable(CUT_SHORT, "truncated")
    return pixels


def _decode_htj2k(frame: bytes) -> np.ndarray:
    """The codec for HTJ2K is three times as fast as that for JPEG 2000, but its errors do not become exceptions."""
    ignored: list[object] = []
    hook, sys.unraisablehook = sys.unraisablehook, ignored.append
    try:
        pixels = imagecodecs.htj2k_decode(frame)
    finally:
        sys.unraisablehook = hook
    if ignored:
        raise Unusable(PART_MISSING, "truncated")
    return pixels


def decode_rle(frame: bytes, rows: int, columns: int, width: int) -> np.ndarray:
    """Return (rows, columns) unsigned values of `width` bytes of an RLE frame (PS3.5 annex G).

    Raises Unusable for another number of segments and for missing data, and what the codec raises for damage.
    """
    if len(frame) < 64:
        raise Unusable(CUT_SHORT, "truncated")
    count, *offsets = struct.unpack_from("<16I", frame)
    if count != width:
        raise Unusable(f"its frame has {count} RLE segments, its header needs {width}; export it again")
    pixels = np.empty((rows * columns, width), np.uint8)
    ends = [*offsets[1:count], len(frame)]
    for index, (start, end) in enumerate(zip(offsets, ends, strict=False)):
        room = bytearray(rows * columns + RLE_PADDING)
        plane = np.frombuffer(imagecodecs.packbits_decode(frame[start:end], out=room), np.uint8)
        if plane.size < rows * columns:
            raise Unusable(CUT_SHORT, "truncated")
        pixels[:, width - 1 - index] = plane[: rows * columns]  # the highest byte comes first
    return pixels.view(f"<u{width}").reshape(rows, columns)
