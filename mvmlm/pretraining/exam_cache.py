"""Exams as model input on disk, decoded once, memory-mapped and checksummed, with the labels of each exam.

`ExamCacheWriter` writes a folder and continues an interrupted one; `ExamCache` reads it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

import numpy as np

from ..atomic_file import errors_named, replace_file
from ..datasets.case import Case, FindingBox, SkippedRow, split_of
from ..datasets.data_folder import DataFolder
from ..datasets.usable import Usable
from ..exam import STANDARD_VIEWS, Exam, Laterality, ViewName
from ..imaging.decoder import Decoder
from ..imaging.phantom_files import is_phantom_exam
from ..imaging.preprocess import NoBreast, Preprocessing
from ..messages import Advised
from ..report.findings import Findings
from .case_loading import LoadedCase, files_of, load_case
from .picture_files import PictureFile
from .work_files import complete_lines, damage_told, json_lines

SETTINGS_FILE, INDEX_FILE, VIEWS_FILE, PARAPHRASES_FILE = "arrays.json", "index.jsonl", "views.u8", "rewordings.jsonl"
#: the split of an exam whose pixels are not used: the tables no longer name it, or it could not be decoded again
GONE = "gone"


class ModelBox(NamedTuple):
    """The box of a finding in pixels of the model's input; `datasets.case.FindingBox` is in pixels of the DICOM file.

    view: index in STANDARD_VIEWS. left and right are columns, top and bottom rows; right and bottom are excluded.
    """

    view: int
    kind: str
    left: float
    top: float
    right: float
    bottom: float


class CachedExam(NamedTuple):
    """An exam as the cache stores it.

    views: (4, rows, columns) uint8 in the order of STANDARD_VIEWS, zero for a missing view; 0..255 stands for
    0..ceiling of the preprocessing. present: (4,) bool. boxes: the findings whose box is known.
    """

    views: np.ndarray
    present: np.ndarray
    boxes: tuple[ModelBox, ...]


@dataclass(frozen=True)
class Labels:
    """The labels of one exam. A missing key is unknown and gives no loss.

    findings: for each breast, what its report may contain. breast: for each breast, the class index of each task (0 or
    1 for a binary task). exam: the same for exam tasks. risk: (years, event) of the follow-up, None without one.
    boxes: the findings whose box is known. phantom: whether the exam is a phantom's, see `imaging.phantom_files`.
    """

    findings: Mapping[Laterality, Findings]
    breast: Mapping[Laterality, Mapping[str, int]]
    exam: Mapping[str, int]
    risk: tuple[float, bool] | None
    boxes: tuple[ModelBox, ...] = ()
    phantom: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the labels as plain JSON values."""
        findings = {side.value: found.to_json() for side, found in self.findings.items()}
        breast = {side.value: dict(labels) for side, labels in self.breast.items()}
        values = {"findings": findings, "breast": breast, "exam": self.exam, "risk": self.risk, "places": self.boxes}
        return values | ({"phantom": True} if self.phantom else {})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Labels:
        """Return the labels of a value that `to_json` made."""
        return cls(
            {Laterality(side): Findings.from_json(found) for side, found in data["findings"].items()},
            {Laterality(side): labels for side, labels in data["breast"].items()},
            data["exam"],
            (data["risk"][0], data["risk"][1]) if data["risk"] else None,
            tuple(ModelBox(*box) for box in data.get("places", ())),
            bool(data.get("phantom")),
        )

    @classmethod
    def from_case(cls, case: Case) -> Labels:
        """Return the labels of a data set's case, without boxes."""
        of_side = {side: getattr(case.findings, side.word) for side in Laterality}
        findings = {side: found for side, found in of_side.items() if found is not None}
        breast = {side: dict(labels) for side, labels in case.breast_labels.items()}
        return cls(findings, breast, dict(case.exam_labels), case.risk)


class OtherPreprocessing(Advised, ValueError):
    """A folder holds exams that were decoded with another preprocessing. The message says what to do."""


