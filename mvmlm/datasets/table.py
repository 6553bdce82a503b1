"""A table of your own: exams.csv with one row for each image and the columns below. Empty means not known.

exam, patient, file (relative to the folder), laterality (R/L), view (CC, MLO, ...): required.
split: train, validation or test. density: A to D. birads: 0 to 5, 4A to 4C.
mass, calcification, asymmetry, distortion: 1 present, 0 absent.
mass_shape, mass_margin, mass_density, mass_size_mm, calcification_morphology, calcification_distribution,
asymmetry_kind: words of the BI-RADS lexicon as in `mvmlm/report/lexicon.py`. place, depth: of the breast's finding.
malignant: 0 or 1, an outcome, which becomes a label and never report text. risk_years, cancer: follow-up in years, and
whether cancer was found at its end. Rows of one breast may repeat the same values; where they disagree, the field is
not known and the disagreement is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..exam import Laterality
from ..report.finding_columns import finding_from_columns
from ..report.findings import Findings
from ..report.lexicon import KINDS
from .breasts import Breast, describe_breasts, make_case
from .case import SPLITS, Case, Image, SkippedRow
from .columns import AgreedValues, Row, birads_category, density_letter, group_rows, read_rows, view_name

COLUMNS = ("exam", "patient", "file", "laterality", "view")


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each exam; an exam with a value that cannot be read is skipped with the reason."""
    for exam, rows in group_rows(read_rows(root / "exams.csv", COLUMNS), lambda row: row["exam"]).items():
        try:
            yield _case(exam, rows)
        except ValueError as error:
            yield SkippedRow(exam, str(error))


def _case(exam: str, rows: list[Row]) -> Case:
    """Raises ValueError for a value that cannot be read."""
    agreed = AgreedValues(rows, exam)
    patient, split = agreed.get("patient"), agreed.get("split") or None
    if not patient:
        raise ValueError("rows of one exam name several patients, or none")
    if split not in (None, *SPLITS):
        raise ValueError(f"split={split!r}: expected {', '.join(SPLITS)}")
    years, cancer = agreed.get("risk_years"), agreed.get("cancer")
    return make_case(
        exam,
        patient,
        [Image(row["file"], view_name(row["laterality"], row["view"])) for row in rows],
        describe_breasts(rows, "laterality", partial(_describe_breast, exam)),
        risk=(float(years), cancer == "1") if years and cancer and float(years) > 0 else None,
        split=split,
        contradictions=agreed.contradictions,
    )


def _describe_breast(exam: str, laterality: Laterality, rows: list[Row]) -> Breast:
    agreed = AgreedValues(rows, f"{exam} {laterality.value}")
    marks = {kind: agreed.get(kind) for kind in KINDS}
    findings = Findings(
        density_letter(agreed.get("density")),
        present=tuple(finding_from_columns(kind, agreed.get) for kind in KINDS if marks[kind] == "1"),
        absent=frozenset(kind for kind in KINDS if marks[kind] == "0"),
        birads=birads_category(agreed.get("birads")),
    )
    marks["malignancy"] = agreed.get("malignant")
    labels = {task: int(mark) for task, mark in marks.items() if mark in ("0", "1")}
    return Breast(findings, labels, agreed.contradictions)
