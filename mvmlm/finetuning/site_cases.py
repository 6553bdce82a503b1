"""Signed readings of the store and a model's scores -> the cases that a site's versions are made from."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from ..exam import SIDES, Laterality
from ..imaging.decoder import Decoder
from ..inference.model_predictor import ModelPredictor
from ..inference.withheld import why_not_for_women
from ..model.heads import probabilities
from ..model.view_fusion import Fused
from ..store.records import ProgressCallback
from ..store.store import Store
from ..tasks import Kind, Level, Task
from .cases import Label, labelled_exams_of_one_kind
from .config import FinetuneConfig
from .embeddings import EmbeddedExams, embed_exams


class Site(NamedTuple):
    """A store, a model with the heads that answer, what opens files, and the task whose scores are meant."""

    store: Store
    predictor: ModelPredictor
    decoder: Decoder
    task: Task


class SiteCases(NamedTuple):
    """Labelled breasts or exams with what the model gives for them.

    shares: (n, classes), 0..1. labels: n class indices, or years and event; NaN where unknown. patients: (n,)
    pseudonyms. phantoms: whether all are of phantoms.
    """

    shares: np.ndarray
    labels: list[Label | float]
    patients: np.ndarray
    phantoms: bool


def answered_by(predictor: ModelPredictor, task: Task) -> str:
    """Return what gives the scores of a task: "head" or "prompt". Raises ValueError where nothing does."""
    if task.name in predictor.heads:
        if predictor.stage(task.name) is not None:
            raise ValueError(f"{task.title}: a head that was fine-tuned with its image stage is not calibrated here.")
        return "head"
    asked = task.kind is not Kind.SURVIVAL and predictor.knows_text
    if asked and predictor.zero_shot.joint.prompts_of(task):
        return "prompt"
    raise ValueError(f"{predictor.record.name} does not answer {task.title}. Choose another task or model.")


def breast_answered_by(predictor: ModelPredictor, task: Task) -> str:
    """Return `answered_by` for a task of yes or no about a breast. Raises ValueError for another one."""
    if task.kind is not Kind.BINARY or task.level is not Level.BREAST:
        raise ValueError(f"{task.title}: only for answers of yes or no about a breast. Choose another task.")
    return answered_by(predictor, task)


def check_answered_for_women(predictor: ModelPredictor, task: Task) -> None:
    """Raise ValueError with the reason where a model does not answer a task for women."""
    own = task.name not in predictor.finetuned
    if task.name in predictor.heads:
        why = why_not_for_women(predictor.heads[task.name], predictor.record, own)
    else:
        why = predictor.record.not_for_women.get(task.name, "")
    if why:
        raise ValueError(f"{task.title}: {why}")


def labelled_cases(site: Site, by: str, report_progress: ProgressCallback, one_exam_each: bool = False) -> SiteCases:
    """Return the labelled cases of a task; exams are encoded where needed.

    by: "head" or "prompt". one_exam_each: of each patient the newest labelled exam only, and of that both breasts that
    were read, since both are scored when she is read; NaN where one has no label. For a fine-tuned head the
    exams of the test split alone count, since it learned from the others; phantoms count only where no woman has a
    label. Raises Stopped, and ValueError for a task that the model does not answer for women.
    """
    store, predictor, decoder, task = site
    labelled, phantoms, _ = labelled_exams_of_one_kind(store, task, FinetuneConfig(task.name))
    if labelled and not phantoms:
        check_answered_for_women(predictor, task)
    if task.name in predictor.finetuned:
        labelled = [item for item in labelled if item.exam.split == "test"]
    if one_exam_each:
        by_date = sorted(labelled, key=lambda item: (item.exam.exam_date or "", item.exam.id))
        labelled = list({item.exam.patient: item for item in by_date}.values())
    embed_exams(store, predictor, decoder, [item.exam.id for item in labelled], report_progress)
    embedded = EmbeddedExams.load(store, predictor).subset({item.exam.id for item in labelled})
    shares = task_shares(predictor, embedded, task, by)
    row = {number: index for index, number in enumerate(embedded.exams.tolist())}
    unlabelled: dict[Laterality | None, Label | float] = dict.fromkeys(SIDES if one_exam_each else (), math.nan)
    found = [
        (shares[row[item.exam.id]] if side is None else shares[row[item.exam.id], SIDES.index(side)], label, item)
        for item in labelled
        for side, label in (unlabelled | {**item.labels}).items()
        if item.exam.id in row and (side is None or embedded.read[row[item.exam.id], SIDES.index(side)])
    ]
    return SiteCases(
        np.array([values for values, *_ in found]).reshape(len(found), len(task.classes)),
        [label for _, label, _ in found],
        np.array([item.exam.patient for *_, item in found]),
        phantoms,
    )


@torch.inference_mode()
def task_shares(predictor: ModelPredictor, embedded: EmbeddedExams, task: Task, by: str) -> np.ndarray:
    """Return what a model gives for a task: (exams, 2, classes) for each breast, or (exams, classes). by: of whom."""
    if not len(embedded):
        return np.zeros((0, 2, len(task.classes)) if task.level is Level.BREAST else (0, len(task.classes)))
    fused: Fused = embedded.fused(predictor)
    if by == "head":
        shares = probabilities(task, predictor.logits(task.name, fused))
    else:
        read = torch.from_numpy(embedded.read).to(predictor.device)
        shares = predictor.zero_shot.class_probabilities(fused, read, [task])[task.name]
    return shares[..., : len(task.classes)].cpu().numpy().astype(float)  # prompts of a binary task also have "absent"


def breast_scores(predictor: ModelPredictor, embedded: EmbeddedExams, task: Task, by: str) -> np.ndarray:
    """Return the score of each breast, (exams, 2), for a task of yes or no. by: "head" or "prompt"."""
    return task_shares(predictor, embedded, task, by)[..., 0]
