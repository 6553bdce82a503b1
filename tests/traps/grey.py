"""Traps about grey levels: each right one is held to a computation written here, without the program's own modules."""

import io
import struct

import imagecodecs
import numpy as np
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2K,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
)

from mvmlm.exam import SpacingKind
from mvmlm.imaging.voi import render

from .table import Trap, breast, dicom, mammogram, marked, refused, right

WALL_RIGHT = breast(chest_wall_left=False)  # of R_CC: 20 outside the breast, 1500 to 2390 inside
STORED = WALL_RIGHT.astype(float)
SIGNED = (WALL_RIGHT.astype(int) - 2048).astype(np.int16)
NO_WINDOW = {"WindowCenter": None, "WindowWidth": None}


def shows(expected, values=None, **facts):
    """A check that a view is rendered as `expected`, (rows, columns) 0..1, that it has the values and the facts."""

    def check(view):
        rendered = np.abs(render(view) / 65535 - np.clip(expected, 0, 1)).max() < 2e-5 if expected is not None else True
        same = values is None or np.allclose(view.pixels, values, rtol=1e-6)
        return bool(rendered and same and all(getattr(view, name) == value for name, value in facts.items()))

    return check


def linear(values, center, width):
    """PS3.3 C.11.2.1.2.1."""
    return (values - (center - 0.5)) / (width - 1) + 0.5


def between(values, low, high):
    return (values - low) / (high - low)


def table(values, entries, first, bits):
    """PS3.3 C.11.2.1.1: values beyond the table get its first or last entry."""
    index = np.clip(np.asarray(values, int) - first, 0, len(entries) - 1)
    return np.asarray(entries, float)[index] / (2**bits - 1)


RAISED = np.round(4095 * np.linspace(0, 1, 3000) ** 0.7).astype(int)  # from value 0 on
SHOWN = table(STORED, RAISED, 0, 12)
PLAIN = linear(STORED, 2048, 4096)


def lut(descriptor, data, vr="US", data_vr="OW"):
    """An item of VOILUTSequence or ModalityLUTSequence, whatever its values are; None leaves an attribute out."""
    item = Dataset()
    if descriptor is not None:
        item.add_new("LUTDescriptor", vr, descriptor)
    if data is not None:
        item.add_new("LUTData", data_vr, data)
    return item


def words(entries, order="<"):
    return np.asarray(entries).astype(f"{order}u2").tobytes()


def voi(*items, **more):
    return {"VOILUTSequence": list(items), **more}


def in_syntax(uid):
    return lambda ds: setattr(ds.file_meta, "TransferSyntaxUID", uid)


def big_endian(what, expected, **attributes):
    """A trap of one file in big endian; the bytes of its LUTs are big endian already."""

    def build(folder):
        ds, file = mammogram(**attributes), Dataset()
        file.update({element.tag: element for element in ds})
        file.file_meta, file.preamble = ds.file_meta, ds.preamble
        file.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        file.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        file.save_as(folder / "trap.dcm", implicit_vr=False, little_endian=False, enforce_file_format=True)

    return Trap(what, expected, build)


def signed(ds):
    ds.PixelRepresentation = 1
    ds.PixelData = (SIGNED & 0xFFF).astype("<u2").tobytes()


def signed_with_padding(ds):
    signed(ds)
    ds.add_new("PixelPaddingValue", "US", 65536 - 2028)


def signed_in(uid):
    def edit(ds):
        signed(ds)
        in_syntax(uid)(ds)

    return edit


def text_values(**values):
    """Attributes of decimal strings as a device might write them, past pydicom's own checks."""

    def edit(ds):
        for keyword, value in values.items():
            ds.pop(keyword, None)
            element = Dataset()
            element.add_new(keyword, "LO", value)
            element = element[keyword]
            element.VR = "LO"
            ds[element.tag] = element

    return edit


