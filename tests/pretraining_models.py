"""Small models, batches and trainings of the tests of pretraining, also for the processes that they start.

It imports nothing of pytest and of the app: those processes import it anew.
"""

import random

import torch

from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.model.config import Preset, WeightsRecord
from mvmlm.model.network import MVMLM
from mvmlm.pretraining.batches import make_batch
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.step import add_gradients, average_gradients
from mvmlm.pretraining.train import pretrain
from mvmlm.tasks import TASKS

SMALL = Preprocessing(rows=96, columns=64)


def record():
    preset = Preset(
        16,
        {"timm_model_name": "test_efficientnet", "image_size": [96, 64], "map_width": 16},
        {"context_length": 32, "width": 16, "heads": 2, "layers": 1},
        {"width": 16, "heads": 2, "layers": 1},
    )
    return WeightsRecord("test", "0", preset, SMALL, tuple(task.name for task in TASKS), (320, 1125))


def deterministic_model():
    """A model without dropout and with fixed batch statistics, whose answer to an exam does not depend on the batch.

    In float64: a ReLU whose input is within float32 rounding of zero passes its gradient or not, depending on how a
    processor adds up a batch of another size. An input changed by 1e-6 changes the float32 gradients by up to 3e-3.
    """
    torch.manual_seed(0)
    return MVMLM(record()).double().eval()


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def batch_of_share(cache, exams):
    return make_batch(cache, list(exams), [task.name for task in TASKS], [random.Random(exam) for exam in exams])


def global_gradients(model, batch, exams_at_once):
    terms = add_gradients(model, batch, Schedule(exams_at_once=exams_at_once))
    average_gradients(model)
    return terms, gradients(model)


def train_in_float64(cache, folder, exams_at_once=None):
    """Train a small model in training mode, dropout included, and return its weights."""
    schedule = Schedule(
        seed=3,
        epochs=2,
        exams_per_batch=4,
        exams_at_once=exams_at_once,
        frozen_stages=0,
        warmup_steps=1,
        checkpoint_steps=1,
    )
    return pretrain(record(), MVMLM.double, cache, folder, schedule, lambda line: None)
