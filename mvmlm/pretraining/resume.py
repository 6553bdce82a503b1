"""What a checkpoint must agree with to be continued: the settings of its run, its model and its training exams."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .. import __version__
from ..model.config import WeightsRecord
from .checkpoint import AWAY, FILE, CheckpointError
from .joined_exams import TrainingExams
from .lesion_insertion import Insertion
from .schedule import Schedule

LOCK = "pretrain.lock"
FREE = {"checkpoint_steps", "checkpoint_minutes", "minutes", "workers", "tensorboard"}  # change no step
#: settings of which the order of the exams, the model or its start depends: no run goes on with others
FIXED = {"seed", "start", "exams_per_batch", "batches_per_step", "balance", "shares", "frozen_stages"}

#: what changes a setting, where it is not the setting itself
REMEDY = {"image_lr": "learning_rate_factor", "other_lr": "learning_rate_factor"}


@dataclass(frozen=True)
class RunSettings:
    """The settings and the data of a run, as its checkpoint holds them.

    settings: by name, as in `Schedule`. model: the parts of the record that give the network its form. exams: the
    checksum of each training exam, in the cache's order; paraphrases: that of all. changes: a sentence for every
    setting that was changed on request.
    """

    settings: dict[str, Any]
    model: dict[str, Any]
    exams: dict[str, str]
    paraphrases: str
    changes: list[str]

    @classmethod
    def of(
        cls,
        record: WeightsRecord,
        schedule: Schedule,
        train: TrainingExams,
        processes: int,
        insertion: Insertion | None = None,
    ) -> RunSettings:
        """Return those of a run that is to start."""
        settings = {name: value for name, value in asdict(schedule).items() if name not in FREE}
        if not settings["shares"]:  # as in checkpoints that know no shares
            del settings["shares"]
        settings |= {f"loss weight {name}": value for name, value in settings.pop("loss").items()}
        settings |= {
            "processes": processes,
            "start": record.training.get("start"),
            "version": __version__,
        }
        if insertion:
            settings |= {f"insertion {name}": value for name, value in insertion.settings().items()}
        model = {name: value for name, value in asdict(record).items() if name in ("preset", "preprocessing", "tasks")}
        model["vocabulary"] = checksum(record.vocabulary)
        values = {"settings": settings, "model": model, "exams": train.checksums(), "changes": []}
        return cls(**json.loads(json.dumps(values)), paraphrases=checksum(sorted(train.paraphrases.items())))

    def to_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    def agree(self, saved: Mapping[str, Any], accept_changes: bool) -> list[str]:
        """Return a sentence for each setting that `saved`, a checkpoint, was made with another value of.

        Raises CheckpointError where there are any, unless `accept_changes` and the run can go on with them; `changes`
        then holds them too.
        """
        if "run" not in saved:
            return [f"{FILE} is of a version that did not write down its settings and exams: they are not compared"]
        old = _read_settings(saved["run"])
        where = f"{FILE} of step {saved['step']} was made with"
        if other := old.other_exams(self):
            raise CheckpointError(
                f"{where} other exams: {other}. Put the old tables and pictures back, or {AWAY}", "restart"
            )
        if parts := _differences(_flat(old.model), _flat(self.model)):
            raise CheckpointError(
                f"{where} another model: {'; '.join(parts[:3])}. Train that one, or {AWAY}", "preset", "restart"
            )
        differing = {
            name for name in {*old.settings, *self.settings} if old.settings.get(name) != self.settings.get(name)
        }
        sentences = _differences(*({name: run.settings.get(name) for name in sorted(differing)} for run in (old, self)))
        if FIXED.intersection(differing) or (differing and not accept_changes):
            acceptable = not FIXED.intersection(differing)
            also = " accept the changes," if acceptable else ""
            raise CheckpointError(
                f"{where} other settings: {'; '.join(sentences)}. Give the old ones,{also} or {AWAY}",
                *sorted({REMEDY.get(name, name) for name in differing}),
                *(["accept_changes"] if acceptable else []),
                "restart",
            )
        self.changes[:] = [*old.changes, *(f"step {saved['step']}: {sentence}" for sentence in sentences)]
        return sentences

    def other_exams(self, now: RunSettings) -> str:
        """Return in words how the training exams of another run differ from those of this one, "" for equal ones."""
        gone, new = len(self.exams.keys() - now.exams.keys()), len(now.exams.keys() - self.exams.keys())
        changed = sum(now.exams.get(name, value) != value for name, value in self.exams.items())
        parts = [
            f"{gone} that it was trained on are no longer training exams" if gone else "",
            f"{new} are new" if new else "",
            f"{changed} have other labels or pixels" if changed else "",
        ]
        if not any(parts) and list(self.exams) != list(now.exams):
            parts.append("their order is another")
        if self.paraphrases != now.paraphrases:
            parts.append("their paraphrases are others")
        return ", ".join(filter(None, parts))


def _read_settings(text: Any) -> RunSettings:
    try:
        settings = RunSettings(**json.loads(text))
        forms = (settings.settings, dict), (settings.model, dict), (settings.exams, dict), (settings.changes, list)
        if all(isinstance(value, form) for value, form in forms):
            return settings
    except (ValueError, TypeError):
        pass
    raise CheckpointError(f"{FILE}: not a checkpoint of this program. Put back a copy of it, or {AWAY}", "restart")


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in {*old, *new} if old.get(name) != new.get(name))


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    in_words = {name: name if " " in name else name.replace("_", " ") for name in _differing(old, new)}
    return [f"{words} {old.get(name)}, now {new.get(name)}" for name, words in in_words.items()]


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested values by their path, such as "preset text_cfg width"."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{above} {name}".strip()
        flat |= _flat(value, path) if isinstance(value, Mapping) else {path: value}
    return flat


def checksum(value: Any) -> str:
    """Return a short checksum of a JSON value, equal for equal ones in every process and run."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


@contextmanager
def only_run(folder: Path) -> Iterator[None]:
    """Hold the lock of a work folder. Raises CheckpointError where another program holds it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CheckpointError(
            f"{folder.name}: another run works in this folder. Wait for its end, or give another folder.", "work"
        ) from None
    try:
        yield
    finally:
        lock.release()
