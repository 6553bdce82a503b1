"""INbreast (Moreira et al., 2012): INbreast.csv and AllDICOMs/.

The table is separated by semicolons; its files are AllDICOMs/<File Name>_<patient>_MG_<side>_<view>_ANON.dcm.
The table has no patient IDs; the code of a patient is the second part of a file's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Findings
from .breasts import Breast, describe_breasts, make_case
from .case import Case, Image, SkippedRow
from .columns import AgreedValues, Row, birads_category, density_letter, group_rows, read_rows, view_name

COLUMNS = ("Laterality", "View", "Acquisition date", "File Name", "ACR", "Bi-Rads")


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each patient and acquisition date."""
    files = {path.name.split("_")[0]: path for path in sorted((root / "AllDICOMs").glob("*.dcm"))}
    table = []
    for row in read_rows(root / "INbreast.csv", COLUMNS, delimiter=";"):
        file = files.get(row["File Name"])
        if file is None:
            yield SkippedRow(row["File Name"], "no DICOM file of that name in AllDICOMs")
            continue
        parts = file.stem.split("_")
        table.append(row | {"file": f"AllDICOMs/{file.name}", "patient": parts[1] if len(parts) > 1 else file.stem})
    for exam, rows in group_rows(table, lambda row: f"{row['patient']} {row['Acquisition date']}").items():
        images = [Image(row["file"], view_name(row["Laterality"], row["View"])) for row in rows]
        breasts = describe_breasts(rows, "Laterality", partial(_describe_breast, exam))
        yield make_case(exam, rows[0]["patient"], images, breasts)


def _describe_breast(exam: str, laterality: Laterality, rows: list[Row]) -> Breast:
    agreed = AgreedValues(rows, f"{exam} {laterality.value}")
    birads, density = birads_category(agreed.get("Bi-Rads")), density_letter(agreed.get("ACR"))
    return Breast(Findings(density, birads=birads), contradictions=agreed.contradictions)
