"""Training labels from a reading."""

from __future__ import annotations

from datetime import date, datetime

from ..exam import Laterality
from ..tasks import Kind, Task
from .reading import Reading

DAYS_PER_YEAR = 365.25


def follow_up_years(reading: Reading, exam_date: str | None) -> float | None:
    """Return the years from the exam to the cancer, or to the end of follow-up.

    exam_date: YYYYMMDD. The result is None where the reader gave neither years nor a date, or a date before the exam.
    """
    if years := reading.answer("risk_years"):
        return float(years)
    try:
        outcome = date.fromisoformat(reading.answer("outcome_date") or "")
        days = (outcome - datetime.strptime(exam_date or "", "%Y%m%d").date()).days
    except ValueError:
        return None
    return round(days / DAYS_PER_YEAR, 3) if days > 0 else None


def label_of(
    reading: Reading, task: Task, side: Laterality | None, exam_date: str | None = None
) -> int | tuple[float, bool] | None:
    """Return the label of a breast, or of the exam where `side` is None; None where the reader gave no answer.

    A class index; 0 or 1 for a binary task; for survival (years, whether cancer was found at their end).
    """
    if task.kind is Kind.SURVIVAL:
        years, cancer = follow_up_years(reading, exam_date), reading.answer("cancer")
        return (years, cancer == "1") if years and cancer else None
    value = reading.answer(task.name, side)
    if value is None:
        return None
    if task.kind is Kind.BINARY:
        return int(value)
    value = value[:1] if task.name == "birads" else value  # 4A is a 4; 0 is incomplete and no label
    return task.classes.index(value) if value in task.classes else None
