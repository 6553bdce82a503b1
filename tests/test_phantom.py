import csv
import hashlib

import cv2
import numpy as np
import pytest
from pydicom import dcmread

from mvmlm.exam import Laterality, Projection, ViewName
from mvmlm.imaging.load import load_exam
from mvmlm.phantom import FIELD_MM, annual_hazard, phantom_exam, phantom_exams
from mvmlm.phantom.exams import contrast_to_noise
from mvmlm.phantom.truth import truth_rows, write_phantoms
from mvmlm.report.lexicon import KINDS

ROWS = 256


@pytest.fixture(scope="module")
def twenty():
    return list(phantom_exams(20, seed=11, rows=ROWS))


def test_the_same_seed_gives_the_same_exam(twenty):
    again = list(phantom_exams(3, seed=11, rows=ROWS))
    for first, second in zip(again, twenty):
        for name, view in first.exam.views.items():
            assert (view.pixels == second.exam.views[name].pixels).all()
    other = next(phantom_exams(1, seed=12, rows=ROWS))
    assert any((view.pixels != twenty[0].exam.views[name].pixels).any() for name, view in other.exam.views.items())


def test_files_are_the_same_bytes_and_complete(tmp_path, decoder):
    for folder in ("a", "b"):
        write_phantoms(tmp_path / folder, n=2, seed=5, rows=ROWS)

    def digest(folder):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [(path.relative_to(folder), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files]

    assert digest(tmp_path / "a") == digest(tmp_path / "b")
    with open(tmp_path / "a" / "findings.csv", newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert len(rows) == 4
    wanted = [
        "exam",
        "laterality",
        "density",
        "mass",
        "calcification",
        "asymmetry",
        "distortion",
        "malignant",
        "birads",
        "risk_years",
        "cancer",
    ]
    assert list(rows[0])[: len(wanted)] == wanted
    exam = load_exam(tmp_path / "a" / rows[0]["exam"], decoder=decoder)
    assert exam.missing == () and not exam.set_aside and not any(view.guessed for view in exam.views.values())
    for path in (tmp_path / "a" / "masks").iterdir():
        name, *view, _ = path.stem.rsplit("_", 3)
        assert cv2.imread(str(path), -1).shape == exam.views[ViewName.parse("_".join(view))].pixels.shape


def test_findings_and_masks_agree(twenty):
    for phantom in twenty:
        for (name, kind), mask in phantom.masks.items():
            assert phantom.breasts[name.laterality].findings.first(kind) is not None
            assert mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}


def test_a_lesion_is_equally_far_from_the_nipple_in_both_views(twenty):
    compared = 0
    for phantom in twenty:
        for side in Laterality:
            if phantom.breasts[side].findings.first("mass") is None:
                continue
            depths = []
            for projection in (Projection.CC, Projection.MLO):
                mask = phantom.masks[ViewName(side, projection), "mass"]
                if not mask.any():
                    break
                columns = np.flatnonzero(mask.any(0))
                middle = columns.mean() if side is Laterality.LEFT else mask.shape[1] - 1 - columns.mean()
                depths.append(middle * FIELD_MM[0] / ROWS)
            if len(depths) == 2:
                compared += 1
                assert abs(depths[0] - depths[1]) < 10
    assert compared >= 4


def test_a_lesion_is_brighter_than_the_same_breast_without_it(twenty):
    """The drawn mass is where its mask says: its centre is brighter than a ring around it, on average."""
    differences = []
    for phantom in twenty:
        for (name, kind), mask in phantom.masks.items():
            if kind == "mass" and mask.sum() / 255 > 30:
                ring = cv2.dilate(mask, np.ones((15, 15), np.uint8)) > mask
                pixels = phantom.exam.views[name].pixels.astype(float)
                differences.append(pixels[mask > 0].mean() - pixels[ring].mean())
    assert len(differences) >= 6 and np.mean(differences) > 100


def test_right_breasts_have_their_chest_wall_on_the_right(twenty):
    for name, view in twenty[0].exam.views.items():
        edge = view.pixels[ROWS // 2 - 20 : ROWS // 2 + 20]
        left, right = edge[:, :10].mean(), edge[:, -10:].mean()
        assert (left > right) == (name.laterality is Laterality.LEFT) == view.chest_wall_left


def test_denser_women_have_brighter_breasts_inside(twenty):
    by_density = {}
    for phantom in twenty:
        view = phantom.exam.views[ViewName.parse("L_CC")].pixels
        inside = view[view > 600]
        by_density.setdefault(phantom.density, []).append(np.median(inside) / np.percentile(inside, 99))
    assert np.mean(by_density["D"] + by_density["C"]) > np.mean(by_density["A"] + by_density["B"])


def test_a_cancer_in_the_pictures_is_no_future_risk(twenty):
    for phantom in twenty:
        if any(breast.malignant for breast in phantom.breasts.values()):
            assert (phantom.risk_years, phantom.cancer) == (0.0, True)
        else:
            assert phantom.risk_years > 0
    assert annual_hazard(0.5, 0.5, 50) > annual_hazard(0.1, 0.1, 50)


def test_no_value_is_lost_at_any_size():
    for rows in (128, 640, 1024):
        phantom = phantom_exam("x", np.random.default_rng([51, rows]), rows)
        for view in phantom.exam.views.values():
            assert view.pixels.shape == (rows, round(rows * 13 / 16)) and view.pixels.max() > 3000


def test_the_truth_says_how_hard_a_lesion_is_and_which_risk_was_drawn(twenty):
    rows = [row for phantom in twenty for row in truth_rows(phantom)]
    assert all(38 <= row["age_years"] <= 85 and row["best_risk_score"] > 0 for row in rows)
    for row in rows:
        for kind in KINDS:
            told = [row.get(f"{kind}_cnr_{projection}") for projection in ("CC", "MLO")]
            assert any(value is not None for value in told) == bool(row[kind]), "a lesion that was drawn has a contrast"


def test_a_stronger_lesion_has_the_higher_contrast_to_noise():
    tissue = np.random.default_rng(0).normal(1, 0.1, (60, 60))
    mask = np.zeros((60, 60), bool)
    mask[25:35, 25:35] = True
    weak, strong = (contrast_to_noise(amount * mask, tissue, mask, mm=1.0) for amount in (0.05, 0.5))
    assert weak == pytest.approx(0.5, rel=0.2) and strong == pytest.approx(10 * weak, rel=0.01)
    assert contrast_to_noise(mask * 0.0, tissue, mask & False, mm=1.0) == 0


def test_a_shifted_machine_is_none_of_the_usual_ones(twenty):
    shifted = list(phantom_exams(3, seed=11, rows=ROWS, shift=True))
    usual = {view.acquisition.manufacturer for phantom in twenty for view in phantom.exam.views.values()}
    for plain, moved in zip(twenty, shifted):
        for name, view in moved.exam.views.items():
            assert view.acquisition.manufacturer not in usual
            assert view.spacing.row_mm == pytest.approx(1.2 * plain.exam.views[name].spacing.row_mm, rel=0.02)
        assert moved.density == plain.density, "the same woman on another machine"


def test_the_age_is_in_the_header(tmp_path):
    write_phantoms(tmp_path, n=1, seed=5, rows=64)
    path = next(tmp_path.glob("phantom-*/*.dcm"))
    assert 38 <= int(dcmread(path).PatientAge[:-1]) <= 85
