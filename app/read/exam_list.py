"""The strip below the pictures: where the open exam is in its list, what was just recorded, and the list itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import gradio as gr

from mvmlm.reading.opinion import opinion_of
from mvmlm.reading.reading import Reading
from mvmlm.store.database import StoreError
from mvmlm.store.lists import MAX_EXAMS
from mvmlm.store.records import Filter
from mvmlm.store.store import Store

from ..exam_filter import filter_for_reader
from ..markup import template
from .visit import OpenList, Visit

SHOWN_AROUND = 12  # exams before and after the open one


class ListBox(NamedTuple):
    """The strip below the pictures. session: its buttons, shown in a session. end: the page at a session's end.

    finish: shows the last page of the session. previous, next, open, change, end_session: pressed by keys and by
    buttons of the strip and the last page.
    """

    strip: gr.HTML
    session: gr.Row
    skip: gr.Button
    reason: gr.Textbox
    set_aside: gr.Button
    priors: gr.Button
    finish: gr.Button
    previous: gr.Button
    next: gr.Button
    open: gr.Button
    change: gr.Button
    end_session: gr.Button
    number: gr.Number
    end: gr.HTML


def lay_out_list() -> ListBox:
    """Lay out the strip, the buttons of a session, and the page at its end."""
    with gr.Column(elem_id="strip-bar"):
        strip = gr.HTML(elem_id="strip")
        with gr.Row(visible=False, elem_id="session") as session:
            skip = gr.Button("Skip", size="sm", elem_id="skip")
            reason = gr.Textbox(show_label=False, placeholder="why set aside", max_lines=1, elem_id="aside-reason")
            set_aside = gr.Button("Set aside", size="sm", elem_id="set-aside")
            priors = gr.Button("Priors wanted", size="sm", elem_id="priors-wanted")
            finish = gr.Button("Finish", size="sm", elem_id="finish-session")
        with gr.Row(elem_classes="by-key"):
            previous, next_, open_, change, end_session = (
                gr.Button(name, elem_id=name)
                for name in ("previous-exam", "next-exam", "strip-open", "strip-change", "end-session")
            )
        number = gr.Number(None, visible="hidden", elem_id="strip-number")
    end = gr.HTML(elem_id="session-page")
    buttons = skip, reason, set_aside, priors, finish, previous, next_, open_, change, end_session
    return ListBox(strip, session, *buttons, number, end)


class StripItem(NamedTuple):
    """An exam in the strip. state: new, draft or signed, or what became of it in the session. current: it is open."""

    number: int
    name: str
    state: str
    current: bool


def list_with(store: Store, number: int, exams: OpenList | None, filters: Sequence[Any]) -> OpenList:
    """Return the list in which an exam is opened.

    exams: the one that is open; a session goes on where the exam is in it. filters: the values of the worklist's
    controls, in the order of `filter_from_controls`, where the exam was opened there.
    """
    if exams is not None and number in exams.exams and (exams.session is not None or not filters):
        return exams
    try:
        wanted = filter_for_reader(store, filters)
        found = store.worklist.ordered_numbers(wanted, MAX_EXAMS)
    except ValueError:  # a date that is not typed to its end; the table says so
        wanted, found = Filter(), []
    if not filters or number not in found:
        return OpenList("Worklist", tuple(store.worklist.oldest_first()))
    if wanted == Filter(in_list=wanted.in_list, order=wanted.order, seen_by=wanted.seen_by):
        return OpenList(store.lists.get(wanted.in_list).name if wanted.in_list else "Worklist", tuple(found))
    return OpenList("Worklist, filtered", tuple(found))


def neighbour(exams: OpenList | None, number: int | None, by: int) -> int | None:
    """Return the exam that is `by` places after another one in a list; None past an end of it."""
    if exams is None or number is None or number not in exams.exams:
        return None
    place = exams.exams.index(number) + by
    return exams.exams[place] if 0 <= place < len(exams.exams) else None


def following(store: Store, visit: Visit) -> int | None:
    """Return the exam that comes after the open one in its list or session, without claiming it; None at the end."""
    exams = visit.open_list
    if exams is not None and exams.session is not None and visit.exam_number is not None:
        return store.sessions.following(exams.session, visit.exam_number)
    return neighbour(exams, visit.exam_number, 1)


def has_next(visit: Visit) -> bool:
    """Whether another exam follows the open one; in a session that is known only when it is asked for."""
    exams = visit.open_list
    return exams is not None and (exams.session is not None or neighbour(exams, visit.exam_number, 1) is not None)


def recorded_words(reading: Reading) -> str:
    """Return what is recorded with a reading, in a word or two: the opinion, or the BI-RADS assessments."""
    if opinion := opinion_of(reading):
        return opinion.value
    given = [value for (_, name), value in sorted(reading.fields.items(), key=str) if name == "birads"]
    return f"BI-RADS {' and '.join(dict.fromkeys(given))}" if given else "a read without an opinion"


def strip_items(store: Store, exams: OpenList, current: int | None) -> list[StripItem]:
    """Return the exams around the open one, in the order of the list."""
    place = exams.exams.index(current) if current in exams.exams else 0
    states: dict[int, str] = {}
    if exams.session is not None:
        states = {item.exam: item.state.value for item in store.sessions.exams(exams.session)}
    items = []
    for number in exams.exams[max(0, place - SHOWN_AROUND) : place + SHOWN_AROUND + 1]:
        try:
            exam = store.exams.get(number)
        except StoreError:  # deleted since the list was opened
            continue
        items.append(StripItem(number, exam.name, states.get(number, exam.state), number == current))
    return items


_STRIP = template("""\
{% if exams %}
<div class="list">
<span class="place">{{ exams.title }} · {{ place }} of {{ count }}</span>
{% if recorded %}
<span class="recorded" role="status">{{ recorded.what }} recorded for {{ recorded_name }}
<button type="button" data-change="{{ recorded.exam }}">change</button></span>
{% endif %}
<span class="items">
{% for item in items %}
<button type="button" class="{{ item.state.replace(' ', '-') }}{% if item.current %} current{% endif %}"
 data-open="{{ item.number }}" title="{{ item.name }}: {{ item.state }}">
<span data-thumbnail="{{ item.number }}"></span>{{ item.name }}</button>
{% endfor %}
</span>
</div>
{% endif %}
""")


def strip_html(store: Store, visit: Visit) -> str:
    """Return the strip as HTML; nothing where the open exam is in no list."""
    exams, number = visit.open_list, visit.exam_number
    if exams is None:
        return ""
    size = store.sessions.get(exams.session).size if exams.session is not None else len(exams.exams)
    return _STRIP.render(
        exams=exams,
        place=exams.exams.index(number) + 1 if number in exams.exams else "–",
        count=size,
        items=strip_items(store, exams, number),
        recorded=visit.recorded,
        recorded_name=store.exams.get(visit.recorded.exam).name if visit.recorded else "",
    )
