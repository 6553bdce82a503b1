"""Tables as rows of text, and the values of their columns in the words of `report.lexicon`."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TextIO, TypeVar

from ..exam import Laterality, Projection, ViewName
from ..report.lexicon import ASSESSMENTS
from .case import NOT_UNDERSTOOD, DatasetError, UnreadWord

Row = dict[str, str]
Meaning = TypeVar("Meaning")
REPEATED = "rows that repeat another one in every cell"  # why they are used for nothing
#: what a cell that is not known holds, in small letters
NOT_KNOWN = ("", "n/a", "#n/a", "na", "<na>", "nan", "none", "null")
LONGEST_CELL = 131_072  # letters
_WHOLE = re.compile(r"(-?\d+)\.0+")
SIDES = {"R": Laterality.RIGHT, "RIGHT": Laterality.RIGHT, "L": Laterality.LEFT, "LEFT": Laterality.LEFT}


def cell_text(cell: object) -> str:
    """Return a cell as stripped text; "" for the words by which tables say that it is not known, such as "N/A".

    A whole number has no decimal point (`plain_number`).
    """
    text = str(cell).strip()
    return "" if text.lower() in NOT_KNOWN else plain_number(text)


def plain_number(text: str) -> str:
    """Return "3" for "3.0", which pandas writes in a column with empty cells; any other text as it is."""
    whole = _WHOLE.fullmatch(text)
    return whole[1] if whole else text


def read_rows(path: Path, columns: Iterable[str]) -> Iterator[Row]:
    """Yield the rows of a CSV file as text (`cell_text`); rows without a value are left out.

    The cells are separated by commas or by semicolons, as the header is. Raises DatasetError for a missing file or
    column, a row with more cells than the header, and a file that is not a table in UTF-8.
    """
    if not path.is_file():
        folder = path.parent.name or "the folder"
        raise DatasetError(f"{path.name} is not in {folder}: give the data set's own folder")
    try:
        with open(path, newline="", encoding="utf-8-sig") as table:
            csv.field_size_limit(LONGEST_CELL)  # one for all: an importer of this process may have set another
            reader = csv.reader(table, delimiter=_separator(table), strict=True)
            names = [cell_text(name) for name in next(reader, [])]
            check_columns(path.name, names, columns)
            for cells in reader:
                row = dict(zip(names, map(cell_text, cells)))
                if any(map(str.strip, cells[len(names) :])):
                    raise DatasetError(
                        f"{path.name}, line {reader.line_num}: {len(cells)} cells, but {len(names)} columns; a cell "
                        "that holds the separator needs quotes"
                    )
                if any("\0" in cell for cell in cells):
                    raise DatasetError(f"{path.name}, line {reader.line_num}: holds a NUL; save it as CSV in UTF-8")
                if any(row.values()):
                    yield dict.fromkeys(names, "") | row
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path.name}: not UTF-8 ({error.reason}); save it as CSV in UTF-8") from None
    except csv.Error as error:
        raise DatasetError(f"{path.name}, line {reader.line_num}: not a CSV table ({error})") from None


def _separator(table: TextIO) -> str:
    header = table.readline()
    table.seek(0)
    return ";" if header.count(";") > header.count(",") else ","


def table_columns(path: Path) -> list[str]:
    """Return the names of the columns of a CSV file that `read_rows` reads."""
    with open(path, newline="", encoding="utf-8-sig") as table:
        return [cell_text(name) for name in next(csv.reader(table, delimiter=_separator(table)), [])]


def lacking_columns(table: str, found: Sequence[str], optional: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a sentence for what cannot be read because its columns are not there.

    found: the columns of the table. optional: what is not known without a column -> the columns that would tell it. A
    column with a name much like that of a missing one is named, because it may be the same one.
    """
    for effect, columns in optional.items():
        missing = [column for column in columns if column not in found]
        if missing:
            like = [name for column in missing for name in get_close_matches(column, set(found) - set(columns), 1, 0.8)]
            perhaps = f" (found {', '.join(map(repr, like))})" if like else ""
            yield f"{table}: no column {', '.join(map(repr, missing))}{perhaps}: {effect}"


