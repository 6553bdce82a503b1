"""Workspaces of a public Space: a store for each visitor, so that nothing of one can reach another."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from filelock import FileLock, Timeout
from gradio.context import LocalContext
from starlette.requests import Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from mvmlm.published.download import MODELS
from mvmlm.store.accounts import Account
from mvmlm.store.errors import StoreError
from mvmlm.store.limits import StoreLimits
from mvmlm.store.store import Store

from .jobs import NO_COOKIE
from .privacy import account_of, visitor

FOLDER, LOCK = "workspaces", "workspaces.lock"
_SETTING = "workspace of account "  # of the app's store: the folder of each account
VISIT_LIMITS = StoreLimits(most_bytes=1_000_000_000, most_job_seconds=60)
ACCOUNT_LIMITS = StoreLimits(most_bytes=2_000_000_000, most_job_seconds=1800)
MOST_VISITS = 400  # without a login; each takes 1 MB of memory and what its visitor keeps
UNUSED_SECONDS = 600  # then a store is closed, and the workspace of a visit without a page is deleted
SWEEP_SECONDS = 30
FULL = "This Space has as many visitors as it can hold. Load the page again in a few minutes."

SERVED = (
    "Another app serves a public Space from this data folder, and each would delete the visits of the other. Stop that "
    "one, or give this one a folder of its own: --data FOLDER."
)

_route_request: ContextVar[Request | None] = ContextVar("request of one of our own routes", default=None)


@dataclass
class _Workspace:
    store: Store
    used: float


class Workspaces:
    """The stores of all visitors, opened when first used. Safe to share between threads.

    home: the store of the app itself, which no visitor sees; it knows the folder of each account. clock: in seconds.
    opened: called with each store that is opened, in which a job of an earlier start may wait. Raises StoreError where
    another process holds workspaces of the same app's store.
    """

    def __init__(
        self,
        home: Store,
        clock: Callable[[], float] = time.monotonic,
        opened: Callable[[Store], None] = lambda store: None,
    ):
        self.home, self._clock, self._when_opened = home, clock, opened
        self._folder = home.folder / FOLDER
        self._visits: dict[str, str] = {}  # owner -> folder
        self._open: dict[str, _Workspace] = {}  # by folder
        self._lock = threading.RLock()
        self._laying_out = threading.local()
        self._process_lock = FileLock(home.folder / LOCK, timeout=0, mode=0o600, thread_local=False)
        try:
            self._process_lock.acquire()
        except Timeout:
            raise StoreError(SERVED) from None
        self._delete_left()

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
        account, cookie = account_of(request), visitor(request)
        if account is None and not cookie:
            raise StoreError(NO_COOKIE)
        with self._lock:
            folder = self._of_account(account) if account else self._of_visit(cookie)
            workspace = self._open.get(folder)
            if workspace is None:
                store = self._opened(folder, ACCOUNT_LIMITS) if account else self._opened_visit(folder)
                workspace = self._open[folder] = _Workspace(store, self._clock())
                self._visits |= {} if account else {_owner(cookie): folder}
                self._when_opened(store)
            workspace.used = self._clock()
            return workspace.store

    def take_over(self, request: Request, account: Account) -> None:
        """Make the workspace of a visit that of the account which logs in, where the account has none yet."""
        with self._lock:
            folder = self._visits.get(_owner(visitor(request)))
            if folder is not None and not self.home.file.setting(_setting(account)):
                self.home.file.set(_setting(account), folder, "program")
                del self._visits[_owner(visitor(request))]
                self._close(folder)  # it is opened again with the limits of an account

    def lasting(self) -> list[Path]:
        """Return the folders of the stores that are to outlive a restart: that of the app, and those of accounts."""
        return [self.home.folder, *(self._folder / name for name in sorted(self._of_accounts()))]

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
        staying = {_owner(cookie) for cookie in here()}
        with self._lock:
            visits = {folder: owner for owner, folder in self._visits.items()}
            for folder, workspace in list(self._open.items()):
                unused = self._clock() - workspace.used > UNUSED_SECONDS
                if visits.get(folder) in staying or not unused or workspace.store.jobs.unfinished():
                    continue
                self._close(folder)
                if folder in visits:
                    del self._visits[visits[folder]]
                    shutil.rmtree(self._folder / folder, ignore_errors=True)

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
            for folder in list(self._open):
                self._close(folder)
        self._process_lock.release()

    def _close(self, folder: str) -> None:
        workspace = self._open.pop(folder, None)
        if workspace is not None:
            workspace.store.close()

    def _of_visit(self, cookie: str) -> str:
        """The folder of a visit, a new one where it has none."""
        known = self._visits.get(_owner(cookie))
        if known is None and len(self._visits) >= MOST_VISITS:
            raise StoreError(FULL)
        return known or secrets.token_hex(16)

    def _of_account(self, account: Account) -> str:
        """The folder of an account, the same after a restart."""
        folder = self.home.file.setting(_setting(account))
        if not folder:
            folder = secrets.token_hex(16)
            self.home.file.set(_setting(account), folder, "program")
        return folder

    def _opened(self, name: str, limits: StoreLimits) -> Store:
        folder = self._folder / name
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        models = folder / MODELS
        if not models.is_symlink():  # which the owner of the Space fetched; visitors fetch none
            models.symlink_to((self.home.folder / MODELS).resolve())
        return Store(folder, limits)

    def _opened_visit(self, name: str) -> Store:
        """The store of a visit; nothing is left of one that cannot be opened, as on a full disk."""
        try:
            return self._opened(name, VISIT_LIMITS)
        except BaseException:
            shutil.rmtree(self._folder / name, ignore_errors=True)
            raise

    def _of_accounts(self) -> set[str]:
        """The names of the folders of accounts."""
        known = self.home.file.all("SELECT value FROM settings WHERE name LIKE ? || '%'", [_SETTING])
        return {row["value"] for row in known}

    def _delete_left(self) -> None:
        """Delete the workspaces of visits of an earlier start, whose cookies are not known any more."""
        kept = self._of_accounts()
        for folder in self._folder.glob("*"):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)


def _owner(cookie: str) -> str:
    """What is kept of a visitor's cookie."""
    return hashlib.sha256(f"workspace of {cookie}".encode()).hexdigest()


def _setting(account: Account) -> str:
    return f"{_SETTING}{hashlib.sha256(account.mark.encode()).hexdigest()}"


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
