"""Labels as the table that pretraining reads, and from such a table."""

from __future__ import annotations

import csv
from pathlib import Path

from ..datasets import rows_of
from ..exam import Laterality
from ..reading.form import form_questions
from ..reading.labels import follow_up_years
from ..reading.reading import MarkedFinding, Reading, ReadKind
from ..report.lexicon import KINDS
from ..store.database import StoreError
from ..store.records import reference_reading
from ..store.store import Store
from .importing import Imported, _take

_DESCRIBED = {
    "mass": {"mass_shape": "shape", "mass_margin": "margin", "mass_density": "mass_density", "mass_size_mm": "size_mm"},
    "calcification": {"calcification_morphology": "morphology", "calcification_distribution": "distribution"},
    "asymmetry": {"asymmetry_kind": "asymmetry"},
}


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
        for number in store.worklist.numbers():
            kept = reference_reading(store.readings.of_exam(number))
            if kept is None:
                continue
            exam, written = store.exams.get(number), written + 1
            labels = {side: _labels(kept.reading, side, exam.exam_date) for side in Laterality}
            for view in store.exams.views(number):
                row = {"exam": exam.name, "patient": exam.patient, "split": exam.split, "file": view.path}
                row |= {"laterality": view.name.laterality.value, "view": view.name.projection.value}
                writer.writerow(row | labels[view.name.laterality])
    return written


def _labels(reading: Reading, side: Laterality, exam_date: str | None) -> dict[str, str]:
    years = follow_up_years(reading, exam_date)
    row = {name: reading.answer(name) or "" for name in ("density", "cancer")} | {
        "risk_years": f"{years:g}" if years else ""
    }
    row |= {name: reading.answer(name, side) or "" for name in ("birads", *KINDS)}
    row["malignant"] = reading.answer("malignancy", side) or ""
    for finding in reading.findings.values():
        if finding.laterality is side and finding.descriptors is not None:
            row |= {
                column: str(getattr(finding.descriptors, name) or "")
                for column, name in _DESCRIBED.get(finding.label, {}).items()
            }
            row |= {name: getattr(finding.descriptors, name) or row.get(name, "") for name in ("place", "depth")}
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
    known = {f.name: f for f in form_questions(store.tasks)}
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
                        findings[len(findings) + 1] = MarkedFinding.from_json(plain)
            own = store.exams.by_name(name) or store.exams.by_file_id(name)
            _take(store, own.name if own else name, who, ReadKind.FIRST, Reading(fields, findings), None)
            done += 1
        except (KeyError, ValueError, StoreError) as error:
            problems.append(f"{name}: {error}")
    return Imported(done, tuple(problems))