def check_columns(table: str, found: Sequence[str], wanted: Iterable[str]) -> None:
    """Raise DatasetError where a table lacks a column or has two of one name."""
    if missing := [column for column in wanted if column not in found]:
        raise DatasetError(f"{table}: no column {', '.join(map(repr, missing))}; found {', '.join(found)}")
    if twice := [column for column, number in Counter(filter(None, found)).items() if number > 1]:
        raise DatasetError(f"{table}: more than one column {', '.join(map(repr, twice))}; keep one of them")


def group_rows(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    """Return rows by a key, in the order of the table."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def without_repeats(rows: Iterable[Row], columns: Sequence[str] = ()) -> tuple[list[Row], int]:
    """Return the rows without those that repeat another one in every cell, and how many these are.

    columns: a row without a value in one of them is kept, because it may be of another mark.
    """
    kept: dict[tuple[tuple[str, str], ...] | int, Row] = {}
    number = 0
    for number, row in enumerate(rows, 1):
        same = all(row.get(column) for column in columns)
        kept.setdefault(tuple(row.items()) if same else number, row)
    return list(kept.values()), number - len(kept)


class AgreedValues:
    """The values on which several rows agree; `contradictions` holds a sentence for each column where they do not."""

    def __init__(self, rows: Sequence[Row], subject: str):
        self.contradictions: tuple[str, ...] = ()
        self._rows = rows
        self._subject = subject

    def get(self, column: str) -> str:
        """Return the value of a column; "" where no row has one or rows disagree.

        Capitals and a ".0" make no difference.
        """
        same = {value.casefold().removesuffix(".0"): value for row in self._rows if (value := row.get(column))}
        values = sorted(same.values())
        if len(values) > 1:
            self.contradictions += (f"{self._subject} {column}: rows say {' and '.join(values)}",)
        return values[0] if len(values) == 1 else ""


class WordReader:
    """Gives a table's words their meaning; `unread` collects those that have none, for `Breast` or `make_case`."""

    def __init__(self) -> None:
        self.unread: tuple[UnreadWord, ...] = ()

    def read(self, column: str, text: str, meaning: Callable[[str], Meaning | None]) -> Meaning | None:
        """Return `meaning(text)`, where `meaning` is a function or the `get` of a table of words.

        None for an empty text, and for one without a meaning, which is remembered.
        """
        found = meaning(text) if text else None
        if text and found is None:
            self.skip(column, text)
        return found

    def skip(self, column: str, word: str, reason: str = NOT_UNDERSTOOD) -> None:
        """Remember a word that is not used, and why."""
        self.unread += (UnreadWord(column, word, reason),)


def side_of(text: str) -> Laterality | None:
    """Return the breast of "L", "Left" or "LEFT"; None for anything else, such as "both"."""
    return SIDES.get(text.upper())


def plain_side(text: str) -> str:
    """Return "R" or "L" for a side that `side_of` knows; anything else as it is."""
    side = side_of(text)
    return side.value if side else text


def view_name(laterality: str, view: str) -> ViewName | None:
    """Return the name for "L", "Left" or "LEFT" and "MLO"; None for a view that has no name in `exam.Projection`."""
    side, way = side_of(laterality), Projection.__members__.get(view.upper())
    return ViewName(side, way) if side and way else None


def density_letter(text: str) -> str | None:
    """Return "C" for "DENSITY C", "C", "c" and "3" (BI-RADS 1 to 4); None for anything else."""
    last = _last_word(text)
    return {"1": "A", "2": "B", "3": "C", "4": "D"}.get(last, last if last in ("A", "B", "C", "D") else None)


def birads_category(text: str) -> str | None:
    """Return "4" for "BI-RADS 4" and "4.0", "4A" for "4a"; None for anything else, such as 6, a known cancer."""
    last = _last_word(text)
    return last if last in ASSESSMENTS else None


def _last_word(text: str) -> str:
    return text.strip().split(" ")[-1].upper().removesuffix(".0")
