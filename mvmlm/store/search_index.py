"""The columns that the worklist searches and filters by. `Exams` and `Readings` update them with every change."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

from ..exam import Laterality
from ..reading.opinion import disagreements
from ..reading.reading import Reading, ReadKind
from .database import StoreFile
from .records import final_versions, oldest_first

Fields = dict[tuple[Laterality | None, str], str]


class _Row(NamedTuple):
    """A row of the readings."""

    id: int
    started: str
    reader: str
    kind: ReadKind
    signed: str | None
    final: str | None
    amends: int | None


def reading_fields(file: StoreFile, reading: int) -> Fields:
    """Return the answers of a stored reading, by side and field name."""
    rows = file.all("SELECT side, field, value FROM reading_fields WHERE reading = ? ORDER BY side, field", [reading])
    return {(Laterality(row["side"]) if row["side"] else None, row["field"]): row["value"] for row in rows}


def rebuild_search_index(file: StoreFile) -> None:
    """Bring the columns of all exams with readings up to date with this version of the program."""
    with file.transaction():
        for row in file.all("SELECT DISTINCT exam FROM readings"):
            update_search_index(file, row["exam"])


def update_search_index(file: StoreFile, exam: int) -> None:
    """Bring an exam's state, readers, density, disagreement and search words up to date.

    Call it inside the transaction of the change.
    """
    query = "SELECT id, started, reader, kind, signed, final, amends FROM readings WHERE exam = ?"
    readings = oldest_first([_Row(*row)._replace(kind=ReadKind(row["kind"])) for row in file.all(query, [exam])])
    fields = {row.id: reading_fields(file, row.id) for row in readings}
    final = [fields[row.id] for row in readings if row.final]  # the others are for their reader alone
    density = next((answers[None, "density"] for answers in reversed(final) if (None, "density") in answers), None)
    note = " ".join(answers[None, "note"] for answers in final if (None, "note") in answers)
    state = "signed" if any(row.signed for row in readings) else "draft" if readings else "new"
    readers = " ".join(dict.fromkeys(row.reader for row in readings))
    decided = [Reading(fields[row.id]) for row in final_versions(readings)]
    disagreement = any(disagreements(a, b) for a, b in combinations(decided, 2))
    file.conn.execute(
        "UPDATE exams SET state = ?, readers = ?, density = ?, disagreement = ? WHERE id = ?",
        [state, readers, density, int(disagreement), exam],
    )
    file.conn.execute("DELETE FROM exam_words WHERE rowid = ?", [exam])
    file.conn.execute(
        "INSERT INTO exam_words (rowid, name, pseudonym, readers, note, vendor) "
        "SELECT exams.id, name, pseudonym, readers, ?, vendor "
        "FROM exams JOIN patients ON patients.id = patient WHERE exams.id = ?",
        [note, exam],
    )
