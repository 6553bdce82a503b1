"""What objects of other programs show of the twelfth rule for a display (docs/display.md), without drawing them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..exam import Exam
from ..imaging.display_check import Checked, Verdict
from .foreign_marks import ForeignObject
from .foreign_reading import load_objects, read_objects

RULE = 12


def check_objects(files: Iterable[tuple[str, Path]], exam: Exam) -> tuple[Checked, ...]:
    """Return for each object whether all that it marks can be shown on pictures of the exam. files: (name, path)."""
    return tuple(_checked(found) for found in read_objects(load_objects(files), exam))


def _checked(found: ForeignObject) -> Checked:
    if found.told:
        return Checked(RULE, Verdict.FAIL, found.file, f"Not shown: {'; '.join(found.told)}")
    rejected = sum(mark.rejected for mark in found.marks)
    pictures = {mark.instance for mark in found.marks} | {said.instance for said in found.statements}
    shown = f"{len(found.marks) - rejected} to show, {rejected} that it does not want shown"
    kind = found.kind.value if found.kind else "object"
    return Checked(RULE, Verdict.PASS, found.file, f"{kind} on pictures of the exam: {len(pictures)}; marks: {shown}.")
