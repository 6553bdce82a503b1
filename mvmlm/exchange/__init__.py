"""Readings out of the store and in again: CSV (everything that was said), COCO JSON (marks), and the `table` that `pretrain` reads."""

from __future__ import annotations

from pathlib import Path

from ..store.store import Store
from .coco import read_coco
from .importing import Imported
from .label_table import read_table
from .readings_csv import read_readings


def read_any(store: Store, path: Path, who: str) -> Imported:
    """Marks (COCO JSON), our readings, or a table of labels, told apart by the file itself."""
    if path.suffix.lower() == ".json":
        return read_coco(store, path, who)
    if path.read_text(encoding="utf-8-sig").partition("\n")[0].startswith("exam,reader,round"):
        return read_readings(store, path)
    return read_table(store, path, who)
