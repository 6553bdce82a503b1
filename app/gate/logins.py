"""Who is logged in: the page that asks for name and password, the cookie that proves it, and the limit on attempts."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from mvmlm.store.accounts import Account, Accounts
from mvmlm.store.errors import StoreError

from ..markup import template
from ..privacy import is_secure, new_cookie

LOGIN_COOKIE = "mvmlm_login"
IDLE_SECONDS, LONGEST_SECONDS = 8 * 3600, 7 * 86_400
MOST_LOGINS = 10_000
FAILURES_OF_NAME, FAILURES_OF_ADDRESS, WINDOW_SECONDS = 5, 50, 900
AT_ONCE = 2  # passwords that are checked at a time; each takes 64 MiB
LOG_IN = "You are not logged in any more. Load the page again and log in."
WRONG = "The name or the password is wrong."
WAIT = "There were too many wrong passwords. Wait a quarter of an hour."
_EXAM = re.compile(r"[A-Za-z0-9_-]{1,64}")

_PAGE = template("""\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Log in · MV-MLM</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #0b0d10; color: #d7dee6;
  font: 15px/1.5 system-ui, sans-serif; }
form { width: 320px; display: grid; gap: 12px; }
h1 { margin: 0; font-size: 20px; font-weight: 600; } p { margin: 0; }
label { display: grid; gap: 4px; font-size: 13px; }
input, button { padding: 8px; font: inherit; color: inherit; border: 1px solid #39414d; border-radius: 4px; }
input { background: #161a20; } button { color: #fff; background: #c2410c; cursor: pointer; }
.wrong { color: #ff9f7a; } .small { font-size: 13px; color: #9aa5b1; }
</style></head><body><form method="post" action="/login"><h1>MV-MLM</h1>
{% if problem %}<p class="wrong" role="alert">{{ problem }}</p>{% endif %}
<label>Name<input name="name" autocomplete="username" required autofocus value="{{ name }}"></label>
<label>Password<input name="password" type="password" autocomplete="current-password" required></label>
<input type="hidden" name="exam" value="{{ exam }}">
<button>Log in</button><p class="small">Research use only, not for diagnosis.</p></form></body></html>
""")


@dataclass
class _Login:
    name: str
    mark: str
    began: float
    used: float


class Logins:
    """Logged-in browsers and failed attempts; they are forgotten when the program ends. Safe to share between threads.

    clock: in seconds.
    """

    def __init__(self, accounts: Accounts, clock: Callable[[], float] = time.monotonic):
        self._accounts, self._clock = accounts, clock
        self._logins: OrderedDict[str, _Login] = OrderedDict()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()
        self._checks = anyio.Semaphore(AT_ONCE)

    def account(self, request: Request) -> Account | None:
        """Return the account that a request proves, as it is now; None where it proves none."""
        key = _key(request.cookies.get(LOGIN_COOKIE, ""))
        with self._lock:
            login, now = self._logins.get(key), self._clock()
            if login is None or now - login.used > IDLE_SECONDS or now - login.began > LONGEST_SECONDS:
                self._logins.pop(key, None)
                return None
            login.used = now
        try:
            account = self._accounts.get(login.name)
        except StoreError:
            return None
        return None if account.closed or account.mark != login.mark else account

    def routes(self) -> list[Route]:
        """Return the routes of the page that asks for name and password, and of logging out."""
        return [
            Route("/login", self._show, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
        ]

    def ask(self, request: Request) -> Response:
        """Return the answer that leads to the page that asks for name and password, and back to the exam."""
        exam = request.query_params.get("exam", "")
        return RedirectResponse(f"/login?exam={exam}" if _EXAM.fullmatch(exam) else "/login", 303)

    async def _show(self, request: Request) -> Response:
        return _page(exam=request.query_params.get("exam", ""))

    async def _log_in(self, request: Request) -> Response:
        form = await request.form()
        name, password, exam = (str(form.get(key, "")) for key in ("name", "password", "exam"))
        address = request.client.host if request.client else ""
        counted = [(f"{address} {name.casefold().strip()[:100]}", FAILURES_OF_NAME), (address, FAILURES_OF_ADDRESS)]
        async with self._checks:  # attempts that are sent at once are counted one by one
            if any(self._failed(key) >= most for key, most in counted):
                return _page(WAIT, name, exam, 429)
            account = await run_in_threadpool(self._accounts.check, name, password)
            if account is None:
                self._note_failure(*(key for key, _ in counted))
                return _page(WRONG, name, exam, 403)
        return self._begin(account, request, exam)

    def _begin(self, account: Account, request: Request, exam: str) -> Response:
        """Log a browser in. It also becomes a new visitor: what another account had open here is not shown to this."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._logins[_key(token)] = _Login(account.name, account.mark, self._clock(), self._clock())
            while len(self._logins) > MOST_LOGINS:
                self._logins.popitem(last=False)
        answer = RedirectResponse(f"/?exam={exam}" if _EXAM.fullmatch(exam) else "/", 303)
        secure = is_secure(request)
        framed = secure and bool(os.environ.get("SPACE_HOST"))  # by the page of the Space, which is another site
        answer.set_cookie(LOGIN_COOKIE, token, httponly=True, samesite="none" if framed else "lax", secure=secure)
        if framed:
            answer.raw_headers[-1] = (b"set-cookie", answer.raw_headers[-1][1] + b"; Partitioned")
        answer.headers.append("set-cookie", new_cookie(secure))
        return answer

    async def _log_out(self, request: Request) -> Response:
        with self._lock:
            self._logins.pop(_key(request.cookies.get(LOGIN_COOKIE, "")), None)
        answer = RedirectResponse("/login", 303)
        answer.delete_cookie(LOGIN_COOKIE)
        answer.headers.append("set-cookie", new_cookie(is_secure(request)))
        return answer

    def _failed(self, key: str) -> int:
        """How often a name or address failed within WINDOW_SECONDS."""
        with self._lock:
            times = self._failures.get(key, deque())
            return sum(self._clock() - at < WINDOW_SECONDS for at in times)

    def _note_failure(self, *keys: str) -> None:
        with self._lock:
            for key in keys:
                self._failures.setdefault(key, deque(maxlen=FAILURES_OF_ADDRESS)).append(self._clock())
                self._failures.move_to_end(key)
            while len(self._failures) > MOST_LOGINS:
                self._failures.popitem(last=False)


def _key(token: str) -> str:
    """What is kept of a cookie: whoever reads the memory of the program cannot log in with it."""
    return hashlib.sha256(token.encode()).hexdigest()


def _page(problem: str = "", name: str = "", exam: str = "", status: int = 200) -> Response:
    return HTMLResponse(_PAGE.render(problem=problem, name=name, exam=exam), status, {"cache-control": "no-store"})
