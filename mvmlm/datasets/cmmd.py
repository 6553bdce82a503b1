"""CMMD, the Chinese Mammography Database (Cui et al., TCIA 2021): CMMD_clinicaldata_revision.xlsx beside CMMD/<ID1>/.

The table, which may be saved as CSV too, has one row for each breast with a biopsy; a breast without a row has pictures
and nothing known. `abnormality` is calcification, mass or both: the other one is denied as a suspicious finding.
`classification` and `subtype` are outcomes; the first becomes a label, where it is given, and neither enters a report.
The views stand in the headers of the files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from ..exam import Laterality
from ..imaging.decoder import Unreadable
from ..imaging.load import default_decoder
from ..imaging.view_identification import laterality
from ..report.findings import Finding, Findings
from .breasts import Breast, describe_breasts, make_case
from .case import Case, Image, SkippedRow
from .columns import AgreedValues, Row, WordReader, group_rows, lacking_columns
from .data_folder import pictures_below
from .spreadsheet import find_sheet, read_table, sheet_columns

TABLE = "CMMD_clinicaldata_revision"
COLUMNS = ("ID1", "LeftRight", "abnormality", "classification")
_PRESENT = {"mass": ("mass",), "calcification": ("calcification",), "both": ("calcification", "mass")}
_MALIGNANT = {"malignant": True, "benign": False}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each patient. The table does not give the view of a file; its header does."""
    table = read_table(root, TABLE, COLUMNS)
    for patient, rows in group_rows(table, lambda row: row["ID1"]).items():
        if patient == ".." or Path(patient).name != patient or "\\" in patient:  # a path to anywhere
            yield SkippedRow(patient, "ID1 is not the name of a folder in CMMD", len(rows))
            continue
        folder = root / "CMMD" / patient
        files = [path.relative_to(root).as_posix() for path in pictures_below(folder, (".dcm", ".dicom"))]
        if not files:
            yield SkippedRow(patient, "no DICOM file in CMMD/ID; give the folder that holds CMMD", len(rows))
            continue
        words = WordReader()
        breasts = describe_breasts(rows, "LeftRight", partial(_describe_breast, patient), words)
        images = [Image(file, None) for file in files]
        missing = _missing_sides(patient, breasts, _sides(root, files))
        yield make_case(patient, patient, images, breasts, rows=len(rows), contradictions=missing,
                        unread=words.unread)  # fmt: skip


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for what the table lacks."""
    if path := find_sheet(root, TABLE):
        yield from lacking_columns(path.name, sheet_columns(path), {"not counted": ("subtype",)})


def _sides(root: Path, files: Sequence[str]) -> list[Laterality | None]:
    """The breast of each file by its header; None where it gives none or cannot be read."""
    sides: list[Laterality | None] = []
    for file, header in zip(files, default_decoder().headers(root / file for file in files), strict=True):
        found = None if isinstance(header, Unreadable) else laterality(header, file)
        sides.append(Laterality(found.value) if found else None)
    return sides


def _missing_sides(
    patient: str, breasts: dict[Laterality, Breast], pictured: Sequence[Laterality | None]
) -> tuple[str, ...]:
    """A sentence for each breast with a row and without a picture, where all pictures tell their side."""
    if None in pictured:
        return ()
    return tuple(
        f"{patient}: the table describes the {side.word} breast, and the files show only the other one"
        for side in breasts
        if side not in pictured
    )


def _describe_breast(patient: str, side: Laterality, rows: list[Row]) -> Breast:
    agreed, words = AgreedValues(rows, f"{patient} {side.value}"), WordReader()
    present = words.read("abnormality", agreed.get("abnormality"), lambda word: _PRESENT.get(word.lower())) or ()
    denied = {"mass", "calcification"} - set(present) if present else set()
    labels = {kind: int(kind in present) for kind in ("mass", "calcification") if present}
    malignant = words.read("classification", agreed.get("classification"), lambda word: _MALIGNANT.get(word.lower()))
    if malignant is not None:
        labels["malignancy"] = int(malignant)
    if subtype := agreed.get("subtype"):
        words.skip("subtype", subtype, "an outcome, which enters no report")
    findings = Findings(present=tuple(Finding(kind) for kind in present), not_suspicious=frozenset(denied))
    return Breast(findings, labels, agreed.contradictions, unread=words.unread)
