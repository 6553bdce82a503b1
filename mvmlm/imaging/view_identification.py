"""Which view a file shows, each fact with its source: DICOM codes first; free text and file names last, as guesses.

Pure functions of a `FileHeader`. The code tables are written out here: importing `pydicom.sr.codedict` takes 0.4 s.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from ..exam import Laterality, Projection, Sourced, Spacing, SpacingKind, ViewName
from .file_header import FileHeader
from .picture_kind import MAGNIFICATION_RANGE, modifiers, texts_of_picture
from .view_words import from_words

__all__ = ["from_words", "modifiers"]

#: PS3.16 CID 4014, View for Mammography, in SNOMED CT (SCT) and the older SRT and SNM3 codes
VIEW_CODES = {
    "399162004": Projection.CC, "R-10242": Projection.CC,
    "399368009": Projection.MLO, "R-10226": Projection.MLO,
    "399260004": Projection.ML, "R-10224": Projection.ML,
    "399352003": Projection.LM, "R-10228": Projection.LM,
    "399099002": Projection.LMO, "R-10230": Projection.LMO,
    "399265009": Projection.XCC,  # of a prior version of CID 4014
    "399192008": Projection.XCCL, "R-1024A": Projection.XCCL, "Y-X1770": Projection.XCCL,
    "399101009": Projection.XCCM, "R-1024B": Projection.XCCM, "Y-X1771": Projection.XCCM,
    "399196006": Projection.FB, "R-10244": Projection.FB,
    "399188001": Projection.SIO, "R-102D0": Projection.SIO,
    "441555000": Projection.ISO, "R-40AAA": Projection.ISO,
    "399161006": Projection.CV, "R-102D2": Projection.CV,
    "399011000": Projection.AT, "R-102D1": Projection.AT,
    "127457009": Projection.SPECIMEN, "G-8310": Projection.SPECIMEN,
}  # fmt: skip
_SIDE_VALUES = {"R": "R", "RIGHT": "R", "L": "L", "LEFT": "L"}


def laterality(header: FileHeader, file: str) -> Sourced | None:
    """Return the side by ImageLaterality, FrameLaterality, Laterality, then words, then names (guessed)."""
    return next(iter(lateralities(header, file)), None)


def lateralities(header: FileHeader, file: str) -> list[Sourced]:
    """Return the side by every source that gives one, the first choice first."""
    found = []
    for value, source in (
        (header.get("image_laterality"), "ImageLaterality"),
        (header.get("frame_laterality"), "FrameLaterality"),
        (header.get("laterality"), "Laterality"),
    ):
        if side := _SIDE_VALUES.get((value or "").strip().upper()):
            found.append(Sourced(side, source))
    for source, text in _free_text(header, file):
        if words := from_words(text)[0]:
            found.append(Sourced(words.value, source, guessed=True))
    return found


def projection(header: FileHeader, file: str) -> Sourced | None:
    """Return the projection by ViewCodeSequence, ViewPosition, attributes used by vendors, or words (guessed)."""
    return next(iter(projections(header, file)), None)


def projections(header: FileHeader, file: str) -> list[Sourced]:
    """Return the projection by every source that gives one, the first choice first."""
    codes = [VIEW_CODES[value] for _, value, _ in header.get("view_codes") or [] if value in VIEW_CODES]
    found = [Sourced(code.value, "ViewCodeSequence") for code in dict.fromkeys(codes)]
    if (position := (header.get("view_position") or "").strip().upper()) in Projection.__members__:
        found.append(Sourced(position, "ViewPosition"))
    if words := from_words(header.get("device_processing") or "")[1]:
        found.append(Sourced(words.value, "AcquisitionDeviceProcessingDescription"))
    for value in header.get("orientation") or []:
        if value in ("CC", "MLO", "ML"):
            found.append(Sourced(value, "PatientOrientation (misused)", guessed=True))
    for source, text in _free_text(header, file):
        words = from_words(text)[1]
        if words and not any((other.source, other.value) == (source, words.value) for other in found):
            found.append(Sourced(words.value, source, guessed=True))
    return found


def view_name(side: Sourced | None, projection: Sourced | None) -> ViewName | None:
    """Return the name of a view of which both facts are known."""
    return ViewName(Laterality(side.value), Projection(projection.value)) if side and projection else None


def _free_text(header: FileHeader, file: str) -> list[tuple[str, str]]:
    """(source, text) of everything that people write freely, the folders of the file last, the innermost first."""
    folders = PurePosixPath(file.replace("\\", "/")).parts[:-1]
    return [*texts_of_picture(header, file), *(("the folder's name", folder) for folder in reversed(folders))]


def chest_wall(header: FileHeader) -> Sourced | None:
    """Return "left" or "right" by the row direction of PatientOrientation (PS3.3 C.7.6.1.1.1).

    Rows that run towards anterior have the chest wall on the left.
    """
    first = (header.get("orientation") or [""])[0][:1]
    return Sourced("left" if first == "A" else "right", "PatientOrientation") if first in ("A", "P") else None


def column_direction(header: FileHeader) -> str:
    """Return the column direction of PatientOrientation (PS3.3 C.7.6.1.1.1); "" where it is missing."""
    directions = header.get("orientation") or []
    return directions[1] if len(directions) == 2 and set(directions[1]) <= set("LRAPHF") else ""


_SPACING_KINDS = {
    "imager": SpacingKind.DETECTOR,
    "calibrated": SpacingKind.CALIBRATED,
    "nominal": SpacingKind.NOMINAL,
    "pixel": SpacingKind.UNSPECIFIED,
}


def spacing(header: FileHeader) -> Spacing | None:
    """Return mm between pixel centres and what they mean; None where the file gives no spacing.

    ImagerPixelSpacing is divided by the magnification factor where the file states one, else it holds at the detector.
    """
    given = header.get("spacing")
    if not given:
        return None
    factor = header.get("magnification")
    low, high = MAGNIFICATION_RANGE
    if given["origin"] == "imager" and factor and low <= factor <= high:
        return Spacing(given["row_mm"] / factor, given["column_mm"] / factor, SpacingKind.CORRECTED)
    return Spacing(given["row_mm"], given["column_mm"], _SPACING_KINDS[given["origin"]])
