"""Open an exam for a visitor: uploaded files, an exam of the store; and correct which view a file is.

reserve: in every function that opens an exam, called with the bytes of its pictures before they are decoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gradio as gr

from mvmlm.dicom_objects.foreign_reading import load_objects
from mvmlm.exam import STANDARD_VIEWS, Exam, ViewName
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.exam_changes import SAME_WOMAN
from mvmlm.imaging.files import ExamGroup, NoExam, list_files
from mvmlm.imaging.load import decode_studies, exam_from_listing, set_view_name
from mvmlm.imaging.memory_budget import NoRoom, Reserve, TooLarge, reserve_nothing
from mvmlm.imaging.studies import SeveralExams, choose_studies
from mvmlm.reading.marking import marks_of, without_views
from mvmlm.store.archive import open_stored_exam, stored_files
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store

from ..markup import template
from ..privacy import discard, visitor
from ..uploads import take_uploads
from .visit import StoredExam, Visit, delete_files

LISTED_REASONS = 5
LISTED_PROBLEMS = 5
NOT_NOW = "Not opened now:"
JOIN = "They are one woman's exam: join all files"
NOT_STANDARD = "not a standard view"
VIEW_CHOICES = [*(str(name).replace("_", " ") for name in STANDARD_VIEWS), NOT_STANDARD]


def open_uploads(
    paths: list[str] | None,
    visit: Visit,
    decoder: Decoder,
    request: gr.Request,
    reserve: Reserve = reserve_nothing,
) -> tuple[Visit, str]:
    """Return the visit with the exam of uploaded files, and a message for the reader. The uploads are deleted.

    Files that hold no exam, or of which an exam must be chosen first, leave the open one as it is.
    """
    visit = visit.opened_by(request)
    if not paths:
        return visit, ""
    folder = take_uploads(paths, visitor(request))
    return open_files(sorted(folder.iterdir()), folder, visit, decoder, reserve)


def open_files(
    paths: Sequence[Path], folder: Path | None, visit: Visit, decoder: Decoder, reserve: Reserve
) -> tuple[Visit, str]:
    """Return another visit with the exam of these files; the same one where they hold none, or none is chosen yet.

    folder: of the files, deleted unless they are needed still.
    """
    needed = False
    try:
        listing = list_files(paths, (folder or Path("unused")) / "unpacked", decoder)
        choice = choose_studies(listing)
        exam = decode_studies(listing, choice, decoder, reserve)
        opened = Visit(visit.owner, exam, group=choice.groups[0], others=load_objects(listing.objects))
        if any(question.key == SAME_WOMAN for question in exam.questions):
            needed = True
            opened = replace(opened, questioned=listing, folder=folder)
        delete_files(visit)
        return opened, ""
    except SeveralExams as several:
        needed = True
        discard(visit.listing_folder)
        return replace(visit, listing=several.listing, listing_folder=folder), str(several)
    except NoExam as error:
        return _not_opened(visit, error)
    finally:
        if not needed:
            discard(folder)


def _not_opened(visit: Visit, error: NoExam) -> tuple[Visit, str]:
    """The visit after files that hold no exam, and why: what was open stays, else the page lists the files."""
    if isinstance(error, NoRoom) and not isinstance(error, TooLarge):
        return visit, f"{NOT_NOW} {error}"
    message = f"No exam was opened: {error}"
    if visit.exam is None or not (visit.exam.views or visit.exam.extra):
        return replace(visit, exam=Exam({}, set_aside=error.set_aside)), message
    reasons = [f"{item.file}: {item.reason}." for item in error.set_aside[:LISTED_REASONS]]
    return visit, " ".join([f"{message}.".replace("..", "."), *reasons, "The exam that was open stays open."])


def choose_exam(
    choice: str | None, visit: Visit, decoder: Decoder, request: gr.Request, reserve: Reserve = reserve_nothing
) -> tuple[Visit, str]:
    """Open the group of files that the reader chose, or all groups joined (JOIN); return the visit and a message."""
    visit = visit.owned_by(request)
    if visit.listing is None or not choice:
        return visit, ""
    group = next((group for group in visit.listing.groups if group_label(group) == choice), None)
    try:
        exam = exam_from_listing(visit.listing, decoder, one_exam=choice == JOIN, group=group, reserve=reserve)
        others = load_objects(visit.listing.objects)
        delete_files(visit)
        return Visit(visit.owner, exam, group=None if choice == JOIN else group, others=others), ""
    except SeveralExams as several:
        return visit, str(several)
    except NoExam as error:
        discard(visit.listing_folder)
        return _not_opened(replace(visit, listing=None, listing_folder=None), error)


def open_from_store(
    number: int,
    visit: Visit,
    store: Store,
    decoder: Decoder,
    request: gr.Request,
    reserve: Reserve = reserve_nothing,
) -> tuple[Visit, str]:
    """Return the visit with the stored exam of that number and the patient's earlier exam beside it, and a message.

    The open exam stays where the stored one cannot be opened.
    """
    visit = visit.opened_by(request)
    try:
        return show_stored(read_stored(store, number, decoder, reserve), visit, store)
    except NoExam as error:
        return _not_opened(visit, error)
    except StoreError as error:
        return visit, str(error)


def read_stored(store: Store, number: int, decoder: Decoder, reserve: Reserve = reserve_nothing) -> StoredExam:
    """Read a stored exam and, as its prior, the patient's earlier exam. Raises NoExam, StoreError."""
    state = stored_state(store, number)
    exam, trouble = open_stored_exam(store, number, decoder, reserve), ""
    if (earlier := store.exams.earlier(number)) is not None:
        try:
            exam = replace(exam, prior=open_stored_exam(store, earlier, decoder, reserve))
        except (StoreError, NoExam) as error:
            trouble = f"An earlier exam of this patient could not be opened: {error}"
    return StoredExam(number, exam, state, trouble)


