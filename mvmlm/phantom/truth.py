"""What is true of a phantom, as table rows and files."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2

from ..dicom_write import write_view
from . import PhantomExam, phantom_exams

TRUTH_COLUMNS = [
    "exam", "laterality", "density", "mass", "calcification", "asymmetry", "distortion", "malignant", "birads",
    "risk_years", "cancer", "mass_shape", "mass_margin", "mass_size_mm", "calcification_morphology",
    "calcification_distribution", "asymmetry_kind",
]  # fmt: skip


def truth_rows(phantom: PhantomExam) -> list[dict]:
    """A row a breast, columns TRUTH_COLUMNS: 0/1 for each finding, then its descriptors."""
    rows = []
    for side, breast in phantom.breasts.items():
        found = breast.findings
        rows.append(
            {
                "exam": phantom.name,
                "laterality": side.value,
                "density": phantom.density,
                **{kind: int(getattr(found, kind) is not None) for kind in ("mass", "calcification", "asymmetry", "distortion")},
                "malignant": int(breast.malignant),
                "birads": found.birads,
                "risk_years": phantom.risk_years,
                "cancer": int(phantom.cancer),
                "mass_shape": found.mass and found.mass.shape,
                "mass_margin": found.mass and found.mass.margin,
                "mass_size_mm": found.mass and found.mass.size_mm,
                "calcification_morphology": found.calcification and found.calcification.morphology,
                "calcification_distribution": found.calcification and found.calcification.distribution,
                "asymmetry_kind": found.asymmetry and found.asymmetry.kind,
            }
        )
    return rows


def write_phantoms(out: Path, n: int, seed: int, rows: int = 1024) -> None:
    """OUT/<exam>/*.dcm, OUT/findings.csv, OUT/masks/<exam>_<view>_<finding>.png. The same seed gives the same bytes."""
    out = Path(out)
    (out / "masks").mkdir(parents=True, exist_ok=True)
    with open(out / "findings.csv", "w", newline="") as table:
        writer = csv.DictWriter(table, TRUTH_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for phantom in phantom_exams(n, seed, rows):
            folder = out / phantom.name
            folder.mkdir(exist_ok=True)
            for name, view in phantom.exam.views.items():
                write_view(view, folder / f"{name}.dcm", patient_id=phantom.name)
            for (name, kind), mask in phantom.masks.items():
                cv2.imwrite(str(out / "masks" / f"{phantom.name}_{name}_{kind}.png"), mask)
            writer.writerows(truth_rows(phantom))
