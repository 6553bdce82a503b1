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
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from .tasks import TASK, Kind, Level, Task

TASKS_FILE = "tasks.toml"
#: columns of the tables and fields of the form that are in use already
RESERVED_NAMES = frozenset({
    *TASK, "cancer", "risk_years", "outcome_date", "note", "finding", "exam", "patient", "laterality", "view", "file",
    "split", "malignant", "place", "depth",
})  # fmt: skip
MAX_CLASSES = 12
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
    if not path.is_file():
        return ()
    try:
        declarations = tomllib.loads(path.read_text(encoding="utf-8")).get("task", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{TASKS_FILE}: {error}") from None
    if not isinstance(declarations, list) or not all(isinstance(item, Mapping) for item in declarations):
        raise ValueError(f"{TASKS_FILE}: each task begins with [[task]]")
    try:
        tasks = tuple(parse_task(declaration) for declaration in declarations)
    except ValueError as error:
        raise ValueError(f"{TASKS_FILE}: {error}") from None
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"{TASKS_FILE}: {next(name for name in names if names.count(name) > 1)} is declared twice")
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
    task = "" if key == "name" else f"task {declaration.get('name')}: "
    fields = TaskDeclaration.model_fields
    if first["type"] == "extra_forbidden":
        return f"{task}{key}={declaration[key]!r}: not known; expected {', '.join(sorted(fields))}"
    if first["type"] == "missing":
        return f"{task}{key} is missing: expected {fields[key].description}"
    reason = str(first["ctx"]["error"]) if first["type"] == "value_error" else f"expected {fields[key].description}"
    return f"{task}{key}={declaration[key]!r}: {reason}"


def declare_task(folder: Path, declaration: Mapping[str, Any]) -> Task:
    """Add a task to `folder`/tasks.toml and return it. On any error the file stays as it was.

    Raises ValueError for a declaration that is wrong (see `parse_task`) or whose name is declared already.
    """
    task = parse_task(declaration)
    if task.name in [known.name for known in load_custom_tasks(folder)]:
        raise ValueError(f"name={task.name!r}: declared already; choose another name, or change it in {TASKS_FILE}")
    path = Path(folder) / TASKS_FILE
    before = path.read_text(encoding="utf-8").rstrip("\n") + "\n\n" if path.is_file() else ""
    text = before + "\n".join(_toml_lines(task)) + "\n"
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"task {task.name}: {TASKS_FILE} cannot hold it ({error}). Type its words again.") from None
    unfinished = path.with_suffix(".part")
    unfinished.write_text(text, encoding="utf-8")
    os.replace(unfinished, path)
    return task


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
