"""CBIS-DDSM (Lee et al., 2017): the four *_case_description_*_set.csv tables; a row per abnormality and view.

The official train and test sets are used; of a patient in both, only the test rows. The tables list abnormalities only:
a kind without a row is not known to be absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Finding, Findings
from .breasts import Breast, describe_breasts, make_case
from .case import Case, DatasetError, Image, SkippedRow
from .columns import Row, birads_category, density_letter, group_rows, read_rows, view_name

COLUMNS = (
    "patient_id",
    "left or right breast",
    "image view",
    "abnormality id",
    "abnormality type",
    "assessment",
    "pathology",
    "image file path",
)
_SHAPES = {"ROUND": "round", "OVAL": "oval", "IRREGULAR": "irregular"}
_MARGINS = {
    "CIRCUMSCRIBED": "circumscribed", "OBSCURED": "obscured", "MICROLOBULATED": "microlobulated",
    "ILL_DEFINED": "indistinct", "SPICULATED": "spiculated",
}  # fmt: skip
_MORPHOLOGIES = {
    "PLEOMORPHIC": "fine pleomorphic", "AMORPHOUS": "amorphous", "FINE_LINEAR_BRANCHING": "fine linear branching",
    "PUNCTATE": "punctate", "COARSE": "coarse", "VASCULAR": "vascular", "SKIN": "skin", "DYSTROPHIC": "dystrophic",
    "MILK_OF_CALCIUM": "milk of calcium", "ROUND_AND_REGULAR": "round", "EGGSHELL": "rim", "LARGE_RODLIKE": "rod-like",
}  # fmt: skip
_DISTRIBUTIONS = {
    "CLUSTERED": "grouped", "LINEAR": "linear", "SEGMENTAL": "segmental", "REGIONAL": "regional",
    "DIFFUSELY_SCATTERED": "diffuse",
}  # fmt: skip
_ASYMMETRIES = {"ASYMMETRIC_BREAST_TISSUE": "global asymmetry", "FOCAL_ASYMMETRIC_DENSITY": "focal asymmetry"}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each patient."""
    tables = sorted(root.glob("*_case_description_*_set.csv"))
    if not tables:
        raise DatasetError("no *_case_description_*_set.csv: give the folder with CBIS-DDSM's tables as --root")
    all_rows: list[Row] = []
    for table in tables:
        split = "test" if "test" in table.name else "train"
        all_rows += [row | {"split": split} for row in read_rows(table, COLUMNS)]
    for patient, rows in group_rows(all_rows, lambda row: row["patient_id"]).items():
        if len({row["split"] for row in rows}) > 1:  # a woman with a mass in one set and a calcification in the other
            yield SkippedRow(f"{patient} (train rows)", "the patient is in the official test set too")
            rows = [row for row in rows if row["split"] == "test"]
        images = {row["image file path"].strip(): row for row in rows}
        yield make_case(
            patient,
            patient,
            [Image(path, view_name(row["left or right breast"], row["image view"])) for path, row in images.items()],
            describe_breasts(rows, "left or right breast", _describe_breast),
            split=rows[0]["split"],
        )


def _describe_breast(laterality: Laterality, rows: list[Row]) -> Breast:
    abnormalities = group_rows(rows, lambda row: f"{row['abnormality type']} {row['abnormality id']}")
    present = tuple(dict.fromkeys(finding for group in abnormalities.values() for finding in _findings(group[0])))
    birads = max(filter(None, (birads_category(row["assessment"]) for row in rows)), default=None)
    density = next(filter(None, map(_density, rows)), None)
    malignant = any(row["pathology"] == "MALIGNANT" for row in rows)
    labels = {finding.kind: 1 for finding in present} | {"malignancy": int(malignant)}
    return Breast(Findings(density, present, birads=birads), labels)


def _density(row: Row) -> str | None:
    """The mass tables name the column breast_density, the calcification tables "breast density"."""
    return density_letter(row.get("breast_density") or row.get("breast density") or "")


def _findings(row: Row) -> list[Finding]:
    """The findings of a row; of several words for a field ("ILL_DEFINED-SPICULATED") the last known one counts."""
    if row["abnormality type"].startswith("calc"):
        morphology = _last_known(_MORPHOLOGIES, row.get("calc type", ""))
        distribution = _last_known(_DISTRIBUTIONS, row.get("calc distribution", ""))
        return [Finding("calcification", morphology=morphology, distribution=distribution)]
    words = row.get("mass shape", "").split("-")
    found = [Finding("asymmetry", asymmetry=_ASYMMETRIES[word]) for word in words if word in _ASYMMETRIES]
    if "ARCHITECTURAL_DISTORTION" in words:
        found.append(Finding("distortion"))
    shape = _last_known(_SHAPES, row.get("mass shape", ""))
    if shape or not found:
        found.append(Finding("mass", shape, _last_known(_MARGINS, row.get("mass margins", ""))))
    return found


def _last_known(words: dict[str, str], text: str) -> str | None:
    known = [words[word] for word in text.split("-") if word in words]
    return known[-1] if known else None
