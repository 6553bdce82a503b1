"""EMBED open data (Jeong et al., 2023): EMBED_OpenData_clinical.csv and EMBED_OpenData_metadata.csv.

A row of the clinical table is one finding; rows with the same positive `numfind` are the same finding, told again for
another specimen. `embed_codes` gives the meaning of its codes. A row is about its `side`, or about both breasts (B);
without a side it only says that an exam is negative or benign. A questioned distortion is a possible finding, and a
finding that `changed` calls gone is none. The table lists findings only: a kind without a row is not known to be
absent.

The assessment of a breast is that of its most abnormal finding (`several_rows.overall_assessment`), so that an
incomplete one (A, BI-RADS 0) is not outranked by a benign one; it is not known where a row names a known cancer (K).
Pathology becomes a label and never report text: severity 0 and 1 are malignant, 2 to 5 are not, 6 (another cancer than
of the breast) and an empty one, which means no biopsy, give none. Only two-dimensional full-field images are used:
FinalImageType 2D without a mark in `spot_mag`. Pictures with regions that radiologists marked (ROI_coords) are counted;
the regions become no box, because the table does not say of which findings they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from ..exam import Laterality
from ..report.findings import Finding, Findings
from .boxes import NO_BOX
from .breasts import Breast, make_case
from .case import Case, Disagreement, Image, SkippedRow
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
from .embed_codes import (
    ASSESSMENTS,
    FINDING_FIELDS,
    NO_ASSESSMENTS,
    OPTIONAL_COLUMNS,
    WITHOUT_FIELD,
    RowFindings,
    codes,
    read_row,
)
from .embed_files import CLINICAL_TABLE, METADATA_TABLE, EmbedFiles, embed_table
from .several_rows import disagreements, finding_of_rows, overall_assessment

CLINICAL = (
    "empi_anon",
    "acc_anon",
    "side",
    "tissueden",
    "asses",
    "massshape",
    "massmargin",
    "calcfind",
    "calcdistri",
    "path_severity",
)
#: what is not known without columns -> the columns, which the two tables may lack
OPTIONAL_CLINICAL = OPTIONAL_COLUMNS | {
    "rows of one finding count as findings of their own": ("numfind",),
    "the specimen is taken to be of the breast that the column side names": ("bside",),
}
OPTIONAL_METADATA = {"spot and magnification views are known from the files alone": ("spot_mag",)}
METADATA = ("empi_anon", "acc_anon", "anon_dicom_path", "ImageLateralityFinal", "ViewPosition", "FinalImageType")
NEGATIVE = ("N", "B")
IS_MALIGNANT = {"0": 1, "1": 1, "2": 0, "3": 0, "4": 0, "5": 0}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each accession."""
    places = EmbedFiles(root)
    metadata = map(_plain, read_rows(embed_table(root, METADATA_TABLE), METADATA))
    images = group_rows(metadata, lambda row: row["acc_anon"])
    table = map(_plain, read_rows(embed_table(root, CLINICAL_TABLE), CLINICAL))
    for accession, rows in group_rows(table, lambda row: row["acc_anon"]).items():
        of_metadata = images.pop(accession, [])
        if len({row["empi_anon"] for row in (*rows, *of_metadata)}) > 1:
            yield _skipped(accession, "rows of one accession name several patients", len(rows), len(of_metadata))
            continue
        files, spots, others = _full_field(of_metadata)
        if not files:
            reason = "no full-field 2-D image in the metadata table"
            yield _skipped(accession, reason, len(rows), len(spots), others)
            continue
        files = [row | {"file": places.path(row["anon_dicom_path"])} for row in files]
        case = _case(accession, rows, files)
        refused = tuple(f"{path}: a spot or magnification view (spot_mag), which is not used" for path in spots)
        unused = {"metadata rows of spot and magnification views (spot_mag)": len(spots)} if spots else {}
        yield replace(case, refused=case.refused + refused, unused_rows={**others, **unused})
    for accession, of_metadata in images.items():
        yield _skipped(accession, "no row in the clinical table", metadata=len(of_metadata))


