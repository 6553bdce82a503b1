"""VinDr-Mammo (Nguyen et al., 2023): finding_annotations.csv and images/<study>/<image>.dicom.

Its readers marked findings of BI-RADS 3 and above only. A kind that was not marked in a breast is therefore absent as a
suspicious finding, which is what a report's "no suspicious ..." states. The tables give no size, shape or location.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Finding, Findings
from ..report.lexicon import KINDS
from .breasts import Breast, describe_breasts, make_case
from .case import Case, FindingBox, Image, SkippedRow
from .columns import AgreedValues, Row, birads_category, density_letter, group_rows, read_rows, view_name

COLUMNS = (
    "study_id", "image_id", "laterality", "view_position", "breast_birads", "breast_density", "finding_categories",
    "finding_birads", "split",
)  # fmt: skip
_FINDINGS = {
    "Mass": Finding("mass"),
    "Suspicious Calcification": Finding("calcification"),
    "Asymmetry": Finding("asymmetry", asymmetry="asymmetry"),
    "Focal Asymmetry": Finding("asymmetry", asymmetry="focal asymmetry"),
    "Global Asymmetry": Finding("asymmetry", asymmetry="global asymmetry"),
    "Architectural Distortion": Finding("distortion"),
}
_SPLITS = {"training": "train", "test": "test"}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each study."""
    table = read_rows(root / "finding_annotations.csv", COLUMNS)
    for study, rows in group_rows(table, lambda row: row["study_id"]).items():
        breasts = describe_breasts(rows, "laterality", partial(_describe_breast, study))
        views = {row["image_id"]: row for row in rows}
        images = [
            Image(
                f"images/{study}/{image}.dicom",
                view_name(row["laterality"], row["view_position"]),
                _boxes([row for row in rows if row["image_id"] == image]),
            )
            for image, row in views.items()
        ]
        yield make_case(study, study, images, breasts, split=_SPLITS.get(rows[0]["split"]))


def _describe_breast(study: str, laterality: Laterality, rows: list[Row]) -> Breast:
    agreed = AgreedValues(rows, f"{study} {laterality.value}")
    birads, density = birads_category(agreed.get("breast_birads")), density_letter(agreed.get("breast_density"))
    categories = {category for row in rows for category in _categories(row)}
    present = tuple(_FINDINGS[category] for category in sorted(categories) if category in _FINDINGS)
    kinds = {finding.kind for finding in present}
    contradictions = agreed.contradictions
    if "No Finding" in categories and present:
        found = ", ".join(sorted(categories - {"No Finding"}))
        contradictions += (f"{study} {laterality.value}: both No Finding and {found}",)
    findings = Findings(density, present, frozenset(KINDS) - kinds, birads)
    return Breast(findings, {kind: int(kind in kinds) for kind in KINDS}, contradictions)


def _categories(row: Row) -> list[str]:
    """The column holds a list in Python's notation, which may be empty."""
    return ast.literal_eval(row["finding_categories"] or "[]")


def _boxes(rows: list[Row]) -> tuple[FindingBox, ...]:
    """The boxes of one image; a row of several categories gives a box for each."""
    return tuple(
        FindingBox(
            _FINDINGS[category].kind, float(row["xmin"]), float(row["ymin"]), float(row["xmax"]), float(row["ymax"])
        )
        for row in rows
        if row.get("xmin")
        for category in _categories(row)
        if category in _FINDINGS
    )
