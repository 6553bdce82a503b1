"""(exam, findings) pairs -> weights: the training loop, its data in memory-mapped arrays, checkpoints that resume."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from .exam import STANDARD_VIEWS, Exam, Laterality, Projection
from .model import MVMLM, SIDES, WeightsRecord
from .objective import contrastive, equal, task_loss
from .preprocess import NoBreast, Preprocessing
from .report import Finding, Findings, fewer_fields, write_report
from .tasks import TASK, Kind, Level

CHECKPOINT_STEPS = 50
KEPT_FIELDS = (0.25, 0.6, 0.9)  # shares of the fields that a wording in training keeps: short texts are learned too


@dataclass(frozen=True)
class Labels:
    """What is known of one exam. None, or a missing key, is not known and gives no loss.

    breast: for each breast and task the class index (0/1 for a binary task). exam: the same for exam tasks.
    risk: (years, event) of the follow-up, None without one, or when a cancer is in the pictures now.
    """

    findings: dict[Laterality, Findings]
    breast: dict[Laterality, dict[str, int]]
    exam: dict[str, int]
    risk: tuple[float, bool] | None

    def to_json(self) -> str:
        return json.dumps(
            {
                "findings": {side.value: asdict(f) | {"absent": sorted(f.absent)} for side, f in self.findings.items()},
                "breast": {side.value: labels for side, labels in self.breast.items()},
                "exam": self.exam,
                "risk": self.risk,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Labels:
        data = json.loads(text)
        return cls(
            {Laterality(side): _findings(found) for side, found in data["findings"].items()},
            {Laterality(side): labels for side, labels in data["breast"].items()},
            data["exam"],
            tuple(data["risk"]) if data["risk"] else None,
        )


def _findings(data: dict) -> Findings:
    present = tuple(Finding(**part | {"features": tuple(part["features"])}) for part in data["present"])
    return Findings(data["density"], present, frozenset(data["absent"]), data["birads"])


class ExamArrays:
    """Preprocessed exams on disk: views.u8 (exams, 4, rows, columns), present.npy, labels.jsonl.

    Grey levels are stored as 0..255 for 0..ceiling, before the mean and std, so that the constants can change.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        settings = json.loads((self.folder / "arrays.json").read_text())
        self.preprocessing = Preprocessing(**settings["preprocessing"])
        self.labels = [Labels.from_json(line) for line in (self.folder / "labels.jsonl").read_text().splitlines()]
        self.present = np.load(self.folder / "present.npy")
        shape = (len(self.labels), len(STANDARD_VIEWS), self.preprocessing.rows, self.preprocessing.columns)
        self.views = np.memmap(self.folder / "views.u8", np.uint8, "r", shape=shape)

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def write(cls, folder: Path, pairs: Iterator[tuple[np.ndarray, np.ndarray, Labels]], preprocessing: Preprocessing):
        """pairs: (views (4, rows, columns) uint8, present (4,) bool, labels), in order."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        present = []
        with open(folder / "views.u8", "wb") as views, open(folder / "labels.jsonl", "w") as labels:
            for pixels, there, label in pairs:
                views.write(pixels.tobytes())
                labels.write(label.to_json() + "\n")
                present.append(there)
        np.save(folder / "present.npy", np.array(present, bool))
        (folder / "arrays.json").write_text(json.dumps({"preprocessing": asdict(preprocessing)}))
        return cls(folder)


def exam_to_arrays(exam: Exam, preprocessing: Preprocessing) -> tuple[np.ndarray, np.ndarray]:
    """-> views (4, rows, columns) uint8 in the order of STANDARD_VIEWS, present (4,) bool."""
    views = np.zeros((len(STANDARD_VIEWS), preprocessing.rows, preprocessing.columns), np.uint8)
    present = np.zeros(len(STANDARD_VIEWS), bool)
    for index, name in enumerate(STANDARD_VIEWS):
        if name not in exam.views:
            continue
        try:
            tensor = preprocessing(exam.views[name]).tensor
        except NoBreast:
            continue
        level = (tensor * preprocessing.std + preprocessing.mean) / preprocessing.ceiling
        views[index], present[index] = np.round(np.clip(level, 0, 1) * 255), True
    return views, present


def augment(views: np.ndarray, rng: random.Random) -> np.ndarray:
    """(4, rows, columns) uint8 -> the same shape float32 in 0..255; what a mammogram allows.

    One affine for both views of a breast up to small differences, intensity curve and noise for the whole exam, a
    small blur. Never a horizontal flip: the chest wall is on the left by the laterality rule.
    """
    rows, columns = views.shape[1:]
    out = np.empty(views.shape, np.float32)
    gamma, gain = np.exp(rng.gauss(0, 0.12)), np.exp(rng.gauss(0, 0.06))
    noise, blur = abs(rng.gauss(0, 2.0)), rng.random() < 0.25
    turn = {side: (rng.gauss(0, 4), np.exp(rng.gauss(0, 0.06)), rng.gauss(0, 0.02) * rows) for side in Laterality}
    for index, name in enumerate(STANDARD_VIEWS):
        angle, scale, shift = turn[name.laterality]
        matrix = cv2.getRotationMatrix2D((0, rows / 2), angle + rng.gauss(0, 1), scale * np.exp(rng.gauss(0, 0.02)))
        matrix[:, 2] += (-abs(rng.gauss(0, 0.012)) * columns, shift)
        moved = cv2.warpAffine(views[index], matrix, (columns, rows), flags=cv2.INTER_LINEAR).astype(np.float32)
        curved = 255 * (moved / 255) ** gamma * gain
        if blur:
            curved = cv2.GaussianBlur(curved, (0, 0), rng.uniform(0.3, 0.8))
        grain = np.random.default_rng(rng.getrandbits(32)).standard_normal(curved.shape, dtype=np.float32)
        out[index] = np.clip(curved + noise * grain * (moved > 0), 0, 255)
    return out


@dataclass(frozen=True)
class Batch:
    """images (exams, 4, 1, rows, columns), present (exams, 4), labels {task: as objective.task_loss takes them},
    the findings that are said (in training with
    some fields left out) and two wordings of them, for each breast in the order right, left of each exam."""

    images: Tensor
    present: Tensor
    labels: dict[str, Tensor]
    findings: list[Findings]
    wordings: tuple[list[str], list[str]]


def make_batch(arrays: ExamArrays, indices: list[int], tasks: tuple[str, ...], rng: random.Random | None) -> Batch:
    """The exams at `indices`; with `rng` they are augmented and a view is sometimes left out."""
    preprocessing, images, findings, wordings = arrays.preprocessing, [], [], ([], [])
    present = torch.from_numpy(arrays.present[indices].copy())
    for row, index in zip(present, indices, strict=True):
        views = np.asarray(arrays.views[index])
        pixels = augment(views, rng) if rng else views.astype(np.float32)
        scaled = pixels / 255 * preprocessing.ceiling
        images.append((scaled - preprocessing.mean) / preprocessing.std)
        if rng and rng.random() < 0.15 and row.sum() > 1:
            row[rng.choice(row.nonzero().flatten().tolist())] = False
        for side in SIDES:
            found = arrays.labels[index].findings[side]
            if rng:
                found = fewer_fields(found, rng, rng.choice(KEPT_FIELDS))
            findings.append(found)
            for wording in wordings:
                wording.append(write_report(found, rng or random.Random(index), side))
    labels = {name: label_tensor(name, [arrays.labels[index] for index in indices]) for name in tasks}
    stacked = torch.from_numpy(np.stack(images)).unsqueeze(2)
    return Batch(stacked, present, labels, findings, wordings)


def label_tensor(name: str, labels: list[Labels]) -> Tensor:
    """(exams,), (exams, 2) for a breast task, or (exams, 2) of years and event for survival; NaN where not known."""
    task, unknown = TASK[name], float("nan")
    if task.kind is Kind.SURVIVAL:
        return torch.tensor([label.risk or (unknown, unknown) for label in labels], dtype=torch.float32)
    if task.level is Level.EXAM:
        return torch.tensor([label.exam.get(name, unknown) for label in labels], dtype=torch.float32)
    rows = [[label.breast.get(side, {}).get(name, unknown) for side in SIDES] for label in labels]
    return torch.tensor(rows, dtype=torch.float32)


@dataclass(frozen=True)
class LossWeights:
    """The weight of each term of the MV-CLIP objective."""

    image_text: float = 1.0
    breast_text: float = 1.0
    image_image: float = 0.5
    text_text: float = 0.25
    labels: float = 3.0


def objective(model: MVMLM, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """The terms of the loss, each already multiplied by its weight."""
    exams = len(batch.images)
    features, inside = model.feature_maps(batch.images.flatten(0, 1))
    pooled = model.image_tower.pool(features, inside)
    fused = model.fusion(pooled.unflatten(0, (exams, len(STANDARD_VIEWS))), batch.present)
    views = model.embed_views(pooled).unflatten(0, (exams, len(STANDARD_VIEWS)))
    breasts = model.embed_breasts(fused).flatten(0, 1)
    first, second = (model.embed_texts(texts) for texts in batch.wordings)
    scale = model.logit_scale.exp().clamp(max=100)

    keys = batch.findings
    seen, texts_seen = [], []
    for exam in range(exams):
        for index, name in enumerate(STANDARD_VIEWS):
            if batch.present[exam, index]:
                seen.append((exam, index))
                texts_seen.append(exam * len(SIDES) + SIDES.index(name.laterality))
    exam_of, view_of = torch.tensor(seen).T
    flat = views[exam_of, view_of]
    view_keys = [keys[index] for index in texts_seen]
    terms = {}
    terms["image_text"] = sum(contrastive(flat, text, scale, equal(view_keys, keys)) for text in (first, second)) / 2
    has_view = torch.stack([batch.present[:, [0, 2]].any(1), batch.present[:, [1, 3]].any(1)], 1).flatten()
    kept = has_view.nonzero().flatten().tolist()
    breast_keys = [keys[index] for index in kept]
    terms["breast_text"] = (
        sum(contrastive(breasts[kept], text, scale, equal(breast_keys, keys)) for text in (first, second)) / 2
    )
    cc = [index for index, name in enumerate(STANDARD_VIEWS) if name.projection is Projection.CC]
    mlo = [index for index, name in enumerate(STANDARD_VIEWS) if name.projection is Projection.MLO]
    both = (batch.present[:, cc] & batch.present[:, mlo]).flatten()
    own = torch.eye(int(both.sum()), dtype=torch.bool)
    terms["image_image"] = contrastive(views[:, cc].flatten(0, 1)[both], views[:, mlo].flatten(0, 1)[both], scale, own)
    terms["text_text"] = contrastive(first, second, scale, equal(keys, keys))
    answers = model.answer(fused)
    for name, logits in answers.items():
        labels = batch.labels[name]
        if TASK[name].level is Level.BREAST:
            logits, labels = logits.flatten(0, 1)[kept], labels.flatten()[kept]
        terms[f"label {name}"] = task_loss(TASK[name], logits, labels) / len(answers) * 3
    share = asdict(weights)
    return {name: value * share[name if name in share else "labels"] for name, value in terms.items()}


@dataclass(frozen=True)
class Schedule:
    """How long and how fast. Learning rates are the peak after warm-up; the towers start from other weights."""

    epochs: int = 4
    exams_per_batch: int = 16
    image_lr: float = 8e-4
    other_lr: float = 1.5e-3
    weight_decay: float = 0.02
    warmup_steps: int = 60
    ema: float = 0.99
    frozen_stages: int = 2
    minutes: float | None = None


def pretrain(
    record: WeightsRecord,
    start: Callable[[MVMLM], None],
    train: ExamArrays,
    folder: Path,
    schedule: Schedule,
    weights: LossWeights,
    seed: int,
    log: Callable[[str], None] = print,
) -> MVMLM:
    """Trains and gives the moving average of the weights; resumes from `folder`/checkpoint.pt where there is one.

    start: puts initial weights (ImageNet, say) into a new model. The checkpoint is written atomically every CHECKPOINT_STEPS.
    """
    torch.manual_seed(seed)
    model = MVMLM(record).to(memory_format=torch.channels_last)
    start(model)
    average = MVMLM(record)
    average.load_state_dict(model.state_dict())
    frozen = _freeze(model, schedule.frozen_stages)
    groups = [
        {"params": [p for p in model.image_tower.trunk.parameters() if p.requires_grad], "peak": schedule.image_lr},
        {"params": [p for n, p in model.named_parameters() if not n.startswith("image_tower.trunk")], "peak": schedule.other_lr},
    ]  # fmt: skip
    optimiser = torch.optim.AdamW(groups, lr=schedule.other_lr, weight_decay=schedule.weight_decay)
    steps_an_epoch = len(train) // schedule.exams_per_batch
    total, step = schedule.epochs * steps_an_epoch, 0
    path = Path(folder) / "checkpoint.pt"
    if path.exists():
        saved = torch.load(path, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        step = saved["step"]
        log(f"resumed at step {step} of {total}")
    began = time.monotonic()
    while step < total:
        epoch, within = divmod(step, steps_an_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(train))
        indices = order[within * schedule.exams_per_batch : (within + 1) * schedule.exams_per_batch].tolist()
        model.train()
        for module in frozen:
            module.eval()
        torch.manual_seed(seed * 1_000_003 + step)  # dropout, so that a resumed run is the same run
        batch = make_batch(train, indices, record.tasks, random.Random(f"{seed}-{step}"))
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * _rate(step, total, schedule.warmup_steps)
        terms = objective(model, batch, weights)
        loss = sum(terms.values())
        if not torch.isfinite(loss):
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}; {path} holds the last good state")
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        step += 1
        _average(average, model, min(schedule.ema, step / (step + 20)))
        if step % 10 == 0:
            rate = 10 * schedule.exams_per_batch / max(time.monotonic() - began, 1e-9) if step > 10 else 0
            parts = ", ".join(f"{name} {value.item():.3f}" for name, value in terms.items())
            log(f"step {step}/{total}: loss {loss.item():.3f} ({parts}); {rate:.1f} exams/s")
            if schedule.minutes is not None:
                spent = _spent(folder, time.monotonic() - began)
                if spent > 60 * schedule.minutes:
                    log(f"stopped after {schedule.minutes} minutes")
                    break
            began = time.monotonic()
        if step % CHECKPOINT_STEPS == 0 or step == total:
            state = {"model": model.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
            torch.save({**state, "step": step}, path.with_suffix(".part"))
            os.replace(path.with_suffix(".part"), path)
    return average.eval()


def _spent(folder: Path, seconds: float) -> float:
    """Adds to the seconds spent training in this folder over all resumed runs."""
    path = Path(folder) / "seconds.txt"
    spent = float(path.read_text()) + seconds if path.exists() else seconds
    path.write_text(str(spent))
    return spent


def _rate(step: int, total: int, warmup: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def _freeze(model: MVMLM, stages: int) -> list[torch.nn.Module]:
    """Holds the stem and the first stages of the image trunk: the finest, slowest part, which ImageNet taught well."""
    trunk = model.image_tower.trunk
    frozen = [] if stages == 0 else [trunk.conv_stem, trunk.bn1, *list(trunk.blocks)[:stages]]
    for module in frozen:
        module.requires_grad_(False)
    return frozen


@torch.no_grad()
def _average(average: MVMLM, model: MVMLM, keep: float) -> None:
    ours = model.state_dict()
    for name, value in average.state_dict().items():
        if value.dtype.is_floating_point:
            value.lerp_(ours[name], 1 - keep)
        else:
            value.copy_(ours[name])
