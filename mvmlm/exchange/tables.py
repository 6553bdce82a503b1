"""Readings out of the store and in again: CSV (everything that was said), COCO JSON (marks), and the `table` that `pretrain` reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ..datasets import DatasetError, rows_of
from ..exam import Laterality
from ..reading.reading import Mark, Reading, Round, SeenFinding, follow_up_years, form
from ..report.lexicon import KINDS
from ..store.records import KeptExam, KeptReading, Stamp
from ..store.store import Store, StoreError

READING_COLUMNS = (
    "exam", "reader", "round", "form_version", "birads_edition", "started", "seconds", "signed", "informed",
    "side", "field", "finding", "value",
)  # fmt: skip
CATEGORIES = (*KINDS, "other")
_DESCRIBED = {
    "mass": {"mass_shape": "shape", "mass_margin": "margin", "mass_density": "mass_density", "mass_size_mm": "size_mm"},
    "calcification": {"calcification_morphology": "morphology", "calcification_distribution": "distribution"},
    "asymmetry": {"asymmetry_kind": "asymmetry"},
}


class Imported(NamedTuple):
    """How many readings came in, and a sentence for each row that did not."""

    readings: int
    problems: tuple[str, ...]


def read_any(store: Store, path: Path, who: str) -> Imported:
    """Marks (COCO JSON), our readings, or a table of labels, told apart by the file itself."""
    if path.suffix.lower() == ".json":
        return read_coco(store, path, who)
    if path.read_text(encoding="utf-8-sig").partition("\n")[0].startswith("exam,reader,round"):
        return read_readings(store, path)
    return read_table(store, path, who)


# ---------------------------------------------------------------- CSV: a line a field, lossless


def write_readings(store: Store, path: Path) -> None:
    """Every reading: a line for each field; a line for each finding, its descriptors and marks as JSON."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, READING_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for exam, kept in _all(store):
            stamp = {
                "exam": exam.name, "reader": kept.reader, "round": kept.round.value, "form_version": kept.form_version,
                "birads_edition": kept.birads_edition, "started": kept.started, "seconds": kept.seconds, "signed": kept.signed or "",
                "informed": int(kept.informed),
            }  # fmt: skip
            said = [
                {"side": side.value if side else "", "field": name, "value": value}
                for (side, name), value in kept.reading.fields.items()
            ]
            said += [
                {
                    "side": f.laterality.value,
                    "field": "finding",
                    "finding": number,
                    "value": json.dumps(f.plain(), ensure_ascii=False),
                }
                for number, f in kept.reading.findings.items()
            ]
            writer.writerows(stamp | line for line in said or [{}])


def read_readings(store: Store, path: Path) -> Imported:
    """The inverse. Exams are found by name. A reading that is there already stays: the file's one is named, not taken."""
    groups: dict[tuple[str, str, str], list[dict[str, str]]] = {}
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        lacking = [column for column in READING_COLUMNS if column not in (reader.fieldnames or [])]
        if lacking:
            raise DatasetError(f"{path.name}: no column {', '.join(lacking)}")
        for row in reader:
            groups.setdefault((row["exam"], row["reader"], row["round"]), []).append(row)
    done, problems = 0, []
    for (name, who, round_), rows in groups.items():
        try:
            fields = {
                (Laterality(r["side"]) if r["side"] else None, r["field"]): r["value"]
                for r in rows
                if r["field"] and not r["finding"]
            }
            findings = {int(r["finding"]): SeenFinding.of(json.loads(r["value"])) for r in rows if r["finding"]}
            first = rows[0]
            stamp = Stamp(
                first["started"], float(first["seconds"]), first["signed"] or None, int(first["form_version"]), first["birads_edition"],
                first["informed"] == "1",
            )  # fmt: skip
            _take(store, name, who, Round(round_), Reading(fields, findings), stamp)
            done += 1
        except (KeyError, TypeError, ValueError, StoreError) as error:
            problems.append(f"{name}, {who}: {error}")
    return Imported(done, tuple(problems))


