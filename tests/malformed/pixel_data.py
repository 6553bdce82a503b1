"""DICOM files whose pixel data are broken: sizes and depths, and the frames of every codec."""

import io
import struct

import imagecodecs
import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate, get_frame
from pydicom.filebase import DicomBytesIO
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.traps.table import breast, mammogram

from .case import opened

KIND = "DICOM files: pixel data"
PIXELS = breast(False)
EIGHT = (PIXELS >> 4).astype(np.uint8)
COLOUR = np.stack([EIGHT] * 3, -1)
END = b"\xff\xd9"


def native(edit=lambda ds: None, **attributes):
    """The bytes of an uncompressed file with other attributes."""

    def data():
        ds = mammogram(**attributes)
        edit(ds)
        out = DicomBytesIO()
        ds.save_as(out, enforce_file_format=True)
        return out.getvalue()

    return data


def compressed(syntax, frame, bits=12, pixel_data=None, **attributes):
    """The bytes of a file that holds one frame. frame: bytes, or a function of none that makes them."""

    def data():
        ds = mammogram(pixels=EIGHT if bits == 8 else PIXELS, **attributes)
        made = frame() if callable(frame) else frame
        ds.PixelData = encapsulate([made]) if pixel_data is None else pixel_data
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True
        ds.file_meta.TransferSyntaxUID = syntax
        out = DicomBytesIO()
        ds.save_as(out, enforce_file_format=True)
        return out.getvalue()

    return data


def put(frame, place, new):
    return frame[:place] + new + frame[place + len(new) :]


def put_after(frame, mark, offset, new):
    """The frame with bytes set behind the first occurrence of a marker."""
    return put(frame, frame.index(mark) + offset, new)


def jpeg(bits=8):
    return (
        imagecodecs.jpeg_encode(EIGHT, level=90)
        if bits == 8
        else imagecodecs.jpeg_encode(PIXELS, level=90, bitspersample=12)
    )


def lossless():
    return imagecodecs.ljpeg_encode(PIXELS, bitspersample=12)


def jpegls(pixels=PIXELS):
    return imagecodecs.jpegls_encode(pixels)


def jpeg2000(pixels=PIXELS):
    return imagecodecs.jpeg2k_encode(pixels, level=0, reversible=True, codecformat="j2k")


def htj2k():
    return imagecodecs.htj2k_encode(PIXELS)


def rle():
    ds = mammogram()
    ds.compress(RLELossless)
    return get_frame(ds.PixelData, 0, number_of_frames=1)


def progressive(scans):
    """A JPEG of 7,000 x 7,000 pixels whose second scan is repeated: some KB that take a decoder minutes."""
    file = io.BytesIO()
    Image.fromarray(np.zeros((7000, 7000), np.uint8)).save(file, "JPEG", progressive=True, quality=20)
    whole = file.getvalue()
    starts = [place for place in range(len(whole) - 1) if whole[place : place + 2] == b"\xff\xda"]
    repeated = whole[starts[1] : starts[2]]
    return whole[: starts[2]] + repeated * scans + whole[starts[2] :]


def items(*parts):
    """Encapsulated pixel data of items, each with a length of its own, an offset table first."""
    return b"".join(b"\xfe\xff\x00\xe0" + struct.pack("<I", length) + value for length, value in parts)


def case(what, told, data, costly=False):
    return opened(KIND, what, told, data, costly=costly)


