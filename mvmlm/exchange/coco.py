"""Marks as COCO JSON, and back. COCO counts from the edges of pixels, our marks from the centre of the first pixel.

COCO: Lin et al., "Microsoft COCO: Common Objects in Context" (arXiv 1405.0312), format "object detection".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..exam import ViewName
from ..messages import plain_line
from ..reading.reading import MARK_LABELS, Mark, MarkedFinding, Reading, ReadKind
from ..store.database import StoreError
from ..store.records import Read
from ..store.store import Store
from .coco_file import CocoFile, box_of, category_of, image_of, our_record, read_coco_file, read_of
from .importing import ImportedReadings, exam_named, shortened, start_version


def write_coco(store: Store, path: Path) -> None:
    """Write all marks as COCO annotations.

    bbox: [left, top, width, height] in DICOM pixels. segmentation: the outline of a region. The additional key `mark`
    holds our own points and the finding, so that nothing is lost on the way back.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    versions: dict[int, int] = {}
    for number in store.worklist.numbers():
        exam, image_ids = store.exams.get(number), {}
        for view in store.exams.views(number):
            image_ids[view.name] = len(images) + 1
            size = {"width": view.columns, "height": view.rows, "sha256": view.sha256}
            images.append({"id": image_ids[view.name], "file_name": f"{exam.name}/{view.name}"} | size)
        for read in store.readings.of_exam(number):
            versions[read.id] = versions[read.amends] + 1 if read.amends else 1
            for finding_number, finding in read.reading.findings.items():
                for mark in finding.marks:
                    ids = {"id": len(annotations) + 1, "image_id": image_ids[mark.view], "iscrowd": 0}
                    record = _mark_record(read, versions[read.id], finding_number, mark)
                    annotations.append(ids | _geometry(mark) | {"mark": record})
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


def _mark_record(read: Read, version: int, finding: int, mark: Mark) -> dict[str, Any]:
    return {
        "reader": read.reader,
        "read": read.kind.value,
        "version": version,
        "informed": read.informed,
        "finding": finding,
        "kind": mark.kind,
        "label": mark.label,
        "points": mark.to_json()["points"],
    }


class _SizedMark(NamedTuple):
    """A mark, and the width and height in pixels of the picture that it was drawn on, where the file gives them."""

    mark: Mark
    width: int | None
    height: int | None


class _Draft(NamedTuple):
    """Which read an annotation belongs to. informed: the model's answers were seen before it was signed."""

    exam: str
    reader: str
    kind: ReadKind | None
    version: int
    informed: bool


def read_coco(store: Store, path: Path, who: str) -> ImportedReadings:
    """Import the marks of a COCO file as drafts, which are readings that are not signed.

    Marks that `write_coco` wrote come back to their reader and finding; those of other programs become findings of
    `who`, one for each annotation. An image's file name is `exam/view`, such as `exam-00012/R_CC.dcm`. Raises
    ValueError for a file that is not COCO JSON.
    """
    data = read_coco_file(path)
    drafts, problems = _marks_by_draft(data, who)
    imported = 0
    for draft, findings in drafts.items():
        try:
            _save_marks(store, draft, findings)
            imported += 1
        except (ValueError, StoreError) as error:
            problems.append(f"{draft.exam}, {draft.reader}: {error}")
    return ImportedReadings(imported, shortened(problems))


def _marks_by_draft(data: CocoFile, who: str) -> tuple[dict[_Draft, dict[int, list[_SizedMark]]], list[str]]:
    """The marks of each finding (by number) of each draft, and a sentence for each annotation that is not used."""
    drafts: dict[_Draft, dict[int, list[_SizedMark]]] = {}
    problems, seen, others = list[str](), set[str](), dict[str, int]()
    for annotation in data.annotations:
        place = f"annotation {plain_line(str(annotation.get('id'))[:20])}"
        try:
            content = json.dumps({**annotation, "id": None}, sort_keys=True)
        except RecursionError:
            problems.append(f"{place}: nested too deeply for COCO JSON")
            continue
        if content in seen:
            problems.append(f"{place} repeats another one and was passed over")
            continue
        seen.add(content)
        try:
            image, category, record = image_of(data, annotation), category_of(data, annotation), our_record(annotation)
            exam, _, file_name = image.file_name.rpartition("/")
            mark = _mark(annotation, record, file_name.split(".")[0], category)
            findings = drafts.setdefault(_Draft(exam, record.get("reader", who), *read_of(record)), {})
            number = record.get("finding") or max(findings, default=0) + 1
            findings.setdefault(number, []).append(_SizedMark(mark, image.width, image.height))
            if not record and category.lower() not in MARK_LABELS:
                others[category] = others.get(category, 0) + 1
        except ValueError as error:
            problems.append(f"{place}: {error}")
    for category, count in others.items():
        problems.append(f"category “{category[:60]}” is none of this program: {count} imported as “other”")
    return drafts, problems


def _mark(annotation: Mapping[str, Any], record: Mapping[str, Any], view: str, category: str) -> Mark:
    """The mark of an annotation: our own points where it has them, else the corners of its box."""
    label = record.get("label") or (category.lower() if category.lower() in MARK_LABELS else "other")
    points = record.get("points")
    if points is None:
        left, top, width, height = box_of(annotation)
        points = [[left - 0.5, top - 0.5], [left + width - 0.5, top + height - 0.5]]
    try:
        name = ViewName.parse(view)
    except ValueError:
        raise ValueError(f"its image is called “{view[:40]}”; expected a view such as exam-00012/R_CC") from None
    return Mark.from_json({"view": str(name), "kind": record.get("kind", "box"), "label": label, "points": points})


def _save_marks(store: Store, draft: _Draft, marks_of_finding: Mapping[int, list[_SizedMark]]) -> None:
    """Add the marks to a reader's draft. Raises StoreError for a finding that has other marks already.

    Nothing of the draft is stored then.
    """
    exam = exam_named(store, draft.exam)
    sizes = {view.name: (view.columns, view.rows) for view in store.exams.views(exam.id)}
    for mark, *size in (sized for marks in marks_of_finding.values() for sized in marks):
        stored = sizes.get(mark.view)
        if stored and any(given not in (None, own) for given, own in zip(size, stored, strict=True)):
            raise StoreError(
                f"{mark.view}: the file's picture has {size[0]} × {size[1]} pixels and the stored one {stored[0]} × "
                f"{stored[1]}, so the marks would not fit"
            )
    with store.file.transaction():
        read = store.readings.start(exam.id, draft.reader, draft.kind)
        if draft.version > 1:
            read = start_version(store, read, draft.version)
        if draft.informed and not read.signed:
            read = store.readings.mark_informed(read.id)
        findings = dict(read.reading.findings)
        for number, sized_marks in marks_of_finding.items():
            marks = [sized.mark for sized in sized_marks]
            old = findings.get(number)
            if old is not None and old.marks and set(old.marks) != set(marks):
                raise StoreError(f"finding {number} is there with other marks; it stays as it is")
            side, label = marks[0].view.laterality, marks[0].label
            if any(mark.label != label for mark in marks):
                raise ValueError(f"the marks of finding {number} have different labels")
            findings[number] = MarkedFinding(side, label, old.descriptors if old else None, tuple(marks))
        if findings != read.reading.findings:
            store.readings.save(read.id, read.reading, Reading(read.reading.fields, findings))
