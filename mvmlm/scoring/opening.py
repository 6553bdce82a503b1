"""The exams of a place: found by their headers, opened without their priors, and why one of them cannot be scored."""

from __future__ import annotations

import os
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..exam import Exam
from ..imaging.decoder import Decoder
from ..imaging.files import Listing, NoExam
from ..imaging.grouping import ExamGroup
from ..imaging.load import decode_studies
from ..imaging.own_outputs import CODE
from ..imaging.preprocess import NoBreast
from ..imaging.studies import SeveralExams, choose_studies
from .archive import Place

SEVERAL = (
    "The files are of several patients or exams, and which is meant is not clear. Give each exam a name of its own."
)


class FoundExam(NamedTuple):
    """An exam before it is decoded: its name in the answers, and the listing of its files."""

    name: str
    listing: Listing


def found_exams(place: Place, listing: Listing) -> list[FoundExam]:
    """Return the exams among the files of a place; none where they are all outputs of this program.

    One that cannot be opened is among them where there is no other. The names of several are those of their folders, or
    of their first files; in a zip, whose names may be a patient's, they are numbers.
    """
    groups = listing.groups
    if not groups and listing.set_aside and all(item.code == CODE for item in listing.set_aside):
        return []
    if len(groups) < 2 or place.one_exam:
        return [FoundExam(place.name, listing)]
    names = _folders(groups)
    if not place.paths[0].is_dir():
        names = [f"#{number}" for number in range(1, len(groups) + 1)]
    elif len(set(names)) < len(names) or "" in names:
        names = [group.files[0].name for group in groups]
    return [FoundExam(f"{place.name}/{name}", replace(listing, groups=(group,))) for name, group in zip(names, groups)]


def _folders(groups: Sequence[ExamGroup]) -> list[str]:
    """For each group the folder that holds all its files; "" for that of the place."""
    folders = []
    for group in groups:
        parents = [PurePosixPath(file.name).parent.as_posix() for file in group.files]
        folder = os.path.commonpath(parents)
        folders.append("" if folder == "." else folder)
    return folders


def open_exam(listing: Listing, decoder: Decoder) -> Exam:
    """Return the exam of a listing, without a prior, which the model does not read.

    Of several studies of one patient it is the newest. Raises NoExam, SeveralExams.
    """
    return decode_studies(listing, replace(choose_studies(listing), prior=None), decoder)


def sentence_on(error: Exception, exam: Exam | None = None) -> str:
    """Return why an exam has no answer, in words without a patient's name or ID and without the name of a file.

    exam: where it was opened.
    """
    if isinstance(error, SeveralExams):
        return SEVERAL
    if isinstance(error, NoExam):
        return f"The images cannot be opened: {error.reasons}." if error.set_aside else str(error)
    if isinstance(error, NoBreast):
        codes = ", ".join(dict.fromkeys(question.code for question in exam.questions)) if exam else ""
        return f"{error}. Open questions, which `mvmlm read` asks: {codes}." if codes else f"{error}."
    if isinstance(error, FloatingPointError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return f"A file cannot be read: {error.strerror}."
    if isinstance(error, MemoryError):
        return "There is not enough memory for it."
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"An error of this program ({type(error).__name__} in {Path(place.filename).name}, line {place.lineno})."
