"""The allow-list: every route and every event that the page needs. What is not listed here is refused.

A way of hosting that needs other routes adds them to ROUTES; one that closes events leaves them out of `page_events`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import gradio as gr

from mvmlm.store.accounts import Role

from .roles import NAME_FIELDS

READ, SEND = ("GET",), ("POST",)
SESSION = r"[0-9A-Za-z-]{4,64}"
_FILE = r"[A-Za-z0-9_@-][A-Za-z0-9_.@-]*"  # never begins with a dot


class Body(Enum):
    """What a request may carry."""

    NOTHING = "nothing"
    EVENT = "event"
    FILES = "files"
    FORM = "form"
    CALL = "call"
    TOOL = "tool"


@dataclass(frozen=True)
class Route:
    """An open route.

    path: a regular expression for the whole path, compared before any decoding, so that %2F, // and .. match nothing.
    visitors_only: the request must carry the visitor's cookie. session: the query parameter, or the group of `path`,
    that holds the name of a page's session. stream: the answer stays open as long as the page does. results: it brings
    the results of the page's events. least: the role that it needs where people log in; None for what anybody may load.
    """

    methods: tuple[str, ...]
    path: str
    visitors_only: bool = True
    body: Body = Body.NOTHING
    session: str = ""
    stream: bool = False
    results: bool = False
    least: Role | None = Role.VIEWER


_TO_LOGIN = Route(READ, r"/login", visitors_only=False, least=None)
_TO_LOGOUT = Route(SEND, r"/logout", visitors_only=False, body=Body.FORM, least=None)
#: open only where people log in with a password
PASSWORD_ROUTES = (_TO_LOGIN, Route(SEND, r"/login", visitors_only=False, body=Body.FORM, least=None), _TO_LOGOUT)
#: open only where people log in with Hugging Face
HUB_ROUTES = (_TO_LOGIN, Route(READ, r"/login/callback", visitors_only=False, least=None), _TO_LOGOUT)
ROUTES = (
    Route(("GET", "HEAD"), r"/", visitors_only=False),
    Route(READ, rf"/(?:assets|static)(?:/{_FILE})+", visitors_only=False, least=None),
    Route(READ, r"/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt", visitors_only=False, least=None),
    Route(("GET", "HEAD"), r"/healthz|/readyz", visitors_only=False, least=None),
    Route(READ, r"/gradio_api/app_id", visitors_only=False, least=None),  # whether the app is back after a restart
    Route(READ, rf"/gradio_api/heartbeat/(?P<session>{SESSION})", session="session", stream=True),
    Route(READ, r"/gradio_api/queue/data", session="session_hash", stream=True, results=True),
    Route(SEND, r"/gradio_api/queue/join", body=Body.EVENT),
    Route(SEND, r"/gradio_api/upload", body=Body.FILES, session="upload_id"),
    Route(READ, r"/gradio_api/upload_progress", session="upload_id", stream=True),
    Route(READ, r"/viewer/viewer\.js", visitors_only=False),
    Route(READ, rf"/viewer/[A-Za-z0-9_-]+/[0-9]+/{_FILE}"),
    Route(READ, rf"/export/{_FILE}", least=Role.TRAINER),
    Route(READ, rf"/evaluation/[0-9]{{1,18}}/{_FILE}"),
    Route(READ, r"/thumbnail/[0-9]{1,18}\.jpg"),
)


#: what a program calls with a key; a request without one never gets here, and one with a key nowhere else
CALLS = ("models", "predict", "score_prompts", "evidence_map")
_CALL = rf"/gradio_api/call/v2/(?P<call>{'|'.join(CALLS)})"
API_ROUTES = (
    Route(SEND, "/gradio_api/upload", body=Body.FILES, least=None),
    Route(SEND, _CALL, body=Body.CALL, least=None),
    Route(READ, rf"{_CALL}/(?P<event>[0-9a-f]{{32}})", stream=True, results=True, least=None),
)
#: open with a key besides, where the app is started with its MCP tools
TOOL_ROUTES = (Route(SEND, r"/gradio_api/mcp/?", body=Body.TOOL, least=None),)


class FoundRoute(NamedTuple):
    """A route of the table and what its path names: a session of a page; a call of the API, and its event."""

    route: Route
    session: str | None
    call: str | None = None
    event: str | None = None


def find_route(
    method: str, path: str, opened: tuple[Route, ...] = (), table: tuple[Route, ...] = ROUTES
) -> FoundRoute | str | None:
    """Return the route of a request; the allowed methods as text for a wrong method; None for a path that is closed.

    path: as sent, percent-encoded. opened: PASSWORD_ROUTES, HUB_ROUTES or TOOL_ROUTES where they are open too. table:
    ROUTES for a browser, API_ROUTES for a program with a key, to which nothing else is open.
    """
    methods: list[str] = []
    for route in (*table, *opened):
        if match := re.fullmatch(route.path, path):
            if method in route.methods:
                named = match.groupdict()
                return FoundRoute(route, named.get("session"), named.get("call"), named.get("event"))
            methods += route.methods
    return ", ".join(methods) or None


class PageEvent(NamedTuple):
    """An event of the page: the name of its handler, how many inputs it takes, and which components may raise it.

    names: the inputs that hold the name of the person who acts.
    """

    handler: str
    inputs: int
    triggers: frozenset[int]
    names: tuple[int, ...]


def page_events(demo: gr.Blocks) -> dict[int, PageEvent]:
    """Return the events that the pages have connected to a handler in Python, by Gradio's number of the event."""
    events = {}
    for number, event in demo.fns.items():
        first = event
        while first.trigger_after is not None:  # an event that follows another one names the component of the first
            first = demo.fns[first.trigger_after]
        triggers = frozenset(component for component, _ in first.targets if component is not None)
        if event.fn is not None and triggers:
            name = getattr(event.fn, "__qualname__", event.name or "")
            names = (n for n, field in enumerate(event.inputs) if getattr(field, "elem_id", None) in NAME_FIELDS)
            events[number] = PageEvent(name, len(event.inputs), triggers, tuple(names))
    return events
