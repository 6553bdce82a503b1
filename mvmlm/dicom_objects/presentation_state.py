"""Marks and a map -> Grayscale Softcopy Presentation State of one view, written with highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import cv2
import highdicom as hd
import numpy as np
from highdicom import pr
from pydicom.dataset import Dataset

from ..exam import ViewName
from .cad_report import Point
from .content import HALF
from .header import MANUFACTURER, MODEL, RESEARCH, USE, finish, object_uids, picture
from .sources import Source, Sources

LEVELS = (0.25, 0.5, 0.75)  # of a map, whose outlines are drawn
#: how the picture is shown without the state; it is shown in the same way with it
_GREY = (
    "RescaleSlope", "RescaleIntercept", "RescaleType", "ModalityLUTSequence", "WindowCenter", "WindowWidth",
    "VOILUTFunction", "VOILUTSequence",
)  # fmt: skip


class Drawing(NamedTuple):
    """A mark to be drawn. points: (column, row), (0, 0) is the centre of the first pixel; one, or those of an outline.

    text: written beside it.
    """

    points: tuple[Point, ...]
    text: str


def marks_object(
    sources: Sources, view: ViewName, drawings: Sequence[Drawing], heat: np.ndarray | None, who: str, created: datetime
) -> Dataset:
    """Return the marks of a view, and the outlines of a map, as a presentation state in the window of the picture.

    heat: (rows, columns) 0..1, None for no map. who: made the marks. Raises ValueError for nothing to draw.
    """
    source = sources[view]
    shown = _shown(source)
    marks, levels = [part for drawing in drawings for part in _objects(drawing)], _level_lines(heat)
    texts = [_text(drawing) for drawing in drawings]
    if not marks and not levels:
        raise ValueError(f"{view}: no mark and no map that could be drawn")
    layers: list[pr.GraphicLayer] = []
    annotations: list[pr.GraphicAnnotation] = []
    for name, graphics, words in (("MARKS", marks, texts), ("MAP", levels, [])):
        if graphics:
            layers.append(pr.GraphicLayer(name, len(layers) + 1, f"{RESEARCH}: {name.lower()} of {who}"[:64]))
            annotations.append(pr.GraphicAnnotation([shown], layers[-1], graphic_objects=graphics, text_objects=words))
    content = repr((drawings, None if heat is None else heat.tobytes()))
    uids = object_uids(sources, created, f"marks/{view.laterality.value}/{who}", str(view), content)
    inverted = source.view.inverted
    ds = pr.GrayscaleSoftcopyPresentationState(
        [shown],
        series_instance_uid=uids[0],
        series_number=1,
        sop_instance_uid=uids[1],
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MODEL,
        software_versions="0",
        device_serial_number="0",
        content_label=RESEARCH,
        content_description=USE,
        graphic_annotations=annotations,
        graphic_layers=layers,
        presentation_lut_transformation=hd.PresentationLUTTransformation("INVERSE" if inverted else "IDENTITY"),
    )
    finish(ds, sources, uids, created, f"MV-MLM marks, {view}")
    ds.PresentationCreationDate, ds.PresentationCreationTime = ds.ContentDate, ds.ContentTime
    del ds.ContentDate, ds.ContentTime
    ds.Laterality = view.laterality.value  # of the series: it holds the marks of one breast
    return ds


def _shown(source: Source) -> Dataset:
    """The picture with what says how it is shown."""
    ds = picture(source)
    for keyword in _GREY:
        if keyword in source.header:
            ds[keyword] = source.header[keyword]
    return ds


def _objects(drawing: Drawing) -> list[pr.GraphicObject]:
    points = np.array([(column + HALF, row + HALF) for column, row in drawing.points])
    if len(points) == 1:
        return [pr.GraphicObject("POINT", points, "PIXEL")]
    return [pr.GraphicObject("POLYLINE", np.vstack([points, points[:1]]), "PIXEL")]


def _text(drawing: Drawing) -> pr.TextObject:
    column, row = drawing.points[0]
    return pr.TextObject(f"{RESEARCH}: {drawing.text}", "PIXEL", anchor_point=(column + HALF, row + HALF))


def _level_lines(heat: np.ndarray | None) -> list[pr.GraphicObject]:
    """The outlines of a map at LEVELS."""
    lines: list[pr.GraphicObject] = []
    if heat is None:
        return lines
    for level in LEVELS:
        above = np.asarray(heat >= level, np.uint8)
        contours, _ = cv2.findContours(above, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        for contour in contours:
            corners = cv2.approxPolyDP(contour, 1.0, True)[:, 0].astype(float)
            if len(corners) >= 3:
                lines += _objects(Drawing(tuple((x, y) for x, y in corners), ""))
    return lines