NATIVE = [
    case("Rows of 0", "Rows is 0; export the image again", native(Rows=0)),
    case("no Rows", "Rows is missing; export the image again", native(Rows=None)),
    case("two values of Columns", "Columns is missing; export the image again", native(lambda ds: (ds.__delattr__("Columns"), ds.add_new("Columns", "US", [120, 120])))),
    case("a picture of 65,535 x 65,535 pixels with the data of a small one", "65535 x 65535 pixels: more than 64 million, the limit for one picture", native(Rows=65535, Columns=65535), True),
    case("a picture of 64 million pixels with the data of a small one", "truncated: 38,400 of 128,000,000 bytes of pixel data; export it again", native(Rows=8000, Columns=8000), True),
    case("pixel data that are empty", "no pixel data (MG); if it is an image, export it again", native(PixelData=b"")),
    case("pixel data of one byte", "truncated: 2 of 38,400 bytes of pixel data; export it again", native(PixelData=b"\0")),
    case("cells of 1 bit", "BitsAllocated is 1 and BitsStored 1, a depth that cannot be read; export it again", native(BitsAllocated=1, BitsStored=1, HighBit=0)),
    case("cells of 12 bits", "BitsAllocated is 12 and BitsStored 12, a depth that cannot be read; export it again", native(BitsAllocated=12)),
    case("cells of 64 bits", "BitsAllocated is 64 and BitsStored 12, a depth that cannot be read; export it again", native(BitsAllocated=64)),
    case("cells of 0 bits", "BitsAllocated is 0 and BitsStored 12, a depth that cannot be read; export it again", native(BitsAllocated=0)),
    case("BitsStored above BitsAllocated", "BitsAllocated is 16 and BitsStored 17, a depth that cannot be read; export it again", native(BitsStored=17)),
    case("a HighBit of 40", "HighBit is 40 and BitsStored 12; the values are taken from bits 0 to 11.", native(HighBit=40)),
    case("a PixelRepresentation of 7", "PixelRepresentation is neither 0 nor 1; the values are read as unsigned.", native(PixelRepresentation=7)),
    case("300 million frames", "holds 300000000 frames; only single pictures are read", native(NumberOfFrames=300_000_000)),
    case("three samples for a pixel", "not a grey-scale picture (PhotometricInterpretation RGB, SamplesPerPixel 3); export it as one", native(SamplesPerPixel=3, PhotometricInterpretation="RGB")),
    case("a palette", "not a grey-scale picture (PhotometricInterpretation PALETTE COLOR, SamplesPerPixel 1); export it as one", native(PhotometricInterpretation="PALETTE COLOR")),
    case("no PhotometricInterpretation", "not a grey-scale picture (PhotometricInterpretation missing, SamplesPerPixel 1); export it as one", native(PhotometricInterpretation=None)),
]  # fmt: skip

ENCAPSULATED = [
    case("compressed pixel data without a frame", "damaged: its frame is not compressed as its header says; export it again", compressed(JPEG2000Lossless, b"", pixel_data=items((0, b"")))),
    case("a frame of no bytes", "damaged: its frame is not compressed as its header says; export it again", compressed(JPEG2000Lossless, b"", pixel_data=items((0, b""), (0, b"")))),
    case("a frame that says it has 4 GB", "damaged: its frame is not compressed as its header says; export it again", compressed(JPEG2000Lossless, b"", pixel_data=items((0, b""), (0xFFFFFFF0, b"abcd")))),
    case("an offset table of noise", "damaged: its frame is not compressed as its header says; export it again", compressed(JPEG2000Lossless, b"", pixel_data=items((8, b"\xff" * 8), (4, b"abcd")))),
    case("compressed data without items", "damaged: it cannot be read (ValueError); copy or export it again", lambda: compressed(JPEG2000Lossless, jpeg2000)().replace(b"\xfe\xff\x00\xe0", bytes(4))),
    case("a frame of zeros", "damaged: its frame is not compressed as its header says; export it again", compressed(JPEGLSLossless, bytes(5000))),
    case("a frame of noise", "damaged: its frame is not compressed as its header says; export it again", compressed(JPEGLosslessSV1, np.random.default_rng(3).bytes(5000))),
    case("a PNG as the frame", "damaged: its frame is not compressed as its header says; export it again", compressed(JPEGBaseline8Bit, lambda: imagecodecs.png_encode(EIGHT), 8)),
]  # fmt: skip

