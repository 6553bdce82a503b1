"""Labelled cases -> a new head version, and its comparison with the head that answers now.

The penalty is chosen by cross-validation over patients; the test cases are used for the comparison only. The same cases
and seed give the same head.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from torch import nn

from ..evaluation.calibration import calibration_curve
from ..evaluation.compare import Comparison, compare_heads
from ..evaluation.operating_points import threshold_at
from ..imaging.decoder import Decoder
from ..inference.model_predictor import ModelPredictor
from ..model.exam_network import ExamNetwork
from ..model.heads import TaskHead, probabilities
from ..store.records import ProgressCallback, StoredHead, part_of_progress
from ..store.store import Store
from ..tasks import Kind
from .cases import collect_cases, collect_stage_inputs
from .config import FinetuneConfig
from .crossvalidation import CrossValidation, assign_folds, choose_penalty, cross_validate_stage
from .fit import HeadFitter, calibrate_head
from .head import FinetunedHead, write_head
from .labelled_embeddings import LabelledEmbeddings, require_enough_cases

CaseProbabilities = Callable[[LabelledEmbeddings], np.ndarray]  # n cases -> (n, classes)


@dataclass
class LearningCurve:
    """The plotted curves of a run: the cross-validated metric of each penalty, and the loss of each step."""

    penalties: list[float] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def add_trial(self, trial: CrossValidation) -> None:
        """Add the result of one penalty."""
        self.penalties.append(trial.penalty)
        self.scores.append(trial.score)

    def to_json(self) -> dict:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class FinetuneResult:
    """A new head and its record: configuration, learning curve, cases and comparison, as plain JSON values."""

    head: FinetunedHead
    record: dict


def finetune_head(
    cases: LabelledEmbeddings,
    current: CaseProbabilities | None,
    config: FinetuneConfig,
    report_progress: ProgressCallback,
    on_curve: Callable[[LearningCurve], None] = lambda curve: None,
    model: ExamNetwork | None = None,
) -> FinetuneResult:
    """Choose the penalty, fit and calibrate a head on the training cases, and compare it on the test cases.

    current: gives the probabilities of the head that answers now; None where no head answers the task. on_curve: called
    whenever the learning curve grows. model: the whole model, whose own head a linear one starts from; needed for the
    depth "stage". A stop request keeps the best penalty so far. Raises NotEnoughCases and Stopped.
    """
    train, test = cases.split()
    require_enough_cases(train)
    curve, with_stage = LearningCurve(), config.depth == "stage"

    def on_trial(trial: CrossValidation) -> None:
        curve.add_trial(trial)
        on_curve(curve)

    def on_loss(loss: float) -> None:
        curve.losses.append(round(loss, 5))
        if with_stage:  # its steps take seconds; those of other depths are shown together
            on_curve(curve)

    fitter = HeadFitter(config.depth, config.seed, model)
    folds = assign_folds(train, config.seed)
    without_stage = replace(fitter, depth="linear") if with_stage else fitter
    validated = choose_penalty(train, folds, without_stage, report_progress, on_trial)
    if with_stage:
        validated = cross_validate_stage(train, folds, fitter, validated.penalty, report_progress)
    report_progress(0.85, f"fitting with penalty {validated.penalty:g}")
    head = fitter.fit(train, validated.penalty, on_loss)
    on_curve(curve)
    calibrate_head(head, validated.logits, torch.from_numpy(train.labels))
    report_progress(0.9, "comparing on the test cases")
    record = {
        "config": config.to_json(),
        "penalty": validated.penalty,
        "curve": curve.to_json(),
        "train_cases": len(train),
        "train_patients": len(set(train.patients.tolist())),
        "cross_validated": validated.score or 0.0,
        "comparison": _compare(head, current, train, test, validated, config, model),
        "prevalence": float(train.labels.mean()) if train.task.kind is Kind.BINARY else None,
        "snapshot": {"train": train.fingerprints(), "test": test.fingerprints()},
    }
    return FinetuneResult(head, record)


def _compare(
    head: FinetunedHead,
    current: CaseProbabilities | None,
    train: LabelledEmbeddings,
    test: LabelledEmbeddings,
    validated: CrossValidation,
    config: FinetuneConfig,
    model: ExamNetwork | None,
) -> Comparison:
    """The comparison on the test cases, at an operating point from the calibrated held-out training cases."""
    task, binary = train.task, train.task.kind is Kind.BINARY
    before = probabilities(task, validated.logits).numpy()
    after = probabilities(task, validated.logits * head.scale + head.shift).numpy()
    comparison = compare_heads(
        task,
        test.labels,
        candidate=probabilities(task, head.case_logits(test, model)).numpy(),
        current=current(test) if current is not None else None,
        patients=test.patients,
        facts=test.facts,
        threshold=threshold_at(train.labels, after[:, 0], config.specificity) if binary else None,
        seed=config.seed,
    )
    if binary:
        comparison["calibration"] = {
            "before": calibration_curve(train.labels, before[:, 0]),
            "after": calibration_curve(train.labels, after[:, 0]),
        }
    return comparison


def finetune_from_store(
    store: Store,
    predictor: ModelPredictor,
    decoder: Decoder,
    config: FinetuneConfig,
    who: str,
    report_progress: ProgressCallback,
    on_curve: Callable[[LearningCurve], None] = lambda curve: None,
) -> StoredHead:
    """Collect the labelled cases of a store, fine-tune a head and store it, not active.

    predictor: answers with the heads that are active now. Raises NotEnoughCases, Stopped and StoreError, and ValueError
    for an unknown task.
    """
    encoded, opened = (0.3, 0.4) if config.depth == "stage" else (0.8, 0.8)  # shares of the whole, where it takes long
    cases, problems = collect_cases(store, predictor, decoder, config, part_of_progress(report_progress, 0.0, encoded))
    model, active = _on_cpu(predictor.model), predictor.heads.get(config.task)
    if config.depth == "stage" or predictor.stage(config.task) is not None:
        require_enough_cases(cases.split()[0])
        inputs_progress = part_of_progress(report_progress, encoded, opened)
        stage_inputs = collect_stage_inputs(store, predictor, decoder, cases, inputs_progress)
        cases = replace(cases, stage_inputs=stage_inputs)
    current = _case_probabilities(_on_cpu(active), model) if active is not None else None
    result = finetune_head(cases, current, config, part_of_progress(report_progress, opened, 1.0), on_curve, model)
    weights_name = f"{predictor.record.name} {predictor.record.version}"
    record = result.record | {
        "compared_with": predictor.finetuned.get(config.task, weights_name),
        "not_used": problems,
    }
    # left out otherwise, because earlier versions refuse a head file with an entry that they do not know
    if set(cases.exams) <= store.exams.phantoms():
        record["learned_on_phantoms"] = True
    name = config.name or _free_name(store, config.task)
    tensors = write_head(result.head, predictor.weights, name, record)
    return store.heads.get(store.heads.add(config.task, name, predictor.weights, record, tensors, who))


def _case_probabilities(head: TaskHead, model: ExamNetwork) -> CaseProbabilities:
    def of_cases(cases: LabelledEmbeddings) -> np.ndarray:
        with torch.inference_mode():
            if isinstance(head, FinetunedHead):
                logits = head.case_logits(cases, model)
            else:
                logits = head(torch.from_numpy(cases.features))
            return probabilities(head.task, logits).numpy()

    return of_cases


def _free_name(store: Store, task: str) -> str:
    """The task and the first number, counted from the number of heads, that is not in use."""
    heads = store.heads.summaries()
    names, number = {head.name for head in heads}, len(heads) + 1
    while f"{task} {number}" in names:
        number += 1
    return f"{task} {number}"


ModuleT = TypeVar("ModuleT", bound=nn.Module)


def _on_cpu(module: ModuleT) -> ModuleT:
    """The module on the CPU, where heads are fitted; a copy if it is on another device, where it keeps answering."""
    first = next(module.parameters(), None)
    return module if first is None or first.device.type == "cpu" else deepcopy(module).cpu()
