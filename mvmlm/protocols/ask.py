"""Ask a model about exams whose truth is known, exam by exam, into a run that goes on where it was ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from ..evaluation.cases import TEST
from ..evaluation.truth import AnsweredExam, ExamTruth, scores_of
from ..finetuning.config import Stopped
from ..finetuning.embeddings import vectors_of
from ..inference.model_predictor import ModelPredictor
from ..messages import error_message
from ..model.encoding import Encoding
from ..store.records import ProgressCallback
from .exams import ExamToAsk, KnownExam
from .maps import as_json, has_mapped_finding, map_rows, mapped_tasks, shuffled
from .run import Answers, Run, answering

SHUFFLE_SEED = 1


class Wanted(NamedTuple):
    """What is wanted of each exam. vectors: the embeddings. maps: of how many exams with a known box the maps are
    measured.
    """

    vectors: bool = False
    maps: int = 0


def ask_model(
    exams: Sequence[ExamToAsk], predictor: ModelPredictor, run: Run, wanted: Wanted, report_progress: ProgressCallback
) -> None:
    """Ask a model about the exams that have no answer of it in a run yet, or whose files have changed. Raises Stopped.

    An exam that cannot be opened or read is a failure of the run, not of this call; where only its maps cannot be
    measured, its answers are kept. Where a fine-tuned head answers a task, exams of other splits than test do not count
    for it, since it may have learned from them.
    """
    who = answering(predictor)
    done = run.done(who, {exam.name: exam.state for exam in exams})
    waiting = [exam for exam in exams if exam.name not in done]
    mapped = _Maps(predictor, wanted.maps - len({row["exam"] for row in run.maps(who)}))
    failed = 0
    for number, (exam, known) in enumerate(_opened_ahead(waiting)):
        asked = len(done) + number
        text = f"{predictor.record.name}: {asked:,} of {len(exams):,} exams, {failed:,} failed"
        if report_progress(asked / len(exams), text):
            raise Stopped
        answers = _answers(predictor, known, wanted, mapped)
        failed += bool(answers.failure)
        run.add(who, exam.name, answers, exam.state)


def _opened_ahead(exams: Sequence[ExamToAsk]) -> Iterator[tuple[ExamToAsk, KnownExam | Exception]]:
    """Each exam opened, while the network reads the one before."""
    if not exams:
        return
    with ThreadPoolExecutor(1, "exam-ahead") as ahead:
        coming = ahead.submit(_opened, exams[0])
        for exam, after in zip(exams, [*exams[1:], None]):
            known = coming.result()
            if after is not None:
                coming = ahead.submit(_opened, after)
            yield exam, known


def _opened(exam: ExamToAsk) -> KnownExam | Exception:
    try:
        return exam.open()
    except Exception as error:  # whatever a file does, the other exams are asked
        return error


class _Maps:
    """The maps that are still to be measured. The shuffled network is made when the first one is."""

    def __init__(self, predictor: ModelPredictor, left: int):
        self._predictor, self._left = predictor, left
        self._tasks = mapped_tasks(predictor)
        self._other: ModelPredictor | None = None

    def rows(self, known: KnownExam, encoding: Encoding) -> tuple:
        """Return the rows of an exam as JSON values; none where it has no box, or enough exams were measured."""
        if self._left <= 0 or known.truth.split != TEST or not has_mapped_finding(known, self._tasks):
            return ()
        self._other = self._other or shuffled(self._predictor, SHUFFLE_SEED)
        rows = map_rows(self._predictor, self._other, known, encoding)
        self._left -= bool(rows)
        return as_json(rows)


def _answers(predictor: ModelPredictor, known: KnownExam | Exception, wanted: Wanted, maps: _Maps) -> Answers:
    if isinstance(known, Exception):
        return Answers(None, error_message(known))
    try:
        prediction = predictor.predict(known.exam)
    except Exception as error:
        return Answers(None, error_message(error))
    mapped, map_failure = (), ""
    try:
        mapped = maps.rows(known, prediction.encoding)
    except Exception as error:
        map_failure = error_message(error)
    vectors = vectors_of(prediction.encoding) if wanted.vectors else {}
    truth = known.truth._replace(labels=_labels_that_count(known.truth, predictor))
    answered = AnsweredExam(truth, f"{prediction.model} {prediction.version}", scores_of(prediction))
    kept = {side: np.array(vector, np.float32) for side, vector in vectors.items()}
    return Answers(answered, "", mapped, kept, map_failure)


def _labels_that_count(truth: ExamTruth, predictor: ModelPredictor) -> dict:
    if truth.split == TEST:
        return dict(truth.labels)
    return {key: label for key, label in truth.labels.items() if key[0] not in predictor.finetuned}
