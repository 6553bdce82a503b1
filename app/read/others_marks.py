"""Marks of other programs, on request: offered where their objects lay beside the files, and sent once a reader asks.

Until then the browser knows only how many objects there are: how many marks would tell already what a program found.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from mvmlm.dicom_objects.foreign_marks import ForeignObject, NamedPictures, named_pictures
from mvmlm.dicom_objects.foreign_reading import read_objects
from mvmlm.store.marks_shown import record_marks_shown
from mvmlm.store.store import Store

from ..viewer.viewports import addresses
from .form_display import read_state
from .visit import Visit

REJECTED = "{} × a mark that the program itself does not want to be shown"

Updates = tuple[Any, ...]


class OthersMarksEvents:
    """The handler of the viewer's event `others`."""

    def __init__(self, store: Store):
        self._store = store

    def show(self, token: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Show the marks of other programs; return updates for the visit, the viewer, and the state of the read.

        From then on they count as seen: by the read that is open, and by one that is started later.
        """
        visit = visit.of_event(token, request)
        if not visit.others:
            return visit, gr.skip(), gr.skip(), gr.skip()
        visit = with_marks_recorded(self._store, replace(visit, others_shown=True))
        of_read = read_state(self._store, visit) if visit.read else (gr.skip(), gr.skip())
        return visit, gr.HTML(others=others_value(visit)), *of_read


def with_marks_recorded(store: Store, visit: Visit) -> Visit:
    """Return the visit after it was recorded with its read that marks of other programs are shown."""
    if not visit.others_shown or visit.read is None:
        return visit
    programs = _programs(visit)
    now = record_marks_shown(store, visit.read.id, programs)
    return replace(visit, read=replace(visit.read, informed=now.informed, final=now.final))


def _programs(visit: Visit) -> list[str]:
    """What the objects say of the programs that made them."""
    assert visit.exam is not None
    found = read_objects(visit.others, visit.exam)
    return list(dict.fromkeys(item.source for item in found if item.source))


def others_value(visit: Visit) -> dict[str, Any]:
    """Return the viewer's property `others`: the exam, the number of objects, and what they show once it was asked for.

    shown: None, or {sources, marks, statements}; each of these names its source by a letter, and those on pictures the
    address of the picture, points are (column, row) in DICOM pixels of its file.
    """
    value: dict[str, Any] = {"exam": visit.pixel_token, "objects": len(visit.others), "shown": None}
    if visit.exam is None or not visit.others or not visit.others_shown:
        return value
    named = named_pictures(visit.exam)
    address = {id(view): name for view, name in addresses(visit.exam, visit.pixel_token)}
    found = read_objects(visit.others, visit.exam)
    letters = [_letter(number) for number in range(len(found))]
    value["shown"] = {
        "sources": [_source(letter, item) for letter, item in zip(letters, found, strict=True)],
        "marks": [
            mark for letter, item in zip(letters, found, strict=True) for mark in _marks(letter, item, named, address)
        ],
        "statements": [
            {"source": letter, "address": address[id(named.views[said.instance][0])], "text": said.text}
            for letter, item in zip(letters, found, strict=True)
            for said in item.statements
            if said.instance in named.views
        ],
    }
    return value


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else f"A{number}"


def _source(letter: str, item: ForeignObject) -> dict[str, Any]:
    """What made the marks of a letter, and what of it is not shown."""
    rejected = sum(mark.rejected for mark in item.marks)
    told = [*item.told, *([REJECTED.format(rejected)] if rejected else [])]
    kind = item.kind.value if item.kind else "not read"
    count = sum(not mark.rejected for mark in item.marks)
    return {"letter": letter, "file": item.file, "kind": kind, "name": item.source, "marks": count, "told": told}


def _marks(letter: str, item: ForeignObject, named: NamedPictures, address: dict[int, str]) -> list[dict[str, Any]]:
    """The marks of an object that are to be shown, on every picture on which they lie."""
    return [
        {
            "source": letter,
            "address": address[id(view)],
            "shape": mark.shape.value,
            "points": [list(point) for point in mark.points],
            "text": mark.text,
        }
        for mark in item.marks
        if not mark.rejected
        for view in named.views[mark.instance]
    ]
