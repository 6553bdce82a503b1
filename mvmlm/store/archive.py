"""Files -> exams in the store, and back: kept where they lie, or copied without names into the data folder."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from ..exam import Exam
from ..imaging.decoder import Decoder
from ..imaging.files import ExamGroup, list_files
from ..imaging.load import NoExam, exam_from_listing, load_exam, rename
from ..imaging.write import write_view
from .database import StoreError
from .exams import file_sha256
from .store import Store

IMAGES = "images"


class ImportOutcome(NamedTuple):
    """What became of one exam of an import: its number, or why it was not kept."""

    title: str
    number: int | None
    why: str


def add_open_exam(store: Store, exam: Exam, group: ExamGroup | None, who: str, named: bool = False) -> int:
    """Copies the standard views of an open exam into the data folder, without anybody's name, and keeps it.

    group: the files' own IDs, which are kept as hashes. named: these IDs are pseudonyms already, so the worklist may show them.
    """
    patient_id, study_id = _ids(group)
    folder = store.folder / IMAGES / secrets.token_hex(8)
    folder.mkdir(parents=True)
    try:
        paths = {}
        for name, view in exam.views.items():
            paths[name] = folder / f"{name}.dcm"
            write_view(view, paths[name], folder.name)
        number = store.exams.add(
            exam, paths, who, patient_id=patient_id, study_id=study_id, name=patient_id if named else ""
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if not any(Path(view.path).parent == folder.resolve() for view in store.exams.views(number)):
        shutil.rmtree(folder)  # this exam was kept before
    return number


def import_exams(
    store: Store,
    paths: Iterable[Path],
    decoder: Decoder,
    who: str,
    copy: bool = False,
    named: bool = False,
    tell: Callable[[float, str], bool] = lambda share, said: False,
) -> Iterator[ImportOutcome]:
    """Every exam among files, folders and zips; yields what became of each. `tell` may ask to stop.

    copy False: the images stay where they are, and must stay there; images of a zip are always copied.
    """
    with TemporaryDirectory(prefix="mvmlm-keep-") as unpacked:
        listing = list_files(paths, Path(unpacked), decoder)
        for item in listing.set_aside:
            yield ImportOutcome(item.file, None, item.reason)
        for index, group in enumerate(listing.groups):
            if tell(index / len(listing.groups), f"{index} of {len(listing.groups)} exams kept"):
                return
            try:
                exam = exam_from_listing(listing, decoder, group=group)
                held = {file.name: file.path for file in group.files}
                own = {name: held[view.file] for name, view in exam.views.items()}
                if copy or any(path.is_relative_to(unpacked) for path in own.values()):
                    number = add_open_exam(store, exam, group, who, named)
                else:
                    patient_id, study_id = _ids(group)
                    number = store.exams.add(
                        exam, own, who, patient_id=patient_id, study_id=study_id, name=patient_id if named else ""
                    )
                yield ImportOutcome(group.title, number, "")
            except (NoExam, StoreError) as error:
                yield ImportOutcome(group.title, None, str(error))


def _ids(group: ExamGroup | None) -> tuple[str, str]:
    """A group's patient and study ID; pictures have none."""
    return ("", "") if group is None or group.key[0] == "pictures" else group.key


def open_stored_exam(store: Store, number: int, decoder: Decoder) -> Exam:
    """A kept exam, each image checked against its checksum. Raises StoreError where one is missing or another one now."""
    views = store.exams.views(number)
    for view in views:
        path = Path(view.path)
        if not path.is_file():
            raise StoreError(
                f"{store.exams.get(number).name}: the image of {view.name} is not where it was kept. Put it back, or keep the exam again."
            )
        if file_sha256(path) != view.sha256:
            raise StoreError(
                f"{store.exams.get(number).name}: the file of {view.name} is not the one that was kept. Marks would not fit; put the old file back."
            )
    exam = load_exam([view.path for view in views], one_exam=True, decoder=decoder)
    for view in views:
        file = Path(view.path).name
        shown = next((own for own in (*exam.views.values(), *exam.extra) if own.file == file), None)
        if shown is not None and shown.name != view.name:  # the reader had set it by hand
            exam = rename(exam, file, view.name)
    return exam
