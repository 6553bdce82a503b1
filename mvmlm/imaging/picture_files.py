"""PNG, TIFF and JPEG pictures: the header and the pixels of one untrusted file."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from .file_header import FileHeader
from .limits import Unusable, check_picture_size


def read_picture_header(path: str) -> FileHeader:
    """Return format and size of a picture without decoding it. Raises Unusable."""
    Image.MAX_IMAGE_PIXELS = None  # check_picture_size limits the size before anything is decoded
    with Image.open(path) as picture:
        (columns, rows), name, frames = picture.size, picture.format, getattr(picture, "n_frames", 1)
    check_picture_size(rows, columns)
    if frames > 1:
        raise Unusable(f"holds {frames} pictures; save each view as a separate file")
    value = 1 if name == "JPEG" else 2  # 16 bits at most
    return {
        "kind": "picture",
        "format": name,
        "rows": rows,
        "columns": columns,
        "decoded_bytes": rows * columns * value,
        "lossy": name == "JPEG",
    }


def read_picture_pixels(path: str) -> np.ndarray:
    """Return (rows, columns) uint8 or uint16 grey values, colours converted to grey. Raises Unusable."""
    read_picture_header(path)  # the limits again: nothing is allocated before them
    pixels = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise Unusable("the picture cannot be decoded; it may be truncated")
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[2] == 2 else cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise Unusable(f"a picture of {pixels.dtype} values; only 8 and 16 bits are read")
    return np.ascontiguousarray(pixels)
