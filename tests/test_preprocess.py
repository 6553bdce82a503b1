from dataclasses import replace

import cv2
import numpy as np
import pytest

from mvmlm.exam import STANDARD_VIEWS, Orientation, Projection, View, ViewName
from mvmlm.imaging.preprocess import (
    NoBreast,
    Preprocessing,
    ViewGeometry,
    breast_outline,
    chest_wall_is_left,
    find_breast,
)
from mvmlm.imaging.voi import render
from tests.conftest import half_turn

PREPROCESSING = Preprocessing()


def geometries():
    rng = np.random.default_rng(0)
    for flips in range(4):
        left, top = rng.integers(0, 200, 2)
        crop = (int(left), int(top), int(left + rng.integers(300, 900)), int(top + rng.integers(500, 1500)))
        yield ViewGeometry(1900, 1200, crop, bool(flips & 1), bool(flips & 2), 380, 231, 2, 384, 240)


@pytest.mark.parametrize("geometry", geometries())
def test_points_go_to_the_model_and_back(geometry):
    left, top, right, bottom = geometry.crop
    rng = np.random.default_rng(1)
    points = np.stack([rng.uniform(left, right, 50), rng.uniform(top, bottom, 50)], 1)
    assert np.abs(geometry.to_source(geometry.to_model(points)) - points).max() < 1e-9


@pytest.mark.parametrize("geometry", geometries())
def test_a_picture_and_a_point_go_to_the_same_place(geometry):
    left, top, right, bottom = geometry.crop
    column, row = left + (right - left) // 3, top + 2 * (bottom - top) // 3
    picture = np.zeros((geometry.source_rows, geometry.source_columns), np.float32)
    cv2.circle(picture, (column, row), 8, 1.0, -1)
    there = geometry.image_to_model(picture)
    rows, columns = np.mgrid[: there.shape[0], : there.shape[1]]
    centroid = [(there * columns).sum() / there.sum(), (there * rows).sum() / there.sum()]
    assert np.abs(np.array(centroid) - geometry.to_model([[column, row]])[0]).max() < 0.6
    back = geometry.map_to_source(there)
    peak = np.unravel_index(cv2.GaussianBlur(back, (0, 0), 3).argmax(), back.shape)
    assert np.hypot(peak[0] - row, peak[1] - column) < 8


def test_a_map_is_zero_outside_the_crop_and_has_the_files_size(phantom):
    view = phantom.exam.views[STANDARD_VIEWS[0]]
    geometry = PREPROCESSING(view).geometry
    back = geometry.map_to_source(np.ones((12, 8)))
    left, top, right, bottom = geometry.crop
    assert back.shape == view.pixels.shape
    back[top:bottom, left:right] = 0
    assert not back.any()


@pytest.mark.parametrize("name", STANDARD_VIEWS, ids=str)
def test_the_chest_wall_is_left_in_the_model_whatever_the_file_does(phantom, name):
    view = phantom.exam.views[name]
    expected = PREPROCESSING(view).tensor
    mirrored = replace(
        view,
        pixels=view.pixels[:, ::-1],
        orientation=Orientation.of(view.name, chest_wall_left=not view.chest_wall_left),
    )
    upside_down = replace(
        view,
        pixels=view.pixels[::-1],
        orientation=Orientation.of(view.name, chest_wall_left=view.chest_wall_left, head_up=False),
    )
    for other in (mirrored, upside_down):
        assert np.abs(PREPROCESSING(other).tensor - expected).mean() < 0.06
    ours = PREPROCESSING(view).breast
    assert ours[:, :24].sum() > ours[:, -24:].sum()


def test_monochrome1_gives_the_same_input(phantom):
    view = phantom.exam.views[STANDARD_VIEWS[0]]
    inverted = replace(view, pixels=4095 - view.pixels, inverted=True)
    assert np.abs(PREPROCESSING(inverted).tensor - PREPROCESSING(view).tensor).max() < 1e-3


