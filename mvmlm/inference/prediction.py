"""The answers for one exam as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..exam import Exam, Laterality, ViewName
from ..model.encoding import Encoding
from ..model.network import SIDES
from ..tasks import TASKS, Kind, Task
from .quality import Warning


class Answer(NamedTuple):
    """One long row. laterality None is the exam; by is "head" or "prompt"."""

    task: str
    laterality: Laterality | None
    class_: str
    probability: float
    by: str


class PromptScore(NamedTuple):
    """Cosine of a prompt with a view (view given), a breast (laterality given) or the exam (both None).

    For a pair the similarity is positive minus negative, and `probability` says how much the model prefers the first.
    """

    prompt: str
    view: ViewName | None
    laterality: Laterality | None
    similarity: float
    probability: float | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answers for one exam. Prints as a readable table."""

    exam: Exam
    model: str
    version: str
    answers: tuple[Answer, ...]
    prompts: tuple[PromptScore, ...]
    warnings: tuple[Warning, ...]
    encoding: Encoding
    tasks: tuple[Task, ...] = TASKS
    taught: Mapping[str, str] = field(default_factory=dict)  # task -> the name of the taught head that answered

    def probability(
        self, task: str, class_: str = "present", laterality: Laterality | None = None, by: str = "head"
    ) -> float:
        """One number. Raises KeyError where the model gave none (a missing breast, a task that was not trained)."""
        for answer in self.answers:
            if (answer.task, answer.class_, answer.laterality, answer.by) == (task, class_, laterality, by):
                return answer.probability
        raise KeyError(f"no answer for {task} {class_} {laterality or 'exam'} by {by}")

    def __str__(self) -> str:
        lines = [f"{self.model} {self.version}. Research use only, not for diagnosis."]
        if self.exam.missing:
            lines.append("missing views: " + ", ".join(map(str, self.exam.missing)))
        lines += [f"{warning.text}" for warning in self.warnings]
        lines.append(f"{'':34}{'right':>8}{'left':>8}{'exam':>8}")
        for task in self.tasks:
            for class_ in task.classes:
                cells = []
                for side in (*SIDES, None):
                    try:
                        cells.append(f"{self.probability(task.name, class_, side):8.3f}")
                    except KeyError:
                        cells.append(f"{'-':>8}")
                if any("-" not in cell for cell in cells):
                    label = task.title if task.kind is Kind.BINARY else f"{task.title}: {class_}"
                    lines.append(f"{label:34}{''.join(cells)}")
        lines += [f"{name}: taught head “{title}”" for name, title in self.taught.items()]
        lines.append("exam: the higher breast's score; density and risk are for the exam")
        return "\n".join(lines)
