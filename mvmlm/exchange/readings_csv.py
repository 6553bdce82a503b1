"""All readings as CSV without loss, one row for each answer and each finding; and back."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from ..exam import Laterality
from ..reading.form import FORM_VERSION
from ..reading.reading import MARK_LABELS, MarkedFinding, Reading, ReadKind
from ..store.clock import as_stored
from ..store.database import StoreError
from ..store.readers import clean_reader
from ..store.records import Stamp
from ..store.store import Store
from .csv_cells import CsvWriter
from .csv_file import CsvFile
from .importing import ImportedReadings, ReadKey, all_reads, import_reading, is_text, shortened

LONGEST_EDITION = 20  # characters
MAX_VERSIONS = 99  # of one read
STAMP_COLUMNS = ("form_version", "birads_edition", "started", "seconds", "signed", "informed", "final", "model_shown")
READING_COLUMNS = (
    "exam", "reader", "kind", "version", "authors", "form_version", "birads_edition", "started", "seconds", "signed",
    "final", "informed", "model_shown", "side", "field", "finding", "value",
)  # fmt: skip
#: columns that 0.4.0 did not write; it wrote the kind as `round`
NEW_COLUMNS = ("kind", "version", "authors", "final", "model_shown")
OLD_COLUMNS = tuple(column for column in READING_COLUMNS if column not in NEW_COLUMNS)


def write_readings(store: Store, path: Path) -> None:
    """Write every reading: a row for each answer, and one for each finding with its descriptors and marks as JSON.

    `version` counts the versions of a read: 2 is the first that was amended.
    """
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = CsvWriter(file, READING_COLUMNS)
        versions: dict[int, int] = {}
        for exam, read in all_reads(store):
            versions[read.id] = versions[read.amends] + 1 if read.amends else 1
            stamp: dict[str, object] = {
                "exam": exam.name, "reader": read.reader, "kind": read.kind.value, "version": versions[read.id],
                "authors": json.dumps(read.authors, ensure_ascii=False) if read.authors else "",
                "form_version": read.form_version, "birads_edition": read.birads_edition, "started": read.started,
                "seconds": read.seconds, "signed": read.signed or "", "final": read.final or "",
                "informed": int(read.informed), "model_shown": read.model_shown or "",
            }  # fmt: skip
            for row in list(_content(read.reading)) or [{}]:
                writer.write({**stamp, **row})


def _content(reading: Reading) -> Iterator[dict[str, str | int]]:
    """The rows of a reading, without the columns that repeat."""
    for (side, name), value in reading.fields.items():
        yield {"side": side.value if side else "", "field": name, "value": value}
    for number, finding in reading.findings.items():
        value = json.dumps(finding.to_json(), ensure_ascii=False, allow_nan=False)
        yield {"side": finding.laterality.value, "field": "finding", "finding": number, "value": value}


class _Answer(NamedTuple):
    """What one row adds to a reading."""

    line: int
    side: str
    field: str
    finding: str
    value: str


def read_readings(store: Store, path: Path) -> ImportedReadings:
    """Import what `write_readings` wrote. Exams are found by name; a reading that the store has already stays as it is.

    Raises DatasetError for a file without one of the columns, or that is no CSV file.
    """
    table = CsvFile(path, OLD_COLUMNS)
    answers: dict[_Key, list[_Answer]] = {}
    stamps: dict[_Key, set[tuple[str, ...]]] = {}
    for line, cells in table.rows():
        key = _key(cells)
        stamps.setdefault(key, set()).add(tuple(sys.intern(cells.get(column, "")) for column in STAMP_COLUMNS))
        side, field, finding = (sys.intern(cells.get(column, "")) for column in ("side", "field", "finding"))
        answers.setdefault(key, []).append(_Answer(line, side, field, finding, cells.get("value", "")))
    imported, problems = 0, [*table.passed_over]
    for key, rows in sorted(answers.items(), key=lambda item: item[0].version):  # a version follows the one it amends
        try:
            stamp = _stamp(stamps[key])
            import_reading(store, key.exam, key.reader, _read_key(key), _reading(rows), stamp)
            imported += 1
        except (ValueError, StoreError) as error:
            problems.append(f"{key.exam or 'without an exam'}, {key.reader or 'without a reader'}: {error}")
    return ImportedReadings(imported, shortened(problems))


class _Key(NamedTuple):
    """Which read the rows belong to, as the file says it."""

    exam: str
    reader: str
    kind: str
    version: str
    authors: str


def _key(cells: Mapping[str, str]) -> _Key:
    """The key of a row; a file of 0.4.0 has one column for the kind and the version."""
    kind, version = cells.get("kind", ""), cells.get("version", "1")
    if not kind:
        kind, version = {"after the model": ("", "2"), "consensus": ("arbitration", "1"), "first": ("", "1")}.get(
            cells.get("round", ""), (cells.get("round", "nothing"), "1")
        )
    names = (cells.get("exam", ""), cells.get("reader", ""), kind, version, cells.get("authors", ""))
    return _Key(*map(sys.intern, names))


def _read_key(key: _Key) -> ReadKey:
    """Which read of its exam and reader it is. Raises ValueError for a kind or a version that is none."""
    try:
        kind = ReadKind(key.kind) if key.kind else None
    except ValueError:
        raise ValueError(f"kind: “{key.kind}”; expected {', '.join(kind.value for kind in ReadKind)}") from None
    if key.version not in [str(number) for number in range(1, MAX_VERSIONS + 1)]:
        raise ValueError(f"version: “{key.version}”; expected a number from 1 to {MAX_VERSIONS}")
    try:
        authors = json.loads(key.authors or "[]")
    except (json.JSONDecodeError, RecursionError):
        authors = None
    if not isinstance(authors, list) or not all(map(is_text, authors)):
        raise ValueError("authors: expected a JSON list of names")
    return ReadKey(kind, int(key.version), tuple(clean_reader(name) for name in authors))


def _reading(rows: list[_Answer]) -> Reading:
    """The reading of its rows. Raises ValueError where two rows answer the same question, or one cannot be read."""
    fields: dict[tuple[Laterality | None, str], str] = {}
    findings: dict[int, MarkedFinding] = {}
    for row in rows:
        if row.finding:
            if not row.finding.isdecimal() or len(row.finding) > 9 or int(row.finding) in findings:
                raise ValueError(f"line {row.line}: finding “{row.finding}” is no number of its own")
            findings[int(row.finding)] = _finding(row)
        elif row.field:
            if row.side not in ("", "R", "L"):
                raise ValueError(f"line {row.line}: side “{row.side}”; expected R, L or nothing")
            key = (Laterality(row.side) if row.side else None, row.field)
            if key in fields:
                raise ValueError(f"line {row.line}: {row.field} is answered twice; keep one of the rows")
            fields[key] = row.value
        elif row.value or row.side:
            raise ValueError(f"line {row.line}: it has a value and names no field")
    return Reading(fields, findings)


def _finding(row: _Answer) -> MarkedFinding:
    """The finding whose JSON a row holds. Raises ValueError for anything that `write_readings` does not write."""
    reason = f"line {row.line}: the value is not a finding as this program writes it"
    try:
        data = json.loads(row.value, parse_constant=_no_number)
        finding = MarkedFinding.from_json(data)
    except RecursionError:
        raise ValueError(f"{reason}: it is nested too deeply") from None
    except (AttributeError, KeyError, TypeError, json.JSONDecodeError):
        raise ValueError(reason) from None
    except ValueError as error:
        raise ValueError(f"{reason}: {error}") from None
    if finding.label not in MARK_LABELS or finding.laterality.value != row.side:
        raise ValueError(f"{reason}: its label or its side is another one")
    return finding


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _stamp(found: set[tuple[str, ...]]) -> Stamp:
    """When and how a reading was made. Raises ValueError where its rows differ, or a value cannot be."""
    if len(found) > 1:
        columns = [name for name, values in zip(STAMP_COLUMNS, zip(*found), strict=True) if len(set(values)) > 1]
        raise ValueError(f"its rows differ in {' and '.join(columns)}")
    row = dict(zip(STAMP_COLUMNS, next(iter(found)), strict=True))
    for column in ("started", "signed", "final", "model_shown"):
        if row[column] or column == "started":
            row[column] = _time(column, row[column])
    try:
        seconds = float(row["seconds"])
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ValueError(f"seconds: “{row['seconds']}”; expected a time of 0 or more")
    version = row["form_version"]
    if not version.isdecimal() or not 1 <= int(version[:9]) <= FORM_VERSION:
        raise ValueError(f"form_version: “{version}”; this program knows 1 to {FORM_VERSION}. Update it")
    if row["informed"] not in ("0", "1"):
        raise ValueError(f"informed: “{row['informed']}”; expected 0 or 1")
    if not 0 < len(row["birads_edition"]) <= LONGEST_EDITION:
        raise ValueError(f"birads_edition: “{row['birads_edition']}”; expected an edition such as 5")
    signed, informed = row["signed"] or None, row["informed"] == "1"
    if row["final"] and not signed:
        raise ValueError("final: a read that is not signed is not final")
    return Stamp(
        row["started"], seconds, signed, int(version), row["birads_edition"], informed, row["final"] or signed,
        row["model_shown"] or None,
    )  # fmt: skip


def _time(column: str, text: str) -> str:
    """A time of any time zone as a store writes it."""
    try:
        time = datetime.fromisoformat(text)
        if time.tzinfo is not None and 1 < time.year < datetime.max.year:
            return as_stored(time)
    except ValueError:
        pass
    raise ValueError(f"{column}: “{text}”; expected a time such as 2026-05-31T12:00:00+00:00")
