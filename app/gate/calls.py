"""Calls of the API between being sent and being read: each key's own, checked before Gradio sees them.

Gradio gives the results of a call to whoever knows its number. So each call runs in a session of its own, whose name
begins with a digest of the key.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from .event_body import LONGEST_TEXT
from .queued import UNREAD
from .refusal import Refused

#: checks the arguments of a call, by their names, and returns them in the order of the function; raises ValueError with
#: a sentence for what does not fit
CheckCall = Callable[[str, Mapping[str, Any]], list[Any]]
NOT_YOURS = "There is no such call of this key: it was read already, or not begun with it."
READ_FIRST = f"{UNREAD} calls of this key wait for their answers to be read. Read them first."


class Calls:
    """The calls of all keys. Used from one event loop. check: of the functions that can be called."""

    def __init__(self, demo: gr.Blocks, check: CheckCall):
        self._queue, self._check = demo._queue, check

    def body(self, call: str, sent: Mapping[str, Any], owner: str) -> dict[str, Any]:
        """Return what Gradio gets for a call. Raises Refused for arguments that do not fit, and for too many calls."""
        check_texts(sent)
        try:
            data = self._check(call, sent)
        except ValueError as error:
            raise Refused(422, str(error)) from None
        waiting = self._queue.pending_event_ids_session
        if sum(bool(events) for session, events in waiting.items() if session.startswith(_mark(owner))) >= UNREAD:
            raise Refused(429, READ_FIRST)
        return {"data": data, "session_hash": _mark(owner) + secrets.token_hex(16)}

    def session(self, event: str, owner: str) -> str:
        """Return the session in which a call of this key runs. Raises Refused for any other call."""
        for session, events in self._queue.pending_event_ids_session.items():
            if event in events and session.startswith(_mark(owner)):
                return session
        raise Refused(404, NOT_YOURS)


def _mark(owner: str) -> str:
    return f"call-{hashlib.sha256(f'calls of {owner}'.encode()).hexdigest()[:32]}-"


def check_texts(sent: Mapping[str, Any]) -> None:
    """Raise Refused for a text of more than LONGEST_TEXT letters."""
    if any(len(text) > LONGEST_TEXT for text in _texts(sent)):
        raise Refused(413, f"A text is longer than {LONGEST_TEXT:,} letters. Shorten it.")


def _texts(value: Any) -> list[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for part in parts for text in _texts(part)]
