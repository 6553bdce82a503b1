"""The SHA-256 of lines of text, by which it is told whether what was listed is still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def checksum_of_lines(lines: Iterable[str]) -> str:
    """Return the SHA-256 of lines in hex; they may hold file names that are no UTF-8."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()
