"""CSAW-CC (Strand, 2022): CSAW-CC_breast_cancer_screening_data.csv and the image files that it names.

All x_ columns and rad_timing are outcomes. Follow-up is given by exam year: a woman with cancer has risk labels for her
earlier exams. The table does not give the follow-up of the others, so it is taken to end with their last exam.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import partial
from pathlib import Path

from ..exam import Laterality
from .breasts import Breast, describe_breasts, make_case
from .case import Case, Image, SkippedRow
from .columns import Row, group_rows, read_rows, view_name

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
    """Yield a case for each patient and year. The last exam of a woman with cancer is the one that shows it."""
    table = read_rows(root / "CSAW-CC_breast_cancer_screening_data.csv", COLUMNS)
    for patient, rows in group_rows(table, lambda row: row["anon_patientid"]).items():
        cancer = any(row["x_case"].removesuffix(".0") == "1" for row in rows)
        sides_of_cancer = {row["x_cancer_laterality"][:1].upper() for row in rows} if cancer else set()
        exams = group_rows(rows, lambda row: str(int(float(row["exam_year"]))))
        last_year = max(map(int, exams))
        for year in sorted(exams, key=int):
            follow_up_years = float(last_year - int(year))
            describe = partial(_describe_breast, set() if follow_up_years else sides_of_cancer)
            yield make_case(
                f"{patient} {year}",
                patient,
                [
                    Image(row["anon_filename"], view_name(row["imagelaterality"], row["viewposition"]))
                    for row in exams[year]
                ],
                describe_breasts(exams[year], "imagelaterality", describe),
                risk=(follow_up_years, cancer) if follow_up_years else None,
            )


def _describe_breast(sides_of_cancer: Set[str], laterality: Laterality, rows: list[Row]) -> Breast:
    return Breast(labels={"malignancy": int(laterality.value in sides_of_cancer)})
