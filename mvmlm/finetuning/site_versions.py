"""Signed readings of the store and the scores of a model -> what a site makes of these scores, and who applies it.

A calibration turns scores into probabilities; an operating point is a threshold with a guarantee. For a fine-tuned head
both are made from the exams of the test split alone, because it learned from the others.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

from ..exam import SIDES
from ..imaging.decoder import Decoder
from ..inference.model_predictor import ModelPredictor
from ..inference.site_scores import SiteCalibration, SiteScores, SiteThreshold
from ..model.heads import probabilities
from ..model.view_fusion import Fused
from ..site.before_after import before_and_after
from ..site.cases import LabelledScores, Source
from ..site.operating_point import CertifiedThreshold, Goal, certified_threshold
from ..site.recalibration import Calibration, recalibrate
from ..store.records import ProgressCallback, SiteVersion
from ..store.site_versions import SiteVersions
from ..store.store import Store
from ..tasks import Kind, Level, Task
from .cases import labelled_exams, without_phantoms
from .config import FinetuneConfig
from .embeddings import EmbeddedExams, embed_exams

_LOG = logging.getLogger(__name__)
SEED = 1


class Site(NamedTuple):
    """A store, a model with the heads that answer, what opens files, and the task whose scores are meant."""

    store: Store
    predictor: ModelPredictor
    decoder: Decoder
    task: Task


def calibrate_from_store(site: Site, who: str, report_progress: ProgressCallback) -> SiteVersion:
    """Calibrate the scores of a binary breast task to the labels of the store, and store it, not active.

    Raises TooFewCases with the numbers, ValueError for a task of another kind or one that the model does not answer,
    and Stopped.
    """
    by = answered_by(site.predictor, site.task)
    cases, phantoms = site_scores(site, by, report_progress)
    record = {
        "calibration": recalibrate(cases, _source(site), SEED).to_json(),
        "before_after": before_and_after(cases, SEED).to_json(),
        "by": by,
        "phantoms": phantoms,
    }
    return add_version(site, site.store.calibrations, record, who)


def threshold_from_store(
    site: Site, goal: Goal, limit: float, confidence: float, who: str, report_progress: ProgressCallback
) -> SiteVersion:
    """Find the threshold of a binary breast task that keeps a goal at the site, and store it, not active.

    limit, confidence: as for `site.operating_point.certified_threshold`. Of each woman the newest labelled exam counts.
    Raises what `calibrate_from_store` does.
    """
    by = answered_by(site.predictor, site.task)
    cases, phantoms = site_scores(site, by, report_progress, one_exam_each=True)
    point = certified_threshold(cases, goal, limit, _source(site), confidence)
    record = {"operating_point": point.to_json(), "by": by, "phantoms": phantoms}
    return add_version(site, site.store.operating_points, record, who)


def _source(site: Site) -> Source:
    model = f"{site.predictor.record.name} {site.predictor.record.version}"
    return Source(model=model, weights=site.predictor.weights, task=site.task.name)


def add_version(site: Site, versions: SiteVersions, record: dict, who: str) -> SiteVersion:
    """Store what was made of the scores of a site, not active, and return it. record: plain JSON values."""
    head = site.predictor.finetuned.get(site.task.name, "")
    return versions.get(versions.add(site.task.name, site.predictor.weights, head, record, who))


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
    site: Site, by: str, report_progress: ProgressCallback, one_exam_each: bool = False
) -> tuple[LabelledScores, bool]:
    """Return the scores of the labelled breasts, and whether all are of phantoms; exams are encoded where needed.

    Phantoms among women are left out, since what is made of the scores is applied to women. by: "head" or "prompt".
    one_exam_each: of each patient the newest labelled exam only.
    """
    store, predictor, decoder, task = site
    labelled = labelled_exams(store, task, FinetuneConfig(task.name))
    if task.name in predictor.finetuned:
        labelled = [item for item in labelled if item.exam.split == "test"]
    exams, phantoms = without_phantoms(store, [item.exam for item in labelled])
    kept = {exam.id for exam in exams}
    labelled = [item for item in labelled if item.exam.id in kept]
    if one_exam_each:
        by_date = sorted(labelled, key=lambda item: (item.exam.exam_date or "", item.exam.id))
        labelled = list({item.exam.patient: item for item in by_date}.values())
    embed_exams(store, predictor, decoder, [item.exam.id for item in labelled], report_progress)
    embedded = EmbeddedExams.load(store, predictor).subset({item.exam.id for item in labelled})
    scores = breast_scores(predictor, embedded, task, by)
    row = {number: index for index, number in enumerate(embedded.exams.tolist())}
    found = [
        (scores[row[item.exam.id], SIDES.index(side)], label, item.exam.patient)
        for item in labelled
        for side, label in item.labels.items()
        if side is not None and item.exam.id in row and embedded.read[row[item.exam.id], SIDES.index(side)]
    ]
    values, labels, patients = zip(*found, strict=True) if found else ((), (), ())
    return LabelledScores(np.array(values), np.array(labels, float), np.array(patients)), phantoms


@torch.inference_mode()
def breast_scores(predictor: ModelPredictor, embedded: EmbeddedExams, task: Task, by: str) -> np.ndarray:
    """Return the score of each breast, (exams, 2). by: "head" or "prompt"."""
    if not len(embedded):
        return np.zeros((0, 2))
    fused: Fused = embedded.fused(predictor)
    if by == "head":
        shares = probabilities(task, predictor.logits(task.name, fused))
    else:
        read = torch.from_numpy(embedded.read).to(predictor.device)
        shares = predictor.zero_shot.class_probabilities(fused, read, [task])[task.name]
    return shares[..., 0].cpu().numpy().astype(float)


def with_active_site_versions(predictor: ModelPredictor, store: Store) -> ModelPredictor:
    """Return the predictor with what is active in the store for its weights and heads.

    A version that belongs to another head, or that cannot be read, is left out: then scores are shown as scores.
    """
    thresholds = {}
    tasks = {task.name: task for task in store.tasks}
    for stored in _fitting(store.operating_points.all(predictor.weights, active=True), predictor, tasks):
        with _left_out_if_unreadable(stored, "operating point"):
            thresholds[stored.task] = _threshold(stored)
    return predictor.with_site(SiteScores(active_calibrations(predictor, store), thresholds))


def active_calibrations(predictor: ModelPredictor, store: Store) -> dict[str, SiteCalibration]:
    """Return the calibration that is active in the store for each task of the predictor's weights and heads."""
    calibrations = {}
    tasks = {task.name: task for task in store.tasks}
    for stored in _fitting(store.calibrations.all(predictor.weights, active=True), predictor, tasks):
        with _left_out_if_unreadable(stored, "calibration"):
            calibrations[stored.task] = _calibration(stored, tasks[stored.task])
    return calibrations


def _fitting(stored: Sequence[SiteVersion], predictor: ModelPredictor, tasks: Container[str]) -> Iterator[SiteVersion]:
    """The versions that are for the heads of the predictor and for tasks that are known."""
    for version in stored:
        if version.head == predictor.finetuned.get(version.task, "") and version.task in tasks:
            yield version


@contextmanager
def _left_out_if_unreadable(stored: SiteVersion, noun: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError):
        _LOG.warning("%s %d cannot be read", noun, stored.id)


def _calibration(stored: SiteVersion, task: Task) -> SiteCalibration:
    found = Calibration.from_json(stored.record["calibration"])
    by, phantoms = stored.record.get("by", "head"), stored.record.get("phantoms") is True
    return SiteCalibration(task, found.apply, found.positives / found.cases, by, phantoms)


def _threshold(stored: SiteVersion) -> SiteThreshold:
    point = CertifiedThreshold.from_json(stored.record["operating_point"])
    by, phantoms = stored.record["by"], stored.record["phantoms"] is True
    return SiteThreshold(point.threshold, by, phantoms, point.guarantee, point.found_among_called)
