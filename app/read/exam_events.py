"""Event handlers that open an exam on the reading page, and the updates of the page for an open exam.

A handler takes the values of its input components and returns updates of its outputs, so a test calls it without a
browser.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from mvmlm.exam import ViewName
from mvmlm.imaging.decoder import Decoder, Step, Stopped
from mvmlm.imaging.memory_budget import Reserve
from mvmlm.store.readers import reader_here, same_reader
from mvmlm.store.store import Store

from ..markup import template
from ..viewer.marks import drawing
from ..viewer.pixel_server import PixelServer
from ..viewer.viewports import describe, viewer_value
from ..visits import Visits
from .addresses import MOST_DRAFTS, NOT_HERE, Named, address_value, draft_of, left_open
from .answers_state import READING
from .clinical_box import emptied
from .clinical_events import READING as READING_IMAGES
from .clinical_events import images_row
from .demo_exams import DemoExams
from .exam_list import list_with, strip_html
from .form_display import form_updates
from .opening import (
    JOIN,
    choose_exam,
    exam_notes,
    files_html,
    group_label,
    open_from_store,
    open_uploads,
    set_view,
    show_stored,
    stored_state,
)
from .others_marks import others_value, with_marks_recorded
from .questions import answer_question, question_control
from .read_changes import store_correction
from .reads import arbitrates, open_read, session_of, session_scale, with_own_read, without_reader
from .visit import OpenList, Visit, redrawing

STEPS = {
    Step.HEADERS: "Looking through the files",
    Step.PIXELS: "Opening the pictures",
    Step.CHECKS: "Checking the pictures",
}
MARKS_LEFT = (
    "Marks drawn here before, without a read: {}. The browser’s Back and the start page (Open) show them; start a read "
    "there to keep them."
)
STOPPED = "Stopped: nothing was opened."
STAYS_OPEN = " The exam that was open stays open."
PROGRESS = gr.Progress()
START = "Save this exam and start my read"
CONTINUE = "Start or continue my read"

#: updates for the outputs of an event, in their order
Updates = tuple[Any, ...]


class ExamEvents:
    """Opens exams. Each handler returns the updates of `exam_updates`. visits: of all visitors, and their memory."""

    def __init__(self, decoder: Decoder, pixels: PixelServer, store: Store, visits: Visits):
        self._decoder, self._pixels, self._store, self._visits = decoder, pixels, store, visits
        self._demos = DemoExams()

    def show_again(
        self,
        window: str | None,
        address: str | None,
        read: float | None,
        reader: str | None,
        visit: Visit,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> Updates | dict[str, Any]:
        """Show what the address of a page names that was just loaded; without an address, the start page.

        window: the name of the browser's window, for `Visits.take_over`, by which the visit was found. read: the number
        of the read that was open in this window. reader: who read last in this window, or in this browser.
        """
        visit = visit.owned_by(request)
        if address:
            return self._open_named(Named.of(address, read, reader), None, visit, request, progress)
        return self._updates(_nothing_of(visit), visit, "") if visit.listing else gr.skip()

    def go(
        self,
        token: str | None,
        visit: Visit,
        event: gr.EventData,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> Updates:
        """Open what an address names to which the reader went: back, forward, or by a link of the start page."""
        sent = event._data if isinstance(event._data, dict) else {}
        named = Named.of(sent.get("address"), sent.get("read"), sent.get("reader"))
        return self._open_named(named, token, visit.owned_by(request), request, progress)

    def _open_named(
        self, named: Named, token: str | None, visit: Visit, request: gr.Request, progress: gr.Progress
    ) -> Updates:
        """Open what an address names. token: what is on screen; where the address names nothing, that stays."""
        after, message = visit if visit.address == named.address else self._visits.named(named.address, request), ""
        if after is not None and after is not visit:
            after = after.apart()
        elif after is None and named.number is not None:
            after, message = self._unless_stopped(
                visit, lambda: open_from_store(named.number or 0, visit, self._store, *self._means(request, progress))
            )
        if after is None or after.address != named.address:
            on_screen = visit if token and visit.shows(token) else _nothing_of(visit)
            updates = exam_updates(self._store, self._pixels, on_screen, on_screen, message or NOT_HERE, another=False)
            return updates if on_screen is visit else (visit, *updates[1:])
        if visit.open_list is not None and after.open_list is None and after.exam_number in visit.open_list.exams:
            after = replace(after, open_list=visit.open_list)
        if after.read is not None and named.reader and not same_reader(after.read.reader, named.reader):
            after = without_reader(after)
        draft = draft_of(self._store, named)
        if draft is not None and (after.read is None or after.read.id != draft.id):
            after = open_read(after, draft)
        return self._updates(_nothing_of(visit), after, message)

    def list_left_open(self, reader: str | None, request: gr.Request) -> str:
        """Return what was left open as HTML: the visitor's exams that are not stored, and the drafts of one reader.

        reader: who read last in this window, or in this browser.
        """
        drafts = self._store.readings.drafts(reader_here(self._store.readings.readers(), reader or ""), MOST_DRAFTS + 1)
        return left_open(self._visits.unkept(request), drafts)

    def stop(self, request: gr.Request) -> None:
        """Stop the event that opens files on this page."""
        self._visits.stop(request)

    def upload(
        self, paths: list[str] | None, visit: Visit, request: gr.Request, progress: gr.Progress = PROGRESS
    ) -> Updates:
        """Open uploaded files; the first update empties the upload box."""
        return (None, *self.open_folder(paths, visit, request, progress))

    def open_folder(
        self, paths: list[str] | None, visit: Visit, request: gr.Request, progress: gr.Progress = PROGRESS
    ) -> Updates:
        """Open the uploaded files of a folder."""
        means = self._means(request, progress)
        return self._updates(visit, *self._unless_stopped(visit, lambda: open_uploads(paths, visit, *means)))

    def open_demo(self, demo: str, visit: Visit, request: gr.Request, progress: gr.Progress = PROGRESS) -> Updates:
        """Open a bundled exam. demo: a key of `demo_exams.DEMOS`."""
        means = self._means(request, progress)
        return self._updates(visit, *self._unless_stopped(visit, lambda: self._demos.open(demo, visit, *means)))

    def choose(
        self,
        token: str | None,
        choice: str | None,
        visit: Visit,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> Updates:
        """Open the exam that the reader chose where files of several exams were uploaded."""
        visit, means = visit.of_event(token, request), self._means(request, progress)
        return self._updates(visit, *self._unless_stopped(visit, lambda: choose_exam(choice, visit, *means)))

    def set_view(
        self, token: str | None, file: str | None, view: str | None, visit: Visit, request: gr.Request
    ) -> Updates:
        """Correct which view a file is; in the store too, where the exam is stored."""
        visit = visit.of_event(token, request)
        after, message = set_view(file, view, visit, request)
        if after.exam is not visit.exam:
            after, message = store_correction(self._store, visit, after, message, request)
        return exam_updates(self._store, self._pixels, visit, after, message, another=False)

    def answer(
        self,
        token: str | None,
        given: str | None,
        visit: Visit,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> Updates:
        """Answer a question about a file; in the store too, where the exam is stored. given: FILE:KEY=VALUE."""
        visit, means = visit.of_event(token, request), self._means(request, progress)
        after, message = self._unless_stopped(visit, lambda: answer_question(given, visit, *means))
        if after.exam is not visit.exam:
            after, message = store_correction(self._store, visit, after, message, request)
        return exam_updates(self._store, self._pixels, visit, after, message, another=False)

    def open_stored(
        self,
        number: float | None,
        reader: str | None,
        visit: Visit,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
        *filters: Any,
    ) -> Updates:
        """Open the stored exam of that number, with the read that the reader has of it.

        filters: of the worklist, where it was opened there; the exam's list is what they find.
        """
        if not number:
            return self._updates(visit, visit.owned_by(request), "Choose a line of the list first.")
        exams = list_with(self._store, int(number), visit.open_list, filters)
        return self._updates(visit, *self.open_number(int(number), reader, exams, visit, request, progress))

    def open_number(
        self,
        number: int,
        reader: str | None,
        exams: OpenList,
        visit: Visit,
        request: gr.Request,
        progress: gr.Progress = PROGRESS,
    ) -> tuple[Visit, str]:
        """Return the visit with a stored exam of a list, and a message; the open exam stays where it cannot be opened.

        The reader's own read of it, if there is one, is open too.
        """
        means = self._means(request, progress)
        ahead = self._visits.take_ahead(number, request)
        if ahead is not None and ahead.state == stored_state(self._store, number):
            after, message = show_stored(ahead, visit.opened_by(request), self._store)
        else:
            after, message = self._unless_stopped(visit, lambda: open_from_store(number, visit, self._store, *means))
        if after.exam_number != number:
            return after, message
        if marks := self._visits.marks_left(number, request):
            message = " ".join([message, MARKS_LEFT.format(marks)]).strip()
        return with_own_read(self._store, replace(after, open_list=exams, recorded=None), reader), message

    def _means(self, request: gr.Request, progress: gr.Progress) -> tuple[Decoder, gr.Request, Reserve]:
        """What opens an exam for a visitor: a decoder that tells how far it is and hears Stop; the memory for it."""

        def advance(step: Step, done: int, count: int) -> None:
            if self._visits.stopping(request):
                raise Stopped
            progress(done / count, desc=f"{STEPS[step]}: {done} of {count}")

        return self._decoder.reporting(advance), request, partial(self._visits.reserve, request)

    def _unless_stopped(self, visit: Visit, open_exam: Callable[[], tuple[Visit, str]]) -> tuple[Visit, str]:
        """Return the visit after an exam was opened, and a message; the visit as it was where the reader stopped it."""
        try:
            return open_exam()
        except Stopped:
            return visit, STOPPED + (STAYS_OPEN if visit.exam is not None else "")

    def _updates(self, before: Visit, after: Visit, message: str) -> Updates:
        """The updates of an event that may have opened another exam."""
        another = after.exam is None or after.exam is not before.exam
        return exam_updates(self._store, self._pixels, before, after, message, another)


def _nothing_of(visit: Visit) -> Visit:
    """What is on screen where nothing of the visit is shown yet."""
    return Visit(visit.owner, pixel_token=visit.pixel_token)


#: what was typed or chosen for an exam, emptied: for the last of `ReadPage.exam_outputs`
TYPED = ("", "", "", None, False, "", "", "", "", "", "")

_MESSAGE = template("""\
{% if lines %}<div class="message">{% for line in lines %}<p>{{ line }}</p>{% endfor %}</div>{% endif %}
""")


def exam_updates(
    store: Store,
    pixels: PixelServer,
    before: Visit,
    visit: Visit,
    message: str,
    another: bool = True,
    session_page: str = "",
) -> Updates:
    """Return everything that follows from the open exam before the model answers: updates for `ReadPage.exam_outputs`.

    before: what was on screen. The viewer gets a new value, and the old pixels are dropped, only where the pictures are
    others. another: whether another exam was opened; then what was typed for the one before is emptied.
    session_page: the last page of a session, as HTML.
    """
    exam = visit.exam
    name = visit.unkept_name or secrets.token_urlsafe(16)
    visit = replace(visit, token=secrets.token_urlsafe(8), report=None, unkept_name=name)
    visit, viewer = _viewer_update(pixels, before, with_marks_recorded(store, visit))
    groups = [group_label(group) for group in visit.listing.groups] if visit.listing else []
    joinable = [JOIN] if visit.listing and visit.listing.joinable else []
    files = [view.file for view in [*exam.views.values(), *exam.extra]] if exam else []
    unnamed = next((view.file for view in exam.extra if view.name is None), None) if exam else None
    return (
        visit,
        visit.token,
        viewer,
        _MESSAGE.render(
            lines=[line for line in [message, *(note for note in exam_notes(exam) if note not in message)] if line]
        ),
        gr.Group(visible=bool(groups)),
        gr.Radio(choices=joinable + groups, value=None),
        question_control(exam),
        files_html(exam),
        gr.Dropdown(choices=files, value=unnamed),
        gr.Radio(value=None),
        "",  # quality
        READING if exam is not None and exam.views else "",  # in place of the answers
        gr.Plot(visible=False),
        "",  # what other models say
        False,  # the map is off
        "",  # the scores of prompts
        gr.update(value="", visible=False),
        *form_updates(store, visit),
        session_page,
        strip_html(store, visit),
        gr.update(visible=visit.open_list is not None and visit.open_list.session is not None),
        _reader(store, visit),
        scale.value if (scale := session_scale(store, visit)) else gr.skip(),
        gr.update(value=CONTINUE if visit.exam_number else START, visible=not arbitrates(store, visit)),
        address_value(visit, another),
        "",  # the note on the map
        "",  # the note on marks
        "",  # the sheet of all maps
        "",  # the note on prompts
        "",  # what is understood of a typed report
        gr.update(value=False, visible=False),
        gr.update(visible=False),
        *_risk_and_typed(before, visit, another),
    )


def _risk_and_typed(before: Visit, visit: Visit, another: bool) -> Updates:
    """The row of the risk by the images, which the model gives anew, and what was typed or chosen for an exam."""
    typed = (*emptied(visit.exam), *TYPED)
    if not (another or visit.exam is None or _another_reader(before, visit)):
        typed = (gr.skip(),) * len(typed)
    return images_row(READING_IMAGES) if visit.exam is not None and visit.exam.views else "", *typed


def _another_reader(before: Visit, after: Visit) -> bool:
    """Whether somebody else reads now: of the report that was typed or edited before, nothing stays."""
    return before.read is not None and (after.read is None or after.read.reader != before.read.reader)


def _reader(store: Store, visit: Visit) -> Any:
    """The update of the reader's name: of the open read or session; what was typed stays where there is neither."""
    if visit.read is not None:
        return visit.read.reader
    session = session_of(store, visit)
    return session.reader if session is not None else gr.skip()


