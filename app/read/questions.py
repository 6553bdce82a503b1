"""Questions about the files of the open exam: the next one as a control, and what an answer changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gradio as gr

from mvmlm.exam import Exam
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.exam_changes import SAME_WOMAN, Answer, answer_questions
from mvmlm.imaging.load import exam_from_listing
from mvmlm.imaging.memory_budget import Reserve, reserve_nothing
from mvmlm.reading.marking import without_views

from ..privacy import discard
from .visit import Visit


def question_control(exam: Exam | None) -> Any:
    """Return the update that shows the first open question of an exam with its answers, or hides the control.

    The value of an answer is FILE:KEY=VALUE, so a late one never answers another question.
    """
    questions = exam.questions if exam else ()
    if not questions:
        return gr.Radio(visible=False, choices=[], value=None)
    first = questions[0]
    more = f" ({len(questions) - 1} more)" if len(questions) > 1 else ""
    choices = [(choice, f"{first.file}:{first.key}={choice}") for choice in first.choices]
    return gr.Radio(visible=True, label=f"{first.file}: {first.text}{more}", choices=choices, value=None)


def answer_question(
    given: str | None, visit: Visit, decoder: Decoder, request: gr.Request, reserve: Reserve = reserve_nothing
) -> tuple[Visit, str]:
    """Answer a question about a file of the open exam; return the visit and a message.

    given: FILE:KEY=VALUE. reserve: see `decode_studies`.
    """
    visit = visit.owned_by(request)
    if visit.exam is None or not given:
        return visit, ""
    try:
        answer = Answer.parse(given)
        if answer.key != SAME_WOMAN:
            return _with_exam(visit, answer_questions(visit.exam, [answer])), ""
        return _with_prior(visit, answer, decoder, reserve), ""
    except ValueError as error:
        return visit, str(error)


def _with_prior(visit: Visit, answer: Answer, decoder: Decoder, reserve: Reserve) -> Visit:
    """The visit after the answer whether an earlier exam is hers; the exam itself stays as it is. Raises ValueError."""
    if visit.exam is None or visit.questioned is None:
        raise ValueError("The files of the earlier exam are not there any more. Open the exam again.")
    answers = (*visit.answers, answer)
    opened = exam_from_listing(visit.questioned, decoder, answers=answers, reserve=reserve)
    notes = [note for note in visit.exam.notes if note.code not in ("prior", "same-woman")]
    notes += [note for note in opened.notes if note.code in ("prior", "same-woman")]
    exam = replace(visit.exam, prior=opened.prior, set_aside=opened.set_aside, notes=tuple(notes))
    visit = replace(visit, exam=exam, answers=answers)
    if any(question.key == SAME_WOMAN for question in exam.questions):
        return visit
    discard(visit.folder)
    return replace(visit, questioned=None, answers=(), folder=None)


def _with_exam(visit: Visit, exam: Exam) -> Visit:
    """The visit with a changed exam: without the model's answers, and with the marks of the views that stayed."""
    before = visit.exam.views if visit.exam else {}
    changed = {name for name in before if exam.views.get(name) is not before[name]}
    return replace(visit, exam=exam, prediction=None, unsaved=without_views(visit.unsaved, changed))
