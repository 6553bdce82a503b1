"""PNG, JPEG and TIFF pictures that are broken, or that ask for more than a picture needs."""

import io
import random
import struct
import zlib

import imagecodecs
import numpy as np
from PIL import Image

from tests.traps.table import breast

from .case import opened
from .pixel_data import progressive, put_after

KIND = "PNG, JPEG and TIFF pictures"
EIGHT = (breast(False) >> 4).astype(np.uint8)


def saved(form, pixels=EIGHT, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def chunk(kind, data, crc=None):
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data) if crc is None else crc)
    )


def png(*chunks):
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def header(columns, rows, depth=8, colour=0, interlaced=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, depth, colour, 0, 0, interlaced))


def bomb(columns, rows):
    """A PNG of zeros, some KB for 60 million pixels."""
    compressor = zlib.compressobj(9)
    line = bytes(columns + 1)
    data = b"".join(compressor.compress(line) for _ in range(rows)) + compressor.flush()
    return png(header(columns, rows), chunk(b"IDAT", data), chunk(b"IEND", b""))


def text_bomb():
    return png(header(120, 160), chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(500_000_000), 1)),
               chunk(b"IDAT", zlib.compress(bytes(121 * 160))), chunk(b"IEND", b""))  # fmt: skip


def tiff(*tags, count=None, next_directory=0, pixels=b""):
    """A little-endian TIFF of one directory. tags: (number, type, count, value)."""
    number = len(tags) if count is None else count
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, number) + entries + struct.pack("<I", next_directory) + pixels


def grey(columns=120, rows=160, **changes):
    """The tags of an uncompressed grey TIFF; those in `changes`, by their names, are others."""
    tags = {"width": (256, 4, 1, columns), "length": (257, 4, 1, rows), "bits": (258, 3, 1, 8), "compression": (259, 3, 1, 1),
            "photometric": (262, 3, 1, 1), "offsets": (273, 4, 1, 134), "rows": (278, 4, 1, rows), "counts": (279, 4, 1, columns * rows)}  # fmt: skip
    return [value for value in (tags | changes).values() if value]


def many_directories(number):
    """A TIFF of very many pictures."""
    parts, place = [b"II*\0" + struct.pack("<I", 8)], 8
    tags = grey(8, 8)
    size = 2 + 12 * len(tags) + 4
    for index in range(number):
        following = place + size if index + 1 < number else 0
        parts.append(
            struct.pack("<H", len(tags))
            + b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
            + struct.pack("<I", following)
        )
        place += size
    return b"".join([*parts, bytes(200)])


def noise_in(data, start, length):
    return data[:start] + random.Random(5).randbytes(length) + data[start + length :]


def four_colours():
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (160, 120, 4)).astype(np.uint8), "CMYK").save(
        file, "JPEG"
    )
    return file.getvalue()


def case(what, told, name, data, costly=False):
    return opened(KIND, what, told, data, name, costly)


SOUND = zlib.compress(b"".join(b"\0" + line.tobytes() for line in EIGHT))

