"""Tasks that a user declares: a TOML file in the data folder, or the Fine-tune page, which writes that file.

    [[task]]
    name = "vascular"                 # its column in tables
    title = "Vascular calcification"
    level = "breast"                  # or "exam"
    classes = ["none", "mild", "severe"]   # left out: present or absent
    ordered = true                    # the classes are steps of a scale
    [task.prompts]                    # optional: sentences that ask for a class in words
    none = ["no vascular calcifications"]
    mild = ["mild vascular calcifications"]
    severe = ["severe vascular calcifications"]

A declared task is a question of the form, a column of the tables, something to fine-tune, and a row of the answers.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from unicodedata import category

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from .atomic_file import replace_file
from .tasks import TASK, Kind, Level, Task

TASKS_FILE = "tasks.toml"
#: columns of the tables and fields of the form that are in use already
RESERVED_NAMES = frozenset({
    *TASK, "cancer", "risk_years", "outcome_date", "note", "finding", "exam", "patient", "laterality", "view", "file",
    "split", "malignant", "place", "depth",
})  # fmt: skip
MAX_CLASSES = 12
MAX_FILE_BYTES = 2**20
MAX_POINTS = 300  # of a line; tomllib takes time and memory by the square of the parts of a key
_SET_ASIDE = ".unreadable"  # the end of the name of a file that was set aside
LONGEST_REASON, LONGEST_VALUE = 300, 120  # letters of a reason, and of a value that it quotes
PRESENT, ABSENT = "present", "absent"  # the classes of a task that declares none

ShortText = Annotated[str, Field(pattern=r"\S", max_length=60)]
Sentence = Annotated[str, Field(pattern=r"\S", max_length=400)]
Sentences = Annotated[list[Sentence], Field(min_length=1, max_length=12)]


class TaskDeclaration(BaseModel):
    """One `[[task]]` of the file. A field's description is what its error message says was expected."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{1,30}$", description="2 to 31 small letters, digits or _, a letter first"
    )
    title: ShortText | None = Field(None, description="words, at most 60 letters")
    level: Level = Field(strict=False, description="breast or exam")
    classes: list[ShortText] = Field([], max_length=MAX_CLASSES, description=f"different words, at most {MAX_CLASSES}")
    ordered: bool = Field(False, description="true or false")
    prompts: dict[str, Sentences] = Field({}, description="a list of sentences for each class")

    @field_validator("name")
    @classmethod
    def _name_is_free(cls, name: str) -> str:
        if name in RESERVED_NAMES:
            raise ValueError("taken by the program; choose another")
        return name

    @field_validator("classes")
    @classmethod
    def _classes_differ(cls, classes: list[str]) -> list[str]:
        if len(set(classes)) < len(classes):
            raise ValueError(f"expected different words, at most {MAX_CLASSES}")
        if len(classes) == 1 and classes != [PRESENT]:
            raise ValueError("one class is no question; leave classes out for present or absent")
        return classes

    @field_validator("prompts")
    @classmethod
    def _every_class_has_prompts(cls, prompts: dict[str, list[str]], info: ValidationInfo) -> dict[str, list[str]]:
        expected = prompted_classes(info.data.get("classes", []))
        if prompts and sorted(prompts) != sorted(expected):
            raise ValueError(f"expected a list of sentences for each of {', '.join(expected)}")
        return prompts


def prompted_classes(classes: list[str]) -> list[str]:
    """Return the classes that prompts are given for: those declared, or present and absent."""
    return [PRESENT, ABSENT] if classes in ([], [PRESENT]) else classes


def load_custom_tasks(folder: Path) -> tuple[Task, ...]:
    """Return the tasks that `folder`/tasks.toml declares; none where there is no such file.

    Raises ValueError that names the file, the task, the key, its value and what was expected.
    """
    path = Path(folder) / TASKS_FILE
    try:
        return _read_tasks(path) if path.is_file() else ()
    except ValueError as error:
        raise ValueError(f"{TASKS_FILE}: {error}") from None


