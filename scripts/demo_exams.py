"""The exams that the demo weights learn from: phantoms with their truth, and women of public data sets."""

from __future__ import annotations

import signal
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from mvmlm.commands.command import print_problems
from mvmlm.datasets.case import FindingBox
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import STANDARD_VIEWS, Laterality, ViewName
from mvmlm.imaging.load import default_decoder
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.phantom import PhantomExam, phantom_exam
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, cache_cases, to_cached_exam
from mvmlm.pretraining.lesion_donors import mass_donors
from mvmlm.pretraining.lesion_insertion import Insertion
from mvmlm.report.lexicon import KINDS
from mvmlm.tasks import TASK

SIZES = (640, 704, 896)  # rows of the rendered phantoms, in turn, so that the pixel size varies
PHANTOMS, DIGITAL, FILM = "phantoms", "rsna-640", "cbis-mass-800"
LEARN, CHOOSE, REPORT = "train", "validation", "test"  # the women, divided by `datasets.case.split_of`
EXCLUDED_BY_NEGATIVE = ("mass", "asymmetry", "distortion")
BIRADS = TASK["birads"]
OUTCOMES = ("malignancy",)  # labels that come from pathology or follow-up; they enter no report
#: the women of each data set: what they are, and the licence under which weights may learn from them
WOMEN = {
    "rsna-640": "a part of RSNA 2022, 640 x 640; non-commercial research and education only",
    "cbis-mass-800": "the masses of CBIS-DDSM's official training set, 800 x 800; CC BY 3.0",
    "cdd-cesm": "low-energy CC views of a part of CDD-CESM; CC BY 4.0",
}


def phantom_labels(phantom: PhantomExam) -> Labels:
    """Return the truth of a phantom as training labels. A cancer that is visible now gives no follow-up."""
    breast: dict[Laterality, dict[str, int]] = {}
    for side, drawn in phantom.breasts.items():
        found = drawn.findings
        breast[side] = {kind: int(found.first(kind) is not None) for kind in KINDS}
        assert found.birads is not None, "every phantom breast has an assessment"
        breast[side] |= {"malignancy": int(drawn.malignant), "birads": int(found.birads) - 1}
    risk = None if phantom.risk_years == 0 else (phantom.risk_years, phantom.cancer)
    findings = {side: drawn.findings for side, drawn in phantom.breasts.items()}
    return Labels(findings, breast, {"density": "ABCD".index(phantom.density)}, risk, phantom=True)


def lesion_boxes(phantom: PhantomExam) -> dict[ViewName, list[FindingBox]]:
    """Return a box around each lesion mask, in pixels of its view."""
    boxes: dict[ViewName, list[FindingBox]] = {}
    for (name, kind), mask in phantom.masks.items():
        if mask.any():
            left, top, width, height = cv2.boundingRect(mask)
            boxes.setdefault(name, []).append(FindingBox(kind, left, top, left + width, top + height))
    return boxes


def _make(job: tuple[int, int, bool, Preprocessing]) -> tuple[np.ndarray, np.ndarray, Labels]:
    seed, index, shift, preprocessing = job
    cv2.setNumThreads(1)
    phantom = phantom_exam(f"phantom-{seed}-{index:05d}", np.random.default_rng([seed, index]), SIZES[index % 3], shift)
    views, present, boxes = to_cached_exam(phantom.exam, preprocessing, lesion_boxes(phantom))
    return views, present, replace(phantom_labels(phantom), boxes=boxes)


def cache_phantoms(
    folder: Path, n: int, seed: int, preprocessing: Preprocessing, processes: int = 2, shift: bool = False
) -> ExamCache:
    """Return the cache of `n` phantom exams in `folder`; makes those that are not there yet."""
    pool = ProcessPoolExecutor(processes, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    with ExamCacheWriter(folder, preprocessing) as writer, pool:
        start = len(writer.done)
        made = pool.map(_make, [(seed, index, shift, preprocessing) for index in range(start, n)], chunksize=8)
        for index, (views, present, labels) in enumerate(made, start):
            writer.add(f"phantom-{seed}-{index:05d}", views, present, labels)
            if (index + 1) % 100 == 0:
                log(f"{folder.name}: {index + 1}/{n} phantom exams")
    return ExamCache(folder)


def cache_women(folder: Path, name: str, root: Path, preprocessing: Preprocessing) -> Path:
    """Decode the women of a data set into `folder`, all splits, unless they are there already; return the folder."""
    with ExamCacheWriter(folder, preprocessing) as writer:
        problems = list(cache_cases(read_dataset(name, root), root, writer, preprocessing, default_decoder()))
        log(f"{name}: {len(writer.done)} breasts")
    print_problems(*(problem for problem in problems if "has several files" not in problem))
    return folder


def women_exams(folder: Path, split: str) -> dict[str, ExamCache]:
    """Return the decoded women of one split of each data set that has any, from the folder that holds all caches."""
    found = {name: ExamCache(folder / name, split) for name in WOMEN}
    return {name: cache for name, cache in found.items() if len(cache)}


def without_outcomes(source: str, labels: Labels) -> Labels:
    """Return labels for learning from reports: those of women without what pathology or follow-up told."""
    if source == PHANTOMS:
        return labels
    labels = with_absences(labels)
    breast = {
        side: {task: value for task, value in known.items() if task not in OUTCOMES}
        for side, known in labels.breast.items()
    }
    return replace(labels, breast=breast)


def with_absences(labels: Labels) -> Labels:
    """Return labels in which a breast of BI-RADS 1, negative, has none of the findings that BI-RADS 1 excludes."""
    negative = BIRADS.classes.index("1")
    breast = {
        side: {**dict.fromkeys(EXCLUDED_BY_NEGATIVE, 0), **known} if known.get("birads") == negative else known
        for side, known in labels.breast.items()
    }
    return replace(labels, breast=breast)


def with_places_of_cancer(source: str, labels: Labels) -> Labels:
    """Return labels for learning from outcomes: the masses of a breast with cancer are also places of malignancy."""
    if source == PHANTOMS:
        return labels
    labels = with_absences(labels)
    malignant = {side for side, known in labels.breast.items() if known.get("malignancy") == 1}
    places = [
        box._replace(kind="malignancy")
        for box in labels.boxes
        if box.kind == "mass" and STANDARD_VIEWS[box.view].laterality in malignant
    ]
    return replace(labels, boxes=(*labels.boxes, *places))


def lesions_set_in(film: Path) -> Insertion:
    """Return what training sets into women's breasts and takes out of them; donors are the masses of a film cache.

    Most masses that can be taken out are, for without them every film would have a mass.
    """
    return Insertion(
        mass_donors(film), mass=0.3, removed=0.8, calcification=0.1, distortion=0.06, untouched=(PHANTOMS,)
    )


def log(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)
