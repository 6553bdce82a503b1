"""INbreast (Moreira et al., 2012): INbreast.csv (semicolons), AllDICOMs/<File Name>_<patient>_MG_<side>_<view>_ANON.dcm.

The table removes patient IDs; the patient's code is the second part of a file's name.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from ..report.findings import ExamFindings, Findings
from . import (
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

TITLE = "INbreast"
COLUMNS = ("Laterality", "View", "Acquisition date", "File Name", "ACR", "Bi-Rads")


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """A case a patient and acquisition date."""
    files = {path.name.split("_")[0]: path for path in sorted((root / "AllDICOMs").glob("*.dcm"))}
    rows = []
    for row in rows_of(root / "INbreast.csv", COLUMNS, delimiter=";"):
        file = files.get(row["File Name"])
        if file is None:
            yield SkippedRow(row["File Name"], "no DICOM file of that name in AllDICOMs")
            continue
        parts = file.stem.split("_")
        rows.append(row | {"file": f"AllDICOMs/{file.name}", "patient": parts[1] if len(parts) > 1 else file.stem})
    for exam, own in grouped(rows, lambda row: f"{row['patient']} {row['Acquisition date']}").items():
        sides, labels, letters, said = {}, {}, [], ()
        for side in Laterality:
            breast = [row for row in own if row["Laterality"] == side.value]
            if not breast:
                continue
            birads, first = one_value((row["Bi-Rads"] for row in breast), f"{exam} {side.value} Bi-Rads")
            density, second = one_value((row["ACR"] for row in breast), f"{exam} {side.value} ACR")
            said += first + second
            level = assessment(birads or "")
            letters.append(density_letter(density or ""))
            sides[side.word] = Findings(letters[-1], birads=level)
            labels[side] = birads_label(level)
        images = tuple(Image(row["file"], view_name(row["Laterality"], row["View"])) for row in own)
        yield Case(
            exam, own[0]["patient"], images, ExamFindings(**sides), labels, density_label(letters), contradictions=said
        )
