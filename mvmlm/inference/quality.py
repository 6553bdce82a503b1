"""What a reader should know before trusting the answers for an exam: a line for each, beside the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..exam import Exam, ViewName
from ..model.config import WeightsRecord
from ..tasks import TASK

NEIGHBOURS = 5
UNFAMILIAR_PERCENTILE = 97.5


class QualityNote(NamedTuple):
    """kind is a word for programs ("missing", "unfamiliar", ...); text is one sentence for the reader."""

    kind: str
    text: str


@dataclass(frozen=True)
class Distance:
    """Mean distance to the nearest training exams, and how many percent of those lie nearer to each other."""

    value: float
    percentile: float


class Familiarity:
    """How far an exam is from what the weights have seen, by its embedding."""

    def __init__(self, reference: Tensor):
        """reference: (exams, width) embeddings of training exams; may be empty."""
        self.reference = reference.float().cpu()
        own = torch.cdist(self.reference, self.reference).fill_diagonal_(float("inf"))
        self._known = self._nearest(own).sort().values if len(self.reference) > NEIGHBOURS else None

    @staticmethod
    def _nearest(distances: Tensor) -> Tensor:
        return distances.topk(NEIGHBOURS, largest=False).values.mean(-1)

    def distance(self, embedding: Tensor) -> Distance | None:
        """Return the distance of an exam embedding (1, width); None where the weights carry no reference."""
        if self._known is None:
            return None
        value = self._nearest(torch.cdist(embedding.float().cpu(), self.reference))[0]
        share = torch.searchsorted(self._known, value).item() / len(self._known)
        return Distance(value.item(), 100 * share)


def assess_quality(
    exam: Exam, unread: Mapping[ViewName, str], distance: Distance | None, record: WeightsRecord
) -> tuple[QualityNote, ...]:
    """Every reason for care; last, how far the exam is from what the weights have seen."""
    said: list[QualityNote] = []
    if exam.missing:
        names = ", ".join(map(str, exam.missing))
        said.append(QualityNote("missing", f"Missing: {names}. The answers come from the views that are there."))
    said += [QualityNote("not assessed", f"{name} was not assessed: {reason}.") for name, reason in unread.items()]
    absent = (
        [side.word for side in type(next(iter(exam.views)).laterality) if side not in _read_sides(exam, unread)]
        if exam.views
        else []
    )
    said += [
        QualityNote("not assessed", f"The {side} breast is not assessed: no view of it could be read.")
        for side in absent
    ]
    views = [view for name, view in exam.views.items() if name not in unread]
    guessed = [str(view.name) for view in views if view.guessed]
    if guessed:
        said.append(
            QualityNote(
                "guessed", f"Side, projection or orientation was inferred for {', '.join(guessed)}: check below."
            )
        )
    for kind, flag, text in (
        ("implant", "implant", "has a breast implant, which the weights have not seen"),
        ("burned-in text", "burned_in", "has text burned into the picture"),
        ("lossy", "lossy", "was compressed with loss"),
        ("for processing", "for_processing", "is a FOR PROCESSING image, for which the weights were not made"),
    ):
        names = [str(view.name) for view in views if getattr(view, flag)]
        if names:
            said.append(QualityNote(kind, f"{', '.join(names)} {text}."))
    known = record.training.get("spacing_mm")
    sizes = [view.spacing for view in views]
    if any(size is None for size in sizes):
        said.append(QualityNote("pixel size", "Pixel size unknown: lengths are in pixels (uncalibrated)."))
    elif known and any(not 0.05 <= size.row_mm <= max(known) * 1.25 for size in sizes):
        said.append(
            QualityNote(
                "pixel size", f"Pixel size outside 0.05 to {max(known) * 1.25:g} mm, the range the weights are for."
            )
        )
    unlearned = [TASK[name].title for name in record.training.get("at_chance", ()) if name in record.tasks]
    if unlearned:
        said.append(
            QualityNote(
                "not learned",
                f"At chance when these weights were measured, so it means nothing: {'; '.join(unlearned)}.",
            )
        )
    if distance:
        said.append(_familiarity(distance))
    return tuple(said)


def _read_sides(exam: Exam, unread: Mapping[ViewName, str]):
    return {name.laterality for name in exam.views if name not in unread}


def _familiarity(distance: Distance) -> QualityNote:
    if distance.percentile < UNFAMILIAR_PERCENTILE:
        return QualityNote(
            "familiar", f"Looks like the training exams (distance at their {distance.percentile:.0f}th percentile)."
        )
    return QualityNote(
        "unfamiliar",
        f"Looks unlike the training exams (distance at their {distance.percentile:.0f}th percentile): the probabilities "
        "may mean little here.",
    )