def load_or_set_aside(folder: Path) -> tuple[tuple[Task, ...], tuple[str, ...]]:
    """Return the declared tasks, and a sentence for each file of tasks that cannot be read; never raises.

    A tasks.toml that cannot be read is renamed, so that the program starts and nothing is lost. The sentence comes
    again at every start until somebody has corrected or deleted the renamed file.
    """
    path, notes = Path(folder) / TASKS_FILE, []
    tasks: tuple[Task, ...] = ()
    try:
        tasks = load_custom_tasks(folder)
    except ValueError:
        notes = _set_aside(path)
    except OSError as error:
        cannot = f"{TASKS_FILE} cannot be opened ({error.strerror}), so its tasks are left out"
        notes = [f"{cannot}. Make it readable, then start the program again."]
    for aside in sorted(path.parent.glob(f"{TASKS_FILE}.*{_SET_ASIDE}")):
        notes.append(
            f"Tasks of your own are left out: {aside.name} in the data folder cannot be read as {TASKS_FILE}"
            f"{_reason(aside)}. Correct it and move its tasks to {TASKS_FILE}, or delete it; "
            "then start the program again."
        )
    return tasks, tuple(notes)


def _set_aside(path: Path) -> list[str]:
    """Rename a tasks.toml that cannot be read; return a sentence where that is not possible."""
    try:
        with _lock(path.parent):
            if _reason(path):  # another process may have set it aside, and a good file may be there by now
                made = f"{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
                path.rename(path.with_name(f"{TASKS_FILE}.{made}{_SET_ASIDE}"))
    except FileNotFoundError:
        return []
    except OSError as error:
        cannot = f"{TASKS_FILE} cannot be read, and not be renamed ({error.strerror}), so its tasks are left out"
        return [f"{cannot}{_reason(path)}. Correct it, then start the program again."]
    return []


def _lock(folder: Path) -> FileLock:
    """Held by whoever changes tasks.toml, so that of two declarations at once none is lost."""
    return FileLock(Path(folder) / "tasks.lock")


def _reason(path: Path) -> str:
    """Why a file of tasks cannot be read, after a colon; "" where it can."""
    try:
        _read_tasks(path)
    except (ValueError, OSError) as error:
        return f": {error}"[:LONGEST_REASON]
    return ""


def _read_tasks(path: Path) -> tuple[Task, ...]:
    """The tasks of a file. Raises ValueError that says what is wrong."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES >> 10} KB")
    try:
        text = path.read_text(encoding="utf-8-sig")  # a text editor may have written a byte order mark
    except UnicodeDecodeError:
        raise ValueError("not UTF-8 text; save it as UTF-8") from None
    return _parse_tasks(text)


def _parse_tasks(text: str) -> tuple[Task, ...]:
    """The tasks of a file's text. Raises ValueError that says what is wrong."""
    if any(line.count(".") > MAX_POINTS for line in text.split("\n")):
        raise ValueError(f"a line with more than {MAX_POINTS} points, whose key may have as many parts")
    try:
        found = tomllib.loads(text)
    except RecursionError:
        raise ValueError("too deeply nested") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError:  # of Python, whose sentence is about its own settings
        raise ValueError("a number has too many digits") from None
    other = next((key for key in found if key != "task"), None)
    if other is not None:
        raise ValueError(f"{other} is not known: each task begins with [[task]]")
    declarations = found.get("task", [])
    if not isinstance(declarations, list) or not all(isinstance(item, Mapping) for item in declarations):
        raise ValueError("each task begins with [[task]]")
    tasks = tuple(parse_task(declaration) for declaration in declarations)
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is declared twice")
    return tasks


def parse_task(declaration: Mapping[str, Any]) -> Task:
    """Convert one declaration to a Task.

    declaration: the keys of a `[[task]]`. Raises ValueError that names the task, key, value and what was expected.
    """
    try:
        declared = TaskDeclaration.model_validate(dict(declaration))
    except ValidationError as error:
        raise ValueError(_message(error, declaration)) from None
    binary = declared.classes in ([], [PRESENT])
    return Task(
        name=declared.name,
        title=declared.title or declared.name.replace("_", " ").capitalize(),
        level=declared.level,
        kind=Kind.BINARY if binary else Kind.MULTICLASS,
        classes=(PRESENT,) if binary else tuple(declared.classes),
        prompts={
            class_: tuple(declared.prompts[class_])
            for class_ in prompted_classes(declared.classes)
            if class_ in declared.prompts
        },
        ordered=declared.ordered,
    )


