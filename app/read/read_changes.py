"""Changes of the open read: start, save, undo, sign, link findings, fill the form from a report.

Each function takes a visit and returns the visit after the change, with a message for the reader ("": all went well).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from mvmlm.exam import Exam, Laterality
from mvmlm.reading.edit import add_finding, apply_marks
from mvmlm.reading.merge import Conflict
from mvmlm.reading.reading import Mark, Reading, ReadKind
from mvmlm.store.archive import add_open_exam, correct_views
from mvmlm.store.database import StoreError
from mvmlm.store.exams import by_hand
from mvmlm.store.readings import clean_reader
from mvmlm.store.records import Read
from mvmlm.store.store import Store

from .findings_editor import NEW_FINDINGS, Choice
from .form_display import Question
from .report_preview import ReportPlan, plan_report
from .visit import Visit

UNDO_STEPS = 30
LONGEST_PAUSE_SECONDS = 600  # a longer pause between two answers counts as so much reading time
UNNAMED = "a reader without a name"
VIEWS_CHANGED = "The views of this exam were named anew in another window. Open it from the worklist to see them."
STORED_OTHERWISE = (
    "This exam is stored already, as {}, with views that were named by hand. Open it from the worklist to read it: "
    "marks made here could come to lie on another picture."
)
MARKS_LEFT_OUT = "This read is signed already. The marks that you drew before it was opened are not part of it."
NO_READ = "Start a read first."
CHANGED_SINCE = "Nothing was taken: the report or the read has changed since. This is what is understood now."
NO_FINDING = "Choose a finding first."
REDRAWN = "The pictures show what is stored; draw again to change it."
REPEAT = "The form shows what is stored; repeat your answer to change it."


def start_read(
    store: Store, visit: Visit, reader: str, named: bool = False, kind: ReadKind = ReadKind.FIRST
) -> tuple[Visit, str]:
    """Store the open exam if it is not stored yet, and start the reader's read of that kind or continue it.

    named: the patient IDs in the files are pseudonyms, which the worklist may show.
    """
    if visit.exam is None or not visit.exam.views:
        return visit, "Open an exam first."
    earlier = visit.read
    try:
        who = clean_reader(reader)
        number = visit.exam_number or add_open_exam(store, visit.exam, visit.group, who, named)
        if visit.exam_number is None:
            if named_otherwise(store, number, visit.exam):
                return visit, STORED_OTHERWISE.format(store.exams.get(number).name)
            files = {view.name: view.path for view in store.exams.views(number)}
            shown = {view.file: files[name] for name, view in visit.exam.views.items() if name in files}
            visit = replace(visit, exam_number=number, stored_files=shown)
        if views_changed(store, visit):
            return visit, VIEWS_CHANGED
        read = store.readings.start(number, who, kind)
        new = len(store.file.history(f"reading {read.id}")) == 1
        if kind is ReadKind.AFTER and earlier and new:  # it starts from the answers of the first
            store.readings.save(read.id, Reading(), earlier.reading)
        elif visit.marks and not earlier and not read.signed:
            marks = (*marks_of_reading(read.reading), *visit.marks)
            store.readings.save(read.id, read.reading, apply_marks(read.reading, marks))
    except (StoreError, ValueError) as error:
        return visit, str(error)
    read, unsaved = store.readings.get(read.id), visit.marks if not earlier else ()
    message = MARKS_LEFT_OUT if read.signed and unsaved else ""
    return replace(
        visit,
        read=read,
        marks=marks_of_reading(read.reading),
        undo_stack=(),
        reading_since=time.monotonic(),
        answers_requested=visit.answers_requested or bool(read.signed),
    ), message


def named_otherwise(store: Store, number: int, exam: Exam) -> bool:
    """Whether a stored exam, which an exam turned out to be, may have other images under the names of its views.

    Names that files give are the same in both; those that a reader gave need not be.
    """
    stored = {view.name: (view.rows, view.columns, bool(view.named_by)) for view in store.exams.views(number)}
    here = {name: (view.rows, view.columns, by_hand(view)) for name, view in exam.views.items()}
    corrected = any(facts[2] for facts in (*stored.values(), *here.values())) or bool(store.exams.extra_views(number))
    if corrected:
        return stored != here
    return any(stored[name] != here[name] for name in stored.keys() & here.keys())


def views_changed(store: Store, visit: Visit) -> bool:
    """Whether the store has other images under the names that the views of the open exam have on screen."""
    if visit.exam is None or visit.exam_number is None:
        return False
    stored = {view.name: view.path for view in store.exams.views(visit.exam_number)}
    shown = {name: visit.stored_files.get(view.file) for name, view in visit.exam.views.items()}
    return any(path is not None and stored.get(name) != path for name, path in shown.items())


def store_correction(store: Store, before: Visit, after: Visit, message: str) -> tuple[Visit, str]:
    """Make the correction of a view, from the exam of `before` to that of `after`, part of the stored exam.

    An exam that is not stored yet is left as it is. Where the store refuses, the visit stays as it was.
    """
    if before.exam_number is None or after.exam is None:
        return after, message
    who = before.read.reader if before.read else UNNAMED
    try:
        with store.file.transaction():
            if views_changed(store, before):
                return before, VIEWS_CHANGED
            files = correct_views(store, before.exam_number, after.exam, before.stored_files, before.group, who)
    except StoreError as error:
        return before, str(error)
    return replace(after, stored_files=files), message


def marks_of_reading(reading: Reading) -> tuple[Mark, ...]:
    """Return the marks of all findings of a reading."""
    return tuple(mark for finding in reading.findings.values() for mark in finding.marks)


def save_reading(store: Store, visit: Visit, reading: Reading) -> tuple[Visit, str]:
    """Save what `reading` changes in the open read, and show what is stored now.

    Changes made elsewhere to other things are taken over; where the same thing was changed, nothing is saved.
    """
    read = visit.read
    if read is None or reading == read.reading:
        return visit, ""
    seconds = min(time.monotonic() - visit.reading_since, LONGEST_PAUSE_SECONDS)
    try:
        with store.file.transaction():
            if views_changed(store, visit):
                return _as_stored(store, visit), f"Not saved. {VIEWS_CHANGED}"
            saved = store.readings.change(read.id, read.reading, reading, seconds)
    except Conflict as error:
        return _as_stored(store, visit), f"Not saved: {error}. {REPEAT}"
    except (StoreError, ValueError) as error:
        return _as_stored(store, visit), f"Not saved: {error}"
    undo_stack = visit.undo_stack
    if saved.before != saved.read.reading:
        undo_stack = (*undo_stack, (saved.before, saved.read.reading))[-UNDO_STEPS:]
    return _showing(visit, saved.read, undo_stack), ""


def save_answer(store: Store, visit: Visit, question: Question, answer: str | None) -> tuple[Visit, str]:
    """Save the answer to one question; an empty one is no answer."""
    if visit.read is None:
        return visit, NO_READ
    fields = {key: value for key, value in visit.read.reading.fields.items() if key != question}
    if text := str(answer or "").strip():
        fields[question] = text
    return save_reading(store, visit, Reading(fields, visit.read.reading.findings))


def _showing(visit: Visit, read: Read, undo_stack: tuple[tuple[Reading, Reading], ...]) -> Visit:
    """The visit with the read as it is stored after a change by this reader."""
    marks = marks_of_reading(read.reading)
    return replace(visit, read=read, marks=marks, undo_stack=undo_stack, reading_since=time.monotonic())


def _as_stored(store: Store, visit: Visit) -> Visit:
    """The visit with the read as it is stored, maybe changed or signed in another tab, where it can be fetched."""
    assert visit.read is not None
    try:
        read = store.readings.get(visit.read.id)
    except StoreError:
        return visit
    return replace(visit, read=read, marks=marks_of_reading(read.reading))


def undo(store: Store, visit: Visit) -> tuple[Visit, str]:
    """Take the reader's last change back, and nothing else; all states stay in the history of the store."""
    if visit.read is None or not visit.undo_stack:
        return visit, "Nothing to undo."
    *earlier, (before, after) = visit.undo_stack
    try:
        with store.file.transaction():
            if views_changed(store, visit):
                return visit, f"Not undone. {VIEWS_CHANGED}"
            saved = store.readings.change(visit.read.id, after, before)
    except Conflict as error:
        return _as_stored(store, visit), f"Not undone: {error}. {REPEAT}"
    except (StoreError, ValueError) as error:
        return _as_stored(store, visit), f"Not undone: {error}"
    return _showing(visit, saved.read, tuple(earlier)), ""


