"""Which view a file shows, each fact with its source: DICOM codes first; free text and file names last, as guesses.

Pure functions of a `FileHeader`. The code tables are written out here: importing `pydicom.sr.codedict` takes 0.4 s.
"""

from __future__ import annotations

import re

from ..exam import Laterality, Modifier, Projection, Sourced, Spacing, SpacingKind, ViewName
from .file_header import FileHeader

#: PS3.16 CID 4014, View for Mammography, in SNOMED CT (SCT) and the older SRT and SNM3 codes
VIEW_CODES = {
    "399162004": Projection.CC, "R-10242": Projection.CC,
    "399368009": Projection.MLO, "R-10226": Projection.MLO,
    "399260004": Projection.ML, "R-10224": Projection.ML,
    "399352003": Projection.LM, "R-10228": Projection.LM,
    "399099002": Projection.LMO, "R-10230": Projection.LMO,
    "399265009": Projection.XCCL, "R-1024A": Projection.XCCL,
    "399192008": Projection.XCCL, "Y-X1770": Projection.XCCL,
    "399101009": Projection.XCCM, "R-1024B": Projection.XCCM, "Y-X1771": Projection.XCCM,
    "399196006": Projection.FB, "R-10244": Projection.FB,
    "399188001": Projection.SIO, "R-102D0": Projection.SIO,
    "441555000": Projection.ISO, "R-40AAA": Projection.ISO,
    "399161006": Projection.CV, "R-102D2": Projection.CV,
    "399011000": Projection.AT, "R-102D1": Projection.AT,
    "127457009": Projection.SPECIMEN, "G-8310": Projection.SPECIMEN,
}  # fmt: skip
#: PS3.16 CID 4015, View Modifier for Mammography
MODIFIER_CODES = {
    "399163009": Modifier.MAGNIFICATION, "R-102D6": Modifier.MAGNIFICATION,
    "399055006": Modifier.SPOT, "R-102D7": Modifier.SPOT,
    "399209000": Modifier.IMPLANT_DISPLACED, "R-102D5": Modifier.IMPLANT_DISPLACED,
    "399110001": Modifier.TANGENTIAL, "R-102C2": Modifier.TANGENTIAL,
    "399197002": Modifier.ROLLED, "R-102CA": Modifier.ROLLED,
    "399210005": Modifier.ROLLED, "R-102CB": Modifier.ROLLED,
    "399226004": Modifier.ROLLED, "R-102C9": Modifier.ROLLED,
    "414493009": Modifier.ROLLED, "R-102CC": Modifier.ROLLED,
}  # fmt: skip
MIN_MAGNIFICATION = 1.4  # a contact view has 1.0 to about 1.1
MAGNIFICATION_RANGE = (0.9, 3.0)  # a factor outside is an error in the header
PADDLES = {"SPOT": Modifier.SPOT, "MAG": Modifier.MAGNIFICATION}
_SIDES = {
    "r": Laterality.RIGHT, "rt": Laterality.RIGHT, "right": Laterality.RIGHT,
    "l": Laterality.LEFT, "lt": Laterality.LEFT, "left": Laterality.LEFT,
}  # fmt: skip
_PROJECTIONS = {p.value.lower(): p for p in Projection if p not in (Projection.AT, Projection.CV)}
#: side and projection as one word: "LMLO", "rightcc"; "LCCD" and "LCCID" mark implant views
_SIDE_AND_PROJECTION = re.compile(
    rf"^(right|left|rt|lt|r|l)({'|'.join(sorted(_PROJECTIONS, key=len, reverse=True))})(d|id)?$"
)


def from_words(text: str) -> tuple[Laterality | None, Projection | None]:
    """Return side and projection in text such as `R_CC`, `LMLO`, `left-mlo_1`; None where missing or contradictory.

    Whole words only: "ml" is ML and never MLO, and a lone r or l counts only beside a projection.
    """
    words = [w for w in re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text).lower()) if w]
    sides: set[Laterality] = set()
    letters: set[Laterality] = set()
    projections: set[Projection] = set()
    for word in words:
        if match := _SIDE_AND_PROJECTION.match(word):
            sides.add(_SIDES[match[1]])
            projections.add(_PROJECTIONS[match[2]])
        elif word in ("r", "l"):
            letters.add(_SIDES[word])
        elif word in _SIDES:
            sides.add(_SIDES[word])
        elif word in _PROJECTIONS:
            projections.add(_PROJECTIONS[word])
    if not sides and projections:
        sides = letters
    return (sides.pop() if len(sides) == 1 else None, projections.pop() if len(projections) == 1 else None)


