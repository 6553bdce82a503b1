"""Spreadsheets as rows of text: the .xls and .xlsx files in which some data sets publish their tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .case import DatasetError
from .columns import Row, cell_text, check_columns, read_rows, table_columns


def read_table(root: Path, name: str, columns: Sequence[str], sheet: str | None = None) -> Iterator[Row]:
    """Yield the rows of the table `name` in `root`: name.xls or name.xlsx, or else name.csv, saved from it.

    columns: those that must be there. sheet: its name in the spreadsheet; the first one where it is None. A CSV file
    may be separated by commas or by semicolons. Raises DatasetError.
    """
    path = find_sheet(root, name)
    if path is None:
        raise DatasetError(f"{name}.xls, {name}.xlsx or {name}.csv is not in {root.name or 'the folder'}: give the "
                           "data set's own folder")  # fmt: skip
    return read_rows(path, columns) if path.suffix == ".csv" else read_sheet(path, columns, sheet)


def find_sheet(root: Path, name: str) -> Path | None:
    """Return the file that `read_table` reads; None where there is none."""
    paths = (root / f"{name}{ending}" for ending in (".xls", ".xlsx", ".csv"))
    return next((path for path in paths if path.is_file()), None)


def sheet_columns(path: Path, sheet: str | None = None) -> list[str]:
    """Return the names of the columns of a sheet, or of a CSV file. Raises DatasetError."""
    return table_columns(path) if path.suffix == ".csv" else [_text(cell) for cell in _cells(path, sheet)[0]]


def read_sheet(path: Path, columns: Iterable[str], sheet: str | None = None) -> Iterator[Row]:
    """Yield the rows of a sheet as stripped text, whole numbers without a decimal point; empty rows are left out.

    Raises DatasetError for a file that is no spreadsheet, a missing sheet or column, or a missing package.
    """
    header, *rows = _cells(path, sheet)
    names = [_text(cell) for cell in header]
    check_columns(path.name, names, columns)
    for cells in rows:
        row = dict(zip(names, map(_text, cells), strict=True))
        if any(row.values()):
            yield row


def _cells(path: Path, sheet: str | None) -> list[list[object]]:
    """The cells of a sheet, its header first. Raises DatasetError."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise DatasetError(
            f"{path.name}: reading a spreadsheet needs the package python-calamine (pip install python-calamine); or "
            f"save the sheet as {path.stem}.csv and take {path.name} away"
        ) from None
    try:
        workbook = CalamineWorkbook.from_path(str(path))
    except CalamineError as error:
        raise DatasetError(f"{path.name}: not a spreadsheet that can be read ({error}). Download it again.") from None
    if sheet is not None and sheet not in workbook.sheet_names:
        raise DatasetError(f"{path.name}: no sheet {sheet!r}; found {', '.join(workbook.sheet_names)}")
    cells = (workbook.get_sheet_by_name(sheet) if sheet else workbook.get_sheet_by_index(0)).to_python()
    if not cells:
        raise DatasetError(f"{path.name}: the sheet is empty")
    return [list(row) for row in cells]


def _text(cell: object) -> str:
    return " ".join(cell_text(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).split())
