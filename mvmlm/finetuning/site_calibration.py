"""Signed readings of the store and the scores of a model -> a calibration to the site, and a predictor that applies it.

A fine-tuned head is calibrated on the exams of the test split alone, because it learned from the others.
"""

from __future__ import annotations

import logging

import numpy as np
import torch

from ..exam import SIDES
from ..imaging.decoder import Decoder
from ..inference.model_predictor import ModelPredictor
from ..inference.site_scores import SiteCalibration
from ..model.heads import probabilities
from ..model.view_fusion import Fused
from ..site.before_after import before_and_after
from ..site.cases import LabelledScores, Source
from ..site.recalibration import Calibration, recalibrate
from ..store.records import ProgressCallback, StoredCalibration
from ..store.store import Store
from ..tasks import Kind, Level, Task
from .cases import labelled_exams
from .config import FinetuneConfig
from .embeddings import EmbeddedExams, embed_exams

_LOG = logging.getLogger(__name__)
SEED = 1


def calibrate_from_store(
    store: Store, predictor: ModelPredictor, decoder: Decoder, task: Task, who: str, report_progress: ProgressCallback
) -> StoredCalibration:
    """Calibrate the scores of a binary breast task to the labels of the store, and store it, not active.

    Raises TooFewCases with the numbers, ValueError for a task of another kind or one that the model does not answer,
    and Stopped.
    """
    by = answered_by(predictor, task)
    cases, phantoms = site_scores(store, predictor, decoder, task, by, report_progress)
    model = f"{predictor.record.name} {predictor.record.version}"
    source = Source(model=model, weights=predictor.weights, task=task.name)
    record = {
        "calibration": recalibrate(cases, source, SEED).to_json(),
        "before_after": before_and_after(cases, SEED).to_json(),
        "by": by,
        "phantoms": phantoms,
    }
    head = predictor.finetuned.get(task.name, "")
    return store.calibrations.get(store.calibrations.add(task.name, predictor.weights, head, record, who))


def answered_by(predictor: ModelPredictor, task: Task) -> str:
    """Return what gives the scores of a task: "head" or "prompt". Raises ValueError where nothing does."""
    if task.kind is not Kind.BINARY or task.level is not Level.BREAST:
        raise ValueError(f"{task.title}: only answers of yes or no for a breast are calibrated here.")
    if task.name in predictor.heads:
        if predictor.stage(task.name) is not None:
            raise ValueError(f"{task.title}: a head that was fine-tuned with its image stage is not calibrated here.")
        return "head"
    if predictor.knows_text and predictor.zero_shot.joint.prompts_of(task):
        return "prompt"
    raise ValueError(f"{predictor.record.name} does not answer {task.title}. Choose another task or model.")


def site_scores(
    store: Store, predictor: ModelPredictor, decoder: Decoder, task: Task, by: str, report_progress: ProgressCallback
) -> tuple[LabelledScores, bool]:
    """Return the scores of the labelled breasts, and whether all are of phantoms; exams are encoded where needed."""
    labelled = labelled_exams(store, task, FinetuneConfig(task.name))
    if task.name in predictor.finetuned:
        labelled = [item for item in labelled if item.exam.split == "test"]
    embed_exams(store, predictor, decoder, [item.exam.id for item in labelled], report_progress)
    embedded = EmbeddedExams.load(store, predictor).subset({item.exam.id for item in labelled})
    scores = _scores(predictor, embedded, task, by)
    row = {number: index for index, number in enumerate(embedded.exams.tolist())}
    found = [
        (scores[row[item.exam.id], SIDES.index(side)], label, item.exam.patient)
        for item in labelled
        for side, label in item.labels.items()
        if side is not None and item.exam.id in row and embedded.read[row[item.exam.id], SIDES.index(side)]
    ]
    values, labels, patients = zip(*found, strict=True) if found else ((), (), ())
    phantoms = bool(labelled) and {item.exam.name for item in labelled} <= store.exams.phantoms()
    return LabelledScores(np.array(values), np.array(labels, float), np.array(patients)), phantoms


@torch.inference_mode()
def _scores(predictor: ModelPredictor, embedded: EmbeddedExams, task: Task, by: str) -> np.ndarray:
    """The score of each breast, (exams, 2)."""
    if not len(embedded):
        return np.zeros((0, 2))
    fused: Fused = embedded.fused(predictor)
    if by == "head":
        shares = probabilities(task, predictor.logits(task.name, fused))
    else:
        read = torch.from_numpy(embedded.read).to(predictor.device)
        shares = predictor.zero_shot.class_probabilities(fused, read, [task])[task.name]
    return shares[..., 0].cpu().numpy().astype(float)


def with_active_calibrations(predictor: ModelPredictor, store: Store) -> ModelPredictor:
    """Return the predictor with the calibrations that are active in the store for its weights and heads.

    One that belongs to another head, or that cannot be read, is left out: then scores are shown as scores.
    """
    found, tasks = {}, {task.name: task for task in store.tasks}
    for stored in store.calibrations.all(predictor.weights, active=True):
        if stored.head != predictor.finetuned.get(stored.task, "") or stored.task not in tasks:
            continue
        try:
            calibration = Calibration.from_json(stored.record["calibration"])
        except (KeyError, ValueError):
            _LOG.warning("calibration %d cannot be read", stored.id)
            continue
        share, by = calibration.positives / calibration.cases, stored.record.get("by", "head")
        phantoms = stored.record.get("phantoms") is True
        found[stored.task] = SiteCalibration(tasks[stored.task], calibration.apply, share, by, phantoms)
    return predictor.with_calibrations(found)