class ExamCacheWriter:
    """Appends exams to a cache folder: (4, rows, columns) bytes each to views.u8, then a line to index.jsonl.

    The line is written after the pixels, so an exam that an interruption left half written is cut off at the next
    start. `done` holds the names of the exams in the folder, but for those of `again` and those whose pixels are not
    used: they are to be decoded into their old place. Raises OtherPreprocessing, and DamagedFile.
    """

    def __init__(self, folder: Path, preprocessing: Preprocessing, again: Collection[str] = ()):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / SETTINGS_FILE
        if settings.exists() and _preprocessing(self.folder) != preprocessing:
            raise OtherPreprocessing(
                f"{self.folder.name}: made with another preprocessing. Train a preset of that size of input, or give "
                "another folder.",
                "preset",
                "work",
            )
        with replace_file(settings) as file:
            file.write(json.dumps(asdict(preprocessing)).encode())
        lines = complete_lines(self.folder / INDEX_FILE)
        exams = index_lines(self.folder)
        rows = {line["exam"]: row for row, line in enumerate(exams)}
        again = {line["exam"] for line in exams if line["split"] == GONE} | set(again)
        self.done = rows.keys() - again
        self._again = {name: row for name, row in rows.items() if name in again}
        self._index = open(self.folder / INDEX_FILE, "a", encoding="utf-8")  # noqa: SIM115
        self._index.truncate(sum(len(line.encode()) + 1 for line in lines))  # in one go: a kill loses no exam
        self._views = open(self.folder / VIEWS_FILE, "ab")  # noqa: SIM115
        self._views.truncate(len(lines) * len(STANDARD_VIEWS) * preprocessing.rows * preprocessing.columns)

    def __enter__(self) -> ExamCacheWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for file in (self._views, self._index):
            with errors_named(Path(file.name)):  # what could not be written is tried once more
                file.close()

    def add(
        self,
        exam: str,
        views: np.ndarray,
        present: np.ndarray,
        labels: Labels,
        split: str = "train",
        files: Sequence[PictureFile] = (),
    ) -> None:
        """Append one exam; `views` (4, rows, columns) uint8 and `present` (4,) bool are those of `CachedExam`.

        files: its picture files, as they were before they were decoded.
        """
        data, row = views.tobytes(), self._again.get(exam)
        with errors_named(self.folder / VIEWS_FILE):
            if row is None:
                self._views.write(data)
                self._views.flush()
            else:
                with open(self.folder / VIEWS_FILE, "r+b") as file:
                    file.seek(row * len(data))
                    file.write(data)
        checksum = hashlib.sha256(data).hexdigest()
        line = {
            "exam": exam,
            "split": split,
            "present": present.tolist(),
            "sha256": checksum,
            "labels": labels.to_json(),
            "files": files,
        }
        if row is None:
            with errors_named(self.folder / INDEX_FILE):
                self._index.write(json.dumps(line) + "\n")
                self._index.flush()
        else:
            self._replace_lines({row: line})
        self.done.add(exam)

    def leave_out(self, exams: Iterable[str]) -> list[str]:
        """Take those of the exams out of use that were to be decoded again and were not; return those in use before."""
        lines = index_lines(self.folder)
        rows = {exam: self._again[exam] for exam in exams if exam in self._again and exam not in self.done}
        left_out = {exam: row for exam, row in rows.items() if lines[row]["split"] != GONE}
        if left_out:
            self._replace_lines({row: lines[row] | {"split": GONE} for row in left_out.values()})
        return list(left_out)

    def _replace_lines(self, new: Mapping[int, dict[str, Any]]) -> None:
        self._index.close()
        write_index(self.folder, [new.get(row, line) for row, line in enumerate(index_lines(self.folder))])
        self._index = open(self.folder / INDEX_FILE, "a", encoding="utf-8")  # noqa: SIM115


def index_lines(folder: Path) -> list[dict[str, Any]]:
    """Return what a folder holds of each exam, without its pixels, in the order of the pixels. Raises DamagedFile."""
    return json_lines(folder / INDEX_FILE, "exam", "split", "present", "sha256", "labels")


