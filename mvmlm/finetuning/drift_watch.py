"""The exams of the store -> a watch for drift: the scores of a task, unlike exams, and labels against probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import numpy as np

from ..exam import SIDES
from ..inference.model_predictor import ModelPredictor
from ..inference.site_scores import SiteCalibration
from ..reading.labels import label_of
from ..reading.reading import Reading
from ..site.drift import DriftReport, WatchedExam, watch
from ..store.records import ProgressCallback, SiteVersion, StoredExam, part_of_progress, reference_reading
from ..store.store import Store
from ..tasks import Task
from .cases import without_phantoms
from .embeddings import EmbeddedExams, embed_exams, source_of
from .exam_familiarity import unlike_exams
from .site_cases import Site, breast_answered_by, breast_scores, check_answered_for_women
from .site_versions import active_calibrations, add_version

ENCODING_SHARE = 0.8  # of the job's progress


class LeftOut(NamedTuple):
    """How many exams of the store are not watched, by the reason.

    undated: without a date, or with one in the future. learned: in the part of the store that the fine-tuned head
    learned from. phantoms: where there are women. unread: that could not be encoded.
    """

    undated: int
    learned: int
    phantoms: int
    unread: int


def watch_from_store(
    site: Site, reference_end: date | None, today: date, who: str, report_progress: ProgressCallback
) -> SiteVersion:
    """Watch the exams of the store for drift, and store what was found; the newest such version is the current one.

    reference_end: the last day of the reference period; None keeps that of the task's last watch with these weights and
    this head. Raises what `drift.watch` and `answered_by` do, ValueError where no reference period is known or it is
    not over, or where the model does not answer the task for women, and Stopped.
    """
    by = breast_answered_by(site.predictor, site.task)
    earlier = watches_of(site.store, site.predictor, site.task.name)
    end = _reference_end(reference_end, earlier, today)
    chosen, left_out, phantoms = _chosen_exams(site, today)
    rows, unread, calibrated = _rows(site, by, chosen, phantoms, report_progress)
    left_out = left_out._replace(unread=unread)
    report = watch(rows, end, today)
    ends = [*(DriftReport.from_json(version.record["report"]).reference_end for version in reversed(earlier)), end]
    record = {
        "report": report.to_json(),
        "exams": len(rows),
        "left_out": left_out._asdict(),
        "notes": _notes(site, left_out, phantoms, calibrated, ends),
        "by": by,
        "phantoms": phantoms,
    }
    return add_version(site, site.store.watches, record, who)


def watches_of(store: Store, predictor: ModelPredictor, task: str) -> list[SiteVersion]:
    """Return the watches of a task with these weights and this head, newest first."""
    of_head = (task, predictor.finetuned.get(task, ""))
    return [version for version in store.watches.all(predictor.weights) if (version.task, version.head) == of_head]


def sentences_of(record: Mapping[str, Any]) -> list[str]:
    """Return what a reader should know of a stored watch: the sentences of its report, then what it does not cover."""
    return [*DriftReport.from_json(record["report"]).sentences, *record["notes"]]


def _reference_end(asked: date | None, earlier: Sequence[SiteVersion], today: date) -> date:
    if asked is None and not earlier:
        raise ValueError("no reference period is chosen yet. Give its last day, such as 2026-06-30.")
    end = asked or DriftReport.from_json(earlier[0].record["report"]).reference_end
    if end >= today:
        raise ValueError(f"the reference period until {end} is not over yet. Give a day before today.")
    return end


def _chosen_exams(site: Site, today: date) -> tuple[list[StoredExam], LeftOut, bool]:
    """The exams to be watched, how many are not, and whether all are of phantoms.

    Phantoms are watched only where the store holds no women. Raises ValueError for a task that the model does not
    answer for women.
    """
    store, predictor, _, task = site
    exams = [store.exams.get(number) for number in store.worklist.numbers()]
    women, phantoms = without_phantoms(store, exams)
    if not phantoms:
        check_answered_for_women(predictor, task)
    own = women if task.name not in predictor.finetuned else [exam for exam in women if exam.split == "test"]
    dated = [exam for exam in own if (day := _day(exam)) is not None and day <= today]
    left_out = LeftOut(len(own) - len(dated), len(women) - len(own), len(exams) - len(women), 0)
    return dated, left_out, phantoms


def _rows(
    site: Site, by: str, exams: Sequence[StoredExam], phantoms: bool, report_progress: ProgressCallback
) -> tuple[list[WatchedExam], int, bool]:
    """The exams as the watch takes them, how many could not be encoded, and whether a calibration is applied."""
    store, predictor, decoder, task = site
    numbers = [exam.id for exam in exams]
    encoded, _ = embed_exams(store, predictor, decoder, numbers, part_of_progress(report_progress, 0, ENCODING_SHARE))
    sources = {number: source_of(store, predictor, number) for number in encoded}
    unlike = unlike_exams(store, predictor, decoder, sources, part_of_progress(report_progress, ENCODING_SHARE, 1))
    embedded = EmbeddedExams.load(store, predictor).subset(set(encoded))
    scores = breast_scores(predictor, embedded, task, by)
    calibration = active_calibrations(predictor, store).get(task.name)
    if calibration is not None and (calibration.by, calibration.phantoms) != (by, phantoms):
        calibration = None
    by_number = {exam.id: exam for exam in exams}
    rows = []
    for index, number in enumerate(embedded.exams.tolist()):
        exam, read = by_number[number], embedded.read[index]
        reading = _final_reading(site, number)
        day = _day(exam)
        assert day is not None  # those without one were left out
        rows.append(
            WatchedExam(
                day,
                exam.vendor or "",
                (reading.answer("density") if reading else None) or "",
                float(scores[index][read].max()),
                _probability(calibration, scores[index][read]),
                unlike.get(number),
                _label(reading, task, read),
            )
        )
    return rows, len(exams) - len(rows), calibration is not None


def _final_reading(site: Site, number: int) -> Reading | None:
    """The reading that labels and density are taken from.

    The model's density is not put in its place: it moves with the pictures that are watched, and an exam would change
    its group on the day on which it is read.
    """
    read = reference_reading(site.store.readings.of_exam(number))
    return read.reading if read else None


def _probability(calibration: SiteCalibration | None, scores: np.ndarray) -> float | None:
    """The probability that one of the breasts is positive, from the probability of each.

    The breasts count as independent given their scores. The higher of the two would add up to too few positives.
    """
    if calibration is None:
        return None
    return float(1 - np.prod(1 - calibration.apply(scores)))


def _label(reading: Reading | None, task: Task, read: np.ndarray) -> int | None:
    """1 where a breast that the model read is positive, 0 where all are known to be negative, else None."""
    if reading is None:
        return None
    labels = [label_of(reading, task, side) for side, is_read in zip(SIDES, read, strict=True) if is_read]
    if 1 in labels:
        return 1
    return None if None in labels else 0


def _day(exam: StoredExam) -> date | None:
    try:
        return datetime.strptime(exam.exam_date or "", "%Y%m%d").date()
    except ValueError:
        return None


def _notes(site: Site, left_out: LeftOut, phantoms: bool, calibrated: bool, ends: Sequence[date]) -> list[str]:
    """What the figures do not cover, a sentence each. ends: of the reference periods of all watches, oldest first."""
    task, model = site.task.title.lower(), site.predictor.record.name
    reasons = {
        "undated": "have no date, or one in the future",
        "learned": "are in the part of the store that the fine-tuned head learned from",
        "phantoms": "are phantoms",
        "unread": "could not be encoded",
    }
    notes = ["All exams are phantoms, so this says nothing about women."] if phantoms else []
    for reason, count in left_out._asdict().items():
        if count:
            notes.append(f"Not watched: {count:,} exam{'s' * (count != 1)} that {reasons[reason]}.")
    if not site.predictor.familiarity.known:
        notes.append(f"Whether an exam is unlike known mammograms is not measured with {model}.")
    if not calibrated:
        notes.append(f"No calibration of {task} is applied, so labels cannot be compared with probabilities.")
    else:
        notes.append("Labels that the calibration was made from agree with its probabilities for that reason alone.")
    periods = [end for index, end in enumerate(ends) if index == 0 or end != ends[index - 1]]
    if len(periods) > 1:
        notes.append(
            f"The reference period was changed {len(periods) - 1} time{'s' * (len(periods) > 2)}, last from "
            f"{periods[-2]} to {periods[-1]}. How rare false alarms are is promised for each period by itself."
        )
    return notes
