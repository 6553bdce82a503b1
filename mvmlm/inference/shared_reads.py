"""Exams that a network reads for many readers: each in its turn, and the same pictures once while they are open."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple
from weakref import ReferenceType, WeakKeyDictionary, ref

from ..exam import Exam, FileMark, SetAside, View, ViewName
from ..imaging.phantom_files import is_phantom_exam
from .waiting_reads import WaitingReads

if TYPE_CHECKING:  # the app starts before torch is imported, which takes seconds
    from ..model.encoding import Encoding
    from ..model.exam_network import ExamNetwork
    from .model_predictor import ModelPredictor
    from .prediction import Prediction
    from .prepared import PreparedExam

NO_EXAM = Exam({})


class _Asked(NamedTuple):
    """What a prediction depends on besides the views: of an exam without others."""

    prompts: tuple[str, ...]
    notes: tuple[FileMark, ...]
    set_aside: tuple[SetAside, ...]


@dataclass(eq=False)
class _Read:
    """What a network made of some pictures, without the exam that they belong to; None before it has."""

    views: dict[ViewName, ReferenceType[View]]
    for_processing: bool
    phantom: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    made: tuple[PreparedExam, Encoding] | None = None
    predictions: WeakKeyDictionary[ModelPredictor, tuple[_Asked, Prediction]] = field(default_factory=WeakKeyDictionary)

    def is_of(self, exam: Exam, for_processing: bool, phantom: bool) -> bool:
        """Return whether it is of these pictures: the same objects in memory."""
        same = self.views.keys() == exam.views.keys() and all(
            self.views[name]() is view for name, view in exam.views.items()
        )
        return same and (self.for_processing, self.phantom) == (for_processing, phantom)


class SharedReads:
    """Answers of networks for many readers. Safe to share between threads.

    A network makes one pass at a time: two at once would take each other's processors. What it read of pictures that
    several readers have open, such as those of a bundled exam, is kept as long as one of them has.
    """

    def __init__(self) -> None:
        self._lock, self._waiting = threading.Lock(), WaitingReads()
        self._reads: WeakKeyDictionary[ExamNetwork, WeakKeyDictionary[View, list[_Read]]] = WeakKeyDictionary()

    def predict(
        self, predictor: ModelPredictor, exam: Exam, prompts: Iterable[str] = (), score_for_processing: bool = False
    ) -> Prediction:
        """Return what `predictor.predict` returns. Raises what it raises."""
        read, asked = self._read_of(predictor.model, exam, score_for_processing), None
        if not exam.extra and exam.prior is None:
            asked = _Asked(tuple(prompts), exam.notes, exam.set_aside)
        with read.lock:
            known = read.predictions.get(predictor)
            if known is not None and known[0] == asked:
                return replace(known[1], exam=exam)
            prediction = self._predicted(predictor, read, exam, tuple(prompts))
            if asked is not None:
                read.predictions[predictor] = asked, replace(prediction, exam=NO_EXAM)
            return prediction

    def _predicted(self, predictor: ModelPredictor, read: _Read, exam: Exam, prompts: tuple[str, ...]) -> Prediction:
        """The answers of a predictor; the network reads the pictures if it has not yet."""
        from .prepared import prepare_exam

        if read.made is None:
            prepared = prepare_exam(predictor.model, exam, read.for_processing)
            encoding = self._waiting.encode(predictor, prepared)
            measured = predictor.familiarity.measured_inputs(encoding.inputs, exam.views)
            read.made = replace(prepared, exam=NO_EXAM, measured=measured), encoding
        prepared, encoding = read.made
        return predictor.predict_prepared([replace(prepared, exam=exam)], prompts, [encoding])[0]

    def _read_of(self, model: ExamNetwork, exam: Exam, for_processing: bool) -> _Read:
        """The read of an exam's pictures, a new one where there is none."""
        phantom = is_phantom_exam(exam)
        views = {name: ref(view) for name, view in exam.views.items()}
        if not views:
            return _Read(views, for_processing, phantom)
        with self._lock:
            of_first = self._reads.setdefault(model, WeakKeyDictionary()).setdefault(
                next(iter(exam.views.values())), []
            )
            of_first[:] = [read for read in of_first if all(view() is not None for view in read.views.values())]
            for read in of_first:
                if read.is_of(exam, for_processing, phantom):
                    return read
            of_first.append(_Read(views, for_processing, phantom))
            return of_first[-1]
