"""A case of a data set -> its exam, decoded: every picture under the view that its own row names, and its boxes.

A file is known by its whole path below the data set's folder, from the table to the box; `datasets.view_agreement`
decides which view it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..datasets.boxes import clipped_boxes, turned_box
from ..datasets.case import Case, FindingBox, Image
from ..datasets.data_folder import DataFolder, RefusedPath
from ..datasets.view_agreement import AgreedView, agree_on_view
from ..exam import Exam, Question, View, ViewName
from ..imaging.decoder import Decoder, Unreadable
from ..imaging.exam_changes import standing
from ..imaging.file_header import FileHeader
from ..imaging.load import has_two_levels, make_view
from ..imaging.orientation import quarter_turns
from ..imaging.picture_kind import kinds
from ..imaging.stretched_pictures import UnstretchingDecoder
from .picture_files import PictureFile

ANSWERED_BY_TABLE = ("view", "standard")  # keys of the questions that a table answers by naming the view


@dataclass
class LoadedCase:
    """The exam of a case. boxes: in the pixels of its views. problems: sentences, each with the path of a file.

    clipped: how many boxes reached beyond their picture. missing: the places of files that are not there. files: all
    that were looked at, as they were before they were decoded.
    """

    exam: Exam = field(default_factory=lambda: Exam({}))
    boxes: dict[ViewName, tuple[FindingBox, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    clipped: int = 0
    missing: list[Path] = field(default_factory=list)
    files: list[PictureFile] = field(default_factory=list)


@dataclass(frozen=True)
class _Candidate:
    """A file that may stand for a view."""

    image: Image
    path: Path
    header: FileHeader
    name: ViewName


def load_case(case: Case, folder: DataFolder, decoder: Decoder, taken: Mapping[str, str]) -> LoadedCase:
    """Return the decoded views of a case.

    taken: path below the folder -> the exam that has it already; such a file is not used again. Only pictures that
    stand for a standard view are decoded: of several files of one view the most suitable one that can be read.
    """
    loaded = LoadedCase(problems=list(case.refused))
    views: dict[ViewName, View] = {}
    waiting = _candidates(case, folder, decoder, taken, loaded)
    files = [one for candidates in waiting.values() for one in candidates]
    ratios = {one.path: one.image.width_over_height for one in files if one.image.width_over_height}
    unstretching = UnstretchingDecoder(decoder, ratios)
    used: dict[ViewName, _Candidate] = {}
    while waiting:  # the first choice of every view at once, then the next one where that cannot be used
        first = [candidates.pop(0) for candidates in waiting.values()]
        for candidate, pixels in zip(first, unstretching.pixels(one.path for one in first), strict=True):
            scale = unstretching.scales.get(candidate.path, (1.0, 1.0))
            if (view := _view(candidate, pixels, scale, loaded)) is not None:
                views[candidate.name], used[candidate.name] = view, candidate
        for name in used.keys() & waiting.keys():
            for other in waiting.pop(name):
                which = f"{used[name].image.path} is used, {other.image.path} is not"
                loaded.problems.append(f"{name} has several files: {which}")
        waiting = {name: candidates for name, candidates in waiting.items() if candidates}
    loaded.exam = Exam(views)
    return loaded


def _candidates(
    case: Case, folder: DataFolder, decoder: Decoder, taken: Mapping[str, str], loaded: LoadedCase
) -> dict[ViewName, list[_Candidate]]:
    """The files of each standard view, the most suitable first; what is missing or reported goes into `loaded`."""
    found: list[tuple[Image, Path]] = []
    for image in case.images:
        try:
            path, file = folder.find(image.path), file_key(image.path, folder)
        except RefusedPath as error:
            loaded.problems.append(str(error))
            continue
        if path is None:
            loaded.missing.append(folder.place(image.path))
        elif file in taken:
            loaded.problems.append(f"{image.path}: belongs to {taken[file]} already; a file is used for one exam only")
        elif any(path == other for _, other in found):
            loaded.problems.append(f"{image.path}: another row names the same file by another path; the first is used")
        else:
            found.append((image, path))
    if loaded.missing:
        first = loaded.missing[0].relative_to(folder.root).as_posix()
        loaded.problems.append(f"{len(loaded.missing)} missing file(s), first {first}")
        return {}
    loaded.files = [PictureFile.of(folder.relative(image.path), path) for image, path in found]
    candidates: dict[ViewName, list[_Candidate]] = {}
    for (image, path), header in zip(found, decoder.headers(path for _, path in found), strict=True):
        if isinstance(header, Unreadable):
            loaded.problems.append(f"{image.path}: {header}")
            continue
        agreed: AgreedView = agree_on_view(image, header)
        if agreed.sentence:
            loaded.problems.append(agreed.sentence)
        if agreed.used and agreed.name is not None:
            candidates.setdefault(agreed.name, []).append(_Candidate(image, path, header, agreed.name))
    return {name: sorted(files, key=_standing) for name, files in candidates.items()}


def file_key(path: str, folder: DataFolder) -> str:
    """Return what tells a file from others: its path below the folder, its extension in small letters."""
    stem, dot, extension = folder.relative(path).rpartition(".")
    return f"{stem}{dot}{extension.lower()}"


def files_of(case: Case, folder: DataFolder) -> Iterator[str]:
    """Yield the `file_key` of each file that a case names below the folder."""
    for image in case.images:
        with suppress(RefusedPath):
            yield file_key(image.path, folder)


def _standing(candidate: _Candidate) -> tuple:
    header, path = candidate.header, candidate.image.path
    codes = {said.code for said in kinds(header, path)}
    size = header.get("rows", 0) * header.get("columns", 0)
    return standing(header.get("for_processing", False), codes, size, path)


def _view(
    candidate: _Candidate, pixels: np.ndarray | Unreadable, scale: tuple[float, float], loaded: LoadedCase
) -> View | None:
    """The view of a decoded file under its agreed name; None with a problem where it cannot be used.

    scale: (columns, rows) by which the stored picture was multiplied to `pixels`.
    """
    image, header, name = candidate.image, candidate.header, candidate.name
    if isinstance(pixels, Unreadable):
        loaded.problems.append(f"{image.path}: {pixels}")
        return None
    if has_two_levels(pixels):
        loaded.problems.append(f"{image.path}: has at most two grey levels, as a mask has; it is not used")
        return None
    rows, columns = pixels.shape
    boxes, problems, clipped = clipped_boxes(image, round(rows / scale[1]), round(columns / scale[0]))
    boxes = tuple(box.scaled(*scale) for box in boxes)
    # the agreed name goes into the header, so that the picture is turned and flipped as that view
    told: FileHeader = {**header, "image_laterality": name.laterality.value, "view_position": name.projection.value}
    told["view_codes"] = []
    view = make_view(told, image.path, pixels)
    answered = ANSWERED_BY_TABLE if image.name is not None else ()
    open_questions = [question for question in view.questions if question.key not in answered]
    if open_questions:
        loaded.problems.append(f"{image.path}: {open_questions[0].text} It is not used")
        return None
    if any(mark.code == "turned" for mark in view.marks):
        quarters = quarter_turns(header.get("orientation") or [], replace(view, name=name))
        boxes = tuple(turned_box(box, quarters, rows, columns) for box in boxes)
    marks = tuple(mark for mark in view.marks if not isinstance(mark, Question))
    loaded.boxes[name] = tuple(sorted(boxes))  # in any order of the rows
    loaded.problems += problems
    loaded.clipped += clipped
    return replace(view, name=name, marks=marks)
