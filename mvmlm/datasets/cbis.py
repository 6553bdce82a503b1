"""CBIS-DDSM (Lee et al., 2017): the four *_case_description_*_set.csv tables, one row an abnormality and view.

Official train and test sets are kept; a patient who is in both is refused in the test set's favour. The tables list
abnormalities only: a kind without a row is not known to be absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..exam import Laterality
from ..report.findings import ExamFindings, Finding, Findings
from . import (
    Case,
    DatasetError,
    Image,
    SkippedRow,
    assessment,
    birads_label,
    density_label,
    density_letter,
    grouped,
    rows_of,
    view_name,
)

TITLE = "CBIS-DDSM"
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
    "CLUSTERED": "grouped", "LINEAR": "linear", "SEGMENTAL": "segmental", "REGIONAL": "regional", "DIFFUSELY_SCATTERED": "diffuse"
}  # fmt: skip
_ASYMMETRIES = {"ASYMMETRIC_BREAST_TISSUE": "global asymmetry", "FOCAL_ASYMMETRIC_DENSITY": "focal asymmetry"}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """A case a patient."""
    tables = sorted(root.glob("*_case_description_*_set.csv"))
    if not tables:
        raise DatasetError("no *_case_description_*_set.csv: give the folder with CBIS-DDSM's tables as --root")
    rows = []
    for table in tables:
        split = "test" if "test" in table.name else "train"
        rows += [row | {"split": split} for row in rows_of(table, COLUMNS)]
    for patient, own in grouped(rows, lambda row: row["patient_id"]).items():
        splits = {row["split"] for row in own}
        if len(splits) > 1:  # a woman with a mass in one set and a calcification in the other
            yield SkippedRow(f"{patient} (train rows)", "the patient is in the official test set too")
            own = [row for row in own if row["split"] == "test"]
        yield _case(patient, own)


def _case(patient: str, rows: list[dict[str, str]]) -> Case:
    sides, labels, letters = {}, {}, []
    for side in Laterality:
        own = [row for row in rows if row["left or right breast"][:1].upper() == side.value]
        if not own:
            continue
        abnormalities = grouped(own, lambda row: f"{row['abnormality type']} {row['abnormality id']}")
        present = tuple(dict.fromkeys(finding for group in abnormalities.values() for finding in _findings(group[0])))
        levels = sorted(filter(None, (assessment(row["assessment"]) for row in own)))
        letters.append(
            next(
                filter(
                    None, (density_letter(row.get("breast_density") or row.get("breast density") or "") for row in own)
                ),
                None,
            )
        )
        level = levels[-1] if levels else None
        sides[side.word] = Findings(letters[-1], present, birads=level)
        malignant = any(row["pathology"] == "MALIGNANT" for row in own)
        labels[side] = {finding.kind: 1 for finding in present} | birads_label(level) | {"malignancy": int(malignant)}
    images = {row["image file path"].strip(): row for row in rows}
    return Case(
        patient,
        patient,
        tuple(Image(path, view_name(row["left or right breast"], row["image view"])) for path, row in images.items()),
        ExamFindings(**sides),
        labels,
        density_label(letters),
        split=rows[0]["split"],
    )


def _findings(row: dict[str, str]) -> list[Finding]:
    """A row's abnormality in our words; of several words for one field ("ILL_DEFINED-SPICULATED") the known last one."""
    if row["abnormality type"].startswith("calc"):
        morphology = _last(_MORPHOLOGIES, row.get("calc type", ""))
        return [
            Finding(
                "calcification",
                morphology=morphology,
                distribution=_last(_DISTRIBUTIONS, row.get("calc distribution", "")),
            )
        ]
    words = row.get("mass shape", "").split("-")
    found = [Finding("asymmetry", asymmetry=_ASYMMETRIES[word]) for word in words if word in _ASYMMETRIES]
    if "ARCHITECTURAL_DISTORTION" in words:
        found.append(Finding("distortion"))
    shape = _last(_SHAPES, row.get("mass shape", ""))
    if shape or not found:
        found.append(Finding("mass", shape, _last(_MARGINS, row.get("mass margins", ""))))
    return found


def _last(words: dict[str, str], text: str) -> str | None:
    known = [words[word] for word in text.split("-") if word in words]
    return known[-1] if known else None
