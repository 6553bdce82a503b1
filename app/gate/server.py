"""The served app: Gradio's pages and our own routes behind the gate, and the server that runs them."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mvmlm.store.accounts import Account, Role

from ..event_log import EventLog
from ..privacy import ACCOUNT
from ..uploads import MOST_BYTES, Uploads, delete_forgotten
from .connections import BoundedConnection
from .hosts import Hosts
from .logins import Logins
from .middleware import Gate
from .queued import Queued
from .table import page_events

MOST_OPEN_FILES = 4096
FIRST_PORT, PORTS = 7860, 100
SWEEP_SECONDS, STOP_SECONDS = 30, 5
_BASE = b'<base href="./" />'


class OwnPage:
    """ASGI middleware inside Gradio: the first page with our own beginning.

    It has no <base>, which the policy forbids and nothing needs, but who is logged in, and scripts that run before
    those of Gradio: it runs what is given as `head` after its own connection. scripts: JavaScript.
    """

    def __init__(self, app: ASGIApp, scripts: str):
        self.app, self._scripts = app, scripts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] != "http" or scope["path"] != "/":
            await self.app(scope, receive, send)
            return
        start: list[Message] = []
        parts: list[bytes] = []

        async def collect(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
            if message["type"] != "http.response.body":
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(parts).replace(_BASE, self._beginning(scope.get(ACCOUNT)), 1)
            headers = [pair for pair in start[0]["headers"] if pair[0].lower() != b"content-length"]
            length = (b"content-length", str(len(body)).encode())
            await send(
                {**start[0], "headers": [*headers, length] if scope["method"] != "HEAD" else start[0]["headers"]}
            )
            await send({"type": "http.response.body", "body": body})

        await self.app(scope, receive, collect)

    def _beginning(self, account: Account | None) -> bytes:
        known = {"name": account.name, "role": account.role} if account else None
        named = json.dumps(known).replace("<", "\\u003c")
        return f"<script>window.account = {named};\n{self._scripts}</script>".encode()


def gated_app(
    demo: gr.Blocks,
    routes: Sequence[BaseRoute],
    hosts: Hosts,
    logins: Logins | None,
    log: EventLog,
    visitors: Role,
    first_scripts: str,
    **page: Any,
) -> Gate:
    """Return the whole app.

    routes: our own, beside Gradio's. logins: who is logged in; None where nobody logs in. log: of every request.
    visitors: the role whose events everybody may raise who does not log in. first_scripts: JavaScript that runs before
    that of Gradio. page: options of `gr.mount_gradio_app` for the look.
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
        ssr_mode=False,
        footer_links=[],
        app_kwargs={"middleware": [Middleware(OwnPage, scripts=first_scripts)]},
        **page,
    )
    demo.has_launched = True  # else Gradio does not check whether the file of an event lies in its cache
    return Gate(inner, page_events(demo), hosts, queued, log, logins, visitors)


async def _sweep(queued: Queued) -> None:
    """Delete forgotten uploads and unread results while the server runs."""
    while True:
        await asyncio.to_thread(delete_forgotten)
        await queued.forget_unread()
        await asyncio.sleep(SWEEP_SECONDS)


class _Server(uvicorn.Server):
    """Ends the answers that stay open before it waits for the others."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        gate = self.config.app
        assert isinstance(gate, Gate)
        gate.close_streams()
        await super().shutdown(sockets)


def serve(gate: Gate, address: str, port: int | None) -> None:
    """Serve the app until the process is told to end. port None: the first free one from 7860 on.

    Raises OSError where the port, or each of the ports that are tried, is taken.
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
    last: OSError | None = None
    for number in [port] if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS):
        try:
            return socket.create_server((address, number), family=family, backlog=2048)
        except OSError as error:
            last = error
    raise OSError(f"No free port at {address}: {last}. Choose another one with --port.")


def _allow_open_files() -> None:
    """Raise this process' limit on open files, so that connections never use them up. Windows has none."""
    if os.name != "posix":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MOST_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
