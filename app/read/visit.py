"""What a visitor has open on one page, and what its pictures report: marks, nipples. `opening` opens exams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import gradio as gr

from mvmlm.dicom_objects.foreign_reading import LoadedObject
from mvmlm.exam import Exam, ViewName
from mvmlm.imaging.exam_changes import Answer
from mvmlm.imaging.files import ExamGroup, Listing
from mvmlm.imaging.preprocess import NoBreast
from mvmlm.reading.marking import marks_of, redraw_marks
from mvmlm.reading.reading import Mark, Reading
from mvmlm.store.records import Read

from ..gate.refusal import NO_COOKIE
from ..privacy import discard, visitor
from ..viewer.marks import DrawnMarks, parse_marks, redrawn
from ..viewer.pixel_server import PixelServer
from ..viewer.viewports import Described
from .report_preview import ReportPlan

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor
    from mvmlm.inference.prediction import Prediction
    from mvmlm.inference.predictor import Predictor
    from mvmlm.inference.shared_reads import SharedReads

ENDED = (
    "This exam was closed because it was not used, or to make room for others. Open it again; what was saved is kept."
)
LATE = "Not done: this was meant for what was open before. Look at what is open now, then do it again."


#: a change: the reading before and after it
Step = tuple[Reading, Reading]


class OpenList(NamedTuple):
    """A list of stored exams that is read one after the other. exams: their numbers. session: of the store, if any."""

    title: str
    exams: tuple[int, ...]
    session: int | None = None


class Asked(NamedTuple):
    """Who was asked to read the open exam, and how."""

    predictor: Predictor
    score_for_processing: bool


class StoredExam(NamedTuple):
    """A stored exam that was opened. state: what the store said of it then. trouble: why its earlier exam is not there.

    described: how the viewer shows it, where its pictures are served already. prediction, asked: the model's answers
    where it has read it already, as in `Visit`.
    """

    number: int
    exam: Exam
    state: object
    trouble: str = ""
    described: Described | None = None
    prediction: Prediction | None = None
    asked: Asked | None = None


class Recorded(NamedTuple):
    """What was recorded of an exam just now, such as "normal"."""

    exam: int
    what: str


@dataclass(frozen=True, eq=False)
class Visit:
    """What one visitor has open on one page. Lives in `app.visits`, never in a module variable.

    token: names what is on screen, an exam with its views and a read of it; every event of the page carries the one
    that was there when it was raised. pixel_token: the name under which the pixel server holds the pixels on screen.
    unsaved: the findings that were marked or added without a read. group: the IDs of the files, needed to store the
    exam. exam_number: the number of the exam in the store. stored_files: file of the exam -> path of its image in the
    store. read: the stored read that the form shows. undo_stack: the reader's changes of the read, or of the findings
    where there is none, each as what was there before and after it, the newest last. redo_stack: those that were
    undone, the next one to redo last.
    answers_requested: the reader has asked for the model's answers. reading_since: when the last answer
    was saved (time.monotonic). selected_finding: the number of the finding in the editor. report: what is shown of a
    typed report, which may be taken now. ended: the exam was closed without the reader, because it was not used or to
    make room. questioned: the files, still in `folder`, of which some may be an earlier exam of the same woman;
    answers: those given to that question. listing: files of several exams, still in `listing_folder`, of which one is
    to be chosen; until then the open exam stays. unkept_name: how the address of the page names the exam while it is
    not stored; title: that of a demo. nipples: of each view, (column, row) in DICOM pixels; placed: those that a reader
    placed, the others are estimated. marks_change: the number of the last change of marks that the viewer has reported.
    reviewing: a recall is shown for a check before it is signed, since reviewing_since (time.monotonic). both_shown:
    the two reads that are arbitrated are on screen. open_list: the list of exams that the open one is in. recorded:
    what was recorded just now, of the exam before. others: objects of other programs that lay beside the exam's files;
    others_shown: their marks are on the pictures, since the reader asked. described: how the viewer shows the exam,
    where that was found out before it is shown. asked: who gave `prediction`, and how.
    """

    owner: str = ""
    exam: Exam | None = None
    prediction: Prediction | None = None
    asked: Asked | None = None
    prompts: tuple[str, ...] = ()
    listing: Listing | None = None
    pixel_token: str = ""
    unsaved: Reading = field(default_factory=Reading)
    answers_requested: bool = False
    group: ExamGroup | None = None
    exam_number: int | None = None
    read: Read | None = None
    undo_stack: tuple[Step, ...] = ()
    redo_stack: tuple[Step, ...] = ()
    reading_since: float = 0.0
    nipples: Mapping[ViewName, tuple[float, float] | None] = field(default_factory=dict)
    placed: Mapping[ViewName, tuple[float, float]] = field(default_factory=dict)
    selected_finding: int | None = None
    folder: Path | None = field(default=None, repr=False)
    listing_folder: Path | None = field(default=None, repr=False)
    token: str = ""
    stored_files: Mapping[str, str] = field(default_factory=dict, repr=False)
    ended: bool = False
    report: ReportPlan | None = None
    questioned: Listing | None = None
    answers: tuple[Answer, ...] = ()
    unkept_name: str = ""
    title: str = ""
    marks_change: int = 0
    reviewing: bool = False
    reviewing_since: float = 0.0
    both_shown: bool = False
    open_list: OpenList | None = None
    recorded: Recorded | None = None
    others: tuple[LoadedObject, ...] = ()
    others_shown: bool = False
    described: Described | None = None

    @property
    def reading(self) -> Reading:
        """What the form and the pictures show: the stored read or, without one, the findings that are not saved."""
        return self.read.reading if self.read else self.unsaved

    @property
    def marks(self) -> tuple[Mark, ...]:
        """The marks on the pictures."""
        return marks_of(self.reading)

    @property
    def locked(self) -> bool:
        """Whether marks and form cannot change any more."""
        return self.read is not None and self.read.signed is not None

    @property
    def address(self) -> str:
        """The name of the open exam in the address of the page: exam-00012 in the store, else a random one, or ""."""
        if self.exam is None or not (self.exam.views or self.exam.extra):
            return ""
        return self.unkept_name if self.exam_number is None else stored_address(self.exam_number)

    @property
    def unkept_marks(self) -> int:
        """How many marks are lost when the exam is closed, because they are not kept with a read."""
        return len(self.marks) if self.exam is not None and self.read is None else 0

    def apart(self) -> Visit:
        """Return what can be shown again, or in another window: without pixels on the server and without files."""
        return replace(
            self, pixel_token="", token="", folder=None, questioned=None, answers=(), listing=None, listing_folder=None
        )

    def owned_by(self, request: gr.Request) -> Visit:
        """Return this visit to its own visitor. Raises gr.Error for anybody else, which leaves the visit as it is."""
        if not visitor(request):
            raise gr.Error(NO_COOKIE, print_exception=False)
        if self.owner in ("", visitor(request)):
            return self
        raise gr.Error(
            "This exam belongs to another visitor. Load the page again and open your own.", print_exception=False
        )

    def opened_by(self, request: gr.Request) -> Visit:
        """Return this visit to its own visitor, who is its owner from now on. Raises gr.Error for anybody else."""
        return replace(self.owned_by(request), owner=visitor(request))

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


def stored_address(number: int) -> str:
    """Return the name of a stored exam in the address of the page."""
    return f"exam-{number:05d}"


def end_visit(visit: Visit | None, pixels: PixelServer) -> None:
    """Delete what a visit still has on disk and on the pixel server."""
    if isinstance(visit, Visit):
        delete_files(visit)
        pixels.drop(visit.pixel_token)


def delete_files(visit: Visit) -> None:
    """Delete the uploaded files that a visit still has on disk."""
    discard(visit.folder)
    discard(visit.listing_folder)


def predict(
    visit: Visit, predictor: ModelPredictor, score_for_processing: bool, reads: SharedReads
) -> tuple[Visit, str]:
    """Run the model on the open exam; return the visit with the prediction, and why there is none.

    Where the same predictor has read the exam in the same way already, that stays.
    """
    if visit.exam is None or not visit.exam.views:
        return visit, ""
    asked = Asked(predictor, score_for_processing)
    if visit.prediction is not None and visit.asked == asked:
        return visit, ""
    try:
        prediction = reads.predict(predictor, visit.exam, visit.prompts, score_for_processing)
    except NoBreast as error:
        return replace(visit, prediction=None), f"Not assessed: {error}."
    return replace(visit, prediction=prediction, asked=asked), ""


def drawn_reading(sent: object, visit: Visit) -> tuple[Reading, DrawnMarks]:
    """Return the visit's reading after the change of marks that the viewer sent, and the marks on screen now.

    sent: the token of the pixels, the marks on screen and those that were there before. A late message of another exam
    changes nothing. Raises ValueError for marks that are not understood, Conflict for one that was changed elsewhere.
    """
    if visit.exam is None or not shows_pixels(sent, visit):
        return visit.reading, {}
    assert isinstance(sent, dict)
    before, after = parse_marks(sent.get("before"), visit.exam), parse_marks(sent.get("marks"), visit.exam)
    return redraw_marks(visit.reading, before, after), after


def reported_change(sent: object, visit: Visit) -> int:
    """Return the number of the change of marks that the viewer sent; of the last one for a late message."""
    number = sent.get("change") if isinstance(sent, dict) and shows_pixels(sent, visit) else None
    return number if type(number) is int else visit.marks_change


def redrawing(visit: Visit, drawn: DrawnMarks = MappingProxyType({})) -> dict[str, object]:
    """Return the viewer's property `marks`, which draws the marks of a visit. drawn: those on screen."""
    return redrawn(visit.reading, visit.locked, visit.pixel_token, visit.marks_change, drawn)


def shows_pixels(sent: object, visit: Visit) -> bool:
    """Whether the viewer sent something of the pictures that are open now."""
    return isinstance(sent, dict) and visit.pixel_token != "" and sent.get("exam") == visit.pixel_token


def place_nipple(sent: object, visit: Visit) -> Visit:
    """Return the visit with a nipple where the reader placed it.

    sent: the token of the pixels, the view and the point (column, row) that the viewer sent. A late message of another
    exam changes nothing. Raises ValueError for one that is not understood.
    """
    if visit.exam is None or not shows_pixels(sent, visit):
        return visit
    assert isinstance(sent, dict)
    mark = Mark.from_json({"view": sent.get("view"), "kind": "point", "label": "other", "points": [sent.get("point")]})
    if mark.view not in visit.exam.views:
        raise ValueError(f"{mark.view} is no view of this exam")
    rows, columns = visit.exam.views[mark.view].pixels.shape
    column, row = mark.points[0]
    point = float(min(max(column, 0), columns - 1)), float(min(max(row, 0), rows - 1))
    return replace(visit, placed={**visit.placed, mark.view: point}, nipples={**visit.nipples, mark.view: point})
