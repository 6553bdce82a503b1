"""VinDr-Mammo (Nguyen et al., 2023): finding_annotations.csv and breast-level_annotations.csv, images/<study>/<image>.dicom.

Its readers marked findings of BI-RADS 3 and above only; a kind that was not marked in a breast is therefore absent as a
suspicious finding, which is how the writer denies it. No size, shape or place is given, so none is said.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from ..report.findings import ExamFindings, Finding, Findings
from ..report.lexicon import KINDS
from . import (
    Case,
    FindingBox,
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

TITLE = "VinDr-Mammo"
COLUMNS = (
    "study_id", "image_id", "laterality", "view_position", "breast_birads", "breast_density", "finding_categories",
    "finding_birads", "split",
)  # fmt: skip
_KINDS = {
    "Mass": Finding("mass"),
    "Suspicious Calcification": Finding("calcification"),
    "Asymmetry": Finding("asymmetry", asymmetry="asymmetry"),
    "Focal Asymmetry": Finding("asymmetry", asymmetry="focal asymmetry"),
    "Global Asymmetry": Finding("asymmetry", asymmetry="global asymmetry"),
    "Architectural Distortion": Finding("distortion"),
}
_SPLITS = {"training": "train", "test": "test"}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """A case a study."""
    for study, rows in grouped(rows_of(root / "finding_annotations.csv", COLUMNS), lambda row: row["study_id"]).items():
        sides, labels, said, letters = {}, {}, (), []
        for side in Laterality:
            own = [row for row in rows if row["laterality"] == side.value]
            if not own:
                continue
            birads, first = one_value((row["breast_birads"] for row in own), f"{study} {side.value} breast_birads")
            density, second = one_value((row["breast_density"] for row in own), f"{study} {side.value} breast_density")
            said += first + second
            categories = {category for row in own for category in ast.literal_eval(row["finding_categories"] or "[]")}
            present = tuple(_KINDS[category] for category in sorted(categories) if category in _KINDS)
            if "No Finding" in categories and present:
                said += (f"{study} {side.value}: both No Finding and {', '.join(sorted(categories - {'No Finding'}))}",)
            kinds = {finding.kind for finding in present}
            level = assessment(birads or "")
            letters.append(density_letter(density or ""))
            sides[side.word] = Findings(letters[-1], present, frozenset(KINDS) - kinds, level)
            labels[side] = {kind: int(kind in kinds) for kind in KINDS} | birads_label(level)
        images = {row["image_id"]: row for row in rows}
        yield Case(
            study,
            study,
            tuple(
                Image(
                    f"images/{study}/{image}.dicom",
                    view_name(row["laterality"], row["view_position"]),
                    _boxes(rows, image),
                )
                for image, row in images.items()
            ),
            ExamFindings(**sides),
            labels,
            density_label(letters),
            split=_SPLITS.get(rows[0]["split"]),
            contradictions=said,
        )


def _boxes(rows, image) -> tuple[FindingBox, ...]:
    own = [row for row in rows if row["image_id"] == image and row.get("xmin")]
    return tuple(
        FindingBox(_KINDS[category].kind, *(float(row[edge]) for edge in ("xmin", "ymin", "xmax", "ymax")))
        for row in own for category in ast.literal_eval(row["finding_categories"] or "[]") if category in _KINDS
    )  # fmt: skip
