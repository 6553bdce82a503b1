"""Logging in with Hugging Face on a public Space: OpenID Connect, the authorization code flow with PKCE (RFC 7636)."""

from __future__ import annotations

import base64
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from mvmlm.store.accounts import Account, Role
from mvmlm.store.clock import now
from mvmlm.store.database import StoreError
from mvmlm.store.readers import clean_reader

from ..privacy import is_secure
from .logins import EXAM, Login, Logins
from .table import HUB_ROUTES

VARIABLES = ("OPENID_PROVIDER_URL", "OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET")
NAME = "Hugging Face"
ATTEMPT_COOKIE = "mvmlm_login_attempt"
ATTEMPT_SECONDS, MOST_ENDED = 600, 10_000
ANSWER_SECONDS = 10
AGAIN = "Go back to the app and log in again."
NOT_BEGUN = f"This login was not begun here, or longer than ten minutes ago. {AGAIN}"
REFUSED = f"{NAME} did not log you in. {AGAIN}"
NO_ANSWER = f"{NAME} does not answer. Nothing was changed; log in again in a few minutes."


class Provider(NamedTuple):
    """Who proves who somebody is. address: of the provider. client, secret: by which it knows this app."""

    address: str
    client: str
    secret: str


class Incomplete(Exception):
    """Raised where a provider is given in part; the message says what is missing."""


def provider_of(environment: Mapping[str, str]) -> Provider | None:
    """Return the provider that a Space with `hf_oauth: true` names; None where none is named. Raises Incomplete."""
    values = [environment.get(name, "") for name in VARIABLES]
    if not any(values[1:]):  # the address alone is set on every Space
        return None
    if missing := [name for name, value in zip(VARIABLES, values, strict=True) if not value]:
        raise Incomplete(f"Logging in with {NAME} needs {', '.join(missing)} too. Set it, or none of {VARIABLES[1:]}.")
    return Provider(values[0].rstrip("/"), values[1], values[2])


class _Attempts:
    """The ways to the provider and back that were begun here. Nothing is kept of one that does not come back.

    So nobody can crowd out the attempts of others by beginning many. An attempt is its `state`: chance, when it began,
    the exam to go back to, and a seal by which this program knows it. clock: in seconds.
    """

    def __init__(self, clock: Callable[[], float]):
        self._clock, self._key = clock, secrets.token_bytes(32)
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, exam: str) -> str:
        """Return the state of a new attempt. exam: the name of one, or ""."""
        begun = f"{secrets.token_urlsafe(32)}.{int(self._clock())}.{exam}"
        return f"{begun}.{self._sealed(begun)}"

    def end(self, state: str) -> str | None:
        """End an attempt and return its exam; None for one that was not begun here, has ended, or took too long."""
        begun, _, seal = state.rpartition(".")
        if not secrets.compare_digest(seal.encode(), self._sealed(begun).encode()) or state in self._ended:
            return None
        self._ended[state] = None
        while len(self._ended) > MOST_ENDED:
            self._ended.popitem(last=False)
        _, began, exam = begun.split(".")
        return exam if self._clock() - int(began) <= ATTEMPT_SECONDS else None

    def verifier(self, state: str) -> str:
        """Return the secret of PKCE of an attempt."""
        return self._sealed(f"verifier of {state}")

    def _sealed(self, text: str) -> str:
        made = hmac.digest(self._key, text.encode(), "sha256")
        return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


