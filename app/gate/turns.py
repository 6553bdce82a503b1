"""How many requests run at once: for each visitor, and in all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .refusal import Refused

STREAMS, STREAMS_IN_ALL = 24, 400
AT_ONCE, WAITING, WAITING_IN_ALL = 8, 256, 1000
YOURS_ARE_MANY = "Too many requests of this browser are open. Close other tabs of this page and try again."
ALL_ARE_MANY = "Too many people use this app at the moment. Try again in a minute."


class Turns:
    """Counts open requests. Used from one event loop."""

    def __init__(self) -> None:
        self._streams: Counter[str] = Counter()
        self._requests: Counter[str] = Counter()
        self._gates: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def stream(self, visitor: str) -> AsyncIterator[None]:
        """Hold one of a visitor's open streams. Raises Refused where there are too many."""
        if self._streams.total() >= STREAMS_IN_ALL:
            raise Refused(503, ALL_ARE_MANY)
        if self._streams[visitor] >= STREAMS:
            raise Refused(429, YOURS_ARE_MANY)
        self._streams[visitor] += 1
        try:
            yield
        finally:
            _less(self._streams, visitor)

    @asynccontextmanager
    async def request(self, visitor: str) -> AsyncIterator[None]:
        """Wait until fewer than AT_ONCE requests of the visitor run. Raises Refused where too many wait."""
        if self._requests.total() >= WAITING_IN_ALL:
            raise Refused(503, ALL_ARE_MANY)
        if self._requests[visitor] >= WAITING:
            raise Refused(429, YOURS_ARE_MANY)
        self._requests[visitor] += 1
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
