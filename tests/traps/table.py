"""What a trap is, what may become of it, and the sound mammogram that each trap changes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

from mvmlm.exam import Exam, View, ViewName

Check = Callable[[View], bool]


@dataclass(frozen=True)
class Expected:
    """What must become of the misleading file.

    outcome: "right" (the standard view `view`), "marked" (the standard view `view` with the mark `code`), "extra" (not
    scored, with the mark `code`), "asked" (not scored, with a question of the key `code`), "refused" (set aside for the
    reason `code`) or "choose" (the files of several exams: none is opened). check: what else must hold of its view.
    """

    outcome: str
    code: str = ""
    view: str = ""
    check: Check | None = None


def right(view: str = "R_CC", check: Check | None = None) -> Expected:
    """The file is read as the standard view that it is."""
    return Expected("right", "", view, check)


def marked(code: str, view: str = "R_CC", check: Check | None = None) -> Expected:
    """The file is scored as the standard view `view`, and the reader is told `code`."""
    return Expected("marked", code, view, check)


def extra(code: str, check: Check | None = None) -> Expected:
    """The file is shown and not scored, and the reader is told `code`."""
    return Expected("extra", code, "", check)


def asked(key: str, check: Check | None = None) -> Expected:
    """The file is not scored before the reader has answered the question `key`."""
    return Expected("asked", key, "", check)


def refused(code: str) -> Expected:
    """The file is set aside, with a sentence."""
    return Expected("refused", code)


def choose() -> Expected:
    """The files are of several exams, and the reader must say which to open."""
    return Expected("choose")


@dataclass(frozen=True)
class Trap:
    """what: the trap in one line. build: writes the files into a folder. file: the misleading one, as the exam names it."""

    what: str
    expected: Expected
    build: Callable[[Path], None]
    file: str = "trap.dcm"


def dicom(
    what: str, expected: Expected, edit: Callable[[FileDataset], None] | None = None, *, view: str = "R_CC",
    file: str = "trap.dcm", **attributes,
) -> Trap:  # fmt: skip
    """A trap of one DICOM file: a sound mammogram with other attributes (None deletes one), then changed by `edit`."""

    def build(folder: Path) -> None:
        ds = mammogram(view, **attributes)
        if edit:
            edit(ds)
        save(ds, folder / file)

    return Trap(what, expected, build, file)


def breast(chest_wall_left: bool = True, rows: int = 160, columns: int = 120) -> np.ndarray:
    """(rows, columns) uint16, a bright half ellipse at one side: 12 bits, 20 outside, 1500 to 2390 inside."""
    row, column = np.mgrid[:rows, :columns]
    inside = ((row - rows / 2) / (rows * 0.44)) ** 2 + (column / (columns * 0.75)) ** 2 < 1
    pixels = np.where(inside, 1500 + 10 * (row % 90), 20).astype(np.uint16)
    return pixels if chest_wall_left else np.ascontiguousarray(pixels[:, ::-1])


def mammogram(view: str = "R_CC", pixels: np.ndarray | None = None, **attributes) -> FileDataset:
    """A sound mammogram of a standard view as a device writes it; right breasts have the chest wall at the right edge.

    pixels: (rows, columns) uint8 or uint16 stored values (default: `breast`). attributes: as in `dicom`.
    """
    name = ViewName.parse(view)
    left = name.laterality.value == "L"
    pixels = breast(left) if pixels is None else pixels
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = UID(f"1.2.826.0.1.3680043.9.7.{sum(map(ord, view))}")
    meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, UID("1.2.826.0.1.3680043.9.7")
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.ImageType, ds.Modality, ds.PresentationIntentType = ["DERIVED", "PRIMARY"], "MG", "FOR PRESENTATION"
    ds.StudyDate, ds.Manufacturer, ds.ManufacturerModelName = "20250310", "Maker", "Model"
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientSex = "A^B", "4711", "19600102", "F"
    ds.BodyPartExamined, ds.StudyInstanceUID, ds.SeriesInstanceUID = "BREAST", "1.2.3.4", f"1.2.3.4.{ord(view[0])}"
    ds.ImageLaterality, ds.ViewPosition = name.laterality.value, name.projection.value
    code = Dataset()
    code.CodeValue = {"CC": "399162004", "MLO": "399368009"}[name.projection.value]
    code.CodingSchemeDesignator, code.CodeMeaning = (
        "SCT",
        {"CC": "cranio-caudal", "MLO": "medio-lateral oblique"}[name.projection.value],
    )
    code.ViewModifierCodeSequence = []
    ds.ViewCodeSequence = [code]
    down = "F" if name.projection.value == "MLO" else "R" if left else "L"
    ds.PatientOrientation = ["A" if left else "P", down]
    ds.ImagerPixelSpacing = [0.07, 0.07]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated = 8 * pixels.dtype.itemsize
    ds.BitsStored = 8 if pixels.dtype.itemsize == 1 else 12
    ds.HighBit = ds.BitsStored - 1
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for keyword, value in attributes.items():
        if value is None:
            delattr(ds, keyword)
        else:
            setattr(ds, keyword, value)
    return ds


def save(ds: FileDataset, path: Path) -> None:
    """Write a data set as a DICOM file (PS3.10), whatever its values are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def view_of(exam: Exam, file: str) -> View | None:
    """The view of a file, standard or extra."""
    return next((view for view in (*exam.views.values(), *exam.extra) if view.file == file), None)


def picture(what: str, expected: Expected, file: str, view: str = "R_CC", pixels: np.ndarray | None = None) -> Trap:
    """A trap of one PNG, TIFF or JPEG: 8 bits, with the chest wall where that view has it unless `pixels` are given."""

    def build(folder: Path) -> None:
        values = breast(view[0] == "L") if pixels is None else pixels
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / file), (values >> 4).astype(np.uint8))

    return Trap(what, expected, build, file)


def save_pair(what: str, file: str, code: str, **attributes) -> Trap:
    """A trap of a sound R CC beside a larger one with other attributes, which is shown and not scored."""

    def build(folder: Path) -> None:
        save(mammogram("R_CC"), folder / "sound.dcm")
        save(mammogram("R_CC", breast(False, 320, 240), **attributes), folder / file)

    return Trap(what, extra(code), build, file)
