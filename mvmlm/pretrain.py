"""Arrays of exams and their findings -> weights: the training loop, with checkpoints that resume."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from .arrays import ExamArrays, Labels, augment
from .exam import STANDARD_VIEWS, Projection
from .model import MVMLM, SIDES, Fused, Preset, WeightsRecord
from .objective import contrastive, equal, task_loss
from .report import Findings, fewer_fields, write_report
from .tasks import TASK, TASKS, Kind, Level

CHECKPOINT_STEPS = 50
KEPT_FIELDS = (0.25, 0.6, 0.9)  # shares of the fields that a wording in training keeps: short texts are learned too


@dataclass(frozen=True)
class Batch:
    """images (exams, 4, 1, rows, columns), present (exams, 4), labels {task: as objective.task_loss takes them}, the findings
    that are said (in training with some fields left out) and two wordings of them, for each breast in the order right,
    left of each exam."""

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
        views = arrays.views(index)
        pixels = augment(views, rng) if rng else views.astype(np.float32)
        scaled = pixels / 255 * preprocessing.ceiling
        images.append((scaled - preprocessing.mean) / preprocessing.std)
        if rng and rng.random() < 0.15 and row.sum() > 1:
            row[rng.choice(row.nonzero().flatten().tolist())] = False
        for side in SIDES:
            found = arrays.labels[index].findings.get(side, Findings())
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
    scale = model.logit_scale.exp().clamp(max=100)

    keys = batch.findings
    spoken = [index for index, findings in enumerate(keys) if findings != Findings()]  # the others say nothing
    text_keys = [keys[index] for index in spoken]
    first, second = (model.embed_texts([texts[index] for index in spoken]) for texts in batch.wordings)
    seen, breast_of = [], []
    for exam in range(exams):
        for index, name in enumerate(STANDARD_VIEWS):
            breast = exam * len(SIDES) + SIDES.index(name.laterality)
            if batch.present[exam, index] and keys[breast] != Findings():
                seen.append((exam, index))
                breast_of.append(breast)
    terms = {}
    has_view = torch.stack([batch.present[:, [0, 2]].any(1), batch.present[:, [1, 3]].any(1)], 1).flatten()
    kept = has_view.nonzero().flatten().tolist()
    told = [index for index in kept if keys[index] != Findings()]
    if seen:
        flat = torch.stack([views[exam, index] for exam, index in seen])
        same = equal([keys[index] for index in breast_of], text_keys)
        terms["image_text"] = sum(_image_text(flat, text, scale, same) for text in (first, second)) / 2
        same = equal([keys[index] for index in told], text_keys)
        terms["breast_text"] = sum(_image_text(breasts[told], text, scale, same) for text in (first, second)) / 2
        terms["text_text"] = contrastive(first, second, scale, equal(text_keys, text_keys))
    cc = [index for index, name in enumerate(STANDARD_VIEWS) if name.projection is Projection.CC]
    mlo = [index for index, name in enumerate(STANDARD_VIEWS) if name.projection is Projection.MLO]
    both = (batch.present[:, cc] & batch.present[:, mlo]).flatten()
    own = torch.eye(int(both.sum()), dtype=torch.bool)
    if both.any():
        pairs = (views[:, cc].flatten(0, 1)[both], views[:, mlo].flatten(0, 1)[both])
        terms["image_image"] = contrastive(*pairs, scale, own)
    answers = model.answer(fused)
    for name, logits in answers.items():
        labels = batch.labels[name]
        if TASK[name].level is Level.BREAST:
            logits, labels = logits.flatten(0, 1)[kept], labels.flatten()[kept]
        terms[f"label {name}"] = task_loss(TASK[name], logits, labels) / len(answers) * 3
    share = asdict(weights)
    return {name: value * share[name if name in share else "labels"] for name, value in terms.items()}


def _image_text(images: Tensor, texts: Tensor, scale: Tensor, same: Tensor) -> Tensor:
    """Contrastive over the texts of which an image is there; the others have no positive."""
    with_image = same.any(0)
    return contrastive(images, texts[with_image], scale, same[:, with_image])


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


# ------------------------------------------------------------------ what travels with new weights


def new_record(name: str, version: str, preset: Preset, train: ExamArrays, training: dict) -> WeightsRecord:
    """The record for weights that are to learn from `train`; its arrays then use the record's mean and std.

    Only tasks of which at least one label is known are trained; the others are shown as "not trained".
    """
    chosen = range(0, len(train), max(1, len(train) // 100))
    sample = np.stack([train.views(index) for index in chosen]).astype(np.float32) / 255 * train.preprocessing.ceiling
    train.preprocessing = replace(train.preprocessing, mean=round(float(sample.mean()), 4), std=round(float(sample.std()), 4))
    labels = {task.name: label_tensor(task.name, train.labels) for task in TASKS}
    known = {name: values for name, values in labels.items() if not torch.isnan(values).all()}
    prevalence = {name: float(values.nanmean()) for name, values in known.items() if TASK[name].kind is Kind.BINARY}
    training = training | {"prevalence": {name: round(share, 4) for name, share in prevalence.items()}}
    return WeightsRecord(name, version, preset, train.preprocessing, tuple(known), vocabulary(train), training)


def vocabulary(train: ExamArrays) -> tuple[int, ...]:
    """The BPE tokens of many wordings of the training reports and of every task's prompts."""
    bpe, rng, known = SimpleTokenizer(), random.Random(0), set()
    for label in train.labels:
        for side, findings in label.findings.items():
            for _ in range(4):
                known.update(bpe.encode(write_report(fewer_fields(findings, rng), rng, side)))
    for task in TASKS:
        for prompts in task.prompts.values():
            known.update(token for prompt in prompts for token in bpe.encode(prompt))
    return tuple(sorted(known))


