"""Workspaces of a public Space: a store for each visitor, so that nothing of one can reach another."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mvmlm.published.download import MODELS
from mvmlm.store.errors import StoreError
from mvmlm.store.limits import StoreLimits
from mvmlm.store.store import Store

from .jobs import NO_COOKIE
from .privacy import account_of, visitor

FOLDER = "workspaces"
OF_VISIT, OF_ACCOUNT = "visit", "account"  # how the names of the folders begin
VISIT_LIMITS = StoreLimits(most_bytes=1_000_000_000, most_job_seconds=60)
ACCOUNT_LIMITS = StoreLimits(most_bytes=2_000_000_000, most_job_seconds=1800)
MOST_WORKSPACES = 400  # of visits without a login; each takes 1 MB of memory and what its visitor keeps
UNUSED_SECONDS = 600  # then a store is closed, and the workspace of a visit without a page is deleted
SWEEP_SECONDS = 30
FULL = "This Space has as many visitors as it can hold. Load the page again in a few minutes."

_route_request: ContextVar[Request | None] = ContextVar("request of one of our own routes", default=None)


@dataclass
class _Workspace:
    store: Store
    used: float


class Workspaces:
    """The stores of all visitors, opened when first used. Safe to share between threads.

    home: the store of the app itself, which no visitor sees. clock: in seconds.
    """

    def __init__(self, home: Store, clock: Callable[[], float] = time.monotonic):
        self.home, self._clock = home, clock
        self._folder = home.folder / FOLDER
        self._open: dict[str, _Workspace] = {}
        self._lock = threading.RLock()
        self._laying_out = threading.local()
        for left in self._folder.glob(f"{OF_VISIT}-*"):  # the cookies of an earlier start are not known any more
            shutil.rmtree(left, ignore_errors=True)

    def current(self) -> Store:
        """Return the store of the visitor whose event or request is being answered.

        Raises StoreError for a visitor without a cookie, and where there are too many; RuntimeError where nobody acts.
        """
        if getattr(self._laying_out, "now", False):
            return self.home
        request = _route_request.get() or LocalContext.request.get(None)
        if request is None:
            raise RuntimeError("a store of a visitor is used where no visitor acts")
        return self.of(request)

    def of(self, request: gr.Request | Request) -> Store:
        """Return the store of who sent a request. Raises StoreError as `current`."""
        name = workspace_name(request)
        with self._lock:
            workspace = self._open.get(name)
            if workspace is None:
                workspace = self._open[name] = _Workspace(self._opened(name), self._clock())
            workspace.used = self._clock()
            return workspace.store

    @contextmanager
    def laying_out(self) -> Iterator[None]:
        """In this block and thread, what asks for the visitor's store gets that of the app: for pages without one."""
        self._laying_out.now = True
        try:
            yield
        finally:
            self._laying_out.now = False

    def sweep(self, here: Callable[[], set[str]]) -> None:
        """Close stores that are not used, and delete the workspaces of visits that have ended.

        here: returns the cookies of the visitors who have a page, or may come back to one.
        """
        kept = {visit_name(cookie) for cookie in here()}
        with self._lock:
            for name, workspace in list(self._open.items()):
                unused = self._clock() - workspace.used > UNUSED_SECONDS
                if name in kept or not unused or workspace.store.jobs.unfinished():
                    continue
                del self._open[name]
                workspace.store.close()
                if name.startswith(OF_VISIT):
                    shutil.rmtree(self._folder / name, ignore_errors=True)

    def sweep_regularly(self, here: Callable[[], set[str]]) -> None:
        """Sweep in the background until the process ends. here: as for `sweep`."""

        def run() -> None:
            while True:
                time.sleep(SWEEP_SECONDS)
                self.sweep(here)

        threading.Thread(target=run, name="workspaces", daemon=True).start()

    def close(self) -> None:
        """Close the stores of all visitors."""
        with self._lock:
            for workspace in self._open.values():
                workspace.store.close()
            self._open.clear()

    def _opened(self, name: str) -> Store:
        visits = [known for known in self._open if known.startswith(OF_VISIT)]
        if name.startswith(OF_VISIT) and len(visits) >= MOST_WORKSPACES:
            raise StoreError(FULL)
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        models = folder / MODELS
        if not models.is_symlink():  # which its owner fetched; visitors fetch none
            models.symlink_to((self.home.folder / MODELS).resolve())
        return Store(folder, VISIT_LIMITS if name.startswith(OF_VISIT) else ACCOUNT_LIMITS)


def workspace_name(request: gr.Request | Request) -> str:
    """Return the name of the folder of who sent a request. Raises StoreError for a visitor without a cookie."""
    account = account_of(request)
    if account is not None:
        return f"{OF_ACCOUNT}-{_hash(account.mark)}"
    cookie = visitor(request)
    if not cookie:
        raise StoreError(NO_COOKIE)
    return visit_name(cookie)


def visit_name(cookie: str) -> str:
    """Return the name of the folder of a visit without a login."""
    return f"{OF_VISIT}-{_hash(cookie)}"


def _hash(text: str) -> str:
    return hashlib.sha256(f"workspace of {text}".encode()).hexdigest()[:32]


class StoreOfVisitor(Store):
    """The store of the visitor who acts, whoever that is at the moment: it holds nothing itself."""

    def __init__(self, workspaces: Workspaces):  # not as a store, which opens a file
        self._workspaces = workspaces

    def __getattr__(self, name: str) -> Any:
        """Return what the store of the visitor has."""
        return getattr(self._workspaces.current(), name)

    def take_new_tasks(self) -> None:
        """As `Store.take_new_tasks`."""
        self._workspaces.current().take_new_tasks()

    def check_room(self, new_bytes: int) -> None:
        """As `Store.check_room`."""
        self._workspaces.current().check_room(new_bytes)

    def close(self) -> None:
        """Close the stores of all visitors."""
        self._workspaces.close()


class _InWorkspace:
    """A route of ours, answered from the store of the visitor who asks."""

    def __init__(self, route: Route):
        self._answer = route.app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = _route_request.set(Request(scope))
        try:
            await self._answer(scope, receive, send)
        finally:
            _route_request.reset(token)


def in_workspaces(routes: list[Route]) -> list[Route]:
    """Return routes that are answered from the store of the visitor who asks."""
    return [Route(route.path, _InWorkspace(route), methods=route.methods) for route in routes]
