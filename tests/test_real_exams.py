"""Genuine exams: one digital exam as PNG and as DICOM, and two film exams with odd headers."""

from dataclasses import replace

import numpy as np
import pytest

from mvmlm.exam import STANDARD_VIEWS, Acquisition
from mvmlm.imaging.load import SeveralExams, load_exam
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.imaging.write import dataset
from mvmlm.inference.explain import source_maps
from mvmlm.inference.prediction import Target
from tests.test_load import SYNTAXES

PREPROCESSING = Preprocessing()


@pytest.fixture(scope="module")
def png_exam(real_exam_folder, decoder):
    return load_exam(sorted(real_exam_folder.glob("*.png")), decoder=decoder)


def test_the_four_views_are_found_and_oriented_from_png(png_exam):
    assert png_exam.missing == ()
    for name, view in png_exam.views.items():
        assert view.chest_wall_left == (name.laterality.value == "L")
        assert view.bits == 12


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_dicom_gives_the_models_input_of_the_png(png_exam, decoder, tmp_path, syntax):
    for view in png_exam.views.values():
        ds = dataset(replace(view, acquisition=Acquisition(date="20200101")), "real")
        if SYNTAXES[syntax]:
            SYNTAXES[syntax](ds)
        ds.save_as(tmp_path / f"{view.name}.dcm", enforce_file_format=True)
    exam = load_exam(tmp_path, decoder=decoder)
    assert exam.missing == () and not any(view.guessed for view in exam.views.values())
    for name, view in exam.views.items():
        ours, theirs = PREPROCESSING(view), PREPROCESSING(png_exam.views[name])
        assert ours.geometry == theirs.geometry
        assert np.abs(ours.tensor - theirs.tensor).max() < 1e-5


def test_the_breast_fills_its_crop_and_the_corner_marker_is_no_breast(png_exam):
    for view in png_exam.views.values():
        left, top, right, bottom = PREPROCESSING(view).geometry.crop
        assert (right - left) > 0.9 * view.columns and (bottom - top) > 0.95 * view.rows
    marker = png_exam.views[STANDARD_VIEWS[2]]  # R MLO: a lead marker at rows 380-480 of the left edge
    given = PREPROCESSING(marker)
    breast = given.geometry.map_to_source(given.breast.astype(np.float32))
    assert breast[380:480, :30].max() < 0.5


def test_prediction_maps_and_prompts_run_to_the_end(png_exam, predictor):
    prediction = predictor.predict(png_exam, ["dense breast"])
    maps = source_maps(predictor, prediction.encoding, [Target("mass", "present"), Target(None, "dense breast")])
    for by_view in maps.values():
        assert {name: heat.shape for name, heat in by_view.items()} == {
            name: view.pixels.shape for name, view in png_exam.views.items()
        }
    assert len(prediction.prompts) == 7


@pytest.mark.parametrize("case", ["sfm-benign-0", "sfm-malign-0"])
def test_film_exams_are_joined_only_when_the_user_says_so(film_cases, decoder, case):
    paths = list(film_cases[case].values())
    with pytest.raises(SeveralExams) as several:
        load_exam(paths, decoder=decoder)
    assert several.value.listing.joinable and len(several.value.listing.groups) == 4
    exam = load_exam(paths, one_exam=True, decoder=decoder)
    assert exam.missing == ()
    for name, view in exam.views.items():
        assert view.file == film_cases[case][str(name).lower().replace("_", "")].name
        assert view.chest_wall_left == (name.laterality.value == "L")
        assert view.sources["projection"].guessed and view.sources["chest wall"].guessed
        left, top, right, bottom = PREPROCESSING(view).geometry.crop
        outer = (view.columns - left) if not view.chest_wall_left else right
        assert outer < 0.75 * view.columns, "the tape label beside the breast is not part of it"
        assert (bottom - top) > 0.6 * view.rows


def test_both_film_exams_at_once_cannot_be_joined(film_cases, decoder):
    paths = [path for case in film_cases.values() for path in case.values()]
    with pytest.raises(SeveralExams) as several:
        load_exam(paths, decoder=decoder)
    assert not several.value.listing.joinable