def _take(store: Store, name: str, who: str, round_: Round, reading: Reading, stamp: Stamp | None) -> None:
    """A reading from elsewhere, all of it or nothing."""
    exam = store.exam_named(name)
    if exam is None:
        raise StoreError("no exam of that name is kept here; keep its images first")
    with store.writing():
        kept = store.start_reading(exam.id, who, round_)
        if kept.signed or kept.reading != Reading():
            raise StoreError("a reading by this reader is there already; it stays as it is")
        store.save(kept.id, Reading(), reading)
        if stamp is None:
            store.sign(kept.id)
        else:
            store.stamp(kept.id, stamp)


def _all(store: Store) -> Iterable[tuple[KeptExam, KeptReading]]:
    for number in store.exam_numbers():
        exam = store.exam(number)
        for kept in store.readings(number):
            yield exam, kept


# ---------------------------------------------------------------- COCO: the marks


def write_coco(store: Store, path: Path) -> None:
    """Marks as COCO annotations: bbox [left, top, width, height] in DICOM pixels (edges of pixels, as COCO counts), a region's outline.

    `mark` holds our own points (pixel centres) and the finding, so that nothing is lost on the way back.
    """
    images, annotations = [], []
    for number in store.exam_numbers():
        exam, index = store.exam(number), {}
        for view in store.views(number):
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
        for kept in store.readings(number):
            for finding_number, finding in kept.reading.findings.items():
                for mark in finding.marks:
                    own = {"id": len(annotations) + 1, "image_id": index[mark.view], "iscrowd": 0} | _coco(mark)
                    whose = {
                        "reader": kept.reader,
                        "round": kept.round.value,
                        "finding": finding_number,
                        "kind": mark.kind,
                    }
                    annotations.append(own | {"mark": whose | {"label": mark.label, "points": mark.plain()["points"]}})
    categories = [{"id": n, "name": name} for n, name in enumerate(CATEGORIES, 1)]
    path.write_text(
        json.dumps({"images": images, "categories": categories, "annotations": annotations}, indent=1, allow_nan=False)
        + "\n"
    )


def _coco(mark: Mark) -> dict:
    columns, rows = [x + 0.5 for x, _ in mark.points], [y + 0.5 for _, y in mark.points]
    box = [min(columns), min(rows), max(columns) - min(columns), max(rows) - min(rows)]
    outline = [[value for pair in zip(columns, rows) for value in pair]] if mark.kind == "region" else []
    label = mark.label if mark.label in CATEGORIES else "other"
    return {"category_id": CATEGORIES.index(label) + 1, "bbox": box, "area": box[2] * box[3], "segmentation": outline}


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
                names[note["category_id"]] if names[note["category_id"]] in CATEGORIES else "other"
            )
            mark = Mark.of(
                {"view": view.split(".")[0], "kind": own.get("kind", "box"), "label": label, "points": points}
            )
            found = wanted.setdefault((exam, own.get("reader", who), own.get("round", "first")), {})
            found.setdefault(own.get("finding") or max(found, default=0) + 1, []).append(mark)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"annotation {note.get('id')}: {error}")
    done = 0
    for (exam_name, reader, round_), findings in wanted.items():
        try:
            exam = store.exam_named(exam_name)
            if exam is None:
                raise StoreError("no exam of that name is kept here; keep its images first")
            kept = store.start_reading(exam.id, reader, Round(round_))
            now = dict(kept.reading.findings)
            for number, marks in findings.items():
                old = now.get(number)
                if old is not None and set(old.marks) != set(marks) and old.marks:
                    raise StoreError(f"finding {number} is there with other marks; it stays as it is")
                now[number] = SeenFinding(
                    marks[0].view.laterality, marks[0].label, old.what if old else None, tuple(marks)
                )
            if now != kept.reading.findings:
                store.save(kept.id, kept.reading, Reading(kept.reading.fields, now))
            done += 1
        except (ValueError, StoreError) as error:
            problems.append(f"{exam_name}, {reader}: {error}")
    return Imported(done, tuple(problems))


# ---------------------------------------------------------------- the `table` of `pretrain`


