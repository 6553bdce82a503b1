"""Signed readings of the store and the scores of a model -> what a site makes of these scores, and who applies it.

A calibration turns scores into probabilities; an operating point is a threshold with a guarantee. For a fine-tuned head
both are made from the exams of the test split alone, because it learned from the others.
"""

from __future__ import annotations

import logging
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from ..inference.model_predictor import ModelPredictor
from ..inference.precision import FLOAT32
from ..inference.site_scores import SiteCalibration, SiteScores, SiteThreshold
from ..site.before_after import before_and_after
from ..site.cases import FollowedRisks, LabelledClasses, LabelledScores, Source
from ..site.class_calibration import ClassCalibration, classes_before_after, recalibrate_classes
from ..site.operating_point import CertifiedThreshold, Goal, certified_threshold
from ..site.recalibration import Calibration, recalibrate
from ..site.survival import RiskCalibration, recalibrate_risks, risks_before_after
from ..store.errors import StoreError
from ..store.records import ProgressCallback, SiteVersion
from ..store.site_versions import SiteVersions
from ..store.store import Store
from ..tasks import Kind, Task
from .site_cases import Site, SiteCases, answered_by, breast_answered_by, labelled_cases

_LOG = logging.getLogger(__name__)
SEED = 1


def calibrate_from_store(site: Site, who: str, report_progress: ProgressCallback) -> SiteVersion:
    """Calibrate what a model gives for a task to the labels of the store, and store it, not active.

    Raises TooFewCases with the numbers, ValueError for a task that the model does not answer, and Stopped.
    """
    by = answered_by(site.predictor, site.task)
    cases = labelled_cases(site, by, report_progress)
    record = {**_calibrated(site, cases), "by": by, "phantoms": cases.phantoms}
    return add_version(site, site.store.calibrations, record, who)


def _calibrated(site: Site, cases: SiteCases) -> dict:
    """A calibration and how good it is before and after, as plain JSON values."""
    source, patients = _source(site), cases.patients
    if site.task.kind is Kind.BINARY:
        scores = LabelledScores(cases.shares[:, 0], np.array(cases.labels, float), patients)
        made = recalibrate(scores, source, SEED).to_json()
        change = before_and_after(scores, SEED).to_json()
    elif site.task.kind is Kind.MULTICLASS:
        classes = LabelledClasses(cases.shares, np.array(cases.labels, int), patients)
        made = recalibrate_classes(classes, source, SEED).to_json()
        change = classes_before_after(classes, SEED).to_json()
    else:
        years, events = np.array(cases.labels, float).reshape(-1, 2).T
        risks = FollowedRisks(cases.shares, years, events, patients)
        made = recalibrate_risks(risks, source, SEED).to_json()
        change = risks_before_after(risks, SEED).to_json()
    return {"calibration": made, "before_after": change}


def threshold_from_store(
    site: Site, goal: Goal, limit: float, confidence: float, who: str, report_progress: ProgressCallback
) -> SiteVersion:
    """Find the threshold of a binary breast task that keeps a goal at the site, and store it, not active.

    limit, confidence: as for `site.operating_point.certified_threshold`. Of each woman the newest labelled exam counts.
    Raises what `calibrate_from_store` does.
    """
    by = breast_answered_by(site.predictor, site.task)
    cases = labelled_cases(site, by, report_progress, one_exam_each=True)
    scores = LabelledScores(cases.shares[:, 0], np.array(cases.labels, float), cases.patients)
    point = certified_threshold(scores, goal, limit, _source(site), confidence)
    record = {"operating_point": point.to_json(), "by": by, "phantoms": cases.phantoms}
    return add_version(site, site.store.operating_points, record, who)


def _source(site: Site) -> Source:
    model = f"{site.predictor.record.name} {site.predictor.record.version}"
    return Source(model=model, weights=site.predictor.weights, task=site.task.name)


def add_version(site: Site, versions: SiteVersions, record: dict, who: str) -> SiteVersion:
    """Store what was made of the scores of a site, not active, and return it. record: plain JSON values."""
    head = site.predictor.finetuned.get(site.task.name, "")
    record = record | {"precision": site.predictor.precision}
    return versions.get(versions.add(site.task.name, site.predictor.weights, head, record, who))


def with_active_site_versions(predictor: ModelPredictor, store: Store) -> ModelPredictor:
    """Return the predictor with what is active in the store for its weights and heads.

    A version that belongs to another head or precision, or that cannot be read, is left out: then scores are shown as
    scores.
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
    """The versions that are for the scores of the predictor and for tasks that are known."""
    for version in stored:
        if not why_not_for(version, predictor) and version.task in tasks:
            yield version


def why_not_for(version: SiteVersion, predictor: ModelPredictor) -> str:
    """Return why a version of these weights is not for the scores that the predictor gives; "" where it is.

    predictor: with the heads that answer.
    """
    answering = predictor.finetuned.get(version.task, "")
    if version.head != answering:
        of, now = (f"the head “{name}”" if name else "the weights’ own head" for name in (version.head, answering))
        return f"it is for scores of {of}, and {now} answers"
    precision = version.record.get("precision", FLOAT32)
    if precision != predictor.precision:
        return f"it is for scores in {precision}, and the model answers in {predictor.precision}"
    return ""


def apply_version(versions: SiteVersions, number: int, predictor: ModelPredictor, who: str) -> None:
    """Apply a version to the scores of its task from now on.

    Raises StoreError for one that is unknown, of other weights, or not for the scores of the predictor.
    """
    found = versions.get(number)
    if found.weights == predictor.weights and (why := why_not_for(found, predictor)):
        raise StoreError(f"{versions.noun} {number} is not applied: {why}. Make a new one, or change what answers.")
    versions.activate(number, found.task, predictor.weights, who)


@contextmanager
def _left_out_if_unreadable(stored: SiteVersion, noun: str) -> Iterator[None]:
    try:
        yield
    except (KeyError, ValueError):
        _LOG.warning("%s %d cannot be read", noun, stored.id)


def _calibration(stored: SiteVersion, task: Task) -> SiteCalibration:
    data = stored.record["calibration"]
    by, phantoms = stored.record.get("by", "head"), stored.record.get("phantoms") is True
    if task.kind is Kind.MULTICLASS:
        classes = ClassCalibration.from_json(data)
        return SiteCalibration(task, classes.apply, lambda shares: np.zeros(len(shares), bool), None, by, phantoms)
    if task.kind is Kind.SURVIVAL:
        risks = RiskCalibration.from_json(data)
        return SiteCalibration(task, risks.apply, risks.outside, None, by, phantoms)
    binary = Calibration.from_json(data)
    return SiteCalibration(task, binary.apply, binary.outside, binary.positives / binary.cases, by, phantoms)


def _threshold(stored: SiteVersion) -> SiteThreshold:
    point = CertifiedThreshold.from_json(stored.record["operating_point"])
    by, phantoms = stored.record["by"], stored.record["phantoms"] is True
    return SiteThreshold(point.threshold, by, phantoms, point.guarantee, point.found_among_called)
