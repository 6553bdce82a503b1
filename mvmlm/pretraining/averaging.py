"""The moving average of the weights, which is what a training run returns."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ..model.network import MVMLM

WARMUP = 20  # after n updates the decay is at most n / (n + WARMUP), so that early weights are soon forgotten


def moving_average(model: MVMLM, decay: float) -> AveragedModel:
    """Return an exponential moving average of the parameters and buffers that starts from the present weights."""

    def update(
        averaged: tuple[Tensor, ...] | list[Tensor], current: tuple[Tensor, ...] | list[Tensor], updates: Tensor | int
    ) -> None:
        weight = 1 - min(decay, int(updates) / (int(updates) + WARMUP))
        for old, new in zip(averaged, current, strict=True):
            if old.dtype.is_floating_point:  # equal infinities, as in an attention mask, have no finite difference
                old.copy_(torch.where(old == new, old, torch.lerp(old, new, weight)))
            else:
                old.copy_(new)  # counters, such as the number of batches a normalisation has seen

    average = AveragedModel(model, multi_avg_fn=update, use_buffers=True)
    set_updates(average, 0)
    return average


def set_updates(average: AveragedModel, updates: int) -> None:
    """Set how many updates the average has had, for a run that resumes after that many steps."""
    average.n_averaged.fill_(updates + 1)  # torch counts the weights it starts from as well


def averaged_weights(average: AveragedModel) -> MVMLM:
    """Return the model that holds the averaged weights."""
    assert isinstance(average.module, MVMLM)
    return average.module
