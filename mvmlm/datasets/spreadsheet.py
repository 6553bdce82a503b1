"""Spreadsheets as rows of text: the .xls and .xlsx files in which some data sets publish their tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from ..imaging.decoder import PACKAGE_ROOT
from .case import DatasetError
from .columns import Row, check_columns, read_rows, table_columns

MAX_SECONDS = 60.0  # to read one sheet


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
    return table_columns(path) if path.suffix == ".csv" else _cells(path, sheet)[0]


def read_sheet(path: Path, columns: Iterable[str], sheet: str | None = None) -> Iterator[Row]:
    """Yield the rows of a sheet as stripped text, whole numbers without a decimal point; empty rows are left out.

    Raises DatasetError for a file that is no spreadsheet, a missing sheet or column, or a missing package.
    """
    header, *rows = _cells(path, sheet)
    check_columns(path.name, header, columns)
    for cells in rows:
        row = dict(zip(header, cells, strict=True))
        if any(row.values()):
            yield row


def _cells(path: Path, sheet: str | None) -> list[list[str]]:
    """The cells of a sheet as text, its header first. Raises DatasetError."""
    if find_spec("python_calamine") is None:
        raise DatasetError(
            f"{path.name}: reading a spreadsheet needs the package python-calamine (pip install python-calamine); or "
            f"save the sheet as {path.stem}.csv and take {path.name} away"
        )
    search = os.pathsep.join(filter(None, [str(PACKAGE_ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "mvmlm.datasets.sheet_worker", str(path), *([sheet] if sheet else [])]
    try:
        run = subprocess.run(command, capture_output=True, timeout=MAX_SECONDS, env=os.environ | {"PYTHONPATH": search})
        answer = json.loads(run.stdout)
    except (subprocess.TimeoutExpired, ValueError):  # it takes too long, or the process has ended before its answer
        raise DatasetError(
            f"{path.name}: damaged, or it takes too much memory or time to read. Download it again, or save the sheet "
            f"as {path.stem}.csv and take {path.name} away."
        ) from None
    if "problem" in answer:
        raise DatasetError(f"{path.name}: {answer['problem']}")
    if not answer["cells"]:
        raise DatasetError(f"{path.name}: the sheet is empty")
    return answer["cells"]
