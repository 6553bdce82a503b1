"""The served app: Gradio's pages and our own routes behind the gate, and the server that runs them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mvmlm.store.accounts import Account

from ..event_log import EventLog
from ..lean_sessions import LeanSessions
from ..privacy import ACCOUNT
from ..uploads import MOST_BYTES, Uploads, delete_forgotten
from .api_keys import KeyGate
from .calls import Calls, CheckCall
from .connections import BoundedConnection
from .hosts import Hosts
from .logins import Logins
from .middleware import Gate
from .queued import Queued
from .table import page_events

MOST_OPEN_FILES = 4096
FIRST_PORT, PORTS = 7860, 100
SWEEP_SECONDS, STOP_SECONDS = 30, 5
SAVE_SECONDS = 8  # for what is being saved when the app is stopped; a container has ten seconds
_BASE = b'<base href="./" />'
_CALLED = (b"host", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-port", b"x-forwarded-prefix")
MOST_PAGES = 8  # one for each address under which the app is called


class NoPort(Exception):
    """Raised where the app cannot listen; the message says what to do."""


class OwnPage:
    """ASGI middleware inside Gradio: the first page with our own beginning.

    It has no <base>, which the policy forbids and nothing needs, but who is logged in, and scripts that run before
    those of Gradio: it runs what is given as `head` after its own connection. scripts: JavaScript. offered: whether
    who is not logged in may log in.
    """

    def __init__(self, app: ASGIApp, scripts: str, offered: bool = False):
        self.app, self._scripts, self._offered = app, scripts, offered
        self._pages: OrderedDict[tuple[object, ...], tuple[Message, bytes]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] != "http" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        start, body = await self._page(scope, receive)
        body = body.replace(_BASE, self._beginning(scope.get(ACCOUNT)), 1)
        headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _page(self, scope: Scope, receive: Receive) -> tuple[Message, bytes]:
        """Gradio's first page: the start of its answer, and its body. It copies a megabyte for each, so it is kept.

        It says nothing but under which address it was called.
        """
        named = sorted((name, value) for name, value in scope["headers"] if name in _CALLED)
        called = scope["scheme"], scope.get("root_path", ""), *named
        if called in self._pages:
            return self._pages[called]
        start: list[Message] = []
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
            elif message["type"] == "http.response.body":
                parts.append(message.get("body", b""))

        await self.app({**scope, "method": "GET"}, receive, collect)
        page = start[0], b"".join(parts)
        if start[0]["status"] == 200:
            self._pages[called] = page
            while len(self._pages) > MOST_PAGES:
                self._pages.popitem(last=False)
        return page

    def _beginning(self, account: Account | None) -> bytes:
        title = "own workspace" if self._offered else account.role if account else ""
        known = {"name": account.name, "role": account.role, "title": title} if account else None
        named = json.dumps(known).replace("<", "\\u003c")
        offered = json.dumps(self._offered and account is None)
        return f"<script>window.account = {named}; window.loginOffered = {offered};\n{self._scripts}</script>".encode()


def gated_app(
    demo: gr.Blocks,
    routes: Sequence[BaseRoute],
    hosts: Hosts,
    logins: Logins | None,
    log: EventLog,
    public: bool,
    first_scripts: str,
    keys: KeyGate,
    check_call: CheckCall,
    tools: bool,
    **page: Any,
) -> Gate:
    """Return the whole app.

    routes: our own, beside Gradio's. logins: who is logged in; None where nobody logs in. log: of every request.
    public: as of `Gate`. first_scripts: JavaScript that runs before that of Gradio. keys: of programs. check_call: as
    of `Calls`. tools: as of `Gate`. page: options of `gr.mount_gradio_app` for the look.
    """
    queued = Queued(demo)

    @asynccontextmanager
    async def sweeps(_: FastAPI) -> AsyncIterator[None]:
        task = asyncio.create_task(_sweep(queued))
        yield
        task.cancel()

    logging_in = logins.routes() if logins else []
    inner = FastAPI(openapi_url=None, routes=[*Uploads().routes(), *logging_in, *routes], lifespan=sweeps)
    gr.mount_gradio_app(
        inner,
        demo,
        "/",
        max_file_size=MOST_BYTES,
        allowed_paths=[],
        show_error=False,
        run_history=False,
        enable_monitoring=False,
        mcp_server=tools,
        ssr_mode=False,
        footer_links=[],
        app_kwargs={
            "middleware": [
                Middleware(OwnPage, scripts=first_scripts, offered=logins is not None and not logins.required)
            ]
        },
        **page,
    )
    if tools and not demo.mcp_server:
        raise RuntimeError(f"The tools could not be offered: {demo.mcp_error}")  # Gradio would start without them
    mounted = next(route.app for route in inner.routes if isinstance(route, Mount))
    mounted.state_holder = LeanSessions()  # type: ignore[attr-defined]
    mounted.state_holder.set_blocks(demo)  # type: ignore[attr-defined]
    demo.has_launched = True  # else Gradio does not check whether the file of an event lies in its cache
    return Gate(inner, page_events(demo), hosts, queued, log, logins, public, keys, Calls(demo, check_call), tools)


async def _sweep(queued: Queued) -> None:
    """Delete forgotten uploads and unread results while the server runs."""
    while True:
        await asyncio.to_thread(delete_forgotten)
        await queued.forget_unread()
        await asyncio.sleep(SWEEP_SECONDS)


class _Server(uvicorn.Server):
    """Lets what visitors do end, and ends the answers that stay open, before it waits for the others."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        gate = self.config.app
        assert isinstance(gate, Gate)
        await gate.finish_events(SAVE_SECONDS)
        gate.close_streams()
        await super().shutdown(sockets)


def serve(gate: Gate, address: str, port: int | None) -> None:
    """Serve the app until the process is told to end. port None: the first free one from 7860 on.

    Raises NoPort where the port, or each of the ports that are tried, is taken.
    """
    _allow_open_files()
    listener = _listener(address, port)
    name = f"[{address}]" if ":" in address else address
    config = uvicorn.Config(
        gate,
        http=BoundedConnection,
        ws="none",
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    print(f"* Running on local URL:  http://{name}:{listener.getsockname()[1]}", flush=True)
    with suppress(KeyboardInterrupt):  # the server has ended in order before it passes the signal on
        _Server(config).run([listener])


def _listener(address: str, port: int | None) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    last: OSError | OverflowError | None = None
    for number in [port] if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS):
        try:
            return socket.create_server((address, number), family=family, backlog=2048)
        except (OSError, OverflowError) as error:  # taken, no address of this machine, or no number of a port
            last = error
    raise NoPort(f"The app cannot listen at {address}: {last}. Choose another --port or --host.")


def _allow_open_files() -> None:
    """Raise this process' limit on open files, so that connections never use them up. Windows has none."""
    if os.name != "posix":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MOST_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
