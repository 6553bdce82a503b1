"""Marks between the server and the browser: what the viewer draws, and what it sends, checked against the open exam."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from types import MappingProxyType

from mvmlm.exam import Exam
from mvmlm.reading.marking import DrawnMark, same_place
from mvmlm.reading.reading import MARK_LABELS, Mark, MarkedFinding, Reading
from mvmlm.report.lexicon import KIND_FIELDS

MAX_MARKS = 200
LONGEST_KEY = 64

#: the marks of a message, by the key that each keeps while it is on screen
DrawnMarks = Mapping[str, DrawnMark]


def parse_marks(sent: object, exam: Exam) -> dict[str, DrawnMark]:
    """Return the marks of a message by their keys, with points clipped to their view.

    sent: a list of marks of the viewer's event `marked`. Raises ValueError for any mark that is malformed or has an
    unknown view or label; then no mark of the message is used.
    """
    if not isinstance(sent, list) or len(sent) > MAX_MARKS:
        raise ValueError(f"expected at most {MAX_MARKS} marks")
    marks: dict[str, DrawnMark] = {}
    for row in sent:
        mark = Mark.from_json(row)
        if mark.view not in exam.views or mark.label not in MARK_LABELS:
            raise ValueError("a mark has an unknown view or label")
        key, finding = row.get("id"), row.get("finding")
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY or key in marks:
            raise ValueError("a mark without a key of its own")
        rows, columns = exam.views[mark.view].pixels.shape
        points = tuple((_clipped(x, columns), _clipped(y, rows)) for x, y in mark.points)
        marks[key] = DrawnMark(mark._replace(points=points), finding if type(finding) is int else None)
    return marks


def drawing(reading: Reading, locked: bool, drawn: DrawnMarks = MappingProxyType({})) -> dict[str, object]:
    """Return what the viewer draws of a reading: its marks, with the numbers of their findings, and the findings.

    locked: the reading cannot change any more. drawn: the marks on screen, whose keys the same marks get back.
    """
    keys = dict(drawn)
    marks = []
    for number, finding in reading.findings.items():
        for mark in finding.marks:
            key = next((key for key, (other, _) in keys.items() if same_place(mark, other)), None)
            keys.pop(key or "", None)
            marks.append(mark.to_json() | {"finding": number} | ({"id": key} if key else {}))
    findings = [_described(number, finding) for number, finding in reading.findings.items()]
    return {"marks": marks, "findings": findings, "locked": locked}


def redrawn(
    reading: Reading, locked: bool, token: str, change: int, drawn: DrawnMarks = MappingProxyType({})
) -> dict[str, object]:
    """Return the viewer's property `marks`, which draws a reading's marks in place of those on screen.

    token: of the open exam, as in `viewports.viewer_value`. change: the number of the viewer's last report that the
    reading holds; the viewer passes over what is older than its own. No two results are equal, so each is drawn.
    """
    return {"exam": token, **drawing(reading, locked, drawn), "change": change, "made": secrets.token_hex(4)}


def _described(number: int, finding: MarkedFinding) -> dict[str, object]:
    """A finding as the viewer names it, and asks about it at its marks."""
    words = {name: getattr(finding.descriptors, name, None) for name in KIND_FIELDS.get(finding.label, ())}
    return {
        "number": number,
        "breast": finding.laterality.word,
        "kind": finding.label,
        "views": list(dict.fromkeys(str(mark.view) for mark in finding.marks)),
        "values": {name: word for name, word in words.items() if word},
    }


def _clipped(coordinate: float, size: int) -> float:
    """A coordinate inside the picture, whose first pixel has its centre at 0, to a hundredth of a pixel."""
    return round(min(max(coordinate, -0.5), size - 0.5), 2)
