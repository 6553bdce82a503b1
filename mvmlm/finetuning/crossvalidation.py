"""Cross-validation over patients: the penalty, and held-out logits for calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..evaluation.bootstrap import resampled_rows
from ..evaluation.estimates import none_if_nan
from ..evaluation.task_metrics import main_metric
from ..model.heads import probabilities
from ..model.objective import task_loss
from ..store.records import ProgressCallback
from .config import Stopped
from .fit import HeadFitter, bundled_head
from .labelled_embeddings import FOLDS, LabelledEmbeddings

#: on the squared change of the weights, divided by the embedding's width; the last leaves a bundled head as it is
PENALTIES = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4, 1e5)
STAGE_FOLDS = 2
RESAMPLES, SEED = 200, 1  # of patients, for the standard error of a gain


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Held-out predictions of the training cases with one penalty.

    logits: (n, classes), each case's from a head fitted without its patient's fold. score: their main metric; None
    where it is undefined. loss: their mean task loss.
    """

    penalty: float
    logits: Tensor
    score: float | None
    loss: float


def assign_folds(cases: LabelledEmbeddings, seed: int) -> np.ndarray:
    """Return the fold (n,) of each case: whole patients, those with the higher labels spread evenly."""
    rng = np.random.default_rng(seed)
    label = cases.labels[:, 1] if cases.labels.ndim == 2 else cases.labels
    patients = np.unique(cases.patients)
    highest = {patient: label[cases.patients == patient].max() for patient in patients}
    ordered = sorted(rng.permutation(patients).tolist(), key=lambda patient: -highest[patient])
    fold = {patient: index % FOLDS for index, patient in enumerate(ordered)}
    return np.array([fold[patient] for patient in cases.patients])


def cross_validate(
    cases: LabelledEmbeddings,
    folds: np.ndarray,
    fitter: HeadFitter,
    penalty: float,
    before_fold: Callable[[int], None] = lambda fold: None,
) -> CrossValidation:
    """Return the held-out predictions of all cases. folds: (n,) fold numbers. before_fold: called with each number."""
    logits = torch.zeros(len(cases), len(cases.task.classes))
    for fold in np.unique(folds).tolist():
        before_fold(fold)
        held_out = folds == fold
        head = fitter.fit(cases.subset(~held_out), penalty)
        logits[held_out] = head.case_logits(cases.subset(held_out), fitter.model)
    score = main_metric(cases.task, cases.labels, probabilities(cases.task, logits).numpy())
    loss = float(task_loss(cases.task, logits, torch.from_numpy(cases.labels)))
    return CrossValidation(penalty, logits, none_if_nan(score), loss)


def choose_penalty(
    cases: LabelledEmbeddings,
    folds: np.ndarray,
    fitter: HeadFitter,
    report_progress: ProgressCallback,
    on_trial: Callable[[CrossValidation], None],
) -> CrossValidation:
    """Try all PENALTIES and return the best: the highest score, then the lowest loss, then the lowest penalty.

    Where the heads start from a bundled one, it is the highest penalty whose score is not clearly lower than that, by
    the rule of one standard error (Breiman et al., "Classification and Regression Trees", 1984): the bundled head stays
    as it is unless the labels show that another is better. on_trial: called with each result. A stop request ends the
    search with the best so far; raises Stopped before the first.
    """
    trials: list[CrossValidation] = []
    for index, penalty in enumerate(PENALTIES):
        message = f"cross-validation {index + 1} of {len(PENALTIES)}: penalty {penalty:g}"
        if report_progress(0.8 * index / len(PENALTIES), message):
            break
        trials.append(cross_validate(cases, folds, fitter, penalty))
        on_trial(trials[-1])
    if not trials:
        raise Stopped
    best = min(trials, key=lambda trial: (-(trial.score or 0.0), trial.loss, trial.penalty))
    if bundled_head(fitter.model, cases.task) is None or fitter.depth == "mlp":
        return best
    higher = sorted((trial for trial in trials if trial.penalty > best.penalty), key=lambda trial: -trial.penalty)
    return next((trial for trial in higher if not _is_clearly_better(cases, best, trial)), best)


def _is_clearly_better(cases: LabelledEmbeddings, best: CrossValidation, other: CrossValidation) -> bool:
    """Whether a score is higher by more than one standard error of the difference, by resampling patients."""
    shares = [probabilities(cases.task, trial.logits).numpy() for trial in (best, other)]

    def gain(rows: np.ndarray) -> float:
        mine, theirs = (main_metric(cases.task, cases.labels[rows], share[rows]) for share in shares)
        return mine - theirs

    gains = np.array([gain(rows) for rows in resampled_rows(cases.patients, SEED, RESAMPLES)])
    gains = gains[~np.isnan(gains)]
    return len(gains) > 0 and gain(np.arange(len(cases))) > gains.std()


def cross_validate_stage(
    cases: LabelledEmbeddings, folds: np.ndarray, fitter: HeadFitter, penalty: float, report_progress: ProgressCallback
) -> CrossValidation:
    """Return the held-out predictions of heads of depth "stage", in STAGE_FOLDS larger folds. Raises Stopped."""

    def before_fold(fold: int) -> None:
        message = f"last image stage, without fold {fold + 1} of {STAGE_FOLDS}"
        if report_progress(0.2 + 0.5 * fold / STAGE_FOLDS, message):
            raise Stopped

    return cross_validate(cases, folds % STAGE_FOLDS, fitter, penalty, before_fold)
