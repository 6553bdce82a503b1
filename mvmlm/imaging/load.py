"""Files -> Exam: DICOM, DICOMDIR, zip, PNG, TIFF, JPEG. Which view is which, what is not used and why.

Headers are read first and grouped by patient and study (`files.py`); the pictures of one group are then decoded, once,
side by side. Files of different patients are never joined unless the caller says that they are one exam.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..exam import Acquisition, Exam, Laterality, Projection, SetAside, Sourced, View, ViewName, Window
from . import view_identification as naming
from .decoder import Decoder, Unreadable
from .files import ExamGroup, Listing, NoExam, list_files, shown_date
from .preprocess import NoBreast, chest_wall_is_left
from .voi import render

MAX_PICTURES = 40  # decoded for one exam


class SeveralExams(ValueError):
    """The input holds the files of more than one patient or exam; the caller must choose or join."""

    def __init__(self, listing: Listing):
        self.listing = listing
        names = "; ".join(f"{group.title}: {len(group.files)} file(s)" for group in listing.groups[:6])
        advice = (
            "If they are one woman's exam, say so (--one-exam, or the button on the page)."
            if listing.joinable
            else "Open one of them at a time."
        )
        super().__init__(f"the files name {len(listing.groups)} different patients or exams ({names}). {advice}")


def load_exam(
    path: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    one_exam: bool = False,
    decoder: Decoder | None = None,
) -> Exam:
    """Files, a folder, a zip or a DICOMDIR (or several of them) -> the exam in them.

    one_exam: the files are one woman's exam although their IDs differ. Of several studies of one patient the newest
    is taken and the one before it is its prior. Raises NoExam, SeveralExams.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    decoder = decoder or default_decoder()
    with tempfile.TemporaryDirectory(prefix="mvmlm-") as folder:
        listing = list_files(paths, Path(folder), decoder)
        return exam_from_listing(listing, decoder, one_exam=one_exam)


@lru_cache(maxsize=1)
def default_decoder() -> Decoder:
    """The decoder of programs that do not make their own."""
    return Decoder()


def exam_from_listing(
    listing: Listing, decoder: Decoder, *, one_exam: bool = False, group: ExamGroup | None = None
) -> Exam:
    """Decodes one group of a listing (or all of them joined, where the user says so) into an exam.

    Of several dated studies of one patient the newest is the exam and the one before it its prior. Raises NoExam, and
    SeveralExams where it is not clear which files belong together.
    """
    set_aside, notes, prior = list(listing.set_aside), [], None
    if not listing.groups:
        said = "; ".join(f"{item.file}: {item.reason}" for item in listing.set_aside[:3])
        raise NoExam(f"no usable picture was found{' (' + said + ')' if said else ''}.", listing.set_aside)
    if group is not None:
        chosen = [group]
        set_aside += _others(listing, group, "belongs to another exam, which was not chosen")
    elif len(listing.groups) == 1:
        chosen = list(listing.groups)
    elif one_exam:
        if not listing.joinable:
            raise NoExam("these files do not fit together as one exam: a view occurs twice or is not told. "
                         "Open one of them at a time.", listing.set_aside)  # fmt: skip
        chosen = list(listing.groups)
        notes.append(
            f"Joined as one exam because you said so: the files name {len(chosen)} different patients or studies."
        )
    else:
        studies = studies_of_one_patient(listing)
        if not studies:
            raise SeveralExams(listing)
        chosen, before = [studies[0]], studies[1]
        for other in studies[2:]:
            reason = f"an earlier exam of the same patient ({shown_date(other.date)}); only the newest two are shown"
            set_aside += [SetAside(file.name, reason) for file in other.files]
        try:
            prior = _decoded([before], decoder, set_aside)
            notes.append(
                f"An earlier exam of this patient, of {shown_date(before.date)}, can hang beside this one (key y). The model reads only the newer one."
            )
        except NoExam:
            pass  # why is in set_aside, file by file
    exam = _decoded(chosen, decoder, set_aside)
    return replace(exam, set_aside=tuple(set_aside), notes=(*notes, *exam.notes), prior=prior)


def _decoded(chosen: list[ExamGroup], decoder: Decoder, set_aside: list[SetAside]) -> Exam:
    """The pictures of the groups as one exam; what cannot be read goes to `set_aside`. Raises NoExam."""
    files = [file for each in chosen for file in each.files]
    if len(files) > MAX_PICTURES:
        set_aside += [SetAside(f.name, f"more than {MAX_PICTURES} pictures in one exam") for f in files[MAX_PICTURES:]]
        files = files[:MAX_PICTURES]
    views = []
    for file, pixels in zip(files, decoder.pixels(file.path for file in files), strict=True):
        if isinstance(pixels, Unreadable):
            set_aside.append(SetAside(file.name, str(pixels)))
        else:
            views.append(make_view(file.header, file.name, pixels))
    if not views:
        said = "; ".join(f"{item.file}: {item.reason}" for item in set_aside[:3])
        raise NoExam(f"no picture could be read ({said}).", tuple(set_aside))
    return assemble(views)


