"""The picture network: its record, the breast that it finds in spite of what stands in the way, what a picture shows."""

import hashlib
import json

import cv2
import numpy as np
import pytest

from mvmlm.exam import STANDARD_VIEWS, Projection
from mvmlm.imaging import picture_network
from mvmlm.imaging.breast_mask import NoBreast, outlined_breast
from mvmlm.imaging.picture_network import COLUMNS, FILE, ROWS, content_box, network_input, picture_facts
from mvmlm.imaging.voi import render
from mvmlm.phantom.other_pictures import KINDS
from mvmlm.phantom.troubles import TROUBLES
from scripts.picture_samples import real_views
from scripts.picture_table import dice, masks_now
from tests.conftest import ROOT

REAL = ROOT.parent / "shared" / "real_mammograms"


def test_the_network_is_the_one_of_its_record_small_and_with_the_licences_of_what_it_learned_from():
    record = json.loads(FILE.with_suffix(".json").read_text(encoding="utf-8"))
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == record["sha256"]
    assert FILE.stat().st_size < 2e6
    licences = record["learned_from"]
    assert "non-commercial" in licences["rsna-640"]
    assert "CC BY 3.0" in licences["cbis-mass-800"] and "CC BY 4.0" in licences["cdd-cesm"]


@pytest.mark.parametrize("shape", [(300, 200), (200, 300), (3000, 120)])
def test_the_whole_picture_goes_into_the_network_at_its_true_shape(shape):
    grey = np.full(shape, 40000, np.uint16)
    grey[: shape[0] // 2] = 10000
    framed, place = network_input(grey)
    assert framed.shape == (ROWS, COLUMNS)
    assert abs(place.height / place.width - shape[0] / shape[1]) < 0.05 * shape[0] / shape[1] + 1
    assert framed[place.top + place.height - 1, place.left] > framed[place.top, place.left]
    assert picture_facts(grey).breast.shape == grey.shape


def test_the_facts_of_a_picture_are_computed_once_and_cannot_be_changed(monkeypatch):
    picture, calls = np.random.default_rng(1).integers(0, 65536, (200, 160)).astype(np.uint16), []
    monkeypatch.setattr(
        picture_network, "network_input", lambda grey: (calls.append(grey.copy()), network_input(grey))[1]
    )
    first = picture_facts(picture)
    assert picture_facts(picture.copy()) is first and len(calls) == 1 and np.array_equal(calls[0], picture)
    with pytest.raises(ValueError, match="read-only"):
        first.breast[:] = 0
    picture[0, 0] ^= 1
    assert picture_facts(picture) is not first, "one pixel makes it another picture"
    assert picture_facts(picture.reshape(160, 200)) is not picture_facts(picture)


@pytest.mark.parametrize("axis", [0, 1])
def test_rows_and_columns_of_one_grey_are_those_of_the_percentiles(axis):
    rng, found = np.random.default_rng(2), 0
    for _ in range(100):
        size = rng.integers(3, 90, 2)
        grey = rng.integers(0, 1500) + rng.integers(0, rng.integers(2, 1500), size)
        grey = np.where(rng.random(size) < 0.012, rng.integers(0, 65536, size), grey).astype(np.uint16)
        low, high = np.percentile(grey, (1, 99), axis=axis)
        plain = (high - low < 0.012 * 65535) & (high < 0.015 * 65535) | (np.ptp(grey, axis=axis) <= 0.002 * 65535)
        assert np.array_equal(picture_network._plain(grey, axis), plain)
        found += plain.sum()
    assert found > 100


def test_padding_and_frames_of_one_grey_do_not_go_into_the_network():
    picture = np.random.default_rng(0).integers(8000, 40000, (300, 200)).astype(np.uint16)
    framed = np.pad(np.pad(picture, ((30, 30), (0, 20)), constant_values=60000), ((0, 40), (100, 0)))
    assert content_box(framed) == (100, 30, 300, 330)
    assert content_box(picture) == (0, 0, 200, 300)
    assert content_box(np.zeros((300, 200), np.uint16)) == (0, 0, 200, 300)
    assert not picture_facts(framed).breast[:, :100].any()


@pytest.mark.parametrize("grey", [20, 60, 128, 200])
def test_padding_of_any_one_grey_changes_no_outline(phantom, grey):
    for view in phantom.exam.views.values():
        picture = render(view)
        border = picture.shape[0] // 10
        framed = cv2.copyMakeBorder(picture, *(border,) * 4, cv2.BORDER_CONSTANT, value=grey * 257)
        inside = (slice(border, -border), slice(border, -border))
        found = masks_now([framed])[0][0]
        assert dice(found[inside], masks_now([picture])[0][0]) > 0.98
        assert not found[: border - 1].any() and not found[:, : border - 1].any() and not found[:, 1 - border :].any()


@pytest.mark.parametrize("share", [0.2, 0.4])
def test_a_small_breast_in_wide_padding_is_found(phantom, share):
    view = phantom.exam.views[STANDARD_VIEWS[1]]
    picture = render(view)
    rows, columns = picture.shape
    small = cv2.resize(picture, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)
    up, beside = int(rows * share), int(columns * share)
    padded = cv2.copyMakeBorder(small, up, up, beside, 3 * beside, cv2.BORDER_CONSTANT, value=0)
    assert picture_facts(padded).kinds["whole"] > 0.5
    inside = masks_now([padded])[0][0][up : up + rows // 2, beside : beside + columns // 2]
    assert dice(inside, masks_now([small])[0][0]) > 0.97


def test_probabilities_of_one_of_several_add_up(phantom):
    facts = picture_facts(render(phantom.exam.views[STANDARD_VIEWS[0]]))
    assert sum(facts.edges.values()) == pytest.approx(1) and sum(facts.kinds.values()) == pytest.approx(1)
    assert facts.breast.min() >= 0 and facts.breast.max() <= 1


@pytest.mark.parametrize("turn", ["as it is", "mirrored", "upside down", "on its side"])
def test_the_chest_wall_the_head_and_the_projection_are_seen(phantom, turn):
    turns = {
        "as it is": lambda grey: grey, "mirrored": lambda grey: grey[:, ::-1], "upside down": lambda grey: grey[::-1],
        "on its side": lambda grey: np.rot90(grey),
    }  # fmt: skip
    for name, view in phantom.exam.views.items():
        facts = picture_facts(np.ascontiguousarray(turns[turn](render(view))))
        left = view.chest_wall_left != (turn == "mirrored")
        edge = {True: "left", False: "right"}[left] if turn != "on its side" else {True: "bottom", False: "top"}[left]
        assert max(facts.edges, key=facts.edges.get) == edge
        assert facts.mlo > 0.25 if name.projection is Projection.MLO else facts.mlo < 0.25
        if name.projection is Projection.MLO:  # turned anticlockwise the head is at the left
            assert (facts.head_first > 0.5) == (turn != "upside down")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_the_breast_is_found_in_spite_of_padding_film_frames_labels_and_edges(phantom, trouble):
    overlaps = []
    for number, (name, view) in enumerate(phantom.exam.views.items()):
        flip = slice(None) if view.chest_wall_left else slice(None, None, -1)
        picture, truth = view.pixels[:, flip].astype(np.float32) / 4095, phantom.outlines[name][:, flip]
        for seed in range(2):
            grey, mask = TROUBLES[trouble](np.random.default_rng([11, seed, number]), picture, truth)
            grey = np.ascontiguousarray(grey[:, flip] * 65535).astype(np.uint16)
            overlaps.append(dice(masks_now([grey])[0][0], mask[:, flip]))
    assert np.mean(overlaps) > 0.95 and min(overlaps) > 0.85, overlaps


@pytest.mark.skipif(not REAL.is_dir(), reason="the real mammograms are not on this machine")
def test_the_outlines_of_real_breasts_that_were_checked_by_eye_are_met():
    found: dict[str, list[float]] = {}
    for view in real_views(REAL, ("train", "test"), only_outlined=True):
        source = view.path.split("/")[0]
        if view.held_out and len(found.setdefault(source, [])) < 12:
            found[source].append(dice(masks_now([view.grey.astype(np.uint16) * 257])[0][0], view.mask))
    assert set(found) == {"rsna", "cbis_mass", "cdd_cesm"}
    for source, overlaps in found.items():
        assert np.mean(overlaps) > 0.96 and min(overlaps) > 0.85, (source, overlaps)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_whole_breast_is_seen_in_what_is_drawn(kind):
    refused = 0
    for seed in range(8):
        grey = (np.clip(kind(np.random.default_rng([5, seed])), 0, 1) * 65535).astype(np.uint16)
        try:
            refused += outlined_breast(grey).facts.kinds["whole"] < 0.5
        except NoBreast:
            refused += 1
    assert refused >= 6
