"""Labelled cases -> a new head version, and the answer to "is it better?".

Exams are encoded once; a head learns from their embeddings in seconds. The test part (by patient, kept for good in the store) is
looked at only to compare. The penalty is chosen by cross-validation over patients; the same data and seed give the same head.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from ..evaluation.calibration import calibration_curve
from ..evaluation.compare import compare_heads, main_metric
from ..evaluation.metrics import threshold_at
from ..imaging.decoder import Decoder
from ..inference.mvmlm_predictor import MVMLMPredictor
from ..model.last_stage import LastStage
from ..model.network import MVMLM, Head, probabilities
from ..model.objective import task_loss
from ..store.records import StoredHead
from ..store.store import Store
from ..tasks import Kind, Task
from .config import FinetuneConfig, ProgressCallback, Stopped
from .head import FinetunedHead, write_head
from .labelled_embeddings import (
    FOLDS,
    LabelledEmbeddings,
    batches_of,
    collect,
    collect_stage_inputs,
    embed_with_stage,
    require_enough_cases,
    snapshot,
)

PENALTIES = (1e-2, 0.1, 1.0, 10.0, 100.0)  # on the squared change of the weights, per case
STAGE_ROUNDS, STAGE_BATCH, STAGE_FOLDS, STAGE_LR = 6, 16, 2, 3e-4


def fit(
    cases: LabelledEmbeddings,
    depth: str,
    penalty: float,
    seed: int,
    on_loss: Callable[[float], None] = lambda loss: None,
    start: Head | None = None,
) -> FinetunedHead:
    """A head on all of `cases`: full batch, both classes of a binary task weigh the same, an ordered scale is kept in order.

    start: a head of the same task that a linear one starts from and is held near to (L2-SP, Li et al., 2018), so that few cases
    change it little; without one it is held near to zero.
    """
    torch.manual_seed(seed)
    head = FinetunedHead(cases.task, cases.features.shape[1], depth)
    features, labels = torch.from_numpy(cases.features), torch.from_numpy(cases.labels)
    head.mean.copy_(features.mean(0))
    head.spread.copy_(features.std(0, correction=0).clamp(min=1e-3))
    weights = [p for name, p in head.named_parameters() if name.endswith("weight")]
    with torch.no_grad():
        head.head.linear.bias.fill_(-3.0 if cases.task.kind is Kind.SURVIVAL else 0.0)
        if depth == "linear":
            head.head.linear.weight.zero_()
    if depth == "linear" and start is not None:
        with torch.no_grad():  # the same answers on standardised features
            head.head.linear.weight.copy_(start.linear.weight * head.spread)
            head.head.linear.bias.copy_(start.linear.bias + start.linear.weight @ head.mean)
    held = [weight.detach().clone() if depth == "linear" else torch.zeros_like(weight) for weight in weights]
    positive_weight = _positive_weight(cases)

    def loss() -> Tensor:
        value = _loss(cases.task, head(features), labels, positive_weight)
        return value + penalty / features.shape[1] * sum(
            ((weight - near) ** 2).sum() for weight, near in zip(weights, held)
        )

    if depth == "linear":
        optimiser = torch.optim.LBFGS(head.parameters(), max_iter=60, line_search_fn="strong_wolfe")

        def closure():
            optimiser.zero_grad()
            value = loss()
            value.backward()
            on_loss(float(value.detach()))
            return value

        optimiser.step(closure)
    else:
        optimiser = torch.optim.Adam(head.parameters(), lr=0.01)
        for _ in range(150):
            optimiser.zero_grad()
            value = loss()
            value.backward()
            optimiser.step()
            on_loss(float(value.detach()))
    return head.eval().requires_grad_(False)


def fit_with_stage(
    cases: LabelledEmbeddings,
    penalty: float,
    seed: int,
    model: MVMLM,
    on_loss: Callable[[float], None] = lambda loss: None,
) -> FinetunedHead:
    """A linear head, then it and a copy of the last image stage together, over a few rounds of small steps."""
    head = fit(cases, "linear", penalty, seed, start=bundled_head(model, cases.task))
    near = head.head.linear.weight.detach().clone()
    head.depth, head.stage = "stage", LastStage(model)
    head.requires_grad_(True)
    labels, rng = torch.from_numpy(cases.labels), np.random.default_rng(seed)
    steps = STAGE_ROUNDS * len(batches_of(cases, STAGE_BATCH))
    groups = [
        {"params": list(head.stage.parameters()), "lr": STAGE_LR},
        {"params": list(head.head.parameters()), "lr": 5 * STAGE_LR},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.02)
    cooling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    positive_weight = _positive_weight(cases)
    for _ in range(STAGE_ROUNDS):
        for rows in batches_of(cases, STAGE_BATCH, rng):
            optimiser.zero_grad()
            loss = _loss(
                cases.task, head(embed_with_stage(cases, rows, head.stage, model)), labels[rows], positive_weight
            )
            loss = loss + penalty / cases.features.shape[1] * ((head.head.linear.weight - near) ** 2).sum()
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimiser.step()
            cooling.step()
            on_loss(float(loss.detach()))
    return head.eval().requires_grad_(False)


def bundled_head(model: MVMLM | None, task: Task) -> Head | None:
    """The weights' own head for a task; None where they have none."""
    return model.heads[task.name] if model is not None and task.name in model.heads else None


