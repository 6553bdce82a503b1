"""How much each place of the pictures contributed to an answer, by the methods of `map_methods`.

Grad-CAM (Selvaraju et al., 2017) and HiResCAM (Draelos and Carin, "Use HiResCAM instead of Grad-CAM for faithful
explanations of convolutional neural networks", 2020) are computed here for all answers in one backward pass; they equal
captum's LayerGradCam and LayerGradientXActivation (tests/test_explain.py). Integrated gradients (Sundararajan et al.,
2017) and occlusion (Zeiler and Fergus, 2014) are captum's.

The numbers that are explained are the log odds of an answer. Its evidence, in nats, is the softplus of the log odds:
-log(1 - p), which is 0 for an answer of probability 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, softplus

from ..exam import SIDES, Laterality, ViewName
from ..imaging.preprocess import ModelInput
from ..model.encoding import Encoding
from ..model.exam_network import ExamNetwork
from ..model.heads import TaskHead
from ..model.last_stage import LastStage
from ..model.network import MVMLM
from ..model.view_fusion import Fused
from ..tasks import Kind, Level
from .prediction import Target

#: called with the share of the work that is done, 0..1; what it raises ends the work
Progress = Callable[[float], None]

SPREAD = 1 / 24  # of the picture's rows: the standard deviation of what counts as "around a point"
STEPS, PICTURES_AT_ONCE = 16, 8  # of integrated gradients; pictures in one pass through the tower
WINDOW, STRIDE = 1 / 8, 1 / 12  # of the picture's rows: the square that occlusion blurs out, and its steps


class ExplainableModel(Protocol):
    """What maps are computed with: a network and its heads, as a `ModelPredictor` holds them.

    heads: the head of each task that is answered. finetuned: the tasks that a fine-tuned head answers, with its name.
    """

    model: ExamNetwork
    heads: dict[str, TaskHead]
    finetuned: dict[str, str]

    def stage(self, task: str | None) -> LastStage | None:
        """Return the last image stage that was fine-tuned with a task's head; None for the model's own."""
        ...

    def features_for(self, task: str | None, encoding: Encoding) -> tuple[Tensor, ...]:
        """Return the feature maps (n, C, h, w) that a task's head is given; None for the model's own."""
        ...

    def fuse(self, pooled: Tensor, names: Sequence[ViewName], apart: bool = False) -> Fused:
        """Return the embeddings of exams from the pooled features (n, C) or (exams, n, C) of their views."""
        ...

    def logits(self, task: str, fused: Fused) -> Tensor:
        """Return a head's logits: (exams, 2, classes) for a breast's task, (exams, classes) for an exam's."""
        ...

    def prompt_direction(self, prompt: str) -> Tensor:
        """Return (embed_dim,): a view's log odds for a prompt are its embedding's product with this."""
        ...


def log_odds(predictor: ExplainableModel, pooled: Tensor, encoding: Encoding, target: Target) -> Tensor:
    """Return for each view the log odds (exams, n) of the answer that it belongs to.

    pooled: (exams, n, C), features of the views of `encoding`, its own or those of changed pictures. The views of a
    breast share the answer of a breast's task, all views that of an exam's; each view has its own answer to a prompt.
    """
    if target.task is None:
        joint = predictor.model.joint
        assert joint is not None  # `prompt_direction` refuses a model that knows no text
        return joint.embed_views(pooled) @ predictor.prompt_direction(target.class_).clone()
    task = predictor.heads[target.task].task
    names = encoding.names
    logits = predictor.logits(task.name, predictor.fuse(pooled, names, encoding.apart))
    index = task.classes.index(target.class_)
    if task.kind is Kind.MULTICLASS:
        others = [other for other in range(logits.shape[-1]) if other != index]
        odds = logits[..., index] - logits[..., others].logsumexp(-1)
    else:
        odds = logits[..., index]
    if task.level is Level.EXAM:
        return odds[:, None].expand(-1, len(names))
    return odds[:, [SIDES.index(name.laterality) for name in names]]


def views_of_answers(predictor: ExplainableModel, names: Sequence[ViewName], target: Target) -> list[list[int]]:
    """Return for each answer of a target the indices of the views that share it."""
    if target.task is None:
        return [[index] for index in range(len(names))]
    if predictor.heads[target.task].task.level is Level.EXAM:
        return [list(range(len(names)))]
    sides = [[i for i, name in enumerate(names) if name.laterality is side] for side in Laterality]
    return [rows for rows in sides if rows]


