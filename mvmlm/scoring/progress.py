"""How far a run is and how long it takes yet: one line on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TextIO

TERMINAL_SECONDS, FILE_SECONDS = 0.5, 30.0  # between two lines


class Progress:
    """Tells how many places are done and for how long the rest will take."""

    def __init__(self, places: int, done: int, stream: TextIO, clock: Callable[[], float] = time.monotonic):
        """places: of the archive. done: those that an earlier run has done."""
        self._places, self._done, self._before = places, done, done
        self._stream, self._clock = stream, clock
        self._began, self._told, self._width = clock(), clock(), 0
        self._terminal = stream.isatty()

    def advance(self, places: int, answered: int, failed: int) -> None:
        """Note that so many places more are done. answered, failed: exams, in all."""
        self._done += places
        now = self._clock()
        if now - self._told >= (TERMINAL_SECONDS if self._terminal else FILE_SECONDS):
            self._told = now
            self._write(self.line(answered, failed))

    def line(self, answered: int, failed: int) -> str:
        """Return what is told."""
        spent, here = self._clock() - self._began, self._done - self._before
        exams = f"{answered:,} exams have answers, {failed:,} failed"
        text = f"{self._done:,} of {self._places:,} done ({exams})"
        if here and spent > 0:
            left = duration((self._places - self._done) * spent / here)
            text += f", {3600 * here / spent:,.0f} an hour, {left} left"
        return text

    def end(self) -> None:
        """End the line on a terminal."""
        if self._terminal and self._width:
            self._stream.write("\n")
            self._stream.flush()
            self._width = 0

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{text.ljust(self._width)}" if self._terminal else text + "\n")
        self._stream.flush()
        self._width = len(text)


def duration(seconds: float) -> str:
    """Return a time in the two largest of its units, such as "2 h 05 min"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
