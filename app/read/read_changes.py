"""Changes of the open read: start, save, undo, sign, fill the form from a report.

Each function takes a visit and returns the visit after the change, with a message for the reader ("": all went well).
"""

from __future__ import annotations

import time
from dataclasses import replace

import gradio as gr

from mvmlm.exam import Laterality
from mvmlm.reading.merge import Conflict
from mvmlm.reading.reading import Reading
from mvmlm.store.accounts import Role
from mvmlm.store.archive import correct_views
from mvmlm.store.database import StoreError
from mvmlm.store.records import Read
from mvmlm.store.store import Store

from ..privacy import account_of
from .form_display import Question
from .report_preview import ReportPlan, plan_report
from .visit import Step, Visit
from .visit import place_nipple as visit_with_nipple

UNDO_STEPS = 30
LONGEST_PAUSE_SECONDS = 600  # a longer pause between two answers counts as so much reading time
UNNAMED = "a reader without a name"
ONLY_READERS = "This exam is stored, and a viewer corrects none that is. Ask a reader to do it."
VIEWS_CHANGED = "The views of this exam were named anew in another window. Open it from the worklist to see them."
NO_READ = "Start a read first."
CHANGED_SINCE = "Nothing was taken: the report or the read has changed since. This is what is understood now."
REPEAT = "The form shows what is stored; repeat your answer to change it."


def views_changed(store: Store, visit: Visit) -> bool:
    """Whether the store has other images under the names that the views of the open exam have on screen."""
    if visit.exam is None or visit.exam_number is None:
        return False
    stored = {view.name: view.path for view in store.exams.views(visit.exam_number)}
    shown = {name: visit.stored_files.get(view.file) for name, view in visit.exam.views.items()}
    return any(path is not None and stored.get(name) != path for name, path in shown.items())


def store_correction(store: Store, before: Visit, after: Visit, message: str, request: gr.Request) -> tuple[Visit, str]:
    """Make the correction of a view, from the exam of `before` to that of `after`, part of the stored exam.

    An exam that is not stored yet is left as it is. Where the store refuses, and for a viewer, who changes nothing that
    is stored, the visit stays as it was.
    """
    if before.exam_number is None or after.exam is None:
        return after, message
    account = account_of(request)
    if account is not None and not account.role.may(Role.READER):
        return before, ONLY_READERS
    try:
        with store.file.transaction():
            if views_changed(store, before):
                return before, VIEWS_CHANGED
            files = correct_views(
                store, before.exam_number, after.exam, before.stored_files, before.group, who_reads(before, request)
            )
    except StoreError as error:
        return before, str(error)
    return replace(after, stored_files=files), message


def save_reading(store: Store, visit: Visit, reading: Reading) -> tuple[Visit, str]:
    """Save what `reading` changes in the open read, and show what is stored now.

    Changes made elsewhere to other things are taken over; where the same thing was changed, nothing is saved. Without a
    read the reading lasts as long as the visit.
    """
    read = visit.read
    if reading == visit.reading:
        return visit, ""
    if read is None:
        return _with_step(replace(visit, unsaved=reading), (visit.unsaved, reading)), ""
    seconds = reading_seconds(visit)
    try:
        with store.file.transaction():
            if views_changed(store, visit):
                return as_stored(store, visit), f"Not saved. {VIEWS_CHANGED}"
            saved = store.readings.change(read.id, read.reading, reading, seconds)
    except Conflict as error:
        return as_stored(store, visit), f"Not saved: {error}. {REPEAT}"
    except (StoreError, ValueError) as error:
        return as_stored(store, visit), f"Not saved: {error}"
    if saved.before != saved.read.reading:
        visit = _with_step(visit, (saved.before, saved.read.reading))
    return _showing(visit, saved.read), ""


def reading_seconds(visit: Visit) -> float:
    """Return the reading time since the pictures came or the last change was saved."""
    return min(time.monotonic() - visit.reading_since, LONGEST_PAUSE_SECONDS) if visit.reading_since else 0.0


