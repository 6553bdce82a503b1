"""A log without patient data: where in the program an error arose and of which type, never its message or values.

The message of an error often repeats what it met: the name of a file, a value of a header, a line of a table.
"""

from __future__ import annotations

import logging
import os
import traceback
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
MAX_LOG_BYTES, OLD_LOGS = 1 << 20, 3


class _PrivateFile(RotatingFileHandler):
    """A log file that only this user may read (mode 600)."""

    def _open(self) -> TextIOWrapper:
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", opener=opener)


def open_log(path: Path) -> logging.Logger:
    """Return a logger that writes to the file; at 1 MB it begins a new file, and keeps three old ones."""
    logger = logging.Logger(path.stem)  # not from getLogger: what other libraries log may hold values of files
    handler = _PrivateFile(path, maxBytes=MAX_LOG_BYTES, backupCount=OLD_LOGS, encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.addHandler(handler)
    return logger


def close_log(logger: logging.Logger) -> None:
    """Close the file of a logger."""
    for handler in logger.handlers:
        handler.close()


def traceback_without_values(error: BaseException) -> str:
    """Return the traceback of an error and of those that caused it: files, lines and types, without the messages."""
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = [
            f"  {_short(frame.filename)}:{frame.lineno} in {frame.name}"
            for frame in traceback.extract_tb(current.__traceback__)
        ]
        lines = [*frames, f"{type(current).__module__}.{type(current).__qualname__}", *lines]
        current = current.__cause__ or current.__context__
        if current is not None:
            lines = ["then:", *lines]
    return "\n".join(lines)


def _short(file: str) -> str:
    """The path inside this program; of a library, the last three parts."""
    path = Path(file)
    return path.relative_to(PACKAGE_ROOT).as_posix() if path.is_relative_to(PACKAGE_ROOT) else "/".join(path.parts[-3:])
