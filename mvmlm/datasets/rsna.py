"""RSNA Screening Mammography Breast Cancer Detection, 2022: train.csv, train_images/<patient>/<image>.dcm.

The table gives no findings, only density, an assessment and the outcome, which becomes a label and never report text.
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

COLUMNS = ("patient_id", "image_id", "laterality", "view", "cancer", "BIRADS", "density")


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each patient."""
    for patient, rows in group_rows(read_rows(root / "train.csv", COLUMNS), lambda row: row["patient_id"]).items():
        images = [
            Image(f"train_images/{patient}/{row['image_id']}.dcm", view_name(row["laterality"], row["view"]))
            for row in rows
        ]
        yield make_case(
            patient, patient, images, describe_breasts(rows, "laterality", partial(_describe_breast, patient))
        )


def _describe_breast(patient: str, laterality: Laterality, rows: list[Row]) -> Breast:
    agreed = AgreedValues(rows, f"{patient} {laterality.value}")
    findings = Findings(density_letter(agreed.get("density")), birads=birads_category(agreed.get("BIRADS")))
    cancer = agreed.get("cancer")
    return Breast(findings, {"malignancy": int(float(cancer))} if cancer else {}, agreed.contradictions)
