"""The answers for one exam, as plain data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ..exam import SIDES, Exam, Laterality, ViewName
from ..model.encoding import Encoding
from ..tasks import TASK, TASKS, Kind, Level, Task
from .quality import QualityNote


class Target(NamedTuple):
    """What a map explains: a class of a task, or the prompt in `class_` where task is None."""

    task: str | None
    class_: str

    def __str__(self) -> str:
        if self.task is None:
            return f"“{self.class_}”"
        title = TASK[self.task].title if self.task in TASK else self.task
        return title if self.class_ == "present" else f"{title} {self.class_}"


class Answer(NamedTuple):
    """The probability of one class, 0..1.

    laterality: None is the exam. by: "head" for a trained head, "prompt" for ready-made prompts.
    """

    task: str
    laterality: Laterality | None
    class_: str
    probability: float
    by: str


class PromptScore(NamedTuple):
    """The cosine similarity, -1..1, of a prompt with a view, a breast (view None) or the exam (view and laterality
    None).

    For a pair of prompts it is the positive prompt's similarity minus the negative one's, and `probability` is that of
    the positive prompt, 0..1.
    """

    prompt: str
    view: ViewName | None
    laterality: Laterality | None
    similarity: float
    probability: float | None = None


class CalledBack(NamedTuple):
    """What the site's own threshold says of an exam.

    threshold: of the score as the model gives it, 0..1. sides: the breasts above it. guarantee, found: sentences on
    what is guaranteed for the threshold, and on what is found among the women called back.
    """

    threshold: float
    sides: tuple[Laterality, ...]
    guarantee: str
    found: str


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answers for one exam. Prints as a readable table.

    model, version: of the weights. tasks: all that have a row, answered or not. finetuned: task -> the name of the
    fine-tuned head that answered it. prevalence: for a binary task the share of positives, 0..1, in the training data
    of the head that answered it. withheld: task -> why this exam gets no answer though a head knows the task.
    calibrated: tasks whose head was calibrated on exams like this one, of women or of phantoms; what the others give is
    a score. not_learned: tasks whose head was at chance when the weights were measured, so that it means nothing.
    calibrated_here: those of `calibrated` that were calibrated to the site's own labels. called_back: task -> what the
    site's threshold for it says, where it has one.
    """

    exam: Exam
    model: str
    version: str
    answers: tuple[Answer, ...]
    prompts: tuple[PromptScore, ...]
    quality_notes: tuple[QualityNote, ...]
    encoding: Encoding
    tasks: tuple[Task, ...] = TASKS
    finetuned: Mapping[str, str] = field(default_factory=dict)
    prevalence: Mapping[str, float] = field(default_factory=dict)
    withheld: Mapping[str, str] = field(default_factory=dict)
    calibrated: frozenset[str] = frozenset()
    not_learned: frozenset[str] = frozenset()
    calibrated_here: frozenset[str] = frozenset()
    called_back: Mapping[str, CalledBack] = field(default_factory=dict)

    def probability(
        self, task: str, class_: str = "present", laterality: Laterality | None = None, by: str = "head"
    ) -> float:
        """Return the probability of a class, 0..1.

        Raises KeyError where there is none: the breast was not read, or no head answers the task.
        """
        for answer in self.answers:
            if (answer.task, answer.class_, answer.laterality, answer.by) == (task, class_, laterality, by):
                return answer.probability
        raise KeyError(f"no answer for {task} {class_} {laterality or 'exam'} by {by}")

    def __str__(self) -> str:
        lines = [f"{self.model} {self.version}. Research use only, not for diagnosis."]
        if self.exam.missing:
            lines.append("missing views: " + ", ".join(map(str, self.exam.missing)))
        lines += [note.text for note in self.quality_notes]
        lines.append(f"{'':34}{'right':>8}{'left':>8}{'exam':>8}")
        for task in self.tasks:
            lines += self._lines_of(task)
        lines += self._prompt_lines()
        answered = {answer.task for answer in self.answers}
        silent = [task.title for task in self.tasks if task.name not in answered and task.name not in self.withheld]
        if silent:
            lines.append(f"not answered by this model: {', '.join(silent)}")
        lines += [f"{task_name}: fine-tuned head “{head_name}”" for task_name, head_name in self.finetuned.items()]
        lines += [f"{TASK[name].title if name in TASK else name}: {reason}" for name, reason in self.withheld.items()]
        for name, called in self.called_back.items():
            sides = " and ".join(side.word for side in called.sides)
            above = f"above it: {sides} breast" if sides else "no breast that was read is above it"
            lines.append(f"{name}, your threshold: {above}. {called.guarantee}")
        of_exam = "density is" if "risk" in self.withheld else "density and risk are"
        lines.append(f"exam: the higher breast's score; {of_exam} for the exam")
        nominal = [task.title for task in self.tasks if task.nominal and task.level is Level.BREAST]
        if nominal:
            lines.append(f"exam, {', '.join(nominal)}: the mean of the breasts, because these classes have no order")
        return "\n".join(lines)

    def _lines_of(self, task: Task) -> list[str]:
        """The answers of a task as lines of the table: those of its head, else those of its ready-made prompts."""
        by = "head" if any((a.task, a.by) == (task.name, "head") for a in self.answers) else "prompt"
        found = {(a.class_, a.laterality): a.probability for a in self.answers if (a.task, a.by) == (task.name, by)}
        lines = []
        for class_ in task.classes:
            given = [found.get((class_, side)) for side in (*SIDES, None)]
            if any(value is not None for value in given):
                title = task.title if task.kind is Kind.BINARY else f"{task.title}: {class_}"
                title += ", by prompts" if by == "prompt" else ""
                lines.append(f"{title:34}" + "".join(f"{'-':>8}" if each is None else f"{each:8.3f}" for each in given))
        return lines

    def _prompt_lines(self) -> list[str]:
        """A line for each prompt, after one that says what its numbers are."""
        prompts = dict.fromkeys(score.prompt for score in self.prompts)
        if not prompts:
            return []
        lines = ["similarity of prompts, -1 to 1; of a pair the probability of its first, 0 to 1:"]
        for prompt in prompts:
            found = {
                score.laterality: score.similarity if score.probability is None else score.probability
                for score in self.prompts
                if score.prompt == prompt and score.view is None
            }
            lines.append(_line(f"“{prompt}”", found))
        return lines


