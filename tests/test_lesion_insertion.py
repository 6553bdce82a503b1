"""Lesions set into breasts and taken out of them, on phantoms: pixels, boxes, labels and reports belong together."""

import os
import random
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mvmlm.datasets.case import FindingBox
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.phantom import phantom_exam
from mvmlm.pretraining.batches import BatchLoader, make_batch
from mvmlm.pretraining.drawn_lesions import insert_drawn
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, ModelBox, to_cached_exam
from mvmlm.pretraining.lesion_donors import BreastFrame, RelativePlace, around_box, mass_donors
from mvmlm.pretraining.lesion_insertion import (
    Insertion,
    insert_mass,
    remove_lesions,
    replace_normal_tissue,
)
from mvmlm.pretraining.tissue_blending import Ellipse, addition, membrane, rim_values
from mvmlm.report.findings import Finding, Findings

R, L = Laterality.RIGHT, Laterality.LEFT
PREPROCESSING = Preprocessing(256, 160)
CACHES = Path(os.environ.get("MVMLM_TEST_CACHES", "missing"))
TRAIN, VALIDATION = (0, 1, 8, 9, 12, 21, 51, 54, 57, 2), (10, 24)  # seeds of phantoms, most of them with a mass


def box_of(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return FindingBox("mass", columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Phantoms; the findings of each breast are its mass, or none."""
    folder = tmp_path_factory.mktemp("phantoms")
    with ExamCacheWriter(folder, PREPROCESSING) as writer:
        for seed in (*TRAIN, *VALIDATION):
            phantom = phantom_exam(f"p{seed}", np.random.default_rng([11, seed]), rows=288)
            boxes = {
                name: [box_of(mask)] for (name, kind), mask in phantom.masks.items() if kind == "mass" and mask.any()
            }
            cached = to_cached_exam(phantom.exam, PREPROCESSING, boxes)
            findings, known = {}, {}
            for side, breast in phantom.breasts.items():
                mass = breast.findings.first("mass")
                findings[side] = Findings(
                    "B", (mass,) if mass else (), frozenset() if mass else {"mass"}, "4" if mass else "1"
                )
                known[side] = {"mass": int(mass is not None), "malignancy": 0, "birads": 3 if mass else 0}
            labels = Labels(findings, known, {"density": 1}, (3.0, False), cached.boxes)
            writer.add(f"p{seed}", cached.views, cached.present, labels, "train" if seed in TRAIN else "validation")
    return folder


@pytest.fixture(scope="module")
def cache(folder):
    return ExamCache(folder, "train")


@pytest.fixture(scope="module")
def donors(folder):
    return mass_donors(folder)


def breasts(cache, mass):
    """(exam index, side) of the breasts with or without a mass."""
    return [
        (index, side)
        for index, labels in enumerate(cache.labels)
        for side in Laterality
        if labels.breast[side]["mass"] == mass
    ]


def of_side(boxes, side):
    return [box for box in boxes if STANDARD_VIEWS[box.view].laterality is side]


def set_in(cache, donors, seed=0):
    """A breast without a mass into which one was set: its exam's index, its side, and the change."""
    for index, side in breasts(cache, 0):
        for donor in donors:
            if (changed := insert_mass(cache.views(index), side, (), donor, random.Random(seed))) is not None:
                return index, side, donor, changed
    raise AssertionError("no place for any mass")


def test_donors_are_of_training_exams_and_keep_the_words_of_the_mass_alone(folder, donors):
    assert len(donors) >= 2
    words = {(donor.finding.shape, donor.finding.margin) for donor in donors}
    train = ExamCache(folder, "train")
    present = [found for labels in train.labels for f in labels.findings.values() for found in f.present]
    assert words <= {(found.shape, found.margin) for found in present}
    assert all(donor.finding.size_mm is None and donor.finding.place is None for donor in donors)
    everything = {donor.finding for donor in donors}
    assert all(finding.kind == "mass" and finding.birads is None for finding in everything)


def test_a_membrane_takes_over_a_slope_and_so_a_flat_slope_adds_nothing():
    picture = np.add.outer(np.arange(80) * 1.0, np.arange(90) * 0.5).astype(np.uint8) + np.uint8(40)
    ellipse = Ellipse(45.0, 40.0, 20.0, 15.0)
    found = addition(picture, ellipse)
    assert np.abs(found.added * found.weight).max() < 3 and abs(found.contrast) < 1
    window = ellipse.window(picture.shape)
    rim = rim_values(picture.astype(np.float32), ellipse)
    inside = ellipse.radius(window) < 0.9
    assert np.abs(membrane(rim, ellipse, window) - picture[window])[inside].max() < 3


def test_a_mass_is_set_into_both_views_at_the_same_distance_from_the_nipple(cache, donors):
    index, side, donor, changed = set_in(cache, [donor for donor in donors if len(donor.views) == 2])
    before = cache.views(index)
    assert [box.view for box in changed.boxes] == [
        view for view, name in enumerate(STANDARD_VIEWS) if name.laterality is side
    ]
    assert changed.findings == (donor.finding,)
    depths = []
    for box in changed.boxes:
        difference = changed.views[box.view].astype(int) - before[box.view]
        place = around_box(box)
        rows, columns = np.nonzero(difference)
        reach = 1.2 * max(place.half_width, place.half_height)
        assert np.hypot(columns - place.column, rows - place.row).max() < 1.5 * reach
        inside = difference[round(box.top) : round(box.bottom), round(box.left) : round(box.right)]
        assert inside.mean() > 1, "a mass is brighter than its surroundings"
        assert not (changed.views[box.view] > 0)[before[box.view] == 0].any(), "nothing outside the breast"
        depths.append(RelativePlace.of(place.column, place.row, BreastFrame.of(before[box.view] > 0)).depth)
    donor_depths = [donor.view(STANDARD_VIEWS[box.view].projection).place.depth for box in changed.boxes]
    assert np.diff(depths) == pytest.approx(np.diff(donor_depths), abs=0.03)
    untouched = [view for view, name in enumerate(STANDARD_VIEWS) if name.laterality is not side]
    assert (changed.views[untouched] == before[untouched]).all()


def test_what_is_added_lies_in_the_middle_of_its_box(tmp_path):
    """A round spot far from the middle of its picture, set into an even breast."""
    rows, columns = np.mgrid[:256, :160]
    breast = (columns < 140 * np.sqrt(np.clip(1 - ((rows - 128) / 120) ** 2, 0, 1))).astype(np.float32)
    spot = 60 * np.exp(-((rows - 150) ** 2 + (columns - 90) ** 2) / 60)
    views = np.zeros((4, 256, 160), np.uint8)
    views[[0, 2]] = np.clip((100 + spot) * breast, 0, 255)
    boxes = tuple(ModelBox(view, "mass", 82.5, 142.5, 98.5, 158.5) for view in (0, 2))
    labels = Labels({R: Findings("B", (Finding("mass", shape="round"),))}, {R: {"mass": 1}}, {}, None, boxes)
    with ExamCacheWriter(tmp_path, PREPROCESSING) as writer:
        writer.add("spot", views, views.any((1, 2)), labels)
    (donor,) = mass_donors(tmp_path)
    even = np.zeros((4, 256, 160), np.uint8)
    even[[1, 3]] = 90 * breast
    for seed in range(5):
        changed = insert_mass(even, L, (), donor, random.Random(seed))
        for box in changed.boxes:
            added = changed.views[box.view].astype(float) - even[box.view]
            centre = (rows * added).sum() / added.sum(), (columns * added).sum() / added.sum()
            assert centre == pytest.approx(((box.top + box.bottom - 1) / 2, (box.left + box.right - 1) / 2), abs=0.7)


def test_a_mass_keeps_its_share_of_the_height_of_the_breast(cache, donors):
    index, side, donor, changed = set_in(cache, donors)
    for box in changed.boxes:
        seen = donor.view(STANDARD_VIEWS[box.view].projection)
        height = BreastFrame.of(cache.views(index)[box.view] > 0).height
        size = max(box.right - box.left, box.bottom - box.top) / height
        assert size == pytest.approx(2 * max(seen.box) / seen.height, rel=0.5)


def test_masses_are_set_in_from_plain_to_barely_visible(cache, donors):
    index, side, donor, _ = set_in(cache, donors)
    risen = []
    for seed in range(30):
        if changed := insert_mass(cache.views(index), side, (), donor, random.Random(seed)):
            box = changed.boxes[0]
            part = np.s_[round(box.top) : round(box.bottom), round(box.left) : round(box.right)]
            risen.append((changed.views[box.view].astype(int) - cache.views(index)[box.view])[part].mean())
    assert max(risen) > 1.3 * min(risen) > 0


def test_a_mass_is_taken_out_and_its_place_is_no_brighter_than_what_is_around_it(cache):
    removed = 0
    for index, side in breasts(cache, 1):
        boxes = of_side(cache.labels[index].boxes, side)
        changed = remove_lesions(cache.views(index), side, boxes, random.Random(1))
        if changed is None or not boxes:
            continue
        removed += 1
        for box in boxes:
            old, new = cache.views(index)[box.view], changed.views[box.view]
            before, after = addition(old, around_box(box)), addition(new, around_box(box))
            assert after.contrast < max(0.5 * before.contrast, 2 * before.spread)
            place = around_box(box)
            rows, columns = np.nonzero(old != new)
            assert np.abs(columns - place.column).max() <= place.half_width + 1
            assert np.abs(rows - place.row).max() <= place.half_height + 1
    assert removed >= 2


def test_tissue_that_is_filled_in_keeps_the_grain_of_its_surroundings():
    grain = np.random.default_rng(0).normal(0, 6, (160, 160))
    picture = np.clip(cv2.GaussianBlur(grain, (0, 0), 0.7) * 2 + 110, 1, 255).astype(np.uint8)
    views = np.zeros((4, 160, 160), np.uint8)
    views[0] = picture
    box = ModelBox(0, "mass", 60, 60, 90, 90)
    changed = remove_lesions(views, R, [box], random.Random(0))
    place = around_box(box)
    window = place.window(picture.shape)
    radius = place.radius(window)
    fine = [np.abs(cv2.Laplacian(p[window].astype(np.float32), -1)) for p in (picture, changed.views[0])]
    for low, high in ((0, 0.7), (0.75, 1.0)):
        ring = (radius > low) & (radius < high)
        assert fine[1][ring].mean() == pytest.approx(fine[0][ring].mean(), rel=0.15)


def test_changed_normal_tissue_keeps_clear_of_findings(cache):
    changes = 0
    for index, side in breasts(cache, 1):
        boxes = of_side(cache.labels[index].boxes, side)
        for seed in range(6):
            changed = replace_normal_tissue(cache.views(index), side, boxes, random.Random(seed))
            if changed is None:
                continue
            changes += 1
            assert changed.boxes == () and changed.findings == ()
            for box in boxes:
                part = np.s_[box.view, int(box.top) : int(box.bottom) + 1, int(box.left) : int(box.right) + 1]
                assert (changed.views[part] == cache.views(index)[part]).all()
    assert changes > 3


ALWAYS = {"mass": 1.0, "removed": 1.0, "replaced": 0.0}


def test_a_breast_into_which_a_mass_was_set_is_known_to_have_it_and_no_outcome(cache, donors):
    insertion = Insertion(donors, mass=1.0, removed=0.0, replaced=0.0)
    done = 0
    for index, side in breasts(cache, 0):
        before = cache.labels[index]
        unknown = replace(before, findings={}, breast={}, risk=(2.0, True))
        for labels in (before, unknown):
            _, after = insertion(cache.views(index), labels, random.Random(5))
            if not of_side(after.boxes, side):
                continue
            done += 1
            known = after.breast[side]
            assert known["mass"] == 1 and "malignancy" not in known and "birads" not in known and after.risk is None
            found = after.findings[side]
            assert [f.kind for f in found.present] == ["mass"] and "mass" not in found.absent and found.birads is None
            assert found.density == (labels.findings[side].density if side in labels.findings else None)
            if labels is unknown:
                assert known == {"mass": 1} and found.absent == frozenset()
            assert after.exam == before.exam
    assert done >= 4


def test_a_breast_without_a_mass_stays_a_negative_when_nothing_is_set_in(cache, donors):
    insertion = Insertion(donors, mass=0.0, removed=0.0, replaced=1.0)
    for index in range(len(cache)):
        _, after = insertion(cache.views(index), cache.labels[index], random.Random(2))
        assert after == cache.labels[index]


def test_a_mass_that_was_taken_out_is_denied_and_its_outcome_unknown(cache, donors):
    insertion = Insertion((), **ALWAYS)
    done = set()
    for index, side in breasts(cache, 1):
        for seed in range(4):
            before = cache.labels[index]
            _, after = insertion(cache.views(index), before, random.Random(seed))
            if of_side(after.boxes, side):
                assert after.findings[side] == before.findings[side] and after.breast[side] == before.breast[side]
                continue
            done.add((index, side))
            assert after.breast[side] == {"mass": 0}
            assert after.findings[side] == Findings("B", absent=frozenset({"mass"}))
    assert len(done) >= 2


def test_a_breast_with_a_cancer_or_a_finding_without_a_box_gets_no_mass(cache, donors):
    insertion = Insertion(donors, **ALWAYS)
    index, side = breasts(cache, 0)[0]
    labels = cache.labels[index]
    cancer = {**labels.breast, R: {"malignancy": 1}, L: {"malignancy": 1}}
    unplaced = {s: Findings("B", (Finding("calcification"),)) for s in Laterality}
    for changed in (replace(labels, breast=cancer, boxes=()), replace(labels, findings=unplaced, boxes=())):
        for seed in range(4):
            views, after = insertion(cache.views(index), changed, random.Random(seed))
            assert after == changed and (views == cache.views(index)).all()


@pytest.mark.parametrize("kind", ["calcification", "distortion"])
def test_drawn_lesions_are_in_their_boxes_in_every_view_and_described(cache, kind):
    done = 0
    for seed in range(12):
        index, side = breasts(cache, 0)[seed % 3]
        before = cache.views(index)
        changed = insert_drawn(kind, before, side, (), random.Random(seed))
        if changed is None:
            continue
        done += 1
        (finding,) = changed.findings
        assert finding.kind == kind and (kind == "distortion" or (finding.morphology and finding.distribution))
        assert len(changed.boxes) == 2 and {box.kind for box in changed.boxes} == {kind}
        for box in changed.boxes:
            differs = changed.views[box.view] != before[box.view]
            in_box = differs[int(box.top) : int(box.bottom), int(box.left) : int(box.right)]
            assert in_box.any() and in_box.sum() > 0.15 * differs.sum()
        for view in {0, 1, 2, 3} - {box.view for box in changed.boxes}:
            assert (changed.views[view] == before[view]).all()
    assert done >= 3


def test_drawn_lesions_are_added_to_what_is_known(cache):
    insertion = Insertion((), mass=0.0, removed=0.0, replaced=0.0, calcification=1.0, distortion=1.0)
    found = set()
    for index, side in breasts(cache, 0):
        _, after = insertion(cache.views(index), cache.labels[index], random.Random(index))
        for box in of_side(after.boxes, side):
            found.add(box.kind)
            assert after.breast[side][box.kind] == 1 and after.findings[side].first(box.kind)
            assert after.breast[side]["mass"] == 0 and "mass" in after.findings[side].absent
            assert "malignancy" not in after.breast[side]
    assert found == {"calcification", "distortion"}


def test_the_draws_of_a_batch_depend_on_the_seed_of_each_exam_alone(cache, donors):
    insertion = Insertion(donors)
    seeds = [random.Random(number) for number in range(4)]
    whole = make_batch(cache, range(4), ("mass",), seeds, insertion)
    for exam in range(4):
        alone = make_batch(cache, [exam], ("mass",), [random.Random(exam)], insertion)
        assert torch.equal(alone.images[0], whole.images[exam])
        assert alone.known[0] == whole.known[exam]
        assert torch.equal(alone.labels["mass"].nan_to_num(-1)[0], whole.labels["mass"].nan_to_num(-1)[exam])


def test_the_loader_gives_the_labels_boxes_and_reports_of_what_it_changed(cache, donors):
    insertion = Insertion(donors, mass=1.0, removed=1.0)
    batches = []
    for workers in (0, 1):
        loader = BatchLoader(cache, ("mass", "malignancy"), 3, 8, workers=workers, epochs=1, insertion=insertion)
        batches += loader.batches(0)
        loader.close()
    first, second = batches
    assert torch.equal(first.images, second.images) and first.known == second.known and first.boxes == second.boxes
    assert first.wordings == second.wordings
    plain = next(BatchLoader(cache, ("mass", "malignancy"), 3, 8, epochs=1).batches(0))
    assert first.known != plain.known
    for exam, labels in enumerate(first.known):
        for number, side in enumerate(Laterality):
            told = first.labels["mass"][exam, number].item()
            found = first.findings[2 * exam + number]
            assert (found.first("mass") is not None) <= (told == 1)
            if labels != plain.known[exam] and labels.breast[side] != plain.known[exam].breast[side]:
                assert first.labels["malignancy"][exam, number].isnan()


def test_without_insertion_a_batch_is_as_before(cache):
    plain = make_batch(cache, [0, 1], ("mass",), [random.Random(0), random.Random(1)])
    assert plain.known == tuple(cache.labels[:2])


@pytest.mark.skipif(not (CACHES / "cbis").is_dir(), reason="MVMLM_TEST_CACHES names no folder with decoded films")
def test_masses_of_real_films_are_set_in_and_taken_out():
    donors = mass_donors(CACHES / "cbis")
    films = ExamCache(CACHES / "cbis", "train")
    assert len(donors) > 100
    insertion = Insertion(donors, mass=0.5, removed=1.0)
    known = [insertion(films.views(i), films.labels[i], random.Random(i))[1] for i in range(60)]
    masses = [labels.breast[side].get("mass") for labels in known for side in labels.findings]
    assert masses.count(0) > 5 and masses.count(1) > 15
