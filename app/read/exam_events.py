"""Event handlers that open an exam on the reading page, and the updates of the page for an open exam.

A handler takes the values of its input components and returns updates of its outputs, so a test calls it without a
browser.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from mvmlm.exam import Exam, ViewName
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.memory_budget import Reserve
from mvmlm.store.store import Store

from ..markup import template
from ..viewer.pixel_server import PixelServer
from ..viewer.viewports import viewer_value
from .form_display import form_updates
from .questions import answer_question, question_control
from .read_changes import store_correction
from .visit import (
    JOIN,
    Visit,
    choose_exam,
    file_rows,
    group_label,
    open_demo,
    open_from_store,
    open_uploads,
    set_view,
)

LISTED_PROBLEMS = 5
START = "Save this exam and start my read"
CONTINUE = "Start or continue my read"

#: updates for the outputs of an event, in their order
Updates = tuple[Any, ...]


class ExamEvents:
    """Opens exams. Each handler returns the updates of `exam_updates`.

    reserve: called with the request and the bytes of an exam's pictures before they are decoded; raises NoRoom.
    """

    def __init__(
        self,
        decoder: Decoder,
        pixels: PixelServer,
        store: Store,
        reserve: Callable[[gr.Request, int], None] = lambda request, size: None,
    ):
        self._decoder, self._pixels, self._store, self._reserve = decoder, pixels, store, reserve

    def show_again(self, window: str | None, visit: Visit, request: gr.Request) -> Updates | dict[str, Any]:
        """Show the exam that was open before the page was loaded again, if there was one.

        window: the name of the browser's window, for `Visits.take_over`, by which the visit was found.
        """
        visit = visit.owned_by(request)
        return self._updates(visit, visit, "") if visit.exam or visit.listing else gr.skip()

    def upload(self, paths: list[str] | None, visit: Visit, request: gr.Request) -> Updates:
        """Open uploaded files; the first update empties the upload box."""
        return (None, *self.open_folder(paths, visit, request))

    def open_folder(self, paths: list[str] | None, visit: Visit, request: gr.Request) -> Updates:
        """Open the uploaded files of a folder."""
        return self._updates(visit, *open_uploads(paths, visit, self._decoder, request, self._room(request)))

    def open_demo(self, demo: str, visit: Visit, request: gr.Request) -> Updates:
        """Open a bundled exam. demo: a key of `visit.DEMOS`."""
        return self._updates(visit, *open_demo(demo, visit, self._decoder, request, self._room(request)))

    def choose(self, token: str | None, choice: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Open the exam that the reader chose where files of several exams were uploaded."""
        visit = visit.of_event(token, request)
        return self._updates(visit, *choose_exam(choice, visit, self._decoder, request, self._room(request)))

    def set_view(
        self, token: str | None, file: str | None, view: str | None, visit: Visit, request: gr.Request
    ) -> Updates:
        """Correct which view a file is; in the store too, where the exam is stored."""
        visit = visit.of_event(token, request)
        after, message = set_view(file, view, visit, request)
        if after.exam is not visit.exam:
            after, message = store_correction(self._store, visit, after, message)
        return exam_updates(self._store, self._pixels, visit, after, message, another=False)

    def answer(self, token: str | None, given: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Answer a question about a file; in the store too, where the exam is stored. given: FILE:KEY=VALUE."""
        visit = visit.of_event(token, request)
        after, message = answer_question(given, visit, self._decoder, request, self._room(request))
        if after.exam is not visit.exam:
            after, message = store_correction(self._store, visit, after, message)
        return exam_updates(self._store, self._pixels, visit, after, message, another=False)

    def open_stored(self, number: float | None, visit: Visit, request: gr.Request) -> Updates:
        """Open the stored exam of that number."""
        if not number:
            return self._updates(visit, visit.owned_by(request), "Choose a line of the list first.")
        opened = open_from_store(int(number), visit, self._store, self._decoder, request, self._room(request))
        return self._updates(visit, *opened)

    def _room(self, request: gr.Request) -> Reserve:
        return partial(self._reserve, request)

    def _updates(self, before: Visit, after: Visit, message: str) -> Updates:
        return exam_updates(self._store, self._pixels, before, after, message)


_MESSAGE = template("""\
{% if lines %}<div class="message">{% for line in lines %}<p>{{ line }}</p>{% endfor %}</div>{% endif %}
""")


def exam_updates(
    store: Store, pixels: PixelServer, before: Visit, visit: Visit, message: str, another: bool = True
) -> Updates:
    """Return everything that follows from the open exam before the model answers: updates for `ReadPage.exam_outputs`.

    before: what was on screen; its pixels are dropped. another: whether another exam was opened; then what was typed
    for the one before is emptied.
    """
    exam = visit.exam
    value, token = viewer_value(exam, pixels, visit.owner, visit.marks)
    pixels.drop(before.pixel_token)  # not before there are others: an error leaves the pictures on screen
    visit = replace(visit, token=secrets.token_urlsafe(8), report=None, pixel_token=token, nipples=_nipples(value))
    groups = [group_label(group) for group in visit.listing.groups] if visit.listing else []
    joinable = [JOIN] if visit.listing and visit.listing.joinable else []
    files = [view.file for view in [*exam.views.values(), *exam.extra]] if exam else []
    unnamed = next((view.file for view in exam.extra if view.name is None), None) if exam else None
    return (
        visit,
        visit.token,
        gr.HTML(value=value, marks={}, maps={}, badges={}),
        _MESSAGE.render(lines=[line for line in [message, *_notes(exam)] if line]),
        gr.Group(visible=bool(groups)),
        gr.Radio(choices=joinable + groups, value=None),
        question_control(exam),
        file_rows(exam),
        gr.Dropdown(choices=files, value=unnamed),
        gr.Radio(value=None),
        "",  # quality
        "",  # answers
        gr.Plot(visible=False),
        False,  # the map is off
        gr.Plot(visible=False),
        gr.update(value="", visible=False),
        *form_updates(store, visit),
        gr.update(value=CONTINUE if visit.exam_number else START),
        "",  # the note on the map
        "",  # the note on marks
        "",  # the note on prompts
        "",  # what is understood of a typed report
        gr.update(value=False, visible=False),
        gr.update(visible=False),
        *((None, "", None, "", False, "", "") if another else (gr.skip(),) * 7),
    )


def _nipples(value: dict[str, Any]) -> dict[ViewName, tuple[float, float] | None]:
    """The estimated nipple of each view on screen, (column, row) in DICOM pixels."""
    return {
        ViewName.parse(port["view"]): port["nipple"]
        for port in value.get("ports", ())
        if port["role"] == "current" and port["address"]
    }


def _notes(exam: Exam | None) -> list[str]:
    """The notes on an exam, and why files were not used."""
    if exam is None:
        return []
    problems = [f"{item.file}: {item.reason}" for item in exam.set_aside]
    more = len(problems) - LISTED_PROBLEMS
    listed = problems[:LISTED_PROBLEMS] + ([f"and {more} more files, listed below"] if more > 0 else [])
    marks = [f"{mark.file}: {mark.text}" if mark.file else mark.text for mark in exam.marks]
    return [*marks, *listed]
