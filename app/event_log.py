"""What visitors do, as events of the private log: numbers and names of the program, no cookie, no text of theirs."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr
from starlette.requests import Request
from starlette.types import Message, Scope, Send

from mvmlm.private_log import Fact, PrivateLog
from mvmlm.store.accounts import Role

from .gate.roles import LEAST_ROLE
from .privacy import account_of, visitor

FACTS = "mvmlm.facts"  # of the scope of a request: what its event says
MOST_VISITORS = 10_000  # that have a number; the longest unseen gets another one
UNTOLD = frozenset({"Visits.stay", "DurableLine.show"})  # handlers that every page calls every few seconds
LOGIN = frozenset({"/login", "/login/callback", "/logout"})


class EventLog:
    """Writes events of requests and handlers. Safe to share between threads.

    hashed: a keyed hash of a text, None without the key; of an account its first letters are written, never its name.
    """

    def __init__(self, log: PrivateLog, hashed: Callable[[str], str | None]):
        self.log, self._hashed = log, hashed
        self._numbers: OrderedDict[str, int] = OrderedDict()
        self._visits, self._requests = itertools.count(1), itertools.count(1)
        self._lock = threading.Lock()

    def visit(self, cookie: str) -> int:
        """Return the number of a visitor since the start of this program; 0 for one without a cookie."""
        if not cookie:
            return 0
        with self._lock:
            number = self._numbers.pop(cookie, None) or next(self._visits)
            self._numbers[cookie] = number
            while len(self._numbers) > MOST_VISITORS:
                self._numbers.popitem(last=False)
            return number

    def account(self, name: str) -> str:
        """Return what stands for an account in the log: the same for the same name, "" without the key."""
        return (self._hashed(f"account in a log {name.casefold()}") or "")[:12]

    @contextmanager
    def request(self, scope: Scope, send: Send) -> Iterator[Send]:
        """Give the block a `send` to answer a request with, and write its event when the block has ended.

        The scope's FACTS may be added to meanwhile. Static files are not written.
        """
        began, number, facts = time.monotonic(), next(self._requests), scope[FACTS]

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts["status"] = message["status"]
            await send(message)

        try:
            yield counted
        finally:
            status, route = facts.get("status", 0), facts.get("route", "none")
            untold = facts.get("handler") in UNTOLD or facts.pop("static", False)
            if status >= 400 or not untold:
                name = "login" if route in LOGIN else "refusal" if status >= 400 else "request"
                who = {"request": number, "visit": self.visit(visitor(Request(scope)))}
                self.log.event(name, **who, **{"route": "none"} | facts, ms=_ms(began))

    @contextmanager
    def handled(self, handler: str, request: gr.Request | None) -> Iterator[None]:
        """Write the event of a handler of the pages: `save` for one that may change what is stored."""
        began, outcome = time.monotonic(), "failed"
        try:
            yield
            outcome = "done"
        except gr.Error:
            outcome = "refused"
            raise
        finally:
            if handler not in UNTOLD:
                account = account_of(request)
                who: dict[str, Fact] = {"visit": self.visit(visitor(request))}
                who |= {"account": self.account(account.name)} if account else {}
                changes = LEAST_ROLE.get(handler, Role.VIEWER) is not Role.VIEWER
                self.log.event("save" if changes else "handled", handler=handler, outcome=outcome, **who, ms=_ms(began))


def note_route(scope: Scope, pattern: str, static: bool) -> None:
    """Add to a request's event which route it takes: the beginning of its pattern, which no visitor writes."""
    begins = re.match(r"[/a-z_]*", pattern)
    route = begins[0] if begins else "none"
    scope[FACTS] |= {"route": route, "static": static and route not in LOGIN}


def note(scope: Scope, **facts: Any) -> None:
    """Add facts to a request's event."""
    scope.get(FACTS, {}).update(facts)


def _ms(began: float) -> int:
    return round(1000 * (time.monotonic() - began))
