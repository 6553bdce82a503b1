"""Why: one map a view for any task and class, and for any prompt; all targets in one backward pass.

HiResCAM (Draelos and Carin, 2020): gradient times feature, place by place, which unlike plain Grad-CAM does not average the
gradient over the picture first; on phantoms it points at the lesion far oftener (assets/MODEL_CARD.md). The maps equal
captum's LayerGradientXActivation on the feature map (tests/test_explain.py holds them to 1e-6 of it). A finding is explained
by its own evidence in each view, the part of the model that was taught places; everything else, a taught head too, by its
answer.
They show what moved a number, not where a lesion ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import softplus

from ..exam import Laterality, ViewName
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
    """What a map is computed from: our own network with its heads, as `MVMLMPredictor` holds them."""

    model: MVMLM
    heads: dict[str, TaskHead]
    finetuned: dict[str, str]

    def stage(self, task: str | None) -> LastStage | None: ...
    def features_for(self, task: str | None, encoding: Encoding) -> Tensor: ...
    def fuse(self, pooled: Tensor, names: Sequence[ViewName]) -> Fused: ...
    def logits(self, task: str, fused: Fused) -> Tensor: ...
    def embed_text(self, text: str) -> Tensor: ...


def all_targets(predictor: Predictor) -> list[Target]:
    """Every class of every trained task, in order."""
    return [Target(task.name, class_) for task in predictor.tasks for class_ in task.classes]


def leading_targets(prediction: Prediction) -> list[Target]:
    """One target a trained task: its only class, the most probable one, or the last year's risk."""
    chosen = []
    for task in prediction.tasks:
        rows = [a for a in prediction.answers if a.task == task.name and a.by == "head" and a.laterality is None]
        if rows:
            last = task.kind is Kind.SURVIVAL
            chosen.append(Target(task.name, (rows[-1] if last else max(rows, key=lambda a: a.probability)).class_))
    return chosen


def raw_maps(predictor: ExplainableModel, encoding: Encoding, targets: Sequence[Target]) -> dict[Target, Tensor]:
    """For each target (views, h, w) gradient times feature, not negative, in the order of encoding.names.

    A breast's task is explained on the views of that breast; an exam's task and a prompt on every view.
    """
    maps: dict[Target, Tensor] = {}
    by_stage: dict[object, list[Target]] = {}
    for target in targets:
        by_stage.setdefault(predictor.stage(target.task), []).append(target)
    for own in by_stage.values():
        maps |= _maps_of_one_stage(predictor, encoding, own)
    return {target: maps[target] for target in targets}


def _maps_of_one_stage(
    predictor: ExplainableModel, encoding: Encoding, targets: Sequence[Target]
) -> dict[Target, Tensor]:
    """`raw_maps` of targets whose heads hear the same feature map."""
    tasks = dict.fromkeys(target.task for target in targets if target.task)
    with torch.no_grad():
        map_ = predictor.features_for(targets[0].task, encoding)
    with torch.enable_grad():
        features = map_.clone().requires_grad_(True)  # leaves inference mode
        pooled = predictor.model.image_tower.pool(features, encoding.inside.clone())
        fused = predictor.fuse(pooled, encoding.names)
        answers = {task: predictor.logits(task, fused) for task in tasks}
        views = predictor.model.embed_views(pooled)
        scalars, owners = [], []
        for target in targets:
            for side, scalar in _scalars(predictor, encoding, pooled, answers, views, target):
                scalars.append(scalar)
                owners.append((target, side))
        stacked = torch.stack(scalars)
        every = torch.eye(len(scalars), device=stacked.device)
        (gradients,) = torch.autograd.grad(stacked, features, every, is_grads_batched=True)
    cams = torch.relu((gradients * features.detach()).sum(2))  # (scalars, views, h, w)
    maps = {target: torch.zeros_like(cams[0]) for target in targets}
    for (target, side), cam in zip(owners, cams, strict=True):
        mine = [i for i, name in enumerate(encoding.names) if side in (None, name.laterality)]
        maps[target][mine] = cam[mine]
    return maps


def _scalars(predictor, encoding, pooled, answers, views, target) -> list[tuple[Laterality | None, Tensor]]:
    """The numbers whose gradient is the map: one for the exam, or one a breast, with the side it speaks of."""
    if target.task is None:
        direction = predictor.embed_text(target.class_).clone()
        return [(None, (views @ direction).sum())]
    task = predictor.heads[target.task].task
    index = task.classes.index(target.class_)
    if target.task in KINDS and target.task not in predictor.finetuned:
        tower = predictor.model.image_tower
        evidence = pooled[:, tower.map_features + tower.finding_tasks.index(target.task)]
        own = {side: [i for i, name in enumerate(encoding.names) if name.laterality is side] for side in encoding.sides}
        return [
            (side, softplus(evidence[rows]).sum()) for side, rows in own.items()
        ]  # softplus: weak evidence stays faint
    if task.level is Level.EXAM:
        return [(None, answers[task.name][0, index])]
    return [(side, answers[task.name][0, SIDES.index(side), index]) for side in encoding.sides]


def source_maps(
    predictor: ExplainableModel, encoding: Encoding, targets: Sequence[Target]
) -> dict[Target, dict[ViewName, np.ndarray]]:
    """For each target and view (rows, columns) float32 0..1 in DICOM pixels of the view, zero outside the breast.

    1 is the strongest point of that target over all views, so that views can be compared; a target that nothing
    speaks for is zero everywhere.
    """
    out = {}
    for target, cams in raw_maps(predictor, encoding, targets).items():
        cams = (cams * (encoding.inside[:, 0] > 0)).cpu().numpy()
        strongest = float(cams.max())
        out[target] = {}
        for name, cam in zip(encoding.names, cams, strict=True):
            given = encoding.inputs[name]
            heat = given.geometry.map_to_source(cam / strongest if strongest > 1e-12 else cam * 0)
            breast = given.geometry.map_to_source(given.breast.astype(np.float32)) > 0.5
            out[target][name] = np.clip(heat, 0, 1) * breast
    return out


def write_maps(predictor: Predictor, prediction: Prediction, folder: Path) -> list[Path]:
    """For each view and task `R_CC.mass.png` (16 bit, the view's own rows x columns) and `R_CC.mass.overlay.jpg`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for target, maps in predictor.maps(prediction.encoding, leading_targets(prediction)).items():
        for name, heat in maps.items():
            path = folder / f"{name}.{target.task}.png"
            cv2.imwrite(str(path), np.round(heat * 65535).astype(np.uint16), [cv2.IMWRITE_PNG_COMPRESSION, 1])
            picture = overlay(render(prediction.exam.views[name]), heat)
            cv2.imwrite(str(path.with_suffix(".overlay.jpg")), picture[..., ::-1])
            written.append(path)
    return written
