"""Views -> Exam, and what a reader may change in an open exam: the name of a view, and the answer to a question."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import NamedTuple

from ..exam import Exam, FileMark, Modifier, Question, SetAside, Sourced, View, ViewName
from .orientation import TURNS, by_picture, turned
from .picture_checks import ANSWERED, HEAD, NEGATIVE, checked_again
from .view_conflicts import OTHER

SAME_WOMAN = "same-woman"  # the key of the question whether an exam is an earlier one of the same woman


class Answer(NamedTuple):
    """A reader's answer to a question: of the file, the key of the question, and one of its choices."""

    file: str
    key: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Answer:
        """Return the answer in FILE:KEY=VALUE. Raises ValueError for another form."""
        question, equals, value = text.rpartition("=")
        file, colon, key = question.rpartition(":")
        if not (equals and colon and file and key and value):
            raise ValueError(f"“{text}” is no answer. Give FILE:KEY=VALUE, such as R1.dcm:view=R_CC.")
        return cls(file, key.strip(), value.strip())


class NoSuchQuestion(ValueError):
    """An answer that fits no question, or is none of its choices. The message lists the questions."""

    def __init__(self, answer: Answer, questions: Iterable[Question]):
        listed = "; ".join(f"{q.file}:{q.key}={'|'.join(q.choices)} ({q.text})" for q in questions)
        problem = f"{answer.file}:{answer.key}={answer.value} answers no question. "
        super().__init__(problem + (f"Asked is: {listed}" if listed else "Nothing is asked about these files."))


def standing(for_processing: bool, codes: Container[str], pixels: int, file: str) -> tuple:
    """Return the key by which the images of one view are sorted, the most suitable one first; see `assemble_exam`.

    codes: of the marks of the image. pixels: their number.
    """
    return for_processing, "synthetic" in codes, "low-energy" in codes, -pixels, file


def _suitability(view: View) -> tuple:
    return standing(view.for_processing, {mark.code for mark in view.marks}, view.pixels.size, view.file)


def assemble_exam(
    views: Iterable[View], set_aside: tuple[SetAside, ...] = (), notes: tuple[FileMark, ...] = ()
) -> Exam:
    """Return the exam of some views: for each standard view the most suitable image, all others as extra.

    An image for presentation is preferred to one for processing, an acquired one to one computed from a tomosynthesis,
    an ordinary one to a low-energy one; then the larger picture.
    """
    chosen: dict[ViewName, View] = {}
    extra: list[View] = []
    for view in sorted(views, key=_suitability):
        if view.name is None or not view.standard:
            extra.append(view)
        elif view.name in chosen:
            extra.append(view)
            used = chosen[view.name].file
            text = f"{view.name} occurs more than once: {used} is used, {view.file} is an extra image."
            notes = (*notes, FileMark("view-twice", view.file, text))
        else:
            chosen[view.name] = view
    return Exam(chosen, tuple(extra), set_aside, notes)


def set_view_name(exam: Exam, file: str, name: ViewName | None) -> Exam:
    """Return the exam after the reader set which view `file` is (None: not a view that the model can take).

    What the picture shows is compared with the new name, and asked about where it contradicts it. Raises KeyError where
    the exam has no such file.
    """
    view = _view_of(exam, file)
    return _changed(exam, view, _with_name(view, name))


def restore_view_name(exam: Exam, file: str, name: ViewName | None, answered: bool) -> Exam:
    """Return the exam with the name that a reader gave a picture when the exam was stored.

    answered: every question about the picture had been answered by then. Raises KeyError as `set_view_name`.
    """
    view = _view_of(exam, file)
    named = _with_name(view, name)
    if answered:
        named = replace(named, marks=tuple(mark for mark in named.marks if not isinstance(mark, Question)))
    return _replaced(exam, view, named)


def _view_of(exam: Exam, file: str) -> View:
    view = next((view for view in (*exam.views.values(), *exam.extra) if view.file == file), None)
    if view is None:
        raise KeyError(f"{file}: not a picture of this exam")
    return view


