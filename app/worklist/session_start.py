"""On the Worklist page: a reading session is started, or the open one goes on."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from mvmlm.reading.opinion import ReadingScale
from mvmlm.store.database import StoreError
from mvmlm.store.readings import clean_reader
from mvmlm.store.sessions import SESSION_SIZE, ExamState, ReadingOrder, Session
from mvmlm.store.store import Store

from ..markup import problem, template
from ..popovers import popover
from ..wiring import StartsSession, connect

ALL_EXAMS = "all exams"
IS_OPEN = "A session of yours is open: {}, {} of {} read. Continue it; press Finish there to start another one."
NONE_OPEN = "No session of yours is open. Start one."

_PUT_BACK = template("""\
{% if lines %}<p>Put back:</p><ul>{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>
{% else %}<p>No exam of this list was set aside, and none waits for priors.</p>{% endif %}
""")


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
    connect(box.put_back.click, events.put_back, [box.reader, box.exams], box.note)


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
        put_back = gr.Button("Put back what was set aside", elem_id="put-back", scale=1)
    note, number = gr.HTML(elem_id="session-note"), gr.Number(None, visible="hidden")
    return _SessionBox(reader, exams, order, size, reads, scale, start, go_on, put_back, note, number)


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

    def put_back(self, reader: str, exams: str) -> str:
        """Let what left the chosen list be read again; return which exams these were, and why they had left it."""
        try:
            who, left = clean_reader(reader), self._store.sessions.left_out(self._exams(exams))
        except StoreError as error:
            return problem(str(error))
        for item in left:
            self._store.sessions.put_back(item.exam, who)
        lines = [
            f"{self._store.exams.get(item.exam).name}: {item.state.value}{f', {item.reason}' if item.reason else ''}"
            for item in left
        ]
        return _PUT_BACK.render(lines=lines)

    def start(
        self, reader: str, exams: str, order: str, size: float | None, reads: str, scale: str
    ) -> tuple[Any, str, Any]:
        """Start a session; return its number, a problem, and the page to show. One that is open is not replaced."""
        try:
            who = clean_reader(reader)
            if (open_ := self._store.sessions.open_of(who)) is not None:
                done = sum(item.state is ExamState.READ for item in self._store.sessions.exams(open_.id))
                return None, problem(IS_OPEN.format(_words(open_), done, open_.size)), gr.skip()
            started = self._store.sessions.start(
                who,
                self._exams(exams),
                "" if exams == ALL_EXAMS else exams,
                scale=ReadingScale(scale),
                sequence=ReadingOrder(order),
                size=int(size or 0),
                reads=2 if reads == "2" else 1,
                arbitration=reads == "arbitration",
            )
        except (StoreError, ValueError) as error:
            return None, problem(str(error)), gr.skip()
        return started.id, "", gr.Tabs(selected="read")

    def go_on(self, reader: str) -> tuple[Any, str, Any]:
        """Continue the reader's open session; return its number, a problem, and the page to show."""
        try:
            open_ = self._store.sessions.open_of(clean_reader(reader))
        except StoreError as error:
            return None, problem(str(error)), gr.skip()
        if open_ is None:
            return None, problem(NONE_OPEN), gr.skip()
        return open_.id, "", gr.Tabs(selected="read")


def _words(session: Session) -> str:
    """A session in words: its list, scale, and who reads."""
    readers = "arbitration" if session.arbitration else "two readers" if session.reads == 2 else "one reader"
    return f"{session.title or ALL_EXAMS}, {session.scale.value}, {readers}"
