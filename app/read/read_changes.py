"""Changes of the open read: start, save, undo, sign, link findings, fill the form from a report.

Each function takes a visit and returns the visit after the change, with a message for the reader ("": all went well).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from mvmlm.exam import Laterality
from mvmlm.reading.edit import add_finding, apply_marks, apply_report
from mvmlm.reading.merge import Conflict
from mvmlm.reading.reading import Mark, Reading, ReadKind
from mvmlm.report.parser import parse_report
from mvmlm.store.archive import add_open_exam
from mvmlm.store.database import StoreError
from mvmlm.store.readings import clean_reader
from mvmlm.store.records import Read
from mvmlm.store.store import Store

from .findings_editor import NEW_FINDINGS, Choice
from .form_display import Question
from .visit import Visit

UNDO_STEPS = 30
LONGEST_PAUSE_SECONDS = 600  # a longer pause between two answers counts as so much reading time
NO_READ = "Start a read first."
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
        read = store.readings.start(number, who, kind)
        if kind is ReadKind.AFTER and earlier and read.reading == Reading():  # it starts from the answers of the first
            store.readings.save(read.id, Reading(), earlier.reading)
        elif visit.marks and not earlier and not read.signed:
            marks = (*marks_of_reading(read.reading), *visit.marks)
            store.readings.save(read.id, read.reading, apply_marks(read.reading, marks))
    except (StoreError, ValueError) as error:
        return visit, str(error)
    read = store.readings.get(read.id)
    return replace(
        visit,
        exam_number=number,
        read=read,
        marks=marks_of_reading(read.reading),
        undo_stack=(),
        reading_since=time.monotonic(),
        answers_requested=visit.answers_requested or bool(read.signed),
    ), ""


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


def fill_from_report(store: Store, visit: Visit, side: str, typed: str | None) -> tuple[Visit, str]:
    """Fill the form from a typed report of one breast. side: "right" or "left"."""
    if visit.read is None or not typed or not typed.strip():
        return visit, "Start a read and type a report first."
    laterality = next(laterality for laterality in Laterality if laterality.word == side)
    try:
        findings = parse_report(typed)
    except ValueError as error:
        return visit, f"The report was not understood: {error}"
    return save_reading(store, visit, apply_report(visit.read.reading, {laterality: findings}))


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
