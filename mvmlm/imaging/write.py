"""View -> DICOM file with complete mammography headers and no name of a person, the same bytes every time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    ExplicitVRLittleEndian,
)
from pydicom.valuerep import format_number_as_ds

from ..exam import Orientation, Projection, Spacing, SpacingKind, View, ViewName, Window
from .deidentification import Dates, TextLook, add_deidentification, check_attributes, code_item
from .own_uids import IMPLEMENTATION, uid
from .partial_view import add_partial_view
from .phantom_files import add_phantom_mark, is_phantom_view
from .voi import full_range

#: PS3.16 CID 4014, the two standard projections
_VIEW_CODES = {Projection.CC: ("399162004", "cranio-caudal"), Projection.MLO: ("399368009", "medio-lateral oblique")}
_BREAST_CODE = ("76752008", "Breast")  # PS3.16 CID 4013
BITS_STORED = (6, 16)  # allowed by PS3.3 C.8.11.3


class NotRepresentable(ValueError):
    """Why a view cannot be written as DICOM without a change, in one sentence for the reader."""


def dataset(
    view: View, patient_id: str, study: str = "study", dates: Dates = Dates.KEEP, text: TextLook | None = None
) -> FileDataset:
    """Return a standard view as an uncompressed image, the same bytes for the same arguments.

    A Digital Mammography X-Ray Image (PS3.3 A.27). That kind demands unsigned values, no rescale and the spacing at the
    detector, so any other view becomes a Computed Radiography Image (PS3.3 A.2), which has the Modality LUT module.
    patient_id, study: pseudonyms; all UIDs follow from them. dates: what was done with the view's dates. text: and
    with text in its pixels; None says nothing of it.
    Raises NotRepresentable, and ValueError for a view without a name.
    """
    name = _name_of(view)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = _sop_class(view)
    meta.MediaStorageSOPInstanceUID = uid(patient_id, study, str(name), "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    _add_study(ds, view, patient_id, study, name)
    _add_geometry(ds, view, name)
    _add_acquisition(ds, view)
    _add_pixels(ds, view)
    _add_windows(ds, view)
    if is_phantom_view(view):
        add_phantom_mark(ds, view)
    add_deidentification(ds, dates, text)
    check_attributes(ds)
    return ds


def write_view(
    view: View, path: Path, patient_id: str, study: str = "study", dates: Dates = Dates.KEEP,
    text: TextLook | None = None,
) -> None:  # fmt: skip
    """Write `dataset` to a file (PS3.10). Raises what `dataset` raises."""
    dataset(view, patient_id, study, dates, text).save_as(path, enforce_file_format=True)


def _name_of(view: View) -> ViewName:
    if view.name is None:
        raise ValueError(f"{view.file}: set which view it is before it is written")
    return view.name


def _sop_class(view: View) -> UID:
    slope, intercept = view.rescale
    detector = view.spacing is not None and view.spacing.kind in (SpacingKind.DETECTOR, SpacingKind.CORRECTED)
    windowed = view.for_processing and view.windows  # a mammogram for processing has no VOI LUT module
    if view.pixels.dtype.kind != "u" or (slope, intercept) != (1.0, 0.0) or not detector or windowed:
        return ComputedRadiographyImageStorage
    if view.for_processing:
        return DigitalMammographyXRayImageStorageForProcessing
    return DigitalMammographyXRayImageStorageForPresentation


def _add_study(ds: Dataset, view: View, patient_id: str, study: str, name: ViewName) -> None:
    """Patient, study, series and equipment."""
    ds.PatientID, ds.PatientName, ds.PatientSex, ds.PatientBirthDate = patient_id, f"{patient_id}^", "", ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(patient_id, study), uid(patient_id, study, str(name), "series")
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
    ds.ViewCodeSequence = Sequence([code_item("SCT", *_VIEW_CODES[name.projection])])
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = Sequence([])
    ds.AnatomicRegionSequence = Sequence([code_item("SCT", *_BREAST_CODE)])
    ds.OrganExposed, ds.PositionerType, ds.DetectorType = "BREAST", "MAMMOGRAPHIC", None
    ds.PatientOrientation = [*_orientation(view, name)]
    if view.spacing:
        _add_spacing(ds, view.spacing)


def _add_spacing(ds: Dataset, spacing: Spacing) -> None:
    """The spacing in the attribute that says what it means (PS3.3 10.7.1.3); see `dicom_spacing.read_spacing`."""
    pair = [format_number_as_ds(mm) for mm in (spacing.row_mm, spacing.column_mm)]
    if spacing.kind in (SpacingKind.DETECTOR, SpacingKind.CORRECTED):
        ds.ImagerPixelSpacing = pair
    elif spacing.kind is SpacingKind.NOMINAL:
        ds.NominalScannedPixelSpacing = pair
    else:
        ds.PixelSpacing = pair
    if spacing.kind is SpacingKind.CORRECTED:
        ds.EstimatedRadiographicMagnificationFactor = "1"  # the factor is in the spacing already
    if spacing.kind is SpacingKind.CALIBRATED:
        ds.PixelSpacingCalibrationType = "GEOMETRY"
        ds.PixelSpacingCalibrationDescription = "as in the file"


def _orientation(view: View, name: ViewName) -> Orientation:
    """The view's letters; where the column direction is not known, the one of a view that hangs with its head up."""
    if view.orientation.column:
        return view.orientation
    return Orientation.of(name, chest_wall_left=view.chest_wall_left, head_up=view.head_up)


