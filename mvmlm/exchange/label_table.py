"""Labels of the readings as the table that pretraining reads, and labels from such a table."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from ..exam import Laterality
from ..reading.form import form_questions
from ..reading.labels import follow_up_years
from ..reading.reading import Fields, MarkedFinding, Reading
from ..report.finding_columns import FINDING_COLUMNS, LOCATION_COLUMNS, columns_of_finding, finding_from_columns
from ..report.lexicon import KINDS
from ..store.database import StoreError
from ..store.records import Read, StoredExam, StoredView, reference_reading
from ..store.store import Store
from .csv_cells import CsvWriter
from .csv_file import CsvFile
from .importing import ImportedReadings, ReadKey, import_reading, shortened

TABLE_COLUMNS = (
    "exam", "patient", "split", "file", "laterality", "view", "density", "birads", *KINDS,
    *(column for columns in FINDING_COLUMNS.values() for column in columns.values()), *LOCATION_COLUMNS,
    "malignant", "risk_years", "cancer",
)  # fmt: skip


def write_table(store: Store, folder: Path) -> int:
    """Write FOLDER/exams.csv (see `write_labels`) and put the images that it names into the folder.

    They are links, or copies where the disk has no links. Returns the number of exams in the table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for exam, _ in _labelled(store):
        for view in store.exams.views(exam.id):
            target = folder / _file(exam, view)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            try:
                target.symlink_to(view.path)
            except OSError:  # Windows without the right to make links
                shutil.copyfile(view.path, target)
    return write_labels(store, folder / "exams.csv")


def write_labels(store: Store, path: Path) -> int:
    """Write a table with a row for each view, as `mvmlm datasets table` reads it.

    The labels of an exam are those of its `reference_reading`; an exam without one has no row. The column `file` names
    the view as `images/EXAM/VIEW`, never by its place on this machine. Returns the number of exams in the table.
    """
    written = 0
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = CsvWriter(file, TABLE_COLUMNS)
        for exam, read in _labelled(store):
            written += 1
            labels = {side: _labels(read.reading, side, exam.exam_date) for side in Laterality}
            for view in store.exams.views(exam.id):
                row = {"exam": exam.name, "patient": exam.patient, "split": exam.split, "file": _file(exam, view)}
                row |= {"laterality": view.name.laterality.value, "view": view.name.projection.value}
                writer.write(row | labels[view.name.laterality])
    return written


def _labelled(store: Store) -> Iterator[tuple[StoredExam, Read]]:
    """Each exam that has labels, with the reading that they are taken from."""
    for number in store.worklist.numbers():
        if read := reference_reading(store.readings.of_exam(number)):
            yield store.exams.get(number), read


def _file(exam: StoredExam, view: StoredView) -> str:
    return f"images/{exam.id:05d}/{view.name}{Path(view.path).suffix.lower()}"


def _labels(reading: Reading, side: Laterality, exam_date: str | None) -> dict[str, str]:
    """The label columns of a breast; "" where the reader gave no answer."""
    years = follow_up_years(reading, exam_date)
    row = {name: reading.answer(name) or "" for name in ("density", "cancer")}
    row |= {name: reading.answer(name, side) or "" for name in ("birads", *KINDS)}
    row |= {"risk_years": f"{years:g}" if years else "", "malignant": reading.answer("malignancy", side) or ""}
    for finding in reading.findings.values():
        if finding.laterality is side and finding.descriptors is not None:
            columns = columns_of_finding(finding.descriptors)
            # an earlier finding's location stays where this one has none
            row |= {name: value for name, value in columns.items() if value or name not in LOCATION_COLUMNS}
    return row


