"""The gate itself: an ASGI middleware that decides on every request before Gradio sees it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..event_log import FACTS, EventLog, note, note_route
from ..privacy import ACCOUNT, KEY, is_secure, key_of, new_cookie, visitor
from ..uploads import MOST_BYTES as MOST_UPLOAD_BYTES
from ..uploads import path_of_upload
from .addresses import counted_address
from .api_keys import CLOSED, KeyGate, sent_key
from .calls import Calls
from .event_body import MOST_BYTES as MOST_EVENT_BYTES
from .event_body import MOST_FORM_BYTES, TOO_LARGE, checked_event, parse_bounded
from .headers import DROPPED, security_headers
from .hosts import FOREIGN_PAGE, WRONG_HOST, Hosts
from .logins import LOG_IN, Logins
from .queued import Queued
from .received import bounded, read_whole, replayed
from .refusal import NO_COOKIE, Refused
from .roles import LEAST_ROLE, acted_by, check_public, check_role
from .sessions import Sessions
from .table import API_ROUTES, SESSION, TOOL_ROUTES, Body, FoundRoute, PageEvent, find_route
from .tools import checked_message
from .turns import Turns

NO_BODY = "This request carries a body where none belongs."
TOO_LARGE_UPLOAD = "More than 2 GB at once is not taken. Choose fewer files."


class Gate:
    """ASGI middleware around the whole app.

    events: of `table.page_events`. hosts: the names of this server. queued: what waits in Gradio's queue. log: of
    every request. logins: who is logged in; None where nobody logs in. keys, calls: those of programs; None where none
    can call. tools: whether the MCP tools are open to them. public: anybody may come, so who is not logged in may not
    do everything.
    """

    def __init__(
        self,
        app: ASGIApp,
        events: Mapping[int, PageEvent],
        hosts: Hosts,
        queued: Queued,
        log: EventLog,
        logins: Logins | None = None,
        public: bool = False,
        keys: KeyGate | None = None,
        calls: Calls | None = None,
        tools: bool = False,
    ):
        self.app, self._events, self._hosts, self._queued, self._logins = app, events, hosts, queued, logins
        self._public, self._log = public, log
        self._keys, self._calls, self._tools = keys, calls, tools
        self._sessions, self._turns = Sessions(), Turns()
        self._headers = security_headers()
        self._streaming: set[asyncio.Task[object]] = set()
        self._ended: set[asyncio.Task[object]] = set()  # by us, not by their readers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it. Web sockets are closed."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "closed"})
        elif scope["type"] == "http":
            scope = {**scope, FACTS: {}}
            with self._log.request(scope, send) as counted:
                await self._answer(scope, receive, self._with_headers(scope, counted))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with the sentence that refuses it."""
        try:
            self._check_names(scope)
            scope = await self._with_key(scope)
            found = self._admit(scope)
            note_route(scope, found.route.path, found.route.least is None)
            if self._logins is not None and found.route.least is not None:
                account = await run_in_threadpool(self._logins.account, Request(scope))
                if account is not None:
                    check_role(account, found.route.least)
                    scope = {**scope, ACCOUNT: account}
                    note(scope, account=self._log.account(account.name))
                elif self._logins.required and scope["path"] == "/":
                    await self._logins.ask(Request(scope))(scope, receive, send)
                    return
                elif self._logins.required:
                    raise Refused(401, LOG_IN)
            async with self._turn(scope, found):
                scope, receive, session = await self._checked(scope, receive, found)
                if not found.route.stream:
                    await self.app(scope, receive, send)
                elif found.route.results:
                    with self._queued.reading(session):
                        await self._stream(scope, receive, send)
                else:
                    await self._stream(scope, receive, send)
        except Refused as refusal:
            await _refusal(scope, refusal)(scope, receive, send)
        except ClientDisconnect:
            return

    def _check_names(self, scope: Scope) -> None:
        """Raise Refused for a request that names another host, or comes from the page of another."""
        headers = Headers(scope=scope)
        if len(headers.getlist("host")) != 1 or not self._hosts.known(headers["host"]):
            raise Refused(400, WRONG_HOST)
        if self._hosts.is_foreign(headers):
            raise Refused(403, FOREIGN_PAGE)

    async def _with_key(self, scope: Scope) -> Scope:
        """The request of a program with its key, any other as it is. Raises Refused for a wrong key."""
        sent = sent_key(Headers(scope=scope))
        if sent is None or self._keys is None:
            return scope
        return {**scope, KEY: await run_in_threadpool(self._keys.key, sent, counted_address(scope))}

    def _admit(self, scope: Scope) -> FoundRoute:
        """Return the route of a request. Raises Refused for one that has none."""
        headers = Headers(scope=scope)
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        if KEY in scope:
            found = find_route(scope["method"], path, TOOL_ROUTES if self._tools else (), API_ROUTES)
        else:
            found = find_route(scope["method"], path, self._logins.opened if self._logins else ())
        if found is None or b"deep_link=" in scope["query_string"]:
            raise Refused(404, CLOSED)
        if isinstance(found, str):
            refusal = Refused(405, CLOSED)
            refusal.headers = {**(refusal.headers or {}), "Allow": found}
            raise refusal
        if found.route.visitors_only and not visitor(Request(scope)):
            raise Refused(403, NO_COOKIE)
        if found.route.body is Body.NOTHING and (
            headers.get("content-length", "0") != "0" or "transfer-encoding" in headers
        ):
            raise Refused(400, NO_BODY)
        return found

    @asynccontextmanager
    async def _turn(self, scope: Scope, found: FoundRoute) -> AsyncIterator[None]:
        """Hold the visitor's turn. The first page and its scripts, which a newcomer loads, wait for nobody."""
        owner = visitor(Request(scope))
        if not found.route.visitors_only:
            yield
            return
        task = asyncio.current_task()
        assert task is not None
        end = partial(self._end_stream, task)
        async with self._turns.stream(owner, end) if found.route.stream else self._turns.request(owner):
            yield

    async def _checked(self, scope: Scope, receive: Receive, found: FoundRoute) -> tuple[Scope, Receive, str]:
        """Return the request as Gradio gets it, its body bounded and checked, and Gradio's session name or ""."""
        scope = dict(scope)
        scope["headers"] = [
            (name, value)
            for name, value in scope["headers"]
            if name != b"x-gradio-server"  # Gradio would write it into the page as its own address
            and (name != b"x-forwarded-host" or self._hosts.known(value.decode("latin-1")))
        ]
        owner, session = visitor(Request(scope)), ""
        if found.call is not None:
            return await self._checked_call(scope, receive, found)
        if key_of(Request(scope)):
            scope["query_string"] = b""
        if found.session is not None:
            session = self._sessions.inner_name(found.session, owner)
            scope["path"] = scope["path"].removesuffix(found.session) + session
            scope["raw_path"] = scope["path"].encode()
        elif found.route.session:
            session = self._session_of_query(scope["query_string"], found, owner)
            scope["query_string"] = urlencode({found.route.session: session}).encode() if session else b""
        if found.route.body is Body.TOOL:
            message = checked_message(parse_bounded(await read_whole(receive, MOST_EVENT_BYTES, TOO_LARGE)))
            body = json.dumps(message).encode()
            scope["path"] = "/gradio_api/mcp/"
            scope["raw_path"] = scope["path"].encode()
            scope["headers"] = _of_json(scope["headers"], len(body))
            receive = replayed(body, receive)
        elif found.route.body is Body.FILES:
            receive = bounded(receive, MOST_UPLOAD_BYTES, TOO_LARGE_UPLOAD)
        elif found.route.body is Body.FORM:
            receive = replayed(await read_whole(receive, MOST_FORM_BYTES, TOO_LARGE), receive)
        elif found.route.body is Body.EVENT:
            sent = parse_bounded(await read_whole(receive, MOST_EVENT_BYTES, TOO_LARGE))
            checked = checked_event(
                sent,
                self._events,
                lambda name: self._sessions.inner_name(name, owner),
                lambda name: path_of_upload(name, owner),
            )
            page_event = self._events[checked["fn_index"]]
            note(scope, handler=page_event.handler)
            if self._public:
                check_public(page_event.handler, scope.get(ACCOUNT), self._logins is not None)
            if account := scope.get(ACCOUNT):
                check_role(account, LEAST_ROLE.get(page_event.handler))
                checked = acted_by(account, checked, page_event.names)
            self._queued.admit(checked["session_hash"], owner)
            body = json.dumps(checked).encode()
            scope["headers"] = _of_json(scope["headers"], len(body))
            receive = replayed(body, receive)
        return scope, receive, session

    async def _checked_call(self, scope: Scope, receive: Receive, found: FoundRoute) -> tuple[Scope, Receive, str]:
        """As `_checked`, for a call of a program: Gradio gets it in a session that only its key can name."""
        owner, path = visitor(Request(scope)), f"/gradio_api/call/{found.call}"
        assert self._calls is not None and found.call is not None
        scope["query_string"] = b""
        if found.event is not None:
            scope["path"], session = f"{path}/{found.event}", self._calls.session(found.event, owner)
        else:
            sent = parse_bounded(await read_whole(receive, MOST_EVENT_BYTES, TOO_LARGE))
            checked = self._calls.body(found.call, sent, owner)
            session, body = checked["session_hash"], json.dumps(checked).encode()
            self._queued.admit(session, owner)
            scope["path"], scope["headers"] = path, _of_json(scope["headers"], len(body))
            receive = replayed(body, receive)
        scope["raw_path"] = scope["path"].encode()
        return scope, receive, session

    def _session_of_query(self, query: bytes, found: FoundRoute, owner: str) -> str:
        """Gradio's name of the session that a query names; "" where an upload names none."""
        values = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
        names = [value for key, value in values if key == found.route.session]
        if not names and found.route.body is Body.FILES:
            return ""
        if len(names) != 1 or not re.fullmatch(SESSION, names[0]):
            raise Refused(404, CLOSED)
        return self._sessions.inner_name(names[0], owner)

    async def finish_events(self, seconds: float) -> None:
        """Take no event any more, and wait for those that are under way; as `Queued.finish`."""
        await self._queued.finish(seconds)

    def close_streams(self) -> None:
        """End the answers that stay open as long as their page does; the server stops."""
        for task in self._streaming:
            self._end_stream(task)

    def _end_stream(self, task: asyncio.Task[object]) -> None:
        if task in self._streaming:
            self._ended.add(task)
            task.cancel()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on an answer that stays open, until it ends or `_end_stream` ends it."""
        complete = False
        task = asyncio.current_task()
        assert task is not None

        async def sent(message: Message) -> None:
            nonlocal complete
            complete = message["type"] == "http.response.body" and not message.get("more_body")
            await send(message)

        self._streaming.add(task)
        try:
            await self.app(scope, receive, sent)
        except asyncio.CancelledError:
            if task not in self._ended:
                raise
        finally:
            self._streaming.discard(task)
            ended = task in self._ended
            self._ended.discard(task)
        if ended and not complete:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        """A `send` that adds the security headers, and a cookie to the first page of a new visitor."""
        request = Request(scope)

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [pair for pair in message.get("headers", []) if not pair[0].lower().startswith(DROPPED)]
                headers += self._headers
                if scope["method"] == "GET" and scope["path"] == "/" and message["status"] == 200:
                    if not visitor(request):
                        headers.append((b"set-cookie", new_cookie(is_secure(request)).encode()))
                    headers.append((b"cache-control", b"no-store"))
                message = {**message, "headers": headers}
            await send(message)

        return with_headers


def _of_json(headers: list[tuple[bytes, bytes]], length: int) -> list[tuple[bytes, bytes]]:
    """The headers of a request whose body was written anew as JSON."""
    replaced = (b"content-type", b"content-length", b"transfer-encoding", b"content-encoding")
    kept = [pair for pair in headers if pair[0] not in replaced]
    return [*kept, (b"content-type", b"application/json"), (b"content-length", str(length).encode())]


def _refusal(scope: Mapping[str, Any], refusal: Refused) -> Response:
    """The answer to a refused request; Gradio's page shows the `detail` of an event that was refused."""
    if scope["path"] == "/gradio_api/queue/join" or scope["path"].startswith("/gradio_api/call/"):
        return JSONResponse({"detail": refusal.sentence}, refusal.status_code, headers=refusal.headers)
    return PlainTextResponse(refusal.sentence, refusal.status_code, headers=refusal.headers)