def _positive_weight(cases: LabelledEmbeddings) -> float:
    if cases.task.kind is not Kind.BINARY:
        return 1.0
    positives = float(cases.labels.sum())
    return (len(cases.labels) - positives) / max(positives, 1.0)


def _loss(task: Task, logits: Tensor, labels: Tensor, positive_weight: float) -> Tensor:
    """The task's loss; an ordered scale also pays for the distance between what is expected and what is true."""
    value = task_loss(task, logits, labels, positive_weight)
    if task.kind is Kind.MULTICLASS and task.ordered:
        scale = torch.arange(logits.shape[1], dtype=logits.dtype)
        value = value + 0.5 * ((torch.softmax(logits, -1) @ scale - labels) ** 2).mean()
    return value


def folds_of(cases: LabelledEmbeddings, seed: int) -> np.ndarray:
    """(n,) the fold of each case: whole patients, those with the rarer labels spread evenly."""
    rng = np.random.default_rng(seed)
    label = cases.labels[:, 1] if cases.labels.ndim == 2 else cases.labels
    patients = np.unique(cases.patients)
    rank = {p: label[cases.patients == p].max() for p in patients}
    ordered = sorted(rng.permutation(patients).tolist(), key=lambda p: -rank[p])
    fold = {p: index % FOLDS for index, p in enumerate(ordered)}
    return np.array([fold[p] for p in cases.patients])


