"""The statistics of batch normalisation: measured once on training exams, then fixed for the whole training.

With fixed statistics an exam's features depend on that exam alone. So gradient caching gives the gradients of the whole
batch, many processes those of one, and training and use compute the same function. Weight and bias of the layers are
trained.
"""

from __future__ import annotations

import random

import torch

from ..model.network import MVMLM
from .batches import make_batch
from .joined_exams import TrainingExams

EXAMS = 64  # whose views the statistics are measured on
EXAMS_AT_ONCE = 8


@torch.no_grad()
def measure_statistics(model: MVMLM, train: TrainingExams, seed: int, bf16: bool = False) -> None:
    """Set the mean and variance of the image tower's batch normalisation to those of augmented training exams.

    Each is the mean over batches of 8 exams, spread evenly over the cache, so every process finds the same values.
    Layers that are not trained keep theirs. bf16: run the tower as in training.
    """
    tower, device = model.image_tower, model.logit_scale.device
    layers = [layer for layer in tower.batch_norms() if layer.weight.requires_grad]
    momentum = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # every batch counts alike
        layer.train()
    chosen = [number * len(train) // min(EXAMS, len(train)) for number in range(min(EXAMS, len(train)))]
    for start in range(0, len(chosen), EXAMS_AT_ONCE):
        indices = chosen[start : start + EXAMS_AT_ONCE]
        batch = make_batch(train, indices, (), [random.Random(f"{seed}-statistics-{index}") for index in indices])
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            tower(batch.images[batch.present].to(device, model.logit_scale.dtype), model.black)
    for layer, value in zip(layers, momentum, strict=True):
        layer.momentum = value
        layer.eval()
