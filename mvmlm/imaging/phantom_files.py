"""Which exams are phantoms of this program, and no woman's: the mark in their files, and how it is checked.

An exam is a phantom exam where every view of it, and of its prior, was drawn by `mvmlm.phantom`. In memory the
generator says so. In a file neither a maker's name nor the root of a UID proves anything, for anybody may write them.
So the file must be written by this program, name one of the phantoms' makers, and carry a checksum of its own UID and
its pixels, which is written for phantom views only. Phantoms of earlier versions have no checksum: their UIDs must all
follow from the patient ID that those versions gave to phantoms. Everything else is a woman's.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
from pydicom.dataset import Dataset

from ..exam import Exam, View
from .dicom_values import text
from .file_header import FileHeader
from .own_uids import IMPLEMENTATION, uid

MAKERS = ("Phantom Imaging A", "Phantom Imaging B", "Phantom Imaging C")
SHIFTED_MAKER = "Phantom Imaging S"  # a machine outside the range of the others
MODEL = "Phantom"
_EARLIER_PATIENT = re.compile(r"phantom-\d+-\d{5,}")  # of `mvmlm phantom`
_EARLIER_STUDY = "study"  # a kept copy has a pseudonym instead


def is_phantom_exam(exam: Exam) -> bool:
    """Return whether every view of an exam, and of its prior, is a phantom's: what is told of it is about no woman."""
    views = (*exam.views.values(), *exam.extra)
    return bool(views) and all(map(is_phantom_view, views)) and (exam.prior is None or is_phantom_exam(exam.prior))


def is_phantom_view(view: View) -> bool:
    """Return whether a view is a phantom's, and still names the machine that the phantom was given."""
    return view.phantom and _is_phantom_machine(view.acquisition.manufacturer, view.acquisition.model)


def add_phantom_mark(ds: Dataset, view: View) -> None:
    """Mark a data set as a phantom's: no woman is the subject (PS3.3 C.7.1.1), and the checksum for `is_phantom_file`.

    The checksum stands for the serial number of the machine, which a phantom does not have.
    """
    ds.QualityControlSubject = "YES"
    ds.DeviceSerialNumber = _checksum(str(ds.SOPInstanceUID), view.pixels)


def phantom_claim(ds: Dataset) -> FileHeader:
    """Return what a file says of being a phantom; empty for a file that says nothing of it."""
    ours = str(ds.file_meta.get("ImplementationClassUID", "")) == IMPLEMENTATION
    if not ours or not _is_phantom_machine(text(ds, "Manufacturer"), text(ds, "ManufacturerModelName")):
        return {}
    if text(ds, "QualityControlSubject") == "YES":
        return {"phantom_checksum": text(ds, "DeviceSerialNumber")}
    return {"phantom_of_earlier_version": _has_earlier_uids(ds)}


def is_phantom_file(header: FileHeader, pixels: np.ndarray) -> bool:
    """Return whether the claim in a file's header holds for the pixels that were decoded from it."""
    checksum, instance = header.get("phantom_checksum"), header.get("instance_uid")
    if checksum and instance:
        return pixels.dtype.kind in "ui" and checksum == _checksum(instance, pixels)
    return header.get("phantom_of_earlier_version", False)


def _is_phantom_machine(manufacturer: str | None, model: str | None) -> bool:
    return manufacturer in (*MAKERS, SHIFTED_MAKER) and model == MODEL


def _checksum(instance: str, pixels: np.ndarray) -> str:
    """SHA-256 in hex of an image's UID, and of the size and values of its picture."""
    values = np.ascontiguousarray(pixels, "<i4").tobytes()
    return hashlib.sha256(f"phantom/{instance}/{pixels.shape}/".encode() + values).hexdigest()


def _has_earlier_uids(ds: Dataset) -> bool:
    """Whether all UIDs of a file are those that version 0.4.0 gave to this view of this phantom."""
    patient = text(ds, "PatientID") or ""
    view = f"{text(ds, 'ImageLaterality')}_{text(ds, 'ViewPosition')}"
    expected = {
        "StudyInstanceUID": uid(patient, _EARLIER_STUDY),
        "SeriesInstanceUID": uid(patient, _EARLIER_STUDY, view, "series"),
        "SOPInstanceUID": uid(patient, _EARLIER_STUDY, view, "instance"),
    }
    return bool(_EARLIER_PATIENT.fullmatch(patient)) and all(text(ds, name) == uid_ for name, uid_ in expected.items())
