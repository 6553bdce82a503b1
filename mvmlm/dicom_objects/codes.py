"""The codes of the objects, from PS3.16; what it has no code for has one of ours, under the scheme 99MVMLM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from ..exam import Laterality, Projection
from ..imaging.dicom_values import items, text

OWN_SCHEME = "99MVMLM"
Key = TypeVar("Key")


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


def _sct(value: str, meaning: str) -> Code:
    return Code(value, "SCT", meaning)


def own(value: str, meaning: str) -> Code:
    """Return a code of this program. value: at most 16 letters. meaning: at most 64."""
    return Code(value[:16], OWN_SCHEME, meaning[:64])


# of the content tree of a Mammography CAD SR
CAD_REPORT = _dcm("111036", "Mammography CAD Report")
LANGUAGE = _dcm("121049", "Language of Content Item and Descendants")
ENGLISH = Code("en", "RFC5646", "English")
IMAGE_LIBRARY = _dcm("111028", "Image Library")
IMAGE_LATERALITY = _dcm("111027", "Image Laterality")
IMAGE_VIEW = _dcm("111031", "Image View")
ROW_ORIENTATION = _dcm("111044", "Patient Orientation Row")
COLUMN_ORIENTATION = _dcm("111043", "Patient Orientation Column")
FINDINGS_SUMMARY = _dcm("111017", "CAD Processing and Findings Summary")
IMPRESSION = _dcm("111033", "Impression Description")
INDIVIDUAL_IMPRESSION = _dcm("111034", "Individual Impression/Recommendation")
RENDERING_INTENT = _dcm("111056", "Rendering Intent")
SINGLE_FINDING = _dcm("111059", "Single Image Finding")
CERTAINTY = _dcm("111012", "Certainty of Finding")
CANCER = _dcm("111047", "Probability of cancer")
CENTRE = _dcm("111010", "Center")
OUTLINE = _dcm("111041", "Outline")
ALGORITHM_NAME = _dcm("111001", "Algorithm Name")
ALGORITHM_VERSION = _dcm("111003", "Algorithm Version")
DETECTIONS = _dcm("111064", "Summary of Detections")
ANALYSES = _dcm("111065", "Summary of Analyses")
SUCCESSFUL_DETECTIONS = _dcm("111063", "Successful Detections")
FAILED_DETECTIONS = _dcm("111025", "Failed Detections")
SUCCESSFUL_ANALYSES = _dcm("111062", "Successful Analyses")
FAILED_ANALYSES = _dcm("111024", "Failed Analyses")
DETECTION = _dcm("111022", "Detection Performed")
ANALYSIS = _dcm("111004", "Analysis Performed")
PERCENT = Code("%", "UCUM", "Percent")
MILLIMETRE = Code("mm", "UCUM", "millimeter")
LONG_AXIS = _sct("103339001", "Long axis")

#: CID 6022
SIDES = {Laterality.RIGHT: _sct("73056007", "Right breast"), Laterality.LEFT: _sct("80248007", "Left breast")}
#: CID 4014
VIEWS = {
    Projection.CC: _sct("399162004", "cranio-caudal"),
    Projection.MLO: _sct("399368009", "medio-lateral oblique"),
}
#: CID 6014; an asymmetry is none of its findings, so that it has the code of CID 6016
SINGLE_FINDINGS = {
    "mass": _sct("129793001", "Mammography breast density"),
    "calcification": _sct("129769006", "Calcification Cluster"),
    "distortion": _sct("129792006", "Architectural distortion of breast"),
    "asymmetry": _sct("129790003", "Asymmetric breast tissue"),
}
#: further codes that other programs use for the same kinds
OTHER_CODES = {
    "mass": (_sct("129788004", "Mammographic breast mass"),),
    "calcification": (_sct("129770007", "Individual Calcification"),),
    "asymmetry": (_sct("129789007", "Focal asymmetric breast tissue"),),
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
