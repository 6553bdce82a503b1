"""Files -> Exam: DICOM, DICOMDIR, zip, PNG, TIFF, JPEG. Which view is which, what is not used and why.

Headers are read first and grouped by patient and study (`files.py`, `studies.py`); the pictures of one group are then
decoded, once, in parallel. Files of different patients are joined only where the caller asks for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

import numpy as np

from ..exam import Acquisition, Exam, FileMark, Identity, Question, SetAside, View
from ..temporary import short_lived_folder
from . import view_identification
from .decoder import Decoder, Step, Unreadable
from .exam_changes import SAME_WOMAN, Answer, answer_questions, assemble_exam, set_view_name
from .file_header import FileHeader
from .files import Listing, NoExam, list_files
from .grouping import ExamGroup, FoundFile, exam_date, format_date
from .memory_budget import ExamMemory, NoRoom, Reserve, exam_bytes, reserve_nothing
from .orientation import oriented
from .partial_view import partial_marks
from .phantom_files import is_phantom_file
from .picture_checks import checked_together
from .picture_kind import kind_marks
from .studies import SeveralExams, StudyChoice, choose_studies
from .view_conflicts import view_marks
from .view_grey import grey_facts, with_fitting_grey

__all__ = [
    "Answer",
    "NoExam",
    "SeveralExams",
    "answer_questions",
    "assemble_exam",
    "default_decoder",
    "exam_from_listing",
    "load_exam",
    "set_view_name",
]

MAX_PICTURES = 40  # decoded for one exam


def load_exam(
    path: str | os.PathLike | Iterable[str | os.PathLike],
    *,
    one_exam: bool = False,
    answers: Iterable[Answer] = (),
    decoder: Decoder | None = None,
    reserve: Reserve = reserve_nothing,
) -> Exam:
    """Return the exam in files, a folder, a zip or a DICOMDIR (or several of them).

    one_exam: the files are one woman's exam although their IDs differ. Of several studies of one patient the newest
    is opened and the one before it is its prior. answers: to questions that opening the same files before gave rise
    to; a view with an open question is among the extra ones. reserve: see `decode_studies`. Raises NoExam,
    SeveralExams, and NoSuchQuestion for an answer that fits no question.
    """
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    decoder = decoder or default_decoder()
    with short_lived_folder("unpacked") as folder:
        listing = list_files(paths, folder, decoder)
        return exam_from_listing(listing, decoder, one_exam=one_exam, answers=answers, reserve=reserve)


@lru_cache(maxsize=1)
def default_decoder() -> Decoder:
    """Return the decoder of programs that do not make one themselves."""
    return Decoder()


def exam_from_listing(
    listing: Listing,
    decoder: Decoder,
    *,
    one_exam: bool = False,
    group: ExamGroup | None = None,
    answers: Iterable[Answer] = (),
    reserve: Reserve = reserve_nothing,
) -> Exam:
    """Decode what `choose_studies` chooses of a listing into an exam, and apply the answers.

    Raises NoExam, SeveralExams, NoSuchQuestion.
    """
    answers = list(answers)
    same_woman = {answer.file: answer.value for answer in answers if answer.key == SAME_WOMAN}
    choice = choose_studies(listing, one_exam=one_exam, group=group, same_woman=same_woman)
    exam = decode_studies(listing, choice, decoder, reserve)
    answered = [answer for answer in answers if answer.key == SAME_WOMAN and answer.file in choice.asked_about]
    return answer_questions(exam, [answer for answer in answers if answer not in answered])


def decode_studies(listing: Listing, choice: StudyChoice, decoder: Decoder, reserve: Reserve = reserve_nothing) -> Exam:
    """Decode the chosen groups of a listing into an exam, and its prior where it can be read.

    Pictures beyond `exam_bytes` are set aside undecoded, those of the prior first. reserve: called with the bytes of
    the exam's pictures, then with those of the prior's, before they are decoded. Raises NoExam.
    """
    set_aside, notes, prior = [*listing.set_aside, *choice.set_aside], list(choice.notes), None
    memory = ExamMemory(exam_bytes(), reserve)
    exam = _decode_groups(choice.groups, decoder, memory, set_aside)
    if choice.prior is not None:
        try:
            prior = _decode_groups([choice.prior], decoder, memory, set_aside)
            text = (
                f"An earlier exam of this patient, of {format_date(choice.prior.date)}, can hang beside this one "
                "(key y). The model reads only the newer one."
            )
            notes.append(FileMark("prior", "", text))
        except NoRoom as error:
            text = f"An earlier exam of this patient was not opened: {error}"
            notes.append(FileMark("memory", "", text))
        except NoExam:
            pass  # set_aside holds the reason for each file
    return replace(exam, set_aside=tuple(set_aside), notes=(*notes, *exam.notes), prior=prior)


def _decode_groups(
    groups: Iterable[ExamGroup], decoder: Decoder, memory: ExamMemory, set_aside: list[SetAside]
) -> Exam:
    """The pictures of the groups as one exam; what cannot be read is added to `set_aside`. Raises NoExam."""
    files = sorted((file for group in groups for file in group.files), key=_is_extra)
    set_aside += [
        SetAside(f.name, f"more than {MAX_PICTURES} pictures in one exam", "too-many-pictures")
        for f in files[MAX_PICTURES:]
    ]
    files = memory.take(files[:MAX_PICTURES], set_aside)
    views = []
    decoded = decoder.pixels(file.path for file in files)
    for done, (file, pixels) in enumerate(zip(files, decoded, strict=True)):
        decoder.report(Step.CHECKS, done, len(files))
        if isinstance(pixels, Unreadable):
            set_aside.append(SetAside(file.name, str(pixels), pixels.code))
        elif pixels.nbytes > file.header["decoded_bytes"]:
            reason = "its picture takes more memory than its header says; export it again"
            set_aside.append(SetAside(file.name, reason, "memory"))
        else:
            views.append(make_view(file.header, file.name, pixels))
    if not views:
        reasons = "; ".join(f"{item.file}: {item.reason}" for item in set_aside[:3])
        raise NoExam(f"no picture could be read ({reasons}).", tuple(set_aside))
    return assemble_exam(checked_together(views))


def _is_extra(file: FoundFile) -> bool:
    """Whether a file is certainly no standard view: such ones are left out first where there are too many."""
    return bool(view_identification.modifiers(file.header, file.name))


def make_view(header: FileHeader, file: str, pixels: np.ndarray) -> View:
    """Return the view of one file, with every mark and question that its header and its picture give rise to."""
    laterality = view_identification.laterality(header, file)
    projection = view_identification.projection(header, file)
    marks = [FileMark(mark["code"], file, mark["text"]) for mark in header.get("marks") or []]
    marks += partial_marks(header.get("partial", ""), file)
    modifiers = view_identification.modifiers(header, file)
    conflicts = view_marks(header, file)
    if modifiers:  # an extra picture is not scored, whatever the answer
        conflicts = [mark for mark in conflicts if not isinstance(mark, Question)]
    view = View(
        view_identification.view_name(laterality, projection),
        pixels,
        file,
        spacing=view_identification.spacing(header),
        **grey_facts(header, pixels),
        modifiers=modifiers,
        for_processing=header.get("for_processing", False),
        implant=header.get("implant", False),
        lossy=header.get("lossy", False),
        burned_in=header.get("burned_in", False),
        partial=header.get("partial", ""),
        acquisition=_acquisition(header),
        identity=_identity(header),
        phantom=is_phantom_file(header, pixels),
        marks=(*marks, *conflicts, *_kind_marks(header, file, pixels)),
    )
    sources = {"laterality": laterality, "projection": projection}
    return oriented(with_fitting_grey(view), header, {fact: sourced for fact, sourced in sources.items() if sourced})


def _kind_marks(header: FileHeader, file: str, pixels: np.ndarray) -> list[FileMark]:
    """The marks of what kind of picture it is, by its header, its name, and by having two grey levels only."""
    marks = kind_marks(header, file)
    if has_two_levels(pixels) and not any(isinstance(mark, Question) for mark in marks):
        text = "The picture has at most two grey levels, as a mask or a drawing has. Is this an ordinary standard view?"
        marks.append(Question("two-levels", file, text, key="standard", choices=("yes", "no")))
    return marks


def has_two_levels(pixels: np.ndarray) -> bool:
    """Return whether a picture has at most two grey levels, as a mask or a drawing has."""
    first, last = pixels.min(), pixels.max()
    sample = pixels[::8, ::8]
    few = sample.size > 0 and bool(((sample == first) | (sample == last)).all())
    return few and bool(((pixels == first) | (pixels == last)).all())


def _acquisition(header: FileHeader) -> Acquisition:
    return Acquisition(
        manufacturer=header.get("manufacturer"),
        model=header.get("model"),
        date=exam_date(header) or None,
        kvp=header.get("kvp"),
        exposure_mas=header.get("exposure_mas"),
        thickness_mm=header.get("thickness_mm"),
        age_years=header.get("age_years"),
        compression_n=header.get("compression_n"),
        organ_dose_mgy=header.get("organ_dose_mgy"),
        entrance_dose_mgy=header.get("entrance_dose_mgy"),
    )


def _identity(header: FileHeader) -> Identity:
    return Identity(
        name=header.get("patient_name") or "",
        patient_id=header.get("patient_id") or "",
        birth_date=header.get("birth_date") or "",
        institution=header.get("institution") or "",
        operator=header.get("operator") or "",
        study_uid=header.get("study_uid") or "",
        instance_uid=header.get("instance_uid") or "",
        made_from=tuple(header.get("made_from") or ()),
    )