@torch.inference_mode()
def reference_embeddings(model: MVMLM, arrays: ExamArrays, n: int = 384) -> Tensor:
    """(n, width) exam embeddings of training exams, for the distance to what the weights have seen."""
    chosen = np.linspace(0, len(arrays) - 1, min(n, len(arrays))).round().astype(int).tolist()
    return torch.cat([fused_of(model, arrays, chosen[i : i + 16])[0].exam for i in range(0, len(chosen), 16)])


def fused_of(model: MVMLM, arrays: ExamArrays, indices: list[int]) -> tuple[Fused, Batch]:
    """The exams at `indices`, not augmented, through towers and fusion."""
    batch = make_batch(arrays, indices, model.record.tasks, None)
    pooled = model.image_tower.pool(*model.feature_maps(batch.images.flatten(0, 1)))
    return model.fusion(pooled.unflatten(0, (len(indices), len(STANDARD_VIEWS))), batch.present), batch


def refit_survival(model: MVMLM, arrays: ExamArrays, name: str = "risk", n: int = 640, steps: int = 600) -> None:
    """Fits a survival head again on the frozen embeddings of `n` exams: the joint training leaves it badly scaled.

    Full batch, weight decay, from zero; deterministic. Changes the head in place.
    """
    chosen = np.linspace(0, len(arrays) - 1, min(n, len(arrays))).round().astype(int).tolist()
    with torch.inference_mode():
        embeddings = torch.cat([fused_of(model, arrays, chosen[i : i + 16])[0].exam for i in range(0, len(chosen), 16)])
    embeddings, labels = embeddings.clone(), label_tensor(name, [arrays.labels[index] for index in chosen])
    head = model.heads[name].requires_grad_(True)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.fill_(-3.0)
    weight, bias = {"params": [head.linear.weight], "weight_decay": 30.0}, {"params": [head.linear.bias], "weight_decay": 0.0}
    optimiser = torch.optim.AdamW([weight, bias], lr=0.01)  # the decay: best C-index of 0.3 to 30 in 4-fold cross-validation
    for _ in range(steps):
        optimiser.zero_grad()
        task_loss(TASK[name], head(embeddings), labels).backward()
        optimiser.step()
