"""Who is logged in: the cookie that proves it, and how long it holds. How people log in, the classes below say."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from mvmlm.store.accounts import Account

from ..privacy import is_secure, new_cookie
from .table import Route as TableRoute

LOGIN_COOKIE = "mvmlm_login"
IDLE_SECONDS, LONGEST_SECONDS = 8 * 3600, 7 * 86_400
MOST_LOGINS = 10_000
LOG_IN = "You are not logged in any more. Load the page again and log in."
EXAM = re.compile(r"[A-Za-z0-9_-]{1,64}")  # its name in an address


@dataclass
class Login:
    """A browser that is logged in. account: as it was then. began, used: by the clock of `Logins`."""

    account: Account
    began: float
    used: float


class Logins(ABC):
    """Logged-in browsers; they are forgotten when the program ends. Safe to share between threads.

    required: whether nothing but the login can be reached without one. opened: the routes of the table that are open
    besides. clock: in seconds.
    """

    required: bool
    opened: tuple[TableRoute, ...]

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._logins: OrderedDict[str, Login] = OrderedDict()
        self._lock = threading.Lock()

    @abstractmethod
    def routes(self) -> list[Route]:
        """Return the routes of logging in and out."""

    @abstractmethod
    def account_of(self, login: Login) -> Account | None:
        """Return the account of a login as it is now; None where it does not hold any more."""

    def account(self, request: Request) -> Account | None:
        """Return the account that a request proves, as it is now; None where it proves none."""
        key = _key(request.cookies.get(LOGIN_COOKIE, ""))
        with self._lock:
            login, now = self._logins.get(key), self._clock()
            if login is None or now - login.used > IDLE_SECONDS or now - login.began > LONGEST_SECONDS:
                self._logins.pop(key, None)
                return None
            login.used = now
        return self.account_of(login)

    def ask(self, request: Request) -> Response:
        """Return the answer that leads to the page that asks for name and password, and back to the exam."""
        exam = request.query_params.get("exam", "")
        return RedirectResponse(f"/login?exam={exam}" if EXAM.fullmatch(exam) else "/login", 303)

    def begin(self, account: Account, request: Request, exam: str) -> Response:
        """Log a browser in. It also becomes a new visitor: what another account had open here is not shown to this."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._logins[_key(token)] = Login(account, self._clock(), self._clock())
            while len(self._logins) > MOST_LOGINS:
                self._logins.popitem(last=False)
        answer = RedirectResponse(f"/?exam={exam}" if EXAM.fullmatch(exam) else "/", 303)
        secure = is_secure(request)
        framed = secure and bool(os.environ.get("SPACE_HOST"))  # by the page of the Space, which is another site
        answer.set_cookie(LOGIN_COOKIE, token, httponly=True, samesite="none" if framed else "lax", secure=secure)
        if framed:
            answer.raw_headers[-1] = (b"set-cookie", answer.raw_headers[-1][1] + b"; Partitioned")
        answer.headers.append("set-cookie", new_cookie(secure))
        return answer

    async def log_out(self, request: Request) -> Response:
        """Answer a request that ends a login."""
        with self._lock:
            self._logins.pop(_key(request.cookies.get(LOGIN_COOKIE, "")), None)
        answer = RedirectResponse("/login" if self.required else "/", 303)
        answer.delete_cookie(LOGIN_COOKIE)
        answer.headers.append("set-cookie", new_cookie(is_secure(request)))
        return answer


def _key(token: str) -> str:
    """What is kept of a cookie: whoever reads the memory of the program cannot log in with it."""
    return hashlib.sha256(token.encode()).hexdigest()