def _add_acquisition(ds: Dataset, view: View) -> None:
    """Exposure, compression, age, and what is in the image."""
    acquisition = view.acquisition
    if acquisition.thickness_mm is not None:
        ds.BodyPartThickness = format_number_as_ds(acquisition.thickness_mm)
    if acquisition.kvp is not None:
        ds.KVP = format_number_as_ds(acquisition.kvp)
    if acquisition.exposure_mas is not None:
        ds.ExposureInuAs = str(round(acquisition.exposure_mas * 1000))
    if acquisition.compression_n is not None:
        ds.CompressionForce = format_number_as_ds(acquisition.compression_n)
    if acquisition.organ_dose_mgy is not None:
        ds.OrganDose = format_number_as_ds(round(acquisition.organ_dose_mgy / 100, 8))  # in dGy
    if acquisition.entrance_dose_mgy is not None:
        ds.EntranceDoseInmGy = format_number_as_ds(acquisition.entrance_dose_mgy)
    if acquisition.age_years is not None:
        ds.PatientAge = f"{acquisition.age_years:03d}Y"
    ds.AcquisitionContextSequence = Sequence([])
    ds.BurnedInAnnotation = "YES" if view.burned_in else "NO"
    ds.BreastImplantPresent = "YES" if view.implant else "NO"
    if view.partial:
        add_partial_view(ds, view.partial)


def _add_pixels(ds: Dataset, view: View) -> None:
    """The Image Pixel module (PS3.3 C.7.6.3) and the rescale that gives the view's values back."""
    stored, (slope, intercept) = _stored_values(view)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1" if view.inverted else "MONOCHROME2"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleSlope, ds.RescaleIntercept = format_number_as_ds(slope), format_number_as_ds(intercept)
    ds.RescaleType = "US"
    ds.PresentationLUTShape = "INVERSE" if view.inverted else "IDENTITY"
    ds.LossyImageCompression = "01" if view.lossy else "00"
    ds.set_pixel_data(stored, ds.PhotometricInterpretation, _bits_stored(stored, view), generate_instance_uid=False)
    if view.padding:
        for keyword, value in zip(("PixelPaddingValue", "PixelPaddingRangeLimit"), view.padding, strict=True):
            padding = round((value - intercept) / slope)
            low, high = (-(1 << 15), (1 << 15) - 1) if ds.PixelRepresentation else (0, (1 << 16) - 1)
            if not low <= padding <= high:
                raise NotRepresentable(f"its padding value {value} does not fit into 16 bits; store it without a copy")
            ds.add_new(keyword, "SS" if ds.PixelRepresentation else "US", padding)


def _stored_values(view: View) -> tuple[np.ndarray, tuple[float, float]]:
    """Return (rows, columns) integers of at most 16 bits, and the slope and intercept that give the view's values."""
    slope, intercept = view.rescale
    stored = view.pixels if (slope, intercept) == (1.0, 0.0) else np.rint((view.pixels - intercept) / slope)
    low, high = float(stored.min()), float(stored.max())
    if stored.dtype.kind == "f" and not np.array_equal(stored, np.rint(stored)):
        raise NotRepresentable("its values are fractions without a known rescale; store it without a copy")
    if not (low >= 0 and high < 1 << 16 or low >= -(1 << 15) and high < 1 << 15):
        raise NotRepresentable(f"its values, {low:g} to {high:g}, do not fit into 16 bits; store it without a copy")
    if low >= 0 and not (stored.dtype.kind == "i" and high < 1 << 15):  # signed values stay signed
        return stored.astype(np.uint8 if view.pixels.dtype.itemsize == 1 else np.uint16), (slope, intercept)
    return stored.astype(np.int16), (slope, intercept)


def _bits_stored(stored: np.ndarray, view: View) -> int:
    """BitsStored: that of the view where its values fit, else what they need."""
    if stored.dtype.itemsize == 1:
        return 8
    low, high = int(stored.min()), int(stored.max())
    needed = max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + (stored.dtype.kind == "i")
    return int(np.clip(max(view.bits, needed), *BITS_STORED))


def _add_windows(ds: Dataset, view: View) -> None:
    """The windows and tables of the view without their names, which are free text (PS3.3 C.11.2).

    An image for presentation must have one: where the file has none, the full range is written.
    """
    tables = [window for window in view.windows if window.function == "TABLE"]
    windows = [window for window in view.windows if window.function != "TABLE"]
    if not view.windows and not view.for_processing:
        windows = [full_range(view)]
    if len({window.function for window in windows}) > 1:
        raise NotRepresentable("its windows have several functions, and DICOM has one for all; store it without a copy")
    if windows:
        ds.WindowCenter = [format_number_as_ds(float(window.center)) for window in windows]
        ds.WindowWidth = [format_number_as_ds(float(window.width)) for window in windows]
        ds.VOILUTFunction = windows[0].function
    if tables:
        ds.VOILUTSequence = Sequence([_voi_table(window) for window in tables])


def _voi_table(window: Window) -> Dataset:
    """One item of VOILUTSequence (PS3.3 C.11.2.1.1); 65536 entries are written as 0."""
    assert window.table is not None  # a window whose function is TABLE has one
    item = Dataset()
    bits = 16 if window.table_bits == 8 else window.table_bits  # 8 bits are not allowed here; the levels stay the same
    values = np.round(window.table.astype(np.float64) * ((1 << bits) - 1)).astype("<u2")
    if not -(1 << 15) <= window.first < 1 << 16:
        raise NotRepresentable(f"its VOI LUT begins at {window.first}, beyond 16 bits; store it without a copy")
    count = len(values) % 65536
    if window.first < 0:  # then all three values are written as signed ones, with the same 16 bits for the count
        item.add_new("LUTDescriptor", "SS", [count - 65536 * (count > 32767), window.first, bits])
    else:
        item.add_new("LUTDescriptor", "US", [count, window.first, bits])
    item.add_new("LUTData", "OW", values.tobytes())
    return item
