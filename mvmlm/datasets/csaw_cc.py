"""CSAW-CC (Strand, 2022): CSAW-CC_breast_cancer_screening_data.csv and the image files that it names.

All x_ columns and rad_timing are outcomes. rad_timing tells when a woman's cancer was found after an exam: 1 within 60
days (found by this screening), 2 after 60 to 729 days (an interval cancer, or one of a later exam), 3 after 730 days or
more. The labels of malignancy are, with 0 for all breasts of women without cancer:

| rad_timing | breast with the cancer | other breast | follow-up of the exam |
|---|---|---|---|
| 1 | malignancy 1 | 0 | none: the cancer is there |
| 2 | not known: it was found neither now nor long after | 0 | below |
| 3 | 0 | 0 | below |
| empty | not known | 0 | below |

Years are calendar years, because the table gives no dates. Where an exam of the woman has rad_timing 1, her earlier
exams are followed to it, with cancer. Where none has, the time of her cancer is not known to the year: her exams count
as free of cancer up to her last one, and for two years at least where their rad_timing is 3. The follow-up of women
without cancer is not given and taken to end with their last exam.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from ..exam import Laterality
from .breasts import Breast, describe_breasts, make_case
from .case import Case, Image, SkippedRow
from .columns import AgreedValues, Row, WordReader, group_rows, read_rows, view_name

COLUMNS = (
    "anon_patientid",
    "exam_year",
    "x_case",
    "x_cancer_laterality",
    "rad_timing",
    "imagelaterality",
    "viewposition",
    "anon_filename",
)
_FOUND_NOW, _FOUND_SOON, _FOUND_LATE = "1", "2", "3"  # rad_timing
_YEARS_UNTIL_LATE = 2.0  # 730 days


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each patient and year."""
    table = read_rows(root / "CSAW-CC_breast_cancer_screening_data.csv", COLUMNS)
    for patient, rows in group_rows(table, lambda row: row["anon_patientid"]).items():
        agreed = AgreedValues(rows, patient)
        cancer, side = agreed.get("x_case"), agreed.get("x_cancer_laterality")[:1].upper()
        exams = group_rows(rows, lambda row: row["exam_year"])
        for year in [year for year in exams if not year.isdecimal()]:
            yield SkippedRow(f"{patient} {year}", "exam_year is not the number of a year", len(exams[year]))
            del exams[year]
        told = {year: AgreedValues(exams[year], f"{patient} {year}") for year in exams}
        timing = {int(year): values.get("rad_timing") for year, values in told.items()}
        for year in sorted(exams, key=int):
            words, describe = WordReader(), partial(_describe_breast, cancer, side, timing[int(year)])
            yield make_case(
                f"{patient} {year}",
                patient,
                [
                    Image(row["anon_filename"], view_name(row["imagelaterality"], row["viewposition"]))
                    for row in exams[year]
                ],
                describe_breasts(exams[year], "imagelaterality", describe, words),
                rows=len(exams[year]),
                risk=_follow_up(cancer, int(year), timing),
                contradictions=agreed.contradictions + told[year].contradictions,
                unread=words.unread,
            )


def _describe_breast(cancer: str, side: str, timing: str, laterality: Laterality, rows: list[Row]) -> Breast:
    """cancer: x_case, "1" for a woman with cancer. side: R or L, that of the cancer."""
    if cancer == "0":
        return Breast(labels={"malignancy": 0})
    if cancer != "1" or side not in ("R", "L"):
        return Breast()
    if side != laterality.value or timing == _FOUND_LATE:
        return Breast(labels={"malignancy": 0})
    return Breast(labels={"malignancy": 1} if timing == _FOUND_NOW else {})


def _follow_up(cancer: str, year: int, timing: Mapping[int, str]) -> tuple[float, bool] | None:
    """The follow-up of an exam. timing: rad_timing of each year with an exam of the woman."""
    found = [of_exam for of_exam, when in timing.items() if when == _FOUND_NOW]
    if cancer == "1" and found:
        years = float(min(found) - year)
        return (years, True) if years > 0 else None
    if cancer not in ("0", "1"):
        return None
    last = max(timing)
    after_last = _YEARS_UNTIL_LATE if timing[last] == _FOUND_LATE else 0.0
    years = max(last - year + after_last, _YEARS_UNTIL_LATE if timing[year] == _FOUND_LATE else 0.0)
    return (years, False) if years > 0 else None
