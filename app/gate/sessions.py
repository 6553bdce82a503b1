"""The sessions of open pages, each bound to the cookie of the visitor who used its name first.

The browser chooses the name of a session and Gradio takes it as proof. So Gradio gets another name, made of the cookie
and the browser's name: whoever learns a name reaches nothing with it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict, deque

from .refusal import Refused

MOST_SESSIONS = 10_000  # as many as Gradio keeps
NEW_SESSIONS, WINDOW_SECONDS = 40, 60  # a page has one; Gradio keeps the results of 2,000
TOO_MANY_PAGES = "This browser has opened too many pages in a minute. Wait a minute and load the page again."
ANOTHERS = "This page belongs to another visitor. Load the page again to get a page of your own."


class Sessions:
    """Which visitor has which session. Safe to share between threads."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._newest: OrderedDict[str, deque[float]] = OrderedDict()  # when a visitor's newest sessions began
        self._lock = threading.Lock()

    def inner_name(self, name: str, visitor: str) -> str:
        """Return the name under which Gradio knows a visitor's session. The first visitor to use a name owns it.

        Raises Refused for a session of another visitor, and for more than NEW_SESSIONS new ones in WINDOW_SECONDS.
        """
        with self._lock:
            if name not in self._owners:
                self._count_new(visitor)
            if self._owners.setdefault(name, visitor) != visitor:
                raise Refused(403, ANOTHERS)
            self._owners.move_to_end(name)
            while len(self._owners) > MOST_SESSIONS:
                self._owners.popitem(last=False)
        return hashlib.sha256(f"{visitor}\n{name}".encode()).hexdigest()[:32]

    def _count_new(self, visitor: str) -> None:
        times = self._newest.setdefault(visitor, deque(maxlen=NEW_SESSIONS))
        self._newest.move_to_end(visitor)
        while len(self._newest) > MOST_SESSIONS:
            self._newest.popitem(last=False)
        if len(times) == NEW_SESSIONS and time.monotonic() - times[0] < WINDOW_SECONDS:
            raise Refused(429, TOO_MANY_PAGES)
        times.append(time.monotonic())