def sign(store: Store, visit: Visit) -> tuple[Visit, str]:
    """Sign the open read as this page shows it; from then on the model's answers may be shown."""
    if visit.read is None:
        return visit, NO_READ
    try:
        with store.file.transaction():
            if views_changed(store, visit):
                return visit, f"Not signed. {VIEWS_CHANGED}"
            signed = store.readings.sign(visit.read.id, visit.read.reading)
    except Conflict as error:
        shown = _as_stored(store, visit)
        return shown, f"Not signed: {error}. The form shows what is stored; check it, then sign again."
    except StoreError as error:
        return _as_stored(store, visit), str(error)
    visit = replace(visit, read=signed, marks=marks_of_reading(signed.reading))
    return replace(visit, answers_requested=True), ""


def link_findings(store: Store, visit: Visit, typed: str | None) -> tuple[Visit, str]:
    """Join the second of two findings, typed as `1 2`, with the first."""
    numbers = [int(word) for word in (typed or "").replace(",", " ").split() if word.isdecimal()]
    if visit.read is None or len(numbers) != 2 or any(n not in visit.read.reading.findings for n in numbers):
        return visit, "Type the numbers of two findings of one breast, as in the list of findings."
    reading = visit.read.reading
    linked = apply_marks(reading, marks_of_reading(reading), {numbers[1]: numbers[0]})
    if linked == reading:
        return visit, "These findings lie in different breasts."
    return save_reading(store, visit, linked)


