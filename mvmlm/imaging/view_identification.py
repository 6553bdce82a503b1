"""Which view a file shows, and what told it: DICOM codes first, free text and file names last and marked as guesses.

Pure functions of the header that `decode_worker.read_header` gives.
"""

from __future__ import annotations

import re

from ..exam import Laterality, Modifier, Projection, Sourced, Spacing, SpacingKind

# PS3.16 CID 4014, in SNOMED CT (SCT) and the older SRT/SNM3 codes
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
# PS3.16 CID 4015
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
PADDLES = {"SPOT": Modifier.SPOT, "MAG": Modifier.MAGNIFICATION}
_SIDES = {"r": Laterality.RIGHT, "right": Laterality.RIGHT, "l": Laterality.LEFT, "left": Laterality.LEFT}
_SIDES |= {"rt": Laterality.RIGHT, "lt": Laterality.LEFT}
_PROJECTIONS = {p.value.lower(): p for p in Projection if p not in (Projection.AT, Projection.CV)}
_RUN = re.compile(rf"^(right|left|rt|lt|r|l)({'|'.join(sorted(_PROJECTIONS, key=len, reverse=True))})(d|id)?$")


def from_words(text: str) -> tuple[Laterality | None, Projection | None]:
    """`R_CC`, `LMLO`, `left-mlo_1` -> side and projection; None for what is not said or said twice differently.

    Whole words only: "ml" is ML and never MLO, and a lone r or l counts only beside a projection.
    """
    words = [w for w in re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", text).lower()) if w]
    sides, projections, single = set(), set(), set()
    for word in words:
        if run := _RUN.match(word):
            sides.add(_SIDES[run[1]])
            projections.add(_PROJECTIONS[run[2]])
        elif word in ("r", "l"):
            single.add(_SIDES[word])
        elif word in _SIDES:
            sides.add(_SIDES[word])
        elif word in _PROJECTIONS:
            projections.add(_PROJECTIONS[word])
    if not sides and projections:
        sides = single
    return (sides.pop() if len(sides) == 1 else None, projections.pop() if len(projections) == 1 else None)


def laterality(header: dict, file: str) -> Sourced | None:
    """ImageLaterality, FrameLaterality, Laterality, then words, then the file's name (guessed)."""
    for key, source in (
        ("image_laterality", "ImageLaterality"),
        ("frame_laterality", "FrameLaterality"),
        ("laterality", "Laterality"),
    ):
        if header.get(key) in ("R", "L"):
            return Sourced(header[key], source)
    for source, text in _free_text(header, file):
        if side := from_words(text)[0]:
            return Sourced(side.value, source, guessed=True)
    return None


def projection(header: dict, file: str) -> Sourced | None:
    """ViewCodeSequence, ViewPosition, what vendors do instead, then words, then the file's name (guessed)."""
    for _, value, _ in header.get("view_codes") or []:
        if value in VIEW_CODES:
            return Sourced(VIEW_CODES[value].value, "ViewCodeSequence")
    if (position := (header.get("view_position") or "").upper()) in Projection.__members__:
        return Sourced(position, "ViewPosition")
    if told := from_words(header.get("device_processing") or "")[1]:
        return Sourced(told.value, "AcquisitionDeviceProcessingDescription (Fujifilm)")
    for value in header.get("orientation") or []:
        if value in ("CC", "MLO", "ML"):
            return Sourced(value, "PatientOrientation (misused)", guessed=True)
    for source, text in _free_text(header, file):
        if told := from_words(text)[1]:
            return Sourced(told.value, source, guessed=True)
    return None


def _free_text(header: dict, file: str) -> list[tuple[str, str]]:
    name = file.replace("\\", "/").rsplit("/", 1)[-1].rsplit(".", 1)[0]
    described = [("SeriesDescription", header.get("series_description"))]
    return [(source, text) for source, text in (*described, ("file name", name)) if text]


def modifiers(header: dict) -> tuple[Modifier, ...]:
    """Why the image is not a standard view, if so: coded modifiers, a spot paddle, or magnification."""
    found = [MODIFIER_CODES.get(value, Modifier.OTHER) for _, value, _ in header.get("view_modifiers") or []]
    words = " ".join(str(header.get(key) or "") for key in ("paddle", "series_description", "view_position")).upper()
    for word, modifier in PADDLES.items():
        if re.search(rf"\b{word}", words):
            found.append(modifier)
    if (header.get("magnification") or 1.0) >= MIN_MAGNIFICATION:
        found.append(Modifier.MAGNIFICATION)
    return tuple(dict.fromkeys(found))


def chest_wall_left(header: dict) -> Sourced | None:
    """PatientOrientation's row direction: towards anterior means that the chest wall is on the left."""
    first = (header.get("orientation") or [""])[0][:1]
    return Sourced("left" if first == "A" else "right", "PatientOrientation") if first in ("A", "P") else None


def head_up(header: dict, side: Laterality | None, seen: Projection | None) -> bool:
    """Whether cranial (MLO and other laterals) or lateral (CC) is up, by PatientOrientation's column direction."""
    directions = header.get("orientation") or []
    down = directions[1] if len(directions) == 2 else ""
    if seen in (Projection.CC, Projection.XCCL, Projection.XCCM, Projection.FB):
        lateral = {Laterality.RIGHT: "R", Laterality.LEFT: "L"}.get(side)
        return not (lateral and down[:1] == lateral)
    return "H" not in down


def spacing(header: dict) -> Spacing | None:
    """mm between pixel centres: ImagerPixelSpacing over the magnification factor, else at the detector.

    PixelSpacing alone is taken as it stands, at the detector. None where the file gives neither.
    """
    told = header.get("spacing")
    if not told:
        return None
    factor = header.get("magnification")
    if told["from"] == "imager" and factor and 0.9 <= factor <= 3:
        return Spacing(told["row_mm"] / factor, told["column_mm"] / factor, SpacingKind.CORRECTED)
    return Spacing(told["row_mm"], told["column_mm"], SpacingKind.DETECTOR)
