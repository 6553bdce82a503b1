"""What a data set was when its exams were decoded, tables and picture files, so that a run notices what has changed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..atomic_file import replace_file
from ..datasets.case import Case, split_of
from ..datasets.data_folder import DataFolder, RefusedPath
from .exam_cache import GONE, INDEX_FILE, Labels, index_lines, write_index
from .picture_files import PictureChanges, PictureFile
from .work_files import damage_told

FILE = "table.json"


class ExamState(NamedTuple):
    """What the tables say of an exam: its split, and checksums of its labels and of its pictures with their boxes."""

    split: str
    labels: str
    pictures: str


@dataclass(frozen=True)
class TableState:
    """The tables of a data set as a run reads them: what they say of each exam, by name.

    data_set: its name, "" where it is not known: a work folder of an earlier version holds splits and labels only.
    """

    data_set: str
    exams: Mapping[str, ExamState]

    @classmethod
    def of(cls, data_set: str, cases: Iterable[Case]) -> TableState:
        """Return that of a data set's cases; of two of one name the first counts, as in the cache."""
        exams: dict[str, ExamState] = {}
        for case in cases:
            labels = _checksum(Labels.from_case(case).to_json())
            # in any order of the rows
            images = (replace(image, boxes=tuple(sorted(image.boxes))) for image in case.images)
            pictures = _checksum(sorted(_checksum(asdict(image)) for image in images))
            exams.setdefault(case.exam, ExamState(split_of(case), labels, pictures))
        return cls(data_set, exams)

    @classmethod
    def load(cls, folder: Path) -> TableState | None:
        """Return that of a work folder's exams, or None for one without exams. Raises DamagedFile."""
        path = folder / FILE
        if not path.exists():
            lines = [line for line in index_lines(folder) if line["split"] != GONE]
            with damage_told(folder / INDEX_FILE):
                labels = {line["exam"]: _of_tables(Labels.from_json(line["labels"])) for line in lines}
            exams = {line["exam"]: ExamState(line["split"], _checksum(labels[line["exam"]]), "") for line in lines}
            return cls("", exams) if exams else None
        with damage_told(path):
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["sha256"] != _checksum(data["exams"]):
                raise ValueError("another checksum")
            return cls(data["data_set"], {name: ExamState(*values) for name, values in data["exams"].items()})

    def save(self, folder: Path) -> None:
        """Write it, with a checksum of all, into the folder of the exams."""
        values = {"data_set": self.data_set, "sha256": _checksum(self.exams), "exams": self.exams}
        folder.mkdir(parents=True, exist_ok=True)
        with replace_file(folder / FILE) as file:
            file.write(json.dumps(values).encode())

    def changes(self, now: TableState) -> str:
        """Return in words what the tables say otherwise `now`, "" for nothing."""
        if self.data_set not in ("", now.data_set):
            return f"its exams are those of {self.data_set}, not of {now.data_set}"
        both = self.exams.keys() & now.exams.keys()
        moved = Counter((self.exams[name].split, now.exams[name].split) for name in both)
        parts = [f"{n} exam(s) moved from {old} to {new}" for (old, new), n in sorted(moved.items()) if old != new]
        labels = sum(self.exams[name].labels != now.exams[name].labels for name in both)
        parts += [f"{labels} exam(s) with other labels"] if labels else []
        pictures = len(self.other_pictures(now))
        parts += [f"{pictures} exam(s) with other pictures or boxes"] if pictures else []
        new = len(now.exams.keys() - both) if self.data_set else 0  # earlier: those that could not be used
        gone = len(self.exams.keys() - both)
        parts += [f"{new} new exam(s)"] if new else []
        parts += [f"{gone} exam(s) gone"] if gone else []
        return ", ".join(parts)

    def other_pictures(self, now: TableState) -> set[str]:
        """Return the exams whose pictures or boxes are others `now`: their pixels must be decoded again."""
        both = self.exams.keys() & now.exams.keys()
        return {name for name in both if self.exams[name].pictures not in ("", now.exams[name].pictures)}


def _of_tables(labels: Labels) -> dict[str, Any]:
    """What the tables say, without what was found in the pictures."""
    return replace(labels, boxes=(), phantom=False).to_json()


def update_labels(folder: Path, cases: Iterable[Case]) -> None:
    """Give decoded exams the splits and labels of their cases; pixels stay. Those without a case leave every split.

    An exam whose pixels are not used stays so until it is decoded again. Without a change nothing is written.
    """
    case_of = _by_name(cases)
    lines, before = index_lines(folder), index_lines(folder)
    for line in lines:
        found = case_of.get(line["exam"])
        line["split"] = split_of(found) if found and line["split"] != GONE else GONE
        if found:
            with damage_told(folder / INDEX_FILE):
                old, new = Labels.from_json(line["labels"]), Labels.from_case(found)
            if _checksum(_of_tables(old)) != _checksum(_of_tables(new)):
                line["labels"] = replace(new, boxes=old.boxes, phantom=old.phantom).to_json()
    if lines != before:
        write_index(folder, lines)


def compare_pictures(folder: Path, cases: Iterable[Case], root: Path, every_byte: bool = False) -> PictureChanges:
    """Return which decoded exams of the cases have other picture files below `root` now than when they were decoded.

    A file of the old size and time is taken for the old one, unless its content is compared too (`every_byte`). Where
    only the time is another, the folder gets the new one.
    """
    case_of, below, changes = _by_name(cases), DataFolder(root), PictureChanges()
    lines, touched = index_lines(folder), False
    for line in lines:
        with damage_told(folder / INDEX_FILE):
            exam, files = line["exam"], [PictureFile(*file) for file in line.get("files", ())]
        if line["split"] == GONE or exam not in case_of:
            continue
        now = [file.now(below, every_byte) for file in files]
        if not files:
            changes.unknown.append(exam)
        if any(new is not None and new.sha256 != old.sha256 for old, new in zip(files, now, strict=True)):
            changes.replaced.append(exam)
            continue
        if None in now or (not files and _has_missing(case_of[exam], below)):
            changes.gone.append(exam)
        if (known := [new or old for old, new in zip(files, now, strict=True)]) != files:
            line["files"], touched = known, True
    if touched:
        write_index(folder, lines)
    return changes


def _has_missing(case: Case, folder: DataFolder) -> bool:
    for image in case.images:
        with suppress(RefusedPath):
            if folder.find(image.path) is None:
                return True
    return False


def _by_name(cases: Iterable[Case]) -> dict[str, Case]:
    """Exam -> its case; of two of one name the first counts, as in the cache."""
    case_of: dict[str, Case] = {}
    for case in cases:
        case_of.setdefault(case.exam, case)
    return case_of


def _checksum(value: Any) -> str:
    text = json.dumps(_known(value), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _known(value: Any) -> Any:
    """The value without what is not known: a field that a later version adds changes no checksum without a value."""
    if isinstance(value, Mapping):
        return {name: _known(item) for name, item in value.items() if item not in (None, (), [], {})}
    return [_known(item) for item in value] if isinstance(value, list | tuple) else value
