"""The final readings of a stored exam -> an SR for each, and the marks that it has on each view."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pydicom.dataset import Dataset

from ..imaging.decoder import Decoder
from ..reading.reading import Mark
from ..store.archive import open_stored_exam
from ..store.records import Read, newest_versions
from ..store.store import Store
from .measurement_report import reading_object
from .presentation_state import Drawing, marks_object
from .sources import Sources, sources_of


def reading_objects(store: Store, number: int, decoder: Decoder) -> tuple[dict[str, Dataset], list[str]]:
    """Return the objects of an exam's readings by file name, and a sentence for each reading that has none.

    Of the final versions of a reading the newest is written: until a version is final nobody but its reader sees it.
    Raises StoreError where an image is missing or another one, and NoSource for one that is not DICOM.
    """
    objects: dict[str, Dataset] = {}
    problems = []
    exam = open_stored_exam(store, number, decoder)
    paths = {view.name: Path(view.path) for view in store.exams.views(number)}
    sources = sources_of({name: (view, paths[name]) for name, view in exam.views.items() if name in paths})
    reads = store.readings.of_exam(number)
    for read in reads:
        if read.final is None:
            problems.append(f"The {read.kind.value} read of {read.reader} is not final, so it is not written.")
    for read in newest_versions(read for read in reads if read.final):
        objects[f"read{read.id}_sr.dcm"] = reading_object(read, sources)
        objects |= _marks(read, sources)
    if not reads:
        problems.append(f"{store.exams.get(number).name}: nobody has read this exam yet.")
    return objects, problems


def _marks(read: Read, sources: Sources) -> dict[str, Dataset]:
    """The marks of a reading, for each view that has one."""
    assert read.signed is not None  # it is final
    signed, objects = datetime.fromisoformat(read.signed), {}
    for view in sources:
        drawings = [
            Drawing(_corners(mark), f"{number} {mark.label}")
            for number, finding in read.reading.findings.items()
            for mark in finding.marks
            if mark.view == view
        ]
        if drawings:
            state = marks_object(sources, view, drawings, None, read.reader, signed)
            objects[f"read{read.id}_{view}_marks.dcm"] = state
    return objects


def _corners(mark: Mark) -> tuple[tuple[float, float], ...]:
    if mark.kind != "box":
        return mark.points
    (left, top), (right, bottom) = mark.points[:2]
    return (left, top), (right, top), (right, bottom), (left, bottom)
