"""On the Worklist page: a reading session is started, or the open one goes on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr

from mvmlm.reading.opinion import ReadingScale
from mvmlm.store.database import StoreError
from mvmlm.store.sessions import SESSION_SIZE, ExamState, ReadingOrder, Session, SessionExam
from mvmlm.store.store import Store

from ..markup import paragraph, problem
from ..popovers import popover
from ..wiring import StartsSession, connect

ALL_EXAMS = "all exams"
IS_OPEN = "A session of yours is open: {}, {} of {} read. Continue it; press Finish there to start another one."
NONE_OPEN = "No session of yours is open. Start one."

NOTHING_LEFT_OUT = "No exam of this list was set aside, and none waits for priors."


class _SessionBox(NamedTuple):
    """The fields of a session. number: hidden, of the session that was started."""

    reader: gr.Textbox
    exams: gr.Dropdown
    order: gr.Radio
    size: gr.Number
    reads: gr.Radio
    scale: gr.Radio
    start: gr.Button
    go_on: gr.Button
    show_left_out: gr.Button
    left_out: gr.CheckboxGroup
    put_back: gr.Button
    note: gr.HTML
    number: gr.Number


def add_session_start(store: Store, starts_session: StartsSession, tabs: gr.Tabs) -> None:
    """Lay out and wire the start of a session. tabs: the app's, of which the reading page is shown then."""
    with popover("session"):
        box = _lay_out()
    events = SessionStart(store)
    inputs = [box.reader, box.exams, box.order, box.size, box.reads, box.scale]
    connect(box.exams.focus, events.lists, None, box.exams)
    outputs = [box.number, box.note, tabs]
    for begun in (
        connect(box.start.click, events.start, inputs, outputs),
        connect(box.go_on.click, events.go_on, box.reader, outputs),
    ):
        starts_session(begun.success, box.number)
    listed = [box.left_out, box.put_back, box.note]
    connect(box.show_left_out.click, events.show_left_out, box.exams, listed)
    connect(box.put_back.click, events.put_back, [box.reader, box.exams, box.left_out], listed)


def _lay_out() -> _SessionBox:
    gr.Markdown(
        f"{SESSION_SIZE} exams of a list, one after the other. An exam that you have open is not offered to others. "
        "A session that you left open goes on where you left it."
    )
    with gr.Row():
        reader = gr.Textbox(label="Reader (name or initials)", max_lines=1, elem_id="session-reader")
        exams = gr.Dropdown([ALL_EXAMS], value=ALL_EXAMS, label="Exams", elem_id="session-list")
        size = gr.Number(SESSION_SIZE, precision=0, minimum=1, maximum=500, label="How many", elem_id="session-size")
    with gr.Row():
        order = gr.Radio(
            [order.value for order in ReadingOrder],
            value=ReadingOrder.OLDEST.value,
            label="Order",
            elem_id="session-order",
        )
        reads = gr.Radio(
            [("one reader", "1"), ("two readers, blind", "2"), ("arbitrate where two reads disagree", "arbitration")],
            value="1",
            label="Each exam is read by",
            elem_id="session-reads",
        )
        scale = gr.Radio(
            [("Screening", ReadingScale.SCREENING.value), ("Diagnostic", ReadingScale.DIAGNOSTIC.value)],
            value=ReadingScale.SCREENING.value,
            label="Opinion",
            elem_id="session-scale",
        )
    with gr.Row():
        start = gr.Button("Start a session", variant="primary", elem_id="start-session", scale=1)
        go_on = gr.Button("Continue my open session", elem_id="continue-session", scale=1)
        show_left_out = gr.Button("What was set aside", elem_id="show-left-out", scale=1)
    left_out = gr.CheckboxGroup([], label="Set aside, or waiting for priors", visible=False, elem_id="left-out")
    put_back = gr.Button("Put the ticked ones back", visible=False, size="sm", elem_id="put-back")
    note, number = gr.HTML(elem_id="session-note"), gr.Number(None, visible="hidden")
    return _SessionBox(
        reader, exams, order, size, reads, scale, start, go_on, show_left_out, left_out, put_back, note, number
    )


