"""The model's answers and maps -> a report of a CAD program: a mark where a map is strongest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from ..exam import SIDES, ViewName
from ..inference.prediction import Answer, Prediction, Target
from ..report.lexicon import KINDS
from ..tasks import TASK
from .cad_report import Algorithm, CadFinding, CadReport, Performed, Point

EDGE = 0.5  # of the strongest value of a map: what lies above it around the strongest place is its outline
Maps = Mapping[Target, Mapping[ViewName, np.ndarray]]


def mark_targets(prediction: Prediction) -> list[Target]:
    """Return what maps `report_of` needs: one for each kind of finding that the model answers for."""
    return [Target(kind, "present") for kind in KINDS if _attempted(prediction, kind)]


def report_of(prediction: Prediction, maps: Maps) -> CadReport:
    """Return the marks of a prediction, one for each view and kind of finding whose map is not empty.

    maps: of `mark_targets`, (rows, columns) 0..1 in DICOM pixels of each view. The centre of a mark is the strongest
    place of the map, its outline the region around it above half of that; a map shows what raised the answer, not the
    extent of a lesion. Its certainty is the map's value there: what lies around it would give that probability alone.
    """
    views = prediction.encoding.names
    findings, detections = [], []
    for target in mark_targets(prediction):
        assert target.task is not None
        detections.append(Performed(target.task, algorithm_of(prediction, target.task), tuple(views)))
        findings += [_mark(prediction, target.task, view, maps[target][view]) for view in views
                     if maps[target][view].any()]  # fmt: skip
    others = [task.name for task in prediction.tasks if task.name not in KINDS and _attempted(prediction, task.name)]
    analyses = tuple(Performed(name, algorithm_of(prediction, name), tuple(views)) for name in others)
    return CadReport(tuple(views), tuple(findings), tuple(detections), analyses, _impression(prediction))


def algorithm_of(prediction: Prediction, task: str | None = None) -> Algorithm:
    """Return what answered a task, or (None) the exam: the model, and the name of a fine-tuned head."""
    head = prediction.finetuned.get(task) if task else None
    return Algorithm(f"{prediction.model}, head {head}" if head else prediction.model, prediction.version)


def _attempted(prediction: Prediction, task: str) -> bool:
    """Whether a head that has learned the task answered it."""
    return task not in prediction.not_learned and any((a.task, a.by) == (task, "head") for a in prediction.answers)


def _mark(prediction: Prediction, kind: str, view: ViewName, heat: np.ndarray) -> CadFinding:
    row, column = (int(place) for place in np.unravel_index(int(heat.argmax()), heat.shape))
    algorithm, strongest = algorithm_of(prediction, kind), float(heat[row, column])
    return CadFinding(view, kind, (column, row), _outline(heat, column, row), strongest, None, algorithm)


def _outline(heat: np.ndarray, column: int, row: int) -> tuple[Point, ...]:
    """The outline of the region around the strongest place; () for one of fewer than three corners."""
    _, regions = cv2.connectedComponents((heat >= EDGE * heat[row, column]).astype(np.uint8))
    region = (regions == regions[row, column]).astype(np.uint8)
    contours, _ = cv2.findContours(region, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corners = cv2.approxPolyDP(max(contours, key=len), 1.0, True)[:, 0]
    return tuple((float(x), float(y)) for x, y in corners) if len(corners) >= 3 else ()


def _impression(prediction: Prediction) -> str:
    """What the model answers for each breast and the exam, in one line for each task."""
    lines = []
    for task in prediction.tasks:
        rows = [a for a in prediction.answers if (a.task, a.by) == (task.name, "head")]
        if rows and task.name not in prediction.not_learned:
            what = "probability" if task.name in prediction.calibrated else "score, not calibrated"
            lines.append(f"{TASK[task.name].title if task.name in TASK else task.title} ({what}): {_values(rows)}.")
    lines.append("The certainty of a mark is the value of its map where that is strongest; it is not calibrated.")
    left_out = [task.title for task in prediction.tasks if not _attempted(prediction, task.name)]
    if left_out:
        lines.append(f"Not attempted: {', '.join(left_out)}.")
    lines += [note.text for note in prediction.quality_notes]
    return " ".join(lines)


def _values(rows: Sequence[Answer]) -> str:
    parts = []
    for side in (*SIDES, None):
        of_side = [a for a in rows if a.laterality is side]
        said = ", ".join(("" if a.class_ == "present" else f"{a.class_} ") + f"{a.probability:.3f}" for a in of_side)
        if said:
            parts.append(f"{side.word if side else 'exam'} {said}")
    return "; ".join(parts)
