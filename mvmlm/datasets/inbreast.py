"""INbreast (Moreira et al., 2012): INbreast.xls and AllDICOMs/.

The files are AllDICOMs/<File Name>_<patient>_MG_<side>_<view>_ANON.dcm; the table has no patient IDs, the second part
of a file's name is the patient's code. The columns Mass, Micros, Distortion and Asymmetry hold an X where the finding
was outlined in that picture. Every picture was read for all four, so an empty cell is a denial: a kind without an X in
any picture of a breast is absent, unless the notes name it, which is listed. Places, numbers and descriptors stand in
the notes (`inbreast_notes`). Bi-Rads 6 is a known cancer, an outcome: it is listed and not used. INbreast.csv, which
other projects made, has neither findings nor notes: with it alone, findings are not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Finding, Findings
from ..report.lexicon import KINDS
from .breasts import Breast, describe_breasts, make_case
from .case import Case, Disagreement, Image, SkippedRow
from .columns import (
    AgreedValues,
    Row,
    WordReader,
    birads_category,
    density_letter,
    group_rows,
    lacking_columns,
    view_name,
)
from .data_folder import pictures_below
from .inbreast_notes import COLUMN, read_notes
from .same_findings import merge_findings
from .spreadsheet import find_sheet, read_table, sheet_columns

COLUMNS = ("Laterality", "View", "Acquisition date", "File Name", "ACR", "Bi-Rads")
FINDING_COLUMNS = {"Mass": "mass", "Micros": "calcification", "Distortion": "distortion", "Asymmetry": "asymmetry"}
_MARK = {"X": True, "x": True}
_NOTES = "Findings Notes (in Portuguese)"
_STATUS = "Lesion Annotation Status"
_OTHER_NOTES = ("Other Notes", "Other Annotations")
_NORMAL = "no annotation (normal)"
#: what is not known without a column -> the column
OPTIONAL = {
    **{f"whether there is a {kind} is not known, but where the notes name one": (column,)
       for column, kind in FINDING_COLUMNS.items()},
    "places, numbers and words of the findings are not known": (_NOTES,),
    "whether a mass is spiculated is known from the notes alone": (_STATUS,),
    "not counted": _OTHER_NOTES,
}  # fmt: skip


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each patient and acquisition date."""
    files: dict[str, list[Path]] = {}
    for path in pictures_below(root / "AllDICOMs", (".dcm", ".dicom")):
        files.setdefault(path.name.split("_")[0], []).append(path)
    table = []
    for row in read_table(root, "INbreast", COLUMNS):
        if not row["File Name"]:
            continue  # the sums below the table
        found = files.get(row["File Name"], [])
        if len(found) != 1:
            missing = "no DICOM file of that name in AllDICOMs; give the folder that holds it as --root"
            several = "several files of that name in AllDICOMs; keep one of them"
            yield SkippedRow(row["File Name"], several if found else missing)
            continue
        (file,) = found
        parts = file.stem.split("_")
        patient = parts[1] if len(parts) > 1 else file.stem
        table.append(row | {"file": file.relative_to(root).as_posix(), "patient": patient})
    for exam, rows in group_rows(table, lambda row: f"{row['patient']} {row['Acquisition date']}").items():
        images = [Image(row["file"], view_name(row["Laterality"], row["View"])) for row in rows]
        words = WordReader()
        breasts = describe_breasts(rows, "Laterality", partial(_describe_breast, exam), words)
        yield make_case(exam, rows[0]["patient"], images, breasts, unread=words.unread)


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for what the table lacks."""
    if path := find_sheet(root, "INbreast"):
        yield from lacking_columns(path.name, sheet_columns(path), OPTIONAL)


def _describe_breast(exam: str, laterality: Laterality, rows: list[Row]) -> Breast:
    subject, words = f"{exam} {laterality.value}", WordReader()
    agreed = AgreedValues(rows, subject)
    density = words.read("ACR", agreed.get("ACR"), density_letter)
    assessment = agreed.get("Bi-Rads")
    birads = words.read("Bi-Rads", "" if assessment == "6" else assessment, birads_category)
    if assessment == "6":
        words.skip("Bi-Rads", "6", "a known cancer: an outcome, which enters no report")
    if not set(FINDING_COLUMNS) & rows[0].keys():
        return Breast(Findings(density, birads=birads), {}, agreed.contradictions, unread=words.unread)
    lists: dict[str, list[Finding]] = {}
    disagreements: tuple[Disagreement, ...] = ()
    for row in rows:
        found, differing = _findings(f"{subject} {row['View']}", laterality, row, words)
        lists[row["View"] if row["View"] not in lists else row["File Name"]] = found
        disagreements += differing
    present, between_views = merge_findings(subject, lists)
    kinds = {finding.kind for finding in present}
    doubted = {FINDING_COLUMNS[word.column] for word in words.unread if word.column in FINDING_COLUMNS}
    doubted |= {kind for column, kind in FINDING_COLUMNS.items() if column not in rows[0]}
    denied = frozenset(KINDS) - kinds - doubted
    return Breast(
        Findings(density, present, denied, birads),
        {kind: int(kind in kinds) for kind in KINDS if kind in kinds | denied},
        agreed.contradictions,
        disagreements + between_views,
        words.unread,
    )


def _findings(
    subject: str, laterality: Laterality, row: Row, words: WordReader
) -> tuple[list[Finding], tuple[Disagreement, ...]]:
    """The findings of one picture, and where its columns and its notes disagree."""
    marked = {kind for column, kind in FINDING_COLUMNS.items() if words.read(column, row.get(column, ""), _MARK.get)}
    found, of_other_breast = read_notes(row.get(_NOTES, ""), laterality, words)
    named = {finding.kind for finding in found}
    found += [Finding(kind) for kind in KINDS if kind in marked - named]
    status = row.get(_STATUS, "")
    if status.lower() == "spiculated region":
        found = _spiculated(found, words)
    elif status and (status.lower() != _NORMAL or marked):
        words.skip(_STATUS, status)
    for column in _OTHER_NOTES:
        if row.get(column):
            words.skip(column, row[column])
    if of_other_breast:
        return found, ()
    only_named = tuple(
        Disagreement(subject, kind, ("no X", "present"), f"the columns and the {COLUMN}")
        for kind in sorted(named - marked)
    )
    return found, only_named


def _spiculated(found: list[Finding], words: WordReader) -> list[Finding]:
    """The findings after "Spiculated Region" in the status of the annotations: the mass is spiculated."""
    masses = [finding for finding in found if finding.kind == "mass"]
    if len(masses) != 1 or masses[0].margin not in (None, "spiculated"):
        words.skip(_STATUS, "Spiculated Region", "there is not one mass that it can describe")
        return found
    return [replace(finding, margin="spiculated") if finding is masses[0] else finding for finding in found]
