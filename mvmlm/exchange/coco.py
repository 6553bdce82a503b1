"""Marks as COCO JSON, and back. COCO counts from the edges of pixels, our marks from the centre of the first pixel.

COCO: Lin et al., "Microsoft COCO: Common Objects in Context" (arXiv 1405.0312), format "object detection".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..messages import read_text
from ..reading.reading import MARK_LABELS, Mark, MarkedFinding, Reading, ReadKind
from ..store.database import StoreError
from ..store.records import Read
from ..store.store import Store
from .importing import ImportedReadings, exam_named


def write_coco(store: Store, path: Path) -> None:
    """Write all marks as COCO annotations.

    bbox: [left, top, width, height] in DICOM pixels. segmentation: the outline of a region. The additional key `mark`
    holds our own points and the finding, so that nothing is lost on the way back.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in store.worklist.numbers():
        exam, image_ids = store.exams.get(number), {}
        for view in store.exams.views(number):
            image_ids[view.name] = len(images) + 1
            size = {"width": view.columns, "height": view.rows, "sha256": view.sha256}
            images.append({"id": image_ids[view.name], "file_name": f"{exam.name}/{view.name}"} | size)
        for read in store.readings.of_exam(number):
            for finding_number, finding in read.reading.findings.items():
                for mark in finding.marks:
                    ids = {"id": len(annotations) + 1, "image_id": image_ids[mark.view], "iscrowd": 0}
                    annotations.append(ids | _geometry(mark) | {"mark": _mark_record(read, finding_number, mark)})
    categories = [{"id": number, "name": name} for number, name in enumerate(MARK_LABELS, 1)]
    data = {"images": images, "categories": categories, "annotations": annotations}
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def _geometry(mark: Mark) -> dict[str, Any]:
    """The keys of an annotation that COCO defines."""
    columns, rows = [x + 0.5 for x, _ in mark.points], [y + 0.5 for _, y in mark.points]
    box = [min(columns), min(rows), max(columns) - min(columns), max(rows) - min(rows)]
    outline = [[value for pair in zip(columns, rows) for value in pair]] if mark.kind == "region" else []
    label = mark.label if mark.label in MARK_LABELS else "other"
    return {"category_id": MARK_LABELS.index(label) + 1, "bbox": box, "area": box[2] * box[3], "segmentation": outline}


def _mark_record(read: Read, finding: int, mark: Mark) -> dict[str, Any]:
    return {
        "reader": read.reader,
        "round": read.kind.value,
        "finding": finding,
        "kind": mark.kind,
        "label": mark.label,
        "points": mark.to_json()["points"],
    }


class _Draft(NamedTuple):
    """Which reading an annotation belongs to."""

    exam: str
    reader: str
    kind: str


def read_coco(store: Store, path: Path, who: str) -> ImportedReadings:
    """Import the marks of a COCO file as drafts, which are readings that are not signed.

    Marks that `write_coco` wrote come back to their reader and finding; those of other programs become findings of
    `who`, one for each annotation. An image's file name is `exam/view`, such as `exam-00012/R_CC.dcm`. Raises
    ValueError for a file that is not COCO JSON.
    """
    data = _coco_data(path)
    drafts, problems = _marks_by_draft(data, who)
    imported = 0
    for draft, findings in drafts.items():
        try:
            _save_marks(store, draft, findings)
            imported += 1
        except (ValueError, StoreError) as error:
            problems.append(f"{draft.exam}, {draft.reader}: {error}")
    return ImportedReadings(imported, tuple(problems))


def _coco_data(path: Path) -> dict[str, Any]:
    """The content of a COCO file. Raises ValueError where it has not the three lists that are read."""
    try:
        data = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path.name}: not a JSON file (line {error.lineno}). Export it again.") from None
    lists = {"images": ("id", "file_name"), "categories": ("id", "name"), "annotations": ()}
    for name, keys in lists.items():
        rows = data.get(name) if isinstance(data, dict) else None
        if not isinstance(rows, list) or any(not isinstance(row, dict) or not row.keys() >= {*keys} for row in rows):
            expected = f", each with {' and '.join(keys)}" if keys else ""
            raise ValueError(f"{path.name}: “{name}” is not a list as in COCO JSON{expected}. Export it again.")
    return data


def _marks_by_draft(data: Mapping[str, Any], who: str) -> tuple[dict[_Draft, dict[int, list[Mark]]], list[str]]:
    """The marks of each finding (by number) of each draft, and a sentence for each annotation that cannot be read."""
    file_names = {image["id"]: image["file_name"] for image in data["images"]}
    categories = {category["id"]: category["name"] for category in data["categories"]}
    drafts: dict[_Draft, dict[int, list[Mark]]] = {}
    problems = []
    for annotation in data["annotations"]:
        try:
            exam, _, file_name = file_names[annotation["image_id"]].rpartition("/")
            record = annotation.get("mark") or {}
            mark = _mark(annotation, file_name.split(".")[0], categories)
            findings = drafts.setdefault(_Draft(exam, record.get("reader", who), record.get("round", "first")), {})
            findings.setdefault(record.get("finding") or max(findings, default=0) + 1, []).append(mark)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"annotation {annotation.get('id')}: {error}")
    return drafts, problems


def _mark(annotation: Mapping[str, Any], view: str, categories: Mapping[int, str]) -> Mark:
    """The mark of an annotation: our own points where it has them, else the corners of its box."""
    record = annotation.get("mark") or {}
    left, top, width, height = annotation["bbox"]
    corners = [[left - 0.5, top - 0.5], [left + width - 0.5, top + height - 0.5]]
    category = categories[annotation["category_id"]]
    label = record.get("label") or (category if category in MARK_LABELS else "other")
    points = record.get("points") or corners
    return Mark.from_json({"view": view, "kind": record.get("kind", "box"), "label": label, "points": points})


def _save_marks(store: Store, draft: _Draft, marks_of_finding: Mapping[int, list[Mark]]) -> None:
    """Add the marks to a reader's draft. Raises StoreError for a finding that has other marks already."""
    exam = exam_named(store, draft.exam)
    read = store.readings.start(exam.id, draft.reader, ReadKind(draft.kind))
    findings = dict(read.reading.findings)
    for number, marks in marks_of_finding.items():
        old = findings.get(number)
        if old is not None and old.marks and set(old.marks) != set(marks):
            raise StoreError(f"finding {number} is there with other marks; it stays as it is")
        side, label = marks[0].view.laterality, marks[0].label
        findings[number] = MarkedFinding(side, label, old.descriptors if old else None, tuple(marks))
    if findings != read.reading.findings:
        store.readings.save(read.id, read.reading, Reading(read.reading.fields, findings))
