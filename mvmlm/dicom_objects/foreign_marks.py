"""What other programs marked on pictures, as plain data: the marks, what is said in words, and what is not shown.

A mark belongs to the picture whose SOPInstanceUID its object names, and to no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from ..exam import Exam, View
from .cad_report import Point


class ForeignKind(str, Enum):
    """What kind of object holds the marks."""

    CAD = "Mammography CAD SR"
    MEASUREMENTS = "measurement report, SR TID 1500"
    PRESENTATION = "presentation state, GSPS"


class Shape(str, Enum):
    """How a mark is drawn."""

    POINT = "point"
    LINE = "line"
    OUTLINE = "outline"
    TEXT = "text"


@dataclass(frozen=True)
class ForeignMark:
    """A mark on one picture.

    instance: the SOPInstanceUID of the picture that it names. points: (column, row) in DICOM pixels of that picture,
    (0, 0) is the centre of the first pixel; one of a point or a text, at least two of a line, at least three of an
    outline, whose last point is not the first again. text: what it says, "" for nothing. rejected: the program itself
    says that it is not to be shown.
    """

    instance: str
    shape: Shape
    points: tuple[Point, ...]
    text: str = ""
    rejected: bool = False


@dataclass(frozen=True)
class ForeignStatement:
    """What an object says in words of one picture, such as "calcification: nothing found". instance: of the picture."""

    instance: str
    text: str


@dataclass(frozen=True)
class ForeignObject:
    """An object of another program, read for one exam.

    file: its name. source: the manufacturer, the program and its version as the file says. kind: None where the object
    is none that is read. told: a sentence for everything of it that is not shown; all there is where it is refused.
    """

    file: str
    kind: ForeignKind | None
    source: str = ""
    marks: tuple[ForeignMark, ...] = ()
    statements: tuple[ForeignStatement, ...] = ()
    told: tuple[str, ...] = ()

    @property
    def for_this_exam(self) -> bool:
        """Whether it has anything to show on a picture of the exam."""
        return bool(self.marks or self.statements)


class NamedPictures(NamedTuple):
    """The pictures of an exam that objects can name.

    views: SOPInstanceUID -> the pictures that show it: the picture itself, and those that were made from it and say
    that every place stayed (PS3.3 C.7.6.1, Spatial Locations Preserved). twice: UIDs that several pictures have.
    """

    views: Mapping[str, tuple[View, ...]]
    twice: frozenset[str]


def pictures_of_exam(exam: Exam) -> tuple[View, ...]:
    """Return every picture of an exam: the standard views, the extra ones, then those of its prior."""
    prior = exam.prior
    return (*exam.views.values(), *exam.extra, *(prior.views.values() if prior else ()))


def named_pictures(exam: Exam) -> NamedPictures:
    """Return the pictures of an exam by the UIDs that objects may name; none of a stored exam, which keeps no UIDs."""
    own: dict[str, list[View]] = {}
    made: dict[str, list[View]] = {}
    for view in pictures_of_exam(exam):
        if view.identity is None or not view.identity.instance_uid:
            continue
        own.setdefault(view.identity.instance_uid, []).append(view)
        for source in view.identity.made_from:
            made.setdefault(source, []).append(view)
    twice = frozenset(instance for instance, views in own.items() if len(views) > 1)
    shown = {
        instance: (*own.get(instance, ()), *made.get(instance, ()))
        for instance in (*own, *made)
        if instance not in twice
    }
    return NamedPictures(shown, twice)
