"""Fit a head to labelled cases: its weights, alone or with the last image stage, and the calibration of its logits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..model.exam_network import ExamNetwork
from ..model.heads import Head
from ..model.last_stage import LastStage
from ..model.objective import task_loss
from ..tasks import Kind, Task
from .head import FinetunedHead
from .labelled_embeddings import LabelledEmbeddings

LBFGS_STEPS, MLP_STEPS, MLP_LR = 60, 150, 0.01
STAGE_EPOCHS, STAGE_BATCH, STAGE_LR, STAGE_HEAD_LR = 6, 16, 3e-4, 1.5e-3  # the batch in exams
SURVIVAL_BIAS = -3.0  # a low hazard to start from
SCALE_RANGE = (0.01, 20.0)  # of the calibration

OnLoss = Callable[[float], None]


def ignore_loss(loss: float) -> None:
    """Do nothing with the loss."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread in the block.

    The tensors of a head are so small that further threads only wait for each other. On two busy cores the
    cross-validation of 26 exams took 42 s with two threads and 3 s with one, with the same result
    (`python scripts/benchmark_finetuning.py --teaching`).
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, eq=False)
class HeadFitter:
    """The settings that all fits of a fine-tuning run share.

    model: the whole model, whose bundled head a linear head starts from; None starts from zero, and is not possible for
    the depth "stage".
    """

    depth: str
    seed: int
    model: ExamNetwork | None = None

    def fit(self, cases: LabelledEmbeddings, penalty: float, on_loss: OnLoss = ignore_loss) -> FinetunedHead:
        """Return a head fitted to all of `cases`. on_loss: called with the loss of every step."""
        if self.depth != "stage":
            return fit_head(cases, self.depth, penalty, self.seed, bundled_head(self.model, cases.task), on_loss)
        if self.model is None:
            raise ValueError("model: missing; the depth stage needs the whole model")
        return fit_head_with_stage(cases, penalty, self.seed, self.model, on_loss)


@one_thread()
def fit_head(
    cases: LabelledEmbeddings,
    depth: str,
    penalty: float,
    seed: int,
    start: Head | None = None,
    on_loss: OnLoss = ignore_loss,
) -> FinetunedHead:
    """Return a linear or mlp head fitted to all of `cases`, full batch; the classes of a binary task have equal weight.

    penalty: of the squared distance of the weights from where a linear head starts (L2-SP, Li et al., 2018), so that
    few cases change it little; of an mlp head from zero. start: a head of the same task; without it a linear head
    starts from zero.
    """
    torch.manual_seed(seed)
    head = FinetunedHead(cases.task, cases.features.shape[1], depth)
    features, labels = torch.from_numpy(cases.features), torch.from_numpy(cases.labels)
    linear = depth == "linear"
    with torch.no_grad():
        head.mean.copy_(features.mean(0))
        head.spread.copy_(features.std(0, correction=0).clamp(min=1e-3))
        head.head.linear.bias.fill_(SURVIVAL_BIAS if cases.task.kind is Kind.SURVIVAL else 0.0)
        if linear:
            _start_linear(head, start)
    weights = [parameter for name, parameter in head.named_parameters() if name.endswith("weight")]
    anchors = [weight.detach().clone() if linear else torch.zeros_like(weight) for weight in weights]
    positive_weight = _positive_weight(cases)

    def loss() -> Tensor:
        distance = sum(((weight - anchor) ** 2).sum() for weight, anchor in zip(weights, anchors))
        return _loss(cases.task, head(features), labels, positive_weight) + penalty / features.shape[1] * distance

    if linear:
        _minimise_lbfgs(head.parameters(), loss, LBFGS_STEPS, on_loss)
    else:
        _minimise_adam(head.parameters(), loss, MLP_STEPS, on_loss)
    return head.eval().requires_grad_(False)


def _start_linear(head: FinetunedHead, start: Head | None) -> None:
    """Set a linear head to the answers of `start` on standardised features, or to zero weights.

    The views, which a bundled head does not use, start from zero.
    """
    if start is None:
        head.head.linear.weight.zero_()
        return
    own = start.linear.in_features
    head.head.linear.weight.zero_()
    head.head.linear.weight[:, :own] = start.linear.weight * head.spread[:own]
    head.head.linear.bias.copy_(start.linear.bias + start.linear.weight @ head.mean[:own])


