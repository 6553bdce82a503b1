"""Training labels from a reading."""

from __future__ import annotations

from datetime import date, datetime

from ..exam import Laterality
from ..tasks import Kind, Task
from .reading import Reading


def follow_up_years(reading: Reading, exam_date: str | None) -> float | None:
    """Years from the exam (YYYYMMDD) to the outcome or the end of follow-up; None where that was not said, or lies before the exam."""
    if years := reading.answer("risk_years"):
        return float(years)
    try:
        days = (
            date.fromisoformat(reading.answer("outcome_date") or "")
            - datetime.strptime(exam_date or "", "%Y%m%d").date()
        ).days
    except ValueError:
        return None
    return round(days / 365.25, 3) if days > 0 else None


def label_of(
    reading: Reading, task: Task, side: Laterality | None, exam_date: str | None = None
) -> int | tuple[float, bool] | None:
    """What training learns: a class index, (years, cancer) for survival, None where the reader did not say."""
    if task.kind is Kind.SURVIVAL:
        years, cancer = follow_up_years(reading, exam_date), reading.answer("cancer")
        return (years, cancer == "1") if years and cancer else None
    value = reading.answer(task.name, side)
    if value is None:
        return None
    if task.kind is Kind.BINARY:
        return int(value)
    value = value[:1] if task.name == "birads" else value  # 4A is a 4; 0 is incomplete: no label
    return task.classes.index(value) if value in task.classes else None
