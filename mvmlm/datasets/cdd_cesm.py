"""CDD-CESM (Khaled et al., Scientific Data 2022; CC BY 4.0): its low-energy pictures, read as ordinary mammograms.

The folder holds either the published tables, "Radiology manual annotations.xlsx" (spaces or hyphens) with Low energy
images of CDD-CESM/, or the reduced copy cdd_cesm.csv with the files that it names. Findings are sentences
(`cdd_cesm_words`); of the published table the sheet mass_description adds the shape, and is used where the sentence
names one mass, or several that are alike. A breast's assessment is that of its most abnormal finding. "Normal" denies
all kinds of findings; elsewhere a kind that is not named is not known. The pathology becomes a label; it, the tags,
which speak of malignancy, and the age enter no report. Outlines become boxes where the sentence of their picture names
one kind of finding and nothing else.

Of the reduced copy each case is one breast. Its pictures without a patient have a folder's name instead of a
pathology, which is less sure and not used, and are never in a test split.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Finding, Findings
from .breasts import Breast, make_case
from .case import NOT_UNDERSTOOD, Case, DatasetError, Disagreement, Image, SkippedRow
from .cdd_cesm_outlines import OUTLINES, PUBLISHED, Outlines, boxes_of, published_outlines, reduced_outlines
from .cdd_cesm_words import COLUMN, Description, read_description
from .columns import (
    AgreedValues,
    Row,
    WordReader,
    density_letter,
    group_rows,
    lacking_columns,
    plain_side,
    read_rows,
    side_of,
    table_columns,
    view_name,
)
from .same_findings import merge_findings
from .several_rows import finding_of_rows, overall_assessment
from .spreadsheet import read_sheet, sheet_columns

REDUCED = "cdd_cesm.csv"
TABLES = ("Radiology manual annotations.xlsx", "Radiology-manual-annotations.xlsx")
LOW_ENERGY = "DM"  # the Type of a picture
PICTURES = "Low energy images of CDD-CESM"
REDUCED_COLUMNS = (
    "file", "folder_class", "laterality", "view", "patient", "density", "birads", "findings", "pathology"
)  # fmt: skip
COLUMNS = (
    "Image_name", "Patient_ID", "Side", "Type", "Breast density (ACR)", "BIRADS", "Findings", "View",
    "Pathology Classification/ Follow up",
)  # fmt: skip
MASS_COLUMNS = ("Image_name", "Mass density/enhancement pattern", "Mass shape", "Mass margin")
_IS_MALIGNANT = {"malignant": True, "benign": False, "normal": False}
_MASS_WORDS = {
    "mass_density": {"high": "high", "equal": "equal", "low": "low"},
    "shape": {"round": "round", "rounded": "round", "oval": "oval", "irregular": "irregular"},
    "margin": {
        "circumscribed": "circumscribed", "obscured": "obscured", "partially obscured": "obscured",
        "indistinct": "indistinct", "microlobulated": "microlobulated", "speculated": "spiculated",
    },
}  # fmt: skip


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each woman, of the reduced copy for each breast."""
    if (root / REDUCED).is_file():
        yield from _read_reduced(root)
        return
    table = _published_table(root)
    if table is None:
        raise DatasetError(f"neither {TABLES[0]} nor {REDUCED} is in {root.name or 'the folder'}: give the data set's "
                           "own folder")  # fmt: skip
    masses = {row["Image_name"]: row for row in read_sheet(table, MASS_COLUMNS, "mass_description")}
    all_rows = list(read_sheet(table, COLUMNS, "all"))
    rows = [_plain(root, row, masses.get(row["Image_name"])) for row in all_rows if row["Type"] == LOW_ENERGY]
    if others := len(all_rows) - len(rows):
        yield SkippedRow(table.name, f"pictures with contrast (Type is not {LOW_ENERGY})", others)
    outlines = published_outlines(root)
    yield from _outlines_without_row(PUBLISHED, outlines, rows)
    for patient, of_patient in group_rows(rows, lambda row: row["patient"]).items():
        yield _case(patient, patient, of_patient, outlines)