class HubLogins(Logins):
    """Logins with Hugging Face, which nobody needs for looking. Who logs in may do everything in their own workspace.

    taken_over: called with the request and the account of each login, before it begins. clock: in seconds.
    """

    required = False
    opened = HUB_ROUTES

    def __init__(
        self,
        provider: Provider,
        taken_over: Callable[[Request, Account], None],
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__(clock)
        self._provider, self._taken_over = provider, taken_over
        self._attempts = _Attempts(lambda: self._clock())

    def routes(self) -> list[Route]:
        """Return the routes of going to the provider, of coming back, and of logging out."""
        return [
            Route("/login", self._leave, methods=["GET"]),
            Route("/login/callback", self._come_back, methods=["GET"]),
            Route("/logout", self.log_out, methods=["POST"]),
        ]

    def account_of(self, login: Login) -> Account | None:
        """Return the account as it was when it logged in."""
        return login.account

    async def _leave(self, request: Request) -> Response:
        """Lead the browser to the provider. The cookie ties the way back to this browser."""
        exam = request.query_params.get("exam", "")
        state = self._attempts.begin(exam if EXAM.fullmatch(exam) else "")
        try:
            async with self._client(request) as client:
                address, _ = client.create_authorization_url(
                    (await self._addresses(client))["authorization_endpoint"],
                    state=state,
                    code_verifier=self._attempts.verifier(state),
                )
        except (httpx2.HTTPError, KeyError, ValueError):
            return PlainTextResponse(NO_ANSWER, 502)
        answer = RedirectResponse(address, 303)
        answer.set_cookie(
            ATTEMPT_COOKIE, state, ATTEMPT_SECONDS, httponly=True, samesite="lax", secure=is_secure(request)
        )
        return answer

    async def _come_back(self, request: Request) -> Response:
        """Log the browser in that the provider sends back, if it is the one that was sent there."""
        state = request.query_params.get("state", "")
        own = secrets.compare_digest(request.cookies.get(ATTEMPT_COOKIE, "").encode(), state.encode())
        exam = self._attempts.end(state) if own else None
        if exam is None:
            return PlainTextResponse(NOT_BEGUN, 403)
        try:
            account = await self._proven(request, self._attempts.verifier(state))
        except OAuthError:
            return PlainTextResponse(REFUSED, 403)
        except (httpx2.HTTPError, KeyError, ValueError, TypeError, StoreError):
            return PlainTextResponse(NO_ANSWER, 502)
        await run_in_threadpool(self._taken_over, request, account)
        answer = self.begin(account, request, exam)
        answer.delete_cookie(ATTEMPT_COOKIE)
        return answer

    async def _proven(self, request: Request, verifier: str) -> Account:
        """The account for which the provider gave a code. Raises what httpx2 and authlib do, and for odd answers."""
        if "code" not in request.query_params:
            raise OAuthError("access_denied")
        async with self._client(request) as client:
            addresses = await self._addresses(client)
            await client.fetch_token(
                addresses["token_endpoint"], code=request.query_params["code"], code_verifier=verifier
            )
            answer = await client.get(addresses["userinfo_endpoint"])
            known = answer.raise_for_status().json()
        if not isinstance(known["sub"], str) or not known["sub"]:
            raise ValueError("no subject")
        return Account(clean_reader(known["preferred_username"]), Role.ADMIN, now(), False, known["sub"])

    async def _addresses(self, client: AsyncOAuth2Client) -> dict[str, str]:
        """The addresses of the provider, each on its own host."""
        found = await client.request(
            "GET", f"{self._provider.address}/.well-known/openid-configuration", withhold_token=True
        )
        known = found.raise_for_status().json()
        names = ("authorization_endpoint", "token_endpoint", "userinfo_endpoint")
        if any(urlsplit(known[name]).netloc != urlsplit(self._provider.address).netloc for name in names):
            raise ValueError("an address of another host")
        return {name: known[name] for name in names}

    def _client(self, request: Request) -> AsyncOAuth2Client:
        own = f"{'https' if is_secure(request) else 'http'}://{request.headers['host']}"
        return AsyncOAuth2Client(
            self._provider.client,
            self._provider.secret,
            scope="openid profile",
            redirect_uri=f"{own}/login/callback",
            code_challenge_method="S256",
            timeout=ANSWER_SECONDS,
            follow_redirects=False,
        )
