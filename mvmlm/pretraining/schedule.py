"""The settings of a training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..model.objective import LossWeights


@dataclass(frozen=True)
class Schedule:
    """How long, how fast, in which precision and from which loss and seed a model is trained.

    loss: the weights of the terms of the loss. seed: of the initial weights, the order of the exams, augmentation and
    dropout. epochs: passes over the exams. exams_per_batch: exams that the contrastive terms compare, over all
    processes. exams_at_once: exams a process holds in memory with their gradients; fewer than its share of the batch
    turns on gradient caching (see `step.add_gradients`), which gives the same gradients. batches_per_step: batches
    whose gradients are averaged in one step. image_lr, other_lr: peak learning rates of the image trunk and of
    everything else. weight_decay: of AdamW. warmup_steps: steps of linear warm-up before the cosine decay. ema: decay
    of the moving average of the weights, 0 to 1. frozen_stages: stages of the image trunk, stem included, that are not
    trained; 0 trains all. balance: see `batches.epoch_order`. shares: exams of each source in a batch of
    `JoinedExams`, exams_per_batch in all; without them the exams are drawn alike. epoch_steps: steps of an epoch
    that is drawn by shares; without it, as many as the exams fill. bf16: run the towers in bfloat16. recompute:
    gradient checkpointing in the image trunk. compile: torch.compile of the image trunk. checkpoint_minutes: minutes
    between checkpoints; there is one after the first step and at the end too. checkpoint_steps: a checkpoint after so
    many steps as well. minutes: stop after this time over all runs. workers: processes that load exams ahead, for each
    training process; they change no draw. tensorboard: also write events for TensorBoard.
    """

    loss: LossWeights = field(default_factory=LossWeights)
    seed: int = 1
    epochs: int = 4
    exams_per_batch: int = 16
    exams_at_once: int | None = None
    batches_per_step: int = 1
    image_lr: float = 8e-4
    other_lr: float = 1.5e-3
    weight_decay: float = 0.02
    warmup_steps: int = 60
    ema: float = 0.99
    frozen_stages: int = 2
    balance: float = 0.0
    shares: Mapping[str, int] = field(default_factory=dict)
    epoch_steps: int | None = None
    bf16: bool = False
    recompute: bool = False
    compile: bool = False
    checkpoint_minutes: float = 10.0
    checkpoint_steps: int | None = None
    minutes: float | None = None
    workers: int = 0
    tensorboard: bool = False
