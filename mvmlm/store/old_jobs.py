"""Jobs of 0.4.0: they held names of files, patient IDs and dates, which are removed from the store and its backups."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

NO_LONGER_KEPT = "details of this job are no longer kept, because they could name a patient"


def remove_patient_data(conn: sqlite3.Connection) -> None:
    """Replace what ended jobs say about single files and exams, in the tables of any version; overwritten on the disk.

    A failed or cancelled job keeps a message of plain words; its bar is no longer full.
    """
    conn.execute("PRAGMA secure_delete = ON")
    columns = [row[1] for row in conn.execute("PRAGMA table_info(jobs)")]
    said = "message" if "message" in columns else "said"
    for number, state, message, result in conn.execute(f"SELECT id, state, {said}, result FROM jobs").fetchall():
        found = json.loads(result) if result else None
        if found and found.get("problems"):
            count = len(found["problems"])
            found["problems"] = [f"{count} file{'s' if count > 1 else ''} or exams were not used; {NO_LONGER_KEPT}"]
            conn.execute("UPDATE jobs SET result = ? WHERE id = ?", [json.dumps(found), number])
        if state in ("failed", "cancelled"):
            conn.execute("UPDATE jobs SET progress = 0 WHERE id = ?", [number])
            if not re.fullmatch("[a-z ]*", message):
                conn.execute(f"UPDATE jobs SET {said} = ?, log = '' WHERE id = ?", [NO_LONGER_KEPT, number])


def remove_from_backups(folder: Path) -> None:
    """Do the same in every backup in the data folder. One that is damaged or read-only stays as it is."""
    for path in folder.glob("*.backup"):
        with suppress(sqlite3.Error), closing(sqlite3.connect(path)) as conn, conn:
            remove_patient_data(conn)
