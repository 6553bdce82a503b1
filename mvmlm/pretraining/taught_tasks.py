"""Which tasks a training set can teach: those of which it knows at least two classes."""

from __future__ import annotations

from collections.abc import Sequence

from ..tasks import TASK, TASKS, Kind
from .batches import label_tensor
from .exam_cache import Labels


def untaught_tasks(labels: Sequence[Labels]) -> dict[str, str]:
    """Return the tasks that the labels cannot teach, by name, each with the reason.

    A table that lists abnormalities only, such as CBIS-DDSM's or EMBED's, knows no breast without a mass: a head would
    learn to answer "mass" for every breast. Of risk at least one exam must have had a cancer, and one have had none.
    """
    return {task.name: reason for task in TASKS if (reason := _reason(task.name, labels))}


def _reason(name: str, labels: Sequence[Labels]) -> str | None:
    task, known = TASK[name], label_tensor(name, labels)
    if task.kind is Kind.SURVIVAL:
        known = known[:, 1]
    classes = sorted({int(value) for value in known[~known.isnan()].tolist()})
    if not classes:
        return "no known label"
    if len(classes) > 1:
        return None
    if task.kind is Kind.MULTICLASS:
        return f"every known label is {task.classes[classes[0]]}"
    words = ("no cancer", "a cancer") if task.kind is Kind.SURVIVAL else ("absent", "present")
    return f"every known label is {words[classes[0]]}"
