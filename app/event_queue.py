"""Turns of events: each visitor's events run one after the other, and a slow one makes no other visitor wait.

Gradio's own limits count the events of all visitors together, so that one slow event can hold up everybody. The queue
of the app counts them by visitor.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import gradio as gr
from gradio.context import LocalContext
from gradio.queueing import Event, Queue
from gradio.server_messages import EstimationMessage, EventMessage

from .privacy import visitor

VISIT = "visit"  # the lane of the events that change what the visitor has open
PAGES = "pages"  # the lane of all other events that take time
AHEAD = "ahead"  # the lane of exams that are opened before their turn; one at a time, after all that a reader asked
SLOW_MAPS = "slow maps"  # the lane of maps that take long; one runs at a time, whoever asked for it
OTHER_MODELS = "other models"  # the lane of models that take seconds for an exam; one runs at a time, like slow maps
CALLS = "calls"  # the lane of what programs call with a key; one runs at a time, whoever called
PACS = "pacs"  # the lane of searches in the PACS; one runs at a time, so that a slow PACS makes nothing else wait
AT_ONCE = max(4, os.cpu_count() or 1)  # running events of all visitors


class Lane(NamedTuple):
    """Events that run one after the other, in the order in which they were raised: those of one visitor and name."""

    visitor: str
    name: str


class VisitorQueue(Queue):
    """Gradio's queue of events, with turns. An event that names no lane keeps Gradio's own limits."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self._starts = 0
        self._last_start: dict[Lane, int] = {}  # of the lanes that still wait

    async def clean_events(self, *, session_hash: str | None = None, event_id: str | None = None) -> None:
        """Forget what waits for a page that is gone, except what its visitor did: a label is saved all the same."""
        if event_id is not None:
            return await super().clean_events(session_hash=session_hash, event_id=event_id)
        lanes = list(self.event_queue_per_concurrency_id.values())
        for event in (
            event for events in (*self.active_jobs, *(lane.queue for lane in lanes)) for event in events or ()
        ):
            if _ends_with_page(event, session_hash):
                event.alive = False
        async with self.delete_lock:
            pending = self.pending_event_ids_session.get(session_hash or "", set())
            for lane in lanes:
                for event in [event for event in lane.queue if _ends_with_page(event, session_hash)]:
                    lane.queue.remove(event)
                    self.event_ids_to_events.pop(event._id, None)
                    pending.discard(event._id)

    def compute_analytics_summary(self, records: Any) -> dict[str, Any]:
        """Return nothing: Gradio's own analytics, made after each event, have no reader here."""
        return {}

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        """Send the page of an event what happens to it, where the page is still there."""
        if event.session_hash in self.pending_messages_per_session:
            super().send_message(event, event_message)

    def get_events(self) -> tuple[list[Event], bool, str] | None:
        """Return the next event to run, if one may run now, with whether it is a batch and its `concurrency_id`."""
        event = self._next_of_a_lane() or self._next_of_no_lane()
        if event is None:
            return None
        self.event_queue_per_concurrency_id[event.concurrency_id].queue.remove(event)
        return [event], False, event.concurrency_id

    def _next_of_a_lane(self) -> Event | None:
        """The oldest event of the lane that had no turn for longest, among the lanes of which no event runs."""
        running, oldest = self._running(), self._oldest()
        self._last_start = {lane: start for lane, start in self._last_start.items() if lane in oldest}
        full = {SLOW_MAPS, OTHER_MODELS, AHEAD, CALLS, PACS} & {lane.name for lane in running}
        free = [lane for lane in self._in_turn(oldest) if lane not in running and lane.name not in full]
        if not free or len(running) >= AT_ONCE:
            return None
        self._starts += 1
        self._last_start[free[0]] = self._starts
        return oldest[free[0]]

    def broadcast_estimations(self, concurrency_id: str, after: int | None = None) -> None:
        """Tell the page of each event that waits in a lane how many of other visitors are to run before it.

        Gradio would tell the place among the events that name the same lane. after: only of the event at this place
        among them, which was just raised; None where an event has ended.
        """
        if concurrency_id not in LANES:
            super().broadcast_estimations(concurrency_id, after)
            return
        oldest, running = self._oldest(), self._running()
        queue = self.event_queue_per_concurrency_id[concurrency_id].queue
        raised = None if after is None else lane_of(queue[after])
        for place, lane in enumerate(self._in_turn(oldest)):
            if lane not in running and raised in (None, lane):
                ahead = max(0, len(running) + place + 1 - AT_ONCE)
                self.send_message(oldest[lane], EstimationMessage(rank=ahead, rank_eta=None, queue_size=len(oldest)))

    def _running(self) -> list[Lane]:
        return [lane_of(event) for job in self.active_jobs for event in job or () if event.concurrency_id in LANES]

    def _oldest(self) -> dict[Lane, Event]:
        """The oldest waiting event of each lane."""
        oldest: dict[Lane, Event] = {}
        for lane, event in self._waiting():
            oldest.setdefault(lane, event)
        return oldest

    def _in_turn(self, oldest: Mapping[Lane, Event]) -> list[Lane]:
        """The lanes that wait, in the order in which they have their turns."""
        return sorted(
            oldest, key=lambda lane: (lane.name == AHEAD, self._last_start.get(lane, 0), oldest[lane].enqueue_time)
        )

    def _next_of_no_lane(self) -> Event | None:
        for name, queue in self.event_queue_per_concurrency_id.items():
            limit = queue.concurrency_limit
            if name not in LANES and queue.queue and (limit is None or queue.current_concurrency < limit):
                return queue.queue[0]
        return None

    def _waiting(self) -> Iterator[tuple[Lane, Event]]:
        """Every event that waits in a lane, the oldest of each lane first."""
        for name in LANES:
            if name in self.event_queue_per_concurrency_id:
                for event in self.event_queue_per_concurrency_id[name].queue:
                    yield lane_of(event), event


def _ends_with_page(event: Event, session: str | None) -> bool:
    """Whether an event of a session ends with its page: it changes nothing, or goes step by step, as opening files."""
    return event.session_hash == session and (event.concurrency_id != VISIT or event.fn.types_generator)


LANES = (VISIT, PAGES, AHEAD, SLOW_MAPS, OTHER_MODELS, CALLS, PACS)


def lane_of(event: Event) -> Lane:
    """Return the lane of an event whose function names one as its `concurrency_id`."""
    return Lane(owner(event.request, event.session_hash), str(event.concurrency_id))


def owner(request: Any, session: str | None) -> str:
    """Return who raised an event: the visitor's cookie or, where the browser stores none, the session of the page."""
    return visitor(request) or f"session {session or ''}"


def raised_at(demo: gr.Blocks) -> float | None:
    """Return when the event that runs in this thread was raised, by `time.monotonic`; None outside of one."""
    number = LocalContext.event_id.get(None)
    jobs = [event for job in demo._queue.active_jobs for event in job or ()]
    return next((event.enqueue_time for event in jobs if event._id == number), None)


def take_turns(demo: gr.Blocks) -> None:
    """Let the events of an app take turns. Call it after `demo.queue`."""
    queue = demo._queue  # Gradio has no other way to choose which event runs next
    demo._queue = VisitorQueue(
        queue.live_updates,
        queue.max_thread_count,
        queue.update_intervals,
        queue.max_size,
        demo,
        queue.default_concurrency_limit,
    )
