"""Maps: for each view how much each position raised the answer for a class or the similarity with a prompt.

The method is HiResCAM (Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional
neural networks", 2020): the gradient times the feature at each position. Plain Grad-CAM averages the gradient over the
picture first; on phantoms HiResCAM points at the lesion more often (assets/MODEL_CARD.md). The maps equal captum's
LayerGradientXActivation on the feature map (tests/test_explain.py compares them to 1e-6).

The bundled head of a finding is explained by the finding's evidence in each view, which was trained with positions. Any
other answer, also that of a fine-tuned head, is explained by its logit. A map shows what raised a number, not the
extent of a lesion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..exam import Laterality, ViewName
from ..imaging.own_outputs import write_labelled
from ..imaging.voi import render
from ..model.encoding import Encoding
from ..model.last_stage import LastStage
from ..model.network import MVMLM, SIDES, Fused, TaskHead
from ..report.lexicon import KINDS
from ..tasks import Kind, Level
from .colormap import overlay
from .prediction import Prediction, Target
from .predictor import Predictor


class ExplainableModel(Protocol):
    """What maps are computed with: our own network and its heads, as an `MVMLMPredictor` holds them.

    heads: the head of each task that is answered. finetuned: the tasks that a fine-tuned head answers, with its name.
    """

    model: MVMLM
    heads: dict[str, TaskHead]
    finetuned: dict[str, str]

    def stage(self, task: str | None) -> LastStage | None:
        """Return the last image stage that was fine-tuned with a task's head; None for the model's own."""
        ...

    def features_for(self, task: str | None, encoding: Encoding) -> Tensor:
        """Return the feature map (n, C, h, w) that a task's head is given; None for the model's own."""
        ...

    def fuse(self, pooled: Tensor, names: Sequence[ViewName]) -> Fused:
        """Return the embeddings of one exam from the pooled features (n, C) of its views."""
        ...

    def logits(self, task: str, fused: Fused) -> Tensor:
        """Return a head's logits: (exams, 2, classes) for a breast's task, (exams, classes) for an exam's."""
        ...

    def embed_text(self, text: str) -> Tensor:
        """Return the embedding (embed_dim,) of a text, of unit length."""
        ...


def all_targets(predictor: Predictor) -> list[Target]:
    """Return every class of every task that is answered, in order."""
    return [Target(task.name, class_) for task in predictor.tasks for class_ in task.classes]


def leading_targets(prediction: Prediction) -> list[Target]:
    """Return one target for each task that is answered: its most probable class, or the last year of risk."""
    chosen = []
    for task in prediction.tasks:
        rows = [a for a in prediction.answers if a.task == task.name and a.by == "head" and a.laterality is None]
        if rows:
            row = rows[-1] if task.kind is Kind.SURVIVAL else max(rows, key=lambda answer: answer.probability)
            chosen.append(Target(task.name, row.class_))
    return chosen


def raw_maps(predictor: ExplainableModel, encoding: Encoding, targets: Sequence[Target]) -> dict[Target, Tensor]:
    """Return for each target a map (views, h, w), 0 or more, at the size of the feature map.

    The views are in the order of `encoding.names`. A breast's task is explained on the views of both breasts, each by
    its own answer; an exam's task and a prompt by one number. All targets of one feature map take one backward pass.
    """
    maps: dict[Target, Tensor] = {}
    by_stage: dict[LastStage | None, list[Target]] = {}
    for target in targets:
        by_stage.setdefault(predictor.stage(target.task), []).append(target)
    for same_stage in by_stage.values():
        maps |= _maps_of_one_stage(predictor, encoding, same_stage)
    return {target: maps[target] for target in targets}


