"""CMMD, the Chinese Mammography Database (Cui et al., TCIA 2021): CMMD_clinicaldata_revision.csv beside CMMD/<ID1>/.

The table is published as a spreadsheet: save it as CSV first. One row a breast. `abnormality` is calcification, mass or
both; `classification` and `subtype` are outcomes, so a label and never a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from ..report.findings import ExamFindings, Finding, Findings
from . import Case, Image, SkippedRow, grouped, rows_of

TITLE = "CMMD"
COLUMNS = ("ID1", "LeftRight", "abnormality", "classification")
_PRESENT = {"mass": ("mass",), "calcification": ("calcification",), "both": ("calcification", "mass")}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """A case a patient. Which view a file shows, only its header tells."""
    for patient, rows in grouped(
        rows_of(root / "CMMD_clinicaldata_revision.csv", COLUMNS), lambda row: row["ID1"]
    ).items():
        files = sorted(path.relative_to(root).as_posix() for path in (root / "CMMD" / patient).rglob("*.dcm"))
        if not files:
            yield SkippedRow(patient, "no DICOM file in its folder")
            continue
        sides, labels = {}, {}
        for row in rows:
            side = Laterality(row["LeftRight"][:1].upper())
            kinds = _PRESENT.get(row["abnormality"].lower(), ())
            absent = {"mass", "calcification"} - set(kinds) if kinds else set()
            sides[side.word] = Findings(present=tuple(Finding(kind) for kind in kinds), absent=frozenset(absent))
            labels[side] = {kind: int(kind in kinds) for kind in ("mass", "calcification") if kinds}
            labels[side]["malignancy"] = int(row["classification"].lower() == "malignant")
        yield Case(patient, patient, tuple(Image(file, None) for file in files), ExamFindings(**sides), labels)