def plan_of_report(visit: Visit, side: str | None, typed: str | None) -> ReportPlan | None:
    """Return what a typed report would do to the open read; None without one.

    side: "right", "left", or "" where the report names its breasts.
    """
    if visit.read is None:
        return None
    chosen = next((laterality for laterality in Laterality if laterality.word == side), None)
    return plan_report(visit.read.reading, typed or "", chosen)


def select_finding(store: Store, visit: Visit, choice: Choice) -> tuple[Visit, str]:
    """Show a finding in the editor; a key of NEW_FINDINGS adds an unmarked finding to a draft first."""
    if visit.read is None or isinstance(choice, int):
        known = visit.read is not None and choice in visit.read.reading.findings
        return replace(visit, selected_finding=choice if known and isinstance(choice, int) else None), ""
    if visit.read.signed or choice not in NEW_FINDINGS:
        return replace(visit, selected_finding=None), ""
    reading, number = add_finding(visit.read.reading, *NEW_FINDINGS[choice])
    after, message = save_reading(store, visit, reading)
    added = reading.findings[number]
    if not message and after.read is not None and after.read.reading.findings.get(number) != added:
        # another tab gave this number to a finding of its own
        number = max(n for n, finding in after.read.reading.findings.items() if finding == added)
    return replace(after, selected_finding=None if message else number), message


def edit_finding(store: Store, visit: Visit, number: int | None, edit: Callable[[], Reading]) -> tuple[Visit, str]:
    """Save the reading that `edit` returns; finding `number` stays selected in the editor.

    A KeyError of `edit` means that the finding is gone, a ValueError that a value is not possible.
    """
    if visit.read is None:
        return visit, NO_READ
    try:
        reading = edit()
    except KeyError:
        return replace(visit, selected_finding=None), "This finding is gone. Choose another one."
    except ValueError as error:
        return visit, f"Not saved: {error}"
    return save_reading(store, replace(visit, selected_finding=number), reading)
