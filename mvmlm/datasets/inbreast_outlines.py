"""INbreast's outlines of lesions: AllXML/<File Name>.xml, as OsiriX exports regions of interest.

A file is a property list: Images holds one dictionary with NumberOfROIs and ROIs. Each region has a Name,
NumberOfPoints and Point_px, a list of texts "(x, y)" in pixels of the stored picture. An outline of three points or
more that has an area is a box. A single point, by which most calcifications are marked, has no size and becomes no box;
it still says that the picture shows a calcification. Entity declarations and property lists of other formats are
refused, so that no file can grow while it is read.
"""

from __future__ import annotations

import math
import plistlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from xml.parsers.expat import ExpatError

from .boxes import NO_BOX
from .case import FindingBox
from .columns import WordReader

FOLDER = "AllXML"
COLUMN = "outline"  # under which words of the outlines that describe no finding are listed
SPICULATED, CLUSTER = "spiculated region", "cluster"
#: names in small letters, with the misspellings of the files -> kind of finding
_KINDS = {
    "mass": "mass", "calcification": "calcification", "calcifications": "calcification", CLUSTER: "calcification",
    "distortion": "distortion", "asymmetry": "asymmetry", "assymetry": "asymmetry",
}  # fmt: skip
_SPELLING = {"espiculated region": SPICULATED}
_NOT_FINDINGS = {
    "pectoral muscle": "anatomy, not a finding",
    **dict.fromkeys(("", "unnamed", "point 1", "point 3"), "the outline has no name of a finding"),
}
_LARGEST = 50_000_000  # bytes of a file; the published ones have less than a fiftieth of it
_POINT = re.compile(r"\(([^,()]+),([^,()]+)\)")


class DamagedOutlines(ValueError):
    """A file of outlines that cannot be read; the text is one sentence with its path."""


class Outline(NamedTuple):
    """A region of interest. name: as it is written. points: (x, y) in pixels of the stored picture."""

    name: str
    points: tuple[tuple[float, float], ...]

    @property
    def meaning(self) -> str:
        """The name in small letters and spelt right."""
        plain = " ".join(self.name.lower().split())
        return _SPELLING.get(plain, plain)

    @property
    def kind(self) -> str | None:
        """The kind of finding; None for a spiculated region, which may be of several, and for other names."""
        return _KINDS.get(self.meaning)

    def box(self, kind: str) -> FindingBox | None:
        """Return the box of the outline; None for fewer than three points and for an outline without an area."""
        if len(self.points) < 3:
            return None
        across, down = zip(*self.points, strict=True)
        edges = min(across), min(down), max(across), max(down)
        return FindingBox(kind, *edges) if edges[0] < edges[2] and edges[1] < edges[3] else None


def outline_files(root: Path) -> dict[str, Path]:
    """Return the files of outlines by the names of their pictures; none where the folder AllXML is missing."""
    folder = root / FOLDER
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return {path.stem: path for path in found if path.suffix.lower() == ".xml" and not path.name.startswith(".")}


def read_outlines(path: Path) -> list[Outline]:
    """Return the outlines of a file. Raises DamagedOutlines."""
    name = f"{FOLDER}/{path.name}"
    try:
        if path.stat().st_size > _LARGEST:
            raise DamagedOutlines(f"{name}: larger than {_LARGEST // 1_000_000} MB; no outline of it is used")
        with open(path, "rb") as file:
            told = plistlib.load(file, fmt=plistlib.FMT_XML)
        return list(_outlines(told))
    except DamagedOutlines:
        raise
    except (OSError, ValueError, TypeError, LookupError, AttributeError, ExpatError) as error:
        foreign = isinstance(error, (TypeError, LookupError, AttributeError))
        why = "its parts are not those that OsiriX writes" if foreign else error
        raise DamagedOutlines(
            f"{name}: not a list of outlines that can be read ({why}); no outline of it is used. Copy it again."
        ) from None


def _outlines(told: Any) -> Iterator[Outline]:
    """The outlines of a property list. Raises ValueError, TypeError or KeyError where it is none of OsiriX."""
    if len(images := told["Images"]) != 1:
        raise ValueError(f"outlines of {len(images)} pictures")
    (image,) = images
    regions = image["ROIs"]
    if image.get("NumberOfROIs", len(regions)) != len(regions):
        raise ValueError(f"{len(regions)} of {image['NumberOfROIs']} outlines")
    for region in regions:
        points = [_point(text) for text in region["Point_px"]]
        if region.get("NumberOfPoints", len(points)) != len(points):
            raise ValueError(f"an outline with {len(points)} of {region['NumberOfPoints']} points")
        yield Outline(str(region.get("Name", "")).strip(), tuple(points))


def _point(text: str) -> tuple[float, float]:
    found = _POINT.fullmatch("".join(text.split()))
    x, y = map(float, found.groups()) if found else (math.nan, math.nan)
    if not (math.isfinite(x) and math.isfinite(y)):
        raise ValueError(f"no point: {text[:40]!r}")
    return x, y


def boxes_of(outlines: Sequence[Outline], has_mass: bool, words: WordReader) -> tuple[FindingBox, ...]:
    """Return the boxes of a picture's outlines. words: gets the name of each outline that is no box, and why.

    has_mass: whether the table marks a mass. A spiculated region is its box where no mass has an outline of its own.
    """
    is_mass = has_mass and "mass" not in {outline.kind for outline in outlines}
    boxes = []
    for outline in outlines:
        kind = "mass" if outline.meaning == SPICULATED and is_mass else outline.kind
        if kind is None:
            words.skip(NO_BOX, outline.name or "without a name", *_why_no_kind(outline))
        elif box := outline.box(kind):
            boxes.append(box)
        else:
            words.skip(NO_BOX, outline.name, "a point" if len(outline.points) == 1 else "it has no area")
    return tuple(boxes)


def _why_no_kind(outline: Outline) -> tuple[str, ...]:
    """The reason for an outline that is of no kind; none where its name is not understood."""
    if outline.meaning == SPICULATED:
        return ("there is no mass without an outline of its own",)
    reason = _NOT_FINDINGS.get(outline.meaning)
    return (reason,) if reason else ()