def cells(values, **attributes):
    """Other cells of 16 bits, and other attributes."""

    def edit(ds):
        ds.PixelData = np.asarray(values).astype("<u2").tobytes()
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)

    return edit


def overlay(ds):
    ds.add_new(0x60000010, "US", 160)
    ds.add_new(0x60000011, "US", 120)
    ds.add_new(0x60000040, "CS", "G")
    ds.add_new(0x60000050, "SS", [1, 1])
    ds.add_new(0x60000100, "US", 16)
    ds.add_new(0x60000102, "US", 15)
    ds.PixelData = (WALL_RIGHT | ((WALL_RIGHT > 2000).astype(np.uint16) << 15)).tobytes()


def compressed(uid, frame):
    def edit(ds):
        ds.PixelData = encapsulate([frame])
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = uid
        if frame[:2] == b"\xff\xd8" and uid == JPEGBaseline8Bit:
            ds.BitsAllocated = ds.BitsStored = 8
            ds.HighBit = 7

    return edit


def thirty_two_bits(ds):
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 32, 32, 31
    raw = 4_000_000_000 * np.exp(-STORED / 500)
    ds.PixelData = raw.astype("<u4").tobytes()


def tiff(pixels, photometric):
    """A TIFF of one strip, written by hand: bits, photometric interpretation, strip."""
    rows, columns = pixels.shape
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    tags = [(256, columns), (257, rows), (258, 8 * pixels.dtype.itemsize), (259, 1), (262, photometric), (273, 8)]
    tags += [(277, 1), (278, rows), (279, len(data))]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory + bytes(4)


def picture(what, expected, data, file):
    return Trap(what, expected, lambda folder: (folder / file).write_bytes(data), file)


def broken_sequence(keyword):
    """A sequence of which the items are noise."""

    def edit(ds):
        element = Dataset()
        element.add_new(keyword, "SQ", [])
        tag = element[keyword].tag
        ds[tag] = RawDataElement(tag, "SQ", 8, b"\x01\x02\x03\x04\xff\xff\x00\x01", 0, False, True)

    return edit


def signed_jpeg2000(ds):
    compressed(JPEG2000Lossless, imagecodecs.jpeg2k_encode(SIGNED, level=0, reversible=True, codecformat="j2k"))(ds)


def mislabelled(ds):
    compressed(JPEGLSLossless, imagecodecs.jpegls_encode(WALL_RIGHT))(ds)
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian


