"""The answers of a model for an exam -> all objects about them, by the names of their files."""

from __future__ import annotations

from datetime import datetime

import numpy as np
from pydicom.dataset import Dataset

from ..exam import ViewName
from ..imaging.burned_in_text import Cleaned, without_text
from ..imaging.write import NotRepresentable
from ..inference.prediction import Prediction
from ..inference.predictor import Predictor
from .cad_report import CadFinding
from .cad_sr import cad_sr_object
from .measurement_report import prediction_object
from .model_marks import algorithm_of, mark_targets, report_of
from .presentation_state import Drawing, marks_object
from .secondary_capture import map_object
from .sources import NoSource, Sources


def answer_objects(
    predictor: Predictor, prediction: Prediction, sources: Sources, created: datetime, with_maps: bool = False
) -> dict[str, Dataset]:
    """Return the CAD SR, the SR of all answers, and the marks of each view that has one; by file name.

    with_maps: also a picture of each map that is not empty, without text in the air. created: local time. Raises
    NoSource where text lies over the breast of such a picture, and what the writers raise.
    """
    targets = mark_targets(prediction)
    maps = predictor.maps(prediction.encoding, targets) if targets else {}
    report = report_of(prediction, maps)
    who = f"{prediction.model} {prediction.version}"
    objects: dict[str, Dataset] = {
        "cad_sr.dcm": cad_sr_object(report, sources, algorithm_of(prediction), created),
        "answers_sr.dcm": prediction_object(prediction, sources, created),
    }
    for view in report.views:
        marked = [found for found in report.findings if found.view == view]
        if marked:
            whole = np.max([by_view[view] for by_view in maps.values()], axis=0)
            drawings = [Drawing(found.outline or (found.centre,), _text(found)) for found in marked]
            objects[f"{view}_marks.dcm"] = marks_object(sources, view, drawings, whole, who, created)
        if marked and with_maps:
            shown = _shown(sources, view)
            for found in marked:
                heat = next(maps[target][view] for target in targets if target.task == found.kind)
                name = f"{view}_{found.kind}_map.dcm"
                objects[name] = map_object(sources, view, shown, heat, found.kind, who, created)
    return objects


def _shown(sources: Sources, view: ViewName) -> Cleaned:
    try:
        return without_text(sources[view].view)
    except NotRepresentable as error:
        raise NoSource(f"{view}: {error}, or write the objects without maps.") from None


def _text(found: CadFinding) -> str:
    return f"{found.kind} {found.certainty:.2f}" if found.certainty is not None else found.kind
