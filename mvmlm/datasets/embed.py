"""EMBED open data (Jeong et al., 2023): EMBED_OpenData_clinical.csv and EMBED_OpenData_metadata.csv.

Only codes whose meaning is certain are mapped; another code leaves its field unknown. Pathology becomes a label, never
report text. Only two-dimensional full-field images are used (FinalImageType 2D).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Finding, Findings
from .breasts import Breast, make_case
from .case import Case, Image, SkippedRow
from .columns import Row, density_letter, group_rows, read_rows, view_name

CLINICAL = (
    "empi_anon",
    "acc_anon",
    "side",
    "tissueden",
    "asses",
    "massshape",
    "massmargin",
    "calcfind",
    "calcdistri",
    "path_severity",
)
METADATA = ("empi_anon", "acc_anon", "anon_dicom_path", "ImageLateralityFinal", "ViewPosition", "FinalImageType")
_ASSESSMENTS = {"N": "1", "B": "2", "P": "3", "S": "4", "M": "5", "A": "0"}  # K, a known cancer, is an outcome
_SHAPES = {"R": "round", "O": "oval", "X": "irregular"}
_MARGINS = {"D": "circumscribed", "U": "obscured", "M": "microlobulated", "I": "indistinct", "S": "spiculated"}
_DISTRIBUTIONS = {"G": "grouped", "C": "grouped", "S": "segmental", "R": "regional", "L": "linear", "D": "diffuse"}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each accession."""
    images = group_rows(read_rows(root / "EMBED_OpenData_metadata.csv", METADATA), lambda row: row["acc_anon"])
    table = read_rows(root / "EMBED_OpenData_clinical.csv", CLINICAL)
    for accession, rows in group_rows(table, lambda row: row["acc_anon"]).items():
        files = [row for row in images.get(accession, []) if row["FinalImageType"] == "2D"]
        if not files:
            yield SkippedRow(accession, "no 2-D image in the metadata table")
            continue
        density = next(filter(None, (density_letter(row["tissueden"]) for row in rows)), None)
        yield make_case(
            accession,
            rows[0]["empi_anon"],
            [
                Image(row["anon_dicom_path"], view_name(row["ImageLateralityFinal"], row["ViewPosition"]))
                for row in files
            ],
            {side: _describe_breast(density, [row for row in rows if _is_about(row, side)]) for side in Laterality},
        )


def _is_about(row: Row, laterality: Laterality) -> bool:
    """Whether a row is about a breast: its side, both (B), or not given."""
    return row["side"] in (laterality.value, "B", "")


def _describe_breast(density: str | None, rows: list[Row]) -> Breast:
    present = tuple(dict.fromkeys(finding for row in rows if (finding := _finding(row)) is not None))
    birads = max((_ASSESSMENTS[row["asses"]] for row in rows if row["asses"] in _ASSESSMENTS), default=None)
    labels = {finding.kind: 1 for finding in present}
    severity = [float(row["path_severity"]) for row in rows if row["path_severity"]]
    if severity:
        labels["malignancy"] = int(min(severity) <= 1)  # 0 invasive, 1 in situ, 2 and more benign
    return Breast(Findings(density, present, birads=birads), labels)


def _finding(row: Row) -> Finding | None:
    if row["massshape"] in _SHAPES:
        return Finding("mass", _SHAPES[row["massshape"]], _MARGINS.get(row["massmargin"]))
    if row["calcfind"] or row["calcdistri"]:
        return Finding("calcification", distribution=_DISTRIBUTIONS.get(row["calcdistri"]))
    return None
