"""What kind of picture a file holds, besides which view: what makes it an extra one, and what must be asked or told.

Pure functions of a `FileHeader` and the file's name. Sources, in this order: coded modifiers, ImageType, the geometry
of the exposure, and words of the picture; words of the whole study and of folders only lead to a question.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from ..exam import FileMark, Modifier, Question
from .file_header import FileHeader
from .view_words import doubtful_kinds_in, kinds_in, plain, taken_kinds_in

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

#: code of the mark -> the modifier, and what the picture is
KINDS = {
    "magnification": (Modifier.MAGNIFICATION, "a magnification view"),
    "spot": (Modifier.SPOT, "a spot compression view"),
    "implant-displaced": (Modifier.IMPLANT_DISPLACED, "a view with the implant displaced"),
    "rolled": (Modifier.ROLLED, "a rolled view"),
    "tangential": (Modifier.TANGENTIAL, "a tangential view"),
    "specimen": (Modifier.SPECIMEN, "a picture of a specimen"),
    "stereo": (Modifier.STEREO, "a picture of a stereotactic or guided procedure"),
    "stereo-scout": (Modifier.STEREO, "the scout of a stereotactic procedure"),
    "subtraction": (Modifier.SUBTRACTION, "a subtraction"),
    "recombined": (Modifier.SUBTRACTION, "the recombined picture of a contrast mammogram"),
    "high-energy": (Modifier.SUBTRACTION, "the high-energy picture of a contrast mammogram"),
    "tomo-projection": (Modifier.TOMOSYNTHESIS, "one projection of a tomosynthesis"),
    "tomo-slice": (Modifier.TOMOSYNTHESIS, "a slice of a tomosynthesis"),
    "region": (Modifier.REGION, "a part of a picture, a mask or an annotated copy"),
    "other-modifier": (Modifier.OTHER, "a view with a modifier that this program does not know"),
}
_CODE_OF = {
    Modifier.MAGNIFICATION: "magnification", Modifier.SPOT: "spot", Modifier.IMPLANT_DISPLACED: "implant-displaced",
    Modifier.ROLLED: "rolled", Modifier.TANGENTIAL: "tangential", Modifier.OTHER: "other-modifier",
}  # fmt: skip
#: a standard view when there is no better picture of it
TAKEN = {
    "synthetic": "computed from a tomosynthesis, not acquired. An acquired picture of the same view is used instead of "
    "it where there is one.",
    "low-energy": "the low-energy picture of a contrast mammogram. It is read as an ordinary mammogram.",
}
#: parts of ImageType (0008,0008) from the third value on, as plain text -> code
_IMAGE_TYPES = (
    ("stereo scout", "stereo-scout"), ("scout", "stereo-scout"), ("stereo", "stereo"), ("tomo proj", "tomo-projection"),
    ("projection", "tomo-projection"), ("tomo 2d", "synthetic"), ("generated 2d", "synthetic"),
    ("high energy", "high-energy"), ("low energy", "low-energy"), ("recombined", "recombined"),
    ("subtraction", "subtraction"), ("subtracted", "subtraction"), ("tomo", "tomo-slice"), ("volume", "tomo-slice"),
    ("slab", "tomo-slice"), ("slice", "tomo-slice"), ("mask", "region"), ("roi", "region"), ("cad", "region"),
    ("overlay", "region"), ("segmentation", "region"), ("annotated", "region"), ("specimen", "specimen"),
    ("spot", "spot"), ("mag", "magnification"), ("magnification", "magnification"), ("magnified", "magnification"),
)  # fmt: skip
#: parts of words of ImageType that no free text holds in this sense
_DOUBTFUL_TYPES = (
    ("contrast", "contrast"), ("dual energy", "contrast"), ("iodine", "contrast"), ("localizer", "guided procedure"),
    (" mip ", "tomosynthesis"), ("quality", "test object"),
)  # fmt: skip
_DOUBTS_OF_A_STUDY = {"magnification", "spot", "implant-displaced", "specimen", "stereo", "subtraction"}
#: texts that name the kind of picture; the others tell how it was processed
_NAMING = ("SeriesDescription", "ProtocolName", "ViewPosition", "PaddleDescription", "file name")


class Said(NamedTuple):
    """One reason to take a picture for a certain kind: a key of KINDS or TAKEN, and the attribute that gives it."""

    code: str
    source: str


def kinds(header: FileHeader, file: str) -> list[Said]:
    """Return what kind of picture it is beyond its view, each kind once, with its first source."""
    found: dict[str, str] = {}
    for code, source in _reasons(header, file):
        found.setdefault(code, source)
    if found.keys() & {"synthetic", "tomo-slice"} >= {"synthetic", "tomo-slice"}:  # "TOMOSYNTHESIS\\GENERATED_2D"
        del found["tomo-slice"]
    if "stereo-scout" in found:
        found.pop("stereo", None)
    return [Said(code, source) for code, source in found.items()]


def _reasons(header: FileHeader, file: str) -> Iterator[Said]:
    for _, value, _ in header.get("view_modifiers") or []:
        yield Said(_CODE_OF[MODIFIER_CODES.get(value or "", Modifier.OTHER)], "ViewModifierCodeSequence")
    for value in (header.get("image_type") or [])[2:]:
        if code := _image_type(value):
            yield Said(code, "ImageType")
    if (header.get("magnification") or 1.0) >= MIN_MAGNIFICATION:
        yield Said("magnification", "EstimatedRadiographicMagnificationFactor")
    low, high = MIN_MAGNIFICATION, MAGNIFICATION_RANGE[1]
    if low <= (header.get("source_ratio") or 1.0) <= high:
        yield Said("magnification", "the distances of source, detector and patient")
    for source, text in texts_of_picture(header, file):
        for code in sorted(kinds_in(text)):
            if code != "region" or source != "file name":
                yield Said(code, source)
        for code in sorted(taken_kinds_in(text)):
            yield Said(code, source)


def _image_type(value: str) -> str | None:
    written = plain(value)
    compact = written.replace(" ", "")
    for words, code in _IMAGE_TYPES:
        if f" {words} " in written or (len(words) > 4 and words.replace(" ", "") in compact):
            return code
    if " tomo" in written or written.strip() in ("synthetic", "synthesized", "synthesised"):
        return "synthetic" if "synthe" in written and "tomo" not in written else "tomo-slice"
    return next(iter(sorted(taken_kinds_in(value) | kinds_in(value))), None)


def texts_of_picture(header: FileHeader, file: str) -> list[tuple[str, str]]:
    """Return (source, text) of everything that people write freely about one picture or its series."""
    texts = [
        ("PaddleDescription", header.get("paddle")),
        ("ViewPosition", header.get("view_position")),
        *((code_source, meaning) for code_source, meaning in _meanings(header)),
        ("SeriesDescription", header.get("series_description")),
        ("AcquisitionDeviceProcessingDescription", header.get("device_processing")),
        *(header.get("descriptions") or {}).items(),
        ("file name", PurePosixPath(file.replace("\\", "/")).stem),
    ]
    return [(source, text) for source, text in texts if text]


def _meanings(header: FileHeader) -> list[tuple[str, str | None]]:
    return [("ViewCodeSequence", meaning) for _, _, meaning in header.get("view_codes") or []]


def modifiers(header: FileHeader, file: str = "") -> tuple[Modifier, ...]:
    """Return what makes the image an extra one."""
    return tuple(dict.fromkeys(KINDS[said.code][0] for said in kinds(header, file) if said.code in KINDS))


def kind_marks(header: FileHeader, file: str) -> list[FileMark]:
    """Return a mark for each kind of the picture, or else the question whether it is a standard view, if any."""
    found = kinds(header, file)
    marks = [
        FileMark(said.code, file, f"{said.source} says that it is {KINDS[said.code][1]}. It is shown and not scored.")
        if said.code in KINDS
        else FileMark(said.code, file, f"{said.source} says that it was {TAKEN[said.code]}"
                      if said.code == "synthetic" else f"{said.source} says that it is {TAKEN[said.code]}")
        for said in found
    ]  # fmt: skip
    doubt = None if any(said.code in KINDS for said in found) else _doubt(header, file, {said.code for said in found})
    return [*marks, doubt] if doubt else marks


def _doubt(header: FileHeader, file: str, known: set[str]) -> Question | None:
    """The question whether it is a standard view, where words of the study, of a folder, or doubtful words say no."""
    for value in header.get("image_type") or []:
        doubts = doubtful_kinds_in(value) | {doubt for word, doubt in _DOUBTFUL_TYPES if word in plain(value)}
        if known & {"synthetic", "low-energy"}:
            doubts -= {"tomosynthesis", "contrast"}
        if doubts:
            return _question(file, "ImageType", min(doubts))
    for source, text in texts_of_picture(header, file):
        doubts = doubtful_kinds_in(text) if source in _NAMING else set()
        if source == "file name":
            doubts = (doubts - {"test object", "contrast"}) | (kinds_in(text) & {"region"})
        if known & {"synthetic", "low-energy"}:
            doubts -= {"tomosynthesis", "contrast"}
        if doubts:
            return _question(file, source, min(doubts))
    for source, text in (header.get("study_descriptions") or {}).items():
        if doubts := kinds_in(text) & _DOUBTS_OF_A_STUDY:
            return _question(file, source, min(doubts))
    for folder in PurePosixPath(file.replace("\\", "/")).parts[:-1]:
        if doubts := kinds_in(folder):
            return _question(file, "the folder's name", min(doubts))
    return None


def _question(file: str, source: str, doubt: str) -> Question:
    what = {"region": "a part of a picture or a mask", "stereo": "a guided procedure"}.get(
        doubt, doubt.replace("-", " ")
    )
    return Question(
        "standard", file, f"{source} speaks of {what}. Is this an ordinary standard view of the whole breast?",
        key="standard", choices=("yes", "no"),
    )  # fmt: skip
