"""All readings as CSV without loss, one row for each answer and each finding; and back."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from ..datasets.case import DatasetError
from ..exam import Laterality
from ..reading.reading import MarkedFinding, Reading, ReadKind
from ..store.database import StoreError
from ..store.records import Stamp
from ..store.store import Store
from .importing import ImportedReadings, all_reads, import_reading

READING_COLUMNS = (
    "exam", "reader", "round", "form_version", "birads_edition", "started", "seconds", "signed", "informed",
    "side", "field", "finding", "value",
)  # fmt: skip


def write_readings(store: Store, path: Path) -> None:
    """Write every reading: a row for each answer, and one for each finding with its descriptors and marks as JSON."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, READING_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for exam, read in all_reads(store):
            stamp = {
                "exam": exam.name, "reader": read.reader, "round": read.kind.value, "form_version": read.form_version,
                "birads_edition": read.birads_edition, "started": read.started, "seconds": read.seconds,
                "signed": read.signed or "", "informed": int(read.informed),
            }  # fmt: skip
            writer.writerows(stamp | row for row in list(_content(read.reading)) or [{}])


def _content(reading: Reading) -> Iterator[dict[str, str | int]]:
    """The rows of a reading, without the columns that repeat."""
    for (side, name), value in reading.fields.items():
        yield {"side": side.value if side else "", "field": name, "value": value}
    for number, finding in reading.findings.items():
        value = json.dumps(finding.to_json(), ensure_ascii=False)
        yield {"side": finding.laterality.value, "field": "finding", "finding": number, "value": value}


def read_readings(store: Store, path: Path) -> ImportedReadings:
    """Import what `write_readings` wrote. Exams are found by name; a reading that the store has already stays as it is.

    Raises DatasetError for a file without one of the columns.
    """
    rows_of_reading: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        lacking = [column for column in READING_COLUMNS if column not in (table.fieldnames or [])]
        if lacking:
            raise DatasetError(f"{path.name}: no column {', '.join(lacking)}")
        for row in table:
            rows_of_reading.setdefault((row["exam"], row["reader"], row["round"]), []).append(row)
    imported, problems = 0, []
    for (exam_name, reader, kind), rows in rows_of_reading.items():
        try:
            import_reading(store, exam_name, reader, ReadKind(kind), _reading(rows), _stamp(rows[0]))
            imported += 1
        except (KeyError, TypeError, ValueError, StoreError) as error:
            problems.append(f"{exam_name}, {reader}: {error}")
    return ImportedReadings(imported, tuple(problems))


def _reading(rows: list[dict[str, str]]) -> Reading:
    fields = {
        (Laterality(row["side"]) if row["side"] else None, row["field"]): row["value"]
        for row in rows
        if row["field"] and not row["finding"]
    }
    findings = {
        int(row["finding"]): MarkedFinding.from_json(json.loads(row["value"])) for row in rows if row["finding"]
    }
    return Reading(fields, findings)


def _stamp(row: dict[str, str]) -> Stamp:
    return Stamp(
        started=row["started"],
        seconds=float(row["seconds"]),
        signed=row["signed"] or None,
        form_version=int(row["form_version"]),
        birads_edition=row["birads_edition"],
        informed=row["informed"] == "1",
    )