def film_like(strip=0, label=True, edges=True):
    """A half-disc breast on grey film, chest wall right, with a tape label, film edges and a strip of film."""
    picture = np.full((900, 600), 3000, np.float32)
    rows, columns = np.mgrid[:900, :600]
    breast = ((rows - 450) / 330.0) ** 2 + ((599 - columns) / 380.0) ** 2 < 1
    picture[breast] = 30000 + 8000 * np.sin(rows[breast] / 23.0)
    if label:
        picture[60:130, 40:200] = 60000
        cv2.putText(ink := np.zeros((900, 600), np.uint8), "RCC", (50, 110), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 255, 4)
        picture[ink > 0] = 5000
    if strip:
        picture[:, -strip:] = np.maximum(picture[:, -strip:], 20000)
    if edges:
        picture[:9], picture[:, :9] = 65000, 65000
    return cv2.GaussianBlur(picture, (0, 0), 1.5).astype(np.uint16), breast


@pytest.mark.parametrize("strip", [0, 40])
def test_tape_labels_and_film_edges_do_not_become_breast(strip):
    picture, breast = film_like(strip)
    mask, (left, top, right, bottom) = find_breast(picture)
    assert not mask[60:130, 40:200].any(), "the tape label"
    assert not mask[:9].any() and not mask[:, :9].any(), "the film's edges"
    overlap = (mask & breast).sum() / (mask | breast).sum()
    assert overlap > 0.93
    assert top > 80 and bottom < 820 and left > 150 and right == 600


def test_a_tapering_end_of_the_breast_is_kept():
    rows, columns = np.mgrid[:900, :600]
    pointed = columns < 420 * (1 - np.abs(rows - 450) / 450.0) ** 0.8
    mask, (_, top, _, bottom) = find_breast(np.where(pointed, 30000, 300).astype(np.uint16))
    assert top < 40 and bottom > 860
    assert (mask & pointed).sum() / pointed.sum() > 0.97


@pytest.mark.parametrize("name", STANDARD_VIEWS, ids=str)
def test_where_nothing_tells_the_orientation_the_pixels_do(phantom, name):
    view = phantom.exam.views[name]
    assert chest_wall_is_left(render(view)) == view.chest_wall_left
    assert chest_wall_is_left(render(view)[:, ::-1].copy()) != view.chest_wall_left


@pytest.mark.parametrize(
    "picture", [np.zeros((400, 300)), np.full((400, 300), 900), np.zeros((8, 8))], ids=["black", "flat", "tiny"]
)
def test_a_picture_without_a_breast_is_refused(picture):
    with pytest.raises(NoBreast):
        PREPROCESSING(View(ViewName.parse("L_CC"), picture.astype(np.uint16), "x", bits=12))


def test_true_aspect_ratio_is_kept(phantom):
    for view in phantom.exam.views.values():
        geometry = PREPROCESSING(view).geometry
        left, top, right, bottom = geometry.crop
        assert abs(geometry.scaled_columns / (right - left) - geometry.scaled_rows / (bottom - top)) < 0.012


def test_the_nipple_is_where_the_phantom_has_it(phantom):
    """A phantom's nipple is on the middle row of its field (CC), on the 45 % line of an MLO, away from the chest wall."""
    for name, view in phantom.exam.views.items():
        (left, top, right, bottom), (column, row) = breast_outline(view)
        mask, _ = find_breast(render(view))
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        edges = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
        assert np.abs(np.subtract((left, top, right, bottom), edges)).max() <= 6
        wanted = view.rows * (0.5 if name.projection is Projection.CC else 0.55)
        if name.projection is Projection.CC:
            assert abs(row - wanted) < 0.05 * view.rows
        far = column if view.chest_wall_left else view.columns - 1 - column
        assert far > 0.25 * view.columns
    turned = replace(view, pixels=view.pixels[::-1, ::-1], orientation=half_turn(view))
    again = breast_outline(turned).nipple
    assert abs(view.columns - 1 - again[0] - column) < 12 and abs(view.rows - 1 - again[1] - row) < 40
    assert breast_outline(replace(view, pixels=view.pixels * 0)) is None
