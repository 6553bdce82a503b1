"""The files in a multipart answer of a PACS (PS3.18 8.6.1.2.1), written to the disk as they arrive.

dicomweb-client keeps a whole part in memory, decodes it in this process, and takes the beginning of a file for a whole
one where the answer breaks off.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

MAX_HEADER_BYTES = 1 << 14  # of one part
_BOUNDARY = re.compile(r"""boundary=(?:"([^"]{1,70})"|([^\s;,"]{1,70}))""", re.IGNORECASE)


class BrokenAnswer(ValueError):
    """A message ends before its last boundary, or is not as expected."""


def boundary_of(content_type: str) -> bytes | None:
    """Return the boundary that a Content-Type names; None for another one than multipart/related."""
    found = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/related") or not found:
        return None
    return (found[1] or found[2]).encode("latin-1")


def write_part(blocks: Iterator[bytes], boundary: bytes, file: BinaryIO) -> None:
    """Write the body of the only part of a message to a file. blocks: of the message, as they arrive.

    Raises BrokenAnswer for a message that ends before its last boundary, or has another number of parts.
    """
    end = b"\r\n--" + boundary
    buffer = _after(blocks, end, bytearray(b"\r\n"))  # a message may begin with its boundary
    buffer = _after(blocks, b"\r\n\r\n", buffer)
    while (found := buffer.find(end)) < 0:
        keep = len(end) - 1  # a boundary may lie across two blocks
        file.write(buffer[:-keep])
        del buffer[:-keep]
        buffer += _next(blocks)
    file.write(buffer[:found])
    del buffer[: found + len(end)]
    while len(buffer) < 2:
        buffer += _next(blocks)
    if buffer[:2] != b"--":
        raise BrokenAnswer("more than one part")


def _after(blocks: Iterator[bytes], mark: bytes, buffer: bytearray) -> bytearray:
    """What follows a mark, which is within the first MAX_HEADER_BYTES."""
    while (found := buffer.find(mark)) < 0:
        if len(buffer) > MAX_HEADER_BYTES:
            raise BrokenAnswer("a header without end")
        buffer += _next(blocks)
    return buffer[found + len(mark) :]


def _next(blocks: Iterator[bytes]) -> bytes:
    block = next(blocks, b"")
    if not block:
        raise BrokenAnswer("breaks off")
    return block
