"""Exams whose truth is known: new phantoms, a folder of phantoms, a data set, or signed readings of the store."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from ..checksum import checksum_of_lines
from ..datasets.case import Case, FindingBox, SkippedRow, split_of
from ..datasets.data_folder import DataFolder, RefusedPath
from ..datasets.registry import read_dataset
from ..evaluation.cases import TEST, VALIDATION
from ..evaluation.truth import ExamTruth, Label, Side, lesion_type, truth_of_rows
from ..exam import Exam, Laterality, ViewName
from ..finetuning.cases import labelled_exams, without_phantoms
from ..finetuning.config import FinetuneConfig
from ..imaging.decoder import Decoder
from ..imaging.load import load_exam
from ..phantom.exams import PhantomExam, phantom_exam
from ..phantom.truth import truth_rows
from ..pretraining.case_loading import load_case
from ..reading.reading import Reading
from ..report.lexicon import KINDS
from ..store.archive import open_stored_exam
from ..store.records import Filter
from ..store.store import Store
from ..tasks import TASK

TRAIN = "train"


class KnownExam(NamedTuple):
    """An opened exam and what is true of it. boxes: of its findings, in DICOM pixels of the views."""

    exam: Exam
    truth: ExamTruth
    boxes: Mapping[ViewName, tuple[FindingBox, ...]]


class ExamToAsk(NamedTuple):
    """An exam before it is opened.

    split: train, validation or test. open: raises what cannot be read. state: differs where its files have changed.
    """

    name: str
    split: str
    open: Callable[[], KnownExam]
    state: str = ""


@dataclass(frozen=True)
class ExamSet:
    """Exams whose truth is known.

    name: in words. checksum: SHA-256 in hex of what is said of them. problems: sentences on what is not used.
    """

    name: str
    exams: tuple[ExamToAsk, ...]
    checksum: str
    problems: tuple[str, ...] = ()


def new_phantoms(n: int, seed: int, train: bool = False) -> ExamSet:
    """Return n phantom exams of a seed, the test cases. They are drawn when they are opened.

    train: also n exams of the next seed, the train split.
    """

    def opened(name: str, of_seed: int, index: int, split: str) -> KnownExam:
        return _known_phantom(phantom_exam(name, np.random.default_rng([of_seed, index])), split)

    seeds = {seed: TEST} | ({seed + 1: TRAIN} if train else {})
    exams = []
    for of_seed, split in seeds.items():
        for index in range(n):
            name = f"phantom-{of_seed}-{index:05d}"
            exams.append(ExamToAsk(name, split, partial(opened, name, of_seed, index, split)))
    name = f"{n:,} phantom exams of seed {seed}" + (f", and as many of seed {seed + 1} to learn from" if train else "")
    return ExamSet(name, tuple(exams), checksum_of_lines([name]))


def _known_phantom(phantom: PhantomExam, split: str) -> KnownExam:
    boxes: dict[ViewName, tuple[FindingBox, ...]] = {}
    for (name, kind), mask in phantom.masks.items():
        left, top, width, height = cv2.boundingRect(mask)
        if kind in KINDS and width:
            box = FindingBox(kind, left, top, left + width, top + height)
            boxes[name] = (*boxes.get(name, ()), box)
    return KnownExam(phantom.exam, truth_of_rows(truth_rows(phantom))._replace(split=split), boxes)


def phantom_folder(folder: Path) -> ExamSet:
    """Return the exams of a folder that `phantom` made; all are test cases. Raises FileNotFoundError."""
    table = folder / "findings.csv"
    if not table.is_file():
        raise FileNotFoundError(
            f"{folder.name}: no findings.csv in it. Give a predictions table (.csv), a folder made by `mvmlm phantom`, "
            "or a data set with --dataset."
        )
    with open(table, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    by_exam: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        by_exam.setdefault(row["exam"], []).append(row)

    def opened(name: str) -> KnownExam:
        return KnownExam(load_exam(folder / name), truth_of_rows(by_exam[name]), _boxes_of_masks(folder, name))

    exams = tuple(
        ExamToAsk(name, TEST, partial(opened, name), _state([*(folder / name).glob("*"), *_masks(folder, name)]))
        for name in by_exam
    )
    return ExamSet(folder.name, exams, hashlib.sha256(table.read_bytes()).hexdigest())


def _state(files: Iterable[Path | None]) -> str:
    """The names, sizes and times of change of files, as a checksum. None: a file that is missing."""
    said = (f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" if path else "missing" for path in files)
    return checksum_of_lines(sorted(said))


def _masks(folder: Path, exam: str) -> list[Path]:
    return sorted((folder / "masks").glob(f"{exam}_*.png"))


def _boxes_of_masks(folder: Path, exam: str) -> dict[ViewName, tuple[FindingBox, ...]]:
    boxes: dict[ViewName, tuple[FindingBox, ...]] = {}
    for path in _masks(folder, exam):
        side, projection, kind = path.stem.removeprefix(f"{exam}_").split("_", 2)
        mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if kind in KINDS and mask is not None and mask.any():
            name = ViewName.parse(f"{side}_{projection}")
            left, top, width, height = cv2.boundingRect(mask)
            boxes[name] = (*boxes.get(name, ()), FindingBox(kind, left, top, left + width, top + height))
    return boxes


def dataset_exams(name: str, root: Path, decoder: Decoder) -> ExamSet:
    """Return the exams of a data set in its splits, see `datasets.case.split_of`. Raises DatasetError."""
    folder, cases, skipped = DataFolder(root), list[Case](), dict[str, int]()
    for case in read_dataset(name, root):
        if isinstance(case, SkippedRow):
            skipped[case.reason] = skipped.get(case.reason, 0) + 1
        else:
            cases.append(case)

    def opened(case: Case) -> KnownExam:
        loaded = load_case(case, folder, decoder, {})
        if not loaded.exam.views:
            raise ValueError("; ".join(loaded.problems) or "no standard view")
        return KnownExam(loaded.exam, _with_exam_facts(_truth_of_case(case), loaded.exam), loaded.boxes)

    def state(case: Case) -> str:
        try:
            return _state(folder.find(image.path) for image in case.images)
        except RefusedPath:  # which opening it says
            return ""

    exams = tuple(ExamToAsk(case.exam, split_of(case), partial(opened, case), state(case)) for case in cases)
    problems = tuple(f"{count:,} rows or exams are not used: {reason}" for reason, count in skipped.items())
    said = (f"{truth} {case.images}" for case in cases for truth in [_truth_of_case(case)])
    return ExamSet(f"data set {name}", exams, checksum_of_lines(said), problems)


def _truth_of_case(case: Case) -> ExamTruth:
    labels: dict[tuple[str, Side], Label] = {
        (task, side): label for side, of_side in case.breast_labels.items() for task, label in of_side.items()
    }
    labels |= {(task, None): label for task, label in case.exam_labels.items()}
    if case.risk is not None:
        labels["risk", None] = case.risk[0], int(case.risk[1])
    shared = {}
    if (density := case.exam_labels.get("density")) is not None:
        shared["density"] = TASK["density"].classes[density]
    facts: dict[Side, dict[str, str]] = {None: dict(shared)}
    for side in Laterality:
        kinds = [kind for kind in KINDS if labels.get((kind, side)) == 1]
        facts[side] = shared | ({"lesion_type": lesion_type(kinds)} if kinds else {})
    return ExamTruth(case.exam, case.patient, labels, facts, split_of(case))


def _with_exam_facts(truth: ExamTruth, exam: Exam) -> ExamTruth:
    """The truth with the vendor, the age, and how many views there are, as the opened files say."""
    known = [view.acquisition for view in exam.views.values()]
    vendor = next((each.manufacturer for each in known if each.manufacturer), "")
    age = next((each.age_years for each in known if each.age_years), None)
    more = {"vendor": vendor, "age": "" if age is None else str(age), "views": str(len(exam.views))}
    more = {name: text for name, text in more.items() if text}
    return truth._replace(facts={side: {**more, **facts} for side, facts in truth.facts.items()})


def stored_exams(store: Store, exam_filter: Filter, decoder: Decoder) -> ExamSet:
    """Return the exams of a filter of the worklist that have signed readings.

    Exams of the test split are test cases, those of the train split validation cases. Phantoms among women are left
    out.
    """
    labels: dict[int, dict[tuple[str, Side], Label]] = {}
    facts: dict[int, dict[str, str]] = {}
    readings: dict[int, Reading] = {}
    for task in store.tasks:
        for found in labelled_exams(store, task, FinetuneConfig(task.name, exam_filter=exam_filter)):
            of_exam = labels.setdefault(found.exam.id, {})
            for side, label in found.labels.items():
                of_exam[task.name, side] = (label[0], int(label[1])) if isinstance(label, tuple) else label
            readings[found.exam.id] = found.read.reading
            known = {name: found.facts[name] for name in ("density", "vendor") if found.facts[name]}
            facts[found.exam.id] = known | ({"age": str(found.exam.age_years)} if found.exam.age_years else {})

    def truth_of(number: int) -> ExamTruth:
        exam = store.exams.get(number)
        split = TEST if exam.split == TEST else VALIDATION
        of_side: dict[Side, dict[str, str]] = {None: facts[number]}
        for side in Laterality:
            kinds = [kind for kind in KINDS if labels[number].get((kind, side)) == 1]
            of_side[side] = facts[number] | ({"lesion_type": lesion_type(kinds)} if kinds else {})
        return ExamTruth(exam.name, exam.patient, labels[number], of_side, split)

    def opened(number: int) -> KnownExam:
        exam = open_stored_exam(store, number, decoder)
        truth = truth_of(number)
        views = {side: {"views": str(len(exam.views)), **known} for side, known in truth.facts.items()}
        return KnownExam(exam, truth._replace(facts=views), _boxes_of_marks(readings[number]))

    kept, _ = without_phantoms(store, [store.exams.get(number) for number in sorted(labels)])
    left_out = len(labels) - len(kept)
    problems = (f"{left_out:,} exams are not used: phantoms among exams of women",) if left_out else ()
    truths = {exam.id: truth_of(exam.id) for exam in kept}

    def state(number: int) -> str:
        return checksum_of_lines(f"{view.name} {view.sha256}" for view in store.exams.views(number))

    exams = tuple(
        ExamToAsk(truth.exam, truth.split, partial(opened, number), state(number)) for number, truth in truths.items()
    )
    return ExamSet("signed readings of the store", exams, checksum_of_lines(map(str, truths.values())), problems)


def _boxes_of_marks(reading: Reading) -> dict[ViewName, tuple[FindingBox, ...]]:
    """The boxes around the marks of a reading; a point has none."""
    boxes: dict[ViewName, tuple[FindingBox, ...]] = {}
    for finding in reading.findings.values():
        for mark in finding.marks:
            columns, rows = ([place[axis] + 0.5 for place in mark.points] for axis in (0, 1))
            box = FindingBox(finding.label, min(columns), min(rows), max(columns), max(rows))
            if box.left < box.right and box.top < box.bottom:
                boxes[mark.view] = (*boxes.get(mark.view, ()), box)
    return boxes
