"""Memory that the app has freed goes back to the system: the C library of Linux keeps it otherwise, for each thread.

It has an effect where that library is glibc, and none elsewhere. Source: mallopt(3), malloc_trim(3).
"""

from __future__ import annotations

import ctypes
import sys

ARENAS = 2  # pools of memory; glibc has eight for each processor otherwise, and events run in many threads
_M_ARENA_MAX = -8


def keep_few_arenas() -> None:
    """Let all threads share few pools of memory from now on. Called before threads are started."""
    if library := _glibc():
        library.mallopt(_M_ARENA_MAX, ARENAS)


def give_back() -> None:
    """Give freed memory back to the system."""
    if library := _glibc():
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if not sys.platform.startswith("linux"):
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
