"""What waits in Gradio's queue: bounded for each visitor, and results that no page reads are thrown away.

Gradio keeps the result of an event until the page of its session reads it, however long that takes, and one visitor
could fill the queue of all.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import gradio as gr

from ..event_queue import VISIT
from ..privacy import visitor
from .refusal import Refused

WAITING = 24  # events of one visitor that wait for their turn; the queue has room for more visitors
UNREAD, UNREAD_IN_ALL = 32, 3000  # events of one page, and of all, whose results were not read
LOOK_SECONDS = 0.05  # between two looks at what still runs
KEPT_SECONDS = 60  # results of a page that reads none
SLOW_DOWN = "Earlier steps of yours are still waiting. Wait until the page has answered them."
NOT_READ = "This page does not read the answers it asked for. Load it again."
ASKED_NOTHING = "This page has asked for nothing yet. Load it again."
CLOSING = "The app is being stopped, and this was not done any more. Try again when it is back."
ALL_ARE_MANY = "Too many people use this app at the moment. Nothing was done; try again in a minute."


class Queued:
    """The events of all pages between being sent and being read. Used from one event loop."""

    def __init__(self, demo: gr.Blocks):
        self._queue = demo._queue
        self._reading: Counter[str] = Counter()
        self._last_seen: dict[str, float] = {}
        self._closing = False

    def admit(self, session: str, owner: str) -> None:
        """Count an event of a page. Raises Refused where too many wait or too many results are unread."""
        if self._closing:
            raise Refused(503, CLOSING)
        lanes = list(self._queue.event_queue_per_concurrency_id.values())
        if sum(visitor(event.request) == owner for lane in lanes for event in lane.queue) >= WAITING:
            raise Refused(429, SLOW_DOWN)
        if self._queue.max_size is not None and sum(len(lane.queue) for lane in lanes) >= self._queue.max_size:
            raise Refused(503, ALL_ARE_MANY)
        unread = self._queue.pending_event_ids_session
        if len(unread.get(session, ())) >= UNREAD:
            raise Refused(429, NOT_READ)
        if sum(map(len, unread.values())) >= UNREAD_IN_ALL:
            raise Refused(429, ALL_ARE_MANY)
        self._last_seen[session] = time.monotonic()

    async def finish(self, seconds: float) -> None:
        """Take no event any more, and wait until those that change what a visitor does have ended, or `seconds`.

        So what is being saved when the app is stopped is saved.
        """
        self._closing = True
        end = time.monotonic() + seconds
        while time.monotonic() < end and (any(self._queue.active_jobs) or self._waits(VISIT)):
            await asyncio.sleep(LOOK_SECONDS)

    def _waits(self, lane: str) -> bool:
        lanes = self._queue.event_queue_per_concurrency_id
        return lane in lanes and bool(lanes[lane].queue)

    @contextmanager
    def reading(self, session: str) -> Iterator[None]:
        """Note that a page reads the results of its events. Raises Refused where it has sent none."""
        if session not in self._queue.pending_messages_per_session:  # Gradio would begin an answer and fail
            raise Refused(404, ASKED_NOTHING)
        self._reading[session] += 1
        try:
            yield
        finally:
            self._reading[session] -= 1
            if not self._reading[session]:
                del self._reading[session]
            self._last_seen[session] = time.monotonic()

    async def forget_unread(self) -> None:
        """Throw away the events and results of pages that have read none for KEPT_SECONDS."""
        oldest = time.monotonic() - KEPT_SECONDS
        for session in list(self._last_seen):
            if self._last_seen.get(session, oldest) < oldest and session not in self._reading:  # as it is now
                del self._last_seen[session]
                self._queue.pending_event_ids_session.pop(session, None)
                self._queue.pending_messages_per_session.pop(session, None)
                await self._queue.clean_events(session_hash=session)
