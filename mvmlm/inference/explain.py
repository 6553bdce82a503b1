"""Maps: for each view how much the places of the picture contributed to the answer for a class or a prompt.

All maps have one scale, the same for every exam, task and method. An answer of probability p has the evidence
-log(1 - p), which the methods of `attribution` share out over the places of its views. A place with the evidence a has
the value 1 - exp(-a): the probability that what lies around it would give alone, never more than p. So the map of an
answer of low probability is empty, and 1 is certainty. A map shows what raised a number, not the extent of a lesion.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from ..exam import ViewName
from ..imaging.own_outputs import write_labelled
from ..imaging.preprocess import ModelInput
from ..imaging.voi import render
from ..model.encoding import Encoding
from ..tasks import Kind
from .attribution import ExplainableModel, Progress, one_stage_at_a_time, quick_evidence, slow_evidence
from .colormap import overlay
from .map_methods import DEFAULT_METHOD, FLOOR, SCALE_NOTE, method_named
from .output import maps_record
from .prediction import Prediction, Target
from .predictor import Predictor

WHOLLY_INSIDE = 0.999  # of the breast's mask, interpolated between the pixels of the model's input
#: full colour in every pixel: colour that is stored more coarsely than grey runs over the breast's edge
OVERLAY_SETTINGS = (
    *(cv2.IMWRITE_JPEG_QUALITY, 95),
    *(cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
)


def all_targets(predictor: Predictor) -> list[Target]:
    """Return every class of every task that is answered, in order."""
    return [Target(task.name, class_) for task in predictor.tasks for class_ in task.classes]


def leading_targets(prediction: Prediction) -> list[Target]:
    """Return one target for each task that is answered: its most probable class, or the last year of risk."""
    chosen = []
    for task in prediction.tasks:
        rows = [a for a in prediction.answers if a.task == task.name and a.by == "head" and a.laterality is None]
        if rows:
            row = rows[-1] if task.kind is Kind.SURVIVAL else max(rows, key=lambda answer: answer.probability)
            chosen.append(Target(task.name, row.class_))
    return chosen


def evidence_maps(
    predictor: ExplainableModel,
    encoding: Encoding,
    targets: Sequence[Target],
    method: str = DEFAULT_METHOD,
    views: Collection[ViewName] | None = None,
    progress: Progress = lambda share: None,
) -> dict[Target, dict[ViewName, np.ndarray]]:
    """Return for each target and view the evidence around each place (h, w), in nats, at the size of the feature map.

    The arguments are those of `source_maps`.
    """
    wanted = [name for name in encoding.names if views is None or name in views]
    found: dict[Target, dict[ViewName, np.ndarray]] = {target: {} for target in targets}
    if method_named(method).slow:
        pairs = [(target, name) for target in targets for name in wanted]
        for number, (target, name) in enumerate(pairs):

            def done(share: float, number: int = number) -> None:
                progress((number + share) / len(pairs))

            view = encoding.names.index(name)
            found[target][name] = slow_evidence(predictor, encoding, target, view, method, done).cpu().numpy()
        return found
    for group in one_stage_at_a_time(predictor, targets):
        for target, maps in quick_evidence(predictor, encoding, group, method).items():
            found[target] = {name: maps[encoding.names.index(name)].cpu().numpy() for name in wanted}
    return found


def source_maps(
    predictor: ExplainableModel,
    encoding: Encoding,
    targets: Sequence[Target],
    method: str = DEFAULT_METHOD,
    views: Collection[ViewName] | None = None,
    progress: Progress = lambda share: None,
) -> dict[Target, dict[ViewName, np.ndarray]]:
    """Return for each target and view a map (rows, columns), float32 0..1, in DICOM pixels of the view.

    It is 0 outside the breast, and where it would be below FLOOR. method: a name of `map_methods.METHODS`. views: those
    that are wanted; None for all. progress: called with the share that is done, 0..1; what it raises ends the work.
    Raises ValueError for a method that is not known.
    """
    found = evidence_maps(predictor, encoding, targets, method, views, progress)
    return {
        target: {name: to_source(evidence, encoding.inputs[name]) for name, evidence in by_view.items()}
        for target, by_view in found.items()
    }


def to_source(evidence: np.ndarray, given: ModelInput, lowest: float = FLOOR) -> np.ndarray:
    """Return the map (rows, columns), float32 0..1, in DICOM pixels of a view from its evidence (h, w) in nats.

    It is 0 in every pixel that lies outside the breast of the model's input, or partly so, whatever the evidence there.
    lowest: smaller values are 0 too; a measure of where the strongest point lies takes 0.
    """
    heat = given.geometry.map_to_source(1 - np.exp(-np.maximum(evidence, 0)))
    breast = given.geometry.map_to_source(given.breast.astype(np.float32)) > WHOLLY_INSIDE
    return np.where(breast & (heat >= lowest), np.minimum(heat, 1), 0).astype(np.float32)


def reduced_map(evidence: np.ndarray, given: ModelInput, rows: int) -> np.ndarray:
    """Return `to_source` for the view's picture when it is reduced to so many rows, see `ViewGeometry.reduced`."""
    return to_source(evidence, replace(given, geometry=given.geometry.reduced(rows)))


def write_maps(
    predictor: Predictor,
    prediction: Prediction,
    folder: Path,
    method: str = DEFAULT_METHOD,
    progress: Progress = lambda share: None,
) -> list[Path]:
    """Write the maps of `leading_targets` and return the paths of the maps.

    For each view and task `R_CC.mass.png` (16 bit, rows x columns of the view; 65535 is 1) and a picture
    `R_CC.mass.overlay.jpg`; of another method than the default one `R_CC.mass.occlusion.png`. Each file says by which
    method and model it was made, and `maps.json`, `maps.occlusion.json` says it of all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    suffix = "" if method == DEFAULT_METHOD else f".{method}"
    record = maps_record(prediction, method)
    written, lines = [], []
    targets = leading_targets(prediction)
    for target, maps in predictor.maps(prediction.encoding, targets, method, progress=progress).items():
        for name, heat in maps.items():
            path = folder / f"{name}.{target.task}{suffix}.png"
            note = f"{target}, {record['title']}, {prediction.model} {prediction.version}. {SCALE_NOTE}"
            levels = np.round(heat * 65535).astype(np.uint16)
            write_labelled(path, levels, (cv2.IMWRITE_PNG_COMPRESSION, 1), note)
            picture = overlay(render(prediction.exam.views[name]), heat)[..., ::-1]
            write_labelled(path.with_suffix(".overlay.jpg"), picture, OVERLAY_SETTINGS, note)
            written.append(path)
            strongest = np.unravel_index(heat.argmax(), heat.shape) if heat.any() else None
            lines.append({
                "file": path.name, "view": str(name), "task": target.task, "class": target.class_,
                "strongest": round(float(heat.max()), 4),
                "strongest_pixel": strongest and [int(strongest[1]), int(strongest[0])],
            })  # fmt: skip
    text = json.dumps(record | {"maps": lines}, indent=1, ensure_ascii=False)
    (folder / f"maps{suffix}.json").write_text(text + "\n", encoding="utf-8")
    return written
