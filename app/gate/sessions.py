"""The sessions of open pages, each bound to the cookie of the visitor who used its name first.

The browser chooses the name of a session and Gradio takes it as proof. So Gradio gets another name, made of the cookie
and the browser's name: whoever learns a name reaches nothing with it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict

from .refusal import Refused

MOST_SESSIONS = 10_000  # as many as Gradio keeps
ANOTHERS = "This page belongs to another visitor. Load the page again to get a page of your own."


class Sessions:
    """Which visitor has which session. Safe to share between threads."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def inner_name(self, name: str, visitor: str) -> str:
        """Return the name under which Gradio knows a visitor's session. Raises Refused for that of another visitor.

        The first visitor to use a name owns it.
        """
        with self._lock:
            if self._owners.setdefault(name, visitor) != visitor:
                raise Refused(403, ANOTHERS)
            self._owners.move_to_end(name)
            while len(self._owners) > MOST_SESSIONS:
                self._owners.popitem(last=False)
        return hashlib.sha256(f"{visitor}\n{name}".encode()).hexdigest()[:32]
