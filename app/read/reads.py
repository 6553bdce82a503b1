"""Which read of the open exam the page shows: start or continue it, give an opinion, sign, change, arbitrate.

Each function returns the visit afterwards, and a sentence for the reader where it was not done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from mvmlm.exam import Exam
from mvmlm.reading import opinion as opinions
from mvmlm.reading.marking import add_findings
from mvmlm.reading.merge import Conflict
from mvmlm.reading.opinion import Opinion, ReadingScale
from mvmlm.reading.reading import Reading, ReadKind
from mvmlm.store.archive import add_open_exam
from mvmlm.store.database import StoreError
from mvmlm.store.exams import by_hand
from mvmlm.store.readers import same_reader
from mvmlm.store.records import Read, disagreeing_pair
from mvmlm.store.sessions import Session
from mvmlm.store.store import Store

from .read_changes import (
    NO_READ,
    VIEWS_CHANGED,
    as_stored,
    reading_seconds,
    save_reading,
    views_changed,
)
from .visit import Visit

STORED_OTHERWISE = (
    "This exam is stored already, as {}, with views that were named by hand. Open it from the worklist to read it: "
    "marks made here could come to lie on another picture."
)
MARKS_LEFT_OUT = "This read is signed already. The findings that you marked before it was opened are not part of it."
REVIEW_SECONDS = 1.5  # that a recall is on screen for a check, at least: a double press signs nothing
REVIEW_FIRST = "Look at the recall first, then sign again."
STORED_WITH_MORE = (
    "This exam is stored already, as {}, with {} too, which these files lack. Open it from the worklist, so that you "
    "read all of it."
)
OTHER_READER = "this is the read of {}, but the reader’s name is {}. Start your own read, or correct the name."
OTHER_SESSION = (
    "This is a session of {}, but the reader’s name is {}. Correct the name, or finish the session and start your own."
)
SIGNED = "This read is signed. Press “Change this read” first."


def start_read(store: Store, visit: Visit, reader: str, named: bool = False, authors: str = "") -> tuple[Visit, str]:
    """Store the open exam if it is not stored yet, and start the reader's read or continue it.

    In a session that arbitrates it is an arbitration. named: the patient IDs in the files are pseudonyms, which the
    worklist may show. authors: who decides an arbitration too, separated by commas.
    """
    if arbitrates(store, visit):
        return start_arbitration(store, visit, reader, authors)
    return _start(store, visit, reader, named, lambda number, who: store.readings.start(number, who))


def start_arbitration(store: Store, visit: Visit, reader: str, authors: str) -> tuple[Visit, str]:
    """Start the arbitration of the open exam, or continue it. authors: who decides too, separated by commas."""
    names = [name for name in (authors or "").split(",") if name.strip()]
    return _start(store, visit, reader, False, lambda number, who: store.readings.start_arbitration(number, who, names))


def _start(
    store: Store, visit: Visit, reader: str, named: bool, start: Callable[[int, str], Read]
) -> tuple[Visit, str]:
    if (exam := visit.exam) is None or not exam.views:
        return visit, "Open an exam first."
    earlier = visit.read
    try:
        who = store.readings.named(reader)
        if (session := session_of(store, visit)) is not None and session.reader != who:
            return visit, OTHER_SESSION.format(session.reader, who)
        if earlier is not None and earlier.reader != who:
            visit = without_reader(visit)
        number = visit.exam_number or add_open_exam(store, exam, visit.group, who, named)
        if visit.exam_number is None:
            if named_otherwise(store, number, exam):
                return visit, STORED_OTHERWISE.format(store.exams.get(number).name)
            if lacking := [str(view.name) for view in store.exams.views(number) if view.name not in exam.views]:
                names = " and ".join(lacking).replace("_", " ")
                return visit, STORED_WITH_MORE.format(store.exams.get(number).name, names)
            files = {view.name: view.path for view in store.exams.views(number)}
            shown = {view.file: files[name] for name, view in exam.views.items() if name in files}
            visit = replace(visit, exam_number=number, stored_files=shown)
            for name, point in visit.placed.items():
                store.exams.place_nipple(number, name, point, who)
        if views_changed(store, visit):
            return visit, VIEWS_CHANGED
        read = start(number, who)
        fresh = earlier is None and read.reading == Reading()  # then the findings keep their numbers, and their steps
        if not read.signed:
            store.readings.save(read.id, read.reading, add_findings(read.reading, visit.unsaved))
    except (StoreError, ValueError) as error:
        return visit, str(error)
    read = store.readings.get(read.id)
    message = MARKS_LEFT_OUT if read.signed and visit.unsaved.findings else ""
    opened = open_read(visit, read)
    return replace(opened, undo_stack=visit.undo_stack, redo_stack=visit.redo_stack) if fresh else opened, message


def open_read(visit: Visit, read: Read) -> Visit:
    """Return the visit with a read that was started or opened again; the answers show where its reader saw them."""
    return replace(
        visit,
        read=read,
        unsaved=Reading(),
        undo_stack=(),
        redo_stack=(),
        reading_since=time.monotonic() if visit.read or not visit.reading_since else visit.reading_since,
        reviewing=False,
        both_shown=False,
        answers_requested=visit.answers_requested or read.model_shown is not None,
    )


def with_own_read(store: Store, visit: Visit, reader: str | None) -> Visit:
    """Return the visit of a stored exam with the read that this reader has of it, if there is one."""
    name = " ".join((reader or "").split())
    if visit.exam_number is None or not name:
        return visit
    reads = [read for read in store.readings.of_exam(visit.exam_number) if same_reader(read.reader, name)]
    if arbitrates(store, visit):
        reads = [read for read in reads if read.kind is ReadKind.ARBITRATION]
    return open_read(visit, reads[-1]) if reads else visit


def without_reader(visit: Visit) -> Visit:
    """Return the visit for another reader: of the one before nothing is seen, nor what the model answered."""
    return replace(
        visit,
        read=None,
        unsaved=Reading(),
        prompts=(),
        answers_requested=False,
        others_shown=False,
        selected_finding=None,
        report=None,
    )


def give_opinion(
    store: Store, visit: Visit, opinion: Opinion, scale: ReadingScale, reader: str, named: bool, authors: str = ""
) -> tuple[Visit, str]:
    """Give an opinion on the open exam. Where the reader has no read of it yet, one is started: see `start_read`."""
    name = " ".join((reader or "").split())
    another = visit.read is not None and bool(name) and not same_reader(visit.read.reader, name)
    if visit.read is not None and another and not visit.read.signed:
        return visit, f"No opinion was given: {OTHER_READER.format(visit.read.reader, name)}"
    if visit.read is None or another:
        visit, message = start_read(store, visit, reader, named, authors)
        if visit.read is None or message:
            return visit, message
    if visit.read.signed:
        return visit, SIGNED
    scale = session_scale(store, visit) or scale
    try:
        breasts = store.exams.imaged_breasts(visit.read.exam)
        given = opinions.give_opinion(visit.read.reading, opinion, scale, breasts)
    except ValueError as error:
        return visit, str(error)
    return save_reading(store, visit, given)


def change_read(store: Store, visit: Visit) -> tuple[Visit, str]:
    """Open a signed read for a change: the read itself until it is final, then a later version of it."""
    if visit.read is None:
        return visit, NO_READ
    try:
        store.readings.settle()
        final = store.readings.get(visit.read.id).final
        read = store.readings.amend(visit.read.id) if final else store.readings.reopen(visit.read.id)
        if read.signed is None and read.amends is None:
            store.sessions.reopen(read.exam, read.reader)
        return open_read(visit, read), ""
    except StoreError as error:
        return as_stored(store, visit), str(error)


def show_both(visit: Visit) -> tuple[Visit, str]:
    """Show the two reads that are arbitrated."""
    return replace(visit, both_shown=True), ""


def take_read(store: Store, visit: Visit, number: int) -> tuple[Visit, str]:
    """Take what one of the two arbitrated reads states, in place of what the arbitration states. number: 0 or 1."""
    pair = disagreeing_pair(store.readings.of_exam(visit.read.exam)) if visit.read else None
    if pair is None or visit.read is None or not visit.both_shown:
        return visit, "Show both reads first."
    return save_reading(store, visit, pair[number].reading)


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


def session_of(store: Store, visit: Visit) -> Session | None:
    """Return the session in which the open exam is read; None outside of one."""
    exams = visit.open_list
    return store.sessions.get(exams.session) if exams is not None and exams.session is not None else None


def session_scale(store: Store, visit: Visit) -> ReadingScale | None:
    """Return the scale of the session in which the open exam is read; None outside of one."""
    session = session_of(store, visit)
    return session.scale if session is not None else None


def arbitrates(store: Store, visit: Visit) -> bool:
    """Whether the open exam is one of a session that arbitrates."""
    session = session_of(store, visit)
    return session is not None and session.arbitration


def _no_opinion(store: Store, visit: Visit) -> str:
    """What a read of a session lacks to say anything; "" where it is in none."""
    if visit.read is None:
        return ""
    reading, scale = visit.read.reading, session_scale(store, visit)
    if scale is ReadingScale.SCREENING and opinions.opinion_of(reading) is None:
        return "Not signed: give an opinion first, normal (N), technical recall (T) or recall (R)."
    if scale is ReadingScale.DIAGNOSTIC:
        imaged = store.exams.imaged_breasts(visit.read.exam)
        if left := [side.word for side in imaged if not reading.answer(opinions.ASSESSMENT, side)]:
            return f"Not signed: give the BI-RADS category of the {' and the '.join(left)} breast first."
    return ""


def sign(store: Store, visit: Visit, reader: str | None = None) -> tuple[Visit, str]:
    """Sign the open read as this page shows it; from then on the model's answers may be shown.

    A recall is shown for a check first: a call after REVIEW_SECONDS signs it. reader: the name in the field, if any;
    the read of somebody else is not signed.
    """
    if visit.read is None:
        return visit, NO_READ
    name = " ".join((reader or "").split())
    if name and not same_reader(name, visit.read.reader):
        return visit, f"Not signed: {OTHER_READER.format(visit.read.reader, name)}"
    if problem := _no_opinion(store, visit):
        return visit, problem
    recall = opinions.opinion_of(visit.read.reading) is Opinion.RECALL
    breasts = store.exams.imaged_breasts(visit.read.exam)
    if recall and not visit.reviewing and not visit.read.reading.contradictions(breasts):
        return replace(visit, reviewing=True, reviewing_since=time.monotonic()), ""
    if recall and visit.reviewing and time.monotonic() - visit.reviewing_since < REVIEW_SECONDS:
        return visit, REVIEW_FIRST
    try:
        with store.file.transaction():
            if views_changed(store, visit):
                return visit, f"Not signed. {VIEWS_CHANGED}"
            signed = store.readings.sign(visit.read.id, visit.read.reading, reading_seconds(visit))
    except Conflict as error:
        shown = as_stored(store, visit)
        return shown, f"Not signed: {error}. The form shows what is stored; check it, then sign again."
    except StoreError as error:
        return as_stored(store, visit), str(error)
    return replace(visit, read=signed, reviewing=False, answers_requested=True), ""
