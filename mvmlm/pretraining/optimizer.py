"""The optimizer: which parameters are trained, their groups, and the learning rate of each step."""

from __future__ import annotations

import math

import torch
from torch import nn

from ..model.network import MVMLM
from .schedule import Schedule


def freeze_stages(model: MVMLM, stages: int) -> list[nn.Module]:
    """Freeze the stem and the first `stages` stages of the image trunk and return their modules; 0 freezes nothing.

    The finest stages cost most of the time and change little from ImageNet weights. Callers keep the returned modules
    in evaluation mode, so that their batch statistics stay too.
    """
    trunk, frozen = model.image_tower.trunk, []
    if stages:
        blocks = list(trunk.get_submodule("blocks").children())
        frozen = [trunk.get_submodule("conv_stem"), trunk.get_submodule("bn1"), *blocks[:stages]]
    for module in frozen:
        module.requires_grad_(False)
    return frozen


def make_optimizer(model: MVMLM, schedule: Schedule) -> torch.optim.AdamW:
    """Return AdamW over two groups, the image trunk and the rest; each group holds its peak learning rate as "peak"."""
    trunk = [parameter for parameter in model.image_tower.trunk.parameters() if parameter.requires_grad]
    rest = [value for name, value in model.named_parameters() if not name.startswith("image_tower.trunk")]
    groups = [{"params": trunk, "peak": schedule.image_lr}, {"params": rest, "peak": schedule.other_lr}]
    return torch.optim.AdamW(groups, lr=schedule.other_lr, weight_decay=schedule.weight_decay)


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, total: int, warmup: int) -> None:
    """Set each group's learning rate for a step: its peak times `learning_rate_factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * learning_rate_factor(step, total, warmup)


def learning_rate_factor(step: int, total: int, warmup: int) -> float:
    """Return the share of the peak learning rate, 0 to 1: linear warm-up, then half a cosine to the last step."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
