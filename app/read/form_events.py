"""Event handlers of the reading form.

A handler takes what one event is about, with the token of what was on screen, and returns updates of its outputs. An
event changes one answer, one descriptor or the marks that the reader drew, never the rest of the form.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import gradio as gr

from mvmlm.reading.edit import set_descriptor
from mvmlm.reading.marking import name_finding
from mvmlm.reading.opinion import Opinion, ReadingScale
from mvmlm.reading.reading import Reading
from mvmlm.store.store import Store

from ..markup import template
from ..viewer.pixel_server import PixelServer
from . import finding_edits, findings_editor, read_changes, reads
from .exam_events import Updates, exam_updates
from .findings_editor import KIND, Choice
from .form_display import Part, Question, changed_parts, form_updates
from .own_questions import Place, field_at
from .report_preview import preview_html
from .visit import Visit, redrawing, shows_pixels

_MARK_NOTE = template('{% if note %}<p class="map-note">{{ note }}</p>{% endif %}')
_NOTHING_TO_TAKE = (gr.update(value=False, visible=False), gr.update(visible=False))
NO_QUESTION = "Not saved: this question is not declared any more. Load the page again."
OTHER_FINDING = "Not saved: the fields still showed another finding. Look at them now, then answer again."


def _described(reading: Reading, number: int, field: str, value: Any) -> Reading:
    return name_finding(reading, number, value) if field == KIND else set_descriptor(reading, number, field, value)


class FormEvents:
    """Changes the open read. Unless stated otherwise, a handler returns updates for `ReadPage.form_outputs`.

    token: the token of the visit that was on screen when the event was raised; a handler raises gr.Error for another.
    """

    def __init__(self, pixels: PixelServer, store: Store):
        self._pixels, self._store = pixels, store

    def start(
        self, token: str | None, reader: str, named: bool, authors: str, visit: Visit, request: gr.Request
    ) -> Updates:
        """Start the reader's read, or continue it; return the updates of `exam_updates`."""
        visit = visit.of_event(token, request)
        return self._exam_updates(visit, *reads.start_read(self._store, visit, reader, named, authors))

    def arbitrate(self, token: str | None, reader: str, authors: str, visit: Visit, request: gr.Request) -> Updates:
        """Start the arbitration of the exam, or continue it; return the updates of `exam_updates`."""
        visit = visit.of_event(token, request)
        return self._exam_updates(visit, *reads.start_arbitration(self._store, visit, reader, authors))

    def change(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Open a signed read for a change; return the updates of `exam_updates`."""
        visit = visit.of_event(token, request)
        return self._exam_updates(visit, *reads.change_read(self._store, visit))

    def gives_opinion(
        self, opinion: Opinion
    ) -> Callable[[str | None, str, bool, str, str, Visit, gr.Request], Updates]:
        """Return the handler that gives an opinion on the exam.

        Where that starts a read it returns the updates of `exam_updates`.
        """

        def give_opinion(
            token: str | None,
            reader: str,
            named: bool,
            authors: str,
            scale: str,
            visit: Visit,
            request: gr.Request,
        ) -> Updates:
            visit = visit.of_event(token, request)
            after, message = reads.give_opinion(
                self._store, visit, opinion, ReadingScale(scale), reader, named, authors
            )
            same = visit.read is not None and after.read is not None and visit.read.id == after.read.id
            if same or after.read is None:
                return self.updates(visit, after, message)
            return self._exam_updates(visit, after, message)

        return give_opinion

    def show_both(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Show the two reads that are arbitrated."""
        visit = visit.of_event(token, request)
        return self.updates(visit, *reads.show_both(visit))

    def takes_read(self, number: int) -> Callable[[str | None, Visit, gr.Request], Updates]:
        """Return the handler that takes one of the two arbitrated reads. number: 0 or 1."""

        def take_read(token: str | None, visit: Visit, request: gr.Request) -> Updates:
            visit = visit.of_event(token, request)
            return self.updates(visit, *reads.take_read(self._store, visit, number))

        return take_read

    def undo(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Take the reader's last change back."""
        visit = visit.of_event(token, request)
        return self.updates(visit, *read_changes.undo(self._store, visit))

    def redo(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Make the change again that was undone last."""
        visit = visit.of_event(token, request)
        return self.updates(visit, *read_changes.redo(self._store, visit))

    def saves_answer(self, question: Question) -> Callable[[str | None, str | None, Visit, gr.Request], Updates]:
        """Return the handler that saves the answer to one question; an empty answer is none."""

        def save_answer(token: str | None, answer: str | None, visit: Visit, request: gr.Request) -> Updates:
            visit = visit.of_event(token, request)
            after, message = read_changes.save_answer(self._store, visit, question, answer)
            if message:
                return self.updates(visit, after, message, also={question})
            return self.updates(visit, after, "", but={question})

        return save_answer

    def saves_own_answer(self, place: Place) -> Callable[[str | None, str | None, Visit, gr.Request], Updates]:
        """Return the handler that saves the answer to the question that a place of `own_questions` has now."""

        def save_own_answer(token: str | None, answer: str | None, visit: Visit, request: gr.Request) -> Updates:
            field = field_at(self._store, place)
            if field is None:
                visit = visit.of_event(token, request)
                return self.updates(visit, visit, NO_QUESTION)
            return self.saves_answer((place.side, field.name))(token, answer, visit, request)

        return save_own_answer

    def sign(self, token: str | None, reader: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Sign the read. reader: the name in the field, whose read it must be."""
        visit = visit.of_event(token, request)
        return self.updates(visit, *reads.sign(self._store, visit, reader))

    def select_finding(
        self, token: str | None, choice: Choice, shown: str | None, visit: Visit, request: gr.Request
    ) -> Updates:
        """Show a finding in the editor; a new one is added to the read.

        shown: the number of the finding that the fields showed. The page tells of a choice by mouse twice: the second
        time another one is shown already, and nothing is added.
        """
        visit = visit.of_event(token, request)
        if not isinstance(choice, int) and (shown or "") != str(visit.selected_finding or ""):
            return self.updates(visit, visit, "")
        return self.updates(visit, *finding_edits.select_finding(self._store, visit, choice))

    def describes(self, field: str) -> Callable[[str | None, Choice, str | None, Any, Visit, gr.Request], Updates]:
        """Return the handler that saves one descriptor of the selected finding.

        field: its name in FINDING_FIELDS, or KIND for the kind of the finding.
        """

        def describe(
            token: str | None, choice: Choice, shown: str | None, value: Any, visit: Visit, request: gr.Request
        ) -> Updates:
            visit = visit.of_event(token, request)
            if not isinstance(choice, int):
                return self.updates(visit, visit, finding_edits.NO_FINDING)
            if shown != str(choice):
                return self.updates(visit, visit, OTHER_FINDING, also={field})
            after, message = finding_edits.edit_finding(
                self._store, visit, choice, lambda: _described(visit.reading, choice, field, value)
            )
            return self.updates(visit, after, message, also={field} if message else ())

        return describe

    def use_location(self, token: str | None, choice: Choice, visit: Visit, request: gr.Request) -> Updates:
        """Describe a finding by the location that is estimated from its marks."""
        visit = visit.of_event(token, request)
        number = choice if isinstance(choice, int) else None
        changed = finding_edits.edit_finding(
            self._store, visit, number, lambda: findings_editor.use_location(visit, choice)
        )
        return self.updates(visit, *changed)

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
        return "", *_NOTHING_TO_TAKE, *self.updates(visit, after, message)

    def save_marks(self, token: str | None, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        """Save what was drawn in the viewer; return how long it lasts, then the updates of the others.

        The viewer is told to draw what is kept now, with the numbers of the findings.
        """
        visit = visit.of_event(token, request)
        after, message, drawn = finding_edits.draw_marks(self._store, visit, event._data)
        viewer = gr.skip()
        if shows_pixels(event._data, after):
            viewer = gr.HTML(marks=redrawing(after, drawn))
        note = _MARK_NOTE.render(note=message or finding_edits.lasting(after))
        return note, after, viewer, *self.updates(visit, after, "")[2:]

    def edit_at_mark(self, token: str | None, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        """Save what was answered at a mark, or done with a finding in the list."""
        visit = visit.of_event(token, request)
        return self.updates(visit, *finding_edits.edit_at_mark(self._store, visit, event._data))

    def choose_finding(self, token: str | None, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        """Show the finding that was chosen at its mark or in the list in the editor."""
        visit = visit.of_event(token, request)
        return self.updates(visit, finding_edits.choose_finding(visit, event._data), "")

    def place_nipple(self, token: str | None, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        """Take where the reader placed a nipple; it is kept with the exam where that is stored."""
        visit = visit.of_event(token, request)
        return self.updates(visit, *read_changes.place_nipple(self._store, visit, event._data, request))

    def _exam_updates(self, before: Visit, after: Visit, message: str) -> Updates:
        return exam_updates(self._store, self._pixels, before, after, message, another=False)

    def updates(
        self, before: Visit, after: Visit, message: str, also: Collection[Part] = (), but: Collection[Part] = ()
    ) -> Updates:
        """Return the visit, the viewer where its findings changed, and the form: what this event or another tab did.

        also, but: parts of the form to set anew, or to leave as the browser has them.
        """
        parts = changed_parts(before, after)
        only = None if parts is None else parts - {*but} | {*also}
        another = before.reading.findings != after.reading.findings or before.locked != after.locked
        viewer = gr.HTML(marks=redrawing(after)) if another else gr.skip()
        return after, viewer, *form_updates(self._store, after, message, only)