def calibrate(head: FinetunedHead, logits: Tensor, labels: Tensor) -> None:
    """Scale and shift (binary: Platt, 1999) or temperature (else) of a head's logits, from cases that did not teach it."""
    raw = torch.zeros(2, requires_grad=True)
    binary = head.task.kind is Kind.BINARY
    optimiser = torch.optim.LBFGS([raw], max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = task_loss(head.task, logits * raw[0].exp() + (raw[1] if binary else 0), labels) + 1e-3 * (raw**2).sum()
        value.backward()
        return value

    optimiser.step(closure)
    head.scale.copy_(raw[0].detach().exp().clamp(0.01, 20))
    head.shift.copy_(raw[1].detach() if binary else torch.zeros(()))


@dataclass(frozen=True)
class FinetuneResult:
    """A new head and everything that is known of it; `record` is plain JSON values."""

    head: FinetunedHead
    record: dict


def teach(
    cases: LabelledEmbeddings,
    old: Callable[[LabelledEmbeddings], np.ndarray] | None,
    config: FinetuneConfig,
    tell: ProgressCallback,
    curve: Callable[[dict], None] = lambda c: None,
    model: MVMLM | None = None,
) -> FinetuneResult:
    """Chooses the penalty, fits, calibrates, and compares with `old` (cases -> probabilities) on the test part.

    curve: told {"penalties", "scores", "losses"} as they come. model: the whole model, whose own head a linear one starts from; the depth
    "stage" takes the linear head's penalty and is calibrated on cases that neither stage nor head learned from. A stop keeps the best so far.
    Raises NotEnough, Stopped.
    """
    train, test = cases.subset(~cases.test), cases.subset(cases.test)
    require_enough_cases(train)
    deep, shallow, start = (
        config.depth == "stage",
        "mlp" if config.depth == "mlp" else "linear",
        bundled_head(model, train.task),
    )
    fold, tried, shown = folds_of(train, config.seed), [], {"penalties": [], "scores": [], "losses": []}
    for index, penalty in enumerate(PENALTIES):
        if tell(0.8 * index / len(PENALTIES), f"cross-validation {index + 1} of {len(PENALTIES)}: penalty {penalty:g}"):
            break
        logits = torch.zeros(len(train.labels), len(train.task.classes))
        for number in range(FOLDS):
            own = fold == number
            if own.any():
                logits[own] = fit(train.subset(~own), shallow, penalty, config.seed, start=start)(
                    torch.from_numpy(train.features[own])
                ).detach()
        shares = probabilities(train.task, logits).numpy()
        loss = float(task_loss(train.task, logits, torch.from_numpy(train.labels)))
        score = main_metric(train.task, train.labels, shares)
        tried.append((-score if np.isfinite(score) else 0.0, loss, penalty, logits))
        shown["penalties"].append(penalty)
        shown["scores"].append(None if np.isnan(score) else score)
        curve(shown)
    if not tried:
        raise Stopped
    _, _, penalty, held_out = min(tried, key=lambda one: one[:3])
    cross_validated = -min(tried, key=lambda one: one[:3])[0]

    def on_loss(loss):
        shown["losses"].append(round(loss, 5))
        if deep:
            curve(shown)

    if deep:
        held_out = torch.zeros_like(held_out)
        for number in range(STAGE_FOLDS):
            own = fold % STAGE_FOLDS == number
            if tell(0.2 + 0.5 * number / STAGE_FOLDS, f"last image stage, without fold {number + 1} of {STAGE_FOLDS}"):
                raise Stopped
            held_out[own] = fit_with_stage(train.subset(~own), penalty, config.seed, model).logits_of(
                train.subset(own), model
            )
        cross_validated = main_metric(train.task, train.labels, probabilities(train.task, held_out).numpy())
    tell(0.85, f"fitting with penalty {penalty:g}")
    head = (
        fit_with_stage(train, penalty, config.seed, model, on_loss)
        if deep
        else fit(train, shallow, penalty, config.seed, on_loss, start)
    )
    curve(shown)
    raw = probabilities(train.task, held_out).numpy()
    calibrate(head, held_out, torch.from_numpy(train.labels))
    tuned = probabilities(train.task, held_out * head.scale + head.shift).numpy()
    threshold = threshold_at(train.labels, tuned[:, 0], config.specificity) if train.task.kind is Kind.BINARY else None
    tell(0.9, "comparing on the test cases")
    new = (
        probabilities(train.task, head.logits_of(test, model)).numpy()
        if len(test.labels)
        else np.zeros((0, len(train.task.classes)), np.float32)
    )
    before = old(test) if old is not None and len(test.labels) else None
    comparison = compare_heads(train.task, test.labels, new, before, test.patients, test.facts, threshold, config.seed)
    if train.task.kind is Kind.BINARY:
        comparison["calibration"] = {
            "before": calibration_curve(train.labels, raw[:, 0]),
            "after": calibration_curve(train.labels, tuned[:, 0]),
        }
    record = {
        "config": config.to_json(), "penalty": penalty, "curve": shown,
        "train_cases": len(train.labels), "train_patients": len(set(train.patients.tolist())),
        "cross_validated": cross_validated, "comparison": comparison, "prevalence": _prevalence(train),
        "snapshot": {part: snapshot(own) for part, own in (("train", train), ("test", test))},
    }  # fmt: skip
    return FinetuneResult(head, record)


def _prevalence(train: LabelledEmbeddings) -> float | None:
    return float(train.labels.mean()) if train.task.kind is Kind.BINARY else None


def finetune_from_store(
    store: Store,
    predictor: MVMLMPredictor,
    decoder: Decoder,
    config: FinetuneConfig,
    who: str,
    tell: ProgressCallback,
    curve=lambda c: None,
) -> StoredHead:
    """The whole lesson: collect, teach, keep the new head (not yet active). Raises NotEnough, Stopped, StoreError."""
    cases, problems = collect(store, predictor, decoder, config, tell)
    model, active = _on_cpu(predictor.model), _on_cpu(predictor.heads.get(config.task))
    if config.depth == "stage" or predictor.stage(config.task) is not None:
        require_enough_cases(cases.subset(~cases.test))
        cases = replace(cases, stage_inputs=collect_stage_inputs(store, predictor, decoder, cases, tell))

    def old(test: LabelledEmbeddings) -> np.ndarray:
        with torch.inference_mode():
            logits = (
                active.logits_of(test, model)
                if isinstance(active, FinetunedHead)
                else active(torch.from_numpy(test.features))
            )
            return probabilities(active.task, logits).numpy()

    taught = teach(cases, old if active is not None else None, config, tell, curve, model)
    compared_with = predictor.finetuned.get(config.task, f"{predictor.record.name} {predictor.record.version}")
    record = taught.record | {"compared_with": compared_with, "not_used": problems}
    number = len(store.heads.all()) + 1
    name = config.name or f"{config.task} {number}"
    kept = store.heads.add(
        config.task, name, predictor.weights, record, write_head(taught.head, predictor.weights, name, record), who
    )
    return next(head for head in store.heads.all() if head.id == kept)


def _on_cpu(module: nn.Module | None) -> nn.Module | None:
    """Where heads are taught; a copy, so that what answers meanwhile stays on its device."""
    first = next(module.parameters(), None) if module is not None else None
    return module if first is None or first.device.type == "cpu" else deepcopy(module).cpu()
