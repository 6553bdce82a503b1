"""The pictures that an object is about, as their files name them: identifiers, patient and study, without pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from ..exam import Exam, View, ViewName
from ..imaging.decoder import Decoder
from ..imaging.dicom_checks import read_dataset
from ..imaging.dicom_values import text
from ..imaging.exam_changes import Answer
from ..imaging.files import list_files
from ..imaging.limits import Unusable
from ..imaging.load import exam_from_listing
from ..imaging.studies import SeveralExams
from ..temporary import short_lived_folder

IDENTIFIERS = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_PATIENT = ("PatientID", "PatientName", "PatientBirthDate", "PatientSex")


class NoSource(ValueError):
    """Why no DICOM object can be written about a picture, in one sentence for the reader."""


@dataclass(frozen=True, eq=False)
class Source:
    """The file of a view. header: its data set without the pixels, which the view has."""

    view: View
    header: Dataset

    @property
    def name(self) -> ViewName:
        """Which view it is, as the exam says."""
        assert self.view.name is not None  # `source_of` takes standard views only
        return self.view.name

    @property
    def instance(self) -> str:
        """Its SOPInstanceUID."""
        return str(self.header.SOPInstanceUID)


#: the pictures of one exam, by view, in the order of `STANDARD_VIEWS`
Sources = Mapping[ViewName, Source]


@contextmanager
def opened_exam(
    paths: Iterable[Path], decoder: Decoder, *, one_exam: bool = False, answers: Iterable[Answer] = ()
) -> Iterator[tuple[Exam, Sources]]:
    """Give the block the exam in files, a folder or a zip as `load_exam` does, and the files of its views.

    Raises NoExam, NoSuchQuestion and NoSource.
    """
    with short_lived_folder("unpacked") as folder:
        listing = list_files(list(paths), folder, decoder)
        try:
            exam = exam_from_listing(listing, decoder, one_exam=one_exam, answers=answers)
        except SeveralExams:
            raise NoSource(
                "By their headers the files are of several exams. An object belongs to one study of one woman; give "
                "the files of one."
            ) from None
        files: dict[str, list[Path]] = {}
        for file in (file for group in listing.groups for file in group.files):
            files.setdefault(file.name, []).append(file.path)
        if twice := [view.file for view in exam.views.values() if len(files[view.file]) > 1]:
            raise NoSource(f"{twice[0]}: several of the files have this name. Give the folder that holds all of them.")
        yield exam, sources_of({name: (view, files[view.file][0]) for name, view in exam.views.items()})


def sources_of(files: Mapping[ViewName, tuple[View, Path]]) -> Sources:
    """Return the files of an exam's views. Raises NoSource where they are not DICOM files of one woman's one study."""
    sources = {name: _source(view, path) for name, (view, path) in files.items()}
    headers = [source.header for source in sources.values()]
    if not headers:
        raise NoSource("The exam has no standard view (CC or MLO), so no object can be written about it.")
    for keyword in (*_PATIENT, "StudyInstanceUID"):
        if len({text(header, keyword) or "" for header in headers}) > 1:
            what = "studies" if keyword == "StudyInstanceUID" else "women"
            raise NoSource(
                f"{keyword} differs between the files: by their headers they are of several {what}. An object belongs "
                "to one study of one woman; give the files of one."
            )
    if len({source.instance for source in sources.values()}) < len(sources):
        raise NoSource("Two views have the same SOPInstanceUID, so an object cannot say which one it is about.")
    return sources


def _source(view: View, path: Path) -> Source:
    try:
        header = read_dataset(str(path))
    except Unusable as error:
        raise NoSource(f"{view.file}: {error}") from None
    except Exception:  # pydicom raises nearly everything for a file that is not DICOM
        raise NoSource(f"{view.file}: not a DICOM file, so no DICOM object can refer to it.") from None
    if lacking := [keyword for keyword in IDENTIFIERS if not text(header, keyword)]:
        raise NoSource(f"{view.file}: no {lacking[0]}, so no DICOM object can refer to it. Export the picture again.")
    if (header.get("Rows"), header.get("Columns")) != (view.rows, view.columns):
        raise NoSource(f"{view.file}: its header gives another size than its picture has. Export the picture again.")
    if "PixelData" in header:
        del header.PixelData
    return Source(view, header)
