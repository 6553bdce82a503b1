"""Connections below HTTP: how many there may be, and how long one may wait for a request or for a reader."""

from __future__ import annotations

import asyncio
import itertools

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

MOST_CONNECTIONS = 800
HEADER_SECONDS = 10
STALLED_SECONDS = 60

_MOMENTS = itertools.count()  # the order in which connections were heard


class BoundedConnection(H11Protocol):
    """A connection of uvicorn that is closed if no whole request arrives, or if its reader stops reading.

    When there are too many, the one that has waited longest for bytes of a request gives way, so that thousands of idle
    connections only close each other.
    """

    _heard = 0
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection, and close the one that has waited longest if there are too many."""
        super().connection_made(transport)
        self._heard = next(_MOMENTS)
        self._wait_for_request()
        if len(self.connections) > MOST_CONNECTIONS:
            waiting = [
                connection for connection in self._all() if connection is not self and connection._awaits_bytes()
            ]
            min(waiting, key=lambda connection: connection._heard, default=self)._give_way()

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request; the time for its header does not begin anew."""
        self._heard = next(_MOMENTS)
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

    def _awaits_bytes(self) -> bool:
        """Whether the other side has to send something next: a request, or the rest of its body."""
        return self._timer is not None or (self.conn.their_state is h11.SEND_BODY and not self.flow.read_paused)

    def _give_way(self) -> None:
        """Close the connection, and do not count it any more: others may come before the loop reports its end."""
        self._stop_timer()
        self.connections.discard(self)
        self.transport.abort()

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