def cut_jpeg(ds):
    frame = imagecodecs.jpeg_encode((WALL_RIGHT >> 4).astype(np.uint8), level=95)
    compressed(JPEGBaseline8Bit, frame[: len(frame) * 2 // 5] + b"\xff\xd9")(ds)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def spacing(kind, mm):
    return lambda view: view.spacing.kind is kind and abs(view.spacing.row_mm - mm) < 1e-9


FULL = between(STORED, 0, 4095)
MODALITY = np.round(np.linspace(40000, 100, 4096)).astype(int)  # falls, and never reaches its ends
RESCALED = STORED * 4 - 1000
GREY_8 = (WALL_RIGHT >> 4).astype(np.uint8)


def pillow(*channels):
    """The bytes of a PNG of two (grey, alpha) or three (colour) channels of 8 bits."""
    out, parts = io.BytesIO(), [Image.fromarray(channel.astype(np.uint8)) for channel in channels]
    Image.merge("LA" if len(parts) == 2 else "RGB", parts).save(out, "PNG")
    return out.getvalue()


def fractions(ds):
    ds.add_new("FloatPixelData", "OF", (STORED / 4095).astype("<f4").tobytes())
    del ds.PixelData
    ds.BitsAllocated = 32


TABLES = [
    dicom("a VOI LUT of 12 bits", right(check=shows(SHOWN)), **voi(lut([3000, 0, 12], words(RAISED)))),
    dicom("a VOI LUT in implicit VR", right(check=shows(SHOWN)), in_syntax(ImplicitVRLittleEndian), **voi(lut([3000, 0, 12], words(RAISED)))),
    big_endian("a VOI LUT in big endian, its data as OW", right(check=shows(SHOWN)), **voi(lut([3000, 0, 12], words(RAISED, ">")))),
    big_endian("a VOI LUT in big endian, its data as US", right(check=shows(SHOWN)), **voi(lut([3000, 0, 12], RAISED.tolist(), data_vr="US"))),
    dicom("a VOI LUT whose data are US", right(check=shows(SHOWN)), **voi(lut([3000, 0, 12], RAISED.tolist(), data_vr="US"))),
    dicom("a VOI LUT that begins at -2048, as SS", right(check=shows(SHOWN, SIGNED)), signed, **voi(lut([3000, -2048, 12], words(RAISED), vr="SS"), WindowCenter=0)),
    dicom("a VOI LUT that begins at -2048, written as US 63488", right(check=shows(SHOWN, SIGNED)), signed, **voi(lut([3000, 63488, 12], words(RAISED)), WindowCenter=0)),
    dicom("a VOI LUT that begins at -2048, in implicit VR", right(check=shows(SHOWN, SIGNED)), signed_in(ImplicitVRLittleEndian), **voi(lut([3000, -2048, 12], words(RAISED), vr="SS"), WindowCenter=0)),
    dicom("a VOI LUT for values of -1024 and more after a rescale of unsigned ones", right(check=shows(table(STORED, RAISED, 0, 12), STORED - 1024)),
          **voi(lut([3000, 64512, 12], words(RAISED)), RescaleSlope=1, RescaleIntercept=-1024)),
    dicom("a VOI LUT of 65536 entries, which is written as 0", right(check=shows(table(STORED, np.arange(65536) * 16 % 65536, 0, 16))),
          **voi(lut([0, 0, 16], words(np.arange(65536) * 16 % 65536)))),
    dicom("a VOI LUT of 8 bits in bytes", right(check=shows(table(STORED, RAISED >> 4, 0, 8))), **voi(lut([3000, 0, 8], (RAISED >> 4).astype("u1").tobytes()))),
    dicom("a VOI LUT of 8 bits in 16-bit words", right(check=shows(table(STORED, RAISED >> 4, 0, 8))), **voi(lut([3000, 0, 8], words(RAISED >> 4)))),
    big_endian("a VOI LUT of 8 bits in bytes, in big endian", right(check=shows(table(STORED, RAISED >> 4, 0, 8))), **voi(lut([3000, 0, 8], (RAISED >> 4).astype("u1").view("<u2").astype(">u2").tobytes()))),
    dicom("a VOI LUT of 8 bits and an odd number of entries, padded", right(check=shows(table(STORED, RAISED[:2999] >> 4, 0, 8))),
          **voi(lut([2999, 0, 8], (RAISED[:2999] >> 4).astype("u1").tobytes() + b"\0"))),
    dicom("a VOI LUT whose descriptor has two values", marked("voi-lut", check=shows(PLAIN)), **voi(lut([3000, 12], words(RAISED)))),
    dicom("an empty item beside a VOI LUT", marked("voi-lut", check=shows(SHOWN)), **voi(Dataset(), lut([3000, 0, 12], words(RAISED)))),
    dicom("a VOI LUT without data", marked("voi-lut", check=shows(PLAIN)), **voi(lut([3000, 0, 12], None))),
    dicom("a VOI LUT with half of its entries", marked("voi-lut", check=shows(PLAIN)), **voi(lut([3000, 0, 12], words(RAISED[:1500])))),
    dicom("a VOI LUT with more entries than its descriptor says", marked("voi-lut", check=shows(table(STORED, RAISED[:2300], 0, 12))), **voi(lut([2300, 0, 12], words(RAISED)))),
    dicom("a VOI LUT of 12 bits that says 16", marked("voi-lut", check=shows(SHOWN)), **voi(lut([3000, 0, 16], words(RAISED)))),
    dicom("a VOI LUT of 12 bits that says 8", marked("voi-lut", check=shows(SHOWN)), **voi(lut([3000, 0, 8], words(RAISED)))),
    dicom("a VOI LUT of 12 bits that says 0", marked("voi-lut", check=shows(SHOWN)), **voi(lut([3000, 0, 0], words(RAISED)))),
    dicom("a VOI LUT that begins far above all values", marked("window-range", check=shows(PLAIN)), **voi(lut([3000, 30000, 12], words(RAISED)))),
    dicom("two hundred VOI LUTs", marked("voi-lut", check=shows(SHOWN)), **voi(*[lut([3000, 0, 12], words(RAISED))] * 200)),
]  # fmt: skip
MODALITIES = [
    dicom("a modality LUT and no window", right(check=shows(between(MODALITY[WALL_RIGHT], MODALITY[20], MODALITY[2390]), MODALITY[WALL_RIGHT])),
          ModalityLUTSequence=[lut([4096, 0, 16], words(MODALITY))], PhotometricInterpretation="MONOCHROME1", **NO_WINDOW),
    dicom("a modality LUT in implicit VR, and a window for its values", right(check=shows(1 - linear(MODALITY[WALL_RIGHT].astype(float), 25000, 30000))), in_syntax(ImplicitVRLittleEndian),
          ModalityLUTSequence=[lut([4096, 0, 16], words(MODALITY))], WindowCenter=25000, WindowWidth=30000, PhotometricInterpretation="MONOCHROME1"),
    dicom("a modality LUT whose descriptor has two values", marked("modality-lut", check=shows(FULL, STORED)), ModalityLUTSequence=[lut([4096, 0], words(MODALITY))], WindowCenter=25000, WindowWidth=30000),
    dicom("a modality LUT beside a rescale", marked("modality-lut", check=shows(None, MODALITY[WALL_RIGHT])), ModalityLUTSequence=[lut([4096, 0, 16], words(MODALITY))],
          RescaleSlope=2, RescaleIntercept=7, **NO_WINDOW),
    dicom("a slope of 4 and no window", right(check=shows(between(RESCALED, RESCALED.min(), RESCALED.max()), RESCALED)), RescaleSlope=4, RescaleIntercept=-1000, **NO_WINDOW),
    dicom("a slope of 4 without intercept and no window", right(check=shows(between(STORED, 20, 2390), STORED * 4)), RescaleSlope=4, RescaleIntercept=0, **NO_WINDOW),
    dicom("a fractional slope and no window", right(check=shows(between(STORED, 20, 2390), STORED * 0.25 + 3)), RescaleSlope=0.25, RescaleIntercept=3, **NO_WINDOW),
    dicom("a fractional slope with a window for its values", right(check=shows(linear(STORED * 0.25, 512, 1024))), RescaleSlope=0.25, RescaleIntercept=0, WindowCenter=512, WindowWidth=1024),
    dicom("a negative slope, and MONOCHROME1", right(check=shows(between(STORED, 20, 2390))), RescaleSlope=-1, RescaleIntercept=4095, PhotometricInterpretation="MONOCHROME1", **NO_WINDOW),
    dicom("a slope of 0.5 with a decimal comma", marked("rescale", check=shows(FULL, STORED)), text_values(RescaleSlope="0,5", RescaleIntercept="0")),
    dicom("a modality LUT sequence of noise", marked("modality-lut", check=shows(FULL, STORED)), broken_sequence("ModalityLUTSequence")),
    dicom("a VOI LUT sequence of noise", marked("voi-lut", check=shows(PLAIN, STORED)), broken_sequence("VOILUTSequence")),
    dicom("two slopes", marked("rescale", check=shows(FULL, STORED)), text_values(RescaleSlope="1\\2", RescaleIntercept="0")),
    dicom("a slope of 0", marked("rescale", check=shows(FULL, STORED)), RescaleSlope=0, RescaleIntercept=0),
    dicom("a slope of 1e30", marked("rescale", check=shows(FULL, STORED)), RescaleSlope="1e30", RescaleIntercept=0),
    dicom("padding after a fractional rescale, one step below a value", right(check=lambda v: not render(v)[WALL_RIGHT == 20].any() and render(v)[WALL_RIGHT == 1500].all()),
          cells(np.where(WALL_RIGHT == 1510, 21, WALL_RIGHT)), RescaleSlope=0.25, RescaleIntercept=0.1, PixelPaddingValue=20, WindowCenter=300, WindowWidth=1200),
]  # fmt: skip
WINDOWS = [
    dicom("a SIGMOID window", right(check=shows(1 / (1 + np.exp(-4 * (STORED - 1900) / 800)))), VOILUTFunction="SIGMOID", WindowCenter=1900, WindowWidth=800),
    dicom("a LINEAR_EXACT window", right(check=shows((STORED - 1900) / 1200 + 0.5)), VOILUTFunction="LINEAR_EXACT", WindowCenter=1900, WindowWidth=1200),
    dicom("a VOI LUT function that nobody knows", marked("voi-function", check=shows(PLAIN)), VOILUTFunction="CUBIC"),
    dicom("the window of a CT", marked("window-range", check=shows(FULL)), WindowCenter=40, WindowWidth=400),
    dicom("the window of a CT before one of its own", marked("window-range", check=shows(linear(STORED, 1900, 1200))), WindowCenter=[40, 1900], WindowWidth=[400, 1200]),
    dicom("a window for 16 bits on 12", marked("window-range", check=shows(FULL)), WindowCenter=32768, WindowWidth=65536),
    dicom("a decimal comma in the first of two windows", marked("window", check=shows(linear(STORED, 1900, 1200))), text_values(WindowCenter="2047,5\\1900", WindowWidth="4096\\1200")),
    dicom("a decimal comma in the only window", marked("window", check=shows(FULL)), text_values(WindowCenter="2047,5", WindowWidth="4096")),
    dicom("three centres and two widths", marked("window", check=shows(PLAIN)), WindowCenter=[2048, 1900, 1800], WindowWidth=[4096, 1200]),
    dicom("a window of width 0", marked("window", check=shows(FULL)), WindowWidth=0),
    dicom("a LINEAR window of width 0.5 on values of 0 to 0.5", marked("window", check=shows(STORED / 4096)), RescaleSlope=1 / 8192, RescaleIntercept=0, WindowCenter=0.25, WindowWidth=0.5),
    dicom("no window: the range of BitsStored", right(check=shows(FULL)), **NO_WINDOW),
]  # fmt: skip
BITS = [
    dicom("PresentationLUTShape INVERSE on MONOCHROME2", marked("polarity", check=shows(1 - PLAIN)), PresentationLUTShape="INVERSE"),
    dicom("PresentationLUTShape IDENTITY on MONOCHROME1", marked("polarity", check=shows(linear(STORED, 2048, 4096))), cells(4095 - WALL_RIGHT), PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="IDENTITY"),
    dicom("PresentationLUTShape INVERSE on MONOCHROME1: inverted once", right(check=shows(linear(STORED, 2048, 4096))), cells(4095 - WALL_RIGHT), PhotometricInterpretation="MONOCHROME1", PresentationLUTShape="INVERSE"),
    dicom("values in the upper 12 of 16 bits, HighBit 15", marked("high-bit", check=shows(PLAIN, STORED)), cells(WALL_RIGHT << 4), HighBit=15),
    dicom("an overlay in bit 15", right(check=shows(PLAIN, STORED)), overlay),
    dicom("bits above BitsStored that nothing explains", marked("unused-bits", check=shows(PLAIN, STORED)), cells(WALL_RIGHT | ((WALL_RIGHT > 2000).astype(np.uint16) << 13))),
    dicom("signed values whose unused bits repeat the sign", right(check=shows(linear(STORED - 2048.0, 0, 4096), SIGNED)), cells(SIGNED), PixelRepresentation=1, WindowCenter=0),
    dicom("signed values whose unused bits are empty", right(check=shows(linear(STORED - 2048.0, 0, 4096), SIGNED)), signed, WindowCenter=0),
    dicom("BitsStored missing", marked("bits-stored", check=shows(PLAIN, STORED)), BitsStored=None, HighBit=None),
    dicom("PixelRepresentation missing", marked("sign", check=shows(PLAIN, STORED)), PixelRepresentation=None),
    dicom("HighBit missing", right(check=shows(PLAIN, STORED)), HighBit=None),
    dicom("padding that is the whole picture", marked("padding", check=shows(PLAIN)), PixelPaddingValue=0, PixelPaddingRangeLimit=4095),
    dicom("padding of a value of tissue", marked("padding"), PixelPaddingValue=1800),
    dicom("padding of the background", right(check=shows(np.where(WALL_RIGHT == 20, 0, PLAIN))), PixelPaddingValue=20),
    dicom("negative padding in signed values, written as unsigned", right(check=shows(np.where(WALL_RIGHT == 20, 0, linear(STORED - 2048.0, 0, 4096)))), signed_with_padding, WindowCenter=0),
    dicom("raw data of 32 bits", right(check=lambda v: v.pixels.dtype == np.uint32 and render(v)[WALL_RIGHT == 20].max() < render(v)[WALL_RIGHT == 2390].min()),
          thirty_two_bits, PresentationIntentType="FOR PROCESSING", PhotometricInterpretation="MONOCHROME1"),
]  # fmt: skip
CODED = [
    dicom("JPEG 2000 with loss as JPEG 2000 lossless", right(check=lambda v: v.lossy), compressed(JPEG2000Lossless, imagecodecs.jpeg2k_encode(WALL_RIGHT, level=80, codecformat="j2k")), LossyImageCompression="00"),
    dicom("JPEG-LS near lossless as lossless", right(check=lambda v: v.lossy), compressed(JPEGLSLossless, imagecodecs.jpegls_encode(WALL_RIGHT, level=2)), LossyImageCompression="00"),
    dicom("HTJ2K", right(check=shows(PLAIN, STORED, lossy=False)), compressed(HTJ2KLossless, imagecodecs.htj2k_encode(WALL_RIGHT))),
    dicom("HTJ2K with loss", right(check=lambda v: v.lossy), compressed(HTJ2K, imagecodecs.htj2k_encode(WALL_RIGHT, level=0.001))),
    dicom("12 bits used of 16, and no window", marked("dark"), BitsAllocated=16, BitsStored=16, HighBit=15, **NO_WINDOW),
    dicom("12 bits used of 16, and a window", right(), BitsAllocated=16, BitsStored=16, HighBit=15, WindowCenter=1900, WindowWidth=1200),
    dicom("a JPEG of 8 bits in a file of 12", marked("bits-stored", check=shows(None, bits=8)), compressed(JPEGLSLossless, imagecodecs.jpegls_encode((WALL_RIGHT >> 4).astype(np.uint8)))),
    dicom("values of 12 bits in a file of 10", refused("bits-stored"), compressed(JPEGLSLossless, imagecodecs.jpegls_encode(WALL_RIGHT)), BitsStored=10, HighBit=9),
    dicom("signed JPEG 2000 in an unsigned file", marked("sign", check=shows(linear(STORED - 2048, 0, 4096), SIGNED)), signed_jpeg2000, WindowCenter=0),
    dicom("compressed data that the transfer syntax calls uncompressed", refused("transfer-syntax"), mislabelled),
    dicom("a JPEG that ends after two fifths and is closed", refused("truncated"), cut_jpeg),
    dicom("pixel data without their last row", refused("truncated"), lambda ds: setattr(ds, "PixelData", ds.PixelData[:-240])),
    dicom("16-bit cells that the header calls 8-bit", refused("pixel-data-size"), BitsAllocated=8, BitsStored=8, HighBit=7),
    picture("a 16-bit TIFF in which zero is white", right(check=shows(between(STORED, 0, 4095))), tiff(4095 - WALL_RIGHT, 0), "R_CC.tif"),
    picture("an 8-bit TIFF in which zero is white", right(check=shows((WALL_RIGHT >> 4) / 255)), tiff(255 - (WALL_RIGHT >> 4).astype(np.uint8), 0), "R_CC.tif"),
    picture("an ordinary 16-bit TIFF", right(check=shows(FULL)), tiff(WALL_RIGHT, 1), "R_CC.tif"),
    picture("a PNG that hides its background behind transparency", refused("unreadable"), pillow(GREY_8, np.where(GREY_8 < 5, 0, 255)), "R_CC.png"),
    picture("a PNG with its grey levels in the transparency", refused("unreadable"), pillow(np.full_like(GREY_8, 255), GREY_8), "R_CC.png"),
    picture("a PNG with transparency that hides nothing", right(check=shows(GREY_8 / 255)), pillow(GREY_8, np.full_like(GREY_8, 255)), "R_CC.png"),
    picture("a PNG in false colours", refused("unreadable"), pillow(GREY_8, np.zeros_like(GREY_8), 255 - GREY_8), "R_CC.png"),
    picture("a PNG with a coloured mark", refused("unreadable"), pillow(GREY_8, np.where(GREY_8 > 140, 0, GREY_8), GREY_8), "R_CC.png"),
    picture("a tinted film", right(), pillow(GREY_8, GREY_8, (GREY_8 * 0.95).astype(np.uint8)), "R_CC.png"),
    dicom("pixel data of fractions", refused("other-object"), fractions),
    picture("a PNG that ends after two thirds", refused("truncated"), png(WALL_RIGHT)[:-700], "R_CC.png"),
]  # fmt: skip
SPACINGS = [
    dicom("the spacing of the detector", right(check=spacing(SpacingKind.DETECTOR, 0.07))),
    dicom("a spacing calibrated on an object of known size", right(check=spacing(SpacingKind.CALIBRATED, 0.06)), PixelSpacing=[0.06, 0.06], PixelSpacingCalibrationType="FIDUCIAL"),
    dicom("a PixelSpacing other than that of the detector", right(check=spacing(SpacingKind.CALIBRATED, 0.06)), PixelSpacing=[0.06, 0.06]),
    dicom("a PixelSpacing equal to that of the detector", right(check=spacing(SpacingKind.DETECTOR, 0.07)), PixelSpacing=["0.0700", "7e-2"]),
    dicom("the nominal spacing of a scanned film", right(check=spacing(SpacingKind.NOMINAL, 0.05)), ImagerPixelSpacing=None, NominalScannedPixelSpacing=[0.05, 0.05], PixelSpacing=[0.05, 0.05]),
    dicom("a PixelSpacing alone, which may mean anything", right(check=spacing(SpacingKind.UNSPECIFIED, 0.06)), ImagerPixelSpacing=None, PixelSpacing=[0.06, 0.06]),
    dicom("pixels twice as long as wide", marked("oblong-pixels"), ImagerPixelSpacing=[0.14, 0.07]),
    dicom("an aspect ratio of pixels and no spacing", marked("oblong-pixels"), ImagerPixelSpacing=None, PixelAspectRatio=[1, 2]),
    dicom("an aspect ratio of one", right(), ImagerPixelSpacing=None, PixelAspectRatio=[1, 1]),
    dicom("a spacing with a decimal comma", marked("spacing", check=lambda v: v.spacing is None), text_values(ImagerPixelSpacing="0,07\\0,07")),
]  # fmt: skip
TRAPS = [*TABLES, *MODALITIES, *WINDOWS, *BITS, *CODED, *SPACINGS]
