"""The truth about phantom exams as table rows and files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from ..imaging.own_outputs import write_labelled
from ..imaging.write import write_view
from ..report.finding_columns import FINDING_COLUMNS
from ..report.lexicon import KINDS
from .exams import PhantomExam, phantom_exams

TRUTH_COLUMNS = [
    "exam", "laterality", "density", "mass", "calcification", "asymmetry", "distortion", "malignant", "birads",
    "risk_years", "cancer", "mass_shape", "mass_margin", "mass_size_mm", "calcification_morphology",
    "calcification_distribution", "asymmetry_kind", "best_risk_score", "age_years",
    *(f"{kind}_cnr_{projection}" for kind in KINDS for projection in ("CC", "MLO")),
]  # fmt: skip


def truth_rows(phantom: PhantomExam) -> list[dict[str, Any]]:
    """Return a row for each breast with columns of TRUTH_COLUMNS: 0/1 for each finding, then its descriptors."""
    rows = []
    for side, breast in phantom.breasts.items():
        found = breast.findings
        described = {kind: found.first(kind) for kind in KINDS}
        row: dict[str, Any] = {
            "exam": phantom.name,
            "laterality": side.value,
            "density": phantom.density,
            **{kind: int(finding is not None) for kind, finding in described.items()},
            "malignant": int(breast.malignant),
            "birads": found.birads,
            "risk_years": phantom.risk_years,
            "cancer": int(phantom.cancer),
            "best_risk_score": round(phantom.best_risk_score, 5),
            "age_years": next(iter(phantom.exam.views.values())).acquisition.age_years,
        }
        for (name, kind), value in phantom.contrast_to_noise.items():
            if name.laterality is side:
                row[f"{kind}_cnr_{name.projection.value}"] = value
        for kind, finding in described.items():
            if finding is not None:
                columns = {column: getattr(finding, name) for name, column in FINDING_COLUMNS[kind].items()}
                row |= {column: value for column, value in columns.items() if column in TRUTH_COLUMNS}
        rows.append(row)
    return rows


def write_phantoms(out: Path, n: int, seed: int, rows: int = 1024, shift: bool = False) -> None:
    """Write OUT/<exam>/*.dcm, OUT/findings.csv and OUT/masks/<exam>_<view>_<finding>.png.

    The same seed gives the same bytes.
    """
    out = Path(out)
    (out / "masks").mkdir(parents=True, exist_ok=True)
    with open(out / "findings.csv", "w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, TRUTH_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for phantom in phantom_exams(n, seed, rows, shift):
            folder = out / phantom.name
            folder.mkdir(exist_ok=True)
            for name, view in phantom.exam.views.items():
                write_view(view, folder / f"{name}.dcm", patient_id=phantom.name)
            for (name, kind), mask in phantom.masks.items():
                write_labelled(out / "masks" / f"{phantom.name}_{name}_{kind}.png", mask)
            writer.writerows(truth_rows(phantom))
