"""The training loop, in one process or many, with checkpoints from which an interrupted run resumes."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm

from ..model.config import WeightsRecord
from ..model.network import MVMLM
from ..model.objective import LossWeights
from .averaging import averaged_weights, moving_average
from .batches import BatchLoader
from .checkpoint import FILE, Clock, MetricsFile, TrainingState
from .cpu_depthwise import use_fp32_weight_gradients
from .exam_cache import ExamCache
from .normalisation import measure_statistics
from .optimizer import freeze_stages, make_optimizer, set_learning_rate
from .schedule import Schedule
from .step import add_gradients, average_gradients

GRADIENT_NORM = 5.0  # larger gradients are scaled down to it
EXPLODED = 8.0  # times the running mean of the loss
LOG_STEPS = 10


def pretrain(
    record: WeightsRecord,
    initialise: Callable[[MVMLM], None],
    train: ExamCache,
    folder: Path,
    schedule: Schedule,
    weights: LossWeights,
    seed: int,
    log: Callable[[str], None] = print,
    tensorboard: bool = False,
    workers: int = 0,
) -> MVMLM:
    """Train a model and return the moving average of its weights, in evaluation mode.

    initialise: sets the initial weights, such as ImageNet's, of a new model. folder: gets checkpoint.pt, written
    atomically, from which a run with the same arguments resumes, and metrics.jsonl with the loss and terms of each
    step. workers: processes that load exams ahead, for each training process; they change no draw. Run under `torchrun`
    or `accelerate launch`, all processes take part. Raises FloatingPointError for a loss that is not finite or
    explodes; the checkpoint then holds the last good state. Raises ValueError as `BatchLoader`, RuntimeError where a
    worker is lost.
    """
    processes, folder = PartialState(cpu=not torch.cuda.is_available()), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    loader = BatchLoader(
        train, record.tasks, seed, schedule.exams_per_batch, schedule.batches_per_step, schedule.balance,
        processes.process_index, processes.num_processes, schedule.epochs, workers,
    )  # fmt: skip
    total, exams_per_step = schedule.epochs * loader.steps_per_epoch, loader.exams_per_step
    state = _new_state(record, initialise, schedule, seed, processes.device)
    if state.load(folder, processes.device):
        log(f"resumed at step {state.step} of {total}")
    else:
        measure_statistics(state.model, train, seed, schedule.bf16)
        averaged_weights(state.average).load_state_dict(state.model.state_dict())
    metrics = MetricsFile(folder, state.step, tensorboard) if processes.is_main_process else None
    clock = Clock(folder, state.step)
    hidden = None if processes.is_main_process else True
    bar = tqdm(total=total * exams_per_step, initial=state.step * exams_per_step, unit="exam", disable=hidden)
    while state.step < total:
        state.model.train()
        # dropout depends on the step and the exam alone: a resumed run is the same run, in any number of processes
        torch.manual_seed((seed * 1_000_003 + state.step) * 64)
        set_learning_rate(state.optimizer, state.step, total, schedule.warmup_steps)
        terms = _train_step(state, loader, weights, schedule)
        bar.update(exams_per_step)
        if metrics:
            metrics.add(state.step, sum(terms.values()), terms)
        out_of_time = False
        if state.step % LOG_STEPS == 0:
            exams_per_second = clock.lap(state.step) * exams_per_step
            out_of_time = schedule.minutes is not None and clock.total_seconds > 60 * schedule.minutes
            if metrics:
                log(_progress(state.step, total, terms, exams_per_second))
        if metrics and (state.step % schedule.checkpoint_steps == 0 or state.step == total or out_of_time):
            state.save(folder)
        if out_of_time:
            log(f"stopped after {schedule.minutes} minutes")
            break
    bar.close()
    loader.close()
    if metrics:
        metrics.close()
    return averaged_weights(state.average).eval()


def _new_state(
    record: WeightsRecord,
    initialise: Callable[[MVMLM], None],
    schedule: Schedule,
    seed: int,
    device: torch.device,
) -> TrainingState:
    """A new model with its average and optimizer."""
    torch.manual_seed(seed)
    model = MVMLM(record)
    initialise(model)
    model = model.to(device)
    average = moving_average(model, schedule.ema)  # copied before the layers below are changed
    model = model.to(memory_format=torch.channels_last)
    trunk = model.image_tower.trunk
    freeze_stages(model, schedule.frozen_stages)
    if schedule.bf16 and device.type == "cpu":
        use_fp32_weight_gradients(trunk)
    if schedule.recompute:
        recompute = trunk.set_grad_checkpointing
        assert callable(recompute), "timm's models have this method"
        recompute(True)
    if schedule.compile:
        trunk.compile()
    return TrainingState(model, average, make_optimizer(model, schedule))


def _train_step(
    state: TrainingState, loader: BatchLoader, weights: LossWeights, schedule: Schedule
) -> dict[str, float]:
    """Do one step and return the terms of the loss, their mean over the step's batches. Raises FloatingPointError."""
    state.optimizer.zero_grad(set_to_none=True)
    terms: dict[str, float] = {}
    for batch in loader.batches(state.step):
        for name, value in add_gradients(state.model, batch, weights, schedule).items():
            terms[name] = terms.get(name, 0.0) + value / schedule.batches_per_step
    average_gradients(state.model, schedule.batches_per_step)
    norm = float(torch.nn.utils.clip_grad_norm_(state.model.parameters(), GRADIENT_NORM))
    loss = sum(terms.values())
    _check_loss(loss, norm, state)
    state.mean_loss = loss if state.mean_loss is None else 0.98 * state.mean_loss + 0.02 * loss
    state.optimizer.step()
    state.model.limit_similarity_scale()
    state.average.update_parameters(state.model)
    state.step += 1
    return terms


def _check_loss(loss: float, norm: float, state: TrainingState) -> None:
    advice = f"{FILE} holds the last good state; lower the learning rate and resume from it."
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise FloatingPointError(f"Step {state.step}: the loss is {loss} and the gradient's norm {norm}. {advice}")
    mean = state.mean_loss
    if mean is not None and loss > EXPLODED * mean:
        raise FloatingPointError(
            f"Step {state.step}: the loss is {loss:.3g}, {loss / mean:.0f} times its mean of {mean:.3g}. {advice}"
        )


def _progress(step: int, total: int, terms: dict[str, float], exams_per_second: float) -> str:
    parts = ", ".join(f"{name} {value:.3f}" for name, value in terms.items())
    return f"step {step}/{total}: loss {sum(terms.values()):.3f} ({parts}); {exams_per_second:.1f} exams/s"
