"""The masses of CBIS-DDSM's official training part, reduced to 800 x 800: cbis_mass.csv and its JPEG files.

A row is a finding in a picture, and its words are those of `cbis`. Every picture has a mass, so whether there is one
cannot be learned from these pictures alone. Each case is one breast. The pictures were stretched to a square;
aspect_w_over_h gives their true shape, mostly as an estimate. Where it is not known which description belongs to which
box, the box is kept and the descriptions are listed. Calcifications have no box.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ..exam import Laterality
from .boxes import NO_BOX, box_edges
from .breasts import make_case
from .case import Case, FindingBox, Image, SkippedRow
from .cbis import describe_breast, kinds_of_mass_row
from .columns import REPEATED, Row, WordReader, group_rows, plain_side, read_rows, view_name, without_repeats

COLUMNS = (
    "file", "patient", "laterality", "view", "density", "birads", "abnormality", "abnormality_id", "mass_shape",
    "mass_margin", "calc_type", "calc_distribution", "pathology", "subtlety", "x0", "y0", "x1", "y1", "alternatives",
    "aspect_w_over_h",
)  # fmt: skip
BOX_COLUMNS = ("x0", "y0", "x1", "y1")
#: column here -> column of CBIS-DDSM's own tables
_NAMES = {
    "view": "image view", "density": "breast density", "birads": "assessment", "abnormality": "abnormality type",
    "mass_shape": "mass shape", "mass_margin": "mass margins", "calc_type": "calc type",
    "calc_distribution": "calc distribution",
}  # fmt: skip


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each breast."""
    table = read_rows(root / "cbis_mass.csv", COLUMNS)
    for exam, rows in group_rows(table, lambda row: f"{row['patient']} {plain_side(row['laterality'])}").items():
        patient, side = rows[0]["patient"], plain_side(rows[0]["laterality"])
        if side not in ("R", "L"):
            yield SkippedRow(exam, "the side of the breast is not known", len(rows))
            continue
        laterality = Laterality(side)
        rows, repeated = without_repeats(rows, BOX_COLUMNS)
        breast = describe_breast(patient, laterality, _as_published(rows))
        words = WordReader()
        for text in dict.fromkeys(row["alternatives"] for row in rows if row["alternatives"]):
            words.skip("alternatives", text, "which box it describes is not known")
        images = [_image(side, of_file, words) for of_file in group_rows(rows, lambda row: row["file"]).values()]
        case = make_case(exam, patient, images, {laterality: breast}, rows=len(rows), unread=words.unread)
        yield replace(case, unused_rows={REPEATED: repeated} if repeated else {})


def _as_published(rows: Sequence[Row]) -> list[Row]:
    """The rows in CBIS-DDSM's columns; abnormalities of a view without a number are numbered in their order."""
    without: dict[str, int] = {}
    published = []
    for row in rows:
        number = row["abnormality_id"]
        if not number:
            without[row["file"]] = without.get(row["file"], 0) + 1
            number = f"without number {without[row['file']]}"
        named = {_NAMES.get(name, name): value for name, value in row.items()}
        published.append(named | {"abnormality id": number})
    return published


def _image(side: str, rows: Sequence[Row], words: WordReader) -> Image:
    boxes: list[FindingBox] = []
    for row in rows:
        told = [row[name] for name in BOX_COLUMNS]
        if not any(told):
            continue
        if (edges := box_edges(told)) is None:
            words.skip("x0 to y1", " ".join(told), "no box: an edge is no number")
            continue
        kinds = kinds_of_mass_row(row["mass_shape"])
        if not kinds:
            words.skip(NO_BOX, row["mass_shape"], "of a lymph node")
        boxes += [FindingBox(kind, *edges) for kind in kinds]
    ratio = words.read("aspect_w_over_h", rows[0]["aspect_w_over_h"], _ratio)
    return Image(rows[0]["file"], view_name(side, rows[0]["view"]), tuple(boxes), ratio)


def _ratio(text: str) -> float | None:
    try:
        ratio = float(text)
    except ValueError:
        return None
    return ratio if 0.1 <= ratio <= 10 else None  # also not for NaN
