"""What a visitor has open, and the plain functions that change it: open, choose, correct, answer, mark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from mvmlm.exam import STANDARD_VIEWS, Exam, ViewName
from mvmlm.imaging import load as dicom
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.preprocess import NoBreast
from mvmlm.reading.reading import Mark, Reading
from mvmlm.store.archive import open_stored_exam
from mvmlm.store.database import StoreError
from mvmlm.store.records import Read
from mvmlm.store.store import Store

from ..privacy import discard, take_uploads, visitor
from ..viewer.marks import parse_marks
from ..viewer.pixel_server import PixelServer

if TYPE_CHECKING:
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor
    from mvmlm.inference.prediction import Prediction

DEMO_EXAMS = Path(__file__).resolve().parent.parent.parent / "assets" / "demo_exams"
DEMOS = {"film": "Demo: real film exam (CBIS-DDSM)", "phantom": "Demo: phantom exam"}
DEMO_SOURCES = {
    "film": "Demo: digitised film of case Mass-Test_P_00820 of CBIS-DDSM, CC BY 3.0, at half size (sources: see About).",
    "phantom": "Demo: a computed phantom, not a patient.",
}
MAX_PROMPTS = 40
MAX_PROMPT_LETTERS = 400
JOIN = "They are one woman's exam: join all files"
VIEW_CHOICES = [*(str(name).replace("_", " ") for name in STANDARD_VIEWS), "not a standard view"]


@dataclass(frozen=True, eq=False)
class Visit:
    """What one visitor has open. Lives in gr.State, never in a module variable."""

    owner: str = ""
    exam: Exam | None = None
    prediction: Prediction | None = None
    prompts: tuple[str, ...] = ()
    listing: dicom.Listing | None = None
    shown: str = ""  # the name under which the pixel server holds the pixels on screen
    marks: tuple[Mark, ...] = ()
    asked: bool = False  # the reader has asked for the model's answers
    group: dicom.ExamGroup | None = None  # the files' own IDs, needed to keep the exam
    kept: int | None = None  # its number in the store
    reading: Read | None = None  # what the store holds, as the form shows it
    past: tuple[Reading, ...] = ()  # for undo
    since: float = 0.0
    nipples: Mapping[ViewName, tuple[float, float] | None] = field(default_factory=dict)
    described: int | None = None  # the finding that the editor shows
    folder: Path | None = field(default=None, repr=False)

    def owned_by(self, request: gr.Request) -> Visit:
        """This visit, for its own visitor. Raises gr.Error for anybody else, which leaves the visit as it is."""
        if self.owner in ("", visitor(request)):
            return self
        raise gr.Error(
            "This exam belongs to another visitor. Load the page again and open your own.", print_exception=False
        )


def end_visit(visit: Visit | None, pixels: PixelServer) -> None:
    """Deletes what a visit still has on disk and on the pixel server; called when its session ends."""
    if isinstance(visit, Visit):
        discard(visit.folder)
        pixels.drop(visit.shown)


def open_uploads(paths: list[str] | None, visit: Visit, decoder: Decoder, request: gr.Request) -> tuple[Visit, str]:
    """Uploaded files -> the visit with the exam, and what to tell the reader. The uploads are deleted."""
    visit = visit.owned_by(request)
    if not paths:
        return visit, ""
    discard(visit.folder)
    folder = take_uploads(paths)
    return _open(sorted(folder.iterdir()), folder, Visit(visitor(request)), decoder)


def open_demo(which: str, visit: Visit, decoder: Decoder, request: gr.Request) -> tuple[Visit, str]:
    """A bundled exam, with its source."""
    discard(visit.owned_by(request).folder)
    visit, said = _open([DEMO_EXAMS / which], None, Visit(visitor(request)), decoder)
    return visit, said or DEMO_SOURCES[which]


def _open(paths, folder: Path | None, visit: Visit, decoder: Decoder) -> tuple[Visit, str]:
    keep = False
    try:
        listing = dicom.list_files(paths, (folder or Path("unused")) / "unpacked", decoder)
        choice = dicom.choose_studies(listing)
        exam = dicom.decode_studies(listing, choice, decoder)
        return replace(visit, exam=exam, group=choice.groups[0]), ""
    except dicom.SeveralExams as several:
        keep = True
        return replace(visit, listing=several.listing, folder=folder), str(several).replace(
            "say so (--one-exam, or the button on the page)", "choose so below"
        )
    except dicom.NoExam as error:
        return replace(visit, exam=Exam({}, set_aside=error.set_aside)), f"No exam was opened: {error}"
    finally:
        if not keep:
            discard(folder)


def choose_exam(choice: str | None, visit: Visit, decoder: Decoder, request: gr.Request) -> tuple[Visit, str]:
    """The reader's answer to "which of these?": one group, or all of them joined."""
    visit = visit.owned_by(request)
    if visit.listing is None or not choice:
        return visit, ""
    group = next((group for group in visit.listing.groups if group_label(group) == choice), None)
    try:
        exam = dicom.exam_from_listing(visit.listing, decoder, one_exam=choice == JOIN, group=group)
        return Visit(visit.owner, exam, group=None if choice == JOIN else group), ""
    except (dicom.NoExam, dicom.SeveralExams) as error:
        return Visit(visit.owner), f"No exam was opened: {error}"
    finally:
        discard(visit.folder)


