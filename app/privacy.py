"""Separation of visitors: no file routes, a cookie that identifies the owner of an exam, and private upload folders.

Gradio serves every file in its upload cache to anybody who knows the path, and lets the client choose its session name.
So uploads are moved out of the cache at once, pictures are served to their visitor only, and every handler checks that
the exam belongs to the visitor who asks.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable
from http.cookies import SimpleCookie
from pathlib import Path

import gradio as gr
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mvmlm.temporary import temporary_folder

COOKIE = "mvmlm_visitor"


class PrivateFiles:
    """ASGI middleware: refuses Gradio's file routes and gives each visitor a cookie."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI defines it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if "/file=" in path or path.rstrip("/").endswith("/file") or "/proxy=" in path or "/stream/" in path:
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": b"Files are not served."})
            return
        headers = {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
        known = COOKIE in SimpleCookie(headers.get("cookie", ""))
        secure = headers.get("x-forwarded-proto", scope.get("scheme")) == "https"

        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and not known and scope["method"] == "GET" and path == "/":
                # in the frame of a Space this is a third-party cookie, which needs SameSite=None
                site = "None; Secure; Partitioned" if secure else "Lax"
                cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; HttpOnly; SameSite={site}"
                message["headers"] = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
            await send(message)

        await self.app(scope, receive, send_with_cookie)


def visitor(request: gr.Request | Request | None) -> str:
    """Return the visitor's cookie; empty where the browser stores no cookies (then only sessions separate visitors)."""
    return request.cookies.get(COOKIE, "") if request else ""


def take_uploads(paths: Iterable[str]) -> Path:
    """Move uploaded files out of Gradio's public cache into a new private folder, and return it.

    A second file of the same name gets a number in front. The caller deletes the folder with `discard`.
    """
    folder = temporary_folder("visit")
    for number, path in enumerate(map(Path, paths)):
        target = folder / path.name
        if target.exists():
            target = folder / f"{number} {path.name}"
        shutil.move(path, target)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
    return folder


def discard(folder: Path | None) -> None:
    """Delete a folder of uploads; None is ignored."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
