"""Your own data: exams.csv, one row an image, with the columns below. Empty means not known.

exam, patient, file (relative to the folder), laterality (R/L), view (CC, MLO, ...): required.
split: train, validation or test. density: A to D. birads: 0 to 5, 4A to 4C.
mass, calcification, asymmetry, distortion: 1 present, 0 absent.
mass_shape, mass_margin, mass_density, mass_size_mm, calcification_morphology, calcification_distribution,
asymmetry_kind: words of the BI-RADS lexicon as in `mvmlm/report.py`. place, depth: of the breast's finding.
malignant: 0 or 1, an outcome: a label, never a word. risk_years, cancer: follow-up in years, and whether cancer was
found at its end. Rows of one breast may repeat the same values; where they disagree, the field is not known and named.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..exam import Laterality
from ..report.finding_columns import finding_from_columns
from ..report.findings import ExamFindings, Findings
from ..report.lexicon import KINDS
from . import (
    SPLITS,
    Case,
    Image,
    SkippedRow,
    assessment,
    birads_label,
    density_label,
    density_letter,
    grouped,
    one_value,
    rows_of,
    view_name,
)

TITLE = "your own table"
COLUMNS = ("exam", "patient", "file", "laterality", "view")


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """A case an exam. A row that cannot be understood is refused with its reason."""
    for exam, rows in grouped(rows_of(root / "exams.csv", COLUMNS), lambda row: row["exam"]).items():
        try:
            yield _case(exam, rows)
        except ValueError as error:
            yield SkippedRow(exam, str(error))


def _case(exam: str, rows: list[dict[str, str]]) -> Case:
    said: tuple[str, ...] = ()

    def agreed(own, column, what=exam):
        nonlocal said
        value, disagreement = one_value((row.get(column) or "" for row in own), f"{what} {column}")
        said += disagreement
        return value

    patient = agreed(rows, "patient")
    if patient is None:
        raise ValueError("rows of one exam name several patients, or none")
    split = agreed(rows, "split")
    if split not in (None, *SPLITS):
        raise ValueError(f"split={split!r}: expected {', '.join(SPLITS)}")
    sides, labels, letters = {}, {}, []
    for side in Laterality:
        own = [row for row in rows if row["laterality"].upper()[:1] == side.value]
        if not own:
            continue
        what = f"{exam} {side.value}"
        marks = {kind: agreed(own, kind, what) for kind in KINDS}
        descriptors = partial(agreed, own, what=what)
        present = tuple(finding_from_columns(kind, descriptors) for kind in KINDS if marks[kind] == "1")
        absent = frozenset(kind for kind in KINDS if marks[kind] == "0")
        level = assessment(agreed(own, "birads", what) or "")
        letters.append(density_letter(agreed(own, "density", what) or ""))
        sides[side.word] = Findings(letters[-1], present, absent, level)
        malignant = agreed(own, "malignant", what)
        labels[side] = {kind: int(mark) for kind, mark in marks.items() if mark in ("0", "1")} | birads_label(level)
        if malignant in ("0", "1"):
            labels[side]["malignancy"] = int(malignant)
    years, cancer = agreed(rows, "risk_years"), agreed(rows, "cancer")
    risk = (float(years), cancer == "1") if years and cancer and float(years) > 0 else None
    images = tuple(Image(row["file"], view_name(row["laterality"], row["view"])) for row in rows)
    return Case(exam, patient, images, ExamFindings(**sides), labels, density_label(letters), risk, split, said)
