"""Readings go out to files and come in from them: CSV (whole readings), COCO JSON (marks), tables of labels.

Signed readings also go out as FHIR.

Entry points: `read_any`, and one module for each format with its writer and reader.
"""

from __future__ import annotations

from pathlib import Path

from ..store.store import Store
from .coco import read_coco
from .csv_file import CsvFile
from .importing import ImportedReadings
from .label_table import read_table
from .readings_csv import OLD_COLUMNS, read_readings


def read_any(store: Store, path: Path, who: str, *, by_file_id: bool = False) -> ImportedReadings:
    """Import a file of readings; its name and first line tell which of the three formats it has.

    who: the reader of labels and marks whose file names none. by_file_id: of `read_table`. Raises ValueError or
    DatasetError for a file of none of these formats.
    """
    if path.suffix.lower() == ".json":
        return read_coco(store, path, who)
    if set(CsvFile(path, ()).columns) >= set(OLD_COLUMNS):
        return read_readings(store, path)
    return read_table(store, path, who, by_file_id=by_file_id)
