"""What the command line writes, so that other programs can rely on it: JSON records and map pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from .exam import Exam, View
from .explain import leading_targets, source_maps
from .predict import Prediction, Predictor
from .window import render


def exam_record(exam: Exam) -> dict:
    """The `exam` part: views, extra, missing, set_aside; also what told each view, and notes."""
    return {
        "views": {str(name): _view_record(view) for name, view in exam.views.items()},
        "extra": [_view_record(view) | {"view": view.name and str(view.name)} for view in exam.extra],
        "missing": [str(name) for name in exam.missing],
        "set_aside": [{"file": item.file, "reason": item.reason} for item in exam.set_aside],
        "notes": list(exam.notes),
    }


def _view_record(view: View) -> dict:
    spacing = view.spacing
    return {
        "file": view.file,
        "rows": view.rows,
        "columns": view.columns,
        "spacing_mm": [spacing.row_mm, spacing.column_mm] if spacing else None,
        "spacing_kind": spacing.kind.value if spacing else "uncalibrated (pixels)",
        "told_by": {key: told.source for key, told in view.told.items()},
        "guessed": sorted(key for key, told in view.told.items() if told.guessed),
        "modifiers": [modifier.value for modifier in view.modifiers],
        "for_processing": view.for_processing,
    }


def prediction_record(prediction: Prediction) -> dict:
    """The whole of `predict --json`. laterality null is the exam; risk's classes are years, cumulative."""
    return {
        "exam": exam_record(prediction.exam),
        "model": {"name": prediction.model, "version": prediction.version},
        "predictions": [
            {
                "task": a.task,
                "laterality": a.laterality and a.laterality.value,
                "class": a.class_,
                "probability": a.probability,
                "by": a.by,
            }
            for a in prediction.answers
        ],
        "prompts": [
            {
                "prompt": s.prompt,
                "view": s.view and str(s.view),
                "laterality": s.laterality and s.laterality.value,
                "similarity": s.similarity,
            }
            | ({"probability": s.probability} if s.probability is not None else {})
            for s in prediction.prompts
        ],
        "warnings": [warning.text for warning in prediction.warnings],
        "use": "research use only, not for diagnosis",
    }


def write_maps(predictor: Predictor, prediction: Prediction, folder: Path) -> list[Path]:
    """For each view and task `R_CC.mass.png` (16 bit, the view's own rows x columns) and `R_CC.mass.overlay.jpg`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for target, maps in source_maps(predictor, prediction.encoding, leading_targets(prediction)).items():
        for name, heat in maps.items():
            path = folder / f"{name}.{target.task}.png"
            cv2.imwrite(str(path), np.round(heat * 65535).astype(np.uint16), [cv2.IMWRITE_PNG_COMPRESSION, 1])
            picture = overlay(render(prediction.exam.views[name]), heat)
            cv2.imwrite(str(path.with_suffix(".overlay.jpg")), picture[..., ::-1])
            written.append(path)
    return written


def overlay(grey: np.ndarray, heat: np.ndarray, opacity: float = 0.55) -> np.ndarray:
    """(rows, columns) uint16 grey and float 0..1 heat -> (rows, columns, 3) uint8 RGB; no heat, no colour."""
    base = np.repeat((grey >> 8).astype(np.float32)[..., None], 3, 2)
    alpha = (opacity * np.clip(heat, 0, 1))[..., None]
    return np.round(base * (1 - alpha) + colour(heat) * alpha).astype(np.uint8)


def colour(heat: np.ndarray) -> np.ndarray:
    """(…) 0..1 -> (…, 3) RGB 0..255 float32: black-violet-orange-yellow (inferno), readable to colour-blind people."""
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    return table[np.round(np.clip(heat, 0, 1) * 255).astype(np.uint8)].astype(np.float32)


def exam_table(record: Mapping) -> str:
    """`read`'s text: which file is which view, what was guessed, what is missing and what was set aside."""
    lines = [f"{'view':8}{'rows':>6}{'cols':>6}  {'spacing':34}file"]
    for name, view in record["views"].items():
        lines.append(_table_line(name, view))
    for view in record["extra"]:
        lines.append(_table_line((view["view"] or "?") + "*", view))
    if record["extra"]:
        lines.append("* extra: shown, not given to the model (" + ", ".join(
            f"{view['file']}: {_why_extra(view)}" for view in record["extra"]) + ")")  # fmt: skip
    if record["missing"]:
        lines.append("missing: " + ", ".join(record["missing"]))
    lines += [f"not used: {item['file']}: {item['reason']}" for item in record["set_aside"]]
    return "\n".join(lines + list(record["notes"]))


def _why_extra(view: Mapping) -> str:
    if view["modifiers"]:
        return ", ".join(view["modifiers"])
    if view["view"] is None:
        return "which view it is, is not told"
    return "not a CC or MLO" if view["view"].split("_")[1] not in ("CC", "MLO") else "the view occurs more than once"


def _table_line(name: str, view: Mapping) -> str:
    spacing = f"{view['spacing_mm'][0]:.4g} mm {view['spacing_kind']}" if view["spacing_mm"] else view["spacing_kind"]
    guessed = f"  (guessed: {', '.join(view['guessed'])})" if view["guessed"] else ""
    return f"{name:8}{view['rows']:>6}{view['columns']:>6}  {spacing:34}{view['file']}{guessed}"