def write_table(store: Store, folder: Path) -> int:
    """FOLDER/exams.csv, a row a view, as `python -m mvmlm datasets table` reads it; -> how many exams have a signed reading.

    Of several readings the consensus counts, else the newest signed one made before the model's answers were seen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described = [column for columns in _DESCRIBED.values() for column in columns]
    columns = [
        "exam",
        "patient",
        "split",
        "file",
        "laterality",
        "view",
        "density",
        "birads",
        *KINDS,
        *described,
        "place",
        "depth",
        "malignant",
        "risk_years",
        "cancer",
    ]
    written = 0
    with open(folder / "exams.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        for number in store.exam_numbers():
            kept = counted(store.readings(number))
            if kept is None:
                continue
            exam, written = store.exam(number), written + 1
            labels = {side: _labels(kept.reading, side, exam.exam_date) for side in Laterality}
            for view in store.views(number):
                row = {"exam": exam.name, "patient": exam.patient, "split": exam.part, "file": view.path}
                row |= {"laterality": view.name.laterality.value, "view": view.name.projection.value}
                writer.writerow(row | labels[view.name.laterality])
    return written


def counted(readings: Iterable[KeptReading], reader: str | None = None) -> KeptReading | None:
    """The reading that counts: the consensus, else the newest signed first reading, one made without the model's answers before any
    other; of one reader where one is named."""
    signed = [kept for kept in readings if kept.signed and (reader is None or kept.reader == reader)]
    for round_ in (Round.CONSENSUS, Round.FIRST):
        own = [kept for kept in signed if kept.round is round_]
        if own:
            return max(own, key=lambda kept: (not kept.informed, kept.signed, kept.id))
    return None


def _labels(reading: Reading, side: Laterality, exam_date: str | None) -> dict[str, str]:
    years = follow_up_years(reading, exam_date)
    row = {name: reading.said(name) or "" for name in ("density", "cancer")} | {
        "risk_years": f"{years:g}" if years else ""
    }
    row |= {name: reading.said(name, side) or "" for name in ("birads", *KINDS)}
    row["malignant"] = reading.said("malignancy", side) or ""
    for finding in reading.findings.values():
        if finding.laterality is side and finding.what is not None:
            row |= {
                column: str(getattr(finding.what, name) or "")
                for column, name in _DESCRIBED.get(finding.label, {}).items()
            }
            row |= {name: getattr(finding.what, name) or row.get(name, "") for name in ("place", "depth")}
    return row


def _is_zero(value: str | None) -> bool:
    try:
        return float(value or "nan") == 0
    except ValueError:
        return False


def read_table(store: Store, path: Path, who: str) -> Imported:
    """Labels of a table (`exam` and `laterality` columns, others as in `datasets/table.py` or named as a task) -> signed readings of `who`.

    Exams are found by their name in the worklist, or by the files' own patient or study ID in the column `exam`.
    """
    known = {f.name: f for f in form(store.tasks)}
    groups: dict[str, list[dict[str, str]]] = {}
    for row in rows_of(path, ("exam", "laterality")):
        groups.setdefault(row["exam"], []).append(row)
    done, problems = 0, []
    for name, rows in groups.items():
        try:
            fields = {}
            for row in rows:
                side = Laterality(row["laterality"].upper()[:1])
                row.setdefault("malignancy", row.get("malignant", ""))
                if _is_zero(row.get("risk_years")):  # a cancer in the pictures now is no follow-up
                    row |= {"risk_years": "", "cancer": ""}
                for column, value in row.items():
                    if column not in known or value == "":
                        continue
                    key = (side if None not in known[column].sides else None, column)
                    if fields.setdefault(key, value) != value:
                        raise ValueError(f"{column}: rows say {fields[key]} and {value}")
            findings, lefts = {}, {(row["laterality"].upper()[:1]): row for row in rows}
            for letter, row in lefts.items():
                for kind, columns in _DESCRIBED.items():
                    what = {field: row[column] for column, field in columns.items() if row.get(column)}
                    if what and row.get(kind) == "1":
                        if "size_mm" in what:
                            what["size_mm"] = round(float(what["size_mm"]))
                        what |= {place: row[place] for place in ("place", "depth") if row.get(place)}
                        plain = {"laterality": letter, "label": kind, "what": {"kind": kind, **what}}
                        findings[len(findings) + 1] = SeenFinding.of(plain)
            own = store.exam_named(name) or store.exam_by_id(name)
            _take(store, own.name if own else name, who, Round.FIRST, Reading(fields, findings), None)
            done += 1
        except (KeyError, ValueError, StoreError) as error:
            problems.append(f"{name}: {error}")
    return Imported(done, tuple(problems))
