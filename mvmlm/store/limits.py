"""What a store may take, where its disk and its processors are shared with others: the workspace of a public Space."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from ..imaging.unpacking import MIN_FREE_BYTES
from .database import StoreError, StoreFile

SETTING = "limits"
_FULL = (
    "Your workspace would take {wanted:,.0f} MB with it, and {most:,.0f} MB is the most here. Download what you need, "
    "and keep fewer exams, or start the app on your own machine."
)
_DISK_FULL = (
    "The disk that all visitors share has no room for it. Try again later, or start the app on your own machine."
)
DATABASE_SHARE = 10  # the database, of which there are up to eight backups, takes at most this part of a store


@dataclass(frozen=True)
class StoreLimits:
    """The limits of a store. most_bytes: of its folder. most_job_seconds: of each job."""

    most_bytes: int
    most_job_seconds: int


def limits_of(file: StoreFile, wanted: StoreLimits | None) -> StoreLimits | None:
    """Return the limits of a store, after `wanted` were stored where given: its worker finds them again.

    From now on the database refuses to grow beyond its part of them.
    """
    stored = file.setting(SETTING)
    known = StoreLimits(**json.loads(stored)) if stored else None
    if wanted is not None and wanted != known:
        file.set(SETTING, json.dumps(asdict(wanted)), "program")
        known = wanted
    if known is not None:  # else one visitor could fill the disk of all with texts and marks
        page = file.number("PRAGMA page_size")
        file.number(f"PRAGMA max_page_count = {known.most_bytes // DATABASE_SHARE // page}")
    return known


def check_room(folder: Path, limits: StoreLimits | None, new_bytes: int) -> None:
    """Raise StoreError where a store would take more than its limit with `new_bytes` more, or the disk be too full."""
    if limits is None:
        return
    wanted = folder_bytes(folder) + new_bytes
    if wanted > limits.most_bytes:
        raise StoreError(_FULL.format(wanted=wanted / 1e6, most=limits.most_bytes / 1e6))
    if shutil.disk_usage(folder).free - new_bytes < MIN_FREE_BYTES:
        raise StoreError(_DISK_FULL)


def folder_bytes(folder: Path) -> int:
    """Return how many bytes the files in a folder take. A file that is deleted meanwhile counts as none."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