def cams(
    predictor: ExplainableModel, encoding: Encoding, targets: Sequence[Target], method: str
) -> dict[Target, Tensor]:
    """Return the class activation map (n, h, w), 0 or more, of each target, at the size of the feature map.

    The targets' heads are given the same feature map. method: "hirescam", or "grad-cam", which takes the gradient's
    mean over a view instead of the gradient at each position.
    """
    with torch.no_grad():
        branches = predictor.features_for(targets[0].task, encoding)
    with torch.enable_grad():
        features = [each.clone().requires_grad_(True) for each in branches]  # inference tensors can have no gradient
        pooled = predictor.model.pool(features, encoding.views.inside.clone())
        explained = [
            (target, rows, number)
            for target in targets
            for rows, number in _numbers(predictor, encoding, pooled, target)
        ]
        stacked = torch.stack([number for _, _, number in explained])
        each_number = torch.eye(len(explained), device=stacked.device)
        gradients = torch.autograd.grad(stacked, features, each_number, is_grads_batched=True)
    if method == "grad-cam":
        gradients = tuple(gradient.mean((-2, -1), keepdim=True) for gradient in gradients)
    found = predictor.model.lay_together(
        [
            torch.relu((gradient * of_branch.detach()).sum(2))  # (numbers, views, h, w)
            for gradient, of_branch in zip(gradients, features, strict=True)
        ],
        [encoding.inputs[name] for name in encoding.names],
    )
    maps = {target: torch.zeros_like(found[0]) for target in targets}
    for (target, rows, _), cam in zip(explained, found, strict=True):
        maps[target][rows] = cam[rows]
    return maps


def _numbers(
    predictor: ExplainableModel, encoding: Encoding, pooled: Tensor, target: Target
) -> list[tuple[list[int], Tensor]]:
    """The numbers whose gradients make the map of a target, each with the views that it explains.

    The bundled head of a finding is explained by the finding's evidence in each view, which was trained with positions;
    every other answer by its log odds.
    """
    groups = views_of_answers(predictor, encoding.names, target)
    own = target.task is not None and target.task not in predictor.finetuned
    logits = predictor.model.finding_evidence(str(target.task), pooled) if own else None
    if logits is not None:
        evidence = softplus(logits)
        return [(rows, evidence[rows].sum()) for rows in groups]  # the softplus gives a weak view a small share
    odds = log_odds(predictor, pooled[None], encoding, target)[0]
    if target.task is None:  # a view's own answer depends on no other view: one number for all
        return [(list(range(len(encoding.names))), odds.sum())]
    return [(rows, odds[rows[0]]) for rows in groups]


def quick_evidence(
    predictor: ExplainableModel, encoding: Encoding, targets: Sequence[Target], method: str
) -> dict[Target, Tensor]:
    """Return for each target the evidence around each place (n, h, w), in nats, by class activation maps.

    The evidence of an answer is shared out over its views in proportion to the map: a place has what lies within a few
    centimetres of it. So no place has more than the whole answer, and a weak answer has weak places only.
    """
    maps = cams(predictor, encoding, targets, method)
    for target, cam in maps.items():
        cam *= encoding.views.inside[:, 0] > 0
        with torch.no_grad():
            pooled = _pooled(predictor, encoding, target)
            evidence = softplus(log_odds(predictor, pooled[None], encoding, target)[0])
        for rows in views_of_answers(predictor, encoding.names, target):
            share = around(cam[rows]) / cam[rows].sum().clamp(min=1e-12)
            cam[rows] = evidence[rows][:, None, None] * share.clamp(max=1)
    return maps


def _pooled(predictor: ExplainableModel, encoding: Encoding, target: Target) -> Tensor:
    """The pooled features (n, C) that the head of a target is given, as a tensor that autograd may use."""
    if predictor.stage(target.task) is None:
        return encoding.views.pooled.clone()
    features = predictor.features_for(target.task, encoding)
    return predictor.model.pool(features, encoding.views.inside).clone()


def around(maps: Tensor) -> Tensor:
    """Return the sums (n, h, w) of maps (n, h, w) around each place, weighted by a Gaussian that is 1 at the place."""
    sigma = SPREAD * maps.shape[-2]
    sums = [
        cv2.GaussianBlur(each, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT) * (2 * math.pi * sigma**2)
        for each in maps.detach().cpu().numpy().astype(np.float32)
    ]
    return torch.from_numpy(np.stack(sums)).to(maps)


