"""PNG, TIFF and JPEG pictures: the header and the pixels of one untrusted file, turned upright as the file says."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
from PIL import Image, TiffImagePlugin

from .codestream import read_codestream
from .file_header import FileHeader
from .frames import decode_checked
from .limits import Unusable, check_picture_size

ORIENTATION = 274  # in Exif and TIFF
PHOTOMETRIC, WHITE_IS_ZERO, BLACK_IS_ZERO = 262, 0, 1
BITS_PER_SAMPLE, COMPRESSION, SAMPLES_PER_PIXEL, SAMPLE_FORMAT = 258, 259, 277, 339
PARTS = ((273, 279), (324, 325))  # tags of the offsets and lengths of strips, and of tiles
LOSSY_COMPRESSIONS = (6, 7, 34712)  # JPEG as of TIFF 6.0, JPEG, JPEG 2000
MOST_COUNTED = 100  # pictures of a TIFF
COLOURED, MOST_COLOURED = 0.15, 0.002  # of the range between channels: a tinted film has less; share of the pixels
#: how the pixels as stored become the upright picture (TIFF 6.0, tag Orientation; Exif 2.32, 4.6.4)
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.T,
    6: lambda pixels: pixels.T[:, ::-1],
    7: lambda pixels: pixels[::-1, ::-1].T,
    8: lambda pixels: pixels.T[::-1],
}
QUARTER_TURNS, MIRRORED = (5, 6, 7, 8), (2, 4, 5, 7)


def read_picture_header(path: str) -> FileHeader:
    """Return format, upright size and polarity of a picture without decoding it. Raises Unusable."""
    Image.MAX_IMAGE_PIXELS = None  # check_picture_size limits the size before anything is decoded
    with Image.open(path) as picture:
        (columns, rows), name, frames = picture.size, picture.format, _frames(picture)
        check_picture_size(rows, columns)
        if frames > 1:
            number = frames if frames < MOST_COUNTED else f"{MOST_COUNTED} or more"
            raise Unusable(f"holds {number} pictures; save each view as a separate file")
        orientation = _orientation(picture)
        turned = orientation in QUARTER_TURNS
        if turned and _turned_by_cv2(picture):
            text = "its header asks for a quarter turn, which is not done for a colour TIFF. Save it upright"
            raise Unusable(text, "quarter-turn")
        if isinstance(picture, TiffImagePlugin.TiffImageFile):
            _check_parts(picture, Path(path).stat().st_size)
        header: FileHeader = {
            "kind": "picture",
            "format": name,
            "rows": columns if turned else rows,
            "columns": rows if turned else columns,
            "decoded_bytes": rows * columns * (1 if name in ("JPEG", "MPO") else 2),  # 16 bits at most
            "inverted": _grey_tiff(picture) and _tag(picture, PHOTOMETRIC) == WHITE_IS_ZERO,
            "lossy": name in ("JPEG", "MPO") or _tag(picture, COMPRESSION) in LOSSY_COMPRESSIONS,
        }
    if orientation > 1:
        done = "Mirrored or turned" if orientation in MIRRORED else "Turned"
        text = f"{done} as the header of the picture asks (Exif orientation {orientation})."
        header["marks"] = [{"code": "turned", "text": text}]
    return header


def _frames(picture: Image.Image) -> int:
    """How many pictures a file holds, at most MOST_COUNTED: those of a TIFF are found one after the other."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return getattr(picture, "n_frames", 1)
    found = 1
    with suppress(EOFError):
        while found < MOST_COUNTED:
            picture.seek(found)
            found += 1
    picture.seek(0)
    return found


def read_picture_pixels(path: str) -> np.ndarray:
    """Return (rows, columns) uint8 or uint16 grey values, colours converted to grey. Raises Unusable."""
    header = read_picture_header(path)  # the limits again: nothing is allocated before them
    with Image.open(path) as picture:
        orientation = 1 if _turned_by_cv2(picture) else _orientation(picture)
        grey_tiff = _grey_tiff(picture)
    if grey_tiff:
        pixels = imagecodecs.tiff_decode(Path(path).read_bytes())
    elif header["format"] in ("JPEG", "MPO"):
        pixels = _jpeg_pixels(path)
    else:
        pixels = _cv2_pixels(path)
    if pixels.dtype not in (np.uint8, np.uint16) or pixels.ndim != 2:
        raise Unusable(f"a picture of {pixels.dtype} values; only 8 and 16 bits are read")
    pixels = np.ascontiguousarray(UPRIGHT[orientation](pixels))
    if pixels.shape != (header["rows"], header["columns"]):
        raise Unusable("its picture has another size than its header says; save it again")
    return pixels


