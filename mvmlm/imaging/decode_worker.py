"""The child process that opens untrusted files: JSON requests in, JSON replies and raw pixels out.

Each request is one line, each reply one line, followed by the pixels if there are any.
`decoder.Decoder` starts it as `python -m mvmlm.imaging.decode_worker` and ends it when it takes too long or too much
memory, so a hostile file ends this process and not the app. A bad file gets a reply of one sentence.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from .file_header import FileHeader
from .file_signature import START_BYTES, signature
from .limits import MAX_FILE_BYTES, MAX_PROCESS_BYTES, Unusable

# The modules that read files are imported with the first file that needs them: the process starts in 0.2 s, not 0.7 s.

PROGRAMMING_ERRORS = (TypeError, AttributeError, NameError, AssertionError, ImportError)
LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def read_header(path: str) -> FileHeader:
    """Return the header of a DICOM file, a DICOMDIR or a picture. Raises Unusable."""
    with open(path, "rb") as file:
        start = file.read(START_BYTES)
        size = file.seek(0, os.SEEK_END)
    if not start:
        raise Unusable("the file is empty", "empty")
    if size > MAX_FILE_BYTES:
        raise Unusable(f"larger than {MAX_FILE_BYTES >> 20} MB, the limit for one file", "too-large")
    if signature(path).kind == "picture":
        from .own_outputs import check_label
        from .picture_files import read_picture_header

        check_label(start)
        return read_picture_header(path)
    from .dicom_header import read_dicom_header

    return read_dicom_header(path)


def read_pixels(path: str) -> np.ndarray:
    """Return (rows, columns) values after the modality LUT, contiguous. Raises Unusable."""
    if signature(path).kind == "picture":
        from .picture_files import read_picture_pixels

        return read_picture_pixels(path)
    from .dicom_pixels import read_dicom_pixels

    return read_dicom_pixels(path)


def answer(request: dict[str, str]) -> tuple[dict[str, Any], memoryview]:
    """Return the JSON reply to one request and the raw bytes that follow it."""
    try:
        if request["request"] == "header":
            return {"header": read_header(request["path"])}, memoryview(b"")
        pixels = read_pixels(request["path"])
        return {"shape": pixels.shape, "dtype": pixels.dtype.str, "bytes": pixels.nbytes}, pixels.data.cast("B")
    except Unusable as error:
        return {"unusable": str(error), "code": error.code}, memoryview(b"")
    except MemoryError:
        return {"unusable": "needs more memory than one file may take", "code": "too-large"}, memoryview(b"")
    except Exception as error:  # pydicom and the codecs raise nearly everything on broken files
        if _is_own_fault(error):
            return {"unusable": _own_fault(error), "code": "program-error"}, memoryview(b"")
        text = f"damaged: it cannot be read ({type(error).__name__}); copy or export it again"
        return {"unusable": text, "code": "damaged"}, memoryview(b"")


def _is_own_fault(error: Exception) -> bool:
    """Whether a mistake in this program raised the error, and not a library on a broken file."""
    place = traceback.extract_tb(error.__traceback__)[-1].filename
    return isinstance(error, PROGRAMMING_ERRORS) and not place.startswith(LIBRARIES)


def _own_fault(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{type(error).__name__} in {Path(place.filename).name}, line {place.lineno}"
    return (
        f"not read because of an error of this program ({where}); the file may be sound, report it without patient data"
    )


def limit_memory() -> bool:
    """Limit the address space of this process to MAX_PROCESS_BYTES; return whether the system accepted the limit.

    With the limit, a codec that allocates too much gets a MemoryError. Windows has no such limit and macOS refuses or
    ignores it. There only the parent watches the memory of this process and ends it (`decoder._Watch`).
    """
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_PROCESS_BYTES, MAX_PROCESS_BYTES))
    except (ImportError, ValueError, OSError):
        return False
    return True


def main() -> None:
    """Answer requests until the input ends."""
    limit_memory()
    for line in sys.stdin.buffer:
        reply, raw = answer(json.loads(line))
        sys.stdout.buffer.write(json.dumps(reply).encode() + b"\n")
        sys.stdout.buffer.write(raw)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
