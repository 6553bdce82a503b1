"""CMMD, the Chinese Mammography Database (Cui et al., TCIA 2021): CMMD_clinicaldata_revision.csv beside CMMD/<ID1>/.

The table is published as a spreadsheet: save it as CSV first. It has one row for each breast. `abnormality` is
calcification, mass or both; `classification` and `subtype` are outcomes, which become labels and never report text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Finding, Findings
from .breasts import Breast, describe_breasts, make_case
from .case import Case, Image, SkippedRow
from .columns import Row, group_rows, read_rows

COLUMNS = ("ID1", "LeftRight", "abnormality", "classification")
_PRESENT = {"mass": ("mass",), "calcification": ("calcification",), "both": ("calcification", "mass")}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each patient. The table does not give the view of a file; its header does."""
    table = read_rows(root / "CMMD_clinicaldata_revision.csv", COLUMNS)
    for patient, rows in group_rows(table, lambda row: row["ID1"]).items():
        files = sorted(path.relative_to(root).as_posix() for path in (root / "CMMD" / patient).rglob("*.dcm"))
        if not files:
            yield SkippedRow(patient, "no DICOM file in its folder")
            continue
        breasts = describe_breasts(rows, "LeftRight", _describe_breast)
        yield make_case(patient, patient, [Image(file, None) for file in files], breasts)


def _describe_breast(laterality: Laterality, rows: list[Row]) -> Breast:
    row = rows[-1]
    present = _PRESENT.get(row["abnormality"].lower(), ())
    absent = {"mass", "calcification"} - set(present) if present else set()
    labels = {kind: int(kind in present) for kind in ("mass", "calcification") if present}
    labels["malignancy"] = int(row["classification"].lower() == "malignant")
    return Breast(Findings(present=tuple(Finding(kind) for kind in present), absent=frozenset(absent)), labels)