def slow_evidence(
    predictor: ExplainableModel,
    encoding: Encoding,
    target: Target,
    view: int,
    method: str,
    progress: Progress = lambda share: None,
) -> Tensor:
    """Return the evidence around each place (h, w) of one view, in nats, by integrated gradients or occlusion.

    view: its index in `encoding.names`; the other views stay as they are. Integrated gradients share out what the
    picture adds to the answer over one of an even grey, in proportion to the places that raised it, since what raised
    and what lowered it may be a hundred times the answer. progress: called between passes of the tower.
    """
    from captum.attr import IntegratedGradients, Occlusion

    given = encoding.inputs[encoding.names[view]]
    inside = encoding.views.inside
    device, size = inside.device, (inside.shape[-2], inside.shape[-1])
    image = torch.from_numpy(given.tensor)[None, None].to(device)
    rows, columns = given.tensor.shape
    forward = _EvidenceOfPictures(predictor, encoding, target, view, progress)
    if method == "integrated-gradients":
        forward.passes = math.ceil(STEPS / PICTURES_AT_ONCE) + 1
        even = torch.from_numpy(_even(given))[None, None].to(device)
        with torch.enable_grad():
            found = IntegratedGradients(forward).attribute(
                image, even, n_steps=STEPS, internal_batch_size=PICTURES_AT_ONCE
            )
        with torch.no_grad():
            whole, without = forward(torch.cat([image, even]))
        raised = adaptive_avg_pool2d(found.detach().float(), size)[0].clamp(min=0)
        share = around(raised)[0] / raised.sum().clamp(min=1e-12)
        return (whole - without).clamp(min=0) * share.clamp(max=1)
    window, stride = round(WINDOW * rows), round(STRIDE * rows)
    places = math.prod(math.ceil((length - window) / stride) + 1 for length in (rows, columns))
    forward.passes = math.ceil(places / PICTURES_AT_ONCE) + 1
    blurred = torch.from_numpy(_blurred(given, window))[None, None].to(device)
    found = Occlusion(forward).attribute(
        image, (1, window, window), (1, stride, stride), blurred, perturbations_per_eval=PICTURES_AT_ONCE
    )
    return adaptive_avg_pool2d(found.float(), size)[0, 0].clamp(min=0)


class _EvidenceOfPictures:
    """The evidence of an answer, in nats, for other pictures (b, 1, H, W) of one view; a function for captum.

    passes: how many calls the work takes, for `progress`.
    """

    def __init__(self, predictor: ExplainableModel, encoding: Encoding, target: Target, view: int, progress: Progress):
        self._predictor, self._encoding, self._target, self._view = predictor, encoding, target, view
        self._inside = encoding.views.inside[view : view + 1].clone()  # the breast does not change with its pixels
        assert isinstance(predictor.model, MVMLM)  # the only network with slow maps
        self._model = predictor.model
        with torch.no_grad():
            self._pooled = _pooled(predictor, encoding, target)
        self._progress, self._done, self.passes = progress, 0, 1

    def __call__(self, images: Tensor) -> Tensor:
        self._progress(min(1.0, self._done / self.passes))
        self._done += 1
        tower, stage = self._model.image_tower, self._predictor.stage(self._target.task)
        fine, coarse = tower.scales(images)
        if stage is None:
            features = tower.join(fine, tower.coarse(coarse))
        else:
            features = stage.features(self._model, fine)
        own = tower.pool(features, self._inside.expand(len(images), -1, -1, -1))
        others = self._pooled.expand(len(images), -1, -1)
        pooled = torch.cat([others[:, : self._view], own[:, None], others[:, self._view + 1 :]], 1)
        return softplus(log_odds(self._predictor, pooled, self._encoding, self._target)[:, self._view])


def _even(given: ModelInput) -> np.ndarray:
    """The picture with every pixel of the breast at the breast's mean."""
    even = given.tensor.copy()
    if given.breast.any():
        even[given.breast] = given.tensor[given.breast].mean()
    return even


def _blurred(given: ModelInput, width: int) -> np.ndarray:
    """The picture with the breast blurred over `width` pixels, without what lies beside the breast."""
    breast = given.breast.astype(np.float32)
    weight = cv2.GaussianBlur(breast, (0, 0), width / 2)
    mean = cv2.GaussianBlur(given.tensor * breast, (0, 0), width / 2) / np.maximum(weight, 1e-3)
    return np.where(given.breast, mean, given.tensor).astype(np.float32)


def one_stage_at_a_time(predictor: ExplainableModel, targets: Sequence[Target]) -> list[list[Target]]:
    """Return the targets in groups whose heads are given the same feature map."""
    groups: dict[LastStage | None, list[Target]] = {}
    for target in targets:
        groups.setdefault(predictor.stage(target.task), []).append(target)
    return list(groups.values())
