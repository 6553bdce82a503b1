"""CSAW-CC (Strand, 2022): CSAW-CC_breast_cancer_screening_data.csv and the image files that it names.

All x_ columns and rad_timing are outcomes. Follow-up is given by exam year: a woman with cancer has risk labels for her
earlier exams; the table does not say how long the others were followed, so they are counted up to their last exam.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from ..report.findings import ExamFindings, Findings
from . import Case, Image, SkippedRow, grouped, rows_of, view_name

TITLE = "CSAW-CC"
COLUMNS = (
    "anon_patientid",
    "exam_year",
    "x_case",
    "x_cancer_laterality",
    "imagelaterality",
    "viewposition",
    "anon_filename",
)


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """A case a patient and year. The images stopped at the diagnosis: the last exam of a case is the one with cancer."""
    table = rows_of(root / "CSAW-CC_breast_cancer_screening_data.csv", COLUMNS)
    for patient, rows in grouped(table, lambda row: row["anon_patientid"]).items():
        years = sorted({int(float(row["exam_year"])) for row in rows})
        sick = any(row["x_case"].removesuffix(".0") == "1" for row in rows)
        sides_of_cancer = {row["x_cancer_laterality"][:1].upper() for row in rows}
        for year in years:
            own = [row for row in rows if int(float(row["exam_year"])) == year]
            now = sick and year == years[-1]
            seen = {Laterality(row["imagelaterality"][:1].upper()) for row in own}
            labels = {side: {"malignancy": int(now and side.value in sides_of_cancer)} for side in seen}
            left = float(years[-1] - year)
            yield Case(
                f"{patient} {year}",
                patient,
                tuple(
                    Image(row["anon_filename"], view_name(row["imagelaterality"], row["viewposition"])) for row in own
                ),
                ExamFindings(**{side.word: Findings() for side in seen}),
                labels,
                risk=(left, sick) if left > 0 else None,
            )
