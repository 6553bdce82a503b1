"""Event handlers of the reading form.

A handler takes what one event is about, with the token of what was on screen, and returns updates of its outputs. An
event changes one answer, one descriptor or the marks that the reader drew, never the rest of the form.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import gradio as gr

from mvmlm.reading.edit import apply_marks, same_marks, set_descriptor
from mvmlm.reading.merge import Conflict
from mvmlm.reading.reading import ReadKind
from mvmlm.store.store import Store

from ..markup import template
from ..viewer.marks import parse_marks, redrawn
from ..viewer.pixel_server import PixelServer
from . import findings_editor, read_changes
from .exam_events import Updates, exam_updates
from .findings_editor import Choice
from .form_display import Part, Question, changed_parts, form_updates
from .report_preview import preview_html
from .visit import Visit, take_marks

_MARK_NOTE = template('{% if note %}<p class="map-note">{{ note }}</p>{% endif %}')
_NOTHING_TO_TAKE = (gr.update(value=False, visible=False), gr.update(visible=False))
OTHER_FINDING = "Not saved: the fields still showed another finding. Look at them now, then answer again."


class FormEvents:
    """Changes the open read. Unless stated otherwise, a handler returns updates for `ReadPage.form_outputs`.

    token: the token of the visit that was on screen when the event was raised; a handler raises gr.Error for another.
    """

    def __init__(self, pixels: PixelServer, store: Store):
        self._pixels, self._store = pixels, store

    def start(self, token: str | None, reader: str, named: bool, visit: Visit, request: gr.Request) -> Updates:
        """Start the reader's first read, or continue it; return the updates of `exam_updates`."""
        visit = visit.of_event(token, request)
        return self._exam_updates(visit, *read_changes.start_read(self._store, visit, reader, named))

    def start_second(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Start the same reader's read after the model; return the updates of `exam_updates`."""
        return self._start_next(visit.of_event(token, request), ReadKind.AFTER)

    def start_consensus(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Start the consensus read; return the updates of `exam_updates`."""
        return self._start_next(visit.of_event(token, request), ReadKind.CONSENSUS)

    def _start_next(self, visit: Visit, kind: ReadKind) -> Updates:
        reader = visit.read.reader if visit.read else ""
        return self._exam_updates(visit, *read_changes.start_read(self._store, visit, reader, kind=kind))

    def undo(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Take the reader's last change back."""
        visit = visit.of_event(token, request)
        return self._updates(visit, *read_changes.undo(self._store, visit))

    def saves_answer(self, question: Question) -> Callable[[str | None, str | None, Visit, gr.Request], Updates]:
        """Return the handler that saves the answer to one question; an empty answer is none."""

        def save_answer(token: str | None, answer: str | None, visit: Visit, request: gr.Request) -> Updates:
            visit = visit.of_event(token, request)
            after, message = read_changes.save_answer(self._store, visit, question, answer)
            if message:
                return self._updates(visit, after, message, also={question})
            return self._updates(visit, after, "", but={question})

        return save_answer

    def sign(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Sign the read."""
        visit = visit.of_event(token, request)
        return self._updates(visit, *read_changes.sign(self._store, visit))

    def link_findings(self, token: str | None, numbers: str, visit: Visit, request: gr.Request) -> Updates:
        """Link two findings as one. numbers: `1 2`."""
        visit = visit.of_event(token, request)
        return self._updates(visit, *read_changes.link_findings(self._store, visit, numbers))

    def select_finding(self, token: str | None, choice: Choice, visit: Visit, request: gr.Request) -> Updates:
        """Show a finding in the editor; a new one is added to the read."""
        visit = visit.of_event(token, request)
        return self._updates(visit, *read_changes.select_finding(self._store, visit, choice))

    def describes(self, field: str) -> Callable[[str | None, Choice, str | None, Any, Visit, gr.Request], Updates]:
        """Return the handler that saves one descriptor of the selected finding. field: its name in FINDING_FIELDS."""

        def describe(
            token: str | None, choice: Choice, shown: str | None, value: Any, visit: Visit, request: gr.Request
        ) -> Updates:
            visit = visit.of_event(token, request)
            if visit.read is None or not isinstance(choice, int):
                return self._updates(visit, visit, read_changes.NO_FINDING)
            if shown != str(choice):
                return self._updates(visit, visit, OTHER_FINDING, also={field})
            reading = visit.read.reading
            after, message = read_changes.edit_finding(
                self._store, visit, choice, lambda: set_descriptor(reading, choice, field, value)
            )
            return self._updates(visit, after, message, also={field} if message else ())

        return describe

    def use_location(self, token: str | None, choice: Choice, visit: Visit, request: gr.Request) -> Updates:
        """Describe a finding by the location that is estimated from its marks."""
        visit = visit.of_event(token, request)
        number = choice if isinstance(choice, int) else None
        changed = read_changes.edit_finding(
            self._store, visit, number, lambda: findings_editor.use_location(visit, choice)
        )
        return self._updates(visit, *changed)

    def preview_report(
        self, token: str | None, side: str | None, typed: str | None, visit: Visit, request: gr.Request
    ) -> Updates:
        """Show what is understood of a typed report; return the visit and updates for `ReportBox.preview_outputs`."""
        return self._preview(visit.of_event(token, request), side, typed)

    def _preview(self, visit: Visit, side: str | None, typed: str | None, message: str = "") -> Updates:
        plan = read_changes.plan_of_report(visit, side, typed)
        if plan is None:
            return replace(visit, report=None), _MARK_NOTE.render(note=read_changes.NO_READ), *_NOTHING_TO_TAKE
        draft = visit.read is not None and not visit.read.signed
        return (
            replace(visit, report=plan),
            preview_html(plan, message),
            gr.update(value=False, visible=draft and plan.replaces),
            gr.update(visible=draft and (plan.adds or plan.replaces)),
        )

    def take_report(
        self,
        token: str | None,
        side: str | None,
        typed: str | None,
        overwrite: bool,
        visit: Visit,
        request: gr.Request,
    ) -> Updates:
        """Take a typed report into the form as it was shown; return updates for the preview, then the others.

        Where the report or the read changed since, nothing is taken and it is shown anew.
        """
        visit = visit.of_event(token, request)
        plan = read_changes.plan_of_report(visit, side, typed)
        if plan is None or plan != visit.report:
            after, *preview = self._preview(visit, side, typed, read_changes.CHANGED_SINCE)
            return *preview, after, gr.skip(), *form_updates(self._store, after, only=())
        taken = plan.replaced if overwrite else plan.added
        after, message = read_changes.save_reading(self._store, replace(visit, report=None), taken)
        return "", *_NOTHING_TO_TAKE, *self._updates(visit, after, message)

    def save_marks(self, token: str | None, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        """Save what was drawn in the viewer; return a note, then the updates of the others.

        Where the viewer shows other marks now than are kept, it is told to draw those.
        """
        visit = visit.of_event(token, request)
        try:
            after, note = take_marks(event._data, visit, request)
            redraw = False
            if after.exam is not None and after is not visit:
                redraw = not same_marks(parse_marks(event._data["marks"], after.exam), after.marks)
        except Conflict as error:
            after, note, redraw = visit, f"Not saved: {error}. {read_changes.REDRAWN}", True
        if visit.read is not None and after is not visit:
            shown = after.marks
            after, problem = read_changes.save_reading(self._store, after, apply_marks(visit.read.reading, shown))
            note, redraw = problem or note, redraw or not same_marks(shown, after.marks)
        viewer = gr.HTML(marks=redrawn(after.marks, after.pixel_token)) if redraw else gr.skip()
        return _MARK_NOTE.render(note=note), after, viewer, *self._updates(visit, after, "")[2:]

    def _exam_updates(self, before: Visit, after: Visit, message: str) -> Updates:
        return exam_updates(self._store, self._pixels, before, after, message, another=False)

    def _updates(
        self, before: Visit, after: Visit, message: str, also: Collection[Part] = (), but: Collection[Part] = ()
    ) -> Updates:
        """The visit, the viewer where its marks changed, and the form: what this event or another tab changed.

        also, but: parts of the form to set anew, or to leave as the browser has them.
        """
        parts = changed_parts(before, after)
        only = None if parts is None else parts - {*but} | {*also}
        moved = not same_marks(before.marks, after.marks)
        viewer = gr.HTML(marks=redrawn(after.marks, after.pixel_token)) if moved else gr.skip()
        return after, viewer, *form_updates(self._store, after, message, only)
