"""A table of your own: exams.csv with one row for each image and the columns below. Empty means not known.

exam, patient, file (relative to the folder), laterality (R/L), view (CC, MLO, ...): required.
split: train, validation or test. density: A to D. birads: 0 to 5, 4A to 4C.
mass, calcification, asymmetry, distortion: 1 present, 0 absent.
mass_shape, mass_margin, mass_density, mass_size_mm, calcification_morphology, calcification_distribution,
asymmetry_kind: words of the BI-RADS lexicon as in `mvmlm/report/lexicon.py`. place, depth: of the breast's finding.
malignant: 0 or 1, an outcome, which becomes a label and never report text. risk_years, cancer: follow-up in years, and
whether cancer was found at its end. A word that is none of these is listed as not understood. Rows of one breast may
repeat the same values; where they disagree, the field is not known and the disagreement is listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..exam import Laterality, Projection, ViewName
from ..report.finding_columns import FINDING_COLUMNS, LOCATION_COLUMNS, finding_from_columns
from ..report.findings import Findings
from ..report.lexicon import KINDS
from .breasts import Breast, describe_breasts, make_case
from .case import SPLITS, Case, Image, SkippedRow
from .columns import (
    AgreedValues,
    Row,
    WordReader,
    birads_category,
    density_letter,
    group_rows,
    lacking_columns,
    read_rows,
    side_of,
    table_columns,
)

COLUMNS = ("exam", "patient", "file", "laterality", "view")
#: columns of an image or exam, of a breast and of its findings
KNOWN_COLUMNS = {
    *COLUMNS, "split", "density", "birads", *KINDS, *LOCATION_COLUMNS, "malignant", "risk_years", "cancer",
    *(column for columns in FINDING_COLUMNS.values() for column in columns.values()),
}  # fmt: skip
MARKS = {"1": 1, "0": 0}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each exam; an exam with a value that cannot be read is skipped with the reason."""
    for exam, rows in sorted(group_rows(read_rows(root / "exams.csv", COLUMNS), lambda row: row["exam"]).items()):
        try:
            yield _case(exam, sorted(rows, key=lambda row: row["file"]))
        except ValueError as error:
            yield SkippedRow(exam, str(error), len(rows))


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for the columns that the table does not have."""
    if (path := root / "exams.csv").is_file():
        optional = {"what they would tell is not known": sorted(KNOWN_COLUMNS - set(COLUMNS))}
        yield from lacking_columns(path.name, table_columns(path), optional)


def _case(exam: str, rows: list[Row]) -> Case:
    """Raises ValueError for a value that cannot be read."""
    agreed, words = AgreedValues(rows, exam), WordReader()
    patient, split = agreed.get("patient"), agreed.get("split").lower() or None
    if not patient:
        raise ValueError("rows of one exam name several patients, or none")
    if split is None and any(row.get("split") for row in rows):
        raise ValueError("rows of one exam name several splits")
    if split not in (None, *SPLITS):
        raise ValueError(f"split={split!r}: expected {', '.join(SPLITS)}")
    years = words.read("risk_years", agreed.get("risk_years"), _years)
    cancer = words.read("cancer", agreed.get("cancer"), MARKS.get)
    if (years is None) != (cancer is None):
        column = "risk_years" if cancer is None else "cancer"
        words.skip(column, agreed.get(column), "one of risk_years and cancer is not known")
    for row in rows:
        for column in row.keys() - KNOWN_COLUMNS:
            if row[column]:
                words.skip(column, row[column], "not a column that exams.csv may have")
    return make_case(
        exam,
        patient,
        [_image(row, words) for row in rows],
        describe_breasts(rows, "laterality", partial(_describe_breast, exam), words),
        rows=len(rows),
        risk=(years, cancer == 1) if years is not None and cancer is not None else None,
        split=split,
        contradictions=agreed.contradictions,
        unread=words.unread,
    )


def _years(text: str) -> float | None:
    try:
        years = float(text)
    except ValueError:
        return None
    return years if 0 < years <= 100 else None  # also not for NaN


def _image(row: Row, words: WordReader) -> Image:
    """The picture of a row; its side counts also where its projection is not given."""
    side = side_of(row["laterality"])
    way = words.read("view", row["view"], lambda text: Projection.__members__.get(text.upper()))
    return Image(row["file"], ViewName(side, way) if side and way else None, side=side)


def _describe_breast(exam: str, laterality: Laterality, rows: list[Row]) -> Breast:
    agreed, words = AgreedValues(rows, f"{exam} {laterality.value}"), WordReader()
    marks = {kind: words.read(kind, agreed.get(kind), MARKS.get) for kind in KINDS}
    findings = Findings(
        words.read("density", agreed.get("density"), density_letter),
        present=tuple(
            finding_from_columns(kind, lambda column: agreed.get(column).lower()) for kind in KINDS if marks[kind] == 1
        ),
        absent=frozenset(kind for kind in KINDS if marks[kind] == 0),
        birads=words.read("birads", agreed.get("birads"), birads_category),
    )
    for kind, columns in FINDING_COLUMNS.items():
        for column in columns.values() if marks[kind] != 1 else ():
            if word := agreed.get(column):
                words.skip(column, word, f"the row does not say that there is a {kind}")
    for column in LOCATION_COLUMNS if not findings.present else ():
        if word := agreed.get(column):
            words.skip(column, word, "a place without a finding")
    marks["malignancy"] = words.read("malignant", agreed.get("malignant"), MARKS.get)
    labels = {task: mark for task, mark in marks.items() if mark is not None}
    return Breast(findings, labels, agreed.contradictions, unread=words.unread)
