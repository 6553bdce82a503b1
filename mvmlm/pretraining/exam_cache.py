"""Exams as the model sees them, on disk: decoded once, memory-mapped, checksummed; and what is known of each.

`ArrayWriter` can be stopped at any moment and goes on where it was; `ExamArrays` reads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from ..datasets import Case, FindingBox, SkippedRow, split_of
from ..exam import STANDARD_VIEWS, Exam, Laterality, ViewName
from ..imaging.decoder import Decoder
from ..imaging.load import NoExam, SeveralExams, load_exam, rename
from ..imaging.preprocess import NoBreast, Preprocessing
from ..report.findings import Finding, Findings


class ModelBox(NamedTuple):
    """Where a finding is: the view's index in STANDARD_VIEWS and a box in model pixels (column, row; last excluded)."""

    view: int
    kind: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Labels:
    """What is known of one exam. A missing key is not known and gives no loss.

    findings, breast: for each breast what a report may say, and the class index of each task (0/1 for a binary one);
    exam: the same for exam tasks. risk: (years, event) of the follow-up, None without one. places: the boxes that are known.
    """

    findings: dict[Laterality, Findings]
    breast: dict[Laterality, dict[str, int]]
    exam: dict[str, int]
    risk: tuple[float, bool] | None
    places: tuple[ModelBox, ...] = ()

    def to_json(self) -> dict:
        """Plain JSON values."""
        findings = {
            side.value: asdict(found) | {"absent": sorted(found.absent)} for side, found in self.findings.items()
        }
        breast = {side.value: dict(labels) for side, labels in self.breast.items()}
        return {"findings": findings, "breast": breast, "exam": self.exam, "risk": self.risk, "places": self.places}

    @classmethod
    def from_json(cls, data: dict) -> Labels:
        """The inverse of `to_json`."""
        return cls(
            {Laterality(side): _findings(found) for side, found in data["findings"].items()},
            {Laterality(side): labels for side, labels in data["breast"].items()},
            data["exam"],
            tuple(data["risk"]) if data["risk"] else None,
            tuple(ModelBox(*place) for place in data.get("places", ())),
        )

    @classmethod
    def from_case(cls, case: Case) -> Labels:
        """What a data set's case tells."""
        told = {side: getattr(case.findings, side.word) for side in Laterality}
        findings = {side: found for side, found in told.items() if found is not None}
        return cls(
            findings,
            {side: dict(labels) for side, labels in case.breast_labels.items()},
            dict(case.exam_labels),
            case.risk,
        )


def _findings(data: dict) -> Findings:
    present = tuple(Finding(**part | {"features": tuple(part["features"])}) for part in data["present"])
    return Findings(data["density"], present, frozenset(data["absent"]), data["birads"])


class ArrayWriter:
    """Appends exams to a folder: views.u8 (4, rows, columns) bytes each, then a line of index.jsonl.

    A line is written after its pixels, so what a stop leaves half done is cut off at the next start. `done` holds the
    names of the exams that are there. Raises ValueError where the folder was made with another preprocessing.
    """

    def __init__(self, folder: Path, preprocessing: Preprocessing):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        settings = self.folder / "arrays.json"
        if settings.exists() and Preprocessing(**json.loads(settings.read_text())) != preprocessing:
            raise ValueError(f"{self.folder.name}: made with another preprocessing; give another folder")
        settings.write_text(json.dumps(asdict(preprocessing)))
        lines = _whole_lines(self.folder / "index.jsonl")
        self.done = {json.loads(line)["exam"] for line in lines}
        self._index = open(self.folder / "index.jsonl", "w")  # noqa: SIM115
        self._index.writelines(line + "\n" for line in lines)
        self._views = open(self.folder / "views.u8", "ab")  # noqa: SIM115
        self._views.truncate(len(lines) * _block(preprocessing))

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._views.close()
        self._index.close()

    def add(self, exam: str, views: np.ndarray, present: np.ndarray, labels: Labels, split: str = "train") -> None:
        """views (4, rows, columns) uint8 and present (4,) bool, of `exam_to_arrays`."""
        data = views.tobytes()
        self._views.write(data)
        self._views.flush()
        checksum = hashlib.sha256(data).hexdigest()
        line = {
            "exam": exam,
            "split": split,
            "present": present.tolist(),
            "sha256": checksum,
            "labels": labels.to_json(),
        }
        self._index.write(json.dumps(line) + "\n")
        self._index.flush()
        self.done.add(exam)


def _whole_lines(path: Path) -> list[str]:
    if not path.exists():
        return []
    text = path.read_text()
    return text[: text.rfind("\n") + 1].splitlines()


