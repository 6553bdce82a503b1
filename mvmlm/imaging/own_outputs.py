"""Pictures that this program writes and that are no views: how they are labelled, and how they are known again."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path, PurePosixPath

import cv2
import numpy as np

from ..tasks import TASKS
from .limits import Unusable

LABEL = b"MV-MLM output, not a view"  # near the start of every such picture
REASON = "a map, an overlay or a mask that this program has written, not a view"
CODE = "own-output"
_VIEW = r"(?:R|L)_(?:CC|MLO)"
_KINDS = "|".join(task.name for task in TASKS)
#: `R_CC.mass.png`, `R_CC.mass.occlusion.png` and `R_CC.mass.overlay.jpg` of `predict --maps`
_MAP = re.compile(rf"{_VIEW}\.(?:{_KINDS})(?:\.[a-z-]+)?\.png|{_VIEW}\..+\.overlay\.jpg", re.IGNORECASE)
#: `masks/phantom-00001_R_CC_mass.png` of `phantom`
_MASK = re.compile(rf".+_{_VIEW}_\w+\.png", re.IGNORECASE)
_AFTER_PNG_HEADER, _AFTER_JPEG_START = 33, 2  # bytes of the signature and the first part


def has_name_of_output(name: str) -> bool:
    """Return whether a file's name is one that this program gives to pictures that are no views."""
    path = PurePosixPath(name.replace("\\", "/"))
    mask = path.parent.name == "masks" or path.name.startswith("phantom")
    return bool(_MAP.fullmatch(path.name) or (mask and _MASK.fullmatch(path.name)))


def check_label(start: bytes) -> None:
    """Raise Unusable where the first bytes of a picture carry this program's label, whatever its name is now."""
    if LABEL in start:
        raise Unusable(REASON, CODE)


def write_labelled(path: Path, pixels: np.ndarray, settings: tuple[int, ...] = (), note: str = "") -> None:
    """Write a PNG or JPEG with the label. The arguments are those of `labelled`."""
    path.write_bytes(labelled(path.suffix, pixels, settings, note))


def labelled(suffix: str, pixels: np.ndarray, settings: tuple[int, ...] = (), note: str = "") -> bytes:
    """Return the file of a PNG or JPEG with the label.

    suffix: .png or .jpg. pixels, settings: as for `cv2.imencode`. note: text that the file carries.
    """
    _, encoded = cv2.imencode(suffix, pixels, settings)
    data = encoded.tobytes()
    if suffix == ".png":
        part, at = _png_text(b"tEXt", b"Software\0" + LABEL), _AFTER_PNG_HEADER
        if note:
            part += _png_text(b"iTXt", b"Description\0\0\0\0\0" + note.encode())
    else:
        text = LABEL + (f". {note}".encode() if note else b"")
        part, at = b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text, _AFTER_JPEG_START
    return data[:at] + part + data[at:]


def _png_text(kind: bytes, content: bytes) -> bytes:
    """A chunk of text of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
