"""Marks as COCO JSON, and back."""

from __future__ import annotations

import json
from pathlib import Path

from ..reading.reading import MARK_LABELS, Mark, MarkedFinding, Reading, ReadKind
from ..store.database import StoreError
from ..store.store import Store
from .importing import Imported


def write_coco(store: Store, path: Path) -> None:
    """Marks as COCO annotations: bbox [left, top, width, height] in DICOM pixels (edges of pixels, as COCO counts), a region's outline.

    `mark` holds our own points (pixel centres) and the finding, so that nothing is lost on the way back.
    """
    images, annotations = [], []
    for number in store.worklist.numbers():
        exam, index = store.exams.get(number), {}
        for view in store.exams.views(number):
            index[view.name] = len(images) + 1
            file = f"{exam.name}/{view.name}"
            images.append(
                {
                    "id": index[view.name],
                    "file_name": file,
                    "width": view.columns,
                    "height": view.rows,
                    "sha256": view.sha256,
                }
            )
        for kept in store.readings.of_exam(number):
            for finding_number, finding in kept.reading.findings.items():
                for mark in finding.marks:
                    own = {"id": len(annotations) + 1, "image_id": index[mark.view], "iscrowd": 0} | _coco(mark)
                    whose = {
                        "reader": kept.reader,
                        "round": kept.kind.value,
                        "finding": finding_number,
                        "kind": mark.kind,
                    }
                    annotations.append(
                        own | {"mark": whose | {"label": mark.label, "points": mark.to_json()["points"]}}
                    )
    categories = [{"id": n, "name": name} for n, name in enumerate(MARK_LABELS, 1)]
    path.write_text(
        json.dumps({"images": images, "categories": categories, "annotations": annotations}, indent=1, allow_nan=False)
        + "\n"
    )


def _coco(mark: Mark) -> dict:
    columns, rows = [x + 0.5 for x, _ in mark.points], [y + 0.5 for _, y in mark.points]
    box = [min(columns), min(rows), max(columns) - min(columns), max(rows) - min(rows)]
    outline = [[value for pair in zip(columns, rows) for value in pair]] if mark.kind == "region" else []
    label = mark.label if mark.label in MARK_LABELS else "other"
    return {"category_id": MARK_LABELS.index(label) + 1, "bbox": box, "area": box[2] * box[3], "segmentation": outline}


def read_coco(store: Store, path: Path, who: str) -> Imported:
    """Marks of a COCO file -> drafts (readings not yet signed). Ours come back to their reader and finding; others' become `who`'s."""
    data = json.loads(path.read_text())
    images = {image["id"]: image["file_name"] for image in data["images"]}
    names = {category["id"]: category["name"] for category in data["categories"]}
    wanted: dict[tuple[str, str, str], dict[int, list[Mark]]] = {}
    problems = []
    for note in data["annotations"]:
        try:
            exam, _, view = images[note["image_id"]].rpartition("/")
            own = note.get("mark") or {}
            left, top, width, height = note["bbox"]
            points = own.get("points") or [[left - 0.5, top - 0.5], [left + width - 0.5, top + height - 0.5]]
            label = own.get("label") or (
                names[note["category_id"]] if names[note["category_id"]] in MARK_LABELS else "other"
            )
            mark = Mark.from_json(
                {"view": view.split(".")[0], "kind": own.get("kind", "box"), "label": label, "points": points}
            )
            found = wanted.setdefault((exam, own.get("reader", who), own.get("round", "first")), {})
            found.setdefault(own.get("finding") or max(found, default=0) + 1, []).append(mark)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"annotation {note.get('id')}: {error}")
    done = 0
    for (exam_name, reader, kind), findings in wanted.items():
        try:
            exam = store.exams.by_name(exam_name)
            if exam is None:
                raise StoreError("no exam of that name is kept here; keep its images first")
            kept = store.readings.start(exam.id, reader, ReadKind(kind))
            now = dict(kept.reading.findings)
            for number, marks in findings.items():
                old = now.get(number)
                if old is not None and set(old.marks) != set(marks) and old.marks:
                    raise StoreError(f"finding {number} is there with other marks; it stays as it is")
                now[number] = MarkedFinding(
                    marks[0].view.laterality, marks[0].label, old.descriptors if old else None, tuple(marks)
                )
            if now != kept.reading.findings:
                store.readings.save(kept.id, kept.reading, Reading(kept.reading.fields, now))
            done += 1
        except (ValueError, StoreError) as error:
            problems.append(f"{exam_name}, {reader}: {error}")
    return Imported(done, tuple(problems))
