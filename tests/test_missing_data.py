"""A picture of which a part is missing is refused: every codec, cut at many places, is refused or equal."""

import io
import struct

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image
from pydicom.encaps import encapsulate, fragment_frame, get_frame
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from mvmlm.imaging.decode_worker import answer
from mvmlm.imaging.frames import decode_frame
from mvmlm.imaging.limits import Unusable
from mvmlm.imaging.load import load_exam
from tests.traps.table import breast, mammogram, save

END = b"\xff\xd9"
#: with noise, so that no lost part can be guessed
PIXELS = breast() + np.random.default_rng(5).integers(0, 30, (160, 120)).astype(np.uint16)
EIGHT = (PIXELS >> 4).astype(np.uint8)


def fault(error):
    def raises(data):
        raise error

    return raises


def png_or_tiff(pixels, kind, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def restarting_jpeg():
    return cv2.imencode(".jpg", EIGHT, [cv2.IMWRITE_JPEG_QUALITY, 90, cv2.IMWRITE_JPEG_RST_INTERVAL, 7])[1].tobytes()


def tiled_jpeg2000():
    return png_or_tiff(EIGHT, "JPEG2000", no_jp2=True, tile_size=(64, 64))


#: what it is: (transfer syntax, frame, bits, lossy)
FRAMES = {
    "JPEG baseline": (JPEGBaseline8Bit, imagecodecs.jpeg_encode(EIGHT, level=90), 8, True),
    "JPEG with restart markers": (JPEGBaseline8Bit, restarting_jpeg(), 8, True),
    "JPEG 12 bits": (JPEGExtended12Bit, imagecodecs.jpeg_encode(PIXELS, level=90, bitspersample=12), 12, True),
    "JPEG lossless": (JPEGLosslessSV1, imagecodecs.ljpeg_encode(PIXELS, bitspersample=12), 12, False),
    "JPEG lossless, predictor 4": (
        JPEGLossless, imagecodecs.jpeg_encode(PIXELS, lossless=True, bitspersample=12, predictor=4), 12, False,
    ),
    "JPEG-LS": (JPEGLSLossless, imagecodecs.jpegls_encode(PIXELS), 12, False),
    "JPEG-LS near lossless": (JPEGLSNearLossless, imagecodecs.jpegls_encode(PIXELS, level=3), 12, True),
    "JPEG 2000": (JPEG2000Lossless, imagecodecs.jpeg2k_encode(PIXELS, level=0, reversible=True, codecformat="j2k"), 12, False),
    "JPEG 2000 in a JP2 file": (
        JPEG2000Lossless, imagecodecs.jpeg2k_encode(PIXELS, level=0, reversible=True, codecformat="jp2"), 12, False,
    ),
    "JPEG 2000 in tiles": (JPEG2000Lossless, tiled_jpeg2000(), 8, False),
    "JPEG 2000 irreversible": (JPEG2000, imagecodecs.jpeg2k_encode(PIXELS, level=80, codecformat="j2k"), 12, True),
    "HTJ2K": (HTJ2KLossless, imagecodecs.htj2k_encode(PIXELS), 12, False),
    "HTJ2K RPCL": (HTJ2KLosslessRPCL, imagecodecs.htj2k_encode(PIXELS), 12, False),
    "HTJ2K with loss": (HTJ2K, imagecodecs.htj2k_encode(PIXELS, level=0.001), 12, True),
}  # fmt: skip
PICTURES = {
    "JPEG": ("jpg", imagecodecs.jpeg_encode(EIGHT, level=90)),
    "colour JPEG": (
        "jpg",
        imagecodecs.jpeg_encode(np.stack([EIGHT, EIGHT, (EIGHT * 0.95).astype(np.uint8)], -1), level=90),
    ),
    "progressive JPEG": ("jpg", png_or_tiff(EIGHT, "JPEG", progressive=True)),
    "JPEG with restart markers": ("jpg", restarting_jpeg()),
    "PNG 8": ("png", png_or_tiff(EIGHT, "PNG")),
    "PNG 16": ("png", png_or_tiff(PIXELS, "PNG")),
    **{
        f"TIFF {compression} {pixels.dtype}": ("tif", png_or_tiff(pixels, "TIFF", compression=compression))
        for compression in (None, "tiff_lzw", "tiff_deflate", "packbits")
        for pixels in (PIXELS, EIGHT)
    },
    "TIFF jpeg": ("tif", png_or_tiff(EIGHT, "TIFF", compression="jpeg")),
}


def as_dicom(syntax, frame, bits, fragments=1):
    ds = mammogram(pixels=EIGHT if bits == 8 else PIXELS)
    pieces = list(fragment_frame(frame, fragments))
    ds.PixelData = encapsulate([frame], fragments_per_frame=len(pieces))
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = syntax
    return ds


def files_with_frames(path, syntax, bits):
    """A function that gives the bytes of the file of `as_dicom` for a frame: only the frame and its length differ."""
    probe = b"a frame of 20 letters"[:20]
    save(as_dicom(syntax, probe, bits), path)
    before, after = path.read_bytes().split(len(probe).to_bytes(4, "little") + probe)

    def file(frame):
        frame += b"\0" * (len(frame) % 2)
        return before + len(frame).to_bytes(4, "little") + frame + after

    return file


def read(path):
    """(rows, columns) values, or None where the header or the pixels are refused."""
    header, _ = answer({"request": "header", "path": str(path)})
    reply, raw = answer({"request": "pixels", "path": str(path)})
    if "unusable" in header or "unusable" in reply:
        assert "unusable" not in reply or reply["unusable"]
        return None
    return np.frombuffer(raw, reply["dtype"]).reshape(reply["shape"])


def places(length, first=20):
    """Many places, and every one of the last 24 bytes."""
    return sorted({*range(first, length, max(1, length // 60)), *range(length - 24, length)})


@pytest.mark.parametrize("codec", FRAMES)
def test_every_codec_is_read_and_says_whether_it_loses_anything(tmp_path, codec):
    syntax, frame, bits, lossy = FRAMES[codec]
    save(as_dicom(syntax, frame, bits), tmp_path / "a.dcm")
    header, _ = answer({"request": "header", "path": str(tmp_path / "a.dcm")})
    pixels, original = read(tmp_path / "a.dcm"), EIGHT if bits == 8 else PIXELS
    assert header["header"]["lossy"] is lossy
    difference = np.abs(pixels.astype(int) - original).max()
    assert difference == 0 if not lossy else 0 < difference < 120


@pytest.mark.parametrize("codec", FRAMES)
def test_the_files_own_word_lossless_does_not_hide_a_lossy_coding(tmp_path, codec):
    syntax, frame, bits, lossy = FRAMES[codec]
    ds = as_dicom(syntax, frame, bits)
    ds.LossyImageCompression = "00"
    save(ds, tmp_path / "a.dcm")
    assert answer({"request": "header", "path": str(tmp_path / "a.dcm")})[0]["header"]["lossy"] is lossy


@pytest.mark.parametrize("end", [b"", END], ids=["cut", "cut and closed"])
@pytest.mark.parametrize("codec", FRAMES)
def test_a_cut_frame_is_refused_or_equal(tmp_path, codec, end):
    syntax, frame, bits, _ = FRAMES[codec]
    save(as_dicom(syntax, frame, bits), tmp_path / "whole.dcm")
    whole = read(tmp_path / "whole.dcm")
    file = files_with_frames(tmp_path / "cut.dcm", syntax, bits)
    assert file(frame) == (tmp_path / "whole.dcm").read_bytes()
    refused = 0
    for place in places(len(frame)):
        (tmp_path / "cut.dcm").write_bytes(file(frame[:place] + end))
        got = read(tmp_path / "cut.dcm")
        refused += got is None
        if codec.startswith("JPEG-LS") and end and place == len(frame) - 3:
            continue  # one byte lost and the end marker forged: the codec takes the last pixel's bits from the marker
        assert got is None or np.array_equal(got, whole), f"cut at {place} of {len(frame)}"
    assert refused > 50


def test_the_codec_that_reads_on_behind_its_data_finds_room_for_every_pixel_there(monkeypatch):
    given, decode = [], imagecodecs.jpegsof3_decode
    monkeypatch.setattr(imagecodecs, "jpegsof3_decode", lambda data: given.append(data) or decode(data))
    monkeypatch.setattr(imagecodecs, "ljpeg_decode", fault(imagecodecs.LjpegError("x", 1)))
    frame = FRAMES["JPEG lossless, predictor 4"][1]
    assert np.array_equal(decode_frame(frame, *PIXELS.shape), PIXELS)
    with pytest.raises(Unusable, match="ends early"):
        decode_frame(frame[: len(frame) // 20] + END, *PIXELS.shape)
    assert len(given) == 4
    for data in given:
        assert not any(data[-4 * PIXELS.size :]), "a pixel takes at most a code of 16 bits and a difference of 16"


@pytest.mark.parametrize("codec", FRAMES)
def test_a_lost_fragment_is_refused(tmp_path, codec):
    syntax, frame, bits, _ = FRAMES[codec]
    whole = as_dicom(syntax, frame, bits, fragments=5)
    save(whole, tmp_path / "whole.dcm")
    assert read(tmp_path / "whole.dcm") is not None, "several fragments are one frame"
    pieces = list(fragment_frame(frame, 5))
    for lost in range(5):
        save(as_dicom(syntax, b"".join(p for i, p in enumerate(pieces) if i != lost), bits), tmp_path / "lost.dcm")
        assert read(tmp_path / "lost.dcm") is None, f"fragment {lost}"


SYNTAXES = ("uncompressed", "deflated", "RLE", *FRAMES)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_cut_file_is_refused_or_equal(tmp_path, syntax):
    if syntax in FRAMES:
        ds = as_dicom(*FRAMES[syntax][:3], fragments=3)
    else:
        ds = mammogram(pixels=PIXELS)
        ds.file_meta.TransferSyntaxUID = (
            DeflatedExplicitVRLittleEndian if syntax == "deflated" else ExplicitVRLittleEndian
        )
        if syntax == "RLE":
            ds.compress(RLELossless)
    save(ds, tmp_path / "whole.dcm")
    data, whole = (tmp_path / "whole.dcm").read_bytes(), read(tmp_path / "whole.dcm")
    assert whole is not None
    for place in places(len(data), 132):
        (tmp_path / "cut.dcm").write_bytes(data[:place])
        got = read(tmp_path / "cut.dcm")
        assert got is None or np.array_equal(got, whole), f"cut at {place} of {len(data)}"


def test_an_rle_frame_with_a_short_segment_is_refused(tmp_path):
    ds = mammogram(pixels=PIXELS)
    ds.compress(RLELossless)
    frame = get_frame(ds.PixelData, 0, number_of_frames=1)
    second = struct.unpack_from("<16I", frame)[2]
    for lost in (2, 5, 50):  # the padding to an even length would stand for a single byte
        first_short = bytearray(frame[: second - lost] + frame[second:])
        struct.pack_into("<I", first_short, 8, second - lost)
        for short in (frame[: len(frame) - lost], bytes(first_short)):
            ds.PixelData = encapsulate([short])
            save(ds, tmp_path / "short.dcm")
            got = read(tmp_path / "short.dcm")
            assert got is None or np.array_equal(got, PIXELS), lost


@pytest.mark.parametrize("name", PICTURES)
def test_a_cut_picture_is_refused_or_equal(tmp_path, name):
    kind, data = PICTURES[name]
    (tmp_path / f"whole.{kind}").write_bytes(data)
    whole = read(tmp_path / f"whole.{kind}")
    assert whole is not None and whole.shape == PIXELS.shape
    for place in places(len(data)):
        for end in (b"", END) if kind == "jpg" else (b"",):
            (tmp_path / f"cut.{kind}").write_bytes(data[:place] + end)
            got = read(tmp_path / f"cut.{kind}")
            assert got is None or np.array_equal(got, whole), f"cut at {place} of {len(data)}"


@pytest.mark.parametrize("field, value", [(273, 0), (273, 10**6), (279, 0), (279, 700)])
def test_a_tiff_without_one_of_its_strips_is_refused(tmp_path, field, value):
    data = bytearray(png_or_tiff(PIXELS, "TIFF", tiffinfo={278: 40}))  # 278: rows of a strip
    with Image.open(io.BytesIO(bytes(data))) as picture:
        assert len(picture.tag_v2[273]) == 4
    directory = struct.unpack_from("<I", data, 4)[0]
    for index in range(struct.unpack_from("<H", data, directory)[0]):
        tag, kind, _, place = struct.unpack_from("<HHII", data, directory + 2 + 12 * index)
        if tag == field:
            code = {3: "<H", 4: "<I"}[kind]
            struct.pack_into(
                code, data, place + 2 * struct.calcsize(code), min(value, 2 ** (8 * struct.calcsize(code)) - 1)
            )
    (tmp_path / "R_CC.tif").write_bytes(bytes(data))
    assert read(tmp_path / "R_CC.tif") is None


def test_a_truncated_jpeg_is_set_aside_and_the_other_views_are_read(tmp_path, decoder):
    data = PICTURES["JPEG"][1]
    (tmp_path / "R_CC.jpg").write_bytes(data[: len(data) * 424 // 1024] + END)
    (tmp_path / "L_CC.jpg").write_bytes(data)
    exam = load_exam(tmp_path, decoder=decoder)
    assert [str(name) for name in exam.views] == ["L_CC"]
    assert [(item.file, item.code) for item in exam.set_aside] == [("R_CC.jpg", "truncated")]


def test_more_pixel_data_than_the_header_describes_is_refused(tmp_path):
    ds = mammogram(pixels=PIXELS, Rows=150)
    save(ds, tmp_path / "long.dcm")
    assert read(tmp_path / "long.dcm") is None
    ds = mammogram(pixels=PIXELS)
    ds.PixelData += b"\0\0"
    save(ds, tmp_path / "padded.dcm")
    assert np.array_equal(read(tmp_path / "padded.dcm"), PIXELS)
