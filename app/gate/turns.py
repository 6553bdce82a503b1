"""How many requests run at once: for each visitor, and in all."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from .refusal import Refused

STREAMS, STREAMS_IN_ALL = 24, 400
NEVER_ASKED_SECONDS, SILENT_SECONDS = (
    5,
    120,
)  # a page asks when it is loaded, then every few seconds; hidden ones seldom
AT_ONCE, WAITING, WAITING_IN_ALL = 8, 256, 1000
YOURS_ARE_MANY = "Too many requests of this browser are open. Close other tabs of this page and try again."
ALL_ARE_MANY = "Too many people use this app at the moment. Try again in a minute."


@dataclass(eq=False)
class _Stream:
    """An open stream: whose, since when, and how it is ended."""

    visitor: str
    began: float
    end: Callable[[], None]


class Turns:
    """Counts open requests. Used from one event loop. clock: in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._streams: list[_Stream] = []
        self._asked: dict[str, float] = {}  # when a visitor with streams last asked for something else
        self._requests: Counter[str] = Counter()
        self._gates: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def stream(self, visitor: str, end: Callable[[], None]) -> AsyncIterator[None]:
        """Hold one of a visitor's open streams. end: ends it, where others need its place.

        Raises Refused where the visitor has too many, or where there are too many and all are in use.
        """
        if sum(stream.visitor == visitor for stream in self._streams) >= STREAMS:
            raise Refused(429, YOURS_ARE_MANY)
        if len(self._streams) >= STREAMS_IN_ALL:
            self._make_room()
        stream = _Stream(visitor, self._clock(), end)
        self._streams.append(stream)
        try:
            yield
        finally:
            if stream in self._streams:
                self._forget(stream)

    def _make_room(self) -> None:
        """End the oldest stream whose visitor asks for nothing: anybody can open streams and leave them open."""
        for stream in self._streams:
            asked = self._asked.get(stream.visitor)
            silent = self._clock() - max(asked or 0.0, stream.began)
            if silent > (NEVER_ASKED_SECONDS if asked is None else SILENT_SECONDS):
                self._forget(stream)
                stream.end()
                return
        raise Refused(503, ALL_ARE_MANY)

    def _forget(self, stream: _Stream) -> None:
        self._streams.remove(stream)
        if not any(other.visitor == stream.visitor for other in self._streams):
            self._asked.pop(stream.visitor, None)

    @asynccontextmanager
    async def request(self, visitor: str) -> AsyncIterator[None]:
        """Wait until fewer than AT_ONCE requests of the visitor run. Raises Refused where too many wait."""
        if self._requests.total() >= WAITING_IN_ALL:
            raise Refused(503, ALL_ARE_MANY)
        if self._requests[visitor] >= WAITING:
            raise Refused(429, YOURS_ARE_MANY)
        self._requests[visitor] += 1
        if any(stream.visitor == visitor for stream in self._streams):
            self._asked[visitor] = self._clock()
        gate = self._gates.setdefault(visitor, asyncio.Semaphore(AT_ONCE))
        try:
            async with gate:
                yield
        finally:
            if _less(self._requests, visitor) == 0:
                del self._gates[visitor]


def _less(counter: Counter[str], visitor: str) -> int:
    counter[visitor] -= 1
    left = counter[visitor]
    if left == 0:
        del counter[visitor]
    return left
