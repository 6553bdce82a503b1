"""Import images as exams of the store, in place or copied without names, and open stored exams."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal

from ..exam import Exam, View, ViewName
from ..imaging.burned_in_text import without_text
from ..imaging.decoder import Decoder
from ..imaging.deidentification import Dates, shift_days, without_identity
from ..imaging.exam_changes import Answer, check_files, restore_view_name
from ..imaging.files import ExamGroup, list_files
from ..imaging.kept_copy import with_copied_dates, write_copy
from ..imaging.load import NoExam, exam_from_listing
from ..imaging.memory_budget import Reserve, reserve_nothing
from ..imaging.write import NotRepresentable
from ..patient import PatientIdentity
from ..temporary import short_lived_folder
from .database import StoreError
from .exams import file_sha256, stored_view
from .import_outcomes import ImportOutcome, OutcomeWriter
from .records import ExtraView, ProgressCallback, StoredView, ViewFacts
from .store import Store

IMAGES = "images"


def dates_of_copies() -> Dates:
    """Return what happens to the dates of kept copies: MVMLM_DATES, by default they are kept. Raises StoreError."""
    chosen = os.environ.get("MVMLM_DATES") or Dates.KEEP.value
    try:
        return Dates(chosen)
    except ValueError:
        names = ", ".join(dates.value for dates in Dates)
        raise StoreError(f"MVMLM_DATES is “{chosen}”. Set it to one of {names}.") from None


def add_open_exam(
    store: Store,
    exam: Exam,
    group: ExamGroup | None,
    who: str,
    named: bool = False,
    dates: Dates | None = None,
) -> int:
    """Copy the standard views of an open exam into the data folder, without the patient's name, and store the exam.

    group: the files that the exam came from; what says whose they are is stored as hashes. named: these IDs are
    pseudonyms already, so the worklist may show them. dates: None for `dates_of_copies`. Returns the exam's number, the
    old one for an exam that is there already. Raises StoreError for an exam without a standard view, and for a view of
    which a copy would be another picture.
    """
    identity, study_id = _ids(group)
    dates = dates_of_copies() if dates is None else dates
    with _copies(store, exam, group, dates) as (exam, paths):
        number = store.exams.add(
            exam, paths, who, **asdict(identity), study_id=study_id, name=identity.patient_id if named else ""
        )
    folder = next(iter(paths.values())).parent
    if not any(Path(view.path).parent == folder.resolve() for view in store.exams.views(number)):
        shutil.rmtree(folder)  # the exam was in the store already, with other copies
    return number


@contextmanager
def _copies(
    store: Store, exam: Exam, group: ExamGroup | None, dates: Dates
) -> Iterator[tuple[Exam, dict[ViewName, Path]]]:
    """Write copies of the standard views into a new folder; yield the exam as copied and the paths of its views.

    The folder is deleted where the block fails. Raises StoreError for an exam without a standard view, and for a view
    of which a copy would be another picture.
    """
    if not exam.views:
        raise StoreError("This exam has no standard view (CC or MLO). Only exams with one can be stored.")
    store.check_room(sum(view.pixels.nbytes for view in exam.views.values()))
    identity, study_id = _ids(group)
    patient, study = _pseudonyms(store, identity.patient_id, study_id)
    exam = with_copied_dates(exam, dates, shift_days(patient))
    folder = store.folder / IMAGES / secrets.token_hex(8)
    folder.parent.mkdir(exist_ok=True, mode=0o700)
    folder.mkdir(mode=0o700)
    try:
        paths, views = {}, {}
        for name, view in exam.views.items():
            paths[name] = folder / f"{name}.dcm"
            views[name], text = without_text(view)
            write_copy(views[name], paths[name], patient[:16], study[:16], dates, text)
            paths[name].chmod(0o600)
        yield replace(exam, views=views), paths
    except NotRepresentable as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StoreError(f"{name}: {error}.") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def correct_views(
    store: Store, number: int, exam: Exam, files: Mapping[str, str], group: ExamGroup | None, who: str
) -> dict[str, str]:
    """Make the names that a reader gave to the views of an open exam part of the stored exam.

    exam: after the correction. files: file of the open exam -> path of its image in the store, where it has one; a view
    without one is copied into the data folder. group: as for `add_open_exam`. Returns `files` with the new ones. Raises
    StoreError where `Exams.correct_views` does.
    """
    stored = {view.path: view for view in store.exams.views(number)}
    images: dict[str, StoredView | ExtraView] = {
        **{view.path: view for view in store.exams.extra_views(number)},
        **stored,
    }
    new = Exam({name: view for name, view in exam.views.items() if view.file not in files})

    def named(name: ViewName, view: View, path: str) -> StoredView:
        image, old = images[path], stored.get(path)
        by = old.named_by if old is not None and old.name == name else who
        return StoredView(name, path, image.sha256, image.rows, image.columns, by, ViewFacts.of(view))

    views = [named(name, view, files[view.file]) for name, view in exam.views.items() if view.file in files]
    rest = {path for path in images if path not in {view.path for view in views}}
    extra = [ExtraView(path, image.sha256, image.rows, image.columns) for path, image in images.items() if path in rest]
    if not new.views:
        store.exams.correct_views(number, views, extra, who)
        return dict(files)
    with _copies(store, new, group, dates_of_copies()) as (copied, paths):
        views += [stored_view(name, view, paths[name], who) for name, view in copied.views.items()]
        store.exams.correct_views(number, views, extra, who)
    return {**files, **{view.file: str(paths[name].resolve()) for name, view in copied.views.items()}}


def _pseudonyms(store: Store, patient_id: str, study_id: str) -> tuple[str, str]:
    """Return what stands in the copies for the patient and the study, in hex: the same for the same IDs.

    An exam without IDs gets random ones, and so does every exam without the key of the IDs.
    """
    patient = store.file.hashed("copy of patient " + patient_id) if patient_id else None
    study = store.file.hashed("copy of study " + study_id) if study_id else None
    return patient or secrets.token_hex(32), study or secrets.token_hex(32)


def import_exams(
    store: Store,
    paths: Iterable[Path],
    decoder: Decoder,
    who: str,
    copy: bool = False,
    named: bool = False,
    dates: Dates | None = None,
    answers: Sequence[Answer] = (),
    report_progress: ProgressCallback = lambda share, message: False,
) -> Iterator[ImportOutcome]:
    """Store every exam among files, folders and zips, and yield the outcome of each.

    copy False: the images stay where they are and must stay there; images of a zip are always copied. named: the files'
    patient IDs are pseudonyms already, so the worklist may show them. dates: as for `add_open_exam`. answers: to
    questions about files. report_progress: called with the share done, 0..1, and a message; returns True to stop.
    Raises NoSuchQuestion for an answer about a file that is not there, or that fits no question about it.
    """
    with short_lived_folder("import") as unpacked:
        listing = list_files(paths, unpacked, decoder)
        write = OutcomeWriter(listing)
        check_files(answers, [file.name for group in listing.groups for file in group.files])
        yield from map(write.not_used, listing.set_aside)
        stored: dict[int, set[ViewName]] = {}
        for index, group in enumerate(listing.groups):
            total, left = len(listing.groups), len(listing.groups) - index
            if report_progress(index / total, f"{index} of {total} exams stored, {left} left"):
                return
            try:
                path_of_file = {file.name: file.path for file in group.files}
                given = [answer for answer in answers if answer.file in path_of_file]
                exam = exam_from_listing(listing, decoder, group=group, answers=given)
                path_of_view = {name: path_of_file[view.file] for name, view in exam.views.items()}
                if copy or any(path.is_relative_to(unpacked) for path in path_of_view.values()):
                    number = add_open_exam(store, exam, group, who, named, dates)
                else:
                    identity, study_id = _ids(group)
                    number = store.exams.add(
                        exam,
                        path_of_view,
                        who,
                        **asdict(identity),
                        study_id=study_id,
                        name=identity.patient_id if named else "",
                    )
                if exam.views.keys() - stored.setdefault(number, set(exam.views)):
                    raise StoreError(
                        f"{store.exams.get(number).name} has the same study under another patient ID, and it is not "
                        "sure whose these files are, so they were not added to it. Give them one patient ID."
                    )
                yield write.stored(index, group, number, _note(store, number, group), exam)
                yield from write.not_used_of(exam, group)
            except (NoExam, StoreError) as error:
                yield write.refused(index, group, error)


def _ids(group: ExamGroup | None) -> tuple[PatientIdentity, str]:
    """Whose the files of a group are, and the ID of their study; a group of plain pictures says neither.

    A field in which the files differ says nothing.
    """
    if group is None or group.key[0] == "pictures":
        return PatientIdentity(), ""

    def agreed(name: Literal["issuer", "birth_date", "sex"]) -> str:
        values = {file.header.get(name) or "" for file in group.files} - {""}
        return values.pop() if len(values) == 1 else ""

    return PatientIdentity(group.key[0], agreed("issuer"), agreed("birth_date"), agreed("sex")), group.key[1]


def _note(store: Store, number: int, group: ExamGroup) -> str:
    """What a reader must know about whose exam it is."""
    note, (identity, _) = store.patients.note(number), _ids(group)
    if group.key[0] == "pictures" or identity.known:
        return note
    name = store.exams.get(number).name
    nobody = (
        f"The patient ID of {name} names nobody, so it is joined with no other exam. "
        f"If it is the same woman's as another one: mvmlm join {name} OTHER --reader NAME."
    )
    return f"{nobody} {note}".strip()


def open_stored_exam(store: Store, number: int, decoder: Decoder, reserve: Reserve = reserve_nothing) -> Exam:
    """Open a stored exam, with the view names that its reader gave and without the names of people.

    reserve: see `imaging.load.decode_studies`. Raises StoreError where an image is missing, or where its file is not
    the one that was stored (by its SHA-256): marks would not fit another picture.
    """
    views, title = store.exams.views(number), store.exams.get(number).name
    extra = store.exams.extra_views(number)
    images: list[StoredView | ExtraView] = [*views, *extra]
    for image in images:
        path = Path(image.path)
        which = f"the image of {image.name}" if isinstance(image, StoredView) else "an extra image"
        if not path.is_file():
            raise StoreError(f"{title}: {which} is missing from its folder. Put it back, or import the exam again.")
        if file_sha256(path) != image.sha256:
            raise StoreError(
                f"{title}: the file of {which} is not the one that was stored, so marks would not fit. "
                "Put the old file back."
            )
    names = stored_files(store, number)
    with short_lived_folder("unpacked") as folder:
        listing = list_files(names.values(), folder, decoder)
        name_of_path = {path: name for name, path in names.items()}
        groups = tuple(
            replace(group, files=tuple(replace(file, name=name_of_path[str(file.path)]) for file in group.files))
            for group in listing.groups
        )
        exam = exam_from_listing(replace(listing, groups=groups), decoder, one_exam=True, reserve=reserve)
    for view in views:
        file = name_of_path[view.path]
        opened = next((shown for shown in (*exam.views.values(), *exam.extra) if shown.file == file), None)
        if opened is not None and (view.named_by or exam.views.get(view.name) is not opened):
            exam = restore_view_name(exam, file, view.name, answered=bool(view.facts.sources))
    opened_files = {shown.file for shown in (*exam.views.values(), *exam.extra)}
    for file in {name_of_path[taken_out.path] for taken_out in extra} & opened_files:
        exam = restore_view_name(exam, file, None, answered=True)
    facts = {view.name: view.facts for view in views}
    named = {name: facts.get(name, ViewFacts()).applied_to(view) for name, view in exam.views.items()}
    return without_identity(replace(exam, views=named))


def stored_files(store: Store, number: int) -> dict[str, str]:
    """Return the name of each image of a stored exam, as the opened exam gives it, and its path."""
    names: dict[str, str] = {}
    paths = [view.path for view in store.exams.views(number)]
    for path in [*paths, *(view.path for view in store.exams.extra_views(number))]:
        name = Path(path).name
        names[name if name not in names else f"{len(names) + 1} {name}"] = path
    return names