def save_answer(store: Store, visit: Visit, question: Question, answer: str | None) -> tuple[Visit, str]:
    """Save the answer to one question; an empty one is no answer."""
    if visit.read is None:
        return visit, NO_READ
    fields = {key: value for key, value in visit.read.reading.fields.items() if key != question}
    if text := str(answer or "").strip():
        fields[question] = text
    return save_reading(store, visit, Reading(fields, visit.read.reading.findings))


def _showing(visit: Visit, read: Read) -> Visit:
    """The visit with the read as it is stored after a change by this reader."""
    return replace(visit, read=read, reading_since=time.monotonic(), reviewing=False)


def as_stored(store: Store, visit: Visit) -> Visit:
    """The visit with the read as it is stored, maybe changed or signed in another tab, where it can be fetched."""
    assert visit.read is not None
    try:
        read = store.readings.get(visit.read.id)
    except StoreError:
        return visit
    return replace(visit, read=read)


def undo(store: Store, visit: Visit) -> tuple[Visit, str]:
    """Take the reader's last change back, and nothing else; all states stay in the history of the store."""
    if not visit.undo_stack:
        return visit, "Nothing to undo."
    *earlier, (before, after) = visit.undo_stack
    visit, message = _put(store, visit, after, before)
    if message:
        return visit, f"Not undone: {message}"
    return replace(visit, undo_stack=tuple(earlier), redo_stack=(*visit.redo_stack, (before, after))), ""


def redo(store: Store, visit: Visit) -> tuple[Visit, str]:
    """Make the change again that was undone last."""
    if not visit.redo_stack:
        return visit, "Nothing to redo."
    *others, (before, after) = visit.redo_stack
    visit, message = _put(store, visit, before, after)
    if message:
        return visit, f"Not redone: {message}"
    return replace(visit, redo_stack=tuple(others), undo_stack=(*visit.undo_stack, (before, after))), ""


def _put(store: Store, visit: Visit, shown: Reading, wanted: Reading) -> tuple[Visit, str]:
    """Change what differs between two readings in the open read, or in the findings where there is none."""
    if visit.read is None:
        return replace(visit, unsaved=wanted), ""
    try:
        with store.file.transaction():
            if views_changed(store, visit):
                return visit, VIEWS_CHANGED
            saved = store.readings.change(visit.read.id, shown, wanted, reading_seconds(visit))
    except Conflict as error:
        return as_stored(store, visit), f"{error}. {REPEAT}"
    except (StoreError, ValueError) as error:
        return as_stored(store, visit), str(error)
    return _showing(visit, saved.read), ""


def _with_step(visit: Visit, step: Step) -> Visit:
    return replace(visit, undo_stack=(*visit.undo_stack, step)[-UNDO_STEPS:], redo_stack=())


def place_nipple(store: Store, visit: Visit, sent: object, request: gr.Request) -> tuple[Visit, str]:
    """Take where the reader placed a nipple, and keep it with the exam where that is stored."""
    try:
        after = visit_with_nipple(sent, visit)
        if visit.exam_number is not None:
            for name, point in after.placed.items():
                if visit.placed.get(name) != point:
                    store.exams.place_nipple(visit.exam_number, name, point, who_reads(visit, request))
    except (StoreError, ValueError) as error:
        return visit, f"The nipple was not placed: {error}"
    return after, ""


def who_reads(visit: Visit, request: gr.Request) -> str:
    """Return the reader of the open read, else the name of the account, else words for one who is not known."""
    if visit.read is not None:
        return visit.read.reader
    account = account_of(request)
    return account.name if account else UNNAMED


def plan_of_report(visit: Visit, side: str | None, typed: str | None) -> ReportPlan | None:
    """Return what a typed report would do to the open read; None without one.

    side: "right", "left", or "" where the report names its breasts.
    """
    if visit.read is None:
        return None
    chosen = next((laterality for laterality in Laterality if laterality.word == side), None)
    return plan_report(visit.read.reading, typed or "", chosen)
