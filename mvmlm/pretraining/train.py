"""The training loop, in one process or many, with checkpoints from which an interrupted run resumes."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm

from ..model.config import WeightsRecord
from ..model.network import MVMLM
from .averaging import averaged_weights, moving_average
from .batches import BatchLoader, lost_workers_told
from .checkpoint import (
    DIVERGED_REMEDIES,
    FILE,
    CheckpointError,
    Clock,
    RunFiles,
    TrainingDiverged,
    TrainingState,
    read_checkpoint,
)
from .cpu_depthwise import use_fp32_weight_gradients
from .joined_exams import TrainingExams
from .lesion_insertion import Insertion
from .normalisation import measure_statistics
from .optimizer import freeze_stages, make_optimizer, set_learning_rate
from .processes import errors_of_all, lost_processes_told
from .resume import RunSettings
from .schedule import Schedule
from .step import add_gradients, average_gradients
from .stopping import StopRequest, TrainingInterrupted

GRADIENT_NORM = 5.0  # larger gradients are scaled down to it
EXPLODED = 8.0  # times the running mean of the loss
LOG_STEPS = 10


def pretrain(
    record: WeightsRecord,
    initialise: Callable[[MVMLM], None],
    train: TrainingExams,
    folder: Path,
    schedule: Schedule,
    log: Callable[[str], None] = print,
    accept_changes: bool = False,
    insertion: Insertion | None = None,
) -> MVMLM:
    """Train a model and return the moving average of its weights, in evaluation mode.

    initialise: sets the initial weights, such as ImageNet's, of a new model. folder: gets checkpoint.pt, from which a
    run with the same arguments resumes, and metrics.jsonl with the loss and terms of each step. Run under `torchrun` or
    `accelerate launch`, all processes take part. accept_changes: resume with other settings that keep the order of the
    exams, and write them to `record.training["changes"]`. insertion: lesions that are set in and taken out; written to
    `record.training["insertion"]`. After SIGTERM, SIGINT or an error the checkpoint holds every step done. Raises
    TrainingInterrupted for these signals, TrainingDiverged for a loss or weights that are not finite or explode,
    CheckpointError for a checkpoint of another run and a full disk, BatchSizeError as `BatchLoader`, LostWorker where a
    loading process has ended, and OtherProcessFailed where another process of the run met an error or has ended.
    """
    processes, folder = PartialState(cpu=not torch.cuda.is_available()), Path(folder)
    log = log if processes.is_main_process else _silent
    folder.mkdir(parents=True, exist_ok=True)
    with errors_of_all():
        loader = BatchLoader(
            train, record.tasks, schedule.seed, schedule.exams_per_batch, schedule.batches_per_step, schedule.balance,
            schedule.shares, processes.process_index, processes.num_processes, schedule.epochs, schedule.workers,
            insertion, schedule.epoch_steps,
        )  # fmt: skip
        total = schedule.epochs * loader.steps_per_epoch
        run = RunSettings.of(record, schedule, train, processes.num_processes, insertion)
        saved = read_checkpoint(folder)
        problems = run.agree(saved, accept_changes) if saved else []
        state, frozen_random = _new_state(record, initialise, schedule, processes.device)
        if saved:
            state.load(saved)
            log(f"resumed at step {state.step} of {total}")
            if state.step == total:
                log("the training had finished; its weights are returned again")
            elif state.step > total:
                log("that is past the last step of this run; its weights are returned as they are")
        else:
            if frozen_random:
                log(f"the stem and the first {schedule.frozen_stages} stages of the image trunk stay at random weights")
            measure_statistics(state.model, train, schedule.seed, schedule.bf16)
            averaged_weights(state.average).load_state_dict(state.model.state_dict())
        files = RunFiles(folder, state, run.to_text(), schedule, processes.is_main_process)
    check_same_step(state.step)
    for problem in problems:
        log(problem)
    record.training.update({"insertion": insertion.settings()} if insertion else {})
    if run.changes:
        record.training["changes"] = run.changes
    with lost_processes_told(), lost_workers_told(), StopRequest() as stop, files:
        try:
            _train_to_end(state, loader, schedule, files, stop, log)
        finally:
            loader.close()
    return averaged_weights(state.average).eval()


def _silent(line: str) -> None:
    """Print nothing: the main process does."""


def _train_to_end(
    state: TrainingState,
    loader: BatchLoader,
    schedule: Schedule,
    files: RunFiles,
    stop: StopRequest,
    log: Callable[[str], None],
) -> None:
    """Train until the schedule's end or its time is over. Raises TrainingInterrupted and what a step raises."""
    total, exams_per_step = schedule.epochs * loader.steps_per_epoch, loader.exams_per_step
    clock = Clock(files.folder, state.step, files.writes)
    bar = tqdm(
        total=total * exams_per_step, initial=state.step * exams_per_step, unit="exam",
        disable=None if files.writes else True,
    )  # fmt: skip
    out_of_time = False
    while state.step < total and not out_of_time:
        state.model.train()
        # dropout depends on the step and the exam alone: a resumed run is the same run, in any number of processes
        torch.manual_seed((loader.seed * 1_000_003 + state.step) * 64)
        set_learning_rate(state.optimizer, state.step, total, schedule.warmup_steps)
        try:
            terms = _loss_and_gradients(state, loader, schedule)
        except Exception:
            with suppress(Exception):  # the first error is the one to tell
                files.save()
            raise
        _update_weights(state, sum(terms.values()))
        bar.update(exams_per_step)
        with errors_of_all():
            files.add(terms)
        if state.step % LOG_STEPS == 0:
            exams_per_second = clock.lap(state.step) * exams_per_step
            out_of_time = schedule.minutes is not None and clock.total_seconds > 60 * schedule.minutes
            if files.writes:
                log(_progress(state.step, total, terms, exams_per_second))
        asked, out_of_time, due = stop.agreed(out_of_time, files.is_due())
        if due or state.step == total or out_of_time or asked:
            with errors_of_all():
                files.save()
        if asked and state.step < total:
            raise TrainingInterrupted(
                f"{asked} stopped the training after step {state.step} of {total}; {FILE} holds it. "
                "Start again with the same arguments to go on."
            )
    if out_of_time and state.step < total:
        log(f"stopped after {schedule.minutes} minutes")
    bar.close()


