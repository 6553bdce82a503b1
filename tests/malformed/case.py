"""What a malformed input is, what it is given to, and how what the user is told is caught."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mvmlm.imaging.load import NoExam, load_exam
from mvmlm.messages import error_message


class Bench:
    """What inputs are given to: an empty folder, and fixtures of `tests/conftest.py`, made when one is asked for."""

    def __init__(self, folder: Path, fixture: Callable[[str], Any]):
        self.folder, self.fixture = folder, fixture

    def file(self, name: str, data: bytes | str) -> Path:
        """Write a file into the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path


@dataclass(frozen=True)
class Malformed:
    """kind: the heading of docs/faults.md. what: the input in one line. told: a part of what the user is told.

    tell: gives the input to the program and returns all that the user is told. costly: its memory is measured.
    fixtures: those that it needs, made before its time is measured.
    """

    kind: str
    what: str
    told: str
    tell: Callable[[Bench], str]
    costly: bool = False
    fixtures: tuple[str, ...] = ()


def refusal(action: Callable[[], object], *documented: type[Exception]) -> str:
    """Return the sentence of the documented error that an action raises, and what it returns where it raises none."""
    try:
        found = action()
    except documented as error:
        return error_message(error)
    return f"accepted: {found!r}"


def told_of_exam(bench: Bench, path: Path, **options) -> str:
    """Open files as a user does, and return every sentence on them: why they are set aside, marks and questions."""
    try:
        exam = load_exam(path, decoder=bench.fixture("decoder"), **options)
    except NoExam as error:
        return " / ".join([str(error), *(item.reason for item in error.set_aside)])
    return " / ".join([*(item.reason for item in exam.set_aside), *(mark.text for mark in exam.marks)])


def opened(
    kind: str, what: str, told: str, data: Callable[[], bytes], name: str = "R_CC.dcm", costly: bool = False
) -> Malformed:
    """An input that is one file, opened as an exam. data: makes the bytes of the file."""
    return Malformed(
        kind, what, told, lambda bench: told_of_exam(bench, bench.file(name, data())), costly, ("decoder",)
    )
