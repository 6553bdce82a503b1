"""A part of RSNA 2022 reduced to 640 x 640: rsna.csv, and rsna/ with one JPEG file for each row.

Each case is one breast. A woman with cancer has only the breast with the cancer here, a woman without has both, so the
number of breasts of a whole exam would tell the outcome; women, not breasts, are divided over the splits. The pictures
were stretched to a square from a width of about 0.8 of the height. What enters a report and what does not: `rsna`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from .breasts import make_case
from .case import Case, Image, SkippedRow
from .columns import group_rows, lacking_columns, plain_side, read_rows, table_columns, view_name
from .rsna import describe_breast

COLUMNS = ("file", "patient", "laterality", "view", "cancer", "biopsy", "invasive", "birads", "density", "implant")
WIDTH_OVER_HEIGHT = 0.8


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for what the table lacks."""
    if (path := root / "rsna.csv").is_file():
        optional = {"not counted": ("age",)}
        yield from lacking_columns(path.name, table_columns(path), optional)


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each breast."""
    table = (row | {"BIRADS": row["birads"]} for row in read_rows(root / "rsna.csv", COLUMNS))
    for exam, rows in group_rows(table, lambda row: f"{row['patient']} {plain_side(row['laterality'])}").items():
        patient, side = rows[0]["patient"], plain_side(rows[0]["laterality"])
        if side not in ("R", "L"):
            yield SkippedRow(exam, "the side of the breast is not known", len(rows))
            continue
        images = [Image(row["file"], view_name(side, row["view"]), width_over_height=WIDTH_OVER_HEIGHT) for row in rows]
        laterality = Laterality(side)
        breast = describe_breast(patient, laterality, rows)
        yield make_case(exam, patient, images, {laterality: breast}, rows=len(rows))
