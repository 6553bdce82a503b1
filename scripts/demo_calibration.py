"""Calibration of the demo weights: the heads of malignancy and of findings are fitted to exams that no training used.

Malignancy has labels of women. Of the findings little is known that tells calibration: every film shows a mass, and of
digital breasts only cancer is known. So lesions are set into breasts and taken out of them, as training does.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import cast

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from mvmlm.exam import Laterality
from mvmlm.model.heads import Head
from mvmlm.model.network import MVMLM
from mvmlm.pretraining.exam_cache import Labels
from mvmlm.pretraining.joined_exams import ChosenExams, TrainingExams
from mvmlm.pretraining.lesion_insertion import Insertion
from mvmlm.pretraining.record import EXAMS_AT_ONCE, fuse_exams

DRAWS = 4  # of the changes of each exam
SET_IN = ("mass", "calcification", "distortion")  # findings that can be set into a breast


class ChangedExams(ChosenExams):
    """The exams that one draw of an insertion changes, with what is known of them then; the others are left out."""

    def __init__(self, exams: TrainingExams, insertion: Insertion, seed: int):
        changed = [
            insertion(exams.views(index), exams.labels[index], random.Random(f"{seed} {name}"))
            for index, name in enumerate(exams.names)
        ]
        chosen = [index for index, (_, labels) in enumerate(changed) if labels != exams.labels[index]]
        super().__init__(exams, chosen)
        self._views = [changed[index][0] for index in chosen]
        self.labels = [changed[index][1] for index in chosen]

    def views(self, index: int) -> np.ndarray:
        """Return the changed pixels of one exam: (4, rows, columns) uint8."""
        return self._views[index]


def unless_known(labels: Labels) -> Labels:
    """Return labels in which a breast without a known finding or cancer has none of the findings that can be set in."""
    breast: dict[Laterality, dict[str, int]] = {
        side: dict(known) if known.get("malignancy") == 1 else {**dict.fromkeys(SET_IN, 0), **known}
        for side, known in labels.breast.items()
    }
    return replace(labels, breast=breast)


def calibrate(model: MVMLM, women: Mapping[str, TrainingExams], insertion: Insertion) -> dict[str, float]:
    """Calibrate the heads of malignancy and of the findings that can be set in.

    women: by source, of whom no training learned; an exam is one breast. insertion: of the training. Returns the share
    of positives at which each head is calibrated: for malignancy that among the women, for findings one half.
    """
    shares = recalibrate(model, ["malignancy"], women.values())
    often = replace(insertion, mass=0.5, removed=1.0, calcification=0.4, distortion=0.4)
    return shares | calibrate_findings(model, women.values(), often)


def calibrate_findings(model: MVMLM, women: Iterable[TrainingExams], insertion: Insertion) -> dict[str, float]:
    """Calibrate the heads of the findings that can be set in; see `calibrate`."""
    exams: list[TrainingExams] = []
    for cache in women:
        whole = ChosenExams(cache, range(len(cache)))
        whole.labels = [unless_known(labels) for labels in cache.labels]
        exams += [whole, *(ChangedExams(whole, insertion, seed) for seed in range(DRAWS))]
    return recalibrate(model, SET_IN, exams, balanced=True)


@torch.no_grad()
def recalibrate(
    model: MVMLM, tasks: Sequence[str], caches: Iterable[TrainingExams], balanced: bool = False
) -> dict[str, float]:
    """Fit slope and intercept of binary tasks' logits to exams not learned from, and put them into their heads.

    The method is Platt scaling (Platt, 1999). balanced: as if half of the breasts were positives. Returns the share of
    positives at which the probabilities of each task hold. Raises ValueError where higher logits would become lower
    probabilities.
    """
    logits: dict[str, list[Tensor]] = {task: [] for task in tasks}
    labels: dict[str, list[Tensor]] = {task: [] for task in tasks}
    for cache in caches:
        cache.preprocessing = model.record.preprocessing
        for start in range(0, len(cache), EXAMS_AT_ONCE):
            fused, batch = fuse_exams(model, cache, range(start, min(start + EXAMS_AT_ONCE, len(cache))))
            answers = model.answer(fused)
            for task in tasks:
                known = ~torch.isnan(batch.labels[task])
                logits[task].append(answers[task][..., 0][known])
                labels[task].append(batch.labels[task][known])
    shares = {}
    for task in tasks:
        said, found = torch.cat(logits[task]).numpy(), torch.cat(labels[task]).numpy()
        slope, intercept = platt(task, said, found, balanced)
        linear = cast(Head, model.heads[task]).linear
        linear.weight *= slope
        linear.bias.mul_(slope).add_(intercept)
        shares[task] = 0.5 if balanced else float(found.mean())
    return shares


def platt(task: str, said: np.ndarray, found: np.ndarray, balanced: bool) -> tuple[float, float]:
    """Return slope and intercept of the logits `said` (n,) for the labels `found` (n,); see `recalibrate`."""
    mean, spread = said.mean(), said.std()
    line = LogisticRegression(C=1e6, class_weight="balanced" if balanced else None)
    line.fit((said[:, None] - mean) / spread, found)
    slope = float(line.coef_[0, 0] / spread)
    if slope <= 0:
        raise ValueError(f"{task}: higher logits are less often positive; there is nothing to calibrate")
    return slope, float(line.intercept_[0] - slope * mean)