def _published_table(root: Path) -> Path | None:
    return next((root / name for name in TABLES if (root / name).is_file()), None)


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for what the table and the outlines lack."""
    if (root / REDUCED).is_file():
        yield from lacking_columns(REDUCED, table_columns(root / REDUCED), {"not counted": ("age", "tags")})
        outlines = OUTLINES
    elif table := _published_table(root):
        yield from lacking_columns(table.name, sheet_columns(table, "all"), {"not counted": ("Age", "Tags")})
        outlines = PUBLISHED
    else:
        return
    if not (root / outlines).is_file():
        yield f"{outlines} is not there: no finding has a box"


def _read_reduced(root: Path) -> Iterator[Case | SkippedRow]:
    outlines = reduced_outlines(root)
    rows = [row | {"patient": row["patient"] or Path(row["file"]).stem, "known": row["patient"]}
            for row in read_rows(root / REDUCED, REDUCED_COLUMNS)]  # fmt: skip
    yield from _outlines_without_row(OUTLINES, outlines, rows)
    for exam, of_breast in group_rows(rows, lambda row: f"{row['patient']} {plain_side(row['laterality'])}").items():
        split = None if of_breast[0]["known"] else "train"
        yield _case(exam, of_breast[0]["patient"], of_breast, outlines, split)


def _outlines_without_row(name: str, outlines: Outlines, rows: list[Row]) -> Iterator[SkippedRow]:
    """One item for all outlines of pictures that no row names."""
    files = {row["file"].replace(" .jpg", ".jpg") for row in rows}
    if without := {file.replace(" .jpg", ".jpg") for file in outlines} - files:
        yield SkippedRow(name, f"outlines of {len(without):,} picture(s) that no row used here names", 0)


def _plain(root: Path, row: Row, mass: Row | None) -> Row:
    """A row of the published sheet in the columns of the reduced copy, with the columns of its mass beside."""
    names = (f"{PICTURES}/{row['Image_name']}{end}" for end in (".jpg", " .jpg"))  # some names end with a blank
    files = [name for name in names if (root / name).is_file()] or [f"{PICTURES}/{row['Image_name']}.jpg"]
    return {
        "file": files[0], "patient": f"P{row['Patient_ID']}", "laterality": row["Side"], "view": row["View"],
        "density": row["Breast density (ACR)"], "birads": row["BIRADS"], "findings": row["Findings"],
        "pathology": row["Pathology Classification/ Follow up"], "folder_class": "",
        "age": row.get("Age", ""), "tags": row.get("Tags", ""),
    } | {column: mass[column] for column in MASS_COLUMNS[1:] if mass is not None}  # fmt: skip


def _case(exam: str, patient: str, rows: list[Row], outlines: Outlines, split: str | None = None) -> Case:
    breasts, images = {}, []
    words = WordReader()
    for row in rows:
        if side_of(row["laterality"]) is None:
            words.skip("Side", row["laterality"], NOT_UNDERSTOOD)
    for side in Laterality:
        of_breast = [row for row in rows if side_of(row["laterality"]) is side]
        if of_breast:
            breasts[side], descriptions = _describe_breast(f"{exam} {side.value}", of_breast)
            images += [
                Image(row["file"], view_name(side.value, row["view"]),
                      boxes_of(outlines.get(row["file"], ()), described, words))
                for row, described in zip(of_breast, descriptions, strict=True)
            ]  # fmt: skip
    return make_case(exam, patient, images, breasts, rows=len(rows), split=split, unread=words.unread)


def _describe_breast(subject: str, rows: list[Row]) -> tuple[Breast, list[Description]]:
    """A breast, and the description of each of its pictures."""
    agreed, words = AgreedValues(rows, subject), WordReader()
    descriptions: dict[str, Description] = {}
    disagreements: tuple[Disagreement, ...] = ()
    for row in rows:
        described = read_description(row["findings"], row["birads"], words)
        described.findings, differing = _with_sheet(f"{subject} {row['view']}", described.findings, row, words)
        name = row["view"] if row["view"] not in descriptions else f"{row['file']} (row {len(descriptions) + 1})"
        descriptions[name] = described
        disagreements += differing
    present, between_views = merge_findings(subject, {name: d.findings for name, d in descriptions.items()})
    birads, between_assessments = _assessment(subject, descriptions)
    kinds = frozenset(finding.kind for finding in present)
    density = agreed.get("density")
    findings = Findings(
        words.read("density", "" if density == "_" else density, density_letter),
        present,
        frozenset.intersection(*(described.absent for described in descriptions.values())) - kinds,
        birads,
        features=tuple(feature for described in descriptions.values() for feature in described.features),
    )
    labels, between_outcomes = _labels(subject, findings, rows, words)
    breast = Breast(findings, labels, agreed.contradictions,
                    disagreements + between_views + between_assessments + between_outcomes, words.unread)  # fmt: skip
    return breast, list(descriptions.values())


def _assessment(subject: str, descriptions: Mapping[str, Description]) -> tuple[str | None, tuple[Disagreement, ...]]:
    """The assessment of a breast, which is that of its most abnormal picture, and where pictures differ."""
    told = [birads for d in descriptions.values() if (birads := overall_assessment(d.assessments)) is not None]
    differing = tuple(dict.fromkeys(told))
    listed = (Disagreement(subject, "BIRADS", differing, " and ".join(descriptions)),) if len(differing) > 1 else ()
    return overall_assessment(told), listed


def _labels(
    subject: str, findings: Findings, rows: list[Row], words: WordReader
) -> tuple[dict[str, int], tuple[Disagreement, ...]]:
    """The labels of a breast, malignant where a picture of it is; and whether its pictures' outcomes differ."""
    labels = dict.fromkeys(findings.absent, 0) | {finding.kind: 1 for finding in findings.present}
    told = tuple(dict.fromkeys(row["pathology"] for row in rows if row["pathology"]))
    malignant = {m for word in told if (m := words.read("pathology", word, _is_malignant)) is not None}
    if malignant:
        labels["malignancy"] = int(True in malignant)
    else:
        for folder in dict.fromkeys(row["folder_class"] for row in rows if row["folder_class"]):
            words.skip("folder_class", folder, "an outcome that is less sure than a pathology")
    for row in rows:
        if row.get("tags"):
            words.skip("tags", "its tags", "repeat the findings and tell the outcome, which enters no report")
    if any(row.get("age") for row in rows):
        words.skip("age", "an age", "enters no report and is not given to the model")
    return labels, (Disagreement(subject, "pathology", told),) if len(malignant) > 1 else ()


