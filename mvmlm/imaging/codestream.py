"""What a compressed picture says about itself, and whether all of it is there: JPEG, JPEG-LS and JPEG 2000.

Sources: ITU-T T.81 (JPEG), T.87 (JPEG-LS), T.800 (JPEG 2000) and T.814 (HTJ2K). Decoders fill missing data with grey
and say nothing, so a picture is decoded only after these checks.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from .limits import Unusable

JP2_SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CUT_SHORT = "truncated: the compressed picture ends early; export or copy it again"
PART_MISSING = "truncated: a part of the compressed picture is missing; export or copy it again"
TOO_LONG = "damaged: its compressed picture has more parts than any picture needs; export it again"
START_OF_SCAN, RESTARTS, DEFINE_RESTART, END_OF_IMAGE = 0xDA, range(0xD0, 0xD8), 0xDD, 0xD9
LOSSLESS_FRAMES = (0xC3, 0xC7, 0xCB, 0xCF)
JPEG_LS_FRAME, PROGRESSIVE_FRAME = 0xF7, 0xC2
DECODED_FRAMES = (0xC0, 0xC1, PROGRESSIVE_FRAME, 0xC3, JPEG_LS_FRAME)  # the others are arithmetic or hierarchical
MOST_SCANS, MOST_SEGMENTS = 32, 10_000  # of a JPEG; a decoder goes over the whole picture for each scan
FRAMES = (*(code for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC)), JPEG_LS_FRAME)


@dataclass(frozen=True)
class Codestream:
    """The header of a compressed picture.

    coding: "DCT" (JPEG with loss), "lossless JPEG", "JPEG-LS" or "JPEG 2000", HTJ2K included. lossy: whether the
    coding loses anything, as it says itself. segments: the end of each part of a JPEG's data that a marker closes.
    restart: whether a JPEG has restart markers. shifted: whether a lossless JPEG drops low bits (point transform).
    """

    coding: str
    rows: int
    columns: int
    components: int
    bits: int
    signed: bool = False
    lossy: bool = False
    segments: tuple[int, ...] = ()
    restart: bool = False
    shifted: bool = False
    high_throughput: bool = False


def read_codestream(data: bytes) -> Codestream:
    """Return the header of a compressed picture, all of whose parts are there. Raises Unusable.

    That the last part is complete, only the decoder can tell (`frames.decode_frame`).
    """
    try:
        if data.startswith(b"\xff\xd8"):
            return _read_jpeg(data)
        return _read_jpeg2000(data, _codestream_start(data))
    except (struct.error, IndexError):
        raise Unusable(CUT_SHORT, "truncated") from None


@dataclass
class _Jpeg:
    """What the marker segments of a JPEG have said so far. sent: by component and frequency, the last bit sent."""

    code: int = 0
    bits: int = 0
    rows: int = 0
    columns: int = 0
    sampling: tuple[tuple[int, int], ...] = ()
    interval: int = 0
    scan: bytes = b""
    scans: int = 0
    ends: tuple[int, ...] = ()
    sent: dict[int, np.ndarray] = field(default_factory=dict)

    def start_frame(self, code: int, body: bytes) -> None:
        """Read a frame header (T.81 B.2.2). Raises Unusable for a coding that the decoders guess at."""
        if code not in DECODED_FRAMES:
            text = "its compressed picture is arithmetic or hierarchical JPEG, which is not read; export it again"
            raise Unusable(text, "transfer-syntax")
        self.code = code
        self.bits, self.rows, self.columns, components = struct.unpack_from(">BHHB", body)
        factors = [body[7 + 3 * index] for index in range(components)]
        self.sampling = tuple((factor >> 4, factor & 15) for factor in factors)

    def start_scan(self, data: bytes, position: int, body: bytes) -> int:
        """Read a scan header (T.81 B.2.3) and find the end of the scan, which is returned. Raises Unusable."""
        count, self.scans = body[0], self.scans + 1
        if self.scans > MOST_SCANS:
            raise Unusable(TOO_LONG, "damaged")
        self.scan = body[1 + 2 * count :]  # predictor or NEAR, end of spectrum or interleaving, point transform
        ends = _scan_ends(data, position, jpeg_ls=self.code == JPEG_LS_FRAME)
        if self.interval and count == len(self.sampling) and len(ends) != -(-self._units(count) // self.interval):
            raise Unusable(PART_MISSING, "truncated")
        if self.code == PROGRESSIVE_FRAME:
            for component in body[1 : 1 + 2 * count : 2]:
                bits = self.sent.setdefault(component, np.full(64, 16))
                bits[self.scan[0] : self.scan[1] + 1] = self.scan[2] & 15
        self.ends += tuple(ends)
        return ends[-1]

    def _units(self, count: int) -> int:
        """The number of units between which restart markers are counted (T.81 A.2): blocks, or pixels if lossless."""
        if self.code in LOSSLESS_FRAMES or self.code == JPEG_LS_FRAME:
            return self.rows * self.columns
        wide, high = (8 * max(factors) if count > 1 else 8 for factors in zip(*self.sampling, strict=True))
        return -(-self.columns // wide) * -(-self.rows // high)


def _read_jpeg(data: bytes) -> Codestream:
    """Walk the marker segments of a JPEG or JPEG-LS until its end marker (T.81 B.1)."""
    position, jpeg = 2, _Jpeg()
    for segment in count():
        if segment > MOST_SEGMENTS:
            raise Unusable(TOO_LONG, "damaged")
        while data[position] == 0xFF and data[position + 1] == 0xFF:  # fill bytes
            position += 1
        code = data[position + 1]
        if data[position] != 0xFF:
            raise Unusable(
                "damaged: its compressed picture has bytes where a marker belongs; export it again", "damaged"
            )
        if code == END_OF_IMAGE:
            break
        (length,) = struct.unpack_from(">H", data, position + 2)
        body = data[position + 4 : position + 2 + length]
        position += 2 + length
        if code in FRAMES:
            jpeg.start_frame(code, body)
        elif code == DEFINE_RESTART and length == 4:
            (jpeg.interval,) = struct.unpack(">H", body)
        elif code == START_OF_SCAN:
            position = jpeg.start_scan(data, position, body)
    if not jpeg.code or not jpeg.ends or any(bits.any() for bits in jpeg.sent.values()):
        raise Unusable(CUT_SHORT, "truncated")
    coding = "JPEG-LS" if jpeg.code == JPEG_LS_FRAME else "lossless JPEG" if jpeg.code in LOSSLESS_FRAMES else "DCT"
    shifted = coding == "lossless JPEG" and jpeg.scan[2] & 15 > 0
    lossy = coding == "DCT" or shifted or (coding == "JPEG-LS" and jpeg.scan[0] > 0)
    return Codestream(
        coding, jpeg.rows, jpeg.columns, len(jpeg.sampling), jpeg.bits, False, lossy, jpeg.ends, jpeg.interval > 0,
        shifted,
    )  # fmt: skip


def _scan_ends(data: bytes, start: int, jpeg_ls: bool) -> list[int]:
    """The positions of the markers that close the parts of a scan: its restart markers in their order, then its end."""
    stream = np.frombuffer(data, np.uint8, offset=start)
    at = np.flatnonzero(stream[:-1] == 0xFF)
    codes = stream[at + 1]
    # after 0xFF a scan has a stuffed zero byte, JPEG-LS a stuffed zero bit; another 0xFF is a fill byte
    marker = (codes >= 0x80 if jpeg_ls else codes > 0) & (codes != 0xFF)
    at, codes = at[marker], codes[marker]
    restart = (codes >= RESTARTS.start) & (codes < RESTARTS.stop)
    if restart.all():
        raise Unusable(CUT_SHORT, "truncated")
    last = int(np.argmin(restart))
    if (codes[:last] != RESTARTS.start + np.arange(last) % len(RESTARTS)).any():
        raise Unusable(PART_MISSING, "truncated")
    return [start + int(position) for position in at[: last + 1]]


def _codestream_start(data: bytes) -> int:
    """Where the codestream begins: at 0, or in the box "jp2c" of a JP2 file (T.800 I.4)."""
    if not data.startswith(JP2_SIGNATURE):
        return 0
    position = 0
    while data[position + 4 : position + 8] != b"jp2c":
        (length,) = struct.unpack_from(">I", data, position)
        if length < 8:
            raise Unusable(CUT_SHORT, "truncated")
        position += length
    return position + 8


def _read_jpeg2000(data: bytes, start: int) -> Codestream:
    """Read the main header (T.800 A.5, A.6) and walk the tile-parts to the end."""
    if data[start : start + 4] != b"\xff\x4f\xff\x51":
        raise Unusable("damaged: its frame is not compressed as its header says; export it again", "damaged")
    x1, y1, x0, y0, tile_x, tile_y, tile_x0, tile_y0, components, depth = struct.unpack_from(">8IHB", data, start + 8)
    if not tile_x or not tile_y or x1 <= x0 or y1 <= y0:
        raise Unusable("damaged: its compressed picture has no size; export it again", "damaged")
    position, lossy = start + 2, False
    while (code := struct.unpack_from(">H", data, position)[0]) != 0xFF90:
        (length,) = struct.unpack_from(">H", data, position + 2)
        if code == 0xFF52:  # COD: the last byte before the precincts is the transform, 0 for the irreversible 9/7
            lossy |= data[position + 13] == 0
        elif code == 0xFF53:  # COC, with one or two bytes for the number of the component
            lossy |= data[position + (10 if components < 257 else 11)] == 0
        position += 2 + length
    tiles = -(-(x1 - tile_x0) // tile_x) * -(-(y1 - tile_y0) // tile_y)
    lengths_given = _check_tile_parts(data, position, tiles)
    fast = lengths_given and struct.unpack_from(">H", data, start + 6)[0] & 0x4000 != 0  # Rsiz (T.814 A.2)
    bits, signed = (depth & 0x7F) + 1, bool(depth & 0x80)
    return Codestream("JPEG 2000", y1 - y0, x1 - x0, components, bits, signed, lossy, high_throughput=fast)


def _check_tile_parts(data: bytes, position: int, tiles: int) -> bool:
    """Raise Unusable unless every tile has all the tile-parts that it announces, each of its full length (A.4.2).

    Returns whether all lengths are given, of which the last may be left open, and the end marker is there.
    """
    lengths_given = True
    found: dict[int, int] = {}
    announced: dict[int, int] = {}
    while data[position : position + 2] == b"\xff\x90":
        tile, length, _, count = struct.unpack_from(">HIBB", data, position + 4)
        found[tile] = found.get(tile, 0) + 1
        if count:
            announced[tile] = count
        if length == 0:  # the last one, up to the end marker
            lengths_given = False
            position = len(data.rstrip(b"\0")) - 2
        elif length < 14:
            raise Unusable(CUT_SHORT, "truncated")
        else:
            position += length
    closed = data[position : position + 2] == b"\xff\xd9"
    missing = len(found) != tiles or any(found[tile] < count for tile, count in announced.items())
    if missing or not (closed or position == len(data)):
        raise Unusable(CUT_SHORT, "truncated")
    return lengths_given and closed
