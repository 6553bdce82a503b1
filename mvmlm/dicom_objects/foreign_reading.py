"""Objects of other programs that lie beside an exam -> what they mark on its pictures, and what of it is not shown.

Read are Mammography CAD SR, regions of SR after TID 1500, and the graphics of presentation states. An object of another
patient or another study is refused as a whole; nothing is ever moved to a picture that the object does not name.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from pydicom import uid
from pydicom.dataset import Dataset

from ..exam import Exam
from ..imaging.dicom_checks import MARK_CLASSES, read_dataset, sop_class
from ..imaging.dicom_values import text, texts
from ..imaging.limits import Unusable
from .cad_sr_reading import NotCadSr
from .foreign_cad import cad_marks, cad_statements, programs_of, read_on_pictures
from .foreign_marks import ForeignKind, ForeignObject, named_pictures, pictures_of_exam
from .foreign_sr import read_regions
from .foreign_state import drawn_by
from .sr_tree import OddTree, is_cut_off

MOST_BYTES = 10_000_000  # of one object
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


class LoadedObject(NamedTuple):
    """An object in memory. ds: None where it could not be read; trouble says why."""

    file: str
    ds: Dataset | None
    trouble: str = ""


def load_objects(files: Iterable[tuple[str, Path]]) -> tuple[LoadedObject, ...]:
    """Return the data sets of objects that `files.list_files` found. files: (name, path)."""
    return tuple(_load(name, path) for name, path in files)


def read_objects(objects: Iterable[LoadedObject], exam: Exam) -> tuple[ForeignObject, ...]:
    """Return what each object marks on the pictures of an exam. Raises nothing: what is not used is told."""
    with warnings.catch_warnings():  # those of pydicom show values of the file
        warnings.simplefilter("ignore")
        return tuple(_read(loaded, exam) for loaded in objects)


def _load(name: str, path: Path) -> LoadedObject:
    try:
        if path.stat().st_size > MOST_BYTES:
            return LoadedObject(name, None, f"larger than {MOST_BYTES // 1_000_000} MB, which no report of marks is.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = read_dataset(str(path))
            return LoadedObject(name, ds) if not is_cut_off(ds) else LoadedObject(name, None, DAMAGED)
    except Unusable as error:
        return LoadedObject(name, None, f"{error}.")
    except Exception:  # pydicom raises nearly everything for a damaged file
        return LoadedObject(name, None, DAMAGED)


def _read(loaded: LoadedObject, exam: Exam) -> ForeignObject:
    if loaded.ds is None:
        return ForeignObject(loaded.file, None, told=(loaded.trouble,))
    try:
        kind = _KINDS.get(sop_class(loaded.ds), ForeignKind.MEASUREMENTS)
        if sop_class(loaded.ds) not in MARK_CLASSES:
            return ForeignObject(loaded.file, None, told=("no object with marks that is read.",))
        found = ForeignObject(loaded.file, kind, _source(loaded.ds))
        if refused := _refusal(loaded.ds, exam):
            return replace(found, told=(refused,))
        return _limited(_content(found, loaded.ds, exam))
    except (NotCadSr, OddTree) as error:
        return ForeignObject(loaded.file, kind, _source(loaded.ds), told=(str(error),))
    except Exception:  # a malformed value anywhere in the object
        return ForeignObject(loaded.file, None, told=(DAMAGED,))


def _content(found: ForeignObject, ds: Dataset, exam: Exam) -> ForeignObject:
    """The marks and statements of an object that belongs to the exam. Raises NotCadSr and OddTree."""
    named = named_pictures(exam)
    if found.kind is ForeignKind.CAD:
        read = read_on_pictures(ds, named)
        marks, statements = cad_marks(read.report), cad_statements(read, exam)
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
    parts = [text(ds, "Manufacturer"), text(ds, "ManufacturerModelName"), *texts(ds, "SoftwareVersions")]
    label = text(ds, "ContentLabel")
    return " ".join(dict.fromkeys(filter(None, parts))) + (f" ({label})" if label else "") or UNNAMED
