"""View -> DICOM file with complete mammography headers and no name of a person, the same bytes every time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
)

from ..exam import Orientation, Projection, SpacingKind, View, ViewName, Window

#: PS3.16 CID 4014, the two standard projections
_VIEW_CODES = {Projection.CC: ("399162004", "cranio-caudal"), Projection.MLO: ("399368009", "medio-lateral oblique")}
TABLE_BITS = 16  # of the entries of a written VOI LUT


def uid(*parts: str) -> UID:
    """Return a UID that depends on `parts` only (2.25 root, PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return UID(f"2.25.{int.from_bytes(digest[:16], 'big')}")


def dataset(view: View, patient_id: str) -> FileDataset:
    """Return a Digital Mammography X-Ray Image (PS3.3 A.27) of a standard view, uncompressed.

    View.pixels are written as stored values. Raises ValueError for a view without a name.
    """
    name = _name_of(view)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = (
        DigitalMammographyXRayImageStorageForProcessing
        if view.for_processing
        else DigitalMammographyXRayImageStorageForPresentation
    )
    meta.MediaStorageSOPInstanceUID = uid(patient_id, str(name), "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("mvmlm")
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    _add_study(ds, view, patient_id, name)
    _add_geometry(ds, view, name)
    _add_acquisition(ds, view)
    _add_pixels(ds, view)
    _add_windows(ds, view)
    return ds


def write_view(view: View, path: Path, patient_id: str) -> None:
    """Write a standard view as an uncompressed DICOM file (PS3.10). Raises ValueError for a view without a name."""
    dataset(view, patient_id).save_as(path, enforce_file_format=True)


def _name_of(view: View) -> ViewName:
    if view.name is None:
        raise ValueError(f"{view.file}: set which view it is before it is written")
    return view.name


def _add_study(ds: Dataset, view: View, patient_id: str, name: ViewName) -> None:
    """Patient, study, series and equipment."""
    ds.PatientID, ds.PatientName, ds.PatientSex, ds.PatientBirthDate = patient_id, patient_id, "F", ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(patient_id, "study"), uid(patient_id, str(name), "series")
    ds.StudyDate, ds.StudyTime = view.acquisition.date or "", "120000" if view.acquisition.date else ""
    ds.StudyID, ds.AccessionNumber = "1", ""
    ds.ReferringPhysicianName, ds.SeriesNumber, ds.InstanceNumber = "", 1, 1
    ds.Modality, ds.BodyPartExamined = "MG", "BREAST"
    ds.PresentationIntentType = "FOR PROCESSING" if view.for_processing else "FOR PRESENTATION"
    ds.Manufacturer, ds.ManufacturerModelName = view.acquisition.manufacturer or "", view.acquisition.model or ""
    ds.ImageType = ["DERIVED", "PRIMARY"]


def _add_geometry(ds: Dataset, view: View, name: ViewName) -> None:
    """Which view it is, how it lies, and its spacing."""
    ds.ImageLaterality, ds.ViewPosition = name.laterality.value, name.projection.value
    code = Dataset()
    code.CodeValue, code.CodeMeaning = _VIEW_CODES[name.projection]
    code.CodingSchemeDesignator, code.ViewModifierCodeSequence = "SCT", Sequence([])
    ds.ViewCodeSequence = Sequence([code])
    ds.PatientOrientation = [*Orientation.of(name, chest_wall_left=view.chest_wall_left, head_up=view.head_up)]
    if view.spacing and view.spacing.kind is SpacingKind.CORRECTED:
        ds.EstimatedRadiographicMagnificationFactor = "1"  # the factor is in the spacing already
    if view.spacing:
        ds.ImagerPixelSpacing = [f"{view.spacing.row_mm:.6g}", f"{view.spacing.column_mm:.6g}"]


def _add_acquisition(ds: Dataset, view: View) -> None:
    """Exposure, compression, age, and what is in the image."""
    acquisition = view.acquisition
    if acquisition.thickness_mm is not None:
        ds.BodyPartThickness = f"{acquisition.thickness_mm:.1f}"
    if acquisition.kvp is not None:
        ds.KVP = f"{acquisition.kvp:.6g}"
    if acquisition.exposure_mas is not None:
        ds.ExposureInuAs = str(round(acquisition.exposure_mas * 1000))
    if acquisition.age_years is not None:
        ds.PatientAge = f"{acquisition.age_years:03d}Y"
    ds.BurnedInAnnotation = "YES" if view.burned_in else "NO"
    ds.BreastImplantPresent = "YES" if view.implant else "NO"


def _add_pixels(ds: Dataset, view: View) -> None:
    """The Image Pixel module (PS3.3 C.7.6.3).

    Not by `Dataset.set_pixel_data`: it refuses the 32-bit values that a rescale may give.
    """
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1" if view.inverted else "MONOCHROME2"
    ds.Rows, ds.Columns = view.rows, view.columns
    bits = 8 * view.pixels.dtype.itemsize
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, view.bits, view.bits - 1
    ds.PixelRepresentation = int(view.pixels.dtype.kind == "i")
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "0", "1", "US"
    ds.PresentationLUTShape = "INVERSE" if view.inverted else "IDENTITY"
    if view.lossy:
        ds.LossyImageCompression = "01"
    if view.padding:
        ds.add_new("PixelPaddingValue", "SS" if ds.PixelRepresentation else "US", view.padding[0])
        ds.add_new("PixelPaddingRangeLimit", "SS" if ds.PixelRepresentation else "US", view.padding[1])
    ds.PixelData = np.ascontiguousarray(view.pixels).tobytes()
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"


def _add_windows(ds: Dataset, view: View) -> None:
    """The windows and tables of the view, by name (PS3.3 C.11.2).

    A file has one VOILUTFunction for all its windows, so windows of another function than the first are left out.
    """
    windows = [window for window in view.windows if window.function != "TABLE"]
    windows = [window for window in windows if window.function == windows[0].function]
    if windows:
        ds.WindowCenter, ds.WindowWidth = [f"{w.center:.10g}" for w in windows], [f"{w.width:.10g}" for w in windows]
        ds.WindowCenterWidthExplanation, ds.VOILUTFunction = [w.name for w in windows], windows[0].function
    tables = [window for window in view.windows if window.function == "TABLE"]
    if tables:
        ds.VOILUTSequence = Sequence([_voi_table(window, bool(ds.PixelRepresentation)) for window in tables])


def _voi_table(window: Window, signed: bool) -> Dataset:
    """One item of VOILUTSequence (PS3.3 C.11.2.1.1); 65536 entries are written as 0."""
    assert window.table is not None  # a window whose function is TABLE has one
    item = Dataset()
    values = np.round(window.table * ((1 << TABLE_BITS) - 1)).astype("<u2")
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(values) % 65536, window.first, TABLE_BITS])
    item.LUTExplanation = window.name
    item.add_new("LUTData", "OW", values.tobytes())
    return item
