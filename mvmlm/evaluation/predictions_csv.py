"""The predictions table: a CSV file with a row for each case and class, made elsewhere or by `write_predictions`.

exam, patient, laterality, view    which case: laterality R or L, empty for the exam; view only for single views
task, class, score                 the class is empty for a question of yes and no; a higher score is more likely
label                              0 or 1, or the class that is true
years, event                       instead of a label for risk: until cancer or the end of follow-up, and 1 or 0
split, model                       test or validation; the name of the model. Both may be left out
density, age, vendor, views, lesion_type, lesion_size       facts for subgroups, age in years, size in mm; optional
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..atomic_file import replace_file
from ..exchange.csv_cells import CsvWriter
from ..exchange.csv_file import CsvFile
from ..messages import quoted
from ..tasks import Kind, Task
from .cases import FACTS, TaskCases
from .predictions_rows import Problems, Row, read_row
from .predictions_tasks import collect_tasks

REQUIRED = ("exam", "patient", "laterality", "task", "class", "score")
COLUMNS = (
    "exam", "patient", "laterality", "view", "task", "class", "score", "label", "years", "event", "split", "model",
    *FACTS,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class PredictionsTable:
    """What a predictions table holds.

    name: of the file. sha256: of its bytes, in hexadecimal. cases: those of each task, model and split. problems: one
    sentence on each kind of thing that is odd, with the numbers of the lines.
    """

    name: str
    sha256: str
    cases: tuple[TaskCases, ...]
    problems: tuple[str, ...]


def read_predictions(path: Path, tasks: Sequence[Task]) -> PredictionsTable:
    """Return the cases of a predictions table, and what is odd about it.

    tasks: those that are known; another name is evaluated by the classes that the table gives it. A row or case that is
    odd is left out and told. Raises DatasetError for a file that is no CSV, and where a required column is missing.
    """
    table = CsvFile(path, REQUIRED)
    problems = Problems()
    if "label" not in table.columns and not {"years", "event"} <= set(table.columns):
        problems.say(f"{path.name}: no column label, and no columns years and event; add what was true")
    unused = [column for column in table.columns if column and column not in COLUMNS]
    if unused:
        problems.say(f"columns that are not used: {', '.join(map(quoted, unused))[:200]}")
    rows: list[Row] = []
    for line, cells in table.rows():
        if (row := read_row(line, cells, "split" in table.columns, problems)) is not None:
            rows.append(row)
    cases = collect_tasks(rows, tasks, problems)
    sentences = (*table.passed_over, *problems.sentences())
    return PredictionsTable(path.name, hashlib.sha256(path.read_bytes()).hexdigest(), cases, sentences)


def write_predictions(path: Path, cases: Iterable[TaskCases]) -> None:
    """Write a predictions table that `read_predictions` reads back. No cell starts a formula in a spreadsheet."""
    with replace_file(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        writer = CsvWriter(text, COLUMNS)
        for of_task in cases:
            for row in _table_rows(of_task):
                writer.write(row)
        text.flush()
        text.detach()


def _table_rows(cases: TaskCases) -> Iterable[Mapping[str, Any]]:
    task = cases.task
    for key, label, scores, facts in zip(cases.keys, cases.labels.tolist(), cases.scores.tolist(), cases.facts):
        truth: dict[str, Any] = {"label": task.classes[label] if task.kind is Kind.MULTICLASS else label}
        if task.kind is Kind.SURVIVAL:
            truth = {"years": label[0], "event": int(label[1])}
        shared = {**facts, **truth, **key._asdict(), "task": task.name, "split": cases.split, "model": cases.model}
        for class_, score in zip(task.classes, scores, strict=True):
            yield {**shared, "class": class_, "score": score}