def _new_state(
    record: WeightsRecord,
    initialise: Callable[[MVMLM], None],
    schedule: Schedule,
    device: torch.device,
) -> tuple[TrainingState, bool]:
    """A new model with its average and optimizer, and whether stages of its trunk are frozen at random weights."""
    torch.manual_seed(schedule.seed)
    model = MVMLM(record)
    random_stem = next(model.image_tower.trunk.parameters()).detach().clone()
    initialise(model)
    stem = next(model.image_tower.trunk.parameters()).detach().to(random_stem)
    frozen_random = schedule.frozen_stages > 0 and torch.equal(stem, random_stem)
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
    return TrainingState(model, average, make_optimizer(model, schedule)), frozen_random


def _loss_and_gradients(state: TrainingState, loader: BatchLoader, schedule: Schedule) -> dict[str, float]:
    """Compute a step's gradients and return the terms of the loss, their mean over its batches; no weight changes.

    Raises TrainingDiverged.
    """
    state.optimizer.zero_grad(set_to_none=True)
    terms: dict[str, float] = {}
    batches = loader.batches(state.step)
    for _ in range(schedule.batches_per_step):
        with errors_of_all():
            batch = next(batches)
        for name, value in add_gradients(state.model, batch, schedule).items():
            terms[name] = terms.get(name, 0.0) + value / schedule.batches_per_step
    average_gradients(state.model, schedule.batches_per_step)
    norm = float(torch.nn.utils.clip_grad_norm_(state.model.parameters(), GRADIENT_NORM))
    with errors_of_all():
        _check_loss(sum(terms.values()), norm, state)
    return terms


def _update_weights(state: TrainingState, loss: float) -> None:
    """Do the step whose gradients are there."""
    state.mean_loss = loss if state.mean_loss is None else 0.98 * state.mean_loss + 0.02 * loss
    state.optimizer.step()
    state.model.limit_similarity_scale()
    state.average.update_parameters(state.model)
    state.step += 1


def check_same_step(step: int) -> None:
    """Raise CheckpointError where the processes of a run did not all find the same checkpoint."""
    processes = PartialState()
    if processes.num_processes == 1:
        return
    steps = [0] * processes.num_processes
    torch.distributed.all_gather_object(steps, step)
    if len(set(steps)) > 1:
        raise CheckpointError(
            f"The processes found checkpoints of the steps {steps}: give a folder that all of them share.", "work"
        )


def _check_loss(loss: float, norm: float, state: TrainingState) -> None:
    mean, problem = state.mean_loss, ""
    if not (math.isfinite(loss) and math.isfinite(norm)):
        problem = f"the loss is {loss} and the gradient's norm {norm}"
    elif mean is not None and loss > EXPLODED * mean:
        problem = f"the loss is {loss:.3g}, {loss / mean:.0f} times its mean of {mean:.3g}"
    if problem:
        raise TrainingDiverged(
            f"Step {state.step + 1}: {problem}. {FILE} holds the last good state, that of step {state.step}. "
            "Go on from it with lower learning rates, and accept that change, or begin anew with them.",
            *DIVERGED_REMEDIES,
        )


def _progress(step: int, total: int, terms: dict[str, float], exams_per_second: float) -> str:
    parts = ", ".join(f"{name} {value:.3f}" for name, value in terms.items())
    return f"step {step}/{total}: loss {sum(terms.values()):.3f} ({parts}); {exams_per_second:.1f} exams/s"