def _message(error: ValidationError, declaration: Mapping[str, Any]) -> str:
    """The first thing that is wrong with a declaration, in one sentence."""
    first = error.errors(include_url=False)[0]
    key = str(first["loc"][0])
    task = "" if key == "name" else f"task {str(declaration.get('name'))[:LONGEST_VALUE]}: "
    fields, value = TaskDeclaration.model_fields, repr(declaration.get(key))
    shown = value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
    if first["type"] == "extra_forbidden":
        return f"{task}{key}={shown}: not known; expected {', '.join(sorted(fields))}"
    if first["type"] == "missing":
        return f"{task}{key} is missing: expected {fields[key].description}"
    reason = str(first["ctx"]["error"]) if first["type"] == "value_error" else f"expected {fields[key].description}"
    return f"{task}{key}={shown}: {reason}"


def declare_task(folder: Path, declaration: Mapping[str, Any]) -> Task:
    """Add a task to `folder`/tasks.toml and return it. On any error the file stays as it was.

    What is written is read back before it replaces the file. Raises ValueError for a declaration that is wrong (see
    `parse_task`), whose name is declared already, or that the file cannot hold; OSError where it cannot be written.
    """
    task, path = parse_task(declaration), Path(folder) / TASKS_FILE
    with _lock(folder):
        known = load_custom_tasks(folder)
        if task.name in [other.name for other in known]:
            raise ValueError(f"name={task.name!r}: declared already; choose another name, or change it in {TASKS_FILE}")
        before = path.read_text(encoding="utf-8-sig").rstrip("\n") + "\n\n" if path.is_file() else ""
        text = before + "\n".join(_toml_lines(task)) + "\n"
        problem = _why_not_written(text, known, task)
        if problem:
            raise ValueError(f"task {task.name}: {TASKS_FILE} cannot hold it ({problem}). Type its words again.")
        with replace_file(path) as file:
            file.write(text.encode())
    return task


def _why_not_written(text: str, known: tuple[Task, ...], task: Task) -> str:
    """Why the text of a file would not give back its tasks and the new one; "" where it would."""
    words = [task.title, *task.classes, *(sentence for sentences in task.prompts.values() for sentence in sentences)]
    control = next((word for word in words if any(category(letter) == "Cc" for letter in word)), None)
    if control is not None:
        return f"a control character in {control!r}"
    try:
        return "" if _parse_tasks(text) == (*known, task) else "it would be read back differently"
    except ValueError as error:
        return str(error)


def _toml_lines(task: Task) -> Iterable[str]:
    def text(value) -> str:
        return json.dumps(value, ensure_ascii=False)  # JSON's strings and lists are TOML's

    yield "[[task]]"
    yield f"name = {text(task.name)}"
    yield f"title = {text(task.title)}"
    yield f"level = {text(task.level.value)}"
    if task.kind is Kind.MULTICLASS:
        yield f"classes = {text(list(task.classes))}"
        yield f"ordered = {text(task.ordered)}"
    if task.prompts:
        yield "[task.prompts]"
        for class_, sentences in task.prompts.items():
            yield f"{text(class_)} = {text(list(sentences))}"


def parse_prompts(typed: str) -> dict[str, list[str]]:
    """Convert lines of the form `class: sentence` to the sentences of each class.

    Raises ValueError that quotes the first line of another form.
    """
    prompts: dict[str, list[str]] = {}
    for line in filter(None, (line.strip() for line in typed.splitlines())):
        class_, colon, sentence = (part.strip() for part in line.partition(":"))
        if not colon or not sentence:
            raise ValueError(f"{line!r}: expected a class, a colon and a sentence")
        prompts.setdefault(class_, []).append(sentence)
    return prompts
