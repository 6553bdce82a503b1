"""INbreast (Moreira et al., 2012): INbreast.xls, AllDICOMs/ and AllXML/.

The files are AllDICOMs/<File Name>_<patient>_MG_<side>_<view>_ANON.dcm; the table has no patient IDs, the second part
of a file's name is the patient's code. The columns Mass, Micros, Distortion and Asymmetry hold an X where the finding
was outlined in that picture. Every picture was read for all four, so an empty cell is a denial: a kind without an X in
any picture of a breast is absent, unless the notes name it, which is listed. Places, numbers and descriptors stand in
the notes (`inbreast_notes`). Bi-Rads 6 is a known cancer, an outcome: it is listed and not used. INbreast.csv has
neither findings nor notes: with it, findings are known from the outlines alone, and none is denied.

The outlines (`inbreast_outlines`) give boxes. They also say what a picture shows: a kind that only they name is a
finding, which is listed, and so is each mass, asymmetry or distortion beyond the number that the row tells. A cluster
is a grouped distribution of the calcifications; a spiculated region is the margin of the picture's one mass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Finding, Findings
from ..report.lexicon import KINDS
from .breasts import Breast, describe_breasts, make_case
from .case import Case, Disagreement, Image, SkippedRow
from .columns import (
    REPEATED,
    AgreedValues,
    Row,
    WordReader,
    birads_category,
    density_letter,
    group_rows,
    lacking_columns,
    view_name,
    without_repeats,
)
from .data_folder import pictures_below
from .inbreast_notes import COLUMN, read_notes
from .inbreast_outlines import (
    CLUSTER,
    FOLDER,
    SPICULATED,
    DamagedOutlines,
    Outline,
    boxes_of,
    outline_files,
    read_outlines,
)
from .inbreast_outlines import COLUMN as OUTLINE
from .same_findings import merge_findings, with_word
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
    outlines = outline_files(root)
    table, without = [], 0
    rows_of_sheet, repeated = without_repeats(read_table(root, "INbreast", COLUMNS), ("File Name",))
    for row in rows_of_sheet:
        if not row["File Name"]:
            without += 1
            continue
        found = files.get(row["File Name"], [])
        if len(found) != 1:
            missing = "no DICOM file of that name in AllDICOMs; give the folder that holds it"
            several = "several files of that name in AllDICOMs; keep one of them"
            yield SkippedRow(row["File Name"], several if found else missing)
            continue
        (file,) = found
        parts = file.stem.split("_")
        patient = parts[1] if len(parts) > 1 else file.stem
        table.append(row | {"file": file.relative_to(root).as_posix(), "patient": patient})
    if repeated:
        yield SkippedRow("INbreast", REPEATED, repeated)
    if without:
        yield SkippedRow("INbreast", "rows without a File Name, as the sums below the table", without)
    used = {row["File Name"] for row in table}
    for name in outlines:
        if name not in used:
            yield SkippedRow(f"{FOLDER}/{name}", f"a file of outlines in {FOLDER} whose picture is not there", 0)
    for exam, rows in group_rows(table, lambda row: f"{row['patient']} {row['Acquisition date']}").items():
        yield _case(exam, rows, outlines)


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for what the table and the outlines lack."""
    if path := find_sheet(root, "INbreast"):
        yield from lacking_columns(path.name, sheet_columns(path), OPTIONAL)
        if not outline_files(root):
            yield f"{FOLDER} is not there: no finding has a box"


def _case(exam: str, rows: list[Row], files: Mapping[str, Path]) -> Case:
    """files: those of the outlines."""
    words, refused = WordReader(), tuple[str, ...]()
    outlines: dict[str, list[Outline]] = {}
    for name in dict.fromkeys(row["File Name"] for row in rows):
        try:
            outlines[name] = read_outlines(files[name]) if name in files else []
        except DamagedOutlines as error:
            refused += (str(error),)
    images = []
    for row in rows:
        marks = [column for column in FINDING_COLUMNS if _MARK.get(row.get(column, ""))]
        boxes = boxes_of(outlines.get(row["File Name"], ()), "Mass" in marks, words)
        images.append(Image(row["file"], view_name(row["Laterality"], row["View"]), boxes))
        if files and marks and row["File Name"] not in files:
            words.skip(OUTLINE, "no file", f"the row marks a finding, and {FOLDER} has no file of the picture")
    describe = partial(_describe_breast, exam, outlines)
    breasts = describe_breasts(rows, "Laterality", describe, words)
    case = make_case(exam, rows[0]["patient"], images, breasts, rows=len(rows), unread=words.unread)
    return replace(case, refused=case.refused + refused)