def _viewer_update(pixels: PixelServer, before: Visit, visit: Visit) -> tuple[Visit, gr.HTML]:
    """Return the visit with what is on screen, and the update of the viewer; neither shows an answer of the model."""
    if visit.exam is before.exam and visit.exam is not None and visit.pixel_token:
        if before.reading.findings == visit.reading.findings and before.locked == visit.locked:
            return visit, gr.HTML(maps={}, badges={}, others=others_value(visit))
        return visit, gr.HTML(maps={}, badges={}, marks=redrawing(visit), others=others_value(visit))
    placed = {name: point for name, point in visit.placed.items() if _same_view(before, visit, name)}
    drawn = drawing(visit.reading, visit.locked)
    described = visit.described
    if visit.exam is None or described is None or described.exam is not visit.exam:
        described = describe(visit.exam, pixels, visit.owner) if visit.exam is not None else None
    value, token = viewer_value(described, drawn, placed), described.token if described else ""
    pixels.drop(before.pixel_token)  # not before there are others: an error leaves the pictures on screen
    visit = replace(visit, pixel_token=token, nipples=_nipples(value), placed=placed, reading_since=time.monotonic())
    visit = replace(visit, undo_stack=(), redo_stack=(), marks_change=0, described=None)
    return visit, gr.HTML(value=value, marks={}, maps={}, badges={}, others=others_value(visit))


def _same_view(before: Visit, after: Visit, name: ViewName) -> bool:
    """Whether a view of the open exam is the picture that it was; also where another exam was opened."""
    if after.exam is None or name not in after.exam.views:
        return False
    return before.placed is not after.placed or (before.exam and before.exam.views.get(name)) is after.exam.views[name]


def _nipples(value: dict[str, Any]) -> dict[ViewName, tuple[float, float] | None]:
    """The estimated nipple of each view on screen, (column, row) in DICOM pixels."""
    return {
        ViewName.parse(port["view"]): port["nipple"]
        for port in value.get("ports", ())
        if port["role"] == "current" and port["address"]
    }
