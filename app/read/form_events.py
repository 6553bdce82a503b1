"""Event handlers of the reading form.

A handler takes the values of its input components and returns updates of its outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from mvmlm.exam import Laterality
from mvmlm.reading.edit import apply_marks
from mvmlm.reading.form import form_questions
from mvmlm.reading.reading import Reading, ReadKind
from mvmlm.store.store import Store

from ..markup import template
from ..viewer.pixel_server import PixelServer
from . import findings_editor, read_changes
from .exam_events import Updates, exam_updates
from .findings_editor import Choice
from .form_display import changed_questions, form_updates, question_keys
from .visit import Visit, take_marks

_MARK_NOTE = template('{% if note %}<p class="map-note">{{ note }}</p>{% endif %}')


class FormEvents:
    """Changes the open read. Unless stated otherwise, a handler returns the visit and the updates of `form_updates`."""

    def __init__(self, pixels: PixelServer, store: Store):
        self._pixels, self._store = pixels, store
        self._questions = question_keys(form_questions(store.tasks))

    def start(self, reader: str, named: bool, visit: Visit, request: gr.Request) -> Updates:
        """Start the reader's first read, or continue it; return the updates of `exam_updates`."""
        visit = visit.owned_by(request)
        return self._exam_updates(visit, *read_changes.start_read(self._store, visit, reader, named))

    def start_second(self, visit: Visit, request: gr.Request) -> Updates:
        """Start the same reader's read after the model; return the updates of `exam_updates`."""
        return self._start_next(visit.owned_by(request), ReadKind.AFTER)

    def start_consensus(self, visit: Visit, request: gr.Request) -> Updates:
        """Start the consensus read; return the updates of `exam_updates`."""
        return self._start_next(visit.owned_by(request), ReadKind.CONSENSUS)

    def _start_next(self, visit: Visit, kind: ReadKind) -> Updates:
        reader = visit.read.reader if visit.read else ""
        return self._exam_updates(visit, *read_changes.start_read(self._store, visit, reader, kind=kind))

    def undo(self, visit: Visit, request: gr.Request) -> Updates:
        """Take the last change back; return the updates of `exam_updates`, because marks may come back."""
        visit = visit.owned_by(request)
        return self._exam_updates(visit, *read_changes.undo(self._store, visit))

    def save_answers(self, visit: Visit, request: gr.Request, *answers: str | None) -> Updates:
        """Save the answers of all questions, in the order of `question_keys`."""
        visit = visit.owned_by(request)
        if visit.read is None:
            return visit, *form_updates(self._store, visit)
        visit, message = read_changes.save_reading(self._store, visit, self._answered(visit.read.reading, answers))
        return visit, *form_updates(self._store, visit, message, None if message else ())

    def sign(self, visit: Visit, request: gr.Request, *answers: str | None) -> Updates:
        """Save the answers of all questions and sign the read."""
        visit = visit.owned_by(request)
        if visit.read is None:
            return visit, *form_updates(self._store, visit)
        visit, message = read_changes.save_reading(self._store, visit, self._answered(visit.read.reading, answers))
        if not message:
            visit, message = read_changes.sign(self._store, visit)
        return visit, *form_updates(self._store, visit, message)

    def _answered(self, reading: Reading, answers: tuple[str | None, ...]) -> Reading:
        """The reading with these answers; an empty one is no answer."""
        texts = [str(answer or "").strip() for answer in answers]
        fields: dict[tuple[Laterality | None, str], str] = {
            question: answer for question, answer in zip(self._questions, texts, strict=True) if answer
        }
        return Reading(fields, reading.findings)

    def link_findings(self, numbers: str, visit: Visit, request: gr.Request) -> Updates:
        """Link two findings as one. numbers: `1 2`."""
        before = visit.owned_by(request)
        return self._updates(before, *read_changes.link_findings(self._store, before, numbers))

    def select_finding(self, choice: Choice, visit: Visit, request: gr.Request) -> Updates:
        """Show a finding in the editor; a new one is added to the read."""
        visit = visit.owned_by(request)
        if visit.read is None or visit.read.signed:
            known = visit.read is not None and isinstance(choice, int) and choice in visit.read.reading.findings
            visit = replace(visit, selected_finding=choice if known and isinstance(choice, int) else None)
            return visit, *form_updates(self._store, visit)
        reading, number = findings_editor.select_finding(visit.read.reading, choice)
        return self._updates(visit, *read_changes.edit_finding(self._store, visit, number, lambda: reading))

    def describe_finding(self, choice: Choice, visit: Visit, request: gr.Request, *values: Any) -> Updates:
        """Save the editor's values, in the order of FINDING_FIELDS."""
        visit = visit.owned_by(request)
        if visit.read is None or visit.read.signed:
            return visit, *form_updates(self._store, visit)
        reading = visit.read.reading
        return self._edit(visit, choice, lambda: findings_editor.describe_finding(reading, choice, values))

    def use_location(self, choice: Choice, visit: Visit, request: gr.Request) -> Updates:
        """Describe a finding by the location that is estimated from its marks."""
        visit = visit.owned_by(request)
        return self._edit(visit, choice, lambda: findings_editor.use_location(visit, choice))

    def _edit(self, visit: Visit, choice: Choice, edit: Callable[[], Reading]) -> Updates:
        number = choice if isinstance(choice, int) else None
        return self._updates(visit, *read_changes.edit_finding(self._store, visit, number, edit))

    def fill_from_report(self, side: str, typed: str, visit: Visit, request: gr.Request) -> Updates:
        """Fill the form from a typed report of one breast."""
        before = visit.owned_by(request)
        return self._updates(before, *read_changes.fill_from_report(self._store, before, side, typed))

    def save_marks(self, visit: Visit, event: gr.EventData, request: gr.Request) -> Updates:
        """Save what was drawn in the viewer; return the visit, a note and the updates of `form_updates`."""
        before = visit
        visit, note = take_marks(event._data, visit, request)
        if visit.read is not None and visit.read.signed:
            note = "This read is signed. Marks drawn now are not saved."
        elif visit.read is not None:
            marked = apply_marks(visit.read.reading, visit.marks)
            visit, problem = read_changes.save_reading(self._store, visit, marked)
            note = problem or note
        updates = form_updates(self._store, visit, only=changed_questions(before, visit))
        return visit, _MARK_NOTE.render(note=note), *updates

    def _exam_updates(self, before: Visit, after: Visit, message: str) -> Updates:
        return exam_updates(self._store, self._pixels, before, after, message)

    def _updates(self, before: Visit, after: Visit, message: str) -> Updates:
        """The visit and the form: only the questions that another change than an answer has changed."""
        return after, *form_updates(self._store, after, message, changed_questions(before, after))