class SessionStart:
    """Event handlers of the start of a session."""

    def __init__(self, store: Store):
        self._store = store

    def lists(self) -> gr.Dropdown:
        """Return an update for the choice of lists."""
        return gr.Dropdown(choices=[ALL_EXAMS, *(exams.name for exams in self._store.lists.all())])

    def _exams(self, chosen: str) -> list[int]:
        """The exams of the chosen list; of all, the oldest first."""
        if chosen == ALL_EXAMS:
            return self._store.worklist.oldest_first()
        found = next((exams for exams in self._store.lists.all() if exams.name == chosen), None)
        if found is None:
            raise StoreError(f"There is no list “{chosen}” any more. Choose another one.")
        return list(self._store.lists.exams(found.id))

    def show_left_out(self, exams: str) -> tuple[Any, Any, str]:
        """Show which exams left the chosen list, and why; return updates of the choice, its button and the note."""
        try:
            left = self._store.sessions.left_out(self._exams(exams))
        except StoreError as error:
            return gr.skip(), gr.skip(), problem(str(error))
        choices = [(self._why_left(item), item.exam) for item in left]
        note = "" if left else paragraph(NOTHING_LEFT_OUT)
        return gr.CheckboxGroup(choices=choices, value=[], visible=bool(left)), gr.update(visible=bool(left)), note

    def put_back(self, reader: str, exams: str, ticked: Sequence[int]) -> tuple[Any, Any, str]:
        """Let the ticked exams be read again; return as `show_left_out`, with a note on what was put back."""
        try:
            who, left = self._store.readings.named(reader), self._store.sessions.left_out(self._exams(exams))
            chosen = [item for item in left if item.exam in ticked]
            if not chosen:
                raise StoreError("Tick the exams to put back first.")
        except StoreError as error:
            return gr.skip(), gr.skip(), problem(str(error))
        for item in chosen:
            self._store.sessions.put_back(item.exam, who)
        names = ", ".join(self._store.exams.get(item.exam).name for item in chosen)
        return (*self.show_left_out(exams)[:2], paragraph(f"Put back: {names}."))

    def _why_left(self, item: SessionExam) -> str:
        reason = f", {item.reason}" if item.reason else ""
        return f"{self._store.exams.get(item.exam).name}: {item.state.value}{reason}"

    def start(
        self, reader: str, exams: str, order: str, size: float | None, reads: str, scale: str
    ) -> tuple[Any, str, Any]:
        """Start a session; return its number, a problem, and the page to show. One that is open is not replaced."""
        try:
            if not size or size < 1:
                raise StoreError("Type how many exams the session has, 1 or more.")
            who = self._store.readings.named(reader)
            if (open_ := self._store.sessions.open_of(who)) is not None:
                done = sum(item.state is ExamState.READ for item in self._store.sessions.exams(open_.id))
                return None, problem(IS_OPEN.format(_words(open_), done, open_.size)), gr.skip()
            started = self._store.sessions.start(
                who,
                self._exams(exams),
                "" if exams == ALL_EXAMS else exams,
                scale=ReadingScale(scale),
                sequence=ReadingOrder(order),
                size=int(size),
                reads=2 if reads == "2" else 1,
                arbitration=reads == "arbitration",
            )
        except (StoreError, ValueError) as error:
            return None, problem(str(error)), gr.skip()
        return started.id, "", gr.Tabs(selected="read")

    def go_on(self, reader: str) -> tuple[Any, str, Any]:
        """Continue the reader's open session; return its number, a problem, and the page to show."""
        try:
            open_ = self._store.sessions.open_of(self._store.readings.named(reader))
        except StoreError as error:
            return None, problem(str(error)), gr.skip()
        if open_ is None:
            return None, problem(NONE_OPEN), gr.skip()
        return open_.id, "", gr.Tabs(selected="read")


def _words(session: Session) -> str:
    """A session in words: its list, scale, and who reads."""
    readers = "arbitration" if session.arbitration else "two readers" if session.reads == 2 else "one reader"
    return f"{session.title or ALL_EXAMS}, {session.scale.value}, {readers}"
