"""How well maps show the findings whose boxes are known: a row for each view and task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import cv2
import numpy as np
import torch

from ..datasets.case import FindingBox
from ..evaluation.map_measures import (
    deletion_curve,
    insertion_curve,
    inside_boxes,
    iou,
    map_similarity,
    mass_inside,
    pointing_hit,
)
from ..exam import SIDES, View, ViewName
from ..imaging.preprocess import ModelInput
from ..inference.explain import to_source
from ..inference.model_predictor import ModelPredictor
from ..inference.prediction import Target
from ..model.encoding import Encoding
from ..model.heads import probabilities
from ..published.preparation import SeveralInputs
from ..report.lexicon import KINDS
from ..tasks import Kind, Level
from .exams import KnownExam

NEAR_MM, NEAR_SHARE = 10.0, 0.04  # how far beside a box still counts, of the rows where the spacing is not known
HALF = 0.5  # of a map's maximum: what lies above it is compared with the boxes
BLUR = 1 / 8  # of the picture's rows: how far the picture is blurred in place of what is taken away


class MapRow(NamedTuple):
    """The measures of the map of a task in one view, see `evaluation.map_measures`; NaN where undefined.

    pointing: 1 or 0. by_chance: the share of the breast in which a point would be a hit. similarity: with the map of
    the same network whose weights are shuffled.
    """

    task: str
    patient: str
    exam: str
    view: str
    pointing: float
    by_chance: float
    inside: float
    overlap: float
    deletion: float
    insertion: float
    similarity: float


def shuffled(predictor: ModelPredictor, seed: int) -> ModelPredictor:
    """Return the predictor with the values of each weight tensor of its network in another order.

    Biases, the scales and statistics of normalisation, and fine-tuned heads stay.
    """
    model, generator = predictor.model.copy_for_torch(), torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            order = torch.randperm(parameter.numel(), generator=generator).to(parameter.device)
            parameter.data = parameter.data.flatten()[order].view_as(parameter)
    heads = [head for name, head in predictor.heads.items() if name in predictor.finetuned]
    return ModelPredictor(model, predictor.device).with_heads(heads, predictor.askable)


def mapped_tasks(predictor: ModelPredictor) -> list[str]:
    """Return the tasks whose maps are measured: those of findings, and malignancy, where a head answers them."""
    names = (*KINDS, "malignancy")
    return [
        task.name
        for task in predictor.tasks
        if task.name in names and task.kind is Kind.BINARY and predictor.stage(task.name) is None
    ]


def map_rows(predictor: ModelPredictor, other: ModelPredictor, known: KnownExam, encoding: Encoding) -> list[MapRow]:
    """Return a row for each task and view of a breast that has the finding, with its box in the view.

    other: the predictor with the shuffled network. It takes two times 21 readings of each view.
    """
    tasks = [task for task in mapped_tasks(predictor) if task not in predictor.for_exam(encoding).withheld]
    wanted = [(task, name) for task in tasks for name in _views_with(known, encoding, task)]
    if not wanted:
        return []
    targets = {task: Target(task, "present") for task in dict.fromkeys(task for task, _ in wanted)}
    maps = predictor.map_evidence(encoding, list(targets.values()))
    with torch.inference_mode():
        read = other.model.read(list(encoding.inputs.values()))
        blind = replace(encoding, views=read, fused=other.fuse(read.pooled, encoding.names, encoding.apart))
    others = other.map_evidence(blind, list(targets.values()))
    return [
        _row(predictor, known, encoding, task, name, maps[targets[task]][name], others[targets[task]][name])
        for task, name in wanted
    ]


def _views_with(known: KnownExam, encoding: Encoding, task: str) -> Iterator[ViewName]:
    for name in encoding.names:
        positive = known.truth.labels.get((task, name.laterality)) == 1
        if positive and _boxes(known.boxes.get(name, ()), task):
            yield name


def _boxes(boxes: Sequence[FindingBox], task: str) -> list[tuple[float, float, float, float]]:
    """The boxes of a task's finding; of malignancy those of every finding."""
    return [(box.left, box.top, box.right, box.bottom) for box in boxes if task in ("malignancy", box.kind)]


