"""Places in, the answers of their exams out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from ..imaging.decoder import Decoder
from ..inference.model_predictor import ModelPredictor
from ..inference.prediction import Prediction
from ..inference.prepared import PreparedExam
from .ahead import ExamsAhead, PreparedModels
from .archive import Place
from .opening import sentence_on


class ScoredAnswer(NamedTuple):
    """A row of the answers: the fields of `prediction.Answer`, then those of the weights, and the kinds of its notes.

    laterality: R, L, or None for the exam. weights: SHA-256 of the file, in hex.
    """

    laterality: str | None
    task: str
    class_: str
    probability: float
    by: str
    model: str
    version: str
    weights: str
    notes: tuple[str, ...]


class Outcome(NamedTuple):
    """What came of an exam: its answers, and a sentence for each model that gave none.

    last: whether no exam of its place is left. A place without any exam has one outcome without anything.
    """

    place: str
    exam: str
    answers: tuple[ScoredAnswer, ...] = ()
    failures: tuple[str, ...] = ()
    last: bool = True


def score_places(
    places: Iterable[Place],
    predictors: Sequence[ModelPredictor],
    decoder: Decoder,
    threads: int,
    done: Collection[str] = (),
) -> Iterator[Outcome]:
    """Yield what comes of the exams of each place, as they are done.

    threads: exams that are opened at one time, while the network reads others. done: exams that are left out.
    """
    left: dict[str, int] = {}
    with ExamsAhead(places, predictors, decoder, threads, done) as ahead:
        while taken := ahead.take():
            answers, failures = _answers(taken, predictors)
            for number, exam in enumerate(taken):
                left[exam.place] = left.get(exam.place, exam.of) - 1
                if last := left[exam.place] == 0:
                    del left[exam.place]
                sentences = tuple(dict.fromkeys(failures[number]))
                yield Outcome(exam.place, exam.exam, tuple(answers[number]), sentences, last)


def _answers(
    exams: Sequence[PreparedModels], predictors: Sequence[ModelPredictor]
) -> tuple[list[list[ScoredAnswer]], list[list[str]]]:
    """For each exam the answers of all models, and a sentence for each model that gives none."""
    answers: list[list[ScoredAnswer]] = [[] for _ in exams]
    failures: list[list[str]] = [[each for each in exam.prepared if isinstance(each, str)] for exam in exams]
    for index, predictor in enumerate(predictors):
        given = {
            number: prepared
            for number, exam in enumerate(exams)
            if len(exam.prepared) > index and isinstance(prepared := exam.prepared[index], PreparedExam)
        }
        for number, rows in zip(given, _predicted(predictor, list(given.values()))):
            if isinstance(rows, str):
                failures[number].append(rows)
            else:
                answers[number] += rows
    return answers, failures


def _predicted(predictor: ModelPredictor, exams: Sequence[PreparedExam]) -> list[list[ScoredAnswer] | str]:
    """The answers for each exam, or why there are none; one that fails in the company of others is asked alone."""
    try:
        predictions = predictor.predict_prepared(exams) if exams else []
    except Exception as error:
        if len(exams) > 1:
            return [rows for exam in exams for rows in _predicted(predictor, [exam])]
        return [sentence_on(error)]
    return [_rows(prediction, predictor.weights) or _why_none(prediction) for prediction in predictions]


def _rows(prediction: Prediction, weights: str) -> list[ScoredAnswer]:
    model, version = prediction.model, prediction.version
    notes = tuple(dict.fromkeys(note.kind for note in prediction.quality_notes))
    return [
        ScoredAnswer(side and side.value, task, class_, probability, by, model, version, weights, notes)
        for task, side, class_, probability, by in prediction.answers
    ]


def _why_none(prediction: Prediction) -> str:
    reasons = "; ".join(dict.fromkeys(prediction.withheld.values()))
    return f"{prediction.model}: {reasons or 'these weights answer no task'}."
