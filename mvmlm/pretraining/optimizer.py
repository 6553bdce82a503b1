"""The optimizer: which parameters are trained, their groups, and the learning rate of each step."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

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
    """Return AdamW over the image trunk and the rest; each group holds its peak learning rate as "peak".

    The first two groups are the tensors whose weights decay. The last two, of trunk and rest, are those with fewer than
    two dimensions: biases, the weights of normalisation and the temperature do not decay, as in open_clip.
    """
    trunk, rest = _trunk_and_rest(model)
    groups = []
    for decay, chosen in ((schedule.weight_decay, _decays), (0.0, lambda parameter: not _decays(parameter))):
        for parameters, peak in ((trunk, schedule.image_lr), (rest, schedule.other_lr)):
            groups.append({"params": list(filter(chosen, parameters)), "peak": peak, "weight_decay": decay})
    return torch.optim.AdamW(groups, lr=schedule.other_lr)


def _trunk_and_rest(model: MVMLM) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The parameters of the image trunk that are trained, and all others of the model."""
    trunk = [parameter for parameter in model.image_tower.trunk.parameters() if parameter.requires_grad]
    rest = [value for name, value in model.named_parameters() if not name.startswith("image_tower.trunk")]
    return trunk, rest


def _decays(parameter: nn.Parameter) -> bool:
    return parameter.ndim >= 2


def load_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any], model: MVMLM) -> None:
    """Load the saved state of an optimizer that `make_optimizer` made, or of one of version 0.5 or before.

    Those had two groups, trunk and rest; their moments are those of the same parameters, in another order. Learning
    rates and weight decay stay those of `optimizer`, which may be others than the saved ones. Raises ValueError for
    moments of other parameters.
    """
    own = optimizer.state_dict()
    if len(saved["param_groups"]) != 2 or len(own["param_groups"]) != 4:
        numbers = [[group["params"] for group in state["param_groups"]] for state in (saved, own)]
        if numbers[0] != numbers[1]:
            raise ValueError("the optimizer has other parameters")
        _load_moments(optimizer, saved["state"])
        return
    trunk, rest = _trunk_and_rest(model)
    old_number = {id(parameter): number for number, parameter in enumerate([*trunk, *rest])}
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = {
        number: saved["state"][old_number[id(parameter)]]
        for number, parameter in enumerate(parameters)
        if old_number[id(parameter)] in saved["state"]
    }
    _load_moments(optimizer, state)


def _load_moments(optimizer: torch.optim.Optimizer, moments: dict[int, dict[str, Any]]) -> None:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, values in moments.items():
        shapes = {value.shape for value in values.values() if isinstance(value, Tensor) and value.ndim}
        if shapes - {parameters[number].shape}:
            raise ValueError(f"the moments of parameter {number} have another shape")
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, total: int, warmup: int) -> None:
    """Set each group's learning rate for a step: its peak times `learning_rate_factor`."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * learning_rate_factor(step, total, warmup)


def learning_rate_factor(step: int, total: int, warmup: int) -> float:
    """Return the share of the peak learning rate, 0 to 1: linear warm-up, then half a cosine to the last step."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))
