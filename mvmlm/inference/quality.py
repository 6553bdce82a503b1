"""Quality notes: the reasons why the answers for an exam may be less reliable, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..exam import Exam, Laterality, View, ViewName
from ..model.config import WeightsRecord
from ..tasks import TASK

NEIGHBOURS = 5
UNFAMILIAR_PERCENTILE = 97.5
MIN_SPACING_MM = 0.05
SPACING_TOLERANCE = 1.25  # a spacing may exceed the largest of the training exams by this factor


class QualityNote(NamedTuple):
    """kind: a word for programs, such as "missing" or "unfamiliar". text: one sentence for the reader."""

    kind: str
    text: str


@dataclass(frozen=True)
class Distance:
    """How far an exam is from the training exams.

    value: mean distance to its nearest training exams. percentile: percent of the training exams whose own mean
    distance to their nearest training exams is smaller.
    """

    value: float
    percentile: float


class Familiarity:
    """Measures how far an exam's embedding is from those of the training exams.

    The score is the mean distance to the nearest neighbours (Sun et al., "Out-of-Distribution Detection with Deep
    Nearest Neighbors", 2022, who use the distance to the k-th neighbour).
    """

    def __init__(self, reference: Tensor):
        """reference: (exams, width) embeddings of training exams; may be empty."""
        self.reference = reference.float().cpu()
        between = torch.cdist(self.reference, self.reference).fill_diagonal_(float("inf"))
        self._reference_distances = self._nearest(between).sort().values if len(self.reference) > NEIGHBOURS else None

    @staticmethod
    def _nearest(distances: Tensor) -> Tensor:
        return distances.topk(NEIGHBOURS, largest=False).values.mean(-1)

    def distance(self, embedding: Tensor) -> Distance | None:
        """Return the distance of an exam embedding (1, width); None where the weights have no reference."""
        if self._reference_distances is None:
            return None
        value = self._nearest(torch.cdist(embedding.float().cpu(), self.reference))[0]
        share = torch.searchsorted(self._reference_distances, value).item() / len(self._reference_distances)
        return Distance(value.item(), 100 * share)


def assess_quality(
    exam: Exam, unread: Mapping[ViewName, str], distance: Distance | None, record: WeightsRecord
) -> tuple[QualityNote, ...]:
    """Return the quality notes; the last one is how far the exam is from the training exams.

    unread: the reason for each view that was not read. distance: None where it is not known. record: of the weights.
    """
    views = [view for name, view in exam.views.items() if name not in unread]
    notes = [*_views_not_assessed(exam, unread), *_properties(views), *_pixel_size(views, record)]
    unlearned = [TASK[name].title for name in record.training.get("at_chance", ()) if name in record.tasks]
    if unlearned:
        text = f"At chance when these weights were measured, so it means nothing: {'; '.join(unlearned)}."
        notes.append(QualityNote("not learned", text))
    if distance:
        notes.append(_familiarity(distance))
    return tuple(notes)


def _views_not_assessed(exam: Exam, unread: Mapping[ViewName, str]) -> Iterator[QualityNote]:
    if exam.missing:
        names = ", ".join(map(str, exam.missing))
        yield QualityNote("missing", f"Missing: {names}. The answers come from the views that are there.")
    for name, reason in unread.items():
        yield QualityNote("not assessed", f"{name} was not assessed: {reason}.")
    read_sides = {name.laterality for name in exam.views if name not in unread}
    for side in Laterality if exam.views else ():
        if side not in read_sides:
            text = f"The {side.word} breast is not assessed: no view of it could be read."
            yield QualityNote("not assessed", text)


def _properties(views: Sequence[View]) -> Iterator[QualityNote]:
    guessed = [str(view.name) for view in views if view.guessed]
    if guessed:
        text = f"Side, projection or orientation was inferred for {', '.join(guessed)}: check below."
        yield QualityNote("guessed", text)
    for kind, attribute, text in (
        ("implant", "implant", "has a breast implant, which the weights have not seen"),
        ("burned-in text", "burned_in", "has text burned into the picture"),
        ("lossy", "lossy", "was compressed with loss"),
        ("for processing", "for_processing", "is a FOR PROCESSING image, for which the weights were not made"),
    ):
        names = [str(view.name) for view in views if getattr(view, attribute)]
        if names:
            yield QualityNote(kind, f"{', '.join(names)} {text}.")


def _pixel_size(views: Sequence[View], record: WeightsRecord) -> Iterator[QualityNote]:
    spacings = [view.spacing for view in views]
    known = [spacing.row_mm for spacing in spacings if spacing is not None]
    trained = record.training.get("spacing_mm")
    if len(known) < len(spacings):
        yield QualityNote("pixel size", "Pixel size unknown: lengths are in pixels (uncalibrated).")
    elif trained:
        largest = max(trained) * SPACING_TOLERANCE
        if any(not MIN_SPACING_MM <= row_mm <= largest for row_mm in known):
            text = f"Pixel size outside {MIN_SPACING_MM} to {largest:g} mm, the range the weights are for."
            yield QualityNote("pixel size", text)


def _familiarity(distance: Distance) -> QualityNote:
    percentile = f"(distance at their {distance.percentile:.0f}th percentile)"
    if distance.percentile < UNFAMILIAR_PERCENTILE:
        return QualityNote("familiar", f"Looks like the training exams {percentile}.")
    text = f"Looks unlike the training exams {percentile}: the probabilities may mean little here."
    return QualityNote("unfamiliar", text)
