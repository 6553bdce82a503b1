"""Traps about which picture is a standard view."""

from .table import dicom, right

TRAPS = [
    dicom("none: the sound mammogram that all other traps change", right("R_CC")),
    dicom("none: a sound oblique view of the other breast", right("L_MLO"), view="L_MLO"),
]
