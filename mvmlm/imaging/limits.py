"""Limits on untrusted files, and the exception that says why a file is refused."""

from __future__ import annotations

MAX_FILES = 2000  # given or unpacked at once
MAX_FILE_BYTES = 1 << 30
MAX_PIXELS = 64_000_000  # the largest film scans have about 45 million
MAX_INFLATED_BYTES = 1 << 28
MAX_ELEMENTS = 200_000  # data elements and items of one DICOM file, which take some 20 microseconds each
MAX_PROCESS_BYTES = 1_400_000_000  # memory of the process that decodes
MAX_SECONDS = 30.0  # time to answer one request
MAX_DECODED_BYTES = MAX_PIXELS * 4  # of one picture: its values take at most 4 bytes each


class Unusable(Exception):
    """Why a file is not used, as a sentence for the reader, without the file's name. code: as in `exam.FileMark`."""

    def __init__(self, text: str, code: str = "unreadable"):
        super().__init__(text)
        self.code = code


def check_picture_size(rows: float | None, columns: float | None) -> tuple[int, int]:
    """Return (rows, columns) of a picture that may be decoded. Raises Unusable for a missing or too large size."""
    if rows is None or rows < 1:
        raise Unusable(f"Rows is {'missing' if rows is None else int(rows)}; export the image again")
    if columns is None or columns < 1:
        raise Unusable(f"Columns is {'missing' if columns is None else int(columns)}; export the image again")
    if rows * columns > MAX_PIXELS:
        millions = MAX_PIXELS // 10**6
        raise Unusable(f"{columns:.0f} x {rows:.0f} pixels: more than {millions} million, the limit for one picture")
    return int(rows), int(columns)