def _maps_of_one_stage(
    predictor: ExplainableModel, encoding: Encoding, targets: Sequence[Target]
) -> dict[Target, Tensor]:
    """`raw_maps` of targets whose heads are given the same feature map."""
    tasks = dict.fromkeys(target.task for target in targets if target.task)
    with torch.no_grad():
        feature_map = predictor.features_for(targets[0].task, encoding)
    with torch.enable_grad():
        features = feature_map.clone().requires_grad_(True)  # the clone can have a gradient; inference tensors cannot
        pooled = predictor.model.image_tower.pool(features, encoding.inside.clone())
        fused = predictor.fuse(pooled, encoding.names)
        logits = {task: predictor.logits(task, fused) for task in tasks}
        views = predictor.model.embed_views(pooled)
        scalars: list[Tensor] = []
        explained: list[tuple[Target, Laterality | None]] = []
        for target in targets:
            for side, scalar in _scalars(predictor, encoding, pooled, logits, views, target):
                scalars.append(scalar)
                explained.append((target, side))
        stacked = torch.stack(scalars)
        each = torch.eye(len(scalars), device=stacked.device)
        (gradients,) = torch.autograd.grad(stacked, features, each, is_grads_batched=True)
    cams = torch.relu((gradients * features.detach()).sum(2))  # (scalars, views, h, w)
    maps = {target: torch.zeros_like(cams[0]) for target in targets}
    for (target, side), cam in zip(explained, cams, strict=True):
        rows = [index for index, name in enumerate(encoding.names) if side in (None, name.laterality)]
        maps[target][rows] = cam[rows]
    return maps


def _scalars(
    predictor: ExplainableModel, encoding: Encoding, pooled: Tensor, logits: Mapping[str, Tensor], views: Tensor,
    target: Target,
) -> list[tuple[Laterality | None, Tensor]]:  # fmt: skip
    """The numbers whose gradients make the map: one for the exam (side None), or one for each breast."""
    if target.task is None:
        direction = predictor.embed_text(target.class_).clone()
        return [(None, (views @ direction).sum())]
    task = predictor.heads[target.task].task
    index = task.classes.index(target.class_)
    if target.task in KINDS and target.task not in predictor.finetuned:
        tower = predictor.model.image_tower
        evidence = pooled[:, tower.map_features + tower.finding_tasks.index(target.task)]
        rows = {
            side: [i for i, name in enumerate(encoding.names) if name.laterality is side] for side in encoding.sides
        }
        # the softplus keeps the map of weak evidence faint
        return [(side, softplus(evidence[rows[side]]).sum()) for side in encoding.sides]
    if task.level is Level.EXAM:
        return [(None, logits[task.name][0, index])]
    return [(side, logits[task.name][0, SIDES.index(side), index]) for side in encoding.sides]


def source_maps(
    predictor: ExplainableModel, encoding: Encoding, targets: Sequence[Target]
) -> dict[Target, dict[ViewName, np.ndarray]]:
    """Return for each target and view a map (rows, columns), float32 0..1, in DICOM pixels of the view.

    It is 0 outside the breast. 1 is the strongest position of a target over all views, so that views can be compared. A
    target that nothing supports has maps of zeros.
    """
    maps: dict[Target, dict[ViewName, np.ndarray]] = {}
    for target, raw in raw_maps(predictor, encoding, targets).items():
        cams = (raw * (encoding.inside[:, 0] > 0)).cpu().numpy()
        strongest = float(cams.max())
        maps[target] = {}
        for name, cam in zip(encoding.names, cams, strict=True):
            model_input = encoding.inputs[name]
            heat = model_input.geometry.map_to_source(cam / strongest if strongest > 1e-12 else cam * 0)
            breast = model_input.geometry.map_to_source(model_input.breast.astype(np.float32)) > 0.5
            maps[target][name] = np.clip(heat, 0, 1) * breast
    return maps


def write_maps(predictor: Predictor, prediction: Prediction, folder: Path) -> list[Path]:
    """Write the maps of `leading_targets` and return the paths of the maps.

    For each view and task `R_CC.mass.png` (16 bit, rows x columns of the view) and a picture `R_CC.mass.overlay.jpg`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for target, maps in predictor.maps(prediction.encoding, leading_targets(prediction)).items():
        for name, heat in maps.items():
            path = folder / f"{name}.{target.task}.png"
            write_labelled(path, np.round(heat * 65535).astype(np.uint16), (cv2.IMWRITE_PNG_COMPRESSION, 1))
            picture = overlay(render(prediction.exam.views[name]), heat)
            write_labelled(path.with_suffix(".overlay.jpg"), picture[..., ::-1])
            written.append(path)
    return written