def open_from_store(
    number: int, visit: Visit, store: Store, decoder: Decoder, request: gr.Request
) -> tuple[Visit, str]:
    """A kept exam, to be read or read again."""
    discard(visit.owned_by(request).folder)
    try:
        exam, said = open_stored_exam(store, number, decoder), f"{store.exams.get(number).name}, from the worklist."
        if (before := store.exams.earlier(number)) is not None:
            try:
                exam = replace(exam, prior=open_stored_exam(store, before, decoder))
                said += f" {store.exams.get(before).name}, an earlier exam of this patient, can hang beside it (key y)."
            except (StoreError, dicom.NoExam) as error:
                said += f" An earlier exam of this patient could not be opened: {error}"
        return Visit(visitor(request), exam, kept=number), said
    except (StoreError, dicom.NoExam) as error:
        return Visit(visitor(request)), str(error)


def group_label(group: dicom.ExamGroup) -> str:
    """How one of several exams is named when the reader must choose."""
    return f"{group.title} ({len(group.files)} file{'s' if len(group.files) > 1 else ''}: {group.files[0].name}…)"


def set_view(file: str | None, choice: str | None, visit: Visit, request: gr.Request) -> tuple[Visit, str]:
    """The reader says which view a file is."""
    visit = visit.owned_by(request)
    if visit.exam is None or not file or not choice:
        return visit, ""
    name = None if choice == VIEW_CHOICES[-1] else ViewName.parse(choice.replace(" ", "_"))
    try:
        exam = dicom.set_view_name(visit.exam, file, name)
        kept = tuple(mark for mark in visit.marks if exam.views.get(mark.view) is visit.exam.views.get(mark.view))
        return replace(visit, exam=exam, prediction=None, marks=kept, shown=visit.shown), ""
    except KeyError:
        return visit, f"{file} is not part of the exam that is open. Open the exam again."


def answer(visit: Visit, predictor: MVMLMPredictor, ask_anyway: bool) -> tuple[Visit, str]:
    """Runs the model on the open exam."""
    if visit.exam is None or not visit.exam.views:
        return visit, ""
    try:
        prediction = predictor.predict(visit.exam, visit.prompts, score_for_processing=ask_anyway)
    except NoBreast as error:
        return replace(visit, prediction=None), f"Not assessed: {error}."
    return replace(visit, prediction=prediction), ""


def clean_prompts(typed: str) -> tuple[list[str], str]:
    """Typed text -> prompts, and a sentence on what was left out."""
    lines = list(dict.fromkeys(line.strip() for line in (typed or "").splitlines() if line.strip()))
    said = []
    if len(lines) > MAX_PROMPTS:
        said.append(f"Only the first {MAX_PROMPTS} prompts are scored.")
    if any(len(line) > MAX_PROMPT_LETTERS for line in lines):
        said.append(f"Prompts are cut to {MAX_PROMPT_LETTERS} letters.")
    if any(not part.strip() for line in lines if "|" in line for part in line.split("|", 1)):
        said.append("A pair needs words on both sides of “|”.")
        lines = [line for line in lines if "|" not in line or all(part.strip() for part in line.split("|", 1))]
    return [line[:MAX_PROMPT_LETTERS] for line in lines[:MAX_PROMPTS]], " ".join(said)


def keep_marks(sent: dict, visit: Visit, request: gr.Request) -> tuple[Visit, str]:
    """What the reader drew -> the visit with it, and a sentence. A late message of another exam changes nothing."""
    visit = visit.owned_by(request)
    if visit.exam is None or not isinstance(sent, dict) or sent.get("exam") != visit.shown:
        return visit, ""
    try:
        marks = parse_marks(sent.get("marks"), visit.exam)
    except ValueError as error:
        raise gr.Error(f"The marks were not kept: {error}. Open the exam again.", print_exception=False) from None
    counted = Counter(f"{mark.label} {mark.kind}" for mark in marks)
    said = ", ".join(f"{number} × {what}" for what, number in counted.items())
    lasting = (
        "They are saved with your reading."
        if visit.reading
        else "They last until the exam is closed, unless you keep it and start a reading."
    )
    return replace(visit, marks=marks), f"Marks: {said}. {lasting}" if marks else ""


def file_rows(exam: Exam | None) -> list[list[str]]:
    """The table "which file became which view, and why not"."""
    if exam is None:
        return []
    rows = []
    for view in [*exam.views.values(), *exam.extra]:
        used = view.name in exam.views and exam.views[view.name] is view
        name = str(view.name).replace("_", " ") if view.name else "not told: set it below"
        told = ", ".join(
            f"{key}: {fact.source}{' (guessed)' if fact.guessed else ''}" for key, fact in view.sources.items()
        )
        rows.append([view.file, name if used or not view.name else f"{name} (extra, not scored)", told])
    rows += [[item.file, "not used", item.reason] for item in exam.set_aside]
    return rows
