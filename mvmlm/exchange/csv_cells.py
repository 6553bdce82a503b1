"""Cells of exported CSV files: none starts a formula in a spreadsheet, and each comes back as it was."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import IO

#: what starts a formula, in the widths of East Asian scripts too (OWASP, "CSV Injection")
_FORMULA_SIGNS = "=+-@\uff1d\uff0b\uff0d\uff20"


class CsvWriter:
    """Writes a table into a file: the header, then its rows. file: a text file that was opened with newline=''."""

    def __init__(self, file: IO[str], columns: Sequence[str]):
        self._columns = columns
        self._plain = csv.writer(file, lineterminator="\n")
        self._quoting = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self._plain.writerow(columns)

    def write(self, row: Mapping[str, object]) -> None:
        """Write the values of the columns, each `escaped`; "" for one that the row has not."""
        cells = [escaped(row.get(column, "")) for column in self._columns]
        # csv.writer does not quote a carriage return, at which a reader would end the row
        returns = any(isinstance(cell, str) and "\r" in cell for cell in cells)
        (self._quoting if returns else self._plain).writerow(cells)


def escaped(cell: object) -> object:
    """Return a cell as it is written: with an apostrophe before what a spreadsheet would take for a formula."""
    return f"'{cell}" if isinstance(cell, str) and _needs_apostrophe(cell) else cell


def unescaped(cell: str) -> str:
    """Return what was `escaped`."""
    return cell[1:] if cell.startswith("'") and _needs_apostrophe(cell[1:]) else cell


def _needs_apostrophe(cell: str) -> bool:
    """Whether the cell starts a formula, or is one that was written with an apostrophe."""
    text = cell.lstrip("'")
    return text[:1] in ("\t", "\r", "\n") or text.lstrip()[:1] in tuple(_FORMULA_SIGNS)