def stored_state(store: Store, number: int) -> object:
    """Return what the store says of an exam's pictures: where it says the same, what was opened of them still holds."""
    exams, earlier = store.exams, store.exams.earlier(number)
    shown = [number] if earlier is None else [number, earlier]
    return [(exams.get(one).name, exams.views(one), exams.extra_views(one)) for one in shown]


def show_stored(stored: StoredExam, visit: Visit, store: Store) -> tuple[Visit, str]:
    """Return the visit with a stored exam that was read, and a message. Raises StoreError."""
    number, exam = stored.number, stored.exam
    lines = [f"{store.exams.get(number).name}, from the worklist."]
    if exam.prior is not None and (earlier := store.exams.earlier(number)) is not None:
        name = store.exams.get(earlier).name
        lines.append(f"{name}, an earlier exam of this patient, can hang beside it (key y).")
    lines += [stored.trouble, store.patients.note(number)]
    placed = {view.name: view.facts.nipple for view in store.exams.views(number) if view.facts.nipple}
    files = stored_files(store, number)
    opened = Visit(visit.owner, exam, stored.prediction, exam_number=number, stored_files=files, placed=placed)
    opened = replace(opened, described=stored.described, asked=stored.asked)
    delete_files(visit)
    return opened, " ".join(line for line in lines if line)


def group_label(group: ExamGroup) -> str:
    """Return how one of several exams is named where the reader must choose."""
    return f"{group.title} ({len(group.files)} file{'s' if len(group.files) > 1 else ''}: {group.files[0].name}…)"


def set_view(file: str | None, choice: str | None, visit: Visit, request: gr.Request) -> tuple[Visit, str]:
    """Set the view of a file of the open exam (choice: one of VIEW_CHOICES); return the visit and a message."""
    visit = visit.owned_by(request)
    if visit.exam is None or not file or not choice:
        return visit, ""
    name = None if choice == NOT_STANDARD else ViewName.parse(choice.replace(" ", "_"))
    try:
        exam = set_view_name(visit.exam, file, name)
    except KeyError:
        return visit, f"{file} is not part of the exam that is open. Open the exam again."
    changed = {name for name, view in visit.exam.views.items() if exam.views.get(name) is not view}
    unsaved = without_views(visit.unsaved, changed)
    lost = len(marks_of(visit.unsaved)) - len(marks_of(unsaved))
    message = (
        f"{lost} {'mark was' if lost == 1 else 'marks were'} deleted: the picture has another name now." if lost else ""
    )
    return replace(visit, exam=exam, prediction=None, unsaved=unsaved), message


_FILES = template("""\
<table class="findings files"><thead><tr><th>file</th><th>view</th><th>identified by, or why not used</th></tr></thead>
<tbody>
{% for file, view, why in rows %}
<tr><th>{{ file }}</th><td>{{ view }}</td><td>{{ why }}</td></tr>
{% endfor %}
</tbody></table>
""")


def files_html(exam: Exam | None) -> str:
    """Return the rows of `file_rows` as HTML; nothing without an exam."""
    rows = file_rows(exam)
    return _FILES.render(rows=rows) if rows else ""


def file_rows(exam: Exam | None) -> list[list[str]]:
    """Return the rows (file, view, why) of the table on which file became which view, and why others were not used."""
    if exam is None:
        return []
    rows = []
    for view in [*exam.views.values(), *exam.extra]:
        used = view.name is not None and exam.views.get(view.name) is view
        name = str(view.name).replace("_", " ") if view.name else "unknown: set it below"
        sources = ", ".join(
            f"{key}: {fact.source}{' (guessed)' if fact.guessed else ''}" for key, fact in view.sources.items()
        )
        rows.append([view.file, name if used or not view.name else f"{name} (extra, not scored)", sources])
    rows += [[item.file, "not used", item.reason] for item in exam.set_aside]
    return rows


def exam_notes(exam: Exam | None) -> list[str]:
    """Return the notes on an exam, and why files were not used."""
    if exam is None:
        return []
    problems = [f"{item.file}: {item.reason}" for item in exam.set_aside]
    more = len(problems) - LISTED_PROBLEMS
    listed = problems[:LISTED_PROBLEMS] + ([f"and {more} more files, listed below"] if more > 0 else [])
    marks = [f"{mark.file}: {mark.text}" if mark.file else mark.text for mark in exam.marks]
    return [*marks, *listed]
