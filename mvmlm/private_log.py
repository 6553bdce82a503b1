"""A log without patient data: where in the program an error arose and of which type, never its message or values.

The message of an error often repeats what it met: the name of a file, a value of a header, a line of a table. With
MVMLM_LOG=json each line is a JSON object, and events of the program have one too, not errors alone: docs/hosting.md.
"""

from __future__ import annotations

import json
import logging
import os
import re
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parent.parent
MAX_LOG_BYTES, MAX_EVENT_BYTES, OLD_LOGS = 1 << 20, 16 << 20, 3
VARIABLE = "MVMLM_LOG"
_PLAIN = re.compile(r"[A-Za-z0-9_.<>/:-]{0,100}")  # names of the program; no text that somebody typed
Fact = str | int | float | bool


class LogFormat(StrEnum):
    """How a log is written."""

    TEXT = "text"  # errors
    JSON = "json"  # a JSON object on each line, for errors and for events


def log_format(environment: Mapping[str, str] = os.environ) -> LogFormat:
    """Return the format that MVMLM_LOG asks for, text by default. Raises ValueError for a name that is none."""
    name = environment.get(VARIABLE) or LogFormat.TEXT
    try:
        return LogFormat(name)
    except ValueError:
        raise ValueError(f"{VARIABLE}={name}: choose one of {', '.join(LogFormat)}.") from None


class _PrivateFile(RotatingFileHandler):
    """A log file that only this user may read (mode 600)."""

    def _open(self) -> TextIOWrapper:
        def opener(path: str, flags: int) -> int:
            return os.open(path, flags, 0o600)

        return open(self.baseFilename, "a", encoding="utf-8", opener=opener)


class PrivateLog:
    """A log file: at 1 MB, 16 MB with events, it begins a new one, and keeps three old ones.

    mode: of hosting, which each event names. Raises ValueError as `log_format`.
    """

    def __init__(self, path: Path, mode: str = ""):
        self.mode, self._format = mode, log_format()
        largest = MAX_EVENT_BYTES if self._format is LogFormat.JSON else MAX_LOG_BYTES
        self._logger = logging.Logger(
            path.stem
        )  # not from getLogger: what other libraries log may hold values of files
        self._file = _PrivateFile(path, maxBytes=largest, backupCount=OLD_LOGS, encoding="utf-8", delay=True)
        if self._format is LogFormat.TEXT:
            self._file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._logger.addHandler(self._file)

    def event(self, name: str, **facts: Fact) -> None:
        """Write an event where the format has them. facts: numbers, and names of the program itself.

        Raises ValueError for a text that is no such name.
        """
        if self._format is LogFormat.JSON:
            self._write("info", name, facts)

    def failure(self, sentence: str, error: BaseException, **facts: Fact) -> None:
        """Write an error without its message. sentence: what failed, for the text. facts: the same as for `event`."""
        place = traceback_without_values(error)
        if self._format is LogFormat.TEXT:
            self._logger.error("%s\n%s", sentence, place)
        else:
            self._write("error", "error", facts, place)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, level: str, name: str, facts: Mapping[str, Fact], place: str = "") -> None:
        for key, fact in facts.items():
            if isinstance(fact, str) and not _PLAIN.fullmatch(fact):
                raise ValueError(f"{key} of the event {name} is no name of this program")
        time = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = {"time": time, "level": level, "event": name} | ({"mode": self.mode} if self.mode else {}) | dict(facts)
        self._logger.info(json.dumps(line | ({"traceback": place.split("\n")} if place else {})))


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
