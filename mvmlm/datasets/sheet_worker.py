"""The child process that reads a spreadsheet: its library ends the whole process where a file asks for much memory.

`spreadsheet` starts it as `python -m mvmlm.datasets.sheet_worker PATH [SHEET]`. It prints one JSON object: the cells of
the sheet as rows of text, or a clause on why there are none.
"""

from __future__ import annotations

import json
import sys

from ..imaging.decode_worker import limit_memory
from .columns import cell_text

MAX_CELLS = 20_000_000


def read_cells(path: str, sheet: str | None) -> dict[str, object]:
    """Return {"cells": rows of text, whole numbers without a decimal point}, or {"problem": why there are none}."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        workbook = CalamineWorkbook.from_path(path)
        if sheet is not None and sheet not in workbook.sheet_names:
            return {"problem": f"no sheet {sheet!r}; found {', '.join(workbook.sheet_names)[:200]}"}
        found = workbook.get_sheet_by_name(sheet) if sheet else workbook.get_sheet_by_index(0)
        if found.total_height * found.total_width > MAX_CELLS:
            return {"problem": f"more than {MAX_CELLS:,} cells; save the sheet as CSV and take the spreadsheet away"}
        return {"cells": [[_text(cell) for cell in row] for row in found.to_python()]}
    except CalamineError as error:
        return {"problem": f"not a spreadsheet that can be read ({str(error)[:200]}). Download it again."}


def _text(cell: object) -> str:
    return " ".join(cell_text(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).split())


if __name__ == "__main__":
    limit_memory()
    print(json.dumps(read_cells(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)))
