"""What every visitor has open, in one place: found again after a reload, ended after a time, limited in memory.

Gradio keeps the state of a session whose page was never closed for ever, and that of a closed one for an hour. So a
visit is kept here, by the visitor's cookie and the name of the page, and ended with all that it holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

import gradio as gr
from gradio.context import LocalContext

from mvmlm.imaging.memory_budget import NoRoom, Reserve, TooLarge, memory_bytes, size_text

from .event_queue import owner, raised_at
from .freed_memory import give_back
from .privacy import visitor
from .read.visit import LATE, StoredExam, Visit, end_visit
from .viewer.pixel_server import PixelServer
from .visited_page import Page

CLOSED_SECONDS = 600  # a reload of a closed page finds its exam again for so long
SILENT_SECONDS = 3600  # a page that was never closed, but does not ask any more
REMEMBERED_SECONDS = 86_400  # an exam that was closed meanwhile is said to be so
IN_USE_SECONDS = 600  # an exam used since then is not closed to make room for another visitor's
SWEEP_SECONDS = 30
MOST_PAGES = 4096
LONGEST_NAME = 64


class Visits:
    """The visits of all visitors. Safe to share between threads.

    forget_session: called with the name of each of Gradio's sessions that has ended. clock: in seconds. Raises
    ValueError where MVMLM_MEMORY is not understood.
    """

    def __init__(
        self,
        pixels: PixelServer,
        forget_session: Callable[[str], None] = lambda session: None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._pixels, self._forget_session, self._clock = pixels, forget_session, clock
        self._memory = memory_bytes()
        self._pages: dict[tuple[str, str], Page] = {}
        self._names: dict[tuple[str, str], str] = {}  # (owner, session) -> name of the page
        self._lock = threading.RLock()
        self._raised: Callable[[], float | None] = lambda: None

    def arrive(self, name: str | None, request: gr.Request) -> None:
        """Take note that a page was loaded. name: that of the browser's window, the same after a reload."""
        with self._lock:
            who, session = owner(request, request.session_hash), request.session_hash or ""
            if name and len(name) <= LONGEST_NAME:
                self._names[who, session] = name
            page = self._page(request)
            page.sessions.add(session)
            page.all_sessions.add(session)

    def leave(self, request: gr.Request) -> None:
        """Take note that a page was closed. Its visit is kept for CLOSED_SECONDS."""
        with self._lock:
            who, session = owner(request, request.session_hash), request.session_hash or ""
            page = self._pages.get((who, self._names.get((who, session), session)))
            if page is not None:
                page.sessions.discard(session)
                page.seen = self._clock()

    def stay(self, request: gr.Request) -> None:
        """Take note that a page is still open."""
        with self._lock:
            page, session = self._page(request), request.session_hash or ""
            page.sessions.add(session)
            page.all_sessions.add(session)

    def take_over(self, demo: gr.Blocks) -> None:
        """Let every event of the app that has a `Visit` among its inputs be given its visitor's, kept here.

        Gradio's own state is neither limited nor ended in time: in it an empty visit marks the place.
        """
        self._raised = partial(raised_at, demo)
        for function in demo.fns.values():
            if function.fn and any(_marks_a_visit(value) for value in function.inputs):
                loads = any(trigger == "load" for _, trigger in function.targets)
                function.fn = self.on_visit(function.fn, loads)

    def on_visit(self, handler: Callable[..., Any], loads: bool = False) -> Callable[..., Any]:
        """Return the handler so that it is given its visitor's visit, and that the visit which it returns is kept.

        loads: the event is that of a page that was loaded; its first input is the name of the browser's window.
        """

        @wraps(handler)
        def handle(*values: Any) -> Any:
            request = LocalContext.request.get()
            assert request is not None, "an event of a page has a request"
            if loads:
                self.arrive(values[0], request)
            with self._event(request) as page:
                before = page.visit
                updates = handler(*(before if isinstance(value, Visit) else value for value in values))
                if not isinstance(updates, tuple):
                    return updates
                for after in updates:
                    if isinstance(after, Visit):
                        self._keep(page, before, after)
                return tuple(gr.skip() if isinstance(update, Visit) else update for update in updates)

        return handle

    @contextmanager
    def _event(self, request: gr.Request) -> Iterator[Page]:
        """The page of an event, which is in use as long as the event runs."""
        with self._lock:
            page = self._page(request)
            page.running += 1
            page.used = self._clock()
            page.raised = self._raised() or page.used
        try:
            yield page
        finally:
            with self._lock:
                page.running -= 1
                page.reserved = 0

    def _keep(self, page: Page, before: Visit, after: Visit) -> None:
        """Keep the visit that follows from an event. before: the one from which the event began.

        Raises gr.Error where the visit went on in the meantime: nothing brings an earlier exam back.
        """
        with self._lock:
            late = page.visit is not before
            if not late:
                page.visit = after
                if before.exam is not after.exam and before.address != after.address:
                    self._set_left(page, before)
        if late:
            end_visit(after, self._pixels)
            raise gr.Error(LATE, print_exception=False)
        if before.pixel_token != after.pixel_token:
            self._pixels.drop(before.pixel_token)

    def _set_left(self, page: Page, before: Visit) -> None:
        """Keep the exam that was open before, for the way back, if there is room; a read is in the store anyway."""
        page.leave(before)

        def too_much() -> bool:
            mine = sum(other.held for other in self._of_owner(page))
            return mine > self._memory * 3 // 8 or self.memory_in_use() > self._memory

        while page.left and too_much():
            page.forget_one()

    def marks_left(self, number: int, request: gr.Request) -> int:
        """Return how many marks were drawn on this page in a stored exam, without a read, before another was opened."""
        with self._lock:
            left = self._page(request).left
        return next((visit.unkept_marks for visit in left if visit.exam_number == number), 0)

    def now_open(self, request: gr.Request) -> Visit:
        """Return what is open on the page of a request."""
        with self._lock:
            return self._page(request).visit

    def reserve_ahead(self, request: gr.Request, size: int) -> None:
        """Take memory for the next exam that is about to be decoded, in bytes. Raises NoRoom where none is to spare.

        No exam of anybody is closed for it.
        """
        with self._lock:
            page = self._page(request)
            mine = sum(other.held for other in self._of_owner(page))
            too_large = page.reserved_ahead + size > self._memory // 4
            if too_large or mine + size > self._memory * 3 // 8 or self.memory_in_use() + size > self._memory:
                raise NoRoom("there is no memory to spare for the next exam.")
            page.reserved_ahead += size

    def end_reserve_ahead(self, request: gr.Request) -> None:
        """Give back what `reserve_ahead` took: the exam is decoded, or is not opened."""
        with self._lock:
            self._page(request).reserved_ahead = 0

    def keep_ahead(self, ahead: StoredExam, visit: Visit, request: gr.Request) -> bool:
        """Keep the exam that follows the one of `visit`, until it is taken; return whether that is open still."""
        with self._lock:
            page = self._page(request)
            kept = page.visit.exam is visit.exam and not page.visit.ended
            dropped = [page.ahead, None if kept else ahead]
            page.ahead = ahead if kept else None
        self._drop_ahead(*dropped)
        return kept

    def take_ahead(self, number: int | None, request: gr.Request) -> StoredExam | None:
        """Return the exam that was opened ahead if it has this number in the store; what else was is dropped."""
        with self._lock:
            page = self._page(request)
            ahead, page.ahead = page.ahead, None
        if ahead is not None and ahead.number == number:
            return ahead
        self._drop_ahead(ahead)
        return None

    def _drop_ahead(self, *exams: StoredExam | None) -> None:
        for exam in exams:
            if exam is not None and exam.described is not None:
                self._pixels.drop(exam.described.token)

    def named(self, address: str, request: gr.Request) -> Visit | None:
        """Return the exam of this visitor that the address of a page names, or None.

        It may be open in another window, unless it is stored: a stored one is opened anew there.
        """
        with self._lock:
            own = self._page(request)
            others = [visit for page in self._of_owner(own) if page is not own for visit in page.exams()]
            exams = [*own.exams(), *(visit for visit in others if visit.exam_number is None)]
        return next((visit for visit in exams if visit.address == address), None)

    def unkept(self, request: gr.Request) -> list[Visit]:
        """Return what this visitor has open in any window and the store has not: exams, and marks without a read."""
        with self._lock:
            exams = [visit for page in self._of_owner(self._page(request)) for visit in page.exams()]
        return [visit for visit in exams if visit.exam_number is None or visit.unkept_marks]

    def _of_owner(self, page: Page) -> list[Page]:
        """All pages of a page's visitor, the one that was used last first."""
        pages = [other for other in self._pages.values() if other.owner == page.owner]
        return sorted(pages, key=lambda other: other.used, reverse=True)

    def stop(self, request: gr.Request) -> None:
        """Ask the events of this page that open files to stop: the one that runs, and those that wait behind it."""
        with self._lock:
            self._page(request).stopped = self._clock()

    def stopping(self, request: gr.Request) -> bool:
        """Return whether the visitor pressed Stop after the event of this page that runs was raised."""
        with self._lock:
            page = self._page(request)
            return page.stopped >= page.raised

    @contextmanager
    def of_call(self, request: gr.Request) -> Iterator[Reserve]:
        """Give the pictures that a program's call decodes in this block their memory; nothing of it stays."""
        try:
            with self._event(request) as page:
                yield partial(self.reserve, request)
        finally:
            with self._lock:
                self._pages.pop((page.owner, page.name), None)
            self._forget_session(request.session_hash or "")

    def reserve(self, request: gr.Request, size: int) -> None:
        """Make room for pictures that the running event is about to decode. size: in bytes.

        Other visits may be ended for it: the visitor's own, then those of others, the longest unused first. Visits in
        use are not. Raises NoRoom, with a sentence for this visitor, where there is no room.
        """
        ended: list[Visit] = []
        try:
            with self._lock:
                page = self._page(request)
                page.reserved += size
                try:
                    self._make_room(page, ended)
                except NoRoom:
                    page.reserved -= size
                    raise
        finally:
            for visit in ended:
                end_visit(visit, self._pixels)

    def _make_room(self, page: Page, ended: list[Visit]) -> None:
        exam, own = self._memory // 4, self._memory * 3 // 8
        if page.reserved > exam:
            raise TooLarge(
                f"with it the exam would take more than {size_text(exam)} of memory, the limit for one exam."
            )
        others = [other for other in self._pages.values() if other is not page]
        mine = [other for other in others if other.owner == page.owner]
        self._forget_left([page, *mine], own)
        self._forget_left([page, *others], self._memory)
        if not self._end_unused(mine, own - page.reserved, ended):
            raise NoRoom(
                f"the exams in your other windows would take more than {size_text(own)} of memory with it, the limit "
                "for one visitor. Close one of those windows, then open it again."
            )
        if not self._end_unused(others, self._memory - page.held, ended):
            raise NoRoom(
                "the exams that are being read now leave no memory for it. Open it again in a few minutes; nothing of "
                "it was lost."
            )

    def _forget_left(self, pages: list[Page], room: int) -> None:
        """Forget what these pages hold and do not show, if they would hold more than `room` with it."""
        if sum(page.held for page in pages) > room:
            for page in pages:
                self._drop_ahead(page.ahead)
                page.left, page.ahead = (), None

    def _end_unused(self, pages: list[Page], room: int, ended: list[Visit]) -> bool:
        """End unused visits of these pages until they hold no more than `room`; return whether they do so."""
        held = sum(page.held for page in pages)
        unused = [page for page in pages if page.held and not self._in_use(page)]
        for page in sorted(unused, key=lambda page: (bool(page.sessions), page.used)):  # closed pages first
            if held <= room:
                break
            held -= page.held
            ended.append(self._end(page))
        return held <= room

    def _in_use(self, page: Page) -> bool:
        return page.running > 0 or (bool(page.sessions) and self._clock() - page.used < IN_USE_SECONDS)

    def sweep(self) -> None:
        """End the visits of pages that are closed or silent for too long, and forget their sessions."""
        ended: list[Visit] = []
        sessions: list[str] = []
        with self._lock:
            now = self._clock()
            for key, page in list(self._pages.items()):
                if page.running:
                    continue
                silent = now - page.seen
                if silent > (SILENT_SECONDS if page.sessions else CLOSED_SECONDS) and not page.empty:
                    ended.append(self._end(page))
                gone = silent > (REMEMBERED_SECONDS if page.sessions else CLOSED_SECONDS)
                closed = page.all_sessions if gone else page.all_sessions - page.sessions
                sessions += closed
                page.all_sessions -= set(closed)
                if gone:
                    del self._pages[key]
            self._names = {key: name for key, name in self._names.items() if (key[0], name) in self._pages}
        for visit in ended:
            end_visit(visit, self._pixels)
        for session in sessions:
            self._forget_session(session)
        if ended or sessions:
            give_back()

    def sweep_regularly(self) -> None:
        """Sweep in the background until the process ends."""

        def run() -> None:
            while True:
                time.sleep(SWEEP_SECONDS)
                self.sweep()

        threading.Thread(target=run, name="visits", daemon=True).start()

    def owners(self) -> set[str]:
        """Return the cookies of the visitors who have a page open, or may come back to one."""
        with self._lock:
            return {page.owner for page in self._pages.values()}

    def open_exams(self) -> int:
        """Return how many visits have an exam open."""
        with self._lock:
            return sum(page.visit.exam is not None for page in self._pages.values())

    def memory_in_use(self) -> int:
        """Return how many bytes the pictures of all visits take."""
        with self._lock:
            return sum(page.held for page in self._pages.values())

    def _end(self, page: Page) -> Visit:
        """Take a page's visit away and return it, for the caller to end outside the lock."""
        self._drop_ahead(page.ahead)
        visit, page.visit, page.left, page.ahead = page.visit, Visit(page.visit.owner, ended=True), (), None
        return visit

    def _page(self, request: gr.Request) -> Page:
        """The page of a request, a new one where it is not known; it is seen now."""
        who, session = owner(request, request.session_hash), request.session_hash or ""
        key = who, self._names.get((who, session), session)
        now = self._clock()
        if key not in self._pages:
            self._drop_empty_pages()
            self._pages[key] = Page(*key, Visit(visitor(request)), now, now, {session}, {session})
        page = self._pages[key]
        page.seen = now
        return page

    def _drop_empty_pages(self) -> None:
        """Keep the number of pages limited, whoever loads them: the longest unseen without an exam go first."""
        if len(self._pages) >= MOST_PAGES:
            empty = [page for page in self._pages.values() if page.empty and not page.running]
            if empty:
                oldest = min(empty, key=lambda page: page.seen)
                del self._pages[oldest.owner, oldest.name]


def _marks_a_visit(component: object) -> bool:
    return isinstance(component, gr.State) and isinstance(component.value, Visit)
