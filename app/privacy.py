"""What keeps one visitor's exam from another: no file route, a cookie that owns the exam, a folder that is emptied.

Gradio serves whatever lies in its upload cache to anybody who knows the path, and lets the client choose its session
name. So uploads leave the cache at once, pictures travel only inside the visitor's own events, and every handler
checks that the exam belongs to the visitor who asks.
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterable
from http.cookies import SimpleCookie
from pathlib import Path

COOKIE = "mvmlm_visitor"


class PrivateFiles:
    """ASGI middleware: refuses Gradio's file routes and gives each visitor a cookie."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scope["path"]
        if "/file=" in path or path.rstrip("/").endswith("/file") or "/proxy=" in path or "/stream/" in path:
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
            return await send({"type": "http.response.body", "body": b"Files are not served."})
        headers = {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
        known = COOKIE in SimpleCookie(headers.get("cookie", ""))
        secure = headers.get("x-forwarded-proto", scope.get("scheme")) == "https"

        async def send_with_cookie(message):
            if message["type"] == "http.response.start" and not known and scope["method"] == "GET" and path == "/":
                # inside the frame of a Space the cookie is a third party's: it must say SameSite=None
                site = "None; Secure; Partitioned" if secure else "Lax"
                cookie = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; HttpOnly; SameSite={site}"
                message["headers"] = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
            await send(message)

        return await self.app(scope, receive, send_with_cookie)


def visitor(request) -> str:
    """The visitor behind a gr.Request; empty where the browser keeps no cookies (then the session alone decides)."""
    return request.cookies.get(COOKIE, "") if request else ""


def take_uploads(paths: Iterable[str]) -> Path:
    """Moves uploaded files out of Gradio's public cache into a new private folder, which is returned.

    Two uploads of the same name keep apart; the caller deletes the folder with `discard`.
    """
    folder = Path(tempfile.mkdtemp(prefix="mvmlm-visit-"))
    for number, path in enumerate(map(Path, paths)):
        target = folder / path.name
        if target.exists():
            target = folder / f"{number} {path.name}"
        shutil.move(path, target)
        if path.parent.is_dir() and not any(path.parent.iterdir()):
            path.parent.rmdir()
    return folder


def discard(folder: Path | None) -> None:
    """Delete a folder of `take_uploads` with its files; None does nothing."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
