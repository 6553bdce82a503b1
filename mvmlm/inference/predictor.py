"""The contract of every model: encode an exam once, and compute answers, prompt scores and maps from the encoding."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ..exam import Exam, ViewName
from ..model.encoding import Encoding
from ..tasks import Task
from .map_methods import DEFAULT_METHOD
from .prediction import Prediction, PromptScore, Target


class Predictor(Protocol):
    """A loaded model. It is made once, shared between threads, and stores nothing of an exam."""

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that a head answers."""
        ...

    @property
    def askable(self) -> tuple[Task, ...]:
        """Every task that has a row on the page, with a head or without."""
        ...

    def encode(self, exam: Exam, score_for_processing: bool = False) -> tuple[Encoding, Mapping[ViewName, str]]:
        """Return the encoded exam, and the reason for each view that was not read.

        score_for_processing: also read FOR PROCESSING images. Raises NoBreast where no view can be read.
        """
        ...

    def predict(self, exam: Exam, prompts: Iterable[str] = (), score_for_processing: bool = False) -> Prediction:
        """Return all answers from the views that can be read.

        prompts: one sentence each, or a pair "positive | negative". score_for_processing: also read FOR PROCESSING
        images. Raises NoBreast where no view can be read.
        """
        ...

    def score_prompts(self, encoding: Encoding, prompts: Iterable[str]) -> tuple[PromptScore, ...]:
        """Return the similarity of each prompt with each view, each breast and the exam."""
        ...

    def maps(
        self,
        encoding: Encoding,
        targets: Sequence[Target],
        method: str = DEFAULT_METHOD,
        views: Collection[ViewName] | None = None,
        progress: Callable[[float], None] = lambda share: None,
    ) -> dict[Target, dict[ViewName, np.ndarray]]:
        """Return for each target and view a map (rows, columns), float32 0..1, in DICOM pixels of the view.

        0 lies outside the breast, 1 is certainty; the scale is the same for every exam. method: a name of
        `map_methods.METHODS`. views: those that are wanted; None for all. progress: called with the share that is done,
        0..1; what it raises ends the work.
        """
        ...
