"""The files of a run: checkpoint.pt to resume from, metrics.jsonl, and seconds.txt with the time trained."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel

from ..model.network import MVMLM
from .averaging import averaged_weights, set_updates
from .optimizer import load_optimizer

FILE = "checkpoint.pt"


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

    def save(self, folder: Path) -> None:
        """Write the checkpoint atomically: an interruption leaves the old or the new one."""
        state = {
            "model": self.model.state_dict(),
            "average": averaged_weights(self.average).state_dict(),
            "optimiser": self.optimizer.state_dict(),
            "step": self.step,
            "usual": self.mean_loss,
        }
        path = folder / FILE
        torch.save(state, path.with_suffix(".part"))
        os.replace(path.with_suffix(".part"), path)

    def load(self, folder: Path, device: torch.device) -> bool:
        """Continue from the folder's checkpoint, and return whether there is one."""
        path = folder / FILE
        if not path.exists():
            return False
        saved = torch.load(path, weights_only=True, map_location=device)
        self.model.load_state_dict(saved["model"])
        averaged_weights(self.average).load_state_dict(saved["average"])
        load_optimizer(self.optimizer, saved["optimiser"], self.model)
        self.step, self.mean_loss = saved["step"], saved["usual"]
        set_updates(self.average, self.step)
        return True


class MetricsFile:
    """Writes the loss and its terms to metrics.jsonl, one line per step, and on request to TensorBoard.

    Lines of steps after `step`, which an interrupted run wrote after its last checkpoint, are removed.
    """

    def __init__(self, folder: Path, step: int, tensorboard: bool = False):
        path = folder / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
        path.write_text(
            "".join(line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step),
            encoding="utf-8",
        )
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115
        self._board = None
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter  # needs the tensorboard package, which is optional

            self._board = SummaryWriter(folder / "tensorboard", purge_step=step)

    def add(self, step: int, loss: float, terms: dict[str, float]) -> None:
        """Write one step; the file is complete up to it at once."""
        self._file.write(json.dumps({"step": step, "loss": loss, **terms, "time": round(time.time(), 2)}) + "\n")
        self._file.flush()
        if self._board:
            for name, value in {"loss": loss, **terms}.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board:
            self._board.close()


class Clock:
    """Measures the speed of a run, and the seconds trained in its folder over all runs, which seconds.txt holds."""

    def __init__(self, folder: Path, step: int):
        self._path = folder / "seconds.txt"
        self._began, self._step = time.monotonic(), step
        self.total_seconds = float(self._path.read_text(encoding="utf-8")) if self._path.exists() else 0.0

    def lap(self, step: int) -> float:
        """Save the seconds since the last lap and return the steps per second."""
        now = time.monotonic()
        seconds, steps = now - self._began, step - self._step
        self._began, self._step = now, step
        self.total_seconds += seconds
        self._path.write_text(str(self.total_seconds), encoding="utf-8")
        return steps / max(seconds, 1e-9)