def laterality(header: FileHeader, file: str) -> Sourced | None:
    """Return the side by ImageLaterality, FrameLaterality, Laterality, then words, then the file's name (guessed)."""
    for value, source in (
        (header.get("image_laterality"), "ImageLaterality"),
        (header.get("frame_laterality"), "FrameLaterality"),
        (header.get("laterality"), "Laterality"),
    ):
        if value in ("R", "L"):
            return Sourced(value, source)
    for source, text in _free_text(header, file):
        if side := from_words(text)[0]:
            return Sourced(side.value, source, guessed=True)
    return None


def projection(header: FileHeader, file: str) -> Sourced | None:
    """Return the projection by ViewCodeSequence, ViewPosition, attributes used by vendors, or words (guessed)."""
    for _, value, _ in header.get("view_codes") or []:
        if value in VIEW_CODES:
            return Sourced(VIEW_CODES[value].value, "ViewCodeSequence")
    if (position := (header.get("view_position") or "").upper()) in Projection.__members__:
        return Sourced(position, "ViewPosition")
    if found := from_words(header.get("device_processing") or "")[1]:
        return Sourced(found.value, "AcquisitionDeviceProcessingDescription (Fujifilm)")
    for value in header.get("orientation") or []:
        if value in ("CC", "MLO", "ML"):
            return Sourced(value, "PatientOrientation (misused)", guessed=True)
    for source, text in _free_text(header, file):
        if found := from_words(text)[1]:
            return Sourced(found.value, source, guessed=True)
    return None


def view_name(side: Sourced | None, projection: Sourced | None) -> ViewName | None:
    """Return the name of a view of which both facts are known."""
    return ViewName(Laterality(side.value), Projection(projection.value)) if side and projection else None


def _free_text(header: FileHeader, file: str) -> list[tuple[str, str]]:
    """(source, text) of everything that people write freely."""
    name = file.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    texts = (("SeriesDescription", header.get("series_description")), ("file name", name))
    return [(source, text) for source, text in texts if text]


def modifiers(header: FileHeader) -> tuple[Modifier, ...]:
    """Return what makes the image an extra one: coded modifiers, a spot paddle, or magnification."""
    found = [MODIFIER_CODES.get(value or "", Modifier.OTHER) for _, value, _ in header.get("view_modifiers") or []]
    texts = (header.get("paddle"), header.get("series_description"), header.get("view_position"))
    words = " ".join(text or "" for text in texts).upper()
    for word, modifier in PADDLES.items():
        if re.search(rf"\b{word}", words):
            found.append(modifier)
    if (header.get("magnification") or 1.0) >= MIN_MAGNIFICATION:
        found.append(Modifier.MAGNIFICATION)
    return tuple(dict.fromkeys(found))


def chest_wall(header: FileHeader) -> Sourced | None:
    """Return "left" or "right" by the row direction of PatientOrientation (PS3.3 C.7.6.1.1.1).

    Rows that run towards anterior have the chest wall on the left.
    """
    first = (header.get("orientation") or [""])[0][:1]
    return Sourced("left" if first == "A" else "right", "PatientOrientation") if first in ("A", "P") else None


def column_direction(header: FileHeader) -> str:
    """Return the column direction of PatientOrientation (PS3.3 C.7.6.1.1.1); "" where it is missing."""
    directions = header.get("orientation") or []
    return directions[1] if len(directions) == 2 else ""


def spacing(header: FileHeader) -> Spacing | None:
    """Return mm between pixel centres: ImagerPixelSpacing over the magnification factor, else at the detector.

    PixelSpacing alone is used as it is, at the detector. None where the file gives neither.
    """
    given = header.get("spacing")
    if not given:
        return None
    factor = header.get("magnification")
    low, high = MAGNIFICATION_RANGE
    if given["origin"] == "imager" and factor and low <= factor <= high:
        return Spacing(given["row_mm"] / factor, given["column_mm"] / factor, SpacingKind.CORRECTED)
    return Spacing(given["row_mm"], given["column_mm"], SpacingKind.DETECTOR)
