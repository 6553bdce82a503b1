"""All readings as CSV, one row a field, without loss; and back."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ..datasets import DatasetError
from ..exam import Laterality
from ..reading.reading import MarkedFinding, Reading, ReadKind
from ..store.database import StoreError
from ..store.records import Stamp
from ..store.store import Store
from .importing import Imported, _all, _take

READING_COLUMNS = (
    "exam", "reader", "round", "form_version", "birads_edition", "started", "seconds", "signed", "informed",
    "side", "field", "finding", "value",
)  # fmt: skip


def write_readings(store: Store, path: Path) -> None:
    """Every reading: a line for each field; a line for each finding, its descriptors and marks as JSON."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, READING_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for exam, kept in _all(store):
            stamp = {
                "exam": exam.name, "reader": kept.reader, "round": kept.kind.value, "form_version": kept.form_version,
                "birads_edition": kept.birads_edition, "started": kept.started, "seconds": kept.seconds, "signed": kept.signed or "",
                "informed": int(kept.informed),
            }  # fmt: skip
            said = [
                {"side": side.value if side else "", "field": name, "value": value}
                for (side, name), value in kept.reading.fields.items()
            ]
            said += [
                {
                    "side": f.laterality.value,
                    "field": "finding",
                    "finding": number,
                    "value": json.dumps(f.to_json(), ensure_ascii=False),
                }
                for number, f in kept.reading.findings.items()
            ]
            writer.writerows(stamp | line for line in said or [{}])


def read_readings(store: Store, path: Path) -> Imported:
    """The inverse. Exams are found by name. A reading that is there already stays: the file's one is named, not taken."""
    groups: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        lacking = [column for column in READING_COLUMNS if column not in (reader.fieldnames or [])]
        if lacking:
            raise DatasetError(f"{path.name}: no column {', '.join(lacking)}")
        for row in reader:
            groups.setdefault((row["exam"], row["reader"], row["round"]), []).append(row)
    done, problems = 0, []
    for (name, who, kind), rows in groups.items():
        try:
            fields = {
                (Laterality(r["side"]) if r["side"] else None, r["field"]): r["value"]
                for r in rows
                if r["field"] and not r["finding"]
            }
            findings = {
                int(r["finding"]): MarkedFinding.from_json(json.loads(r["value"])) for r in rows if r["finding"]
            }
            first = rows[0]
            stamp = Stamp(
                first["started"], float(first["seconds"]), first["signed"] or None, int(first["form_version"]), first["birads_edition"],
                first["informed"] == "1",
            )  # fmt: skip
            _take(store, name, who, ReadKind(kind), Reading(fields, findings), stamp)
            done += 1
        except (KeyError, TypeError, ValueError, StoreError) as error:
            problems.append(f"{name}, {who}: {error}")
    return Imported(done, tuple(problems))
