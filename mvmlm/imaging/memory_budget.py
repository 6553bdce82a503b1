"""How much memory decoded pictures may take, known from the headers before anything is decoded."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..exam import SetAside
from .files import FoundFile, NoExam

MEMORY_VARIABLE = "MVMLM_MEMORY"
DEFAULT_MEMORY_BYTES = 4 << 30
UNIT_BYTES = {"MB": 1 << 20, "GB": 1 << 30}

#: called with the bytes that pictures will take, before they are decoded; raises NoRoom where there is none for them
Reserve = Callable[[int], None]


def memory_bytes() -> int:
    """Return how many bytes the decoded pictures of one program may take: MVMLM_MEMORY, such as "8 GB", else 4 GB.

    Raises ValueError for a value that is not understood.
    """
    text = os.environ.get(MEMORY_VARIABLE, "").strip()
    if not text:
        return DEFAULT_MEMORY_BYTES
    size = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?([MG]B)", text, re.IGNORECASE)
    if size is None or float(size[1]) <= 0:
        raise ValueError(f"{MEMORY_VARIABLE} is “{text}”. Set it to a number with MB or GB, such as 8 GB.")
    return int(float(size[1]) * UNIT_BYTES[size[2].upper()])


def exam_bytes() -> int:
    """Return how many bytes the decoded pictures of one exam and its prior may take: a quarter of `memory_bytes`."""
    return memory_bytes() // 4


def size_text(size: int) -> str:
    """Return a number of bytes in MB or GB, such as "1.5 GB"."""
    return f"{size / UNIT_BYTES['GB']:.3g} GB" if size >= UNIT_BYTES["GB"] else f"{size / UNIT_BYTES['MB']:.3g} MB"


class NoRoom(NoExam):
    """Pictures would take more memory than there is for them now; the text says what to do."""


class TooLarge(NoRoom):
    """The pictures of one exam would take more memory than one exam may ever have."""


def reserve_nothing(size: int) -> None:
    """Allow every size: for programs that open one exam at a time."""


@dataclass
class ExamMemory:
    """What the pictures of one exam and its prior may still take. left: in bytes."""

    left: int
    reserve: Reserve

    def take(self, files: Sequence[FoundFile], set_aside: list[SetAside]) -> list[FoundFile]:
        """Return the files whose pictures may be decoded; the others are added to `set_aside`.

        Raises what `reserve` raises.
        """
        limit, taken = exam_bytes(), []
        for file in files:
            size = file.header["decoded_bytes"]
            if size <= self.left:
                self.left -= size
                taken.append(file)
            else:
                reason = (
                    f"with this picture the exam would take more than {size_text(limit)} of memory, the limit for one "
                    f"exam; open fewer pictures at a time, or set {MEMORY_VARIABLE} higher"
                )
                set_aside.append(SetAside(file.name, reason, "memory"))
        self.reserve(sum(file.header["decoded_bytes"] for file in taken))
        return taken
