"""EMBED open data (Jeong et al., 2023): EMBED_OpenData_clinical.csv and EMBED_OpenData_metadata.csv.

Only codes of the legend that are certain here are mapped; another code leaves its field unknown. Pathology becomes a
label, never a word. 2-D full-field images only (FinalImageType 2D).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from ..report.findings import ExamFindings, Finding, Findings
from . import Case, Image, SkippedRow, birads_label, density_label, density_letter, grouped, rows_of, view_name

TITLE = "EMBED"
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
    """A case an accession."""
    images = grouped(rows_of(root / "EMBED_OpenData_metadata.csv", METADATA), lambda row: row["acc_anon"])
    for accession, rows in grouped(
        rows_of(root / "EMBED_OpenData_clinical.csv", CLINICAL), lambda row: row["acc_anon"]
    ).items():
        files = [row for row in images.get(accession, []) if row["FinalImageType"] == "2D"]
        if not files:
            yield SkippedRow(accession, "no 2-D image in the metadata table")
            continue
        letter = next(filter(None, (density_letter(row["tissueden"]) for row in rows)), None)
        sides, labels = {}, {}
        for side in Laterality:
            own = [row for row in rows if row["side"] in (side.value, "B", "")]
            present = tuple(dict.fromkeys(filter(None, map(_finding, own))))
            levels = sorted(filter(None, (_ASSESSMENTS.get(row["asses"]) for row in own)))
            level = levels[-1] if levels else None
            sides[side.word] = Findings(letter, present, birads=level)
            severity = [float(row["path_severity"]) for row in own if row["path_severity"]]
            labels[side] = {finding.kind: 1 for finding in present} | birads_label(level)
            if severity:
                labels[side]["malignancy"] = int(min(severity) <= 1)  # 0 invasive, 1 in situ, 2 and more benign
        yield Case(
            accession,
            rows[0]["empi_anon"],
            tuple(
                Image(row["anon_dicom_path"], view_name(row["ImageLateralityFinal"], row["ViewPosition"]))
                for row in files
            ),
            ExamFindings(**sides),
            labels,
            density_label([letter]),
        )


def _finding(row: dict[str, str]) -> Finding | None:
    if row["massshape"] in _SHAPES:
        return Finding("mass", _SHAPES[row["massshape"]], _MARGINS.get(row["massmargin"]))
    if row["calcfind"] or row["calcdistri"]:
        return Finding("calcification", distribution=_DISTRIBUTIONS.get(row["calcdistri"]))
    return None