def check_files(answers: Iterable[Answer], files: Container[str]) -> None:
    """Raise NoSuchQuestion for an answer about a file that is not there."""
    for answer in answers:
        if answer.file not in files:
            raise NoSuchQuestion(answer, ())


def answer_questions(exam: Exam, answers: Iterable[Answer]) -> Exam:
    """Return an exam after answers to the questions about its files and those of its prior.

    An answer may give rise to another question, so their order does not matter. Raises NoSuchQuestion.
    """
    left = list(answers)
    while left:
        answer = next((answer for answer in left if _asked(exam, answer)), None)
        if answer is None:
            raise NoSuchQuestion(left[0], exam.questions)
        exam = _answered(exam, answer)
        left.remove(answer)
    return exam


def _asked(exam: Exam, answer: Answer) -> bool:
    return any((q.file, q.key) == (answer.file, answer.key) and answer.value in q.choices for q in exam.questions)


def _answered(exam: Exam, answer: Answer) -> Exam:
    for view in (*exam.views.values(), *exam.extra):
        for question in view.questions:
            if (view.file, question.key) == (answer.file, answer.key) and answer.value in question.choices:
                return _changed(exam, view, _answered_view(view, question, answer.value))
    assert exam.prior is not None, "a question about no view of the exam is about one of its prior"
    return replace(exam, prior=_answered(exam.prior, answer))


def _answered_view(view: View, question: Question, value: str) -> View:
    answered = FileMark(ANSWERED + question.code, view.file, f"{question.text} Your answer: {value}.")
    others = (*(mark for mark in view.marks if mark is not question), answered)
    if question.key == "view":
        named = _with_name(view, None if value == OTHER else ViewName.parse(value))
        if question.code == "orientation-conflict":
            named = _lying_as_shown(named, named.orientation.column)
        return replace(named, modifiers=view.modifiers or ((Modifier.OTHER,) if value == OTHER else ()), marks=others)
    if question.key == "standard":
        return replace(view, modifiers=view.modifiers if value == "yes" else (Modifier.OTHER,), marks=others)
    if question.key == NEGATIVE:
        view = replace(view, inverted=view.inverted != (value == "yes"), marks=others)
        found = view.sources.get("chest wall")
        return _lying_as_shown(view, view.orientation.column) if found and found.source == "the picture" else view
    if question.key == HEAD:
        return replace(view, orientation=view.orientation._replace(column="F" if value == "up" else "H"), marks=others)
    if quarters := TURNS[value]:
        view = _lying_as_shown(turned(view, quarters))
    return replace(view, marks=others)


def _lying_as_shown(view: View, column: str = "") -> View:
    """The view with its chest wall where the picture shows it. column: the direction of its columns."""
    view, chest_wall = by_picture(view, column)
    return replace(view, sources={**view.sources, "chest wall": chest_wall})


def _changed(exam: Exam, old: View, new: View) -> Exam:
    """The exam with a view that the reader changed, its pictures checked again."""
    views = [new if view is old else view for view in (*exam.views.values(), *exam.extra)]
    return _put_together(exam, checked_again(views, new))


def _replaced(exam: Exam, old: View, new: View) -> Exam:
    """The exam with one view in place of another."""
    return _put_together(exam, [new if view is old else view for view in (*exam.views.values(), *exam.extra)])


def _put_together(exam: Exam, views: list[View]) -> Exam:
    notes = tuple(note for note in exam.notes if note.code != "view-twice")
    return replace(assemble_exam(views, exam.set_aside, notes), prior=exam.prior)


def _with_name(view: View, name: ViewName | None) -> View:
    sources = {fact: source for fact, source in view.sources.items() if fact not in ("laterality", "projection")}
    settled = ("view", HEAD) if name else ("view", HEAD, "standard")
    marks = tuple(mark for mark in view.marks if not (isinstance(mark, Question) and mark.key in settled))
    if name is None:
        return replace(view, name=None, sources=sources, marks=marks)
    corrected = {
        "laterality": Sourced(name.laterality.value, "you"),
        "projection": Sourced(name.projection.value, "you"),
    }
    return replace(view, name=name, modifiers=(), sources=sources | corrected, marks=marks)
