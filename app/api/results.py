"""Exams and predictions as results of the API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mvmlm.exam import Exam, FileMark, Question

from . import types

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor
    from mvmlm.inference.prediction import Prediction

UNKNOWN_TO_MODEL = "this model does not answer it"


def described_exam(exam: Exam) -> types.Exam:
    """Return what the files of an exam are: the views that are read, what is not used and why, what is asked."""
    return types.Exam(
        views=[
            types.UsedView(
                view=str(name),
                file=view.file,
                rows=view.rows,
                columns=view.columns,
                guessed=sorted(key for key, fact in view.sources.items() if fact.guessed),
            )
            for name, view in exam.views.items()
        ],
        extra=[view.file for view in exam.extra],
        missing=[str(name) for name in exam.missing],
        not_used=[types.Mark(code=item.code, file=item.file, text=item.reason) for item in exam.set_aside],
        marks=_marks(mark for mark in (*exam.notes, *exam.marks) if not isinstance(mark, Question)),
        questions=[
            types.Question(code=q.code, file=q.file, text=q.text, key=q.key, choices=list(q.choices))
            for q in exam.questions
        ],
    )


def _marks(marks: Iterable[FileMark]) -> list[types.Mark]:
    found = dict.fromkeys((mark.code, mark.file, mark.text) for mark in marks)
    return [types.Mark(code=code, file=file, text=text) for code, file, text in found]


def answers_of(found: Prediction) -> tuple[list[types.Answer], list[types.NotAnswered]]:
    """Return the answers of a prediction, and the tasks without one: a task is in one of the lists, never in both."""
    given = [
        types.Answer.model_validate(
            {
                "task": a.task,
                "laterality": a.laterality and a.laterality.value,
                "class": a.class_,
                "probability": a.probability,
                "by": a.by,
                "calibrated": a.by == "head" and a.task in found.calibrated,
                "at_chance": a.by == "head" and a.task in found.not_learned,
            }
        )
        for a in found.answers
        if a.task not in found.withheld
    ]
    answered = {answer.task for answer in given}
    silent = [task.name for task in found.tasks if task.name not in answered and task.name not in found.withheld]
    reasons = {**found.withheld, **dict.fromkeys(silent, UNKNOWN_TO_MODEL)}
    return given, [types.NotAnswered(task=task, reason=reason) for task, reason in reasons.items()]


def similarities_of(found: Prediction) -> list[types.Similarity]:
    """Return the scores of the prompts of a prediction."""
    return [
        types.Similarity.model_validate(
            {
                "prompt": s.prompt,
                "view": s.view and str(s.view),
                "laterality": s.laterality and s.laterality.value,
                "similarity": s.similarity,
                "probability": s.probability,
            }
        )
        for s in found.prompts
    ]


def tasks_of(model: ModelPredictor) -> list[types.KnownTask]:
    """Return every task that a model is asked, and whether a head answers it."""
    answered = {task.name for task in model.tasks}
    return [
        types.KnownTask(
            task=task.name,
            title=task.title,
            level=task.level.value,
            classes=list(task.classes),
            answered=task.name in answered,
        )
        for task in model.askable
    ]