def _describe_breast(
    exam: str, outlines: Mapping[str, Sequence[Outline]], laterality: Laterality, rows: list[Row]
) -> Breast:
    """outlines: those of each picture, by its File Name."""
    subject, words = f"{exam} {laterality.value}", WordReader()
    agreed = AgreedValues(rows, subject)
    density = words.read("ACR", agreed.get("ACR"), density_letter)
    assessment = agreed.get("Bi-Rads")
    birads = words.read("Bi-Rads", "" if assessment == "6" else assessment, birads_category)
    if assessment == "6":
        words.skip("Bi-Rads", "6", "a known cancer: an outcome, which enters no report")
    lists: dict[str, list[Finding]] = {}
    disagreements: tuple[Disagreement, ...] = ()
    for row in rows:
        of_picture = f"{subject} {row['View']}"
        found, differing = _findings(of_picture, laterality, row, words)
        found, more = _with_outlines(of_picture, found, outlines.get(row["File Name"], ()), words)
        lists[row["View"] if row["View"] not in lists else row["File Name"]] = found
        disagreements += differing + more
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
    """The findings of the row of a picture, and where its columns and its notes disagree."""
    marked = {kind for column, kind in FINDING_COLUMNS.items() if words.read(column, row.get(column, ""), _MARK.get)}
    found, of_other_breast = read_notes(row.get(_NOTES, ""), laterality, words)
    named = {finding.kind for finding in found}
    found += [Finding(kind) for kind in KINDS if kind in marked - named]
    status = row.get(_STATUS, "")
    if status.lower() == SPICULATED:
        found = _spiculated(found, _STATUS, status, words)
    elif status and (status.lower() != _NORMAL or marked):
        words.skip(_STATUS, status)
    for column in _OTHER_NOTES:
        if row.get(column):
            words.skip(column, row[column])
    if of_other_breast:
        return found, ()
    without_mark = {kind for column, kind in FINDING_COLUMNS.items() if column in row} - marked
    only_named = tuple(
        Disagreement(subject, kind, ("no X", "present"), f"the columns and the {COLUMN}")
        for kind in sorted(named & without_mark)
    )
    return found, only_named


def _with_outlines(
    subject: str, found: list[Finding], outlines: Sequence[Outline], words: WordReader
) -> tuple[list[Finding], tuple[Disagreement, ...]]:
    """The findings of a picture with what its outlines say, and where the outlines and the row disagree."""
    disagreements: tuple[Disagreement, ...] = ()
    for kind in KINDS:
        told = sum(finding.kind == kind for finding in found)
        drawn = sum(outline.kind == kind for outline in outlines)
        if kind == "calcification":  # each of them has an outline
            drawn = min(drawn, 1)
        if drawn > told:
            found = [*found, *[Finding(kind)] * (drawn - told)]
            disagreements += (Disagreement(subject, kind, (f"{told}", f"{drawn}"), "the row and the outlines"),)
    for outline in {outline.meaning: outline for outline in outlines}.values():
        if outline.meaning == SPICULATED:
            found = _spiculated(found, OUTLINE, outline.name, words)
        elif outline.meaning == CLUSTER:
            found = _clustered(found, outline.name, words)
    return found, disagreements


def _spiculated(found: list[Finding], column: str, word: str, words: WordReader) -> list[Finding]:
    """The findings where a column or an outline says "Spiculated Region": the mass is spiculated."""
    masses = [finding for finding in found if finding.kind == "mass"]
    if len(masses) != 1 or masses[0].margin not in (None, "spiculated"):
        words.skip(column, word, "there is not one mass that it can describe")
        return found
    return [replace(finding, margin="spiculated") if finding is masses[0] else finding for finding in found]


def _clustered(found: list[Finding], word: str, words: WordReader) -> list[Finding]:
    """The findings where a cluster of calcifications has an outline."""
    calcifications = [finding for finding in found if finding.kind == "calcification"]
    if any("grouped" in finding.words("distribution") for finding in calcifications):
        return found
    if len(calcifications) != 1:
        words.skip(OUTLINE, word, "which of several calcifications it describes is not told")
        return found
    return [with_word(f, "distribution", "grouped") if f is calcifications[0] else f for f in found]
