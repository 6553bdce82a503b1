"""Tasks that a user declares: a TOML file in the data folder, or the Teach page, which writes that file.

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

A declared task is a question of the form, a column of the tables, something to teach, and a row of the answers.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from .tasks import TASK, Kind, Level, Task

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = "tasks.toml"
TAKEN = (
    *TASK,
    "cancer",
    "risk_years",
    "outcome_date",
    "note",
    "finding",
    "exam",
    "patient",
    "laterality",
    "view",
    "file",
    "split",
    "malignant",
    "place",
    "depth",
)
MOST_CLASSES = 12
KEYS = {"name", "title", "level", "classes", "ordered", "prompts"}


def load_custom_tasks(folder: Path) -> tuple[Task, ...]:
    """The tasks that `folder`/tasks.toml declares; none without that file. Raises ValueError with what is wrong in it."""
    path = Path(folder) / FILE
    if not path.is_file():
        return ()
    try:
        declared = tomllib.loads(path.read_text(encoding="utf-8")).get("task", [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{FILE}: {error}") from None
    if not isinstance(declared, list) or not all(isinstance(one, Mapping) for one in declared):
        raise ValueError(f"{FILE}: each task begins with [[task]]")
    tasks = [parse_task(one) for one in declared]
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"{FILE}: {next(name for name in names if names.count(name) > 1)} is declared twice")
    return tuple(tasks)


def parse_task(said: Mapping) -> Task:
    """One declaration -> Task. Raises ValueError that names the key, its value and what was expected."""
    name = said.get("name")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{1,30}", name):
        raise ValueError(f"name={name!r}: expected 2 to 31 small letters, digits or _, a letter first")
    if name in TAKEN:
        raise ValueError(f"name={name!r}: taken by the program; choose another")
    if unknown := set(said) - KEYS:
        raise ValueError(f"{name}: {sorted(unknown)[0]!r} is not known; expected {', '.join(sorted(KEYS))}")
    title, classes, ordered = (
        said.get("title", name.replace("_", " ").capitalize()),
        said.get("classes") or ["present"],
        said.get("ordered", False),
    )
    if not _is_text(title):
        raise ValueError(f"{name}: title={title!r}: expected words, at most 60 letters")
    if said.get("level") not in [level.value for level in Level]:
        raise ValueError(f"{name}: level={said.get('level')!r}: expected breast or exam")
    if (
        not isinstance(classes, list)
        or not all(_is_text(one) for one in classes)
        or len(set(classes)) < len(classes)
        or len(classes) > MOST_CLASSES
    ):
        raise ValueError(f"{name}: classes={classes!r}: expected different words, at most {MOST_CLASSES}")
    if len(classes) == 1 and classes != ["present"]:
        raise ValueError(
            f"{name}: classes={classes!r}: one class is no question; leave classes out for present or absent"
        )
    if not isinstance(ordered, bool):
        raise ValueError(f"{name}: ordered={ordered!r}: expected true or false")
    kind = Kind.BINARY if classes == ["present"] else Kind.MULTICLASS
    wanted = ["present", "absent"] if kind is Kind.BINARY else classes
    prompts = said.get("prompts") or {}
    if prompts and (
        not isinstance(prompts, Mapping)
        or sorted(prompts) != sorted(wanted)
        or not all(_are_sentences(own) for own in prompts.values())
    ):
        raise ValueError(f"{name}: prompts: expected a list of sentences for each of {', '.join(wanted)}")
    return Task(
        name,
        title,
        Level(said["level"]),
        kind,
        tuple(classes),
        {c: tuple(prompts[c]) for c in wanted} if prompts else {},
        ordered=ordered,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value.strip()) <= 60


def _are_sentences(value: object) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= 12
        and all(isinstance(one, str) and 0 < len(one.strip()) <= 400 for one in value)
    )


def declare_task(folder: Path, said: Mapping) -> Task:
    """Adds a declaration to the file, whole or not at all. Raises ValueError."""
    task = parse_task(said)
    known = load_custom_tasks(folder)
    if task.name in [one.name for one in known]:
        raise ValueError(f"name={task.name!r}: declared already; choose another name, or change it in {FILE}")
    path = Path(folder) / FILE
    before = path.read_text(encoding="utf-8").rstrip("\n") + "\n\n" if path.is_file() else ""
    part = path.with_suffix(".part")
    part.write_text(before + "\n".join(_lines(task)) + "\n", encoding="utf-8")
    os.replace(part, path)
    return task


def _lines(task: Task) -> Iterable[str]:
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
    """Lines of `class: sentence` -> the sentences of each class. Raises ValueError."""
    prompts: dict[str, list[str]] = {}
    for line in filter(None, (line.strip() for line in (typed or "").splitlines())):
        class_, colon, sentence = (part.strip() for part in line.partition(":"))
        if not colon or not sentence:
            raise ValueError(f"{line!r}: expected a class, a colon and a sentence")
        prompts.setdefault(class_, []).append(sentence)
    return prompts
