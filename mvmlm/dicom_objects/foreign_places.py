"""Points that an object gives -> marks on the picture that it names, or why none can be shown."""

from __future__ import annotations

from pydicom.dataset import Dataset

from .cad_report import Point
from .foreign_marks import ForeignMark, NamedPictures, Shape
from .graphics import Unused, check_inside, is_closed

MOST_LETTERS = 200  # of a text beside a mark


def checked(points: tuple[Point, ...], instance: str, named: NamedPictures) -> tuple[Point, ...]:
    """Return the points, which lie on the picture of that UID. Raises Unused where they do not, or it has none."""
    if instance in named.twice:
        raise Unused("a mark on a picture whose UID two files have, so that nobody can say which it is")
    if instance not in named.views:
        raise Unused("a mark on a picture that is not in this exam")
    for view in named.views[instance]:
        check_inside(points, view)
    return points


def marks_at(place: Dataset, points: tuple[Point, ...], instance: str, said: str) -> list[ForeignMark]:
    """Return the mark of graphic data. points: of `graphics.points_of`."""
    if len(points) == 1:
        shape = Shape.POINT
    else:
        shape = Shape.OUTLINE if len(points) > 2 and is_closed(place) else Shape.LINE
    return [ForeignMark(instance, shape, points, said)]
