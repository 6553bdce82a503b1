"""A CSV file that somebody gives us: its rows, or one sentence on what is odd about it and what to do."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..datasets.case import DatasetError
from ..messages import quoted
from .csv_cells import unescaped

MAX_BYTES, MAX_ROWS = 256 << 20, 1_000_000
MAX_CELL = 4 << 20  # characters; a finding with several outlined regions takes hundreds of thousands
SAVE_AS = "Save it as CSV with commas, in UTF-8."


class CsvRow(NamedTuple):
    """A row of a CSV file: the number of its line, and its cells that are not empty, by column."""

    line: int
    cells: dict[str, str]


class CsvFile:
    """The columns and rows of a CSV file in UTF-8, with or without a byte order mark. Empty rows are passed over.

    passed_over: after the rows were read, sentences on rows that were not given: those with more values than columns,
    and those that repeat an earlier row. Raises DatasetError, with the name of the file and never its folder, for
    everything that is no such file, where a column is missing or occurs twice, and past MAX_BYTES and MAX_ROWS.
    """

    def __init__(self, path: Path, required: Sequence[str]):
        self.path, self.passed_over = path, list[str]()
        _check_bytes(path)
        self.columns = self._header()
        twice = sorted(column for column, times in Counter(filter(None, self.columns)).items() if times > 1)
        if twice:
            raise DatasetError(f"{path.name}: the column {quoted(twice[0])} occurs twice. Keep one of them.")
        missing = [column for column in required if column not in self.columns]
        if missing:
            separator = next(
                (name for sign, name in ((";", "semicolons"), ("\t", "tabs")) if sign in self.columns[0]), ""
            )
            if separator and len(self.columns) == 1:
                raise DatasetError(f"{path.name}: its columns are separated by {separator}. {SAVE_AS}")
            found = ", ".join(quoted(column) for column in self.columns if column)[:200]
            raise DatasetError(f"{path.name}: no column {', '.join(missing)}; found {found}")

    def rows(self) -> Iterator[CsvRow]:
        """Yield the rows in order."""
        seen: dict[int, int] = {}
        repeated: list[tuple[int, int]] = []
        count = 0
        for number, (line, cells) in enumerate(self._lines()):
            if number == 0 or not any(cells):
                continue
            count += 1
            if count > MAX_ROWS:
                raise DatasetError(f"{self.path.name}: more than {MAX_ROWS:,} rows. Split it by exams.")
            if len(cells) > len(self.columns):
                self.passed_over.append(
                    f"line {line}: {len(cells)} values for {len(self.columns)} columns; "
                    "write a value that holds a comma in quotation marks"
                )
                continue
            key = hash(tuple(cells))
            if key in seen:
                repeated.append((line, seen[key]))
                continue
            seen[key] = line
            named = zip(self.columns, map(unescaped, cells), strict=False)
            yield CsvRow(line, {column: cell for column, cell in named if cell})
        if not count:
            raise DatasetError(f"{self.path.name}: it has a header and no rows. Export it again.")
        if repeated:
            more = f", and {len(repeated) - 1} more rows" if len(repeated) > 1 else ""
            self.passed_over.append(f"line {repeated[0][0]} repeats line {repeated[0][1]}{more}; passed over")

    def _header(self) -> list[str]:
        _, header = next(self._lines(), (0, []))
        return [column.strip() for column in header] or [""]

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        name = self.path.name
        csv.field_size_limit(MAX_CELL)
        with open(self.path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            try:
                for cells in reader:
                    yield reader.line_num, cells
            except UnicodeDecodeError:
                raise DatasetError(f"{name}: not UTF-8 text. Save it as UTF-8.") from None
            except csv.Error as error:
                raise DatasetError(f"{name}: line {reader.line_num}: {_csv_reason(str(error))}") from None


def _check_bytes(path: Path) -> None:
    """Raise DatasetError for a file that is no text in UTF-8, by its size and its first bytes."""
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise DatasetError(f"{path.name}: {size >> 20} MB; at most {MAX_BYTES >> 20} MB are read. Split it by exams.")
    with open(path, "rb") as file:
        start = file.read(4096)
    if not start.removeprefix(b"\xef\xbb\xbf").strip():
        raise DatasetError(f"{path.name}: the file is empty. Export it again.")
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DatasetError(f"{path.name}: text in UTF-16. {SAVE_AS}")
    if start.startswith(b"PK\x03\x04") or start.startswith(b"\xd0\xcf\x11\xe0"):
        raise DatasetError(f"{path.name}: a spreadsheet or a zip, no CSV. {SAVE_AS}")
    if b"\0" in start:
        raise DatasetError(f"{path.name}: not text. {SAVE_AS}")


def _csv_reason(error: str) -> str:
    if "field limit" in error:
        return f"a value of more than {MAX_CELL:,} letters; a quotation mark may not be closed"
    if "unexpected end" in error:
        return "the file ends within quotation marks; it may be cut off. Export it again"
    return "quotation marks that do not match. Export it again"
