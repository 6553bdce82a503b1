"""View -> DICOM file with complete mammography headers and nobody's name, the same bytes every time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from ..exam import Laterality, Projection, SpacingKind, View

FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.2"
FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.2.1"
_CODES = {Projection.CC: ("399162004", "cranio-caudal"), Projection.MLO: ("399368009", "medio-lateral oblique")}


def uid(*parts: str) -> str:
    """A UID that depends on its parts only (2.25 root, PS3.5 B.2)."""
    digest = hashlib.sha256("/".join(parts).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def orientation(view: View) -> list[str]:
    """PatientOrientation of a stored view, from its chest wall and its upper side."""
    row = "A" if view.chest_wall_left else "P"
    if view.name.projection is Projection.CC:
        medial = "L" if view.name.laterality is Laterality.RIGHT else "R"
        lateral = "R" if view.name.laterality is Laterality.RIGHT else "L"
        return [row, medial if view.head_up else lateral]
    return [row, "F" if view.head_up else "H"]


def dataset(view: View, patient_id: str) -> FileDataset:
    """A Digital Mammography X-Ray Image of `view`, uncompressed. View.pixels are taken as stored values."""
    name = str(view.name)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = FOR_PROCESSING if view.for_processing else FOR_PRESENTATION
    meta.MediaStorageSOPInstanceUID = uid(patient_id, name, "instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = uid("mvmlm")
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.PatientID, ds.PatientName, ds.PatientSex, ds.PatientBirthDate = patient_id, patient_id, "F", ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(patient_id, "study"), uid(patient_id, name, "series")
    ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = (
        view.acquisition.date or "",
        "120000" if view.acquisition.date else "",
        "1",
        "",
    )
    ds.ReferringPhysicianName, ds.SeriesNumber, ds.InstanceNumber = "", 1, 1
    ds.Modality, ds.BodyPartExamined = "MG", "BREAST"
    ds.PresentationIntentType = "FOR PROCESSING" if view.for_processing else "FOR PRESENTATION"
    ds.Manufacturer, ds.ManufacturerModelName = view.acquisition.manufacturer or "", view.acquisition.model or ""
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.ImageLaterality, ds.ViewPosition = view.name.laterality.value, view.name.projection.value
    code = Dataset()
    code.CodeValue, code.CodeMeaning = _CODES[view.name.projection]
    code.CodingSchemeDesignator, code.ViewModifierCodeSequence = "SCT", Sequence([])
    ds.ViewCodeSequence = Sequence([code])
    ds.PatientOrientation = orientation(view)
    if view.spacing and view.spacing.kind is SpacingKind.CORRECTED:
        ds.EstimatedRadiographicMagnificationFactor = "1"  # the factor is in the spacing already
    if view.spacing:
        ds.ImagerPixelSpacing = [f"{view.spacing.row_mm:.6g}", f"{view.spacing.column_mm:.6g}"]
    if view.acquisition.thickness_mm is not None:
        ds.BodyPartThickness = f"{view.acquisition.thickness_mm:.1f}"
    if view.acquisition.kvp is not None:
        ds.KVP = f"{view.acquisition.kvp:.6g}"
    if view.acquisition.exposure_mas is not None:
        ds.ExposureInuAs = str(round(view.acquisition.exposure_mas * 1000))
    if view.acquisition.age_years is not None:
        ds.PatientAge = f"{view.acquisition.age_years:03d}Y"
    ds.BurnedInAnnotation = "YES" if view.burned_in else "NO"
    ds.BreastImplantPresent = "YES" if view.implant else "NO"
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
    _add_windows(ds, view)
    ds.PixelData = np.ascontiguousarray(view.pixels).tobytes()
    ds["PixelData"].VR = "OB" if bits == 8 else "OW"
    return ds


def _add_windows(ds: Dataset, view: View) -> None:
    """The windows and tables that the view offers, by name. One function serves a file's windows: its first one's."""
    plain = [window for window in view.windows if window.function != "TABLE"]
    plain = [window for window in plain if window.function == plain[0].function]
    if plain:
        ds.WindowCenter, ds.WindowWidth = [f"{w.center:.10g}" for w in plain], [f"{w.width:.10g}" for w in plain]
        ds.WindowCenterWidthExplanation, ds.VOILUTFunction = [w.name for w in plain], plain[0].function
    tables = [window for window in view.windows if window.function == "TABLE"]
    if tables:
        ds.VOILUTSequence = Sequence([_table(window, bool(ds.PixelRepresentation)) for window in tables])


def _table(window, signed: bool) -> Dataset:
    item = Dataset()
    values = np.round(window.table * 65535).astype("<u2")
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(values) % 65536, window.first, 16])
    item.LUTExplanation = window.name
    item.add_new("LUTData", "OW", values.tobytes())
    return item


def write_view(view: View, path: Path, patient_id: str) -> None:
    """Writes `view` as an uncompressed DICOM file, laid out as DICOM-in-file with its meta header."""
    dataset(view, patient_id).save_as(path, enforce_file_format=True)
