"""What the shutter lets through: the whole breast, and no film border, marker or air."""

import gc
from dataclasses import replace

import numpy as np
import pytest

from app.pictures import hung
from app.viewer import shutter
from app.viewer.shutter import seen
from mvmlm import load_exam
from mvmlm.exam import SpacingKind
from mvmlm.imaging.preprocess import breast_outline, located_breast
from mvmlm.imaging.voi import render
from tests.conftest import ROOT


@pytest.fixture(scope="module")
def film(decoder):
    return load_exam(ROOT / "assets" / "demo_exams" / "film", decoder=decoder)


def opened(view):
    """(rows, columns) bool: what the shutter of a view lets through, as it hangs."""
    found = seen(view)
    shown = np.zeros(view.pixels.shape, bool)
    for row in range(view.rows):
        span = found.opening[min(row // found.step, len(found.opening) - 1)]
        if span:
            shown[row, span[0] : span[1]] = True
    return shown


def test_nothing_of_a_breast_is_covered(phantom):
    for view in phantom.exam.views.values():
        mask, step = located_breast(view)
        breast = hung(mask, view).repeat(step, 0).repeat(step, 1)[: view.rows, : view.columns]
        assert not (breast & ~opened(view)[: breast.shape[0], : breast.shape[1]]).any()
        assert seen(view).box == breast_outline(view).box and seen(view).nipple == breast_outline(view).nipple


def test_a_film_border_is_neither_breast_nor_shown(film):
    for name, view in film.views.items():
        grey, shown = hung(render(view), view), opened(view)
        assert (grey[shown] > 0.97 * 65535).mean() < 0.001, name
        left, top, right, bottom = seen(view).box
        for edge, most in ((left, 3), (view.columns - right, 5)):
            assert edge <= most or edge > 100, "of the chest wall only the lines of the border are cut off"
        whole = breast_outline(view).box
        assert top - whole[1] <= 36 and whole[3] - bottom <= 36


def test_bright_tissue_at_the_edge_of_a_detector_is_no_film_border(phantom):
    view = next(iter(phantom.exam.views.values()))
    assert view.spacing and view.spacing.kind is SpacingKind.DETECTOR
    bright = view.pixels.copy()
    edge = slice(0, 6) if view.chest_wall_left else slice(-6, None)
    bright[:, edge] = np.where(bright[:, edge] > 100, 4095, bright[:, edge])
    assert seen(replace(view, pixels=bright)).box == breast_outline(replace(view, pixels=bright)).box


def test_rows_are_those_of_the_picture_as_it_hangs(phantom):
    view = next(iter(phantom.exam.views.values()))
    turned = replace(view, pixels=np.ascontiguousarray(view.pixels[:, ::-1]), orientation=view.orientation._replace(
        row="P" if view.orientation.row == "A" else "A"
    ))  # fmt: skip
    assert (
        seen(turned).breast == seen(view).breast
        or max(abs(a[0] - b[0]) for a, b in zip(seen(turned).breast, seen(view).breast) if a and b)
        <= 2 * seen(view).step
    )


def test_a_picture_without_a_breast_has_no_shutter(phantom):
    view = next(iter(phantom.exam.views.values()))
    assert seen(replace(view, pixels=view.pixels * 0)) is None


def test_a_view_that_several_readers_have_open_is_looked_at_once_and_forgotten_when_it_is_closed(phantom, monkeypatch):
    looked = []
    monkeypatch.setattr(shutter, "_look_at", lambda view: looked.append(view.name))
    first, second = (replace(view) for view in list(phantom.exam.views.values())[:2])
    for view in (first, second, first):
        seen(view)
    assert looked == [first.name, second.name]
    before = len(shutter._KNOWN)
    del first, view
    gc.collect()
    assert len(shutter._KNOWN) == before - 1
