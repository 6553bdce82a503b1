"""Places in the form for tasks that are declared while the app runs.

Gradio lays a page out once, so the form has a few hidden questions from the start. A task that is declared later takes
the next free one, and an exam that is opened after that shows it. After a restart it has its own place in the form.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import gradio as gr

from mvmlm.exam import Laterality
from mvmlm.reading.form import FormField, form_questions
from mvmlm.store.records import Read
from mvmlm.store.store import Store
from mvmlm.tasks import Level

from .findings_editor import UNANSWERED

PLACES = 6  # tasks of one's own that may be declared until the next restart


class Place(NamedTuple):
    """A hidden question: the number of its task among those declared since the start, and its side (None: the exam)."""

    number: int
    side: Laterality | None

    @property
    def elem_id(self) -> str:
        """The elem_id of its component."""
        return f"q-own-{self.number}-{self.side.value if self.side else 'exam'}"


ALL_PLACES = [Place(number, side) for number in range(PLACES) for side in (*Laterality, None)]


def lay_out_places() -> list[gr.Radio]:
    """Lay out the hidden questions, in the order of ALL_PLACES."""
    return [
        gr.Radio([], value="", visible=False, elem_id=place.elem_id, elem_classes=["question"]) for place in ALL_PLACES
    ]


def field_at(store: Store, place: Place) -> FormField | None:
    """Return the question that a place has now; None where it has none."""
    later = store.tasks[len(store.tasks_at_start) :]
    if place.number >= len(later):
        return None
    name = later[place.number].name
    field = next(field for field in form_questions(store.tasks) if field.name == name)
    return field if (field.level is Level.EXAM) == (place.side is None) else None


def place_updates(store: Store, read: Read | None, only: Collection[object] | None = None) -> list[Any]:
    """Return the updates of the places. read: whose answers are shown. only: the questions to set anew (None: all)."""
    updates: list[Any] = []
    for place in ALL_PLACES:
        field = field_at(store, place)
        if field is None:
            updates.append(gr.skip())
        elif only is None or (place.side, field.name) in only:
            answer = read.reading.fields.get((place.side, field.name), "") if read else ""
            updates.append(
                gr.Radio(
                    choices=[(UNANSWERED, ""), *field.choices],
                    value=answer,
                    label=f"{place.side.word.capitalize()}: {field.title}" if place.side else field.title,
                    visible=True,
                    interactive=read is None or not read.signed,
                )
            )
        else:
            updates.append(gr.skip())
    return updates
