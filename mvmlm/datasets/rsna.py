"""RSNA Screening Mammography Breast Cancer Detection, 2022: train.csv, train_images/<patient>/<image>.dcm.

The table gives no findings. Only the density may enter a report. BIRADS may not: at site 1 the value 0 holds every
cancer, at site 2 no cancer has a value, so it is nearly the outcome; 1 and 2 are labels, 0 is listed. `cancer` is the
label of the malignancy task. biopsy, invasive and difficult_negative_case are outcomes too, and age, implant, site and
machine belong to no report: they are counted and not used. A woman may have more than four pictures: all are named, and
where several show one view, the loader uses the largest.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Findings
from .breasts import Breast, describe_breasts, make_case
from .case import Case, Image, SkippedRow
from .columns import (
    AgreedValues,
    Row,
    WordReader,
    density_letter,
    group_rows,
    lacking_columns,
    read_rows,
    table_columns,
    view_name,
)

COLUMNS = ("patient_id", "image_id", "laterality", "view", "cancer", "BIRADS", "density")
#: column -> why its value, where it is not a plain no, is counted and not used
_NOT_USED = {
    "biopsy": "an outcome, which enters no report",
    "invasive": "an outcome, which enters no report",
    "difficult_negative_case": "depends on the outcome, so it enters no report",
    "implant": "no field of a report; the file's header tells implants to the reader",
}
_CLASSES = {"1": 0, "2": 1}  # of the birads task
#: what is not known without them -> columns
OPTIONAL = {
    "not counted": ("implant", "age", "difficult_negative_case"),
    "whether it contradicts the column cancer is not checked": ("biopsy", "invasive"),
}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each patient."""
    for patient, rows in group_rows(read_rows(root / "train.csv", COLUMNS), lambda row: row["patient_id"]).items():
        images = [
            Image(f"train_images/{patient}/{row['image_id']}.dcm", view_name(row["laterality"], row["view"]))
            for row in rows
        ]
        words = WordReader()
        breasts = describe_breasts(rows, "laterality", partial(describe_breast, patient), words)
        yield make_case(patient, patient, images, breasts, rows=len(rows), unread=words.unread)


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for what the table lacks."""
    if (path := root / "train.csv").is_file():
        yield from lacking_columns(path.name, table_columns(path), OPTIONAL)


def describe_breast(patient: str, laterality: Laterality, rows: list[Row]) -> Breast:
    """Return what the rows of one breast say: its density, and labels of the outcome and of BI-RADS 1 and 2."""
    agreed, words = AgreedValues(rows, f"{patient} {laterality.value}"), WordReader()
    values = {name: agreed.get(name) for name in ("density", "BIRADS", "cancer", "age", *_NOT_USED)}
    labels = {}
    if values["BIRADS"] in _CLASSES:
        labels["birads"] = _CLASSES[values["BIRADS"]]
    elif values["BIRADS"]:
        words.skip("BIRADS", values["BIRADS"], "nearly the outcome in this data set, so it enters no report")
    if values["age"]:
        words.skip("age", "an age", "enters no report and is not given to the model")
    for name, reason in _NOT_USED.items():
        if values[name].lower() not in ("", "0", "false"):
            words.skip(name, values[name], reason)
    contradictions = agreed.contradictions
    if values["cancer"] == "0" and values["invasive"] == "1" or values["cancer"] == "1" and values["biopsy"] == "0":
        contradictions += (f"{patient} {laterality.value}: cancer, biopsy and invasive contradict each other",)
    elif cancer := words.read("cancer", values["cancer"], {"0": False, "1": True}.get):
        labels["malignancy"] = 1
    elif cancer is not None:
        labels["malignancy"] = 0
    density = words.read("density", values["density"], density_letter)
    return Breast(Findings(density), labels, contradictions, unread=words.unread)
