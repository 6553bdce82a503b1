"""What a visitor has open, and the functions that change it: open, choose, correct a view, predict, take marks.

reserve: in every function that opens an exam, called with the bytes of its pictures before they are decoded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from mvmlm.exam import STANDARD_VIEWS, Exam, ViewName
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.exam_changes import SAME_WOMAN, Answer
from mvmlm.imaging.files import ExamGroup, Listing, NoExam, list_files
from mvmlm.imaging.load import decode_studies, exam_from_listing, set_view_name
from mvmlm.imaging.memory_budget import Reserve, reserve_nothing
from mvmlm.imaging.preprocess import NoBreast
from mvmlm.imaging.studies import SeveralExams, choose_studies
from mvmlm.reading.edit import change_marks
from mvmlm.reading.merge import Conflict
from mvmlm.reading.reading import Mark, Reading
from mvmlm.store.archive import open_stored_exam, stored_files
from mvmlm.store.database import StoreError
from mvmlm.store.records import Read
from mvmlm.store.store import Store

from ..gate.refusal import NO_COOKIE
from ..privacy import discard, visitor
from ..uploads import take_uploads
from ..viewer.marks import parse_marks
from ..viewer.pixel_server import PixelServer
from .report_preview import ReportPlan

if TYPE_CHECKING:
    from mvmlm.inference.prediction import Prediction
    from mvmlm.inference.predictor import Predictor

DEMO_EXAMS = Path(__file__).resolve().parent.parent.parent / "assets" / "demo_exams"
DEMOS = {"film": "Demo: real film exam (CBIS-DDSM)", "phantom": "Demo: phantom exam"}
DEMO_SOURCES = {
    "film": "Demo: digitised film of case Mass-Test_P_00820 of CBIS-DDSM, CC BY 3.0, at half size (sources: About). "
    "The bundled weights learned from this woman’s films, so how well they answer here shows nothing.",
    "phantom": "Demo: a computed phantom, not a patient.",
}
JOIN = "They are one woman's exam: join all files"
NOT_STANDARD = "not a standard view"
ENDED = (
    "This exam was closed because it was not used, or to make room for others. Open it again; what was saved is kept."
)
LATE = "Not done: this was meant for what was open before. Look at what is open now, then do it again."
VIEW_CHOICES = [*(str(name).replace("_", " ") for name in STANDARD_VIEWS), NOT_STANDARD]


@dataclass(frozen=True, eq=False)
class Visit:
    """What one visitor has open on one page. Lives in `app.visits`, never in a module variable.

    token: names what is on screen, an exam with its views and a read of it; every event of the page carries the one
    that was there when it was raised. pixel_token: the name under which the pixel server holds the pixels on screen.
    marks: those that the viewer shows. group: the IDs of the files, needed to store the exam. exam_number: the number
    of the exam in the store. stored_files: file of the exam -> path of its image in the store. read: the stored read
    that the form shows. undo_stack: the reader's changes of the read, each as what was stored before and after it, the
    newest last. answers_requested: the reader has asked for the model's answers. reading_since: when the last answer
    was saved (time.monotonic). selected_finding: the number of the finding in the editor. report: what is shown of a
    typed report, which may be taken now. ended: the exam was closed without the reader, because it was not used or to
    make room. questioned: the files, still in `folder`, of which some may be an earlier exam of the same woman;
    answers: those given to that question.
    """

    owner: str = ""
    exam: Exam | None = None
    prediction: Prediction | None = None
    prompts: tuple[str, ...] = ()
    listing: Listing | None = None
    pixel_token: str = ""
    marks: tuple[Mark, ...] = ()
    answers_requested: bool = False
    group: ExamGroup | None = None
    exam_number: int | None = None
    read: Read | None = None
    undo_stack: tuple[tuple[Reading, Reading], ...] = ()
    reading_since: float = 0.0
    nipples: Mapping[ViewName, tuple[float, float] | None] = field(default_factory=dict)
    selected_finding: int | None = None
    folder: Path | None = field(default=None, repr=False)
    token: str = ""
    stored_files: Mapping[str, str] = field(default_factory=dict, repr=False)
    ended: bool = False
    report: ReportPlan | None = None
    questioned: Listing | None = None
    answers: tuple[Answer, ...] = ()

    def owned_by(self, request: gr.Request) -> Visit:
        """Return this visit to its own visitor. Raises gr.Error for anybody else, which leaves the visit as it is."""
        if not visitor(request):
            raise gr.Error(NO_COOKIE, print_exception=False)
        if self.owner in ("", visitor(request)):
            return self
        raise gr.Error(
            "This exam belongs to another visitor. Load the page again and open your own.", print_exception=False
        )

    def of_event(self, token: str | None, request: gr.Request) -> Visit:
        """Return this visit to an event of its own visitor that was raised on what is on screen now.

        token: what was on screen when the event was raised. Raises gr.Error otherwise, which leaves the visit as it is.
        """
        if self.owned_by(request).shows(token):
            return self
        raise gr.Error(ENDED if self.ended else LATE, print_exception=False)

    def shows(self, token: str | None) -> bool:
        """Whether an event with this token was raised on what is on screen now."""
        return self.token == (token or "")


def end_visit(visit: Visit | None, pixels: PixelServer) -> None:
    """Delete what a visit still has on disk and on the pixel server."""
    if isinstance(visit, Visit):
        discard(visit.folder)
        pixels.drop(visit.pixel_token)


def open_uploads(
    paths: list[str] | None,
    visit: Visit,
    decoder: Decoder,
    request: gr.Request,
    reserve: Reserve = reserve_nothing,
) -> tuple[Visit, str]:
    """Return the visit with the exam of uploaded files, and a message for the reader. The uploads are deleted."""
    visit = visit.owned_by(request)
    if not paths:
        return visit, ""
    folder = take_uploads(paths, visitor(request))
    discard(visit.folder)
    return _open(sorted(folder.iterdir()), folder, Visit(visitor(request)), decoder, reserve)


def open_demo(
    demo: str, visit: Visit, decoder: Decoder, request: gr.Request, reserve: Reserve = reserve_nothing
) -> tuple[Visit, str]:
    """Return the visit with a bundled exam, and its source. demo: a key of DEMOS."""
    discard(visit.owned_by(request).folder)
    visit, message = _open([DEMO_EXAMS / demo], None, Visit(visitor(request)), decoder, reserve)
    return visit, message or DEMO_SOURCES[demo]


def _open(
    paths: Sequence[Path], folder: Path | None, visit: Visit, decoder: Decoder, reserve: Reserve
) -> tuple[Visit, str]:
    keep_folder = False
    try:
        listing = list_files(paths, (folder or Path("unused")) / "unpacked", decoder)
        choice = choose_studies(listing)
        exam = decode_studies(listing, choice, decoder, reserve)
        visit = replace(visit, exam=exam, group=choice.groups[0])
        if any(question.key == SAME_WOMAN for question in exam.questions):
            keep_folder = True
            visit = replace(visit, questioned=listing, folder=folder)
        return visit, ""
    except SeveralExams as several:
        keep_folder = True
        return replace(visit, listing=several.listing, folder=folder), str(several)
    except NoExam as error:
        return replace(visit, exam=Exam({}, set_aside=error.set_aside)), f"No exam was opened: {error}"
    finally:
        if not keep_folder:
            discard(folder)


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
        return Visit(visit.owner, exam, group=None if choice == JOIN else group), ""
    except (NoExam, SeveralExams) as error:
        return Visit(visit.owner), f"No exam was opened: {error}"
    finally:
        discard(visit.folder)


def open_from_store(
    number: int,
    visit: Visit,
    store: Store,
    decoder: Decoder,
    request: gr.Request,
    reserve: Reserve = reserve_nothing,
) -> tuple[Visit, str]:
    """Return the visit with the stored exam of that number and the patient's earlier exam beside it, and a message."""
    discard(visit.owned_by(request).folder)
    try:
        exam = open_stored_exam(store, number, decoder, reserve)
        message = f"{store.exams.get(number).name}, from the worklist."
        if (earlier := store.exams.earlier(number)) is not None:
            try:
                exam = replace(exam, prior=open_stored_exam(store, earlier, decoder, reserve))
                name = store.exams.get(earlier).name
                message += f" {name}, an earlier exam of this patient, can hang beside it (key y)."
            except (StoreError, NoExam) as error:
                message += f" An earlier exam of this patient could not be opened: {error}"
        message = f"{message} {store.patients.note(number)}".strip()
        return Visit(visitor(request), exam, exam_number=number, stored_files=stored_files(store, number)), message
    except NoExam as error:
        return Visit(visitor(request)), f"No exam was opened: {error}"
    except StoreError as error:
        return Visit(visitor(request)), str(error)


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
    unchanged = tuple(mark for mark in visit.marks if exam.views.get(mark.view) is visit.exam.views.get(mark.view))
    lost = len(visit.marks) - len(unchanged)
    message = (
        f"{lost} {'mark was' if lost == 1 else 'marks were'} deleted: the picture has another name now." if lost else ""
    )
    return replace(visit, exam=exam, prediction=None, marks=unchanged), message


