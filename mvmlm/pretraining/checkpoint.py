"""The files of a run: checkpoint.pt to resume from, metrics.jsonl, and seconds.txt with the time trained."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from ..atomic_file import errors_named, replace_file
from ..messages import FULL, Advised
from ..model.network import MVMLM
from ..model.weights import not_finite
from .averaging import averaged_weights, set_updates
from .optimizer import load_optimizer
from .schedule import Schedule

FILE = "checkpoint.pt"
DIVERGED_REMEDIES = ("learning_rate_factor", "accept_changes", "restart")
AWAY = f"move {FILE} out of the folder to begin the training anew."
METRICS, SECONDS = "metrics.jsonl", "seconds.txt"


class TrainingDiverged(Advised, FloatingPointError):
    """The loss or the weights are not finite, or the loss explodes. The message says what to do."""


class CheckpointError(Advised, ValueError):
    """A checkpoint that cannot be used or written. The message names it and says what to do."""


class DiskFull(Advised, RuntimeError):
    """A file of a training cannot be written for want of space. The message names it and says what to do."""


@dataclass
class TrainingState:
    """Everything that changes in the course of a run and is saved in a checkpoint.

    step: steps done. mean_loss: the running mean of the loss, None before the first step.
    """

    model: MVMLM
    average: AveragedModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    mean_loss: float | None = None

    def save(self, folder: Path, run: str) -> None:
        """Write the checkpoint; an interruption leaves the old or the new one, and equal states give equal files.

        run: what `resume.RunSettings` wrote of the run. Raises TrainingDiverged for weights that are not finite, and
        CheckpointError for a full disk; the old checkpoint stays.
        """
        state = {
            "model": self.model.state_dict(),
            "average": averaged_weights(self.average).state_dict(),
            "optimiser": self.optimizer.state_dict(),
            "step": self.step,
            "usual": self.mean_loss,
            "run": run,
        }
        if damaged := _not_finite(state):
            before = f" {FILE} holds a state before it." if (folder / FILE).exists() else ""
            raise TrainingDiverged(
                f"Step {self.step}: {damaged} holds values that are not finite.{before} Train with lower learning "
                "rates, and accept that change or begin anew.",
                *DIVERGED_REMEDIES,
            )
        write_checkpoint(folder, state)

    def load(self, saved: dict[str, Any]) -> None:
        """Continue from what `read_checkpoint` returned. Raises CheckpointError where it is of another model."""
        try:
            self.model.load_state_dict(saved["model"])
            averaged_weights(self.average).load_state_dict(saved["average"])
            load_optimizer(self.optimizer, saved["optimiser"], self.model)
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(
                f"{FILE}: of another model or preset ({reason}). Train that one, or {AWAY}", "preset", "restart"
            ) from None
        self.step, self.mean_loss = saved["step"], saved["usual"]
        if damaged := _not_finite(saved):
            raise CheckpointError(
                f"{FILE}: {damaged} holds values that are not finite. Put back a copy of it, or {AWAY}", "restart"
            )
        set_updates(self.average, self.step)


def _not_finite(state: Mapping[str, Any]) -> str | None:
    """The first of the weights, averages and moments of the optimizer that is not finite, in words."""
    moments = {
        f"{name} of parameter {number}": value
        for number, values in state["optimiser"]["state"].items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }
    for what, values in (("weights", state["model"]), ("average", state["average"]), ("optimizer", moments)):
        if name := not_finite(values):
            return f"{name} of the {what}"
    return None


def write_checkpoint(folder: Path, content: dict[str, Any]) -> None:
    """Write checkpoint.pt, whole or not at all. Raises CheckpointError for a full disk."""
    try:
        with replace_file(folder / FILE) as file:
            torch.save(_on_cpu(content), file)
    except (OSError, RuntimeError) as error:  # torch turns an error of the file into one of its own
        cause = error if isinstance(error, OSError) else error.__context__
        if not isinstance(cause, OSError):
            raise
        if cause.errno not in FULL:
            raise OSError(cause.errno, cause.strerror, str(folder / FILE)) from error
        free = shutil.disk_usage(folder).free / 1e6
        before = "; the checkpoint before it stays" if (folder / FILE).exists() else ""
        raise CheckpointError(
            f"{FILE}: not written, the disk is full ({free:,.1f} MB free){before}. Free space and start again with the "
            "same arguments, or move the folder to another disk.",
            "work",
        ) from error


def _on_cpu(value: Any) -> Any:
    """The value with its tensors on the CPU: a checkpoint can be read where no device of its kind is.

    Equal strings become one object, because pickle writes one object twice in another way than two equal ones.
    """
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {_on_cpu(name): _on_cpu(item) for name, item in value.items()}
    return [_on_cpu(item) for item in value] if isinstance(value, list) else value


def read_checkpoint(folder: Path) -> dict[str, Any] | None:
    """Return the content of checkpoint.pt, its tensors on the CPU, or None where there is none.

    Raises CheckpointError for a file that is damaged (every part has a CRC-32), and for one that is no checkpoint.
    """
    path = Path(folder) / FILE
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            whole = archive.testzip() is None
    except OSError:
        raise
    except Exception:  # whatever zipfile meets in bytes that are no archive
        whole = False
    if not whole:
        raise CheckpointError(f"{FILE}: damaged, or no checkpoint. Put back a copy of it, or {AWAY}", "restart")
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
        if not isinstance(saved, dict):
            raise TypeError(type(saved))
        step, usual = saved["step"], saved["usual"]
        complete = type(step) is int and step >= 0
        complete = complete and (usual is None or (isinstance(usual, float) and math.isfinite(usual)))
        complete = complete and all(isinstance(saved[name], dict) for name in ("model", "average", "optimiser"))
        complete = complete and isinstance(saved["optimiser"]["state"], dict)
    except OSError:
        raise
    except Exception:  # of the restricted unpickler, and of values of any other form
        complete = False
    if not complete:
        raise CheckpointError(f"{FILE}: not a checkpoint of this program. Put back a copy of it, or {AWAY}", "restart")
    return saved


def set_aside(folder: Path) -> None:
    """Make a run begin anew in its folder: the checkpoint is kept as checkpoint.1.pt, .2.pt, …; curve and time go."""
    if (folder / FILE).exists():
        numbered = (folder / f"checkpoint.{number}.pt" for number in count(1))
        os.replace(folder / FILE, next(path for path in numbered if not path.exists()))
    for name in (METRICS, SECONDS):
        (folder / name).unlink(missing_ok=True)


class RunFiles:
    """The files of a run in one process: only the main one (`writes`) writes them, all may call the methods.

    run: see `TrainingState.save`.
    """

    def __init__(self, folder: Path, state: TrainingState, run: str, schedule: Schedule, writes: bool):
        self.folder, self.writes = folder, writes
        self._state, self._run, self._schedule = state, run, schedule
        self._saved_step, self._saved_at = state.step, time.monotonic()
        self._metrics = MetricsFile(folder, state.step, schedule.tensorboard) if writes else None

    def __enter__(self) -> RunFiles:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._metrics:
            self._metrics.close()

    def add(self, terms: dict[str, float]) -> None:
        """Write the terms of the loss of the step that was done."""
        if self._metrics:
            self._metrics.add(self._state.step, sum(terms.values()), terms)

    def is_due(self) -> bool:
        """Return whether the schedule asks for a checkpoint after this step.

        There is one after the first step, so that a folder that cannot be written to is noticed at once.
        """
        step, every = self._state.step, self._schedule.checkpoint_steps
        late = time.monotonic() - self._saved_at >= 60 * self._schedule.checkpoint_minutes
        return step == 1 or late or (every is not None and step % every == 0)

    def save(self) -> None:
        """Write the checkpoint, unless it holds this step already. Raises as `TrainingState.save`."""
        if self.writes and self._state.step != self._saved_step:
            self._state.save(self.folder, self._run)
            self._saved_step, self._saved_at = self._state.step, time.monotonic()


class MetricsFile:
    """Writes the loss and its terms to metrics.jsonl, one line per step, and on request to TensorBoard.

    Lines of steps after `step`, which an interrupted run wrote after its last checkpoint, are removed.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False):
        self._file = open(folder / METRICS, "a", encoding="utf-8")  # noqa: SIM115
        self._file.truncate(_bytes_up_to(folder / METRICS, step))  # in one go: a kill leaves all lines or these
        self._board = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter  # needs the tensorboard package, which is optional

            self._board = SummaryWriter(folder / "tensorboard", purge_step=step)

    def add(self, step: int, loss: float, terms: dict[str, float]) -> None:
        """Write one step; the file is complete up to it at once."""
        with errors_named(Path(self._file.name)):
            self._file.write(json.dumps({"step": step, "loss": loss, **terms, "time": round(time.time(), 2)}) + "\n")
            self._file.flush()
        if self._board:
            for name, value in {"loss": loss, **terms}.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the files."""
        with errors_named(Path(self._file.name)):  # a line that could not be written is tried once more
            self._file.close()
        if self._board:
            self._board.close()


def _bytes_up_to(path: Path, step: int) -> int:
    """How many bytes of a metrics file hold whole lines of steps up to `step`."""
    size = 0
    with open(path, "rb") as file:
        for line in file:
            try:
                if not line.endswith(b"\n") or json.loads(line)["step"] > step:
                    break
            except (ValueError, KeyError, TypeError):
                break
            size += len(line)
    return size


class Clock:
    """Measures the speed of a run, and the seconds trained in its folder over all runs, which seconds.txt holds.

    writes: whether this process writes the file.
    """

    def __init__(self, folder: Path, step: int, writes: bool = True):
        self._writes = writes
        self._path = folder / SECONDS
        self._began, self._step = time.monotonic(), step
        before = step and self._path.exists()  # a run without a checkpoint begins anew
        try:
            self.total_seconds = float(self._path.read_text(encoding="utf-8") or 0) if before else 0.0
        except ValueError:
            raise CheckpointError(f"{SECONDS}: damaged. Delete it; the time trained is then counted from 0.") from None

    def lap(self, step: int) -> float:
        """Save the seconds since the last lap and return the steps per second."""
        now = time.monotonic()
        seconds, steps = now - self._began, step - self._step
        self._began, self._step = now, step
        self.total_seconds += seconds
        if self._writes:
            with replace_file(self._path) as file:
                file.write(str(self.total_seconds).encode())
        return steps / max(seconds, 1e-9)