def _full_field(rows: list[Row]) -> tuple[list[Row], list[str], dict[str, int]]:
    """The rows of full-field 2-D pictures, the paths of spot views, and how many other rows there are, by why."""
    files = [row for row in rows if row["FinalImageType"] == "2D"]
    spots = [row["anon_dicom_path"] for row in files if row.get("spot_mag", "") not in ("", "0")]
    others = Counter(row["FinalImageType"] or "empty" for row in rows if row["FinalImageType"] != "2D")
    reasons = {f"metadata rows of other than 2-D pictures (FinalImageType {kind})": n for kind, n in others.items()}
    return [row for row in files if row["anon_dicom_path"] not in spots], spots, reasons


def _skipped(
    accession: str, reason: str, clinical: int = 0, metadata: int = 0, others: Mapping[str, int] = MappingProxyType({})
) -> SkippedRow:
    """An accession that is not used. clinical, metadata: its rows in the two tables, besides `others`."""
    rows = {f"clinical rows: {reason}": clinical, f"metadata rows: {reason}": metadata, **others}
    rows = {why: number for why, number in rows.items() if number}
    return SkippedRow(accession, reason, sum(rows.values()), rows)


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for what the tables lack."""
    for name, optional in ((CLINICAL_TABLE, OPTIONAL_CLINICAL), (METADATA_TABLE, OPTIONAL_METADATA)):
        path = embed_table(root, name)
        yield from lacking_columns(path.name, table_columns(path), optional)


def _plain(row: Row) -> Row:
    """A row with its side and codes as the legend writes them."""
    plain: Row = {name: row[name].upper() for name in ("asses", "FinalImageType", "ViewPosition") if name in row}
    for name in ("side", "bside", "ImageLateralityFinal"):
        if name in row:
            plain[name] = plain_side(row[name].upper())
    return row | plain


def _case(accession: str, rows: list[Row], files: list[Row]) -> Case:
    words, agreed = WordReader(), AgreedValues(rows, accession)
    density = words.read("tissueden", agreed.get("tissueden"), density_letter)
    with_side = [_read(row, words) for row in rows if row["side"] in ("L", "R", "B")]
    without_side = [row for row in rows if row["side"] not in ("L", "R", "B")]
    negative = [ASSESSMENTS[row["asses"]] for row in without_side if row["asses"] in NEGATIVE]
    breasts = {}
    for side in Laterality:
        of_side = [told for told in with_side if told.row["side"] in (side.value, "B")]
        if of_side or any(row["ImageLateralityFinal"] == side.value for row in files):
            breasts[side] = _describe_breast(f"{accession} {side.value}", side, density, of_side, negative)
    for row in without_side:
        for column in ("asses", *FINDING_FIELDS, *WITHOUT_FIELD, "path_severity"):
            for code in codes(row, column):
                if not (column == "asses" and code in NEGATIVE):
                    words.skip(column, code, "the side is not understood" if row["side"] else "the side is not given")
        words.read("side", row["side"], side_of)
    for row in files:
        if row.get("num_roi", "") not in ("", "0"):
            words.skip(NO_BOX, "ROI_coords", "of which findings the marked regions of a picture are is not told")
    return make_case(
        accession,
        rows[0]["empi_anon"],
        [_image(row) for row in files],
        breasts,
        rows=len(rows) + len(files),
        contradictions=agreed.contradictions,
        unread=words.unread,
    )


def _image(row: Row) -> Image:
    """The picture of a row; its side counts also where its view is empty or has no name of ours."""
    name = view_name(row["ImageLateralityFinal"], row["ViewPosition"])
    side = row["ImageLateralityFinal"]
    return Image(row["file"], name, side=Laterality(side) if side in ("L", "R") else None)


class _Told(NamedTuple):
    """What a row says. malignant: the sides of its specimen -> 1 or 0, None where that is not known."""

    row: Row
    birads: str | None
    found: RowFindings
    malignant: dict[str, int | None]

    @property
    def number(self) -> str:
        """The number of the finding; "" for none, and for a negative one, which EMBED does not explain."""
        number = self.row.get("numfind", "")
        return number if number.isdecimal() and number != "0" else ""


def _read(row: Row, words: WordReader) -> _Told:
    code = row["asses"]
    if code in NO_ASSESSMENTS:
        words.skip("asses", code, NO_ASSESSMENTS[code])
    birads = None if code in NO_ASSESSMENTS else words.read("asses", code, ASSESSMENTS.get)
    return _Told(row, birads, read_row(row, words), _specimen(row, words))


def _specimen(row: Row, words: WordReader) -> dict[str, int | None]:
    """The breasts of which the row has a specimen, and whether that is malignant."""
    severity = row["path_severity"]
    if not severity:
        return {}
    side, of_specimen = row["side"], row.get("bside", "")
    sides = set("LR") if (of_specimen or side) == "B" else {of_specimen or side}
    if side == "B" and not of_specimen or side != "B" and sides != {side}:
        words.skip("path_severity", severity, "it is not certain which breast the specimen is of")
        return {}
    malignant = words.read("path_severity", severity, IS_MALIGNANT.get)
    return dict.fromkeys(sides, malignant)


def _describe_breast(
    subject: str, side: Laterality, density: str | None, rows: list[_Told], negative: list[str]
) -> Breast:
    """negative: the assessments of rows without a side, which are about this breast too."""
    numbered: dict[str, list[_Told]] = {}
    for index, told in enumerate(rows):
        numbered.setdefault(f"finding {told.number}" if told.number else f"row {index}", []).append(told)
    found = [_finding(f"{subject} {name}", same) for name, same in numbered.items()]
    present = [finding for one in found for finding in one.present]
    known_cancer = any(told.row["asses"] == "K" for told in rows)
    assessments = [*negative, *(told.birads for told in rows if told.birads)]
    findings = Findings(
        density,
        tuple(present),
        birads=None if known_cancer else overall_assessment(assessments),
        possible=tuple(finding for one in found for finding in one.possible),
        features=tuple(feature for told in rows for feature in told.found.features),
    )
    labels = {finding.kind: 1 for finding in present}
    malignant = {told.malignant[side.value] for told in rows if side.value in told.malignant}
    if 1 in malignant or malignant == {0}:
        labels["malignancy"] = int(1 in malignant)
    contradictions = tuple(sentence for one in found for sentence in one.contradictions)
    return Breast(findings, labels, contradictions, tuple(d for one in found for d in one.disagreements))


class _Numbered(NamedTuple):
    """What the rows of one finding say, by kind where it has several, such as a mass with calcifications."""

    present: list[Finding]
    possible: list[Finding]
    contradictions: tuple[str, ...]
    disagreements: tuple[Disagreement, ...]


def _finding(subject: str, rows: list[_Told]) -> _Numbered:
    values = [{"birads": told.birads} | told.found.values for told in rows]
    texts = [{name: "" if value is None else f"{value:g}" if isinstance(value, float) else f"{value}"
              for name, value in row.items()} for row in values]  # fmt: skip
    agreed = AgreedValues(texts, subject)
    birads, clock, size = (agreed.get(name) for name in ("birads", "clock", "size_mm"))
    numbers: dict[str, Any] = {"clock": int(clock) if clock else None, "size_mm": float(size) if size else None}
    described = _Numbered(
        [],
        [],
        agreed.contradictions,
        tuple(disagreements(subject, [told.row for told in rows], FINDING_FIELDS, codes, "rows of one finding")),
    )
    for kind in dict.fromkeys(kind for told in rows for kind in told.found.parts):
        parts = [told.found for told in rows if kind in told.found.parts]
        finding = finding_of_rows(kind, [one.parts[kind] for one in parts], birads=birads or None, **numbers)
        questioned = all(kind in one.possible for one in parts)
        (described.possible if questioned else described.present).append(finding)
    return described
