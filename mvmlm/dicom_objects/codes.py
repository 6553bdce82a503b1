"""The codes of the objects, from PS3.16; what it has no code for has one of ours, under the scheme 99MVMLM."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TypeVar

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ..exam import Laterality, Projection
from ..imaging.dicom_values import items, text

OWN_SCHEME = "99MVMLM"
Key = TypeVar("Key")


def dcm(value: str, meaning: str) -> Code:
    """Return a code of DICOM itself."""
    return Code(value, "DCM", meaning)


def sct(value: str, meaning: str) -> Code:
    """Return a code of SNOMED CT."""
    return Code(value, "SCT", meaning)


def own(value: str, meaning: str) -> Code:
    """Return a code of this program.

    value: longer than 16 letters, it is cut and told apart by a checksum. meaning: the first 64 letters are written.
    """
    if len(value) > 16:
        value = f"{value[:11]}-{hashlib.sha256(value.encode()).hexdigest()[:4]}"
    return Code(value, OWN_SCHEME, meaning[:64])


# of the content tree of a Mammography CAD SR
CAD_REPORT = dcm("111036", "Mammography CAD Report")
LANGUAGE = dcm("121049", "Language of Content Item and Descendants")
ENGLISH = Code("en", "RFC5646", "English")
IMAGE_LIBRARY = dcm("111028", "Image Library")
IMAGE_LATERALITY = dcm("111027", "Image Laterality")
IMAGE_VIEW = dcm("111031", "Image View")
ROW_ORIENTATION = dcm("111044", "Patient Orientation Row")
COLUMN_ORIENTATION = dcm("111043", "Patient Orientation Column")
FINDINGS_SUMMARY = dcm("111017", "CAD Processing and Findings Summary")
IMPRESSION = dcm("111033", "Impression Description")
INDIVIDUAL_IMPRESSION = dcm("111034", "Individual Impression/Recommendation")
RENDERING_INTENT = dcm("111056", "Rendering Intent")
SINGLE_FINDING = dcm("111059", "Single Image Finding")
CERTAINTY = dcm("111012", "Certainty of Finding")
CANCER = dcm("111047", "Probability of cancer")
CENTRE = dcm("111010", "Center")
OUTLINE = dcm("111041", "Outline")
ALGORITHM_NAME = dcm("111001", "Algorithm Name")
ALGORITHM_VERSION = dcm("111003", "Algorithm Version")
DETECTIONS = dcm("111064", "Summary of Detections")
ANALYSES = dcm("111065", "Summary of Analyses")
SUCCESSFUL_DETECTIONS = dcm("111063", "Successful Detections")
FAILED_DETECTIONS = dcm("111025", "Failed Detections")
SUCCESSFUL_ANALYSES = dcm("111062", "Successful Analyses")
FAILED_ANALYSES = dcm("111024", "Failed Analyses")
DETECTION = dcm("111022", "Detection Performed")
ANALYSIS = dcm("111004", "Analysis Performed")
PERCENT = Code("%", "UCUM", "Percent")
MILLIMETRE = Code("mm", "UCUM", "millimeter")
LONG_AXIS = sct("103339001", "Long axis")

#: CID 6022
SIDES = {Laterality.RIGHT: sct("73056007", "Right breast"), Laterality.LEFT: sct("80248007", "Left breast")}
FINDING_SITE, LATERALITY = sct("363698007", "Finding Site"), sct("272741003", "Laterality")
#: CID 244
LATERALITIES = {Laterality.RIGHT: sct("24028007", "Right"), Laterality.LEFT: sct("7771000", "Left")}
#: CID 4014
VIEWS = {
    Projection.CC: sct("399162004", "cranio-caudal"),
    Projection.MLO: sct("399368009", "medio-lateral oblique"),
}
#: CID 6014; an asymmetry is none of its findings, so that it has the code of CID 6016
SINGLE_FINDINGS = {
    "mass": sct("129793001", "Mammography breast density"),
    "calcification": sct("129769006", "Calcification Cluster"),
    "distortion": sct("129792006", "Architectural distortion of breast"),
    "asymmetry": sct("129790003", "Asymmetric breast tissue"),
}
#: further codes that other programs use for the same kinds
OTHER_CODES = {
    "mass": (sct("129788004", "Mammographic breast mass"),),
    "calcification": (sct("129770007", "Individual Calcification"),),
    "asymmetry": (sct("129789007", "Focal asymmetric breast tissue"),),
}


def code_of(item: Dataset, keyword: str) -> Code | None:
    """Return the first code of a sequence of an item; None where it is missing or incomplete."""
    for found in items(item, keyword):
        value = text(found, "CodeValue") or text(found, "LongCodeValue") or text(found, "URNCodeValue")
        if value:
            return Code(value, text(found, "CodingSchemeDesignator") or "", text(found, "CodeMeaning") or value)
    return None


def same(code: Code | None, other: Code) -> bool:
    """Return whether two codes mean the same; those of the former scheme SRT equal those of SCT."""
    return code is not None and bool(code == other)


def key_of(code: Code | None, table: Mapping[Key, Code]) -> Key | None:
    """Return the key of a code in a table; None where it has none."""
    return next((key for key, other in table.items() if same(code, other)), None)


def kind_of(code: Code | None) -> str | None:
    """Return the kind of a finding, one of `lexicon.KINDS`; None for a code that is none of them."""
    if kind := key_of(code, SINGLE_FINDINGS):
        return kind
    return next((kind for kind, codes in OTHER_CODES.items() if any(same(code, other) for other in codes)), None)
