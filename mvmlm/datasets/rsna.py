"""RSNA Screening Mammography Breast Cancer Detection, 2022: train.csv, train_images/<patient>/<image>.dcm.

The table tells no finding, only density, an assessment and the outcome; the outcome is a label and never a word.
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

TITLE = "RSNA 2022"
COLUMNS = ("patient_id", "image_id", "laterality", "view", "cancer", "BIRADS", "density")


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """A case a patient."""
    for patient, rows in grouped(rows_of(root / "train.csv", COLUMNS), lambda row: row["patient_id"]).items():
        sides, labels, said, letters = {}, {}, (), []
        for side in Laterality:
            own = [row for row in rows if row["laterality"] == side.value]
            if not own:
                continue
            birads, first = one_value((row["BIRADS"] for row in own), f"{patient} {side.value} BIRADS")
            density, second = one_value((row["density"] for row in own), f"{patient} {side.value} density")
            cancer, third = one_value((row["cancer"] for row in own), f"{patient} {side.value} cancer")
            said += first + second + third
            level = assessment(birads or "")
            letters.append(density_letter(density or ""))
            sides[side.word] = Findings(letters[-1], birads=level)
            labels[side] = birads_label(level) | ({"malignancy": int(float(cancer))} if cancer else {})
        images = tuple(
            Image(f"train_images/{patient}/{row['image_id']}.dcm", view_name(row["laterality"], row["view"]))
            for row in rows
        )
        yield Case(patient, patient, images, ExamFindings(**sides), labels, density_label(letters), contradictions=said)