def _block(preprocessing: Preprocessing) -> int:
    return len(STANDARD_VIEWS) * preprocessing.rows * preprocessing.columns


class ExamArrays:
    """The exams of a folder, of one split or all. views (exams, 4, rows, columns) uint8 stays on disk until it is read.

    Grey levels are stored as 0..255 for 0..ceiling, before the mean and std, so that the constants can change.
    """

    def __init__(self, folder: Path, split: str | None = None):
        self.folder = Path(folder)
        self.preprocessing = Preprocessing(**json.loads((self.folder / "arrays.json").read_text()))
        lines = [json.loads(line) for line in _whole_lines(self.folder / "index.jsonl")]
        shape = (len(lines), len(STANDARD_VIEWS), self.preprocessing.rows, self.preprocessing.columns)
        self._all = np.memmap(self.folder / "views.u8", np.uint8, "r", shape=shape)
        self._rows = [row for row, line in enumerate(lines) if split in (None, line["split"])]
        kept = [lines[row] for row in self._rows]
        self.names = [line["exam"] for line in kept]
        self.labels = [Labels.from_json(line["labels"]) for line in kept]
        self.present = np.array([line["present"] for line in kept], bool)
        self._checksums = [line["sha256"] for line in kept]
        #: findings key -> a language model's paraphrases, where `rewrite` made some
        self.rewordings: dict[int, list[str]] = {}
        for line in _whole_lines(self.folder / "rewordings.jsonl"):
            row = json.loads(line)
            self.rewordings.setdefault(row["findings"], []).append(row["text"])

    def __len__(self) -> int:
        return len(self.labels)

    def views(self, index: int) -> np.ndarray:
        """(4, rows, columns) uint8 of one exam, in the order of STANDARD_VIEWS."""
        return self._all[self._rows[index]]

    def damaged(self) -> list[str]:
        """The names of exams whose bytes on disk are not those that were written."""
        read = (hashlib.sha256(self.views(index).tobytes()).hexdigest() for index in range(len(self)))
        return [name for name, now, then in zip(self.names, read, self._checksums, strict=True) if now != then]


def exam_to_arrays(
    exam: Exam, preprocessing: Preprocessing, boxes: Mapping[ViewName, Sequence[FindingBox]] = MappingProxyType({})
) -> tuple[np.ndarray, np.ndarray, tuple[ModelBox, ...]]:
    """-> views (4, rows, columns) uint8 in the order of STANDARD_VIEWS, present (4,) bool; zero where a view is not.

    boxes: what was marked in DICOM pixels of a view; they come back in model pixels.
    """
    places = []
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
            corners = given.geometry.to_model(np.array([[box.left, box.top], [box.right, box.bottom]]) - 0.5) + 0.5
            places.append(
                ModelBox(index, box.kind, *corners.min(0).round(2).tolist(), *corners.max(0).round(2).tolist())
            )
        level = (given.tensor * preprocessing.std + preprocessing.mean) / preprocessing.ceiling
        views[index], present[index] = np.round(np.clip(level, 0, 1) * 255), True
    return views, present, tuple(places)


def cache_cases(
    cases: Iterable[Case | SkippedRow], root: Path, writer: ArrayWriter, preprocessing: Preprocessing, decoder: Decoder
) -> Iterable[str]:
    """Decodes each case once; yields a line for each one that is not used, with the reason.

    Where the table names a view, it decides over the file: a side told by the table is never guessed.
    """
    for case in cases:
        if isinstance(case, SkippedRow):
            yield f"{case.what}: {case.why}"
        elif case.exam not in writer.done:
            paths = [root / image.path for image in case.images]
            lacking = [image.path for image, path in zip(case.images, paths, strict=True) if not path.is_file()]
            if lacking:
                yield f"{case.exam}: {len(lacking)} missing file(s), first {lacking[0]}"
                continue
            try:
                exam = load_exam(paths, one_exam=True, decoder=decoder)
            except (NoExam, SeveralExams) as error:
                yield f"{case.exam}: {error}"
                continue
            for image, path in zip(case.images, paths, strict=True):
                held = {view.file: view for view in (*exam.views.values(), *exam.extra)}.get(path.name)
                if image.name is not None and held is not None and held.name != image.name and not held.modifiers:
                    exam = rename(exam, path.name, image.name)
            boxes = {
                name: image.boxes
                for name, view in exam.views.items()
                for image in case.images
                if Path(image.path).name == view.file
            }
            views, present, places = exam_to_arrays(exam, preprocessing, boxes)
            if not present.any():
                yield f"{case.exam}: no standard view with a breast in it"
                continue
            writer.add(case.exam, views, present, replace(Labels.from_case(case), places=places), split_of(case))
