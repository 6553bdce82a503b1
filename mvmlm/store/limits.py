"""What a store may take, where its disk and its processors are shared with others: the workspace of a public Space."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from .database import StoreError, StoreFile

SETTING = "limits"
_FULL = (
    "Your workspace would take {wanted:,.0f} MB with it, and {most:,.0f} MB is the most here. Download what you need, "
    "and keep fewer exams, or start the app on your own machine."
)


@dataclass(frozen=True)
class StoreLimits:
    """The limits of a store. most_bytes: of its folder. most_job_seconds: of each job."""

    most_bytes: int
    most_job_seconds: int


def limits_of(file: StoreFile, wanted: StoreLimits | None) -> StoreLimits | None:
    """Return the limits of a store, after `wanted` were stored where given: its worker finds them again."""
    stored = file.setting(SETTING)
    known = StoreLimits(**json.loads(stored)) if stored else None
    if wanted is not None and wanted != known:
        file.set(SETTING, json.dumps(asdict(wanted)), "program")
        return wanted
    return known


def check_room(folder: Path, limits: StoreLimits | None, new_bytes: int) -> None:
    """Raise StoreError where a store would take more than its limit with `new_bytes` more."""
    if limits is None:
        return
    wanted = folder_bytes(folder) + new_bytes
    if wanted > limits.most_bytes:
        raise StoreError(_FULL.format(wanted=wanted / 1e6, most=limits.most_bytes / 1e6))


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
