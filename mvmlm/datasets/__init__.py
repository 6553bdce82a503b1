"""Public data sets and your own table -> cases: which images make an exam, and what the table says of it.

One small file a data set maps its table to `Case`s; all else (splits, checks, contradictions) is here, once. Outcomes go
into labels and never into findings, so no report can tell them.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from ..exam import STANDARD_VIEWS, Laterality, ViewName
from ..report.findings import ExamFindings

SPLITS = ("train", "validation", "test")
SHARES = (0.7, 0.1, 0.2)  # of patients, where a data set has no official split

#: name -> module of this package; each has `read(root) -> Iterator[Case | SkippedRow]`, and TITLE
ADAPTERS = {
    "vindr": "vindr", "rsna": "rsna", "cbis": "cbis", "embed": "embed",
    "cmmd": "cmmd", "inbreast": "inbreast", "csaw-cc": "csaw_cc", "table": "table",
}  # fmt: skip


class DatasetError(ValueError):
    """A data set that cannot be read; the text says which file or column is missing."""


class FindingBox(NamedTuple):
    """A finding's box in DICOM pixels of its view, edges as the tables give them: left and top in, right and bottom out."""

    kind: str
    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True)
class Image:
    """path is relative to the data set's root; name None where only the file itself tells its view."""

    path: str
    name: ViewName | None
    boxes: tuple[FindingBox, ...] = ()


@dataclass(frozen=True)
class Case:
    """One exam. labels: what training needs besides the findings, a class index for each task, by breast or exam.

    split: the official one, or None. contradictions: sentences on rows that disagree with each other.
    """

    exam: str
    patient: str
    images: tuple[Image, ...]
    findings: ExamFindings
    breast_labels: Mapping[Laterality, Mapping[str, int]] = field(default_factory=dict)
    exam_labels: Mapping[str, int] = field(default_factory=dict)
    risk: tuple[float, bool] | None = None
    split: str | None = None
    contradictions: tuple[str, ...] = ()


@dataclass(frozen=True)
class SkippedRow:
    """A row or exam that is not used, and why."""

    what: str
    why: str


def read_dataset(name: str, root: Path) -> Iterator[Case | SkippedRow]:
    """The cases of a data set in `root`. Raises DatasetError."""
    if name not in ADAPTERS:
        raise DatasetError(f"data set {name!r}: expected one of {', '.join(ADAPTERS)}")
    return import_module(f".{ADAPTERS[name]}", __name__).read(Path(root))


def split_of(case: Case) -> str:
    """The official split, else one by patient that depends on the patient's ID alone, so it never changes."""
    if case.split is not None:
        return case.split
    place = int(hashlib.sha256(case.patient.encode()).hexdigest()[:8], 16) / 2**32
    return SPLITS[0] if place < SHARES[0] else SPLITS[1] if place < SHARES[0] + SHARES[1] else SPLITS[2]


def check(name: str, root: Path) -> str:
    """Counts exams, views, findings and missing files, and says what is not used and why."""
    counts: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    contradictions: list[str] = []
    patients: dict[str, set[str]] = {}
    for case in read_dataset(name, root):
        if isinstance(case, SkippedRow):
            refused[case.why] += 1
            continue
        counts["exams"] += 1
        counts[f"split {split_of(case)}"] += 1
        patients.setdefault(case.patient, set()).add(split_of(case))
        counts["images"] += len(case.images)
        counts["missing files"] += sum(not (root / image.path).is_file() for image in case.images)
        standard = {image.name for image in case.images} & set(STANDARD_VIEWS)
        counts["exams with all four views"] += len(standard) == 4
        for findings in (case.findings.right, case.findings.left):
            if findings is not None:
                counts.update(f"finding {finding.kind}" for finding in findings.present)
                counts["breasts with a density"] += findings.density is not None
                counts["breasts with an assessment"] += findings.birads is not None
        for labels in case.breast_labels.values():
            counts.update(f"label {task} = {value}" for task, value in labels.items())
        contradictions += case.contradictions
    lines = [f"{key}: {value:,}" for key, value in sorted(counts.items())]
    lines.append(f"patients: {len(patients):,}")
    lines.append(f"patients in more than one split: {sum(len(splits) > 1 for splits in patients.values())}")
    lines += [f"not used: {number:,} × {why}" for why, number in refused.most_common()]
    lines.append(f"contradictions: {len(contradictions)}")
    lines += [f"  {sentence}" for sentence in contradictions[:20]]
    return "\n".join(lines)


# ------------------------------------------------------------------ what adapters share


def rows_of(path: Path, columns: Iterable[str], delimiter: str = ",") -> Iterator[dict[str, str]]:
    """The rows of a CSV as stripped text. Raises DatasetError for a missing file or column."""
    if not path.is_file():
        raise DatasetError(
            f"{path.name} is not in {path.parent.name or 'the folder'}: give the data set's own folder as --root"
        )
    with open(path, newline="", encoding="utf-8-sig") as table:
        reader = csv.DictReader(table, delimiter=delimiter)
        lacking = [column for column in columns if column not in (reader.fieldnames or [])]
        if lacking:
            raise DatasetError(
                f"{path.name}: no column {', '.join(map(repr, lacking))}; found {', '.join(reader.fieldnames or [])}"
            )
        for row in reader:
            yield {key: (value or "").strip() for key, value in row.items() if key is not None}


def grouped(rows: Iterable[dict[str, str]], key: Callable[[dict[str, str]], str]) -> dict[str, list[dict[str, str]]]:
    """Rows by a key, in the table's order."""
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def view_name(laterality: str, view: str) -> ViewName | None:
    """ "L"/"Left"/"LEFT", "MLO" -> a name; None for a view that has none here."""
    try:
        return ViewName.parse(f"{laterality[:1].upper()}_{view.upper()}")
    except ValueError:
        return None


def one_value(values: Iterable[str], what: str) -> tuple[str | None, tuple[str, ...]]:
    """The value that rows agree on; where they disagree none, and a sentence that names it."""
    known = sorted({value for value in values if value})
    if len(known) > 1:
        return None, (f"{what}: rows say {' and '.join(known)}",)
    return (known[0] if known else None), ()


def density_letter(text: str) -> str | None:
    """ "DENSITY C", "C", "c", "3" (BI-RADS 1 to 4) -> "C"; None for anything else."""
    last = text.strip().split(" ")[-1].upper().removesuffix(".0")
    return {"1": "A", "2": "B", "3": "C", "4": "D"}.get(last, last if last in ("A", "B", "C", "D") else None)


def assessment(text: str) -> str | None:
    """ "BI-RADS 4", "4.0", "4a" -> "4", "4A"; None for 6 (a known cancer is an outcome) and anything else."""
    last = text.strip().split(" ")[-1].upper().removesuffix(".0")
    return last if last in ("0", "1", "2", "3", "4", "4A", "4B", "4C", "5") else None


def birads_label(birads: str | None) -> dict[str, int]:
    """The class index of the `birads` task; nothing for 0."""
    return {"birads": int(birads[0]) - 1} if birads and birads[0] in "12345" else {}


def density_label(letters: Iterable[str | None]) -> dict[str, int]:
    """The exam's density is its denser breast's."""
    known = [letter for letter in letters if letter]
    return {"density": "ABCD".index(max(known))} if known else {}
