"""The contract that every model fulfils: an exam is encoded once; answers, prompt scores and maps come from the encoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ..exam import Exam, ViewName
from ..model.encoding import Encoding
from ..tasks import Task
from .prediction import Prediction, PromptScore, Target


class Predictor(Protocol):
    """A loaded model. Made once and shared between threads; it keeps nothing of an exam.

    tasks: those that a head answers. askable: every task that has a row on the page, answered or not.
    """

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that a head answers."""
        ...

    @property
    def askable(self) -> tuple[Task, ...]:
        """Every task that has a row on the page, with a head or without."""
        ...

    def encode(self, exam: Exam, score_for_processing: bool = False) -> tuple[Encoding, Mapping[ViewName, str]]:
        """Return the exam inside the model, and the reason for each view that was not read.

        Raises NoBreast where no view can be read.
        """
        ...

    def predict(self, exam: Exam, prompts: Iterable[str] = (), score_for_processing: bool = False) -> Prediction:
        """Return all answers from the views that are there. Raises NoBreast where no view can be read."""
        ...

    def score_prompts(self, encoding: Encoding, prompts: Iterable[str]) -> tuple[PromptScore, ...]:
        """Return the similarity of each prompt with each view, each breast and the exam."""
        ...

    def maps(self, encoding: Encoding, targets: Sequence[Target]) -> dict[Target, dict[ViewName, np.ndarray]]:
        """Return for each target and view a map (rows, columns), float32 0..1, in DICOM pixels of the view."""
        ...
