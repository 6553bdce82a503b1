"""What a kept copy holds of its file: one table of attributes after the Basic Profile of DICOM PS3.15, Annex E.

A copy is written from the view alone, so nothing enters it that the table does not name: no private attribute, no
nested sequence of another object, no name of a window or LUT, no comment. The options of the profile that are used:
Retain Patient Characteristics (the age) and, by the reader's choice, Retain Longitudinal Temporal Information with full
or with modified dates. Laterality, view and technique are kept; the profile does not ask to remove them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ..exam import Exam


class Dates(str, Enum):
    """What happens to the date of an exam in its kept copy."""

    KEEP = "keep"
    SHIFT = "shift"  # by the same number of days for all exams of a patient
    REMOVE = "remove"


class Action(str, Enum):
    """What a copy holds in place of an attribute's value: the action codes of PS3.15 Table E.1-1a."""

    KEEP = "K"  # the value that was read
    EMPTY = "Z"  # a value of zero length
    REPLACE = "D"  # a pseudonym, or a fixed value
    UID = "U"  # another UID, the same for the same study, series and image
    DATE = "C"  # as `Dates` says


_KEEP = [
    "Modality", "PresentationIntentType", "Manufacturer", "ManufacturerModelName", "BodyPartExamined",
    "AnatomicRegionSequence", "OrganExposed", "ImageLaterality", "ViewPosition", "ViewCodeSequence",
    "ViewModifierCodeSequence", "CodeValue", "CodingSchemeDesignator", "CodeMeaning", "PatientOrientation",
    "PositionerType", "ImagerPixelSpacing", "PixelSpacing", "PixelSpacingCalibrationType",
    "PixelSpacingCalibrationDescription",
    "NominalScannedPixelSpacing", "EstimatedRadiographicMagnificationFactor", "BodyPartThickness", "KVP",
    "ExposureInuAs", "PatientAge", "BurnedInAnnotation", "BreastImplantPresent", "SamplesPerPixel",
    "PhotometricInterpretation", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "PixelIntensityRelationship", "PixelIntensityRelationshipSign", "RescaleSlope",
    "RescaleIntercept", "RescaleType", "PresentationLUTShape", "LossyImageCompression", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "PixelData", "WindowCenter", "WindowWidth", "VOILUTFunction", "VOILUTSequence",
    "LUTDescriptor", "LUTData", "PartialView", "PartialViewCodeSequence", "CompressionForce", "OrganDose",
    "EntranceDoseInmGy",
]  # fmt: skip
_EMPTY = [
    "PatientSex", "PatientBirthDate", "AccessionNumber", "ReferringPhysicianName", "DetectorType",
    "AcquisitionContextSequence",
]  # fmt: skip
_REPLACE = [
    "SOPClassUID", "PatientID", "PatientName", "SeriesNumber", "InstanceNumber", "ImageType",
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified", "StudyTime", "StudyID",
    "QualityControlSubject", "DeviceSerialNumber",  # of phantoms alone: no woman's machine is named
]  # fmt: skip

#: every attribute of a copy, nested ones included, by its keyword; an attribute that is not listed is removed (X)
ATTRIBUTES: dict[str, Action] = (
    dict.fromkeys(_KEEP, Action.KEEP)
    | dict.fromkeys(_EMPTY, Action.EMPTY)
    | dict.fromkeys(_REPLACE, Action.REPLACE)
    | dict.fromkeys(("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"), Action.UID)
    | {"StudyDate": Action.DATE}
)

#: codes of PS3.16 CID 7050
_BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
_CLEAN_PIXELS = ("113101", "Clean Pixel Data Option")
_RETAIN_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")
_RETAIN_DATES = {
    Dates.KEEP: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Dates.SHIFT: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
}
_DATES_MODIFIED = {Dates.KEEP: "UNMODIFIED", Dates.SHIFT: "MODIFIED", Dates.REMOVE: "REMOVED"}
LONGEST_SHIFT_DAYS = 3650


@dataclass(frozen=True)
class TextLook:
    """Whether text was looked for in the pixels of a view, how many were masked, and whether doubtful ones stay."""

    looked_for: bool = False
    masked: int = 0
    doubtful: bool = False

    @property
    def in_words(self) -> str:
        """What was done, for the header of a copy."""
        if not self.looked_for:
            return "not looked for"
        return f"looked for, {self.masked or 'none'} masked{', some doubtful' if self.doubtful else ''}"


def add_deidentification(ds: Dataset, dates: Dates, text: TextLook | None) -> None:
    """Add the attributes that say how a copy was de-identified (PS3.3 C.7.1.1 and C.12.1.1.1).

    text: what was done about text in the pixels; None says nothing of it.
    """
    cleaned = _CLEAN_PIXELS if text is not None and text.looked_for and not text.doubtful else None
    options = [_BASIC_PROFILE, *filter(None, [cleaned]), _RETAIN_CHARACTERISTICS]
    options += filter(None, [_RETAIN_DATES.get(dates)])
    ds.PatientIdentityRemoved = "YES"
    method = "Written anew by MV-MLM from pixels, view, technique and dates"
    ds.DeidentificationMethod = [method, f"Text in the picture: {text.in_words}"] if text is not None else method
    ds.DeidentificationMethodCodeSequence = Sequence([code_item("DCM", *option) for option in options])
    ds.LongitudinalTemporalInformationModified = _DATES_MODIFIED[dates]


def code_item(scheme: str, value: str, meaning: str) -> Dataset:
    """Return an item of a code sequence (PS3.3 8.8). scheme: such as "SCT" or "DCM"."""
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def check_attributes(ds: Dataset) -> None:
    """Raise ValueError for an attribute, also a nested one, that the table does not name or wants empty."""
    for element in ds.iterall():
        action = ATTRIBUTES.get(element.keyword)
        if action is None or (action is Action.EMPTY and not element.is_empty):
            raise ValueError(f"{element.tag} {element.keyword}: a copy does not hold this attribute")


def without_identity(exam: Exam) -> Exam:
    """Return the exam without whose it is and who made it, as a stored one opens; its prior too."""
    return replace(
        exam,
        views={name: replace(view, identity=None) for name, view in exam.views.items()},
        extra=tuple(replace(view, identity=None) for view in exam.extra),
        prior=without_identity(exam.prior) if exam.prior else None,
    )


def copied_date(date: str | None, dates: Dates, shift_days: int) -> str | None:
    """Return the date YYYYMMDD of a copy; None where it is removed or cannot be shifted."""
    if dates is Dates.KEEP or not date:
        return date
    if dates is Dates.REMOVE:
        return None
    try:
        return (datetime.strptime(date, "%Y%m%d") - timedelta(days=shift_days)).strftime("%Y%m%d")
    except ValueError:
        return None


def shift_days(patient_hash: str) -> int:
    """Return by how many days the dates of a patient are shifted, 1 to LONGEST_SHIFT_DAYS.

    patient_hash: a keyed hash of the patient's ID, in hex, so that nobody without the key can compute it.
    """
    return int(patient_hash[:16], 16) % LONGEST_SHIFT_DAYS + 1