CASES = [
    case("a PNG of 100,000 x 100,000 pixels", "100000 x 100000 pixels: more than 64 million, the limit for one picture", "R_CC.png", lambda: png(header(100_000, 100_000), chunk(b"IDAT", SOUND), chunk(b"IEND", b"")), True),
    case("a PNG of 100 million pixels in some KB", "10000 x 10000 pixels: more than 64 million, the limit for one picture", "R_CC.png", lambda: bomb(10_000, 10_000), True),
    case("a PNG of no columns", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.png", lambda: png(header(0, 160), chunk(b"IDAT", SOUND), chunk(b"IEND", b""))),
    case("a PNG of 3 bits", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.png", lambda: png(header(120, 160, 3), chunk(b"IDAT", SOUND), chunk(b"IEND", b""))),
    case("a PNG without its header", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.png", lambda: png(chunk(b"IDAT", SOUND), chunk(b"IEND", b""))),
    case("a PNG without pixels", "the picture cannot be decoded; it may be truncated; save or copy it again", "R_CC.png", lambda: png(header(120, 160), chunk(b"IEND", b""))),
    case("a PNG whose pixels are noise", "the picture cannot be decoded; it may be truncated; save or copy it again", "R_CC.png", lambda: png(header(120, 160), chunk(b"IDAT", random.Random(1).randbytes(9000)), chunk(b"IEND", b""))),
    case("a PNG with a wrong checksum", "the picture cannot be decoded; it may be truncated; save or copy it again", "R_CC.png", lambda: png(header(120, 160), chunk(b"IDAT", SOUND, 7), chunk(b"IEND", b""))),
    case("a PNG of fewer pixels than it says", "the picture cannot be decoded; it may be truncated; save or copy it again", "R_CC.png", lambda: png(header(120, 400), chunk(b"IDAT", SOUND), chunk(b"IEND", b""))),
    case("a PNG with a comment that unpacks to 500 MB", "damaged: it cannot be read (ValueError); copy or export it again", "R_CC.png", text_bomb, True),
    case("a PNG with a part of 4 GB", "the picture cannot be decoded; it may be truncated; save or copy it again", "R_CC.png", lambda: png(header(120, 160), b"\xff\xff\xff\xf0IDATabcd")),
    case("a PNG with a palette that it does not hold", "the picture cannot be decoded; it may be truncated; save or copy it again", "R_CC.png", lambda: png(header(120, 160, 8, 3), chunk(b"IDAT", SOUND), chunk(b"IEND", b""))),
    case("an animated PNG", "holds 2 pictures; save each view as a separate file", "R_CC.png", lambda: saved("PNG", save_all=True, append_images=[Image.fromarray(EIGHT[::-1])])),
    case("a signature of PNG and nothing else", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.png", png),
    case("a signature of JPEG and nothing else", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.jpg", lambda: b"\xff\xd8\xff\xe0"),
    case("a JPEG of 65,500 x 65,500 pixels", "65500 x 65500 pixels: more than 64 million, the limit for one picture", "R_CC.jpg", lambda: put_after(imagecodecs.jpeg_encode(EIGHT), b"\xff\xc0", 5, b"\xff\xdc\xff\xdc"), True),
    case("a JPEG of 49 million pixels with 3,000 scans", "damaged: its compressed picture has more parts than any picture needs; export it again", "R_CC.jpg", lambda: progressive(3000), True),
    case("a JPEG of no lines", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.jpg", lambda: put_after(imagecodecs.jpeg_encode(EIGHT), b"\xff\xc0", 5, b"\0\0")),
    case("a JPEG without tables of quantisation", "damaged: it cannot be read (Jpeg8Error); copy or export it again", "R_CC.jpg", lambda: imagecodecs.jpeg_encode(EIGHT).replace(b"\xff\xdb", b"\xff\xe9")),
    case("a JPEG with 20,000 comments", "damaged: its compressed picture has more parts than any picture needs; export it again", "R_CC.jpg", lambda: b"\xff\xd8" + b"\xff\xfe\0\x04ab" * 20_000 + imagecodecs.jpeg_encode(EIGHT)[2:]),
    case("a JPEG in four colours", "is a picture in colour, such as a map or a view with marks drawn on it; save the view in grey", "R_CC.jpg", four_colours),
    case("a JPEG with noise in the middle", "truncated: the compressed picture ends early; export or copy it again", "R_CC.jpg", lambda: noise_in(imagecodecs.jpeg_encode(EIGHT), 200, 100)),
    case("a TIFF of 60,000 x 60,000 pixels", "60000 x 60000 pixels: more than 64 million, the limit for one picture", "R_CC.tif", lambda: tiff(*grey(60_000, 60_000)), True),
    case("a TIFF whose directory lies behind its end", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.tif", lambda: b"II*\0" + struct.pack("<I", 10**9) + bytes(100)),
    case("a TIFF of 60,000 pictures", "holds 100 or more pictures; save each view as a separate file", "R_CC.tif", lambda: many_directories(60_000), True),
    case("a TIFF with 65,535 tags of which it holds eight", "damaged: it cannot be read (IndexError); copy or export it again", "R_CC.tif", lambda: tiff(*grey(), count=65535, pixels=bytes(20_000))),
    case("a TIFF without a width", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.tif", lambda: tiff(*grey(width=None), pixels=bytes(20_000))),
    case("a TIFF of 4 billion strips", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.tif", lambda: tiff(*grey(offsets=(273, 4, 0xFFFFFFFF, 134), counts=(279, 4, 0xFFFFFFFF, 134)), pixels=bytes(20_000)), True),
    case("a TIFF of a compression that nobody knows", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.tif", lambda: tiff(*grey(compression=(259, 3, 1, 60000)), pixels=bytes(20_000))),
    case("a TIFF whose LZW data are noise", "damaged: it cannot be read (TiffError); copy or export it again", "R_CC.tif", lambda: tiff(*grey(compression=(259, 3, 1, 5)), pixels=random.Random(3).randbytes(20_000))),
    case("a TIFF of 7 bits", "damaged: it cannot be read (UnidentifiedImageError); copy or export it again", "R_CC.tif", lambda: tiff(*grey(bits=(258, 3, 1, 7)), pixels=bytes(20_000))),
    case("a TIFF of fractions", "a picture of float32 values; only 8 and 16 bits are read", "R_CC.tif", lambda: saved("TIFF", EIGHT.astype(np.float32))),
    case("a TIFF of two pictures", "holds 2 pictures; save each view as a separate file", "R_CC.tif", lambda: saved("TIFF", save_all=True, append_images=[Image.fromarray(EIGHT)])),
    case("a TIFF of signed values", "a picture of int16 values; only 8 and 16 bits are read", "R_CC.tif", lambda: tiff(*grey(bits=(258, 3, 1, 16), counts=(279, 4, 1, 38400), format=(339, 3, 1, 2)), pixels=bytes(38_500))),
    case("a TIFF in colour on its side", "its header asks for a quarter turn, which is not done for a colour TIFF. Save it upright", "R_CC.tif", lambda: saved("TIFF", np.stack([EIGHT] * 3, -1), tiffinfo={274: 6})),
]  # fmt: skip