def _preprocessing(folder: Path) -> Preprocessing:
    with damage_told(folder / SETTINGS_FILE):
        return Preprocessing(**json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8")))


def write_index(folder: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    """Write the lines that `index_lines` reads, all or none."""
    with replace_file(folder / INDEX_FILE) as file:
        file.writelines(f"{json.dumps(line)}\n".encode() for line in lines)


class DamagedExam(Advised, ValueError):
    """The pixels of an exam on disk are not those that were written. The message names the exam."""


class ExamCache:
    """The exams of a cache folder, of one split ("train", "validation", "test") or of all.

    Pixels stay on disk until they are read. They are stored before the mean and std are applied, so
    `preprocessing` may get other constants later. paraphrases: findings key -> texts that `write_paraphrases` added.
    Raises ValueError for a folder without an exam, and DamagedFile.
    """

    def __init__(self, folder: Path, split: str | None = None):
        self.folder = Path(folder)
        lines = index_lines(self.folder)
        if not lines:
            raise ValueError(f"{self.folder} holds no decoded exam; decode a data set with `mvmlm pretrain` first.")
        self.preprocessing = _preprocessing(self.folder)
        shape = (len(lines), len(STANDARD_VIEWS), self.preprocessing.rows, self.preprocessing.columns)
        self._views = np.memmap(self.folder / VIEWS_FILE, np.uint8, "r", shape=shape)
        used = [row for row, line in enumerate(lines) if line["split"] != GONE]
        self._rows = [row for row in used if split in (None, lines[row]["split"])]
        chosen = [lines[row] for row in self._rows]
        self.names = [line["exam"] for line in chosen]
        self.splits = [line["split"] for line in chosen]
        self.sources = [""] * len(chosen)
        with damage_told(self.folder / INDEX_FILE):
            self.labels = [Labels.from_json(line["labels"]) for line in chosen]
            self.present = np.array([line["present"] for line in chosen], bool).reshape(-1, len(STANDARD_VIEWS))
        self._checksums = [line["sha256"] for line in chosen]
        self._index = chosen
        self._read: set[int] = set()
        self.paraphrases: dict[int, list[str]] = {}
        for row in json_lines(self.folder / PARAPHRASES_FILE, "findings", "text"):
            self.paraphrases.setdefault(row["findings"], []).append(row["text"])

    def __len__(self) -> int:
        return len(self.labels)

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_views": self._views.shape}  # a loading process maps the file itself

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._views = np.memmap(self.folder / VIEWS_FILE, np.uint8, "r", shape=state["_views"])

    def views(self, index: int) -> np.ndarray:
        """Return the pixels of one exam: (4, rows, columns) uint8 in the order of STANDARD_VIEWS.

        They are compared with their checksum the first time. Raises DamagedExam.
        """
        if index not in self._read:
            if self._is_damaged(index):
                raise DamagedExam(
                    f"{self.names[index]}: its pixels in {VIEWS_FILE} are damaged. Decode it again.", "verify"
                )
            self._read.add(index)
        return self._views[self._rows[index]]

    def _is_damaged(self, index: int) -> bool:
        return hashlib.sha256(self._views[self._rows[index]].tobytes()).hexdigest() != self._checksums[index]

    def damaged(self) -> list[str]:
        """Return the names of the exams whose bytes on disk do not match their checksum."""
        return [name for index, name in enumerate(self.names) if self._is_damaged(index)]

    def checksums(self) -> dict[str, str]:
        """Return a short checksum of the pixels and labels of each exam, by name, in the cache's order."""
        return {
            line["exam"]: hashlib.sha256(
                json.dumps([line["sha256"], line["present"], line["labels"]], sort_keys=True).encode()
            ).hexdigest()[:16]
            for line in self._index
        }


def to_cached_exam(
    exam: Exam, preprocessing: Preprocessing, boxes: Mapping[ViewName, Sequence[FindingBox]] = MappingProxyType({})
) -> CachedExam:
    """Preprocess an exam for the cache; a view without a breast counts as missing.

    boxes: the marked findings of each view in DICOM pixels; they are returned in pixels of the model's input, without
    those that lie outside the part of the picture that the model sees.
    """
    model_boxes = []
    views = np.zeros((len(STANDARD_VIEWS), preprocessing.rows, preprocessing.columns), np.uint8)
    present = np.zeros(len(STANDARD_VIEWS), bool)
    for index, name in enumerate(STANDARD_VIEWS):
        if name not in exam.views:
            continue
        try:
            given = preprocessing(exam.views[name])
        except NoBreast:
            continue
        for box in boxes.get(name, ()):
            # the geometry maps pixel centres, boxes have edges: half a pixel apart
            geometry = given.geometry
            corners = geometry.to_model(np.array([[box.left, box.top], [box.right, box.bottom]]) - 0.5) + 0.5
            first, last = (0, geometry.top), (geometry.scaled_columns, geometry.top + geometry.scaled_rows)
            corners = np.clip(corners, first, last)  # the model sees the breast with its margin, and no more
            if (corners[0] != corners[1]).all():
                edges = *corners.min(0).round(2).tolist(), *corners.max(0).round(2).tolist()
                model_boxes.append(ModelBox(index, box.kind, *edges))
        level = (given.tensor * preprocessing.std + preprocessing.mean) / preprocessing.ceiling
        views[index], present[index] = np.round(np.clip(level, 0, 1) * 255), True
    return CachedExam(views, present, tuple(model_boxes))


def cache_cases(
    cases: Iterable[Case | SkippedRow],
    root: Path,
    writer: ExamCacheWriter,
    preprocessing: Preprocessing,
    decoder: Decoder,
) -> Iterator[str]:
    """Decode each case that is not in the cache yet; yield a sentence for everything that is not used or contradicts.

    root: folder of the data set. An exam of which a file is missing is not used; nor is one that must be decoded again
    and cannot be. Raises NoUsableExam at the end where no case is in the cache.
    """
    folder, usable, clipped = DataFolder(root), Usable(Path(root)), 0
    taken: dict[str, str] = {}
    splits: dict[str, set[str]] = {}
    failed: list[str] = []
    for case in cases:
        if isinstance(case, SkippedRow):
            usable.skipped[case.reason] += 1
            yield f"{case.name}: {case.reason}"
            continue
        usable.exams, usable.files = usable.exams + 1, usable.files + len(case.images)
        if case.exam not in writer.done:
            loaded = load_case(case, folder, decoder, taken)
            usable.add_missing(loaded.missing)
            clipped += loaded.clipped
            yield from (f"{case.exam}: {problem}" for problem in _add(case, loaded, writer, preprocessing))
        taken |= {file: case.exam for file in files_of(case, folder) if file not in taken}
        usable.usable += case.exam in writer.done
        failed += [case.exam] if case.exam not in writer.done else []
        splits.setdefault(case.patient, set()).add(split_of(case))
    for exam in writer.leave_out(failed):
        yield f"{exam}: could not be decoded again and is left out; its old pixels are not used"
    if clipped:
        yield f"{clipped:,} box(es) reach beyond their picture and were cut at its edge"
    if several := [patient for patient, of_patient in splits.items() if len(of_patient) > 1]:
        first = f"{several[0]} ({' and '.join(sorted(splits[several[0]]))})"
        yield (
            f"{len(several):,} patient(s) have exams in more than one split, first {first}: what is measured on "
            "them is too good; give all exams of a patient one split"
        )
    usable.check()


def _add(case: Case, loaded: LoadedCase, writer: ExamCacheWriter, preprocessing: Preprocessing) -> Iterator[str]:
    """Write a loaded case to the cache; yield a sentence for everything that is not used or contradicts."""
    yield from loaded.problems
    if not loaded.exam.views:
        if not loaded.problems:
            yield "no standard view"
        return
    cached = to_cached_exam(loaded.exam, preprocessing, loaded.boxes)
    for name, present in zip(STANDARD_VIEWS, cached.present, strict=True):
        if name in loaded.exam.views and not present:
            yield f"{loaded.exam.views[name].file}: no breast is found in the picture; it is not used"
    marked = sum(len(boxes) for name, boxes in loaded.boxes.items() if cached.present[STANDARD_VIEWS.index(name)])
    if len(cached.boxes) < marked:
        yield f"{marked - len(cached.boxes)} of {marked} boxes lie outside the breast in the picture and are not used"
    if cached.present.any():
        labels = replace(Labels.from_case(case), boxes=cached.boxes, phantom=is_phantom_exam(loaded.exam))
        writer.add(case.exam, cached.views, cached.present, labels, split_of(case), loaded.files)