def _others(listing: Listing, chosen: ExamGroup, reason: str) -> list[SetAside]:
    return [SetAside(file.name, reason) for group in listing.groups if group is not chosen for file in group.files]


def studies_of_one_patient(listing: Listing) -> list[ExamGroup]:
    """The dated studies of one patient ID, newest first; none where patients differ or dates do not tell which is newest."""
    patients = {group.key[0] for group in listing.groups}
    studies = sorted(listing.groups, key=lambda group: group.date, reverse=True)
    unclear = len(patients) != 1 or patients & {"", "pictures"} or any(not group.date for group in studies)
    return [] if unclear or len(studies) > 1 and studies[0].date == studies[1].date else studies


def make_view(header: Mapping, file: str, pixels: np.ndarray) -> View:
    """A header of `decode_worker.read_header` and its pixels -> View, orientation from the pixels where untold."""
    told = {
        "laterality": naming.laterality(header, file),
        "projection": naming.projection(header, file),
        "chest wall": naming.chest_wall_left(header),
    }
    side = told["laterality"] and Laterality(told["laterality"].value)
    seen = told["projection"] and Projection(told["projection"].value)
    bits = header.get("bits") or (8 if pixels.dtype.itemsize == 1 else max(8, int(pixels.max()).bit_length()))
    view = View(
        ViewName(side, seen) if side and seen else None,
        pixels,
        file,
        spacing=naming.spacing(header),
        windows=tuple(_window(data) for data in header.get("windows") or []),
        inverted=bool(header.get("inverted")),
        padding=tuple(header["padding"]) if header.get("padding") else None,
        bits=bits,
        head_up=naming.head_up(header, side, seen),
        modifiers=naming.modifiers(header),
        for_processing=bool(header.get("for_processing")),
        implant=bool(header.get("implant")),
        lossy=bool(header.get("lossy")),
        burned_in=bool(header.get("burned_in")),
        acquisition=Acquisition(
            *(
                header.get(k)
                for k in ("manufacturer", "model", "study_date", "kvp", "exposure_mas", "thickness_mm", "age_years")
            )
        ),
    )
    if told["chest wall"] is None:
        try:
            left = chest_wall_is_left(render(view))
        except NoBreast:
            left = side is not Laterality.RIGHT
        told["chest wall"] = Sourced("left" if left else "right", "the picture", guessed=True)
    return replace(
        view,
        chest_wall_left=told["chest wall"].value == "left",
        sources={key: value for key, value in told.items() if value},
    )


def _window(data: Mapping) -> Window:
    table = np.asarray(data["table"], np.float32) if "table" in data else None
    return Window(
        data["name"], data["function"], data.get("center", 0.0), data.get("width", 1.0), table, data.get("first", 0)
    )


def assemble(views: Iterable[View], set_aside: tuple[SetAside, ...] = (), notes: tuple[str, ...] = ()) -> Exam:
    """Views -> Exam: for each standard view the most suitable image, all others as extra.

    For presentation goes before for processing, then the larger picture.
    """
    chosen: dict[ViewName, View] = {}
    extra, notes = [], list(notes)
    views = sorted(views, key=lambda v: (v.for_processing, -v.pixels.size, v.file))
    for view in views:
        if not view.standard:
            extra.append(view)
        elif view.name in chosen:
            extra.append(view)
            notes.append(
                f"{view.name} occurs more than once: {chosen[view.name].file} is used, {view.file} is kept as extra."
            )
        else:
            chosen[view.name] = view
    return Exam(chosen, tuple(extra), set_aside, tuple(notes))


def rename(exam: Exam, file: str, name: ViewName | None) -> Exam:
    """The exam after the reader said which view `file` is (None: not one that the model can take).

    Raises KeyError where the exam has no such file.
    """
    views = [*exam.views.values(), *exam.extra]
    if file not in {view.file for view in views}:
        raise KeyError(f"{file}: not a picture of this exam")
    notes = tuple(note for note in exam.notes if "occurs more than once" not in note)
    renamed = assemble([_renamed(view, name) if view.file == file else view for view in views], exam.set_aside, notes)
    return replace(renamed, prior=exam.prior)


def _renamed(view: View, name: ViewName | None) -> View:
    sources = {key: value for key, value in view.sources.items() if key not in ("laterality", "projection")}
    if name is None:
        return replace(view, name=None, sources=sources)
    corrected = {
        "laterality": Sourced(name.laterality.value, "you"),
        "projection": Sourced(name.projection.value, "you"),
    }
    return replace(view, name=name, modifiers=(), sources=sources | corrected)