def _jpeg_pixels(path: str) -> np.ndarray:
    data = Path(path).read_bytes()
    codestream = read_codestream(data)
    check_picture_size(codestream.rows, codestream.columns)
    pixels = decode_checked(imagecodecs.jpeg_decode, data, codestream)
    return pixels if codestream.components == 1 else _cv2_pixels(path)


def _cv2_pixels(path: str) -> np.ndarray:
    try:
        pixels = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        if error.code == cv2.Error.STS_NO_MEM:
            raise MemoryError from None
        raise
    if pixels is None:
        raise Unusable("the picture cannot be decoded; it may be truncated; save or copy it again", "truncated")
    if pixels.ndim == 3 and pixels.dtype in (np.uint8, np.uint16):  # others are refused by the caller
        if pixels.shape[2] in (2, 4) and pixels[..., -1].min() < _white(pixels):
            raise Unusable("has transparent parts, which hide or hold grey levels; save it without transparency")
        if pixels.shape[2] == 2:
            return pixels[..., 0]
        _check_colours(pixels[..., :3])
        pixels = cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY)
    return pixels


def _white(pixels: np.ndarray) -> int:
    """The largest value of unsigned pixels."""
    return (1 << 8 * pixels.dtype.itemsize) - 1


def _check_colours(pixels: np.ndarray) -> None:
    """Raise Unusable for a picture of which more than a few pixels are coloured: a map, or marks drawn on a view."""
    step = max(1, len(pixels) // 1024)
    part = pixels[::step, ::step].astype(np.int32)
    spread = part.max(axis=2) - part.min(axis=2)
    if (spread > COLOURED * _white(pixels)).mean() > MOST_COLOURED:
        raise Unusable("is a picture in colour, such as a map or a view with marks drawn on it; save the view in grey")


def _tag(picture: Image.Image, tag: int) -> object:
    """A value of a TIFF; None for other formats. Tags with several equal values give one of them."""
    if not isinstance(picture, TiffImagePlugin.TiffImageFile):
        return None
    value = picture.tag_v2.get(tag)
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value


def _grey_tiff(picture: Image.Image) -> bool:
    """Whether a picture is a TIFF of unsigned grey values of 8 or 16 bits, which are read as they are stored."""
    return (
        _tag(picture, PHOTOMETRIC) in (WHITE_IS_ZERO, BLACK_IS_ZERO)
        and _tag(picture, BITS_PER_SAMPLE) in (8, 16)
        and _tag(picture, SAMPLES_PER_PIXEL) in (1, None)
        and _tag(picture, SAMPLE_FORMAT) in (1, None)
    )


def _turned_by_cv2(picture: Image.Image) -> bool:
    return isinstance(picture, TiffImagePlugin.TiffImageFile) and not _grey_tiff(picture)


def _orientation(picture: Image.Image) -> int:
    """The orientation of a picture by its TIFF or Exif tag, 1 to 8; 1 where it says nothing or nonsense."""
    try:
        orientation = _tag(picture, ORIENTATION) or picture.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow raises nearly everything on malformed Exif data, which must not cost the picture
        return 1
    return orientation if isinstance(orientation, int) and orientation in UPRIGHT else 1


def _check_parts(picture: TiffImagePlugin.TiffImageFile, size: int) -> None:
    """Raise Unusable unless the strips or tiles of a TIFF lie in the file, one beside the other."""
    for offsets_tag, lengths_tag in PARTS:
        offsets, lengths = picture.tag_v2.get(offsets_tag), picture.tag_v2.get(lengths_tag)
        if offsets is None or lengths is None:
            continue
        end = 8
        for offset, length in sorted(zip(offsets, lengths, strict=False)):
            if length < 1 or offset < end or offset + length > size:
                raise Unusable(
                    "truncated: a part of the picture is not in the file; save or copy it again", "truncated"
                )
            end = offset + length