CODECS = [
    case("RLE with a header of noise", "its frame has 4294967295 RLE segments, its header needs 2; export it again", compressed(RLELossless, lambda: b"\xff" * 64 + rle()[64:])),
    case("RLE with 16 segments", "its frame has 16 RLE segments, its header needs 2; export it again", compressed(RLELossless, lambda: put(rle(), 0, struct.pack("<I", 16)))),
    case("RLE with a segment behind the end", "damaged: it cannot be read (ImcdError); copy or export it again", compressed(RLELossless, lambda: put(rle(), 8, struct.pack("<I", 10**9)))),
    case("RLE whose segments overlap backwards", "truncated: the compressed picture ends early; export or copy it again", compressed(RLELossless, lambda: put(rle(), 8, struct.pack("<I", 10)))),
    case("RLE of 8 bits in a file of 16", "its frame has 1 RLE segments, its header needs 2; export it again", compressed(RLELossless, lambda: struct.pack("<16I", 1, 64, *[0] * 14) + imagecodecs.packbits_encode(EIGHT.tobytes()))),
    case("JPEG of another size than its file", "its frame has 120 x 100 pixels, its header says 120 x 160; export it again", compressed(JPEGBaseline8Bit, lambda: imagecodecs.jpeg_encode(EIGHT[:100], level=90), 8)),
    case("JPEG in colour", "its frame has 3 colours, its header says 1; export it again", compressed(JPEGBaseline8Bit, lambda: imagecodecs.jpeg_encode(COLOUR, level=90), 8)),
    case("JPEG that says it has 65,535 x 65,535 pixels", "65535 x 65535 pixels: more than 64 million, the limit for one picture", compressed(JPEGBaseline8Bit, lambda: put_after(jpeg(), b"\xff\xc0", 5, b"\xff\xff\xff\xff"), 8, Rows=65535, Columns=65535), True),
    case("JPEG of 49 million pixels with 3,000 scans", "damaged: its compressed picture has more parts than any picture needs; export it again", compressed(JPEGBaseline8Bit, lambda: progressive(3000), 8, Rows=7000, Columns=7000), True),
    case("JPEG with a marker of length 0", "damaged: its compressed picture has bytes where a marker belongs; export it again", compressed(JPEGBaseline8Bit, lambda: put_after(jpeg(), b"\xff\xdb", 2, b"\0\0"), 8)),
    case("JPEG with a marker of length 1", "damaged: its compressed picture has bytes where a marker belongs; export it again", compressed(JPEGBaseline8Bit, lambda: put_after(jpeg(), b"\xff\xdb", 2, b"\0\1"), 8)),
    case("JPEG with two frames' headers", "damaged: its compressed picture has bytes where a marker belongs; export it again", compressed(JPEGBaseline8Bit, lambda: jpeg().replace(b"\xff\xda", jpeg()[jpeg().index(b"\xff\xc0") :][:19] + b"\xff\xda", 1), 8)),
    case("JPEG of arithmetic coding", "its compressed picture is arithmetic or hierarchical JPEG, which is not read; export it again", compressed(JPEGBaseline8Bit, lambda: jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1), 8)),
    case("JPEG of 12 bits that says 16", "damaged: it cannot be read (ValueError); copy or export it again", compressed(JPEGExtended12Bit, lambda: put_after(jpeg(12), b"\xff\xc1", 4, b"\x10"))),
    case("JPEG without a component", "its frame has 0 colours, its header says 1; export it again", compressed(JPEGBaseline8Bit, lambda: put_after(jpeg(), b"\xff\xc0", 9, b"\0"), 8)),
    case("JPEG with a sampling factor of 0", "damaged: it cannot be read (Jpeg8Error); copy or export it again", compressed(JPEGBaseline8Bit, lambda: put_after(jpeg(), b"\xff\xc0", 11, b"\0"), 8)),
    case("JPEG lossless with predictor 9", "truncated: a part of the compressed picture is missing; export or copy it again", compressed(JPEGLosslessSV1, lambda: put_after(lossless(), b"\xff\xda", 7, b"\x09"))),
    case("JPEG lossless with a point transform of 15", "truncated: a part of the compressed picture is missing; export or copy it again", compressed(JPEGLosslessSV1, lambda: put_after(lossless(), b"\xff\xda", 9, b"\x0f"))),
    case("JPEG lossless without its tables", "damaged: it cannot be read (Jpegsof3Error); copy or export it again", compressed(JPEGLosslessSV1, lambda: lossless().replace(b"\xff\xc4", b"\xff\xe9"))),
    case("JPEG lossless of 16 bits in a file of 8", "its frame has 12 bits, its header says 8; export it again", compressed(JPEGLosslessSV1, lossless, 8)),
    case("JPEG lossless of another size than its file", "its frame has 120 x 160 pixels, its header says 120 x 159; export it again", compressed(JPEGLosslessSV1, lossless, Rows=159)),
    case("JPEG-LS with a NEAR of 255", "damaged: it cannot be read (JpeglsError); copy or export it again", compressed(JPEGLSLossless, lambda: put_after(jpegls(), b"\xff\xda", 7, b"\xff"))),
    case("JPEG-LS of 60,000 x 60,000 pixels", "its frame has 60000 x 60000 pixels, its header says 120 x 160; export it again", compressed(JPEGLSLossless, lambda: put_after(jpegls(), b"\xff\xf7", 5, struct.pack(">HH", 60000, 60000))), True),
    case("JPEG-LS of 17 bits", "its frame has 17 bits, its header says 16; export it again", compressed(JPEGLSLossless, lambda: put_after(jpegls(), b"\xff\xf7", 4, b"\x11"))),
    case("JPEG-LS in colour", "its frame has 3 colours, its header says 1; export it again", compressed(JPEGLSLossless, lambda: jpegls(COLOUR), 8)),
    case("JPEG 2000 whose tiles have no size", "damaged: its compressed picture has no size; export it again", compressed(JPEG2000Lossless, lambda: put_after(jpeg2000(), b"\xff\x51", 22, bytes(8)))),
    case("JPEG 2000 of tiles of one pixel", "truncated: the compressed picture ends early; export or copy it again", compressed(JPEG2000Lossless, lambda: put_after(jpeg2000(), b"\xff\x51", 22, struct.pack(">II", 1, 1)))),
    case("JPEG 2000 of 4 billion columns", "truncated: the compressed picture ends early; export or copy it again", compressed(JPEG2000Lossless, lambda: put_after(jpeg2000(), b"\xff\x51", 4 + 2, b"\xff\xff\xff\xff")), True),
    case("JPEG 2000 whose picture ends before it begins", "damaged: its compressed picture has no size; export it again", compressed(JPEG2000Lossless, lambda: put_after(jpeg2000(), b"\xff\x51", 14, b"\xff\xff\xff\xff"))),
    case("JPEG 2000 with 16,384 components", "its frame has 16384 colours, its header says 1; export it again", compressed(JPEG2000Lossless, lambda: put_after(jpeg2000(), b"\xff\x51", 38, b"\x40\x00"))),
    case("JPEG 2000 of 38 bits", "its frame has 38 bits, its header says 16; export it again", compressed(JPEG2000Lossless, lambda: put_after(jpeg2000(), b"\xff\x51", 40, b"\x25"))),
    case("JPEG 2000 with 32 levels", "its frame has values of 16 bits, BitsStored is 12; export it again", compressed(JPEG2000Lossless, lambda: put_after(jpeg2000(), b"\xff\x52", 9, b"\x20"))),
    case("JPEG 2000 with code blocks of 2^60", "damaged: it cannot be read (Jpeg2kError); copy or export it again", compressed(JPEG2000Lossless, lambda: put_after(jpeg2000(), b"\xff\x52", 10, b"\x1e\x1e"))),
    case("JPEG 2000 without its quantisation", "damaged: it cannot be read (Jpeg2kError); copy or export it again", compressed(JPEG2000Lossless, lambda: jpeg2000().replace(b"\xff\x5c", b"\xff\x64", 1))),
    case("JPEG 2000 of 8 bits in colour", "its frame has 3 colours, its header says 1; export it again", compressed(JPEG2000Lossless, lambda: jpeg2000(COLOUR), 8)),
    case("a JP2 file with a box of length 0", "truncated: the compressed picture ends early; export or copy it again", compressed(JPEG2000Lossless, lambda: b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(8) + jpeg2000())),
    case("HTJ2K with noise for its code blocks", "damaged: it cannot be read (Htj2kError); copy or export it again", compressed(HTJ2KLossless, lambda: put(htj2k(), len(htj2k()) // 2, np.random.default_rng(4).bytes(600)))),
    case("HTJ2K under the name of JPEG-LS", "damaged: its frame is not compressed as its header says; export it again", compressed(JPEGLSLossless, lambda: htj2k()[:2] + b"\0" + htj2k()[3:])),
]  # fmt: skip

CASES = [*NATIVE, *ENCAPSULATED, *CODECS]