def fit_head_with_stage(
    cases: LabelledEmbeddings, penalty: float, seed: int, model: ExamNetwork, on_loss: OnLoss = ignore_loss
) -> FinetunedHead:
    """Return a linear head fitted to all of `cases`, then trained further together with a copy of the last image stage.

    The cases need `stage_inputs`. The penalty holds the head near to the linear fit.
    """
    head = fit_head(cases, "linear", penalty, seed, bundled_head(model, cases.task))
    anchor = head.head.linear.weight.detach().clone()
    head.depth, head.stage = "stage", LastStage(model)
    head.requires_grad_(True)
    labels, rng = torch.from_numpy(cases.labels), np.random.default_rng(seed)
    groups = [
        {"params": list(head.stage.parameters()), "lr": STAGE_LR},
        {"params": list(head.head.parameters()), "lr": STAGE_HEAD_LR},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.02)
    steps = STAGE_EPOCHS * len(cases.batches(STAGE_BATCH))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    positive_weight = _positive_weight(cases)
    for _ in range(STAGE_EPOCHS):
        for rows in cases.batches(STAGE_BATCH, rng):
            optimiser.zero_grad()
            logits = head(cases.embed_with_stage(rows, head.stage, model))
            loss = _loss(cases.task, logits, labels[rows], positive_weight)
            loss = loss + penalty / cases.features.shape[1] * ((head.head.linear.weight - anchor) ** 2).sum()
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            on_loss(float(loss.detach()))
    return head.eval().requires_grad_(False)


@one_thread()
def calibrate_head(head: FinetunedHead, logits: Tensor, labels: Tensor) -> None:
    """Set the head's `scale` and `shift` from held-out logits (n, classes) and their labels.

    Platt scaling for a binary task (Platt, 1999), temperature scaling for any other (Guo et al., 2017).
    """
    raw = torch.zeros(2, requires_grad=True)  # log of the scale, shift
    binary = head.task.kind is Kind.BINARY

    def loss() -> Tensor:
        calibrated = logits * raw[0].exp() + (raw[1] if binary else 0)
        return task_loss(head.task, calibrated, labels) + 1e-3 * (raw**2).sum()

    _minimise_lbfgs([raw], loss, 50, ignore_loss)
    head.scale.copy_(raw[0].detach().exp().clamp(*SCALE_RANGE))
    head.shift.copy_(raw[1].detach() if binary else torch.zeros(()))


def bundled_head(model: ExamNetwork | None, task: Task) -> Head | None:
    """Return the bundled head for a task; None where the weights have none that is linear."""
    head = model.task_heads.get(task.name) if model is not None else None
    return head if isinstance(head, Head) else None


def _positive_weight(cases: LabelledEmbeddings) -> float:
    if cases.task.kind is not Kind.BINARY:
        return 1.0
    positives = float(cases.labels.sum())
    return (len(cases) - positives) / max(positives, 1.0)


def _loss(task: Task, logits: Tensor, labels: Tensor, positive_weight: float) -> Tensor:
    """The task's loss; on an ordered scale also the squared distance of the expected class from the label."""
    value = task_loss(task, logits, labels, positive_weight)
    if task.kind is Kind.MULTICLASS and task.ordered:
        scale = torch.arange(logits.shape[1], dtype=logits.dtype)
        value = value + 0.5 * ((torch.softmax(logits, -1) @ scale - labels) ** 2).mean()
    return value


def _minimise_lbfgs(parameters: Iterable[Tensor], loss: Callable[[], Tensor], steps: int, on_loss: OnLoss) -> None:
    optimiser = torch.optim.LBFGS(parameters, max_iter=steps, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        on_loss(float(value.detach()))
        return float(value.detach())

    optimiser.step(closure)


def _minimise_adam(parameters: Iterable[Tensor], loss: Callable[[], Tensor], steps: int, on_loss: OnLoss) -> None:
    optimiser = torch.optim.Adam(parameters, lr=MLP_LR)
    for _ in range(steps):
        optimiser.zero_grad()
        value = loss()
        value.backward()
        optimiser.step()
        on_loss(float(value.detach()))
