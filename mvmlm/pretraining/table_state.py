"""What the tables of a data set said when its exams were decoded, so that a later run notices what has changed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..atomic_file import replace_file
from ..datasets.case import Case, split_of
from .exam_cache import GONE, INDEX_FILE, Labels, complete_lines

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
            exams.setdefault(case.exam, ExamState(split_of(case), labels, _checksum([asdict(i) for i in case.images])))
        return cls(data_set, exams)

    @classmethod
    def load(cls, folder: Path) -> TableState | None:
        """Return that of a work folder's exams, or None for one without exams."""
        path = folder / FILE
        if not path.exists():
            lines = [json.loads(line) for line in complete_lines(folder / INDEX_FILE)]
            labels = {line["exam"]: replace(Labels.from_json(line["labels"]), boxes=()).to_json() for line in lines}
            exams = {line["exam"]: ExamState(line["split"], _checksum(labels[line["exam"]]), "") for line in lines}
            return cls("", exams) if exams else None
        data = json.loads(path.read_text(encoding="utf-8"))
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


def update_labels(folder: Path, cases: Iterable[Case]) -> None:
    """Give decoded exams the splits and labels of their cases; pixels stay. Those without a case leave every split."""
    case_of: dict[str, Case] = {}
    for case in cases:
        case_of.setdefault(case.exam, case)
    lines = [json.loads(line) for line in complete_lines(folder / INDEX_FILE)]
    for line in lines:
        found = case_of.get(line["exam"])
        line["split"] = split_of(found) if found else GONE
        if found:
            boxes = Labels.from_json(line["labels"]).boxes
            line["labels"] = replace(Labels.from_case(found), boxes=boxes).to_json()
    with replace_file(folder / INDEX_FILE) as file:
        file.writelines((json.dumps(line) + "\n").encode() for line in lines)


def _checksum(value: Any) -> str:
    text = json.dumps(_known(value), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _known(value: Any) -> Any:
    """The value without what is not known: a field that a later version adds changes no checksum without a value."""
    if isinstance(value, Mapping):
        return {name: _known(item) for name, item in value.items() if item not in (None, (), [], {})}
    return [_known(item) for item in value] if isinstance(value, list | tuple) else value