def _line(title: str, found: Mapping[Laterality | None, float]) -> str:
    """A line of the table: of the right breast, the left one and the exam, "-" where there is none."""
    cells = (f"{found[side]:8.3f}" if side in found else f"{'-':>8}" for side in (*SIDES, None))
    return f"{title:34}{''.join(cells)}"


def higher_breast(shares: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Return for each exam the index of the breast (0 right, 1 left) with the higher expected class; the right one
    where equal.

    shares: (exams, 2, classes), the classes in rising order. read: (exams, 2) bool, the breasts that have a view; where
    neither has one, 0 is returned.
    """
    expected = (shares * np.arange(1, shares.shape[-1] + 1)).sum(-1)
    return np.where(read, expected, -1.0).argmax(1)


def exam_shares(task: Task, shares: np.ndarray, read: np.ndarray) -> np.ndarray:
    """Return the probabilities (exams, classes) of each exam from those of its breasts, for a breast's task.

    They are those of the breast with the higher expected class. Where the classes have no order, no breast is the
    higher one: then each is the mean over the breasts that were read, whatever the order in which the classes were
    declared. shares: (exams, 2, classes). read: (exams, 2) bool, the breasts that have a view.
    """
    if not task.nominal:
        return shares[np.arange(len(shares)), higher_breast(shares, read)]
    weight = read[..., None].astype(shares.dtype)
    return (shares * weight).sum(1) / weight.sum(1).clip(min=1)


def answer_rows(task: Task, side: Laterality | None, shares: Sequence[float], by: str) -> list[Answer]:
    """Return one answer for each class. Raises FloatingPointError for a number that is not finite."""
    rows = [Answer(task.name, side, c, float(p), by) for c, p in zip(task.classes, shares, strict=True)]
    if any(not math.isfinite(row.probability) for row in rows):
        raise FloatingPointError(
            f"{task.name}: the model gave a number that is not finite, so the weights are damaged. Get the file again."
        )
    return rows


def exam_rows(answers: Sequence[Answer], tasks: Iterable[Task]) -> list[Answer]:
    """Return the exam's answers for each breast task, by `exam_shares`."""
    found: list[Answer] = []
    for task in tasks:
        for by in ("head", "prompt"):
            rows = [a for a in answers if (a.task, a.by) == (task.name, by)]
            sides = {side: [a.probability for a in rows if a.laterality is side] for side in SIDES}
            if task.level is Level.BREAST and rows:
                shares = np.array([[sides[side] or [0.0] * len(task.classes) for side in SIDES]])
                read = np.array([[bool(sides[side]) for side in SIDES]])
                found += answer_rows(task, None, exam_shares(task, shares, read)[0].tolist(), by)
    return found
