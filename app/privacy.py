"""Separation of visitors: a cookie identifies the owner of an open exam and of uploaded files.

Gradio serves every file in its upload cache to anybody who knows the path, and lets the client choose its session name.
So `gate` lets only this program's own routes and events through, uploads are taken out of the cache at once
(`uploads`), and every handler checks that what it is asked for belongs to the visitor who asks.
"""

from __future__ import annotations

import re
import secrets
import shutil
from pathlib import Path

import gradio as gr
from starlette.requests import Request

from mvmlm.store.accounts import Account
from mvmlm.store.api_keys import ApiKey

COOKIE = "mvmlm_visitor"
ACCOUNT = "mvmlm.account"  # of the scope of a request: who is logged in
KEY = "mvmlm.api_key"  # of the scope of a request: the key that a program sent
_COOKIE_VALUE = re.compile(r"[A-Za-z0-9_-]{1,100}")


def visitor(request: gr.Request | Request | None) -> str:
    """Return the visitor's cookie; "" where the browser sends none, which owns nothing.

    A program with a key is a visitor of its own, whatever cookie it sends, under a name that no cookie can have.
    """
    if key := key_of(request):
        return f"API key {key.number}"
    value = request.cookies.get(COOKIE, "") if request else ""
    return value if _COOKIE_VALUE.fullmatch(value) else ""


def account_of(request: gr.Request | Request | None) -> Account | None:
    """Return the account that sent a request; None where nobody logs in."""
    sent = request.request if isinstance(request, gr.Request) else request
    return getattr(sent, "scope", {}).get(ACCOUNT)


def key_of(request: gr.Request | Request | None) -> ApiKey | None:
    """Return the key with which a program sent a request; None for a browser."""
    sent = request.request if isinstance(request, gr.Request) else request
    return getattr(sent, "scope", {}).get(KEY)


def who_acts(request: gr.Request | Request | None) -> str:
    """Return the name of the account that sent a request, for the history; "page" where nobody logs in."""
    account = account_of(request)
    return account.name if account else "page"


def is_secure(request: Request) -> bool:
    """Return whether a page is served by HTTPS, perhaps by a proxy in front of the app."""
    return request.headers.get("x-forwarded-proto", request.url.scheme) == "https"


def new_cookie(secure: bool) -> str:
    """Return the header `Set-Cookie` for a new visitor. secure: the page is served by HTTPS."""
    # in the frame of a Space this is a third-party cookie, which needs SameSite=None
    site = "None; Secure; Partitioned" if secure else "Lax"
    return f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; HttpOnly; SameSite={site}"


def discard(folder: Path | None) -> None:
    """Delete a folder of uploads; None is ignored."""
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