def _is_malignant(word: str) -> bool | None:
    return _IS_MALIGNANT.get(word.lower())


def _with_sheet(
    subject: str, findings: list[Finding], row: Mapping[str, str], words: WordReader
) -> tuple[list[Finding], tuple[Disagreement, ...]]:
    """The findings of a picture with the words that the sheet mass_description has for its mass."""
    fields = dict(zip(_MASS_WORDS, MASS_COLUMNS[1:], strict=True))
    masses = dict.fromkeys(finding for finding in findings if finding.kind == "mass")
    told: dict[str, list[str]] = {}
    for name, column in fields.items():
        parts = [part.strip() for part in re.split("-|with", row.get(column, "").lower()) if part.strip(" _")]
        if parts and len(masses) != 1:
            reason = "which of several masses it describes is not told" if masses else "the sentence names no mass"
            words.skip(column, row[column], reason)
            continue
        for part in [part for part in parts if part.startswith("overlying")]:
            words.skip(column, part, "calcifications, which the sentence names")
            parts.remove(part)
        told[name] = [w for part in parts if (w := words.read(column, part, _MASS_WORDS[name].get)) is not None]
    if len(masses) != 1 or not any(told.values()):
        return findings, ()
    mass = next(iter(masses))
    sheet = finding_of_rows("mass", [told])
    (merged,), differing = merge_findings(subject, {f"the {COLUMN} column": [mass], "the mass sheet": [sheet]})
    return [merged if finding == mass else finding for finding in findings], differing
