"""PNG, TIFF and JPEG pictures: the header and the pixels of one untrusted file."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from .file_header import FileHeader
from .limits import Unusable, check_picture_size

EXIF_ORIENTATION = 0x0112
#: its values -> what is done to the stored pixels (Exif 2.3, 4.6.4): mirrored first, then turned anticlockwise
_TURNS = {2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 1), 6: (False, 3), 7: (True, 3), 8: (False, 1)}


def read_picture_header(path: str) -> FileHeader:
    """Return format and size of a picture without decoding it. Raises Unusable."""
    Image.MAX_IMAGE_PIXELS = None  # check_picture_size limits the size before anything is decoded
    with Image.open(path) as picture:
        (columns, rows), name, frames = picture.size, picture.format, getattr(picture, "n_frames", 1)
        orientation = picture.getexif().get(EXIF_ORIENTATION, 1)
    check_picture_size(rows, columns)
    if frames > 1:
        raise Unusable(f"holds {frames} pictures; save each view as a separate file")
    value = 1 if name == "JPEG" else 2  # 16 bits at most
    header: FileHeader = {
        "kind": "picture",
        "format": name,
        "rows": rows,
        "columns": columns,
        "decoded_bytes": rows * columns * value,
        "lossy": name == "JPEG",
    }
    if orientation in _TURNS:
        if _TURNS[orientation][1] % 2:
            header["rows"], header["columns"] = columns, rows
        done = "Mirrored or turned" if _TURNS[orientation][0] else "Turned"
        text = f"{done} as the header of the picture asks (Exif orientation {orientation})."
        header["marks"] = [{"code": "turned", "text": text}]
    return header


def read_picture_pixels(path: str) -> np.ndarray:
    """Return (rows, columns) uint8 or uint16 grey values, colours converted to grey. Raises Unusable."""
    read_picture_header(path)  # the limits again: nothing is allocated before them
    with Image.open(path) as picture:
        name, mirrored_and_turns = picture.format, _TURNS.get(picture.getexif().get(EXIF_ORIENTATION, 1), (False, 0))
    if name == "TIFF" and mirrored_and_turns[1] % 2:
        raise Unusable(
            "its header asks for a quarter turn, which is not done for a TIFF. Save it upright", "quarter-turn"
        )
    pixels = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise Unusable("the picture cannot be decoded; it may be truncated")
    if pixels.ndim == 3:
        pixels = pixels[..., 0] if pixels.shape[2] == 2 else cv2.cvtColor(pixels[..., :3], cv2.COLOR_BGR2GRAY)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise Unusable(f"a picture of {pixels.dtype} values; only 8 and 16 bits are read")
    if name != "TIFF":  # OpenCV has done it
        mirrored, turns = mirrored_and_turns
        pixels = np.rot90(pixels[:, ::-1] if mirrored else pixels, turns)
    return np.ascontiguousarray(pixels)
