"""Objects of other programs that lie beside an exam -> what they mark on its pictures, and what of it is not shown.

Read are Mammography CAD SR, regions of SR after TID 1500, and the graphics of presentation states. An object of another
patient or another study is refused as a whole; nothing is ever moved to a picture that the object does not name.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom import uid
from pydicom.dataset import Dataset

from ..exam import Exam
from ..imaging.dicom_checks import MARK_CLASSES, read_dataset, sop_class
from ..imaging.dicom_values import text, texts
from ..imaging.limits import Unusable
from ..temporary import short_lived_folder
from .cad_sr_reading import NotCadSr
from .foreign_cad import cad_marks, cad_statements, programs_of, read_on_pictures
from .foreign_marks import ForeignKind, ForeignObject, named_pictures, pictures_of_exam
from .foreign_sr import read_regions
from .foreign_state import drawn_by
from .sr_tree import OddTree, is_cut_off

MOST_BYTES, MOST_TOGETHER = 5_000_000, 10_000_000  # of one object, of all beside an exam
MOST_OBJECTS = 50  # beside an exam
MOST_MARKS = 2000  # of one object that are shown
UNNAMED = "a program that the file does not name"
DAMAGED = "its content is damaged, so none of it is used. Export it again."
NO_UIDS = "the exam is from the store, which keeps no UIDs of its pictures, so no mark can be matched. Open its files."
OTHER_PATIENT = "an object of another patient, or of one with other data: for no picture of this exam."
OTHER_STUDY = "an object of another study: for no picture of this exam."
NOTHING_HERE = "for no picture of this exam."
_KINDS = {
    uid.MammographyCADSRStorage: ForeignKind.CAD,
    uid.GrayscaleSoftcopyPresentationStateStorage: ForeignKind.PRESENTATION,
}


@dataclass(frozen=True)
class LoadedObject:
    """An object in memory, as its file holds it. content: None where it was not taken; trouble says why."""

    file: str
    content: bytes | None = field(repr=False)
    trouble: str = ""


def load_objects(files: Iterable[tuple[str, Path]]) -> tuple[LoadedObject, ...]:
    """Return the objects that `files.list_files` found, by name, within limits. files: (name, path)."""
    loaded, size = list[LoadedObject](), 0
    for number, (name, path) in enumerate(sorted(files)):
        if number >= MOST_OBJECTS:
            loaded.append(
                LoadedObject(name, None, f"more than {MOST_OBJECTS} objects, so nothing of this one is shown.")
            )
            continue
        size += (length := path.stat().st_size)
        if length > MOST_BYTES or size > MOST_TOGETHER:
            limit = f"{MOST_BYTES // 1_000_000} MB, or {MOST_TOGETHER // 1_000_000} MB with the objects before it"
            loaded.append(LoadedObject(name, None, f"larger than {limit}, so nothing of it is shown."))
            size -= length
        else:
            loaded.append(LoadedObject(name, path.read_bytes()))
    return tuple(loaded)


def read_objects(objects: Iterable[LoadedObject], exam: Exam) -> tuple[ForeignObject, ...]:
    """Return what each object marks on the pictures of an exam. Raises nothing: what is not used is told."""
    with (
        warnings.catch_warnings(),
        short_lived_folder("marks") as folder,
    ):  # warnings of pydicom show values of the file
        warnings.simplefilter("ignore")
        return tuple(_read(loaded, folder / "object", exam) for loaded in objects)


def _read(loaded: LoadedObject, path: Path, exam: Exam) -> ForeignObject:
    """What an object marks. path: where its content may be written to be read."""
    if loaded.content is None:
        return ForeignObject(loaded.file, None, told=(loaded.trouble,))
    kind, source = None, ""
    try:
        path.write_bytes(loaded.content)
        ds = read_dataset(str(path))
        if is_cut_off(ds):
            return ForeignObject(loaded.file, None, told=(DAMAGED,))
        if sop_class(ds) not in MARK_CLASSES:
            return ForeignObject(loaded.file, None, told=("no object with marks that is read.",))
        kind, source = _KINDS.get(sop_class(ds), ForeignKind.MEASUREMENTS), _source(ds)
        if refused := _refusal(ds, exam):
            return ForeignObject(loaded.file, kind, source, told=(refused,))
        return _limited(_content(ForeignObject(loaded.file, kind, source), ds, exam))
    except Unusable as error:
        return ForeignObject(loaded.file, None, told=(f"{error}.",))
    except (NotCadSr, OddTree) as error:
        return ForeignObject(loaded.file, kind, source, told=(str(error),))
    except Exception:  # pydicom raises nearly everything for a malformed object
        return ForeignObject(loaded.file, kind, source, told=(DAMAGED,))


def _content(found: ForeignObject, ds: Dataset, exam: Exam) -> ForeignObject:
    """The marks and statements of an object that belongs to the exam. Raises NotCadSr and OddTree."""
    named = named_pictures(exam)
    if found.kind is ForeignKind.CAD:
        read = read_on_pictures(ds, named)
        marks, statements = cad_marks(read.report), cad_statements(read, exam, text(ds, "StudyInstanceUID") or "")
        source = ", ".join(filter(None, [found.source, *programs_of(read.report)]))
        told = read.told if marks or statements else (*read.told, NOTHING_HERE)
        return replace(found, source=source, marks=marks, statements=statements, told=told)
    if found.kind is ForeignKind.MEASUREMENTS:
        regions, unused = read_regions(ds, named)
        found = replace(found, marks=regions)
    else:
        state = drawn_by(ds, named)
        found, unused = replace(found, marks=tuple(state.marks), statements=tuple(state.statements)), state.unused
    told_of = tuple(f"{count} × {why}" for why, count in unused.items())
    return replace(found, told=told_of or (() if found.for_this_exam else (NOTHING_HERE,)))


def _limited(found: ForeignObject) -> ForeignObject:
    if len(found.marks) <= MOST_MARKS:
        return found
    more = f"{len(found.marks) - MOST_MARKS} × a mark beyond the first {MOST_MARKS:,}"
    return replace(found, marks=found.marks[:MOST_MARKS], told=(*found.told, more))


def _refusal(ds: Dataset, exam: Exam) -> str:
    """Why an object is not of this exam; "" where it is."""
    people = [view.identity for view in pictures_of_exam(exam) if view.identity and view.identity.instance_uid]
    if not people:
        return NO_UIDS
    patient, birth = text(ds, "PatientID") or "", text(ds, "PatientBirthDate") or ""
    hers = [one for one in people if one.patient_id == patient and birth in ("", one.birth_date or birth)]
    if not hers:
        return OTHER_PATIENT
    return "" if (text(ds, "StudyInstanceUID") or "") in {one.study_uid for one in hers} else OTHER_STUDY


def _source(ds: Dataset) -> str:
    """The manufacturer, the program and its version, as the file says."""
    maker, model = text(ds, "Manufacturer") or "", text(ds, "ManufacturerModelName") or ""
    parts = ["" if model.startswith(maker) else maker, model, *texts(ds, "SoftwareVersions")]
    label = text(ds, "ContentLabel")
    return " ".join(dict.fromkeys(filter(None, parts))) + (f" ({label})" if label else "") or UNNAMED