def predict(visit: Visit, predictor: Predictor, score_for_processing: bool) -> tuple[Visit, str]:
    """Run the model on the open exam; return the visit with the prediction, and why there is none."""
    if visit.exam is None or not visit.exam.views:
        return visit, ""
    try:
        prediction = predictor.predict(visit.exam, visit.prompts, score_for_processing=score_for_processing)
    except NoBreast as error:
        return replace(visit, prediction=None), f"Not assessed: {error}."
    return replace(visit, prediction=prediction), ""


def take_marks(sent: object, visit: Visit, request: gr.Request) -> tuple[Visit, str]:
    """Return the visit with the marks after the change that the viewer sent, and a sentence that counts them.

    sent: the token of the pixels, the marks on screen and those that were there before. A late message of another exam
    changes nothing. Raises gr.Error for marks that are not understood, Conflict for one that was changed elsewhere.
    """
    visit = visit.owned_by(request)
    if visit.exam is None or not isinstance(sent, dict) or sent.get("exam") != visit.pixel_token:
        return visit, ""
    try:
        before = parse_marks(sent["before"], visit.exam) if "before" in sent else visit.marks
        marks = change_marks(visit.marks, before, parse_marks(sent.get("marks"), visit.exam))
    except Conflict:
        raise
    except ValueError as error:
        raise gr.Error(f"The marks were not saved: {error}. Open the exam again.", print_exception=False) from None
    visit = replace(visit, marks=marks)
    if not marks:
        return visit, ""
    counted = Counter(f"{mark.label} {mark.kind}" for mark in marks)
    counts = ", ".join(f"{number} × {label}" for label, number in counted.items())
    lasting = (
        "They are saved with your read."
        if visit.read
        else "They last until the exam is closed, unless you save the exam and start a read."
    )
    return visit, f"Marks: {counts}. {lasting}"


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
