import numpy as np
import pytest

from mvmlm.exam import Laterality, Modifier, Orientation, Projection, SpacingKind, View, ViewName
from mvmlm.imaging import view_identification

R, L = Laterality.RIGHT, Laterality.LEFT
CC, MLO = Projection.CC, Projection.MLO


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("R_CC", (R, CC)), ("LMLO", (L, MLO)), ("left-mlo_1", (L, MLO)), ("RCC (2)", (R, CC)), ("rightMLO", (R, MLO)),
        ("L CC 0001", (L, CC)), ("MG_R_ML", (R, Projection.ML)), ("LXCCL", (L, Projection.XCCL)), ("rt mlo", (R, MLO)),
        ("IMG_0001", (None, None)), ("left right CC", (None, CC)), ("CC MLO left", (L, None)), ("small", (None, None)),
        ("L", (None, None)), ("r.2.1", (None, None)), ("LCCD", (L, CC)),
    ],
)  # fmt: skip
def test_words_tell_side_and_projection_or_nothing(words, expected):
    assert view_identification.from_words(words) == expected


def test_header_tags_go_before_the_file_name():
    header = {"image_laterality": "L", "view_position": "MLO"}
    assert view_identification.laterality(header, "R_CC.dcm").value == "L"
    assert view_identification.projection(header, "R_CC.dcm").value == "MLO"


@pytest.mark.parametrize("key", ["image_laterality", "frame_laterality", "laterality"])
def test_laterality_tags_are_facts_and_the_file_name_is_a_guess(key):
    assert not view_identification.laterality({key: "R"}, "x").guessed
    assert view_identification.laterality({}, "R_CC.png").guessed
    assert view_identification.laterality({key: "B"}, "x") is None


def test_view_code_goes_before_view_position():
    header = {"view_codes": [["SCT", "399368009", "MLO"]], "view_position": "CC"}
    assert view_identification.projection(header, "").value == "MLO"
    assert view_identification.projection({"view_codes": [["SRT", "R-10242", ""]]}, "").value == "CC"


def test_vendors_other_places_are_read():
    assert view_identification.projection({"device_processing": "MLO"}, "").value == "MLO"
    misused = view_identification.projection({"orientation": ["CC"]}, "")
    assert misused.value == "CC" and misused.guessed
    described = view_identification.projection({"series_description": "L MLO Breast"}, "")
    assert described.value == "MLO" and described.guessed


def test_ml_is_not_mlo():
    assert view_identification.projection({"view_position": "ML"}, "").value == "ML"
    assert view_identification.from_words("R_ML")[1] is Projection.ML


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({}, ()),
        ({"view_modifiers": [["SRT", "R-102D7", ""]]}, (Modifier.SPOT,)),
        ({"view_modifiers": [["SCT", "399209000", ""]]}, (Modifier.IMPLANT_DISPLACED,)),
        ({"magnification": 1.8}, (Modifier.MAGNIFICATION,)),
        ({"magnification": 1.07}, ()),
        ({"paddle": "SPOT CONTACT"}, (Modifier.SPOT,)),
        ({"view_modifiers": [["99X", "ZZ", ""]]}, (Modifier.OTHER,)),
    ],
)
def test_what_makes_a_view_an_extra_one(header, expected):
    assert view_identification.modifiers(header) == expected


@pytest.mark.parametrize(
    ("orientation", "left", "side", "seen", "up"),
    [
        (["A", "R"], True, L, CC, True),
        (["P", "L"], False, R, CC, True),
        (["P", "R"], False, R, CC, False),
        (["A", "L"], True, L, CC, False),
        (["A", "F"], True, L, MLO, True),
        (["P", "FL"], False, R, MLO, True),
        (["P", "HL"], False, R, MLO, False),
    ],
)
def test_patient_orientation_tells_how_the_picture_lies(orientation, left, side, seen, up):
    header = {"orientation": orientation}
    assert (view_identification.chest_wall(header).value == "left") is left
    view = View(ViewName(side, seen), np.zeros((4, 4), np.uint8), "made", orientation=Orientation(*orientation))
    assert view_identification.column_direction(header) == view.orientation.column
    assert (view.chest_wall_left, view.head_up) == (left, up)


def test_without_patient_orientation_nothing_is_claimed():
    assert view_identification.chest_wall({"orientation": ["CC"]}) is None
    assert view_identification.chest_wall({}) is None


def test_spacing_is_corrected_only_by_a_stated_magnification():
    told = {"row_mm": 0.1, "column_mm": 0.1, "origin": "imager"}
    assert view_identification.spacing({"spacing": told}).kind is SpacingKind.DETECTOR
    corrected = view_identification.spacing({"spacing": told, "magnification": 1.25})
    assert corrected.kind is SpacingKind.CORRECTED and corrected.row_mm == pytest.approx(0.08)
    assert view_identification.spacing({}) is None
