"""Event handlers of a list of exams: sign and go on, the next and the previous exam, and reading sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from mvmlm.store.database import StoreError
from mvmlm.store.readers import same_reader
from mvmlm.store.sessions import ExamState
from mvmlm.store.store import Store

from ..privacy import account_of
from ..viewer.pixel_server import PixelServer
from . import reads
from .exam_events import STOPPED, ExamEvents, Updates, exam_updates
from .exam_list import neighbour, recorded_words
from .form_events import FormEvents
from .opening import NOT_NOW
from .session_end import session_end_html
from .visit import OpenList, Recorded, Visit

NO_NEXT, NO_PREVIOUS = "This is the last exam of the list.", "This is the first exam of the list."
NOT_IN_A_LIST = "This exam is in no list. Open one from the worklist, or start a session."
READ_ALREADY = "You have read this exam. Change your read instead, or go on."
NO_SESSION = "No session is open. Start one on the Worklist page."


class ListEvents:
    """Goes through a list. A handler returns the updates of `exam_updates`.

    token: the token of the visit that was on screen when the event was raised; a handler raises gr.Error for another.
    reader: the name in the field, whose read of the next exam is opened if there is one.
    """

    def __init__(self, exam: ExamEvents, form: FormEvents, pixels: PixelServer, store: Store):
        self._exam, self._form, self._pixels, self._store = exam, form, pixels, store

    def sign_and_next(self, token: str | None, reader: str, visit: Visit, request: gr.Request) -> Updates:
        """Sign the open read, record it in the session, and open the next exam.

        Where it cannot be signed, or is shown for a check first, the updates are those of the form alone.
        """
        visit = visit.of_event(token, request)
        signed, message = reads.sign(self._store, visit, reader)
        if signed.read is None or not signed.read.signed or message:
            return self._form.updates(visit, signed, message)
        recorded = Recorded(signed.read.exam, recorded_words(signed.read.reading))
        signed = replace(signed, answers_requested=False)
        self._mark(signed, ExamState.READ)
        return self._go_on(visit, signed, reader, request, recorded)

    def next_exam(self, token: str | None, reader: str, visit: Visit, request: gr.Request) -> Updates | dict[str, Any]:
        """Open the next exam of the list."""
        return self._go(token, 1, NO_NEXT, reader, visit, request)

    def previous_exam(
        self, token: str | None, reader: str, visit: Visit, request: gr.Request
    ) -> Updates | dict[str, Any]:
        """Open the previous exam of the list."""
        return self._go(token, -1, NO_PREVIOUS, reader, visit, request)

    def open_item(self, number: float | None, reader: str, visit: Visit, request: gr.Request) -> Updates:
        """Open an exam of the strip."""
        visit = visit.owned_by(request)
        if not number or visit.open_list is None or int(number) not in visit.open_list.exams:
            return self._updates(visit, visit, "This exam is not in the list any more.")
        opened, message = self._exam.open_number(int(number), reader, visit.open_list, visit, request)
        return self._updates(visit, opened, message)

    def change_recorded(self, number: float | None, reader: str, visit: Visit, request: gr.Request) -> Updates:
        """Open the exam that was signed just now, with its read open for a change."""
        visit = visit.owned_by(request)
        if not number or visit.open_list is None or int(number) not in visit.open_list.exams:
            return self._updates(visit, visit, "This exam is not in the list any more.")
        opened, message = self._exam.open_number(int(number), reader, visit.open_list, visit, request)
        if opened.read is not None and opened.read.signed:
            opened, message = reads.change_read(self._store, opened)
        return self._updates(visit, opened, message)

    def skip(self, token: str | None, reader: str, visit: Visit, request: gr.Request) -> Updates:
        """Leave the exam for the end of the session, and open the next one."""
        return self._leave(token, ExamState.SKIPPED, "", reader, visit, request)

    def set_aside(self, token: str | None, reason: str, reader: str, visit: Visit, request: gr.Request) -> Updates:
        """Take the exam out of the list for a reason, and open the next one."""
        return self._leave(token, ExamState.SET_ASIDE, reason, reader, visit, request)

    def want_priors(self, token: str | None, reader: str, visit: Visit, request: gr.Request) -> Updates:
        """Take the exam out of the list until its earlier exams are there, and open the next one."""
        return self._leave(token, ExamState.PRIORS_WANTED, "", reader, visit, request)

    def start_session(self, session: float | None, visit: Visit, request: gr.Request) -> Updates | dict[str, Any]:
        """Open the next exam of a session; nothing of one that another account has, whatever number the page sends."""
        visit, account = visit.owned_by(request), account_of(request)
        if not session:
            return gr.skip()
        try:
            stored = self._store.sessions.get(int(session))
        except (StoreError, ValueError) as error:
            return self._updates(visit, visit, str(error))
        if account is not None and not same_reader(stored.reader, account.name):
            return self._updates(visit, visit, reads.OTHER_SESSION.format(stored.reader, account.name))
        visit_in_session = replace(visit, open_list=OpenList(stored.title or "Session", (), stored.id))
        return self._go_on(visit, visit_in_session, stored.reader, request, None)

    def end_session(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """End the session: its reads are final, and its last page shows them."""
        visit = visit.of_event(token, request)
        if visit.open_list is None or visit.open_list.session is None:
            return self._updates(visit, visit, NO_SESSION)
        self._store.sessions.end(visit.open_list.session)
        return self._last_page(visit, visit.open_list, listed=False)

    def show_end(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Show the last page of the session before its end: own opinions, skips, and the button that ends it."""
        visit = visit.of_event(token, request)
        if visit.open_list is None or visit.open_list.session is None:
            return self._updates(visit, visit, NO_SESSION)
        return self._last_page(visit, visit.open_list)

    def _leave(
        self, token: str | None, state: ExamState, reason: str, reader: str, visit: Visit, request: gr.Request
    ) -> Updates:
        visit = visit.of_event(token, request)
        if visit.read is not None and visit.read.signed:
            return self._updates(visit, visit, READ_ALREADY)
        try:
            self._mark(visit, state, reason)
        except StoreError as error:
            return self._updates(visit, visit, str(error))
        recorded = Recorded(visit.exam_number, state.value) if visit.exam_number else None
        return self._go_on(visit, visit, reader, request, recorded)

    def _mark(self, visit: Visit, state: ExamState, reason: str = "") -> None:
        """Record what became of the open exam in its session; where it is in none, there is nothing to record."""
        exams, number, sessions = visit.open_list, visit.exam_number, self._store.sessions
        if exams is None or exams.session is None or number is None:
            return
        if number in [item.exam for item in sessions.exams(exams.session)]:
            sessions.mark(exams.session, number, state, reason)
        if state is ExamState.READ and visit.read is not None and sessions.get(exams.session).ended:
            self._store.readings.finalise(visit.read.id)  # it was finished in another window

    def _go(
        self, token: str | None, by: int, at_the_end: str, reader: str, visit: Visit, request: gr.Request
    ) -> Updates | dict[str, Any]:
        """Open the nearest exam of the list, `by` places on or back, that can be opened; at the end say so."""
        visit = visit.of_event(token, request)
        exams, number, problems = visit.open_list, visit.exam_number, list[str]()
        if exams is None or number not in exams.exams:
            gr.Info(NOT_IN_A_LIST)
            return gr.skip()
        while (number := neighbour(exams, number, by)) is not None:
            opened, message = self._exam.open_number(number, reader, exams, visit, request)
            if opened.exam_number == number and opened.exam is not visit.exam:
                return self._updates(visit, opened, " ".join([*problems, message]))
            problems.append(message)
        gr.Info(" ".join([*problems, at_the_end]))
        return gr.skip()

    def _go_on(
        self, before: Visit, visit: Visit, reader: str, request: gr.Request, recorded: Recorded | None
    ) -> Updates:
        """Open what follows the exam of `visit` in its list; at the end of a session its last page.

        What cannot be opened is passed over; in a session it is skipped, with the reason. Where there is no memory now,
        or the reader stopped it, what was open stays.
        """
        exams, number, problems = visit.open_list, visit.exam_number, list[str]()
        while exams is not None:
            if exams.session is not None:
                number = self._store.sessions.next_exam(exams.session)
                claimed = [item.exam for item in self._store.sessions.exams(exams.session)]
                exams = exams._replace(exams=tuple(claimed))
                if number is None:
                    return self._last_page(before, exams, list(dict.fromkeys(problems)))
            else:
                number = neighbour(exams, number, 1)
            if number is None:
                break
            opened, message = self._exam.open_number(number, reader, exams, visit, request)
            if opened.exam_number == number and opened.exam is not visit.exam:
                opened = replace(opened, recorded=recorded)
                return self._updates(before, opened, " ".join([*problems, message]))
            if message.startswith((STOPPED, NOT_NOW)):
                return self._updates(before, before, message)
            problems.append(message)
            if exams.session is not None:
                reason = f"could not be opened: {message}"
                self._store.sessions.mark(exams.session, number, ExamState.SKIPPED, reason)
        return self._updates(before, replace(visit, recorded=recorded), " ".join([*problems, NO_NEXT]))

    def _last_page(self, visit: Visit, exams: OpenList, problems: Sequence[str] = (), listed: bool = True) -> Updates:
        """The last page of a session. The exam that was open is closed; listed: those of the session can be opened."""
        assert exams.session is not None
        closed = Visit(visit.owner, open_list=exams if listed else None)
        return self._updates(visit, closed, " ".join(problems), session_end_html(self._store, exams.session))

    def _updates(self, before: Visit, after: Visit, message: str, end: str = "") -> Updates:
        another = after.exam is None or after.exam is not before.exam
        return exam_updates(self._store, self._pixels, before, after, message, another, end)
