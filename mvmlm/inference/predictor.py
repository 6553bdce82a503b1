"""The contract of every model: encode an exam once, and compute answers, prompt scores and maps from the encoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ..exam import Exam, ViewName
from ..model.encoding import Encoding
from ..tasks import Task
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

    def maps(self, encoding: Encoding, targets: Sequence[Target]) -> dict[Target, dict[ViewName, np.ndarray]]:
        """Return for each target and view a map (rows, columns), float32 0..1, in DICOM pixels of the view."""
        ...
