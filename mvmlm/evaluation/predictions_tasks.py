"""Rows of a predictions table -> the cases of each task, model and split; odd cases are left out and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..tasks import Kind, Level, Task
from .cases import VALIDATION, CaseKey, CaseLevel, TaskCases
from .predictions_rows import Problems, Row

PRESENT = "present"  # the class of a question of yes and no
MOST_CLASSES = 50  # of a task that is not known


def collect_tasks(rows: Sequence[Row], tasks: Sequence[Task], problems: Problems) -> tuple[TaskCases, ...]:
    """Return the cases of each task, model and split, in the order of the table."""
    rows = _patients_in_one_split(_exams_of_one_patient(rows, problems), problems)
    of_task: dict[str, list[Row]] = {}
    for row in rows:
        of_task.setdefault(row.task, []).append(row)
    known = {task.name: task for task in tasks}
    found = []
    for name, own in of_task.items():
        task = known.get(name) or _task_of_rows(name, own, problems)
        if task is None:
            continue
        own = _of_known_classes(task, own, problems)
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in own:
            groups.setdefault((row.model, row.split), []).append(row)
        for (model, split), group in groups.items():
            level, kept = _of_one_level(name, group, problems)
            if cases := _assemble(task, model, split, level, kept, problems):
                found.append(cases)
    return tuple(found)


def _exams_of_one_patient(rows: Iterable[Row], problems: Problems) -> list[Row]:
    patient_of: dict[str, str] = {}
    kept = []
    for row in rows:
        if patient_of.setdefault(row.key.exam, row.key.patient) != row.key.patient:
            problems.add(row.line, "its exam is of another patient in an earlier line; left out", row.key.exam)
        else:
            kept.append(row)
    return kept


def _patients_in_one_split(rows: Sequence[Row], problems: Problems) -> list[Row]:
    """Patients in both splits stay among the test cases only, so that no threshold is chosen on them."""
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row.key.patient, set()).add(row.split)
    kept = []
    for row in rows:
        if row.split == VALIDATION and len(splits[row.key.patient]) > 1:
            reason = "the patient is in both splits; left out of the validation cases"
            problems.add(row.line, reason, row.key.patient)
        else:
            kept.append(row)
    return kept


def _task_of_rows(name: str, rows: Sequence[Row], problems: Problems) -> Task | None:
    """The task that rows of an unknown name describe: of yes and no, or with classes without order.

    None for one of more than MOST_CLASSES.
    """
    level = Level.BREAST if any(row.key.laterality for row in rows) else Level.EXAM
    classes = tuple(sorted({row.class_ for row in rows} - {""}))
    if classes in ((), (PRESENT,)):
        return Task(name, name, level, Kind.BINARY, (PRESENT,), {})
    if all(row.years or row.event for row in rows) and all(class_.isdecimal() for class_ in classes):
        return Task(name, name, level, Kind.SURVIVAL, tuple(sorted(classes, key=int)), {})
    if len(classes) > MOST_CLASSES:
        problems.say(f"task {name} has {len(classes):,} classes, more than {MOST_CLASSES}; left out")
        return None
    problems.say(f"task {name} is not known: its classes {', '.join(classes)[:200]} are taken to have no order")
    return Task(name, name, level, Kind.MULTICLASS, classes, {})


def _of_known_classes(task: Task, rows: Iterable[Row], problems: Problems) -> list[Row]:
    kept = []
    for row in rows:
        class_ = row.class_ or (PRESENT if task.kind is Kind.BINARY else "")
        if class_ in task.classes:
            kept.append(row._replace(class_=class_))
        else:
            expected = f"{task.name} has the classes {', '.join(task.classes)[:200]}"
            problems.add(row.line, f"a class that the task has not: {expected}; left out", row.class_ or "empty")
    return kept


def _of_one_level(name: str, rows: Sequence[Row], problems: Problems) -> tuple[CaseLevel, list[Row]]:
    """The rows of the finest level; those of an exam that repeat what is said of its breasts are left out."""
    counts = Counter(row.key.level for row in rows)
    finest = next(level for level in CaseLevel if counts[level])
    for row in rows:
        if row.key.level is not finest:
            reason = f"{name} has rows for each {finest.value}, so rows of a whole {row.key.level.value} are left out"
            problems.add(row.line, reason)
    return finest, [row for row in rows if row.key.level is finest]


def _assemble(
    task: Task, model: str, split: str, level: CaseLevel, rows: Sequence[Row], problems: Problems
) -> TaskCases | None:
    """The cases with a score for each class and one label; None where there is none."""
    of_case: dict[CaseKey, dict[str, Row]] = {}
    of_label: dict[CaseKey, list[Row]] = {}
    for row in rows:
        of_label.setdefault(row.key, []).append(row)
        earlier = of_case.setdefault(row.key, {}).setdefault(row.class_, row)
        if earlier is not row:
            reason = "the same case and class as in an earlier line, which is kept"
            problems.add(row.line, reason, f"line {earlier.line}")
    keys, labels, scores, facts = [], [], [], []
    for key, by_class in of_case.items():
        label = _label_of(task, of_label[key], problems)
        if label is None:
            continue
        if len(by_class) < len(task.classes):
            lacking = ", ".join(class_ for class_ in task.classes if class_ not in by_class)
            first = next(iter(by_class.values())).line
            problems.add(first, "the case has no score for some classes; left out", lacking)
            continue
        keys.append(key)
        labels.append(label)
        scores.append([by_class[class_].score for class_ in task.classes])
        facts.append(_facts_of(by_class.values()))
    if not keys:
        return None
    return TaskCases(task, model, split, level, tuple(keys), np.array(labels), np.array(scores), tuple(facts))


def _label_of(task: Task, rows: Sequence[Row], problems: Problems) -> int | tuple[float, int] | None:
    """The label that the rows of a case agree on; None where something is odd about it."""
    first, survival = rows[0], task.kind is Kind.SURVIVAL
    said = {(row.years, row.event) if survival else (row.label, "") for row in rows} - {("", "")}
    if len(said) != 1:
        reason = "the rows of a case have different labels; left out" if said else "no label; left out"
        problems.add(first.line, reason)
        return None
    (label,) = said
    if survival:
        return _follow_up(first, *label, problems)
    classes = ("0", "1") if task.kind is Kind.BINARY else task.classes
    if label[0] not in classes:
        expected = ", ".join(classes)[:200]
        problems.add(first.line, f"a label outside the classes: {task.name} has {expected}; left out", label[0])
        return None
    return classes.index(label[0])


def _follow_up(row: Row, years: str, event: str, problems: Problems) -> tuple[float, int] | None:
    try:
        value = float("nan" if "_" in years else years)  # Python reads 1_0 as 10
    except ValueError:
        value = float("nan")
    if event not in ("0", "1") or not 0 <= value < float("inf"):
        reason = "years is not a number of years or event not 0 or 1; left out"
        problems.add(row.line, reason, f"{years or 'empty'}, {event or 'empty'}")
        return None
    if value == 0:
        problems.add(row.line, "years is 0: a cancer in these images is no later one; left out")
        return None
    return value, int(event)


def _facts_of(rows: Iterable[Row]) -> Mapping[str, str]:
    """The facts of a case: of each the first row that has it."""
    found: dict[str, str] = {}
    for row in rows:
        found = {**row.facts, **found}
    return found
