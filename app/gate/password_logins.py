"""The page of the mode `server` that asks for name and password, and the limit on attempts."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mvmlm.store.accounts import Account, Accounts
from mvmlm.store.errors import StoreError

from ..markup import template
from .addresses import counted_address
from .logins import MOST_LOGINS, Login, Logins
from .table import PASSWORD_ROUTES

FAILURES_OF_NAME, FAILURES_OF_ADDRESS, WINDOW_SECONDS = 5, 50, 900
AT_ONCE = 2  # passwords that are checked at a time; each takes 64 MiB
WRONG = "The name or the password is wrong."
WAIT = "There were too many wrong passwords. Wait a quarter of an hour."

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


class PasswordLogins(Logins):
    """Logins by the name and password of an account, which everybody needs. clock: in seconds."""

    required = True
    opened = PASSWORD_ROUTES

    def __init__(self, accounts: Accounts, clock: Callable[[], float] = time.monotonic):
        super().__init__(clock)
        self._accounts = accounts
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._failing = threading.Lock()
        self._checks = anyio.Semaphore(AT_ONCE)

    def routes(self) -> list[Route]:
        """Return the routes of the page that asks for name and password, and of logging out."""
        return [
            Route("/login", self._show, methods=["GET"]),
            Route("/login", self._log_in, methods=["POST"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]

    def account_of(self, login: Login) -> Account | None:
        """Return the account as it is now; None where it was closed, or has another password."""
        try:
            account = self._accounts.get(login.account.name)
        except StoreError:
            return None
        return None if account.closed or account.mark != login.account.mark else account

    async def _show(self, request: Request) -> Response:
        return _page(exam=request.query_params.get("exam", ""))

    async def _log_in(self, request: Request) -> Response:
        form = await request.form()
        name, password, exam = (str(form.get(key, "")) for key in ("name", "password", "exam"))
        address = counted_address(request.scope)
        counted = [(f"{address} {name.casefold().strip()[:100]}", FAILURES_OF_NAME), (address, FAILURES_OF_ADDRESS)]
        async with self._checks:  # attempts that are sent at once are counted one by one
            if any(self._failed(key) >= most for key, most in counted):
                return _page(WAIT, name, exam, 429)
            account = await run_in_threadpool(self._accounts.check, name, password)
            if account is None:
                self._note_failure(*(key for key, _ in counted))
                return _page(WRONG, name, exam, 403)
        return self.begin(account, request, exam)

    def _failed(self, key: str) -> int:
        """How often a name or address failed within WINDOW_SECONDS."""
        with self._failing:
            times = self._failures.get(key, deque())
            return sum(self._clock() - at < WINDOW_SECONDS for at in times)

    def _note_failure(self, *keys: str) -> None:
        with self._failing:
            for key in keys:
                self._failures.setdefault(key, deque(maxlen=FAILURES_OF_ADDRESS)).append(self._clock())
                self._failures.move_to_end(key)
            while len(self._failures) > MOST_LOGINS:
                self._failures.popitem(last=False)


def _page(problem: str = "", name: str = "", exam: str = "", status: int = 200) -> Response:
    return HTMLResponse(_PAGE.render(problem=problem, name=name, exam=exam), status, {"cache-control": "no-store"})
