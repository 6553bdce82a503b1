"""A map laid over a view -> Secondary Capture, written with highdicom; the picture itself says that it is research."""

from __future__ import annotations

from datetime import datetime

import cv2
import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from ..exam import ViewName
from ..imaging.burned_in_text import Cleaned
from ..imaging.voi import render
from ..inference.colormap import overlay
from .header import MANUFACTURER, RESEARCH, USE, finish, object_uids, reference
from .sources import Sources

SMALLEST_LETTERS = 0.4  # scale of the letters in a picture of few columns


def map_object(
    sources: Sources, view: ViewName, shown: Cleaned, heat: np.ndarray, what: str, who: str, created: datetime
) -> Dataset:
    """Return a view with a map over it as an RGB picture of the same size, which names its source.

    shown: the view as `burned_in_text.without_text` gives it. heat: (rows, columns) 0..1. what: the map shows, such as
    "mass". who: the model.
    """
    source = sources[view]
    pixels = overlay(render(shown.view), heat)
    _write_use(pixels, f"{RESEARCH}: {what}, {view}. {USE}")
    uids = object_uids(sources, created, f"map/{view.laterality.value}/{who}", str(view), what, repr(heat.tobytes()))
    orientation = source.view.orientation
    ds = hd.sc.SCImage(
        pixel_array=pixels,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=str(source.header.StudyInstanceUID),
        series_instance_uid=uids[0],
        series_number=1,
        sop_instance_uid=uids[1],
        instance_number=1,
        manufacturer=MANUFACTURER,
        laterality=view.laterality.value,
        patient_orientation=(orientation.row[:1] or "A", orientation.column[:1] or "F"),
    )
    finish(ds, sources, uids, created, f"MV-MLM map, {what}, {view}")
    ds.PatientOrientation = [orientation.row, orientation.column] if orientation.column else ["", ""]
    ds.ImageType = ["DERIVED", "SECONDARY"]
    ds.DerivationDescription = f"{what}: map of {who} over {view}. {USE}"[:1024]
    named = source.view.burned_in and not shown.text.looked_for  # our own letters name nobody
    ds.BurnedInAnnotation = "YES" if named else "NO"
    origin = reference(source)
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = "Source image for image processing operation"
    origin.PurposeOfReferenceCodeSequence = Sequence([purpose])
    ds.SourceImageSequence = Sequence([origin])
    return ds


def _write_use(pixels: np.ndarray, text: str) -> None:
    """Write a line at the foot of a picture (rows, columns, 3), in place."""
    rows, columns = pixels.shape[:2]
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)
    scale = max(SMALLEST_LETTERS, 0.9 * columns / width)
    at = (round(0.02 * columns), rows - max(4, round(0.4 * height * scale)))
    cv2.putText(pixels, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 0), max(1, round(scale)), cv2.LINE_AA)