def _row(
    predictor: ModelPredictor, known: KnownExam, encoding: Encoding, task: str, name: ViewName,
    evidence: np.ndarray, blind: np.ndarray,
) -> MapRow:  # fmt: skip
    given, view = encoding.inputs[name], known.exam.views[name]
    boxes = _boxes(known.boxes[name], task)
    heat = to_source(evidence, given, lowest=0)
    near, spacing = _near(view)
    hit = pointing_hit(heat, boxes, near, spacing)
    breast = given.geometry.map_to_source(given.breast.astype(np.float32)) > HALF
    reach = near / spacing
    wide = inside_boxes(breast.shape, [(x - reach, y - reach, u + reach, v + reach) for x, y, u, v in boxes])
    score = _masked_score(predictor, encoding, task, name)
    return MapRow(
        task, known.truth.patient, known.truth.exam, str(name),
        pointing=float("nan") if hit is None else float(hit),
        by_chance=float((wide & breast).sum() / breast.sum()),
        inside=mass_inside(heat, boxes),
        overlap=iou(heat, boxes, HALF * float(heat.max())),
        deletion=deletion_curve(evidence, score).area,
        insertion=insertion_curve(evidence, score).area,
        similarity=float(map_similarity([evidence], [blind])[0]),
    )  # fmt: skip


def _near(view: View) -> tuple[float, float]:
    """How far beside a box still counts, and the length of a pixel in the same unit."""
    if view.spacing is not None:
        return NEAR_MM, view.spacing.row_mm
    return NEAR_SHARE * view.rows, 1.0


def _masked_score(
    predictor: ModelPredictor, encoding: Encoding, task: str, name: ViewName
) -> Callable[[np.ndarray], float]:
    """The task's probability for the breast when a view shows only some places (h, w) and is blurred elsewhere."""
    given = encoding.inputs[name]
    blurred = [cv2.GaussianBlur(each.tensor, (0, 0), BLUR * each.tensor.shape[-2]) for each in _frames(given)]
    index, side = encoding.names.index(name), SIDES.index(name.laterality)
    level = predictor.heads[task].task.level

    @torch.inference_mode()
    def score(shown: np.ndarray) -> float:
        pooled = encoding.views.pooled.clone()
        pooled[index] = predictor.model.read([partly_shown(given, shown, blurred)]).pooled[0]
        fused = predictor.fuse(pooled, encoding.names, encoding.apart)
        shares = probabilities(predictor.heads[task].task, predictor.logits(task, fused))[0]
        return float(shares[side, 0] if level is Level.BREAST else shares[0])

    return score


def partly_shown(given: ModelInput, shown: np.ndarray, blurred: Sequence[np.ndarray]) -> ModelInput:
    """Return a view's input that shows only some places; all networks of an ensemble see the same ones.

    shown: (h, w) bool, over the first input, at any resolution. blurred: what each input has elsewhere. What a frame
    adds around the picture stays as it is.
    """
    kept = cv2.resize(shown.astype(np.uint8), given.tensor.shape[::-1], interpolation=cv2.INTER_NEAREST)
    changed = replace(given, tensor=np.where(kept > 0, given.tensor, blurred[0]).astype(np.float32))
    if not isinstance(changed, SeveralInputs):
        return changed
    hidden = (given.geometry.map_to_source(1 - kept) > HALF).astype(np.uint8)
    others = []
    for each, instead in zip(changed.others, blurred[1:], strict=True):
        away = each.geometry.image_to_model(hidden, cv2.INTER_NEAREST) > 0
        others.append(replace(each, tensor=np.where(away, instead, each.tensor).astype(np.float32)))
    return replace(changed, others=tuple(others))


def _frames(given: ModelInput) -> tuple[ModelInput, ...]:
    """The inputs of a view for each network of an ensemble; the one input of any other model."""
    return (given, *given.others) if isinstance(given, SeveralInputs) else (given,)


def has_mapped_finding(known: KnownExam, tasks: Sequence[str]) -> bool:
    """Return whether a breast of an exam has one of the findings, with its box in a view."""
    return any(
        known.truth.labels.get((task, name.laterality)) == 1 and bool(_boxes(boxes, task))
        for task in tasks
        for name, boxes in known.boxes.items()
    )


def as_json(rows: Sequence[MapRow]) -> tuple[Mapping[str, object], ...]:
    """Return rows as plain JSON values; NaN stays NaN, which Python's JSON reads back."""
    return tuple(row._asdict() for row in rows)
