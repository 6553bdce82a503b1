"""MammosighTR (Koc et al., Radiology: AI 7(6):e240841, 2025; CC BY-NC 4.0): metadata_image_level.json and PNG files.

The file is a list with one entry for each picture of the preprocessed copy (gulluk/mammosightr-preprocessed on the
Hugging Face hub). The pictures, `<patient>/{LCC,LMLO,RCC,RMLO}.png`, are cut to the breast already.

The BI-RADS category was given to the woman, and the file's authors wrote it to her breasts by a rule: to the breasts
where something is located, to both where nothing is, and 1 to the other breast. A category enters a report where it is
sure: 1 where the woman's is 1; the woman's where only this breast has a location, or where hers is 2 and both have one.
Elsewhere it is listed as not used. The locations are quadrants without a kind of finding, so they are listed too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ..exam import Laterality
from ..messages import parsed_json
from ..report.findings import Findings
from .breasts import Breast, describe_breasts, make_case
from .case import Case, DatasetError, Image, SkippedRow
from .columns import (
    AgreedValues,
    Row,
    WordReader,
    birads_category,
    density_letter,
    group_rows,
    plain_number,
    side_of,
    view_name,
)

FILE = "metadata_image_level.json"
COLUMNS = (
    "patient_id", "image_filename", "relative_path", "view", "laterality", "birads", "breast_composition",
    "findings_locations", "patient_birads",
)  # fmt: skip
PICTURE_FOLDERS = ("", "all_pngs")  # of the hub's copy, and of the archive


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each woman."""
    for patient, rows in group_rows(_read_entries(root / FILE), lambda row: row["patient_id"]).items():
        images = [Image(_path(root, row), view_name(row["laterality"], row["view"])) for row in rows]
        agreed = AgreedValues(rows, patient)
        category, words = _category(agreed.get("patient_birads")), WordReader()
        located = {side for row in rows if _locations(row) and (side := side_of(row["laterality"]))}
        breasts = describe_breasts(rows, "laterality", partial(_describe_breast, patient, category, located), words)
        yield make_case(patient, patient, images, breasts, rows=len(rows), contradictions=agreed.contradictions,
                        unread=words.unread)  # fmt: skip


def _read_entries(path: Path) -> Iterator[Row]:
    """The entries as rows of text. Raises DatasetError."""
    if not path.is_file():
        raise DatasetError(f"{FILE} is not in {path.parent.name}: give the data set's own folder")
    try:
        entries = parsed_json(path.read_bytes())
    except ValueError as error:
        raise DatasetError(f"{FILE}: {error}. Download it again.") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DatasetError(f"{FILE}: expected a list with an entry for each picture. Download it again.")
    for number, entry in enumerate(entries, 1):
        if missing := [name for name in COLUMNS if name not in entry]:
            raise DatasetError(f"{FILE}: entry {number} has no {', '.join(missing)}; found {', '.join(entry)}")
        yield {name: _text(value) for name, value in entry.items()}


def _text(value: Any) -> str:
    """A value of JSON as a cell; NaN, null and an empty list are empty."""
    return "" if value is None or value != value or value == [] else plain_number(str(value).strip())


def _path(root: Path, row: Row) -> str:
    """Where the picture is, or would be in the hub's copy."""
    names = [row["relative_path"], f"{row['patient_id']}/{row['image_filename']}"]
    paths = [f"{folder}/{name}".lstrip("/") for name in names for folder in PICTURE_FOLDERS]
    return next((path for path in paths if (root / path).is_file()), names[0])


def _category(text: str) -> str:
    """ "4" for "4", "4.0", "BI-RADS 4" and the Turkish "Kategori 4"; "" for anything else."""
    return birads_category(text) or ""


def _locations(row: Row) -> list[str]:
    """The places that an entry names: of a list, a printed list, or words separated by commas or semicolons."""
    text = row["findings_locations"]
    if text.startswith("["):
        try:
            return [str(place).strip() for place in ast.literal_eval(text)]
        except (ValueError, SyntaxError):
            return [text]
    return [place.strip() for place in text.replace(";", ",").split(",") if place.strip()]


def _is_sure(category: str, side: Laterality, located: set[Laterality]) -> bool:
    """Whether the BI-RADS category written to a breast is known to be its own."""
    return category == "1" or located == {side} or (category == "2" and side in located)


def _describe_breast(
    patient: str, category: str, located: set[Laterality], side: Laterality, rows: list[Row]
) -> Breast:
    """category: that of the woman. located: her breasts in which something is located."""
    agreed, words = AgreedValues(rows, f"{patient} {side.value}"), WordReader()
    sure = _is_sure(category, side, located)
    written = agreed.get("birads")
    birads = words.read("birads", written, birads_category)
    if birads and not sure:
        words.skip("birads", written, "the woman's category, or a 1 filled in: not known to be this breast's own")
    for place in dict.fromkeys(place for row in rows for place in _locations(row)):
        words.skip("findings_locations", place, "a place without a kind of finding")
    density = words.read("breast_composition", agreed.get("breast_composition"), density_letter)
    return Breast(Findings(density, birads=birads if sure else None), {}, agreed.contradictions, unread=words.unread)
