"""Connections below HTTP: how many there may be, and how long one may wait for a request or for a reader."""

from __future__ import annotations

import asyncio
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 800
MOST_WAITING = 200  # that have not sent a request yet, or wait for the next one
HEADER_SECONDS = 10
STALLED_SECONDS = 60


class BoundedConnection(H11Protocol):
    """A connection of uvicorn that is closed if no whole request arrives, or if its reader stops reading.

    When there are too many, the one that has waited longest for a request gives way, so that thousands of idle
    connections only close each other.
    """

    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and close the one that has waited longest if there are too many."""
        super().connection_made(transport)
        self._wait_for_request()
        waiting = [c for c in self._all() if c._timer is not None and c is not self]
        if len(waiting) >= MOST_WAITING or len(self.connections) > MOST_CONNECTIONS:
            oldest = min(waiting, key=lambda c: cast(asyncio.TimerHandle, c._timer).when(), default=self)
            oldest.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request; the time for its header does not begin anew."""
        answered = self._answered()
        super().data_received(data)
        if not self._answered():
            self._stop_timer()
        elif answered and self._timer is None:
            self._wait_for_request()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        if not self.transport.is_closing() and self._answered():
            self._wait_for_request()

    def pause_writing(self) -> None:
        """The reader is behind: close the connection unless it reads on in time."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader reads again."""
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_timer()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def _all(self) -> list[BoundedConnection]:
        return [connection for connection in self.connections if isinstance(connection, BoundedConnection)]

    def _answered(self) -> bool:
        """Whether there is no request that waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _wait_for_request(self) -> None:
        self._stop_timer()
        self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
