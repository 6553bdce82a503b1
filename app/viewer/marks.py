"""Marks that a browser sends, checked against the open exam."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from mvmlm.exam import Exam
from mvmlm.reading.reading import MARK_LABELS, Mark

MAX_MARKS = 200


def parse_marks(sent: object, exam: Exam) -> tuple[Mark, ...]:
    """Return the marks of a message, with points clipped to their view.

    sent: the list of marks of the viewer's event `marked`. Raises ValueError for any mark that is malformed or has an
    unknown view or label; then no mark of the message is used.
    """
    if not isinstance(sent, list) or len(sent) > MAX_MARKS:
        raise ValueError(f"expected at most {MAX_MARKS} marks")
    marks = []
    for row in sent:
        mark = Mark.from_json(row)
        if mark.view not in exam.views or mark.label not in MARK_LABELS:
            raise ValueError("a mark has an unknown view or label")
        rows, columns = exam.views[mark.view].pixels.shape
        points = tuple((_clipped(x, columns), _clipped(y, rows)) for x, y in mark.points)
        marks.append(mark._replace(points=points))
    return tuple(marks)


def redrawn(marks: Iterable[Mark], token: str) -> dict[str, object]:
    """Return the viewer's property `marks`, which draws these marks in place of those on screen.

    token: of the open exam, as in `viewports.viewer_value`. No two results are equal, so each is drawn.
    """
    return {"exam": token, "marks": [mark.to_json() for mark in marks], "change": secrets.token_hex(4)}


def _clipped(coordinate: float, size: int) -> float:
    """A coordinate inside the picture, whose first pixel has its centre at 0, to a hundredth of a pixel."""
    return round(min(max(coordinate, -0.5), size - 0.5), 2)
