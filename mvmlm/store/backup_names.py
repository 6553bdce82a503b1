"""The names of backups, `FILE.YYYYMMDD-HHMMSS.REASON.backup`, and which of them are the newest."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path


def today() -> str:
    """The date in UTC, YYYYMMDD."""
    return datetime.now(UTC).strftime("%Y%m%d")


def backup_path(path: Path, reason: str) -> Path:
    """Return where a backup of a database file that is made now belongs."""
    return path.parent / f"{path.name}.{datetime.now(UTC):%Y%m%d-%H%M%S}.{reason}.backup"


def backups_of(path: Path) -> list[Path]:
    """Return the backups of a database file, the oldest first.

    Those that are named in the future, of a clock that has been set back since, count as the oldest.
    """
    found = sorted(path.parent.glob(f"{path.name}.*.backup"))
    latest = backup_path(path, "~").name
    return sorted(found, key=lambda file: file.name <= latest)