def read_table(store: Store, path: Path, who: str, *, by_file_id: bool = False) -> ImportedReadings:
    """Import the labels of a table as signed readings of `who`.

    The columns `exam` and `laterality` are required; the others are those of `datasets/table.py`, or named as a task.
    Exams are found by their name in the worklist. by_file_id: also by the files' own patient or study ID in the column
    `exam`; only for those who may know whose exams are stored, because what is imported tells it. Raises DatasetError
    for a table without the required columns.
    """
    questions = {question.name: question for question in form_questions(store.tasks)}
    exam_level = {name for name, question in questions.items() if None in question.sides}
    table = CsvFile(path, ("exam", "laterality"))
    rows_of_exam: dict[str, list[dict[str, str]]] = {}
    nameless = []
    for line, cells in table.rows():
        row = {column: cell.strip() for column, cell in cells.items()}
        if not row.get("exam"):
            nameless.append(f"line {line}: it names no exam")
        else:
            rows_of_exam.setdefault(row["exam"], []).append(row)
    imported, problems = 0, [*table.passed_over, *nameless]
    known = {*TABLE_COLUMNS, *questions}
    unused = [column for column in table.columns if column and column not in known]
    if unused:
        problems.append(f"not used, because no question has this name: {', '.join(unused)[:200]}")
    for name, rows in rows_of_exam.items():
        try:
            reading = Reading(_fields(rows, set(questions), exam_level), _findings(rows))
            exam = store.exams.by_name(name) or (store.exams.by_file_id(name) if by_file_id else None)
            import_reading(store, exam.name if exam else name, who, ReadKey(), reading, None)
            imported += 1
        except (ValueError, StoreError) as error:
            problems.append(f"{name}: {error}")
    return ImportedReadings(imported, shortened(problems))


def _fields(rows: Sequence[Mapping[str, str]], questions: Collection[str], exam_level: Collection[str]) -> Fields:
    """The answers that rows of one exam give. Raises ValueError where two rows give different ones."""
    fields: dict[tuple[Laterality | None, str], str] = {}
    for row in rows:
        side = _side(row)
        answers = {"malignancy": row.get("malignant", ""), **row}
        if _is_zero(row.get("risk_years")):  # a cancer that these images show is no follow-up
            answers |= {"risk_years": "", "cancer": ""}
        for column, value in answers.items():
            if column not in questions or value == "":
                continue
            key = (None if column in exam_level else side, column)
            if fields.setdefault(key, value) != value:
                raise ValueError(f"{column}: rows say {fields[key]} and {value}")
    return fields


def _side(row: Mapping[str, str]) -> Laterality:
    """The breast of a row. Raises ValueError where the column `laterality` names none."""
    try:
        return {"R": Laterality.RIGHT, "RIGHT": Laterality.RIGHT, "L": Laterality.LEFT, "LEFT": Laterality.LEFT}[
            row.get("laterality", "").upper()
        ]
    except KeyError:
        raise ValueError(f"laterality: “{row.get('laterality', '')}” is not a breast; write R or L") from None


def _findings(rows: Sequence[Mapping[str, str]]) -> dict[int, MarkedFinding]:
    """The findings that the rows of each breast describe. Raises ValueError where two rows say different things."""
    findings: dict[int, MarkedFinding] = {}
    rows_of_side: dict[Laterality, dict[str, str]] = {}
    described = {column for columns in FINDING_COLUMNS.values() for column in columns.values()} | set(LOCATION_COLUMNS)
    for row in rows:
        merged = rows_of_side.setdefault(_side(row), {})
        for column, value in row.items():
            if merged.setdefault(column, value) != value and column in described:
                raise ValueError(f"{column}: rows say {merged[column]} and {value}")
    for side, row in rows_of_side.items():
        for kind, columns in FINDING_COLUMNS.items():
            described_here = [column for column in columns.values() if row.get(column)]
            if row.get(kind) == "1" and described_here:
                findings[len(findings) + 1] = MarkedFinding(side, kind, finding_from_columns(kind, row.get))
            elif set(described_here) - set(LOCATION_COLUMNS):
                raise ValueError(f"{described_here[0]} is given; write 1 under {kind}, or empty it")
    return findings


def _is_zero(value: str | None) -> bool:
    try:
        return float(value or "nan") == 0
    except ValueError:
        return False
